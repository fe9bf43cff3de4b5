//! What came of reading files again, for whoever watches.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::domain::time::Timestamp;

/// What came of reading a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has changed, and applies.
    Applied,
    /// It says what applies already.
    Unchanged,
    /// It is wrong, or gone; the last good one stays.
    Refused,
}

impl Outcome {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused];

    /// In one word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// The readings of one file, if there is one.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    is_there: AtomicBool,
    is_current: AtomicBool,
    counts: [AtomicU64; Outcome::ALL.len()],
    succeeded_ns: AtomicI64,
}

impl Reloads {
    /// There is a file, which was read at the start.
    pub(super) fn start(&self, is_current: bool, now: Timestamp) {
        self.is_there.store(true, Ordering::Relaxed);
        self.note(is_current, now);
    }

    /// It was read again.
    pub(super) fn again(&self, outcome: Outcome, now: Timestamp) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.note(outcome != Outcome::Refused, now);
    }

    fn note(&self, is_current: bool, now: Timestamp) {
        self.is_current.store(is_current, Ordering::Relaxed);
        if is_current {
            self.succeeded_ns.store(now.nanos(), Ordering::Relaxed);
        }
    }

    /// Whether there is such a file.
    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    /// Whether what applies is what the file says.
    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    /// How often it came to this since the start.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    /// When it was last read without an error, by the wall clock.
    pub(super) fn succeeded(&self) -> Option<Timestamp> {
        let nanos = self.succeeded_ns.load(Ordering::Relaxed);
        (nanos != 0).then(|| Timestamp::from_nanos(nanos))
    }
}
