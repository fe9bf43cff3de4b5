//! A directory of the machine.

use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, Mapped, Output};

/// A directory of the machine.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
}

impl RealDisk {
    /// Opens a directory, making it if it is not there.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let _ = folder;
        todo!()
    }
}

/// Held as long as this process owns the directory; goes with the process, however that ends.
#[derive(Debug)]
pub struct DirectoryLock;

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{0} is in use by {1}; stop it, or choose another data_dir")]
    Taken(String, String),
    /// The system refused.
    #[error("{0} cannot be locked: {1}")]
    Io(String, io::Error),
}

impl DirectoryLock {
    /// Locks a directory for this process, which `holder` describes to the next one that tries.
    pub fn take(folder: &Path, holder: &str) -> Result<Self, LockError> {
        let _ = (folder, holder);
        todo!()
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let _ = &self.folder;
        todo!()
    }
    fn read(&self, _name: &str) -> io::Result<Box<dyn io::Read + Send>> {
        todo!()
    }
    fn create(&self, _name: &str) -> io::Result<Box<dyn Output>> {
        todo!()
    }
    fn allocate(&self, _name: &str, _bytes: u64) -> io::Result<()> {
        todo!()
    }
    fn map(&self, _name: &str) -> io::Result<Mapped> {
        todo!()
    }
    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        todo!()
    }
    fn remove(&self, _name: &str) -> io::Result<()> {
        todo!()
    }
    fn sync_directory(&self) -> io::Result<()> {
        todo!()
    }
}
