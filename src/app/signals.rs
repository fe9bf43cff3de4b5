//! The signals that the sidecar listens to.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::AppError;

/// All of them.
pub(super) struct Signals {
    pub(super) end: EndSignals,
    pub(super) reload: Signal,
}

/// The signals that end the process.
pub(super) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, AppError> {
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
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
