//! The machine's clock, put forward on demand: so that a boundary comes when a benchmark is ready for it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use quotad::world::clock::{Clock, Reading, SystemClock};

/// Days of a cycle in the plans of these benchmarks are those of a month in UTC; this is longer than any.
const MONTH_DAYS_MAX: i64 = 31;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * SECOND_NS;

/// Moves at the speed of time, from where it was put.
pub struct Shifted {
    machine: SystemClock,
    ahead_ns: AtomicI64,
}

impl Shifted {
    pub fn new() -> Self {
        Self {
            machine: SystemClock::new(),
            ahead_ns: AtomicI64::new(0),
        }
    }

    /// Puts it so that the next month (UTC) begins after so long; answers the instant at which that is on the steady clock.
    pub fn month_begins_in(&self, left: Duration) -> i64 {
        let now_ns = self.read().wall_ns;
        let boundary_ns = month_after(now_ns + i64::try_from(left.as_nanos()).unwrap());
        let put_ns = boundary_ns - i64::try_from(left.as_nanos()).unwrap();
        self.ahead_ns.fetch_add(put_ns - now_ns, Ordering::SeqCst);
        boundary_ns
    }
}

impl Clock for Shifted {
    fn read(&self) -> Reading {
        self.shifted(self.machine.read())
    }

    fn read_coarse(&self) -> Reading {
        self.shifted(self.machine.read_coarse())
    }
}

impl Shifted {
    fn shifted(&self, machine: Reading) -> Reading {
        let ahead_ns = self.ahead_ns.load(Ordering::SeqCst);
        Reading {
            wall_ns: machine.wall_ns + ahead_ns,
            steady_ns: machine.steady_ns + ahead_ns,
        }
    }
}

/// The first instant of the month after the one of this instant.
fn month_after(now_ns: i64) -> i64 {
    use chrono::{DateTime, Datelike};
    let now = DateTime::from_timestamp_nanos(now_ns);
    let day = now_ns.div_euclid(DAY_NS);
    let ahead = (1..=MONTH_DAYS_MAX)
        .find(|days| DateTime::from_timestamp_nanos((day + days) * DAY_NS).month() != now.month());
    (day + ahead.expect("months end")) * DAY_NS
}
