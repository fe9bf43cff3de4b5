//! The books on disk: a journal of what happened, snapshots of how things stand, and the way back from both.
//!
//! ```text
//! directory   LOCK   journal-N   snapshot-N   plan-HASH   usage-N
//! journal     segment after segment; a segment is a header and records of 64-byte slots (segment.rs)
//! snapshot    a header, blocks of entries, a trailer (snapshot.rs)
//! plan        the plan as JSON, named by its hash; records and snapshots refer to it (plan_code.rs)
//! usage       closed days of usage rows, which left the memory (usage.rs)
//! ```
//!
//! A position counts the journal's slots from its beginning, across segments. What the engine records at a position is
//! replayed for a shard if that shard's part of the snapshot ends at or before it.

mod bell;
mod bytes;
mod entry_code;
mod error;
mod fact_code;
mod files;
pub mod gate;
pub mod inspect;
mod journal;
mod keeper;
mod parts;
pub(crate) mod plan_code;
mod recovery;
mod segment;
mod snapshot;
mod snapshots;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::recorder::{Receipt, Recorder};
use crate::world::clock::Clock;
use crate::world::disk::Disk;

pub use crate::engine::usage::UsageKey;
pub use error::{FEATURES_KNOWN, FORMAT_VERSION, FileError, RecoveryError, StorageError};
pub use files::is_snapshot;
pub use journal::JournalFigures;
pub use recovery::Recovered;
pub use snapshots::{LastSnapshot, SnapshotFigures};
pub use usage::{UsageCycle, UsageError, UsageGroup, UsageQuery};

use gate::Gate;
use journal::Journal;
use keeper::Keeper;
use recovery::Recovery;
use snapshots::{Pace, Snapshots, Taken};
use usage::{Filed, UsageFiles};

/// What an acknowledged commit survives (reliability.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing but snapshots.
    Memory,
    /// The process dying at any instruction; a loss of power costs at most `fsync_interval`.
    #[default]
    Process,
    /// The loss of power too.
    Power,
}

/// How the books are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What an acknowledged commit survives.
    pub durability: Durability,
    /// The longest time between two snapshots while something happens.
    pub snapshot_interval: Duration,
    /// The longest time that what happened is not synced, in the mode `process`.
    pub fsync_interval: Duration,
    /// The most that is written or prepared of the journal after the newest snapshot began; a snapshot starts at half of it.
    /// What the snapshot before still needs comes on top: usually half as much again.
    pub journal_bytes_max: u64,
    /// Closed days of usage rows older than this leave the disk.
    pub retention: Duration,
    /// Accepts that the journal is damaged at this position, and drops what stands from there on.
    pub drop_from: Option<u64>,
}

/// The books' place on the disk.
pub struct Storage {
    journal: Arc<Journal>,
    snapshots: Arc<Snapshots>,
    usage: Arc<UsageFiles>,
    keeper: Keeper,
    clock: Arc<dyn Clock>,
}

impl Storage {
    /// Over a directory that this process has locked. Nothing is read or written yet.
    pub fn new(disk: Arc<dyn Disk>, options: Options, clock: Arc<dyn Clock>) -> Self {
        let journal = Arc::new(Journal::new(disk, options, Arc::clone(&clock)));
        Self {
            snapshots: Arc::new(Snapshots::new(Arc::clone(&journal))),
            usage: Arc::new(UsageFiles::new(Arc::clone(&journal))),
            keeper: Keeper::default(),
            journal,
            clock,
        }
    }

