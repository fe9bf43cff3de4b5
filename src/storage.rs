//! The books on disk: a journal of what happened, snapshots of how things stand, and the way back from both.
//!
//! ```text
//! directory   LOCK   journal-N   snapshot-N   plan-HASH
//! journal     segment after segment; a segment is a header and records of 64-byte slots (segment.rs)
//! snapshot    a header, blocks of entries, a trailer (snapshot.rs)
//! plan        the plan as JSON, named by its hash; records and snapshots refer to it (plan_code.rs)
//! ```
//!
//! A position counts the journal's slots from its beginning, across segments. What the engine records at a position is
//! replayed for a shard if that shard's part of the snapshot ends at or before it.

mod bytes;
mod entry_code;
mod error;
mod fact_code;
pub mod gate;
pub mod inspect;
mod journal;
mod keeper;
mod parts;
pub(crate) mod plan_code;
mod recovery;
mod segment;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::recorder::Recorder;
use crate::world::clock::Clock;
use crate::world::disk::Disk;

pub use error::{FEATURES_KNOWN, FORMAT_VERSION, FileError, RecoveryError, StorageError};
pub use recovery::Recovered;

use gate::Gate;

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
    /// The most that the journal takes on the disk; a snapshot starts at half of it.
    pub journal_bytes_max: u64,
    /// Accepts that the journal is damaged at this position, and drops what stands from there on.
    pub drop_from: Option<u64>,
}

/// The books' place on the disk.
pub struct Storage {
    journal: Arc<journal::Journal>,
}

impl Storage {
    /// Over a directory that this process has locked. Nothing is read or written yet.
    pub fn new(disk: Arc<dyn Disk>, options: Options, clock: Arc<dyn Clock>) -> Self {
        let _ = (disk, options, clock);
        todo!()
    }

    /// Where the engine records; refuses until the books are recovered.
    pub fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::clone(&self.journal) as _
    }

    /// Where answers wait until what they tell is safe.
    pub fn gate(&self) -> Arc<Gate> {
        todo!()
    }

    /// Fills a new engine with what the directory holds, opens the journal for what comes, and lets happen what came due
    /// meanwhile, cycle by cycle.
    ///
    /// # Errors
    /// With the file and the place, if what was acknowledged cannot be brought back whole; then nothing is changed.
    pub fn recover(&self, engine: &Engine) -> Result<Recovered, RecoveryError> {
        let _ = engine;
        todo!()
    }

    /// Keeps the books from here on: syncs, prepares segments, takes snapshots, on threads of its own. Takes the first
    /// snapshot before it returns, unless nothing has happened since the last.
    pub fn run(&self, engine: &Arc<Engine>) -> Result<(), StorageError> {
        let _ = engine;
        todo!()
    }

    /// Why nothing can be recorded any more, if that is so.
    pub fn failure(&self) -> Option<StorageError> {
        todo!()
    }

    /// Ends: a last sync and a last snapshot, then the threads stop.
    pub fn close(&self) -> Result<(), StorageError> {
        todo!()
    }
}
