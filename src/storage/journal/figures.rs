//! What the journal shows to whoever watches.

use std::sync::atomic::Ordering;

use crate::storage::segment::SLOT_BYTES;
use crate::world::histogram::Durations;

use super::Journal;

/// The buckets of syncs: a fast device takes a tenth of a millisecond, a busy one a second.
pub(super) const SYNC_BOUNDS_NS: &[u64] = &[
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
];

/// How the journal stands. Sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalFigures {
    /// Groups of facts that this process recorded.
    pub records: u64,
    /// What they took.
    pub written: u64,
    /// Of it, what is not yet safe from the loss of power.
    pub unsynced: u64,
    /// Written since the newest snapshot began.
    pub since_snapshot: u64,
    /// The most that may be written and prepared after the newest snapshot.
    pub most: u64,
    /// Segments that are prepared and not yet used.
    pub segments_prepared: u64,
    /// Room that is prepared.
    pub free: u64,
    /// What the open holds need of it: with less, nothing new is admitted.
    pub needed: u64,
    /// How long syncs took.
    pub syncs: Durations,
}

impl Journal {
    /// How it stands, with so many open holds. Takes the append lock for one look.
    pub(in crate::storage) fn figures(&self, holds_open: u64) -> JournalFigures {
        let bytes = |slots: u64| slots * SLOT_BYTES as u64;
        let (synced, appended) = (self.synced(), self.appended());
        let opened = self.opened.load(Ordering::Relaxed);
        let mut figures = JournalFigures {
            records: self.groups(),
            most: self.options.journal_bytes_max,
            syncs: self.syncs.read(),
            ..JournalFigures::default()
        };
        if self.keeps_records() {
            figures.written = bytes(appended.saturating_sub(opened));
            figures.unsynced = bytes(appended.saturating_sub(synced));
            figures.since_snapshot = self.bytes_since_snapshot();
            figures.segments_prepared = self.writer.lock().ready.len() as u64;
            (figures.free, figures.needed) = self.room.figures(holds_open);
        }
        figures
    }
}
