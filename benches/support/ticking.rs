//! A clock whose readings cost what the machine's cost, and tell the same instants in each run.

use std::hint::black_box;
use std::sync::atomic::{AtomicI64, Ordering};

use quotad::world::clock::{Clock, Reading, SystemClock};

/// 2026-11-10T12:00:00Z: no boundary of a day or a cycle is near.
const BEGIN_NS: i64 = 1_794_312_000_000_000_000;

/// Between two readings: a request each.
const TICK_NS: i64 = 1_000;

/// Moves forward by a microsecond with each reading.
pub struct Ticking {
    machine: SystemClock,
    now_ns: AtomicI64,
}

impl Ticking {
    pub fn new() -> Self {
        Self {
            machine: SystemClock::new(),
            now_ns: AtomicI64::new(BEGIN_NS),
        }
    }
}

impl Clock for Ticking {
    fn read(&self) -> Reading {
        black_box(self.machine.read_coarse());
        let now_ns = self.now_ns.fetch_add(TICK_NS, Ordering::Relaxed);
        Reading {
            wall_ns: now_ns,
            steady_ns: now_ns,
        }
    }
}
