//! The machine's clocks. The only file that reads them.
#![allow(clippy::disallowed_methods)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

use super::{Clock, Line, Reading, WallFilter};

/// How often the wall clock is looked at, if anybody asks for the time: 50 ms.
const LOOK_EVERY_NS: i64 = 50_000_000;

/// No halt: an instant that no clock shows.
const NOT_HALTED: i64 = i64::MIN;

/// The machine's monotonic clock, and its wall clock as [`WallFilter`] believes it.
///
/// A reading costs one look at the monotonic clock, exact or as of the last tick, and four loads; every 50 ms one reader
/// looks at the wall clock too.
#[derive(Debug)]
pub struct SystemClock {
    /// What the monotonic clock is behind the wall clock of the start.
    ahead_ns: i64,
    look_at_ns: AtomicI64,
    halted_at_ns: AtomicI64,
    offset_ns: AtomicI64,
    floor_ns: AtomicI64,
    filter: Mutex<WallFilter>,
}

impl SystemClock {
    /// Both readings begin at the machine's wall clock.
    pub fn new() -> Self {
        let started_ns = machine_wall_ns();
        Self {
            ahead_ns: started_ns.saturating_sub(nanoseconds(ClockId::Monotonic)),
            look_at_ns: AtomicI64::new(started_ns.saturating_add(LOOK_EVERY_NS)),
            halted_at_ns: AtomicI64::new(NOT_HALTED),
            offset_ns: AtomicI64::new(0),
            floor_ns: AtomicI64::new(i64::MIN),
            filter: Mutex::new(WallFilter::new(started_ns, started_ns)),
        }
    }

    fn steady_ns(&self) -> i64 {
        self.ahead_ns
            .saturating_add(nanoseconds(ClockId::Monotonic))
    }

    fn reading(&self, steady_ns: i64) -> Reading {
        if steady_ns >= self.look_at_ns.load(Ordering::Relaxed) {
            self.look();
        }
        let halted_at_ns = self.halted_at_ns.load(Ordering::Acquire);
        let line = if halted_at_ns == NOT_HALTED {
            Line::Running {
                offset_ns: self.offset_ns.load(Ordering::Acquire),
                floor_ns: self.floor_ns.load(Ordering::Acquire),
            }
        } else {
            Line::Halted {
                at_ns: halted_at_ns,
            }
        };
        Reading {
            wall_ns: line.wall_at(steady_ns),
            steady_ns,
        }
    }

    /// One reader at a time looks; the others go on with the present line.
    #[cold]
    fn look(&self) {
        let Some(mut filter) = self.filter.try_lock() else {
            return;
        };
        let steady_ns = self.steady_ns();
        if steady_ns < self.look_at_ns.load(Ordering::Relaxed) {
            return;
        }
        match filter.observe(steady_ns, machine_wall_ns()) {
            Line::Running {
                offset_ns,
                floor_ns,
            } => {
                // In this order: who sees that it runs sees the rest as well.
                self.floor_ns.store(floor_ns, Ordering::Release);
                self.offset_ns.store(offset_ns, Ordering::Release);
                self.halted_at_ns.store(NOT_HALTED, Ordering::Release);
            }
            Line::Halted { at_ns } => self.halted_at_ns.store(at_ns, Ordering::Release),
        }
        self.look_at_ns
            .store(steady_ns.saturating_add(LOOK_EVERY_NS), Ordering::Relaxed);
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        self.reading(self.steady_ns())
    }

    fn read_coarse(&self) -> Reading {
        self.reading(self.ahead_ns.saturating_add(nanoseconds(COARSE)))
    }
}

/// The monotonic clock as of the last tick. It is on the way of every request: the exact one takes 41 ns here, as it asks
/// the processor's counter, and this one 9.
#[cfg(target_os = "linux")]
const COARSE: ClockId = ClockId::MonotonicCoarse;
#[cfg(not(target_os = "linux"))]
const COARSE: ClockId = ClockId::Monotonic;

/// Not by way of `std`, whose instants cost twice as much.
fn nanoseconds(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(now.tv_nsec)
}

/// Nanoseconds since 1970; before it, 0.
fn machine_wall_ns() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_NS: i64 = 60_000_000_000;

    fn is_not_before(next: Reading, last: Reading) -> bool {
        next.wall_ns >= last.wall_ns && next.steady_ns >= last.steady_ns
    }

    #[test]
    fn readings_of_many_threads_move_forward_with_the_machine() {
        let clock = SystemClock::new();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let (mut last, mut last_coarse) = (clock.read(), clock.read_coarse());
                    let end = last.steady_ns + 3 * LOOK_EVERY_NS;
                    while last.steady_ns < end {
                        let (next_coarse, next) = (clock.read_coarse(), clock.read());
                        assert!(is_not_before(next, last), "{last:?} {next:?}");
                        assert!(
                            is_not_before(next_coarse, last_coarse),
                            "{last_coarse:?} {next_coarse:?}"
                        );
                        // A tick, and as long as this thread had to wait in between.
                        let behind_ns = next.steady_ns - next_coarse.steady_ns;
                        assert!((0..MINUTE_NS).contains(&behind_ns), "{behind_ns} ns behind");
                        (last, last_coarse) = (next, next_coarse);
                    }
                });
            }
        });
        let apart = clock.read().wall_ns.abs_diff(machine_wall_ns());
        assert!(apart < 5_000_000_000, "{apart} ns from the machine's clock");
    }
}
