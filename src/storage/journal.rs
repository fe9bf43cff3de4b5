//! The journal's writing side: one append lock, a leaf inside the shard's, covers position and copy, so that what is recorded
//! has no holes. Whoever appends only stores into memory that is mapped; syncing and making room is others' work
//! (`keeper.rs`), except where they are too late.

mod figures;
mod plans;
mod room;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex as PlainMutex;

use crate::domain::fact::Fact;
use crate::domain::plan::Plan;
use crate::engine::recorder::{NotKept, Receipt, Recorder, Unrecorded};
use crate::world::clock::Clock;
use crate::world::disk::{Disk, Region, Syncer};
use crate::world::histogram::Histogram;
use crate::world::sabotage::{self, Fault};
use crate::world::sync::Mutex;

use super::bell::Bell;
use super::error::StorageError;
use super::fact_code::{self, Frame};
use super::files;
use super::gate::Gate;
use super::plan_code::PlanHash;
use super::segment::{
    Header, Kind, RECORD_HEADER_BYTES, RECORD_SLOTS_MAX, SLOT_BYTES, Seed, encode_record,
};
use super::{Durability, Options};

pub use figures::JournalFigures;
use figures::SYNC_BOUNDS_NS;
use plans::Plans;
use room::Room;

thread_local! {
    /// Where facts are encoded before the append lock is taken.
    static BODY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The journal.
pub(super) struct Journal {
    pub(super) disk: Arc<dyn Disk>,
    /// Measures how long the disk takes; nothing is decided by it.
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Options,
    pub(super) gate: Arc<Gate>,
    /// Wakes the thread that makes room, and calls for snapshots.
    pub(super) to_keep: Bell,
    writer: Mutex<Writer>,
    /// Segments that hold records, the oldest first. A leaf inside the append lock.
    live: PlainMutex<VecDeque<Live>>,
    /// Segments that nothing needs any more, to be used again, the oldest first.
    spares: PlainMutex<Vec<Live>>,
    /// Where the newest snapshot began.
    snapshot_begin: AtomicU64,
    /// Groups that were recorded by this process, whether they are kept or not.
    groups: AtomicU64,
    identity: OnceLock<Identity>,
    room: Room,
    plans: Plans,
    /// The position after the last record.
    appended: AtomicU64,
    /// Everything before this position is safe from the loss of power.
    synced: AtomicU64,
    /// The position after the last seal.
    sealed: AtomicU64,
    /// Where this process began to record.
    opened: AtomicU64,
    /// How long syncs took.
    syncs: Histogram,
    has_failed: AtomicBool,
    failure: PlainMutex<Option<StorageError>>,
}

/// What the append lock guards.
#[derive(Default)]
struct Writer {
    /// The segment that is written; `None` while the journal is closed, and in the mode `memory`.
    segment: Option<Open>,
    /// Prepared ones, the next first.
    ready: VecDeque<Ready>,
    record: Vec<u8>,
}

/// What every file of this start says about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    /// The journal's id: a random number of its first start.
    pub(super) journal: u64,
    /// What the encodings leave out.
    pub(super) frame: Frame,
}

struct Open {
    region: Box<dyn Region>,
    seed: Seed,
    first: u64,
    end: u64,
}

/// A segment that is prepared and not yet used.
pub(super) struct Ready {
    pub(super) number: u64,
    pub(super) region: Box<dyn Region>,
    pub(super) syncer: Arc<dyn Syncer>,
}

/// A segment that holds records.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) number: u64,
    pub(super) first: u64,
    /// The position after its last slot.
    pub(super) end: u64,
    /// Of the whole file.
    pub(super) bytes: u64,
    /// `None` for those of an earlier start: recovery has synced them.
    pub(super) syncer: Option<Arc<dyn Syncer>>,
}

impl Live {
    /// One that holds nothing any more.
    pub(super) fn spare(number: u64, bytes: u64) -> Self {
        Self {
            number,
            first: 0,
            end: 0,
            bytes,
            syncer: None,
        }
    }
}

/// What recovery hands over.
pub(super) struct Opening {
    pub(super) identity: Identity,
    /// Where the new segment begins: everything before it is safe.
    pub(super) position: u64,
    /// Segments of earlier starts, the oldest first.
    pub(super) live: VecDeque<Live>,
    /// Segments of earlier starts that hold nothing any more.
    pub(super) spares: Vec<Live>,
    /// The highest number that any segment's file has, or had.
    pub(super) number_last: u64,
    /// Where the snapshot that was loaded began.
    pub(super) snapshot_begin: u64,
    /// Plan files that the directory holds.
    pub(super) plans: Vec<PlanHash>,
    /// Holds that are open: there must be room to settle them.
    pub(super) holds_open: u64,
}

