//! Counters that metrics read without a lock: plain atomics beside the code that owns them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::charge::Reason;

use super::book::Book;

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
#[derive(Debug, Default)]
pub struct Stats {
    /// Requests for credits that were granted.
    pub granted: AtomicU64,
    denied: [AtomicU64; Reason::ALL.len()],
    would_be_denied: [AtomicU64; Reason::ALL.len()],
    /// Open holds.
    pub holds_open: AtomicU64,
    /// Holds that ended by themselves.
    pub holds_expired: AtomicU64,
    /// Settled requests that are remembered.
    pub settled: AtomicU64,
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

impl Stats {
    /// Denials of a reason.
    pub fn denied(&self, reason: Reason) -> &AtomicU64 {
        &self.denied[reason as usize]
    }

    /// What shadow mode allowed although this reason would have denied it.
    pub fn would_be_denied(&self, reason: Reason) -> &AtomicU64 {
        &self.would_be_denied[reason as usize]
    }
}

/// Adds one. The counters are for people who watch, so that no order is needed.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
