//! The snapshots of the directory, and taking another one while requests go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::recorder::Receipt;

use super::error::StorageError;
use super::files;
use super::journal::Journal;
use super::plan_code::PlanHash;
use super::snapshot::{Header, Writer};

/// So many entries are copied under one lock: tens of microseconds.
const ENTRIES_A_STEP: usize = 256;

/// While requests are served, a pause after so many entries: so a snapshot takes at most about a third of a core.
const PAUSE: Duration = Duration::from_micros(150);

/// So many snapshots are kept, with the segments between: if the newest is damaged, the one before makes up for it.
const KEPT: usize = 2;

/// How a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Requests are served meanwhile, and come first.
    Gentle,
    /// Nobody is served before it is whole.
    Fast,
}

/// What came of taking a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There is another one.
    Whole,
    /// Nothing has happened since the last one.
    NothingNew,
    /// The disk is full; the ones before stay. Ask again later.
    NoRoom,
    /// Somebody else is copying the books. Ask again later.
    Busy,
}

/// A snapshot that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    /// The journal's first position that it needs.
    pub(super) from: u64,
    pub(super) plan: PlanHash,
}

/// The snapshots of the directory.
pub(super) struct Snapshots {
    journal: Arc<Journal>,
    /// The oldest first. Held while one is taken: there is one at a time.
    kept: Mutex<Shelf>,
    told: SnapshotsTold,
}

/// What was made of snapshots by this process, for whoever watches; read without a lock.
#[derive(Debug, Default)]
struct SnapshotsTold {
    whole: AtomicU64,
    no_room: AtomicU64,
    /// Of the newest, by the wall clock; 0 before the first.
    at_ns: AtomicI64,
    took_ns: AtomicU64,
    bytes: AtomicU64,
}

/// How the snapshots stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFigures {
    /// Taken by this process.
    pub whole: u64,
    /// Not taken, because the disk was full.
    pub no_room: u64,
    /// The newest of this process.
    pub last: Option<LastSnapshot>,
}

/// The newest snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSnapshot {
    /// When it became whole, by the wall clock.
    pub at: Timestamp,
    /// How long it took, in nanoseconds.
    pub took_ns: u64,
    /// Its size.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Shelf {
    kept: Vec<Kept>,
    /// The highest number that any file has, or had.
    number_last: u64,
    /// Files that are no snapshots: to be removed once there is another whole one.
    damaged: Vec<u64>,
    /// What had been recorded when the newest was begun by this process.
    groups: Option<u64>,
}