    /// Where the engine records; refuses until the books are recovered.
    pub fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::clone(&self.journal) as _
    }

    /// Where answers wait until what they tell is safe.
    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.journal.gate)
    }

    /// Fills a new engine with what the directory holds, opens the journal for what comes, and lets happen what came due
    /// meanwhile, cycle by cycle.
    ///
    /// # Errors
    /// With the file and the place, if what was acknowledged cannot be brought back whole; then nothing is changed.
    pub fn recover(&self, engine: &Engine) -> Result<Recovered, RecoveryError> {
        let recovered = self.replay(engine)?;
        engine
            .resume()
            .map_err(|_| self.failure().unwrap_or(StorageError::Closed))?;
        Ok(recovered)
    }

    /// The first part of [`Self::recover`]: the books as they were left, before anything happens to them.
    ///
    /// # Errors
    /// As [`Self::recover`].
    pub fn replay(&self, engine: &Engine) -> Result<Recovered, RecoveryError> {
        let mut recovery = Recovery {
            disk: &*self.journal.disk,
            engine,
            drop_from: self.journal.options.drop_from,
            threads: recovery::threads(),
            recovered: Recovered::default(),
        };
        let now = Timestamp::from_nanos(self.clock.read().wall_ns);
        let shelf = recovery.run(&self.journal, now)?;
        self.snapshots.found(shelf.kept, shelf.damaged);
        self.usage.found(shelf.usage);
        Ok(recovery.recovered)
    }

    /// Keeps the books from here on: syncs, makes room, takes snapshots, on threads of its own. Takes the first snapshot
    /// before it returns.
    ///
    /// # Errors
    /// If the snapshot cannot be written, or the system refuses a thread.
    pub fn run(&self, engine: &Arc<Engine>) -> Result<(), StorageError> {
        self.snapshots.take(engine, Pace::Fast)?;
        self.journal.prepare_for(engine.holds_open())?;
        self.keeper
            .start(
                &self.journal,
                &self.snapshots,
                &self.usage,
                engine,
                &self.clock,
            )
            .map_err(|error| self.journal.fail("starting a thread", &error))
    }

    /// How many holds may be open at once, so that there is always room to settle them; `None` is without such a bound.
    pub fn holds_max(&self) -> Option<u64> {
        self.journal.holds_max()
    }

    /// Makes what was recorded safe: what the syncing thread does. For tests that go step by step.
    ///
    /// # Errors
    /// If the disk refuses; then nothing is acknowledged any more.
    pub fn sync(&self) -> Result<(), StorageError> {
        self.journal.sync()
    }

    /// Says in the journal that everything before is safe, if it is: what the syncing thread does when nothing happens.
    ///
    /// # Errors
    /// As [`Self::sync`].
    pub fn seal(&self) -> Result<bool, StorageError> {
        self.journal.seal()
    }

    /// Makes room for what comes; answers whether there is as much as is wanted.
    ///
    /// # Errors
    /// As [`Self::sync`], except that a full disk is none.
    pub fn make_room(&self) -> Result<bool, StorageError> {
        self.journal.prepare()
    }

    /// Takes a snapshot; answers whether there was anything new, and room for it.
    ///
    /// # Errors
    /// As [`Self::make_room`].
    pub fn take_snapshot(&self, engine: &Engine) -> Result<bool, StorageError> {
        Ok(self.snapshots.take(engine, Pace::Gentle)? == Taken::Whole)
    }

    /// Writes closed days of usage rows into a file, after which they leave the memory: what the keeper's thread does about
    /// every minute. Answers whether there were any, and room for them.
    ///
    /// # Errors
    /// As [`Self::make_room`].
    pub fn file_days(&self, engine: &Engine) -> Result<bool, StorageError> {
        Ok(self.usage.file(engine)? == Filed::Whole)
    }

    /// Removes files of usage rows whose days are all older than the retention; answers how many.
    ///
    /// # Errors
    /// As [`Self::make_room`].
    pub fn drop_old_days(&self) -> Result<u64, StorageError> {
        let now = Timestamp::from_nanos(self.clock.read().wall_ns);
        self.usage.drop_old(now.to_utc().date_naive())
    }

    /// What was used: sums over the rows in memory and in files, sorted by their keys.
    ///
    /// # Errors
    /// If there is no such organization, or a file that is needed cannot be read: never fewer credits than there were.
    pub fn usage(
        &self,
        engine: &Engine,
        query: &UsageQuery,
    ) -> Result<Vec<UsageGroup>, UsageError> {
        let mut groups = Vec::new();
        self.usage.ask(engine, query, &mut |group| {
            groups.push(group);
            true
        })?;
        Ok(groups)
    }

    /// The same, sum after sum, as long as `each` wants more. Grouped by day, only one day's sums are in memory at a time:
    /// an export of a year needs no more than its largest day.
    ///
    /// # Errors
    /// As [`Self::usage`]; what was told before it stands.
    pub fn usage_each(
        &self,
        engine: &Engine,
        query: &UsageQuery,
        each: &mut dyn FnMut(UsageGroup) -> bool,
    ) -> Result<(), UsageError> {
        self.usage.ask(engine, query, each)
    }

    /// Everything recorded before this position is safe from the loss of power.
    pub fn synced(&self) -> Receipt {
        Receipt(self.journal.synced())
    }

    /// How the journal stands, for metrics.
    pub fn journal_figures(&self, engine: &Engine) -> JournalFigures {
        self.journal.figures(engine.holds_open())
    }

    /// How the snapshots stand, for metrics; read without a lock.
    pub fn snapshot_figures(&self) -> SnapshotFigures {
        self.snapshots.figures()
    }

    /// Why nothing can be recorded any more, if that is so.
    pub fn failure(&self) -> Option<StorageError> {
        self.journal.failure()
    }

    /// Ends: the threads stop, then a last snapshot and a last sync. Nothing is recorded after it.
    ///
    /// # Errors
    /// If the disk refuses. What was acknowledged is as safe as before.
    pub fn close(&self, engine: &Engine) -> Result<(), StorageError> {
        self.keeper.stop(&self.journal);
        let taken = self.snapshots.take(engine, Pace::Fast)?;
        if taken == Taken::NoRoom && !self.journal.keeps_records() {
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(self.journal.fail("the last snapshot", &full));
        }
        self.journal.sync()?;
        if self.journal.seal()? {
            self.journal.sync()?;
        }
        self.journal.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
