//! Puts the parts together, once: settings -> books -> plan -> listeners -> ready -> signals -> drained.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::config::settings::{MemoryRefused, Settings, fits_memory, memory_limit};
use crate::config::watch::PlanWatcher;
use crate::config::{ConfigError, EXAMPLE_PLAN, plan_file};
use crate::engine::answer::{EngineError, Notice};
use crate::engine::recorder::Forgetful;
use crate::engine::{Bounds, Engine};
use crate::http::probes::{Probes, ProbesError};
use crate::rpc::health;
use crate::rpc::quota::Parts;
use crate::rpc::server::{DataPlane, Settings as ListenSettings, Socket, StartError};
use crate::storage::gate::Gate;
use crate::world::clock::{Clock, SystemClock};
use crate::world::vitals::{Phase, Vitals};

/// How often what is due happens in organizations without requests.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// How the embedded plan is named in errors.
pub const EXAMPLE_NAME: &str = "the example plan";

/// Why the sidecar did not start, or ended otherwise than it was told to. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A file or a flag is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The books would not fit into the container.
    #[error("{0}")]
    Memory(#[from] MemoryRefused),
    /// The data plane did not start.
    #[error("{0}")]
    DataPlane(#[from] StartError),
    /// The probes listener did not start.
    #[error("{0}")]
    Probes(#[from] ProbesError),
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
}

/// Serves until a signal ends it; `ready` is told once requests are answered.
///
/// SIGTERM and SIGINT drain within the settings' limit, a second one cuts that short; SIGHUP reads the plan file again.
///
/// # Errors
/// If a file is wrong, a port is taken, or what happened could not be recorded.
pub fn run(settings: &Settings, ready: impl FnOnce(&Ready<'_>)) -> Result<(), AppError> {
    fits_memory(
        settings.bounds,
        memory_limit(|path| std::fs::read_to_string(path).ok()),
    )?;
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
    let engine = Arc::new(new_engine(settings.bounds, Arc::clone(&clock))?);
    // The listeners before anything that takes time: whoever asks meanwhile hears that we are alive and not ready.
    let parts = Parts {
        engine: Arc::clone(&engine),
        vitals: Arc::clone(&vitals),
        clock,
        gate: Arc::new(Gate::open()),
    };
    let data_plane = DataPlane::start(&listen_settings(settings), parts)?;
    let probes = match settings.probes_listen {
        Some(address) => {
            let health = health::service(Arc::clone(&vitals));
            Some(Probes::start(address, Arc::clone(&vitals), health).await?)
        }
        None => None,
    };
    let (text, name) = plan_text(settings.plan.as_deref())?;
    apply_text(&engine, &text, &name)?;
    let watcher = settings
        .plan
        .as_deref()
        .map(|path| watch(path, text, &engine))
        .transpose()?;
    vitals.enter(Phase::Ready);
    tracing::warn!("the books are kept in memory only: a restart begins with empty books");
    ready(&Ready {
        settings,
        address: data_plane.address(),
        probes: probes.as_ref().map(Probes::address),
    });
    let ended = until_told(&engine, &mut signals, watcher.as_ref()).await;
    if ended.is_err() {
        vitals.enter(Phase::Failed);
    }
    tokio::select! {
        cut = data_plane.drain(settings.drain_timeout) => match cut {
            0 => tracing::info!("drained"),
            connections => tracing::warn!(connections, "the drain limit is reached; what was left is cut off"),
        },
        () = signals.end.received() => tracing::warn!("told to end a second time; what was left is cut off"),
    }
    ended
}

/// Ticks, and follows the signals, until one of them ends the process.
async fn until_told(
    engine: &Engine,
    signals: &mut Signals,
    watcher: Option<&PlanWatcher>,
) -> Result<(), AppError> {
    let mut ticks = tokio::time::interval(TICK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                engine.tick().map_err(AppError::Engine)?;
                tell(engine);
                if engine.has_failed() {
                    return Err(AppError::Engine(EngineError::Unrecorded));
                }
            }
            Some(()) = signals.reload.recv() => match watcher {
                Some(watcher) => watcher.reload(),
                None => tracing::info!("SIGHUP: the example plan is served; there is no file to read again"),
            },
            () = signals.end.received() => {
                tracing::info!("draining");
                return Ok(());
            }
        }
    }
}

/// Logs what has fired: until there are other sinks, the log is where people hear of it.
fn tell(engine: &Engine) {
    for (organization, notice) in engine.take_notices() {
        match notice {
            Notice::Threshold { account, percent } => {
                let account = account.to_string();
                tracing::warn!(%organization, account, percent, "a threshold is reached");
            }
            Notice::Extension => tracing::warn!(%organization, "an extension was requested"),
        }
    }
}

/// The signals that the sidecar listens to.
struct Signals {
    end: EndSignals,
    reload: Signal,
}

/// The signals that end the process.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, AppError> {
        let on = |kind| {
            signal(kind).map_err(|source| AppError::System {
                what: "a signal handler",
                source,
            })
        };
        Ok(Self {
            end: EndSignals {
                terminate: on(SignalKind::terminate())?,
                interrupt: on(SignalKind::interrupt())?,
            },
            reload: on(SignalKind::hangup())?,
        })
    }
}

impl EndSignals {
    /// Returns when the process is told to end.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Empty books in memory, on this clock.
///
/// # Errors
/// If the system gives no random bytes.
pub fn new_engine(bounds: Bounds, clock: Arc<dyn Clock>) -> Result<Engine, AppError> {
    let start = getrandom::u64().map_err(|error| AppError::System {
        what: "random bytes",
        source: io::Error::other(error.to_string()),
    })?;
    Ok(Engine::new(bounds, start, clock, Arc::new(Forgetful)))
}

/// The text of a plan file and its name in errors; without a file the example's.
///
/// # Errors
/// If the file cannot be read.
pub fn plan_text(path: Option<&Path>) -> Result<(String, String), ConfigError> {
    match path {
        Some(path) => Ok((plan_file::read_text(path)?, path.display().to_string())),
        None => Ok((EXAMPLE_PLAN.to_owned(), EXAMPLE_NAME.to_owned())),
    }
}

/// Applies the text of a plan as one change; answers whether anything changed.
///
/// # Errors
/// With its place in the text, if it is invalid or the books refuse it. Then nothing has changed.
pub fn apply_text(engine: &Engine, text: &str, name: &str) -> Result<bool, ConfigError> {
    let plan = plan_file::parse(text, name)?;
    engine.apply_plan(plan).map_err(|error| match error {
        EngineError::Refused(refusal) => plan_file::refused(text, name, &refusal),
        other => ConfigError::of_file(name, other.to_string()),
    })
}

/// Applies each new text of the plan file; the last good plan stays where one is wrong.
fn watch(path: &Path, text: String, engine: &Arc<Engine>) -> Result<PlanWatcher, AppError> {
    let engine = Arc::clone(engine);
    let name = path.display().to_string();
    let changed = move |text: &str| match apply_text(&engine, text, &name) {
        Ok(true) => tracing::info!("{name}: the plan has changed, and applies"),
        Ok(false) => tracing::info!("{name}: read again; it says what applies already"),
        Err(error) => tracing::error!("the last good plan stays: {error}"),
    };
    PlanWatcher::start(path, text, changed).map_err(|source| AppError::System {
        what: "a thread",
        source,
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
