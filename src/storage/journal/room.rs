//! Room for what comes: segments that are prepared before they are needed, so that no record waits for a disk, and so many
//! that every open hold can be settled even when the disk is full.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::storage::error::StorageError;
use crate::storage::segment::SLOT_BYTES;
use crate::storage::{Options, files};

use super::{Journal, Live, Ready};

/// What settling one hold takes at most: an expiry, and a late commit that fires a threshold.
const SLOTS_PER_HOLD: u64 = 3;

/// What else may happen while nothing new is admitted: cycles that open, thresholds that fire, requests that are forgotten.
const SLOTS_APART: u64 = 4_096;

/// Segments are prepared so many ahead.
const AHEAD: u64 = 2;

/// So many superfluous segments are kept for another use; the rest give their place back.
const SPARES_MAX: usize = 2;

/// A segment's size: long enough that changing it is rare, short enough that one is zeroed soon.
const SEGMENT_BYTES: (u64, u64) = (64 * 1024, 16 * 1024 * 1024);

/// How much room there is, and how much is wanted.
#[derive(Debug)]
pub(super) struct Room {
    segment_bytes: u64,
    /// Slots of all segments that were ever prepared.
    slots_prepared: AtomicU64,
    /// Those that were taken. Only whoever holds the append lock changes it, so that no instruction there is locked.
    slots_used: AtomicU64,
    /// So many the open holds need.
    slots_wanted: AtomicU64,
    number_next: AtomicU64,
}

impl Room {
    pub(super) fn new(options: &Options) -> Self {
        let share = options.journal_bytes_max / 16;
        let segment_bytes = share.clamp(SEGMENT_BYTES.0, SEGMENT_BYTES.1) / 4_096 * 4_096;
        Self {
            segment_bytes,
            slots_prepared: AtomicU64::new(0),
            slots_used: AtomicU64::new(0),
            slots_wanted: AtomicU64::new(SLOTS_APART),
            number_next: AtomicU64::new(1),
        }
    }

    pub(super) fn number_from(&self, number: u64) {
        self.number_next.store(number, Ordering::Relaxed);
    }

    /// So many slots were taken. Called with the append lock.
    pub(super) fn used(&self, slots: u64) {
        let used = self.slots_used.load(Ordering::Relaxed);
        self.slots_used.store(used + slots, Ordering::Relaxed);
    }

    /// A segment was prepared.
    pub(super) fn added(&self, bytes: usize) {
        self.slots_prepared
            .fetch_add((bytes / SLOT_BYTES) as u64, Ordering::Relaxed);
    }

    /// Whether another request may be admitted; asks for more room before it gets scarce.
    pub(super) fn is_enough(&self, holds_open: u64, ask: impl FnOnce()) -> bool {
        let needed = needed(holds_open);
        let free = self.slots_free();
        if free < needed + self.segment_slots() {
            self.slots_wanted.store(needed, Ordering::Relaxed);
            ask();
        }
        free >= needed
    }

    /// Slots of prepared segments and of what is left of the present one.
    fn slots_free(&self) -> u64 {
        let used = self.slots_used.load(Ordering::Relaxed);
        let prepared = self.slots_prepared.load(Ordering::Relaxed);
        prepared.saturating_sub(used)
    }

    /// The room there is, and the room that so many open holds need, in bytes.
    pub(super) fn figures(&self, holds_open: u64) -> (u64, u64) {
        let needed = needed(holds_open) * SLOT_BYTES as u64;
        (self.bytes_free(), needed)
    }

    fn bytes_free(&self) -> u64 {
        self.slots_free() * SLOT_BYTES as u64
    }

    fn segment_slots(&self) -> u64 {
        self.segment_bytes / SLOT_BYTES as u64
    }

    fn is_scarce(&self) -> bool {
        let wanted = self.slots_wanted.load(Ordering::Relaxed) + AHEAD * self.segment_slots();
        self.slots_free() < wanted
    }
}

/// The slots without which nothing new is admitted.
fn needed(holds_open: u64) -> u64 {
    holds_open * SLOTS_PER_HOLD + SLOTS_APART
}

/// Takes out the oldest of more than are kept.
fn surplus(spares: &mut Vec<Live>) -> Vec<Live> {
    let count = spares.len().saturating_sub(SPARES_MAX);
    spares.drain(..count).collect()
}

impl Journal {
    /// How many open holds the journal can ever promise to settle.
    pub(in crate::storage) fn holds_max(&self) -> Option<u64> {
        let slots = self.options.journal_bytes_max / SLOT_BYTES as u64;
        self.keeps_records()
            .then(|| slots.saturating_sub(SLOTS_APART) / SLOTS_PER_HOLD)
    }

    /// Prepares segments until there is as much room as is wanted; answers whether there is. A full disk is no failure:
    /// ask again later.
    pub(in crate::storage) fn prepare(&self) -> Result<bool, StorageError> {
        self.prepare_while(|room| room.is_scarce())
    }

