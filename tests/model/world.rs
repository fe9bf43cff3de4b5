//! What surrounds the engine under test: a clock that the driver sets, a recorder that keeps the facts, and chance that
//! repeats itself.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use quotad::domain::fact::Fact;
use quotad::domain::plan::Plan;
use quotad::domain::time::Timestamp;
use quotad::engine::recorder::{NotKept, Receipt, Recorder, Unrecorded};
use quotad::engine::{Engine, SHARDS};
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

/// Keeps every fact until it is asked for them, with its position: that of its group among all groups.
#[derive(Debug, Default)]
pub struct Collecting(Mutex<Collected>);

#[derive(Debug, Default)]
struct Collected {
    groups: u64,
    facts: Vec<(u64, Fact)>,
}

impl Collecting {
    pub fn take(&self) -> Vec<(u64, Fact)> {
        std::mem::take(&mut self.0.lock().facts)
    }
}

impl Recorder for Collecting {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        let mut collected = self.0.lock();
        let position = collected.groups;
        let placed = facts.iter().map(|fact| (position, fact.clone()));
        collected.facts.extend(placed);
        collected.groups += u64::from(!facts.is_empty());
        Ok(Receipt(collected.groups))
    }

    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _holds_open: u64) -> bool {
        true
    }
}

/// Applies to a restored engine what was recorded after the receipts of its copy; answers how many facts those were.
pub fn catch_up(restored: &Engine, receipts: &[Receipt], facts: &[(u64, Fact)]) -> usize {
    let mut applied = 0;
    for (position, fact) in facts {
        let is_after = |shard: u8| *position >= receipts[usize::from(shard)].0;
        let is_new = match fact.shard() {
            Some(shard) => is_after(shard),
            None => {
                let after = (0..SHARDS).filter(|shard| is_after(*shard)).count();
                assert!(
                    after == 0 || after == usize::from(SHARDS),
                    "before some shards and after others: {fact:?}"
                );
                after > 0
            }
        };
        if is_new {
            restored.apply(fact);
            applied += 1;
        }
    }
    applied
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