impl Snapshots {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            kept: Mutex::default(),
            told: SnapshotsTold::default(),
        }
    }

    /// These were found, the oldest first.
    pub(super) fn found(&self, kept: Vec<Kept>, damaged: Vec<u64>) {
        let mut shelf = self.kept.lock();
        let numbers = kept.iter().map(|it| it.number);
        shelf.number_last = numbers.chain(damaged.iter().copied()).max().unwrap_or(0);
        (shelf.kept, shelf.damaged) = (kept, damaged);
    }

    /// How they stand.
    pub(super) fn figures(&self) -> SnapshotFigures {
        let told = &self.told;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let at_ns = told.at_ns.load(Ordering::Relaxed);
        SnapshotFigures {
            whole: read(&told.whole),
            no_room: read(&told.no_room),
            last: (at_ns != 0).then(|| LastSnapshot {
                at: Timestamp::from_nanos(at_ns),
                took_ns: read(&told.took_ns),
                bytes: read(&told.bytes),
            }),
        }
    }

    /// Takes a snapshot, unless nothing has happened since the last.
    pub(super) fn take(&self, engine: &Engine, pace: Pace) -> Result<Taken, StorageError> {
        self.journal.check()?;
        let mut shelf = self.kept.lock();
        let groups = self.journal.groups();
        if shelf.groups == Some(groups) {
            return Ok(Taken::NothingNew);
        }
        let number = shelf.number_last + 1;
        let mut written = self.write(engine, number, pace);
        if written.as_ref().is_err_and(files::is_full) && shelf.kept.len() > 1 {
            tracing::warn!("no room for a snapshot: giving up the older one");
            let oldest = shelf.kept.remove(0);
            self.remove(&[oldest.number])?;
            let from = shelf.kept.first().map_or(0, |it| it.from);
            self.give_back(&shelf, from)?;
            written = self.write(engine, number, pace);
        }
        match written {
            Ok(Some(kept)) => {
                shelf.number_last = number;
                shelf.groups = Some(groups);
                shelf.kept.push(kept);
                self.tidy(&mut shelf)?;
                Ok(Taken::Whole)
            }
            Ok(None) => Ok(Taken::Busy),
            Err(error) if files::is_full(&error) => {
                self.told.no_room.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("no room for a snapshot; trying again later: {error}");
                Ok(Taken::NoRoom)
            }
            Err(error) => Err(self.journal.fail("writing a snapshot", &error)),
        }
    }

    /// Writes one under a name that is only ever whole. `None` while another copy of the books is under way.
    fn write(&self, engine: &Engine, number: u64, pace: Pace) -> io::Result<Option<Kept>> {
        let journal = &*self.journal;
        let began_ns = journal.clock.read().steady_ns;
        let Some(mut copy) = engine.copy().map_err(io::Error::other)? else {
            return Ok(None);
        };
        let Some(identity) = journal.identity() else {
            return Err(io::Error::other("the journal is not open"));
        };
        let plan = journal.write_plan(copy.plan())?;
        let positions: Vec<u64> = copy.receipts().iter().map(|&Receipt(it)| it).collect();
        let from = positions.iter().copied().min().unwrap_or(0);
        let header = Header {
            journal: identity.journal,
            number,
            frame: identity.frame,
            now: copy.now(),
            segment: journal.segment_of(from),
            positions,
            plan,
        };
        let name = files::snapshot(number);
        let unfinished = files::unfinished(&name);
        let whole = (|| {
            let mut writer = Writer::new(journal.disk.create(&unfinished)?, &header)?;
            let mut copied = 0;
            while copy.step(ENTRIES_A_STEP, &mut |entry| {
                copied += 1;
                writer.entry(entry);
            }) {
                writer.flush()?;
                if pace == Pace::Gentle && copied >= ENTRIES_A_STEP {
                    copied = 0;
                    std::thread::sleep(PAUSE);
                }
            }
            drop(copy);
            writer.finish()
        })();
        let counts = match whole {
            Ok(counts) => counts,
            Err(error) => {
                // The disk may be full because of it.
                journal.disk.remove(&unfinished)?;
                return Err(error);
            }
        };
        // A snapshot never knows more than the journal that is safe: damage before it is no torn tail.
        journal.sync().map_err(io::Error::other)?;
        journal.disk.rename(&unfinished, &name)?;
        journal.disk.sync_directory()?;
        tracing::debug!(number, ?counts, "a snapshot is whole");
        let (now, told) = (journal.clock.read(), &self.told);
        let took_ns = now.steady_ns.saturating_sub(began_ns).max(0).unsigned_abs();
        told.took_ns.store(took_ns, Ordering::Relaxed);
        told.bytes.store(counts.bytes, Ordering::Relaxed);
        told.at_ns.store(now.wall_ns, Ordering::Relaxed);
        told.whole.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Kept { number, from, plan }))
    }

    /// Removes what the newest snapshots make superfluous.
    fn tidy(&self, shelf: &mut Shelf) -> Result<(), StorageError> {
        let surplus = shelf.kept.len().saturating_sub(KEPT);
        let mut numbers: Vec<u64> = shelf.kept.drain(..surplus).map(|it| it.number).collect();
        numbers.append(&mut shelf.damaged);
        self.remove(&numbers)?;
        // While there is only one, the whole journal is what makes up for it.
        let oldest = shelf.kept.first().filter(|_| shelf.kept.len() == KEPT);
        self.give_back(shelf, oldest.map_or(0, |it| it.from))
    }

    /// Gives back the segments and plans from before a position that no snapshot needs.
    fn give_back(&self, shelf: &Shelf, from: u64) -> Result<(), StorageError> {
        let newest = shelf.kept.last().map_or(0, |it| it.from);
        self.journal.release(newest, from);
        let plans: Vec<_> = shelf.kept.iter().map(|it| it.plan).collect();
        self.journal
            .drop_plans(&plans, from)
            .map_err(|error| self.journal.fail("removing a plan", &error))
    }

    fn remove(&self, numbers: &[u64]) -> Result<(), StorageError> {
        numbers
            .iter()
            .try_for_each(|&number| self.journal.disk.remove(&files::snapshot(number)))
            .map_err(|error| self.journal.fail("removing a snapshot", &error))
    }
}
