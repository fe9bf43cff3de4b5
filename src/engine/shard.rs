//! A shard: the organizations, holds and settled requests that one lock guards, and what comes due among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;

use crate::domain::fact::{Fact, Held, Id, OrganizationId, Settled, Slot};
use crate::domain::plan::{Catalogue, Plan};
use crate::domain::rates::RateCard;
use crate::domain::time::{Now, Timestamp};
use crate::world::sabotage::{self, Fault};
use crate::world::sync::Mutex;

use super::Bounds;
use super::agenda::Agenda;
use super::answer::EngineError;
use super::book::Book;
use super::expiry::Expiry;
use super::gauges::Stats;
use super::holds::{Holds, Row};
use super::organization::{Organization, Organizations};
use super::partition::IdChange;
use super::recorder::{Receipt, Recorder};
use super::usage::Day;

/// Settled requests are remembered this long, or until there are too many.
pub const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// So many holds expire, and so many settled requests the tick forgets, before others get a turn at the lock.
pub(super) const DUE_MAX: usize = 1_024;

/// So many settled requests are forgotten on the way of a request at most, which waits for it.
const FORGET_MAX: usize = 64;

/// So many settled requests there may be too many: they are forgotten together, as one fact and not one with each request.
/// Where the bound is small it is exact.
const CROWD_MAX: u64 = 32;

/// What all shards share.
pub(super) struct Shared {
    pub(super) bounds: Bounds,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) stats: Stats,
    /// Half of every id that this start gives out.
    pub(super) start: u64,
    /// Ids that callers chose. A leaf: its guards live within one call, and take no other lock.
    pub(super) ids: DashMap<Id, Slot, DefaultHashBuilder>,
    /// Whether any organization is in another shard than its name says.
    pub(super) has_strays: AtomicBool,
    /// Organizations by name. A leaf too.
    pub(super) organizations: DashMap<Box<str>, OrganizationId, DefaultHashBuilder>,
    /// What nothing refers to any more. A leaf; `Engine::tick` drops it, so that no request waits for a million cells.
    pub(super) finished: Mutex<Vec<Finished>>,
}

impl Shared {
    /// Takes what nothing refers to, to be dropped by the next tick.
    pub(super) fn bury(&self, finished: Vec<Finished>) {
        if !finished.is_empty() {
            self.finished.lock().extend(finished);
        }
    }
}

/// So many parts has the map of ids that callers chose: each grows by itself, and a part of a million entries is small.
pub(super) const ID_PARTS: usize = 256;

/// What is only there to be dropped.
#[derive(Debug)]
#[expect(
    dead_code,
    reason = "it is kept for its destructor, which runs without the lock"
)]
pub(super) enum Finished {
    /// A closed book.
    Book(Box<Book>),
    /// A day that stands in a file.
    Day(Box<Day>),
}

/// What one lock guards.
pub(super) struct Shard {
    pub(super) number: u8,
    pub(super) shared: Arc<Shared>,
    pub(super) organizations: Organizations,
    pub(super) rate_card: Arc<RateCard>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) holds: Holds,
    pub(super) holds_open: usize,
    pub(super) expiry: Expiry,
    /// When an organization's cycle ends, or a grant of it begins or ends.
    pub(super) calendar: Agenda,
    pub(super) sequence: u64,
    /// Settled requests from before this instant may have been forgotten for want of room.
    pub(super) horizon: Timestamp,
    /// The facts of the operation at hand.
    pub(super) facts: Vec<Fact>,
    /// Changes of ids that callers chose, where they must wait (`partition.rs`).
    pub(super) id_changes: Option<Vec<IdChange>>,
    /// What nothing refers to: not dropped under the lock, for there may be a million cells or rows in it.
    pub(super) finished: Vec<Finished>,
}

impl Shard {
    pub(super) fn new(number: u8, shared: Arc<Shared>) -> Self {
        let start = shared.start;
        Self {
            number,
            shared,
            organizations: Organizations::default(),
            rate_card: Arc::default(),
            catalogue: Arc::default(),
            holds: Holds::new(number, start),
            holds_open: 0,
            expiry: Expiry::default(),
            calendar: Agenda::default(),
            sequence: 0,
            horizon: Timestamp::MIN,
            facts: Vec::new(),
            id_changes: None,
            finished: Vec::new(),
        }
    }

    /// States a fact: the only way in which the books change.
    pub(super) fn happen(&mut self, fact: Fact) {
        self.apply(&fact);
        self.facts.push(fact);
    }

