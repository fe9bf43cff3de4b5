//! Counters that metrics read without a lock: plain atomics beside the code that owns them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::charge::Reason;

use super::book::Book;
use super::shard::Shard;
use super::{Bounds, SHARDS};

/// One organization's counters in credits, as of its last request.
#[derive(Debug, Default)]
pub struct Gauges {
    entitlement: AtomicU64,
    used: AtomicU64,
    held: AtomicU64,
    pool_base: AtomicU64,
    pool_used: AtomicU64,
    pool_held: AtomicU64,
}

/// A reading of [`Gauges`], in credits. The figures may be of different moments: they are for people who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Purchased and rolled over.
    pub entitlement: u64,
    /// Committed, without what trials paid.
    pub used: u64,
    /// In open holds, without what trials pay.
    pub held: u64,
    /// What is not set aside.
    pub pool_base: u64,
    /// Of it, committed.
    pub pool_used: u64,
    /// Of it, in open holds.
    pub pool_held: u64,
}

impl Gauges {
    /// Shows how a book stands. Called with the shard's lock held, so that writers never race.
    pub(super) fn show(&self, book: &Book) {
        let (totals, figures) = (&book.totals, &book.figures);
        for (gauge, value) in [
            (&self.entitlement, figures.entitlement),
            (&self.used, totals.used),
            (&self.held, totals.held),
            (&self.pool_base, figures.pool_base),
            (&self.pool_used, totals.pool_used),
            (
                &self.pool_held,
                totals.pool_drawn.saturating_sub(totals.pool_used),
            ),
        ] {
            gauge.store(value, Ordering::Relaxed);
        }
    }

    /// Reads them, without a lock.
    pub fn read(&self) -> Reading {
        let read = |gauge: &AtomicU64| gauge.load(Ordering::Relaxed);
        Reading {
            entitlement: read(&self.entitlement),
            used: read(&self.used),
            held: read(&self.held),
            pool_base: read(&self.pool_base),
            pool_used: read(&self.pool_used),
            pool_held: read(&self.pool_held),
        }
    }
}

/// What the engine decided and holds, over all organizations.
#[derive(Debug)]
pub struct Stats {
    tallies: Box<[Tally]>,
    holds_open: Total,
    settled: Total,
    /// Cells in all books.
    pub cells: AtomicU64,
    /// Notices that wait to be told.
    pub notices_waiting: AtomicU64,
    /// Notices that were lost because too many waited.
    pub notices_lost: AtomicU64,
    /// Labels in all books.
    pub labels: AtomicU64,
    /// Usage rows of days that stand in no file.
    pub usage_rows: AtomicU64,
    /// Days of usage rows that are closed, and stand in no file.
    pub days_to_file: AtomicU64,
}

/// What one shard counts with every request. Whoever holds the shard's lock changes it, by plain loads and stores: no
/// instruction on the way of a request is locked, and two cores do not pass a cache line to and fro. Anybody reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    granted: AtomicU64,
    denied: [AtomicU64; Reason::ALL.len()],
    would_be_denied: [AtomicU64; Reason::ALL.len()],
    holds_open: Part,
    holds_expired: AtomicU64,
    settled: Part,
}

/// One shard's part of a [`Total`].
#[derive(Debug, Default)]
struct Part {
    now: AtomicU64,
    /// What the total knows of it.
    told: AtomicU64,
}

/// A sum over all shards that bounds are compared with. Each shard tells it in steps, so that it is right to within a 256th of
/// its bound, and exact where the bound is small.
#[derive(Debug)]
struct Total {
    told: AtomicU64,
    step: u64,
}

/// So many shards may each keep a step to themselves.
const SHARDS_MAX: u64 = SHARDS as u64;

/// The longest step: long enough that a shared counter is touched seldom, short enough that what shards keep to themselves is
/// little beside the journal's room.
const STEP_MAX: u64 = 8;

impl Total {
    fn within(bound: usize) -> Self {
        let step = (bound as u64 / (256 * SHARDS_MAX)).clamp(1, STEP_MAX);
        let told = AtomicU64::new(0);
        Self { told, step }
    }

    fn change(&self, part: &Part, now: u64) {
        part.now.store(now, Ordering::Relaxed);
        let told = part.told.load(Ordering::Relaxed);
        if now.abs_diff(told) >= self.step {
            part.told.store(now, Ordering::Relaxed);
            // Wraps where it goes down, and back.
            self.told
                .fetch_add(now.wrapping_sub(told), Ordering::Relaxed);
        }
    }