    /// The same, only so much that requests can be admitted while so many holds are open.
    pub(in crate::storage) fn prepare_for(&self, holds_open: u64) -> Result<bool, StorageError> {
        self.prepare_while(|room| !room.is_enough(holds_open, || {}))
    }

    fn prepare_while(&self, is_scarce: impl Fn(&Room) -> bool) -> Result<bool, StorageError> {
        self.check()?;
        // First: on a full disk they may be what leaves no room.
        self.drop_spares(|spares| self.misfits(spares))?;
        while self.keeps_records() && is_scarce(&self.room) {
            let bytes = self.bytes_since_snapshot() + self.room.bytes_free();
            if bytes + self.room.segment_bytes > self.options.journal_bytes_max {
                return Ok(false);
            }
            match self.another() {
                Ok(ready) => self.make_ready(ready),
                Err(error) if files::is_full(&error) => return Ok(false),
                Err(error) => return Err(self.fail("making room for the journal", &error)),
            }
        }
        self.drop_spares(surplus)?;
        Ok(true)
    }

    /// Bytes that were written since the newest snapshot began.
    pub(in crate::storage) fn bytes_since_snapshot(&self) -> u64 {
        let begin = self.snapshot_begin.load(Ordering::Acquire);
        self.appended().saturating_sub(begin) * SLOT_BYTES as u64
    }

    /// A snapshot that began here is whole, and what ends at or before `from` is needed by none any more.
    pub(in crate::storage) fn release(&self, begin: u64, from: u64) {
        self.snapshot_begin.store(begin, Ordering::Release);
        let mut spares = self.spares.lock();
        let mut live = self.live.lock();
        while live.len() > 1 && live[0].end <= from {
            spares.extend(live.pop_front());
        }
        drop((live, spares));
        self.to_keep.ring();
    }

    /// The size of each segment.
    pub(in crate::storage) fn segment_bytes(&self) -> u64 {
        self.room.segment_bytes
    }

    /// One more segment: a superfluous one, or a new one.
    pub(super) fn another(&self) -> io::Result<Ready> {
        let spare = self.recycle()?;
        spare.map_or_else(|| self.allocate(), Ok)
    }

    /// A new segment's file, of zeros that have their place on the disk.
    pub(super) fn allocate(&self) -> io::Result<Ready> {
        let number = self.number();
        let name = files::journal(number);
        self.disk.allocate(&name, self.room.segment_bytes)?;
        self.disk.sync_directory()?;
        self.map(number)
    }

    /// Hands over a segment to whoever appends.
    pub(super) fn make_ready(&self, ready: Ready) {
        self.room.added(ready.region.bytes());
        self.writer.lock().ready.push_back(ready);
    }

    /// Gives the oldest superfluous segment another number. Its old records do not pass under it, so it need not be zeroed.
    /// The oldest, so that those that stay still lie one behind the other up to the ones that are needed.
    fn recycle(&self) -> io::Result<Option<Ready>> {
        let spare = {
            let mut spares = self.spares.lock();
            let oldest = spares.iter().position(|it| self.fits(it));
            oldest.map(|at| spares.remove(at))
        };
        let Some(spare) = spare else {
            return Ok(None);
        };
        let number = self.number();
        self.disk
            .rename(&files::journal(spare.number), &files::journal(number))?;
        self.disk.sync_directory()?;
        self.map(number).map(Some)
    }

    /// Whether a superfluous segment can be used again. Those of a start with another `journal_bytes_max` have another size.
    fn fits(&self, spare: &Live) -> bool {
        self.keeps_records() && spare.bytes == self.room.segment_bytes
    }

    /// Takes out those that cannot.
    fn misfits(&self, spares: &mut Vec<Live>) -> Vec<Live> {
        let all = std::mem::take(spares).into_iter();
        let (fitting, misfits) = all.partition(|it| self.fits(it));
        *spares = fitting;
        misfits
    }

    /// Removes the superfluous segments that are taken out.
    fn drop_spares(
        &self,
        take_out: impl FnOnce(&mut Vec<Live>) -> Vec<Live>,
    ) -> Result<(), StorageError> {
        let out = take_out(&mut self.spares.lock());
        out.iter()
            .try_for_each(|spare| self.disk.remove(&files::journal(spare.number)))
            .map_err(|error| self.fail("removing a segment", &error))
    }

    fn map(&self, number: u64) -> io::Result<Ready> {
        let mapped = self.disk.map(&files::journal(number))?;
        Ok(Ready {
            number,
            region: mapped.region,
            syncer: mapped.syncer,
        })
    }

    fn number(&self) -> u64 {
        self.room.number_next.fetch_add(1, Ordering::Relaxed)
    }
}