    /// States that a hold was opened.
    pub(super) fn happen_held(&mut self, held: Held) {
        self.hold(&held);
        self.facts.push(Fact::Held(held));
    }

    /// States that a request was committed, or released. Its row is at hand, and need not be looked up again.
    pub(super) fn happen_settled(&mut self, settled: Settled, row: &Row, is_commit: bool) {
        self.settle(&settled, row, is_commit);
        if !is_commit {
            self.facts.push(Fact::Released(settled));
        } else if !sabotage::is(Fault::SkipFact) {
            self.facts.push(Fact::Committed(settled));
        }
    }

    /// Hands the facts of the operation at hand to the recorder, together.
    pub(super) fn record(&mut self) -> Result<Receipt, EngineError> {
        let recorded = self.shared.recorder.record(&self.facts);
        self.facts.clear();
        Ok(recorded?)
    }

    /// Everything that is due by now happens. Answers whether more is due: the lock should be given to others in between.
    #[inline(always)]
    pub(super) fn advance(&mut self, now: Now) -> bool {
        let is_due = self.expiry.first() <= now.steady || self.calendar.next() <= now.wall;
        if is_due && self.catch_up(now) {
            return true;
        }
        if self.has_old(now) {
            self.forget_old(now, FORGET_MAX);
        }
        false
    }

    /// What is due happens in the order of time: first what expires at an instant, then what the calendar changes there.
    #[cold]
    fn catch_up(&mut self, now: Now) -> bool {
        let mut turns = 0;
        loop {
            let expires = self.expiry.first();
            let changes = self.calendar.next();
            let expiry_is_due = expires <= now.steady && !sabotage::is(Fault::NoExpiry);
            let calendar_is_due = changes <= now.wall;
            if !expiry_is_due && !calendar_is_due {
                return false;
            }
            if turns == DUE_MAX {
                return true;
            }
            turns += 1;
            if expiry_is_due && (!calendar_is_due || expires <= changes) {
                self.expire_first();
            } else if let Some((at, organization)) = self.calendar.first() {
                self.turn_page(organization, at);
            }
        }
    }

    /// The organization of a fact or a hold. Facts name only organizations that were named before.
    pub(super) fn organization(&mut self, id: OrganizationId) -> Option<&mut Organization> {
        self.organizations.get_mut(id.index as usize)
    }

    /// Settled requests older than this may be forgotten: a UUIDv7 from before cannot be told from a retry.
    pub(super) fn horizon(&self, now: Now) -> Timestamp {
        self.horizon.max(now.steady.minus(REMEMBERED))
    }

    /// Takes the plan's common parts.
    pub(super) fn take_plan(&mut self, plan: &Plan) {
        self.rate_card = Arc::clone(&plan.rate_card);
        self.catalogue = Arc::clone(&plan.catalogue);
    }

    fn expire_first(&mut self) {
        if let Some((slot, at)) = self.expiry.pop(self.number, &self.holds) {
            let share = self.share_after_return(slot, at);
            self.happen(Fact::Expired { slot, at, share });
        }
    }

    /// Whether the time of a settled request is over, or there are too many.
    #[inline]
    fn has_old(&self, now: Now) -> bool {
        let first = self.holds.oldest();
        first.is_some_and(|first| first <= now.steady.minus(REMEMBERED) || self.crowded() > 0)
    }

    /// How many settled requests there are too many, in all shards; 0 as long as those are few.
    fn crowded(&self) -> u64 {
        let settled = self.shared.stats.settled_about();
        let bound = self.shared.bounds.settled as u64;
        let few = (bound / 256).min(CROWD_MAX);
        settled
            .checked_sub(bound)
            .filter(|&it| it > few)
            .unwrap_or(0)
    }

    /// Forgets settled requests whose time is over, or for which there is no room; at most so many. One request in many
    /// does, so it is no part of the way of each.
    #[inline(never)]
    pub(super) fn forget_old(&mut self, now: Now, most: usize) {
        let oldest = now.steady.minus(REMEMBERED);
        let count = self.holds.old(oldest, self.crowded(), most);
        if count > 0 {
            self.happen(Fact::Forgotten {
                shard: self.number,
                count,
            });
        }
    }
}

/// Moves a shared counter by a signed difference.
pub(super) fn shift(counter: &AtomicU64, before: u64, after: u64) {
    if after >= before {
        counter.fetch_add(after - before, Ordering::Relaxed);
    } else {
        counter.fetch_sub(before - after, Ordering::Relaxed);
    }
}
