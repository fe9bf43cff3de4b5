//! What surrounds the engine under test: a clock that the driver sets, a recorder that keeps the facts, and chance that
//! repeats itself.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use quotad::domain::fact::Fact;
use quotad::domain::plan::Plan;
use quotad::domain::time::Timestamp;
use quotad::engine::recorder::{Receipt, Recorder, Unrecorded};
use quotad::world::clock::{Clock, Reading};

/// Stands still until it is set.
#[derive(Debug)]
pub struct SetClock(AtomicI64);

impl SetClock {
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.nanos()))
    }

    pub fn set(&self, now: Timestamp) {
        self.0.store(now.nanos(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn read(&self) -> Reading {
        let now = self.0.load(Ordering::SeqCst);
        Reading {
            wall_ns: now,
            steady_ns: now,
        }
    }
}

/// Keeps every fact until it is asked for them.
#[derive(Debug, Default)]
pub struct Collecting(Mutex<Vec<Fact>>);

impl Collecting {
    pub fn take(&self) -> Vec<Fact> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Recorder for Collecting {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        self.0.lock().extend_from_slice(facts);
        Ok(Receipt(0))
    }

    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), Unrecorded> {
        Ok(())
    }

    fn has_room(&self, _holds_open: u64) -> bool {
        true
    }
}

/// SplitMix64: the same seed, the same chance.
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to just below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("a short list")]
    }

    /// 16 bytes that are no UUIDv7.
    pub fn id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next().to_le_bytes());
        id[8..].copy_from_slice(&self.next().to_le_bytes());
        id[6] = 0x40 | (id[6] & 0x0F);
        id[8] = 0x80 | (id[8] & 0x3F);
        id
    }
}
