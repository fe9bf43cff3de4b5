//! The books in memory: organizations in shards, each under a lock.
//!
//! A request finds its shard, takes the lock, reads the clock once, lets happen what is due, decides (`domain::charge`),
//! states the facts and applies them, hands them to the recorder, and releases the lock. Nothing in here does I/O.

mod accounts;
mod agenda;
pub mod answer;
mod apply;
mod aside;
mod audit;
mod blocks;
mod book;
mod case;
mod cell;
mod change;
mod copy;
mod copy_head;
mod crossing;
mod denial;
mod desk;
pub mod entry;
mod expiry;
mod export;
mod extend;
mod extension;
mod fingerprint;
mod fired;
pub mod gauges;
mod holds;
mod index;
mod labels;
mod marks;
mod members;
mod noted;
mod notices;
pub mod order;
mod organization;
pub mod outbox;
pub mod partition;
mod plan_change;
pub mod proof;
pub mod recorder;
mod report;
mod reserve;
mod restore;
mod restore_book;
mod rows;
mod seat;
mod settle;
mod shard;
mod slab;
mod terms;
mod totals;
pub mod usage;
pub mod watched;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;

use crate::domain::fact::{Fact, OrganizationId};
use crate::domain::names::Name;
use crate::domain::plan::Plan;
use crate::domain::time::{Now, Timestamp};
use crate::world::clock::Clock;
use crate::world::sync::Mutex;

use answer::EngineError;
use gauges::{Gauges, Stats};
use recorder::{Recorder, Unrecorded};
use shard::{DUE_MAX, ID_PARTS, Shard, Shared};

pub use accounts::LISTED_MAX;
pub use notices::NOTICES_MAX;
pub use shard::REMEMBERED;

/// How many shards there are. More would cost memory and time at plan changes, which take all locks; with 64 two of a
/// handful of cores seldom meet unless they serve the same organization.
pub const SHARDS: u8 = 64;

/// How much the engine may keep. Each has its answer when it is reached. `holds` and `settled` hold to within a 256th; below
/// 32,768 exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Cells. Beyond, users without a limit share one cell per environment.
    pub cells: usize,
    /// Open holds. Beyond, Reserve is denied `RESOURCE_LIMIT`.
    pub holds: usize,
    /// Settled requests that are remembered. Beyond, the oldest are forgotten early.
    pub settled: usize,
    /// Usage rows of days that stand in no file. Beyond, the model, then the operation, then the product of a new row fold
    /// into `other`.
    pub usage_rows: usize,
    /// Names of work: product, model and operation together. Beyond, new ones fold in the same way.
    pub labels: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            cells: 1_000_000,
            holds: 1_000_000,
            settled: 1_000_000,
            usage_rows: 1_000_000,
            labels: 100_000,
        }
    }
}

/// The books of all organizations.
pub struct Engine {
    shared: Arc<Shared>,
    shards: Vec<Mutex<Shard>>,
    clock: Arc<dyn Clock>,
    plan: Mutex<Arc<Plan>>,
    /// Set once something could not be recorded: nothing is acknowledged after it.
    failed: AtomicBool,
    /// Whether a copy is under way: one at a time.
    copying: AtomicBool,
    /// How many more vacant slots entries may leave between them (`restore.rs`).
    vacancies: AtomicU64,
}

impl Engine {
    /// Empty books without a plan. `start` is the random half of the ids that this engine gives out, so that an id from
    /// another start never meets a stranger's hold.
    pub fn new(
        bounds: Bounds,
        start: u64,
        clock: Arc<dyn Clock>,
        recorder: Arc<dyn Recorder>,
    ) -> Self {
        let shared = Arc::new(Shared {
            bounds,
            recorder,
            stats: Stats::new(bounds),
            start,
            ids: DashMap::with_hasher_and_shard_amount(Default::default(), ID_PARTS),
            has_strays: AtomicBool::new(false),
            organizations: DashMap::default(),
            finished: Mutex::new(Vec::new()),
        });
        let shards = (0..SHARDS)
            .map(|number| Mutex::new(Shard::new(number, Arc::clone(&shared))))
            .collect();
        Self {
            shared,
            shards,
            clock,
            plan: Mutex::new(Arc::default()),
            failed: AtomicBool::new(false),
            copying: AtomicBool::new(false),
            vacancies: AtomicU64::new(restore::vacancies_max(bounds)),
        }
    }

    /// The plan in force.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.lock())
    }

    /// The random half of the ids that this engine gives out.
    pub fn start(&self) -> u64 {
        self.shared.start
    }

    /// How many holds are open.
    pub fn holds_open(&self) -> u64 {
        self.shared.stats.holds_open()
    }

    /// What was decided and is held, for metrics; read without a lock.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// An organization's counters, for metrics: taken once with the lock, read without it ever after.
    pub fn gauges(&self, organization: Name<'_>) -> Result<Arc<Gauges>, EngineError> {
        let id = self.find(organization)?;
        let shard = self.shards[usize::from(id.shard)].lock();
        let found = shard
            .organizations
            .get(id.index as usize)
            .map(|it| Arc::clone(&it.gauges));
        found.ok_or_else(|| EngineError::UnknownOrganization(organization.as_str().into()))
    }

    /// Everything that is due by now happens: holds expire, cycles change, grants begin and end. Requests do this for
    /// their own shard; this is for shards without requests. Call it about every second.
    pub fn tick(&self) -> Result<(), EngineError> {
        for shard in 0..SHARDS {
            self.desk(shard, |desk| {
                desk.shard.forget_old(desk.now, DUE_MAX);
                Ok(())
            })?;
        }
        let finished = std::mem::take(&mut *self.shared.finished.lock());
        drop(finished);
        Ok(())
    }

    /// The oldest instant from which settled requests are surely remembered, over all shards.
    pub fn horizon(&self) -> Timestamp {
        let now = self.now();
        self.shards
            .iter()
            .map(|shard| shard.lock().horizon(now))
            .max()
            .unwrap_or(Timestamp::MIN)
    }

    /// How far back settled requests are surely remembered, at most [`REMEMBERED`].
    pub fn horizon_age(&self) -> Duration {
        let horizon = self.horizon();
        self.now().steady.since(horizon).min(REMEMBERED)
    }

    /// Changes the books as a fact says, before anything is served. No decisions, no clock, and nothing is recorded. Recovery
    /// does the same on several threads ([`Self::partitions`]), and is held against this.
    pub fn apply(&self, fact: &Fact) {
        if let Some(shard) = fact.shard() {
            if let Some(shard) = self.shards.get(usize::from(shard)) {
                shard.lock().apply(fact);
            }
            return;
        }
        for shard in &self.shards {
            shard.lock().apply(fact);
        }
        if let Fact::Planned { plan, .. } = fact {
            *self.plan.lock() = Arc::clone(plan);
        }
    }

    fn now(&self) -> Now {
        let reading = self.clock.read_coarse();
        Now {
            wall: Timestamp::from_nanos(reading.wall_ns),
            steady: Timestamp::from_nanos(reading.steady_ns),
        }
    }

    fn find(&self, organization: Name<'_>) -> Result<OrganizationId, EngineError> {
        let found = self
            .shared
            .organizations
            .get(organization.as_str())
            .map(|id| *id);
        found.ok_or_else(|| EngineError::UnknownOrganization(organization.as_str().into()))
    }

    fn poison(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether something could not be recorded. Then nothing more is acknowledged, and the process should end.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

impl From<Unrecorded> for EngineError {
    fn from(_: Unrecorded) -> Self {
        Self::Unrecorded
    }
}
