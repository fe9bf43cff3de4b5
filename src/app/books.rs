//! The books of this process: its directory, locked, the engine, and what keeps the one in the other.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use chrono::SecondsFormat;
use tokio::sync::oneshot;

use crate::config::settings::Settings;
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::answer::EngineError;
use crate::engine::recorder::Receipt;
use crate::rpc::admin::AskUsage;
use crate::storage::gate::Gate;
use crate::storage::{Durability, JournalFigures, Recovered, SnapshotFigures, Storage};
use crate::world::clock::Clock;
use crate::world::disk::{DirectoryLock, LockError, RealDisk};
use crate::world::vitals::Vitals;

use super::plan::{self, Chosen};
use super::reloads::Reloads;
use super::{AppError, random};

/// The last snapshot may take so long: with a million cells and holds it takes a few seconds.
const CLOSE_MAX: Duration = Duration::from_secs(20);

/// The books, and their place on the disk.
pub(super) struct Books {
    pub(super) engine: Arc<Engine>,
    storage: Storage,
    clock: Arc<dyn Clock>,
    durability: Durability,
    /// What recovery found, and how long it took in nanoseconds; once it has succeeded.
    recovered: OnceLock<(Recovered, u64)>,
    /// Last, so that the directory is let go of when nobody writes to it any more.
    _lock: DirectoryLock,
}

impl Books {
    /// Empty books over a directory that no other process uses. Nothing is read yet.
    ///
    /// # Errors
    /// If another process has the directory, or it cannot be made.
    pub(super) fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let folder = &settings.data_dir;
        let lock = DirectoryLock::take(folder, &holder(settings, &*clock))?;
        let disk = RealDisk::open(folder)
            .map_err(|error| LockError::Io(folder.display().to_string(), error))?;
        let options = settings.storage.clone();
        let durability = options.durability;
        let storage = Storage::new(Arc::new(disk), options, Arc::clone(&clock));
        if let Some(most) = storage.holds_max()
            && most < settings.bounds.holds as u64
        {
            tracing::warn!(
                "journal_bytes_max has room to settle {most} open holds, less than bounds.holds: beyond, Reserve is \
                 refused RESOURCE_LIMIT"
            );
        }
        let engine = Engine::new(
            settings.bounds,
            random()?,
            Arc::clone(&clock),
            storage.recorder(),
        );
        Ok(Self {
            engine: Arc::new(engine),
            storage,
            clock,
            durability,
            recovered: OnceLock::new(),
            _lock: lock,
        })
    }

    pub(super) fn gate(&self) -> Arc<Gate> {
        self.storage.gate()
    }

    /// Brings the books back, puts a plan in force, and keeps the books from here on. Takes as long as there is to read, so
    /// it has a thread of its own; dropping the future leaves that thread to the end of the process.
    ///
    /// # Errors
    /// If the books cannot be brought back whole, or their first plan is wrong.
    pub(super) async fn start(
        self: &Arc<Self>,
        plan: Option<&Path>,
        vitals: &Arc<Vitals>,
        reloads: &Arc<Reloads>,
    ) -> Result<Chosen, AppError> {
        let (books, vitals) = (Arc::clone(self), Arc::clone(vitals));
        let reloads = Arc::clone(reloads);
        let plan = plan.map(Path::to_owned);
        on_a_thread("quotad-recovery", move || {
            let begin = books.clock.read().steady_ns;
            let recovered = books.storage.recover(&books.engine)?;
            let took = books.clock.read().steady_ns.saturating_sub(begin);
            tell(&recovered, took / 1_000_000);
            // Books are brought back once.
            let _first = books
                .recovered
                .set((recovered, took.max(0).unsigned_abs()));
            let chosen = plan::choose(&books.engine, plan.as_deref(), &vitals)?;
            if plan.is_some() {
                let now = Timestamp::from_nanos(books.clock.read().wall_ns);
                reloads.start(!vitals.plan_is_stale(), now);
            }
            books.storage.run(&books.engine)?;
            if books.durability == Durability::Memory {
                tracing::warn!(
                    "durability is memory: when the process dies, what happened since the last snapshot is lost"
                );
            }
            Ok(chosen)
        })
        .await?
    }

    /// Whether what was recorded up to here is safe from the loss of power, as far as it will ever be.
    pub(super) fn is_safe(&self, upto: Receipt) -> bool {
        self.storage.synced() >= upto
    }

    /// Answers questions about usage.
    pub(super) fn ask_usage(self: &Arc<Self>) -> Arc<AskUsage> {
        let books = Arc::clone(self);
        Arc::new(move |query, each| Ok(books.storage.usage_each(&books.engine, query, each)?))
    }

    /// What recovery found, and how long it took in nanoseconds; once it has succeeded.
    pub(super) fn recovered(&self) -> Option<(&Recovered, u64)> {
        self.recovered
            .get()
            .map(|(found, took_ns)| (found, *took_ns))
    }

    pub(super) fn journal_figures(&self) -> JournalFigures {
        self.storage.journal_figures(&self.engine)
    }

    pub(super) fn snapshot_figures(&self) -> SnapshotFigures {
        self.storage.snapshot_figures()
    }

    /// What is wrong, if nothing can be acknowledged any more.
    pub(super) fn failure(&self) -> Option<AppError> {
        let unrecorded = || {
            let has_failed = self.engine.has_failed();
            has_failed.then_some(AppError::Engine(EngineError::Unrecorded))
        };
        let failure = self.storage.failure().map(AppError::Storage);
        failure.or_else(unrecorded)
    }

    /// Ends: a last snapshot. What is not done within the limit is left to the journal.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) async fn close(self: &Arc<Self>) -> Result<(), AppError> {
        let books = Arc::clone(self);
        let closing = on_a_thread("quotad-close", move || books.storage.close(&books.engine));
        match tokio::time::timeout(CLOSE_MAX, closing).await {
            Ok(closed) => Ok(closed??),
            Err(_) => {
                self.cut_short("the last snapshot takes too long");
                Ok(())
            }
        }
    }

    /// Says what it means that there is no last snapshot.
    pub(super) fn cut_short(&self, why: &str) {
        if self.durability == Durability::Memory {
            tracing::warn!("{why}; it is given up, and what happened since the one before is lost");
        } else {
            tracing::warn!("{why}; it is given up, and the next start reads the journal instead");
        }
    }
}

