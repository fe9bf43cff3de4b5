//! A clock that somebody sets: for tests and scenarios.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::{Clock, Reading};

/// Stands still until it is set. Like the real one it never goes backwards.
#[derive(Debug)]
pub struct ManualClock {
    wall_ns: AtomicI64,
    steady_ns: AtomicI64,
}

impl ManualClock {
    /// Both readings at this instant, in nanoseconds since the epoch.
    pub fn at(now_ns: i64) -> Self {
        Self {
            wall_ns: AtomicI64::new(now_ns),
            steady_ns: AtomicI64::new(now_ns),
        }
    }

    /// Sets both readings; one that is later already stays.
    pub fn set(&self, now_ns: i64) {
        self.set_wall(now_ns);
        self.steady_ns.fetch_max(now_ns, Ordering::SeqCst);
    }

    /// Sets the wall clock only, as somebody who sets the machine's does; if it is later already it stays.
    pub fn set_wall(&self, wall_ns: i64) {
        self.wall_ns.fetch_max(wall_ns, Ordering::SeqCst);
    }

    /// Moves both readings forward.
    pub fn advance(&self, span: Duration) {
        let span_ns = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        for reading in [&self.wall_ns, &self.steady_ns] {
            let now = reading.load(Ordering::SeqCst);
            reading.fetch_max(now.saturating_add(span_ns), Ordering::SeqCst);
        }
    }
}

impl Clock for ManualClock {
    fn read(&self) -> Reading {
        Reading {
            wall_ns: self.wall_ns.load(Ordering::SeqCst),
            steady_ns: self.steady_ns.load(Ordering::SeqCst),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_when_told_and_never_back() {
        let clock = ManualClock::at(1_000);
        clock.advance(Duration::from_nanos(5));
        clock.set(900);
        clock.set_wall(2_000);
        assert_eq!(
            clock.read(),
            Reading {
                wall_ns: 2_000,
                steady_ns: 1_005
            }
        );
    }
}