    fn about(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }
}

impl Stats {
    /// Nothing counted yet.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            tallies: (0..SHARDS).map(|_| Tally::default()).collect(),
            holds_open: Total::within(bounds.holds),
            settled: Total::within(bounds.settled),
            cells: AtomicU64::new(0),
            notices_waiting: AtomicU64::new(0),
            notices_lost: AtomicU64::new(0),
            labels: AtomicU64::new(0),
            usage_rows: AtomicU64::new(0),
            days_to_file: AtomicU64::new(0),
        }
    }

    /// Requests for credits that were granted.
    pub fn granted(&self) -> u64 {
        self.sum(|tally| &tally.granted)
    }

    /// Denials of a reason.
    pub fn denied(&self, reason: Reason) -> u64 {
        self.sum(|tally| &tally.denied[reason as usize])
    }

    /// What shadow mode allowed although this reason would have denied it.
    pub fn would_be_denied(&self, reason: Reason) -> u64 {
        self.sum(|tally| &tally.would_be_denied[reason as usize])
    }

    /// Open holds.
    pub fn holds_open(&self) -> u64 {
        self.sum(|tally| &tally.holds_open.now)
    }

    /// Holds that ended by themselves.
    pub fn holds_expired(&self) -> u64 {
        self.sum(|tally| &tally.holds_expired)
    }

    /// Settled requests that are remembered.
    pub fn settled(&self) -> u64 {
        self.sum(|tally| &tally.settled.now)
    }

    /// Cells, open holds, settled requests and usage rows: what grows with what is asked.
    pub fn rows(&self) -> u64 {
        let [cells, usage] = [&self.cells, &self.usage_rows].map(|it| it.load(Ordering::Relaxed));
        cells + usage + self.holds_open() + self.settled()
    }

    /// Open holds, to within a 256th of their bound.
    pub(super) fn holds_open_about(&self) -> u64 {
        self.holds_open.about()
    }

    /// No more holds are open than this.
    pub(super) fn holds_open_at_most(&self) -> u64 {
        self.holds_open.about() + SHARDS_MAX * (self.holds_open.step - 1)
    }

    /// Settled requests that are remembered, to within a 256th of their bound.
    pub(super) fn settled_about(&self) -> u64 {
        self.settled.about()
    }

    fn sum(&self, counter: impl Fn(&Tally) -> &AtomicU64) -> u64 {
        let parts = self.tallies.iter().map(counter);
        parts.map(|part| part.load(Ordering::Relaxed)).sum()
    }
}

/// What a shard does to its own part, with its lock held.
impl Shard {
    /// Credits were granted.
    pub(super) fn count_granted(&self) {
        count_alone(&self.tally().granted);
    }

    /// Credits were denied.
    pub(super) fn count_denied(&self, reason: Reason) {
        count_alone(&self.tally().denied[reason as usize]);
    }

    /// Shadow mode allowed what would have been denied.
    pub(super) fn count_would_be_denied(&self, reason: Reason) {
        count_alone(&self.tally().would_be_denied[reason as usize]);
    }

    /// A hold ended by itself.
    pub(super) fn count_expired(&self) {
        count_alone(&self.tally().holds_expired);
    }

    /// So many holds are open here.
    pub(super) fn show_holds_open(&self) {
        let (stats, now) = (&self.shared.stats, self.holds_open as u64);
        stats.holds_open.change(&self.tally().holds_open, now);
    }

    /// One more settled request is remembered.
    pub(super) fn count_settled(&self) {
        let (stats, part) = (&self.shared.stats, &self.tally().settled);
        let now = part.now.load(Ordering::Relaxed) + 1;
        stats.settled.change(part, now);
    }

    /// One of them is not any more.
    pub(super) fn count_forgotten(&self) {
        let (stats, part) = (&self.shared.stats, &self.tally().settled);
        let now = part.now.load(Ordering::Relaxed).saturating_sub(1);
        stats.settled.change(part, now);
    }

    fn tally(&self) -> &Tally {
        &self.shared.stats.tallies[usize::from(self.number)]
    }
}

/// Adds one to a counter that nobody else changes.
fn count_alone(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Adds one. The counters are for people who watch, so that no order is needed.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
