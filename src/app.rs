//! Puts the parts together, once: settings -> books -> plan -> listeners -> ready -> signals -> drained.

mod books;
mod huge_pages;
mod management;
mod metrics;
mod notify;
mod plan;
mod proofs;
mod reloads;
mod signals;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::config::ConfigError;
use crate::config::settings::{MemoryRefused, Settings, fits_memory, memory_limit};
use crate::config::watch::PlanWatcher;
use crate::engine::answer::EngineError;
use crate::engine::recorder::Forgetful;
use crate::engine::{Bounds, Engine};
use crate::http::management::ManagementError;
use crate::http::probes::{Probes, ProbesError};
use crate::notify::NotifyError;
use crate::rpc::quota::Parts;
use crate::rpc::server::{DataPlane, Settings as ListenSettings, Socket, StartError};
use crate::rpc::{admin, health};
use crate::storage::{RecoveryError, StorageError};
use crate::world::clock::{Clock, SystemClock};
use crate::world::disk::LockError;
use crate::world::vitals::{Phase, Vitals};

pub use plan::{EXAMPLE_NAME, apply_text, plan_text};

use books::Books;
use huge_pages::HugePages;
use management::Administration;
use metrics::Observed;
use notify::Told;
use proofs::Proofs;
use signals::Signals;

/// How often what is due happens in organizations without requests.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// When the books have failed, nothing more is acknowledged: connections are given so long to hear it.
const FAILED_DRAIN_MAX: Duration = Duration::from_secs(1);

