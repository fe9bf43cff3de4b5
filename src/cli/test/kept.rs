//! Books on disk for scenarios that restart: a directory of their own, removed afterwards.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::recorder::Forgetful;
use crate::storage::{Durability, Options, RecoveryError, Storage, StorageError};
use crate::world::clock::ManualClock;
use crate::world::disk::{DirectoryLock, LockError, RealDisk};

use super::super::complain;
use super::run::BOUNDS;

/// The smallest journal that there may be: it is enough for thousands of steps between two restarts.
const JOURNAL_BYTES_MAX: u64 = 4 << 20;

/// Why the books of a scenario cannot be kept, or did not come back.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    /// The temporary directory.
    #[error("a temporary directory for the books cannot be made: {0}; see that TMPDIR is writable")]
    Folder(#[from] io::Error),
    /// Its lock.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// What was kept did not come back.
    #[error("{0}")]
    Recovery(#[from] RecoveryError),
    /// The disk.
    #[error("{0}")]
    Storage(#[from] StorageError),
}

/// The books' place on the disk. No threads: what they would do is done between the steps, so that every run is the same.
pub(super) struct Kept {
    /// The one that runs; `None` while the scenario's process is down.
    running: Option<(Storage, DirectoryLock)>,
    /// How often it was started; names each start in its ids.
    starts: u64,
    folder: Folder,
}

impl Kept {
    /// An empty directory.
    pub(super) fn new() -> Result<Self, KeepError> {
        Ok(Self {
            running: None,
            starts: 0,
            folder: Folder::new()?,
        })
    }

    /// Starts over what the directory holds.
    pub(super) fn open(&mut self, clock: &Arc<ManualClock>) -> Result<Engine, KeepError> {
        let lock = DirectoryLock::take(&self.folder.0, "quotad test")?;
        let disk = RealDisk::open(&self.folder.0)?;
        let options = Options {
            durability: Durability::Process,
            snapshot_interval: Duration::from_secs(60),
            fsync_interval: Duration::from_millis(100),
            journal_bytes_max: JOURNAL_BYTES_MAX,
            retention: Duration::from_secs(395 * 86_400),
            drop_from: None,
        };
        let storage = Storage::new(Arc::new(disk), options, Arc::clone(clock) as _);
        self.starts += 1;
        let engine = Engine::new(
            BOUNDS,
            self.starts,
            Arc::clone(clock) as _,
            storage.recorder(),
        );
        storage.recover(&engine)?;
        // As a sidecar does: so a second crash is recovered from a snapshot and what came after it.
        storage.take_snapshot(&engine)?;
        storage.make_room()?;
        self.running = Some((storage, lock));
        Ok(engine)
    }

    /// Does what the threads of a sidecar do while requests go on.
    pub(super) fn between_steps(&self, engine: &Engine) -> Result<(), KeepError> {
        if let Some((storage, _)) = &self.running {
            storage.make_room()?;
            storage.file_days(engine)?;
        }
        Ok(())
    }

    /// Where the books are kept, while the scenario's process runs.
    pub(super) fn storage(&self) -> Option<&Storage> {
        self.running.as_ref().map(|(storage, _)| storage)
    }

    /// Ends as a sidecar that is told to.
    pub(super) fn close(&mut self, engine: &Engine) -> Result<(), KeepError> {
        match self.running.take() {
            Some((storage, _lock)) => Ok(storage.close(engine)?),
            None => Ok(()),
        }
    }

    /// Ends as a process that dies: nothing more is written.
    pub(super) fn crash(&mut self, engine: &mut Engine, clock: &Arc<ManualClock>) {
        *engine = nobody_keeps(clock);
        self.running = None;
    }
}

/// An engine without a place on the disk.
pub(super) fn nobody_keeps(clock: &Arc<ManualClock>) -> Engine {
    Engine::new(BOUNDS, 1, Arc::clone(clock) as _, Arc::new(Forgetful))
}

/// A directory under the system's temporary one, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let random = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("quotad-test-{}-{random:016x}", std::process::id());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            complain(&format!(
                "{} could not be removed: {error}; remove it by hand",
                self.0.display()
            ));
        }
    }
}