impl Journal {
    pub(super) fn new(disk: Arc<dyn Disk>, options: Options, clock: Arc<dyn Clock>) -> Self {
        let waits = options.durability == Durability::Power;
        let gate = Gate::new(waits && !sabotage::is(Fault::AcknowledgeEarly));
        let room = Room::new(&options);
        Self {
            disk,
            clock,
            options,
            gate: Arc::new(gate),
            to_keep: Bell::default(),
            writer: Mutex::new(Writer::default()),
            live: PlainMutex::default(),
            spares: PlainMutex::default(),
            snapshot_begin: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            identity: OnceLock::new(),
            room,
            plans: Plans::default(),
            appended: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            sealed: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            syncs: Histogram::new(SYNC_BOUNDS_NS),
            has_failed: AtomicBool::new(true),
            failure: PlainMutex::new(Some(StorageError::Closed)),
        }
    }

    /// Begins to record: a segment of its own for this start.
    pub(super) fn open(&self, opening: Opening) -> Result<(), StorageError> {
        for position in [&self.appended, &self.synced, &self.sealed, &self.opened] {
            position.store(opening.position, Ordering::Release);
        }
        self.snapshot_begin
            .store(opening.snapshot_begin, Ordering::Release);
        self.plans.found(opening.plans, opening.position);
        *self.live.lock() = opening.live;
        *self.spares.lock() = opening.spares;
        // A journal is opened once.
        let _first = self.identity.set(opening.identity);
        *self.failure.lock() = None;
        if self.keeps_records() {
            self.room.number_from(opening.number_last + 1);
            self.another()
                .map(|ready| self.make_ready(ready))
                .and_then(|()| self.next_segment(&mut self.writer.lock()))
                .map_err(|error| self.fail("opening the journal", &error))?;
            self.prepare_for(opening.holds_open)?;
        }
        self.has_failed.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether there is a journal at all: not in the mode `memory`.
    pub(super) fn keeps_records(&self) -> bool {
        self.options.durability != Durability::Memory
    }

    /// The position after the last record.
    pub(super) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    /// Everything before this position is safe from the loss of power.
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// What the files of this start say about themselves; `None` before the journal is open.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity.get().copied()
    }

    /// Groups that were recorded by this process.
    pub(super) fn groups(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    /// The number of the segment that a position is in; 0 if there is none.
    pub(super) fn segment_of(&self, position: u64) -> u64 {
        let live = self.live.lock();
        live.iter()
            .rev()
            .find(|it| it.first <= position)
            .map_or(0, |it| it.number)
    }

    /// Makes everything that was recorded before the call safe, and lets pass who waits for it.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.check()?;
        let (before, upto) = (self.synced(), self.appended());
        if before == upto {
            return Ok(());
        }
        let syncers: Vec<_> = {
            let live = self.live.lock();
            live.iter()
                .filter(|it| it.end > before && it.first < upto)
                .filter_map(|it| it.syncer.clone())
                .collect()
        };
        let began_ns = self.clock.read().steady_ns;
        if !sabotage::is(Fault::NoFsync) {
            for syncer in syncers {
                syncer
                    .sync()
                    .map_err(|error| self.fail("syncing the journal", &error))?;
            }
        }
        self.syncs.record(began_ns, self.clock.read().steady_ns);
        self.synced.fetch_max(upto, Ordering::AcqRel);
        self.gate.pass(Receipt(upto));
        Ok(())
    }

    /// After the last record is safe, says so in a record of its own: then damage to the last one can be told from a torn
    /// tail. Answers whether there was anything to say.
    pub(super) fn seal(&self) -> Result<bool, StorageError> {
        self.check()?;
        if !self.keeps_records() {
            return Ok(false);
        }
        let mut writer = self.writer.lock();
        let (appended, synced) = (self.appended(), self.synced());
        if appended != synced || self.sealed.load(Ordering::Acquire) == appended {
            return Ok(false);
        }
        let sealed = self
            .append(&mut writer, &[], Kind::Seal)
            .map_err(|error| self.fail("writing the journal", &error))?;
        self.sealed.store(sealed, Ordering::Release);
        Ok(true)
    }

    /// Why nothing can be recorded, if that is so.
    pub(super) fn failure(&self) -> Option<StorageError> {
        self.failure.lock().clone()
    }

