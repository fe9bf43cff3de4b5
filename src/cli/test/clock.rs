//! A clock that the scenario sets.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::world::clock::{Clock, Reading};

/// Stands still until it is moved; both readings are the same.
pub(super) struct ManualClock(AtomicI64);

impl ManualClock {
    /// Nanoseconds since the epoch.
    pub(super) fn at(now_ns: i64) -> Self {
        Self(AtomicI64::new(now_ns))
    }

    /// Moves forward.
    pub(super) fn advance(&self, span: Duration) {
        let now_ns = self.0.load(Ordering::SeqCst);
        let span_ns = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        self.0.store(now_ns.saturating_add(span_ns), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn read(&self) -> Reading {
        let now_ns = self.0.load(Ordering::SeqCst);
        Reading { wall_ns: now_ns, steady_ns: now_ns }
    }
}