/// Why the sidecar did not start, or ended otherwise than it was told to. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A file or a flag is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The books would not fit into the container.
    #[error("{0}")]
    Memory(#[from] MemoryRefused),
    /// The directory of the books is in use, or cannot be used.
    #[error("{0}{advice}", advice = directory_advice(.0))]
    Directory(#[from] LockError),
    /// The books could not be brought back.
    #[error("{0}")]
    Recovery(#[from] RecoveryError),
    /// The books cannot be kept any more.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// The log of events cannot be read.
    #[error("{0}")]
    Events(#[from] NotifyError),
    /// Those who are to be told cannot be.
    #[error("notifications cannot be delivered: {0}")]
    Notifications(io::Error),
    /// The data plane did not start.
    #[error("{0}")]
    DataPlane(#[from] StartError),
    /// The probes listener did not start.
    #[error("{0}")]
    Probes(#[from] ProbesError),
    /// The management listener did not start.
    #[error("{0}")]
    Management(#[from] ManagementError),
    /// The operating system refused a thread, a signal handler or random bytes.
    #[error("the system refused {what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// What happened could not be recorded.
    #[error("{0}")]
    Engine(EngineError),
    /// A thread ended in a panic.
    #[error(
        "a defect in quotad ended the thread {0}; its log says more. Keep the data directory, and report it"
    )]
    Broken(String),
}

/// What to do about a directory, where the error itself does not say so.
fn directory_advice(error: &LockError) -> &'static str {
    match error {
        LockError::Taken(..) => "",
        LockError::Io(..) => {
            "; see that data_dir (--data-dir) names a directory that this user may make and write"
        }
    }
}

/// What a sidecar that is ready answers on.
#[derive(Debug)]
pub struct Ready<'a> {
    /// How it was told to run.
    pub settings: &'a Settings,
    /// The data plane's TCP address, with the port that was taken.
    pub address: Option<SocketAddr>,
    /// The probes' address.
    pub probes: Option<SocketAddr>,
    /// The management listener's address.
    pub management: Option<SocketAddr>,
    /// Whether the embedded example plan applies.
    pub is_example: bool,
}

/// Serves until a signal ends it; `ready` is told once requests are answered.
///
/// SIGTERM and SIGINT drain within the settings' limit and take a last snapshot; each further one cuts short what is under
/// way. SIGHUP reads the plan file again.
///
/// # Errors
/// If a file is wrong, a port or the directory is taken, the books cannot be brought back, or cannot be kept any more.
pub fn run(settings: &Settings, ready: impl FnOnce(&Ready<'_>)) -> Result<(), AppError> {
    fits_memory(
        settings.bounds,
        memory_limit(|path| std::fs::read_to_string(path).ok()),
    )?;
    crate::notify::install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("management")
        .build()
        .map_err(|source| AppError::System {
            what: "the management runtime",
            source,
        })?;
    runtime.block_on(serve(settings, ready))
}

async fn serve(settings: &Settings, ready: impl FnOnce(&Ready<'_>)) -> Result<(), AppError> {
    let mut signals = Signals::new()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let vitals = Arc::new(Vitals::new(Arc::clone(&clock)));
    let huge_pages = HugePages::for_books(&settings.data_dir);
    let books = Arc::new(Books::open(settings, Arc::clone(&clock))?);
    let parts = Parts {
        engine: Arc::clone(&books.engine),
        vitals: Arc::clone(&vitals),
        clock: Arc::clone(&clock),
        gate: books.gate(),
    };
    // The listeners before anything that takes time: whoever asks meanwhile hears that we are alive and not ready.
    let data_plane = DataPlane::start(&listen_settings(settings), parts)?;
    let observed = Observed::new(settings, &books, &vitals, &clock);
    observed.has_plane(&data_plane);
    let probes = match settings.probes_listen {
        Some(address) => {
            let health = health::service(Arc::clone(&vitals));
            let metrics = observed.page();
            Some(Probes::start(address, Arc::clone(&vitals), health, metrics).await?)
        }
        None => None,
    };
    let told_to = Told::open(settings, &clock).await?;
    observed.has_notifications(&told_to.notifications);
    let administration = administration(settings, &observed, &told_to)?;
    let chosen = tokio::select! {
        started = books.start(settings.plan.as_deref(), &vitals, &observed.plan) => started?,
        () = signals.end.received() => {
            tracing::warn!("told to end before the books were back; they are as they were");
            return Ok(());
        }
    };
    // Dropping it ends it: nothing is delivered twice for it that would not be at the next start.
    let told_to = told_to.start(&books)?;
    let watcher = settings
        .plan
        .as_deref()
        .map(|path| plan::watch(path, chosen.text, &books.engine, &observed))
        .transpose()?;
    let proofs = Proofs::start(&books.engine, &clock, &observed.proofs).map_err(thread_refused)?;
    vitals.enter(Phase::Ready);
    ready(&Ready {
        settings,
        address: data_plane.address(),
        probes: probes.as_ref().map(Probes::address),
        management: administration.as_ref().map(Administration::address),
        is_example: chosen.is_example,
    });
    let told = until_told(
        &books,
        huge_pages,
        &mut signals,
        watcher.as_ref(),
        administration.as_ref(),
    )
    .await;
    if told.is_err() {
        vitals.enter(Phase::Failed);
    }
    let limit = match told {
        Ok(()) => settings.drain_timeout,
        Err(_) => settings.drain_timeout.min(FAILED_DRAIN_MAX),
    };
    let drained = clock.read().steady_ns;
    drain(data_plane, administration, limit, &mut signals).await;
    let took = clock.read().steady_ns.saturating_sub(drained);
    let left = limit.saturating_sub(Duration::from_nanos(took.unsigned_abs()));
    tokio::select! {
        stopped = notify::stop(told_to, left) => stopped?,
        () = signals.end.received() => tracing::warn!("told to end once more; who was not told is told at the next start"),
    }
    // Whoever changes the plan, or copies the books, must be gone before the books are closed.
    drop((watcher, proofs));
    told?;
    close(&books, &mut signals).await
}

/// The management listener, if there is to be one.
fn administration(
    settings: &Settings,
    observed: &Arc<Observed>,
    told_to: &Told,
) -> Result<Option<Administration>, AppError> {
    let Some(address) = settings.management.listen else {
        return Ok(None);
    };
    let doorkeeper = management::doorkeeper(&settings.management, observed)?;
    let books = &observed.books;
    let parts = admin::Parts {
        engine: Arc::clone(&books.engine),
        vitals: Arc::clone(&observed.vitals),
        clock: Arc::clone(&observed.clock),
        gate: books.gate(),
        access: Arc::clone(&doorkeeper.access),
        notifications: told_to.notifications.clone(),
        ask_usage: books.ask_usage(),
        read_plan: management::read_plan(),
    };
    Administration::start(address, doorkeeper, parts, observed.page()).map(Some)
}

/// Lets those finish who are under way.
async fn drain(
    data_plane: DataPlane,
    administration: Option<Administration>,
    limit: Duration,
    signals: &mut Signals,
) {
    let administrators = async {
        if let Some(administration) = administration {
            administration.drain(limit).await;
        }
    };
    let both = async { tokio::join!(data_plane.drain(limit), administrators).0 };
    tokio::select! {
        cut = both => match cut {
            0 => tracing::info!("drained"),
            connections => tracing::warn!(connections, "the drain limit is reached; what was left is cut off"),
        },
        () = signals.end.received() => tracing::warn!("told to end once more; what was left is cut off"),
    }
}

/// Takes the last snapshot, unless something failed while we drained.
async fn close(books: &Arc<Books>, signals: &mut Signals) -> Result<(), AppError> {
    if let Some(failure) = books.failure() {
        return Err(failure);
    }
    tokio::select! {
        closed = books.close() => closed,
        () = signals.end.received() => {
            books.cut_short("told to end during the last snapshot");
            Ok(())
        }
    }
}

/// Ticks, and follows the signals, until one of them ends the process or the books cannot be kept.
async fn until_told(
    books: &Books,
    mut huge_pages: HugePages,
    signals: &mut Signals,
    watcher: Option<&PlanWatcher>,
    administration: Option<&Administration>,
) -> Result<(), AppError> {
    let mut ticks = tokio::time::interval(TICK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let gate = books.gate();
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let ticked = books.engine.tick();
                // Whoever failed first says best what has failed.
                books.failure().map_or(Ok(()), Err)?;
                ticked.map_err(AppError::Engine)?;
                huge_pages.look(books.engine.stats());
            }
            () = gate.failed() => {
                books.failure().map_or(Ok(()), Err)?;
            }
            Some(()) = signals.reload.recv() => {
                if let Some(administration) = administration {
                    administration.reload();
                }
                match watcher {
                    Some(watcher) => watcher.reload(),
                    None => tracing::info!("SIGHUP: there is no plan file to read again"),
                }
            },
            () = signals.end.received() => {
                tracing::info!("draining");
                return Ok(());
            }
        }
    }
}

/// Empty books that nobody keeps, on this clock.
///
/// # Errors
/// If the system gives no random bytes.
pub fn new_engine(bounds: Bounds, clock: Arc<dyn Clock>) -> Result<Engine, AppError> {
    Ok(Engine::new(bounds, random()?, clock, Arc::new(Forgetful)))
}

fn thread_refused(source: io::Error) -> AppError {
    AppError::System {
        what: "a thread",
        source,
    }
}

/// Names a start in the ids that its engine gives out.
fn random() -> Result<u64, AppError> {
    getrandom::u64().map_err(|error| AppError::System {
        what: "random bytes",
        source: io::Error::other(error.to_string()),
    })
}

fn listen_settings(settings: &Settings) -> ListenSettings {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let socket = settings.socket.as_ref().map(|it| Socket {
        path: it.path.clone(),
        mode: it.mode,
    });
    ListenSettings {
        listen: settings.listen,
        socket,
        threads: settings
            .threads
            .and_then(NonZeroUsize::new)
            .unwrap_or_else(cores),
    }
}