    /// Fails if nothing can be recorded.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        self.failure().map_or(Ok(()), Err)
    }

    /// From here on nothing is recorded and nobody passes: what failed is never tried again.
    pub(super) fn fail(&self, what: &str, error: &io::Error) -> StorageError {
        let failure = StorageError::Failed {
            what: what.to_owned(),
            problem: error.to_string(),
        };
        self.has_failed.store(true, Ordering::Release);
        self.failure.lock().get_or_insert(failure.clone());
        self.gate.fail();
        self.gate.to_sync.ring();
        self.to_keep.ring();
        failure
    }

    /// Records nothing any more, after the last sync.
    pub(super) fn close(&self) {
        self.failure.lock().get_or_insert(StorageError::Closed);
        self.has_failed.store(true, Ordering::Release);
        self.writer.lock().segment = None;
    }

    /// Stores a group behind the last one; answers the position after it.
    fn append(&self, writer: &mut Writer, body: &[u8], kind: Kind) -> io::Result<u64> {
        let (mut next, mut rest) = (self.appended(), body);
        let synced = self.synced();
        loop {
            if writer.segment.as_ref().is_none_or(|it| it.end == next) {
                self.next_segment(writer)?;
                next += 1;
            }
            let Some(open) = &mut writer.segment else {
                return Err(io::Error::other("the journal is not open"));
            };
            let slots_left = usize::try_from(open.end - next).unwrap_or(usize::MAX);
            let bytes_max = slots_left.min(RECORD_SLOTS_MAX) * SLOT_BYTES - RECORD_HEADER_BYTES;
            let (chunk, later) = rest.split_at(rest.len().min(bytes_max));
            let kind = if later.is_empty() { kind } else { Kind::More };
            let (record, slots) =
                encode_record(&mut writer.record, open.seed, next, kind, synced, chunk);
            let slot = usize::try_from(next - open.first).unwrap_or(usize::MAX);
            open.region.store(slot * SLOT_BYTES, record)?;
            next += slots as u64;
            self.room.used(slots as u64);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        self.appended.store(next, Ordering::Release);
        Ok(next)
    }

    /// Goes on in the next segment; makes one here and now if nobody has prepared one.
    fn next_segment(&self, writer: &mut Writer) -> io::Result<()> {
        let ready = match writer.ready.pop_front() {
            Some(ready) => ready,
            None => {
                let ready = self.allocate()?;
                self.room.added(ready.region.bytes());
                ready
            }
        };
        let first = match &writer.segment {
            Some(full) => full.end,
            None => self.appended(),
        };
        let Ready {
            number,
            mut region,
            syncer,
        } = ready;
        let Some(Identity { journal, frame }) = self.identity() else {
            return Err(io::Error::other("the journal is not open"));
        };
        let header = Header {
            journal,
            number,
            first,
            frame,
        };
        region.store(0, &header.encode())?;
        self.room.used(1);
        let end = first + (region.bytes() / SLOT_BYTES) as u64;
        self.live.lock().push_back(Live {
            number,
            first,
            end,
            bytes: region.bytes() as u64,
            syncer: Some(syncer),
        });
        if writer.segment.is_none() {
            // The header's slot of the first one; of later ones it is counted where the record goes on.
            self.appended.store(first + 1, Ordering::Release);
        }
        writer.segment = Some(Open {
            region,
            seed: Seed::new(journal, number),
            first,
            end,
        });
        self.to_keep.ring();
        Ok(())
    }
}

impl Recorder for Journal {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        if self.has_failed.load(Ordering::Acquire) {
            return Err(Unrecorded);
        }
        if facts.is_empty() {
            return Ok(Receipt(self.appended()));
        }
        let Some(Identity { frame, .. }) = self.identity().filter(|_| self.keeps_records()) else {
            self.groups.fetch_add(1, Ordering::Relaxed);
            return Ok(Receipt(self.appended()));
        };
        let is_plan = |fact: &Fact| matches!(fact, Fact::Planned { .. });
        let plan = if facts.iter().any(is_plan) {
            self.plans.kept()
        } else {
            PlanHash::default()
        };
        let appended = BODY.with_borrow_mut(|body| {
            body.clear();
            for fact in facts {
                fact_code::encode(fact, &frame, &plan, body);
            }
            let mut writer = self.writer.lock();
            // Nobody else changes it: the append lock is held.
            let groups = self.groups.load(Ordering::Relaxed);
            self.groups.store(groups + 1, Ordering::Relaxed);
            self.append(&mut writer, body, Kind::Last)
        });
        let upto = appended.map_err(|error| {
            self.fail("writing the journal", &error);
            Unrecorded
        })?;
        Ok(Receipt(upto))
    }

    fn keep_plan(&self, plan: &Arc<Plan>) -> Result<(), NotKept> {
        if !self.keeps_records() {
            return Ok(());
        }
        let hash = self.write_plan(plan).map_err(|error| {
            if files::is_full(&error) {
                NotKept::NoRoom
            } else {
                NotKept::Unrecorded
            }
        })?;
        self.plans.keep(hash);
        Ok(())
    }

    fn has_room(&self, holds_open: u64) -> bool {
        !self.keeps_records() || self.room.is_enough(holds_open, || self.to_keep.ring())
    }
}