/// Who uses the directory, for the next one that tries.
fn holder(settings: &Settings, clock: &dyn Clock) -> String {
    let since = Timestamp::from_nanos(clock.read().wall_ns)
        .to_utc()
        .to_rfc3339_opts(SecondsFormat::Secs, true);
    let listen = settings.listen.map(|address| address.to_string());
    let socket = settings
        .socket
        .as_ref()
        .map(|it| it.path.display().to_string());
    let places: Vec<String> = listen.into_iter().chain(socket).collect();
    format!(
        "quotad, process {} since {since}, listening on {}",
        std::process::id(),
        places.join(" and ")
    )
}

/// Logs what recovery found.
fn tell(recovered: &Recovered, took_ms: i64) {
    for damage in &recovered.snapshots_damaged {
        tracing::warn!(
            "a snapshot is damaged; the books come back without it, and the next one replaces it: {damage}"
        );
    }
    if recovered.records_dropped > 0 {
        let records = recovered.records_dropped;
        tracing::warn!(
            records,
            "records were dropped, as --drop-from said; start without it from now on"
        );
    }
    if recovered.is_new {
        tracing::warn!("starting with empty books: the data directory is new");
        return;
    }
    if recovered.tail_bytes_cut > 0 {
        let bytes = recovered.tail_bytes_cut;
        tracing::info!(
            bytes,
            "the end of the journal was torn, as a crash leaves it; what was acknowledged is before it"
        );
    }
    tracing::info!(
        snapshot = recovered.snapshot,
        entries = recovered.entries,
        groups = recovered.groups,
        took_ms,
        "the books are back"
    );
}

/// Runs work that blocks on a thread of its own.
pub(super) async fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    let (sender, done) = oneshot::channel();
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Nobody may wait any more: then the process is about to end.
        drop(sender.send(work()));
    });
    spawned.map_err(|source| AppError::System {
        what: "a thread",
        source,
    })?;
    done.await.map_err(|_| AppError::Broken(name.to_owned()))
}
