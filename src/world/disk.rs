//! One directory of files that must survive: the real one, and one that tears, loses and fails for tests.
//!
//! File names are flat. What was stored or written is safe from the end of the process at once, and from the loss of power
//! only after the file's `sync`; names only after `sync_directory`. A `sync` that failed says nothing about what was
//! stored before it, then or later.

mod contents;
mod lock;
mod mapping;
mod real;
mod simulated;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

pub use contents::Contents;
pub use lock::{DirectoryLock, LockError};
pub use real::RealDisk;
pub use simulated::{Crash, Kind, SimulatedDisk};

/// A directory.
pub trait Disk: Send + Sync {
    /// The names of its files, in order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Reads a file from its beginning.
    fn read(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>>;

    /// Makes an empty file, to be written from its beginning. One that had the name loses it, but is not shortened: whoever
    /// has it mapped keeps what it was.
    fn create(&self, name: &str) -> io::Result<Box<dyn Output>>;

    /// Opens a file to write at its end; makes an empty one if there is none.
    fn append(&self, name: &str) -> io::Result<Box<dyn Output>>;

    /// Makes a file of so many zero bytes that take their place on the disk already (so that no store can find it full), and
    /// syncs it. One that could not be completed is removed. A name that is taken is `AlreadyExists`.
    fn allocate(&self, name: &str, bytes: u64) -> io::Result<()>;

    /// Maps a whole file for storing.
    fn map(&self, name: &str) -> io::Result<Mapped>;

    /// The length of a file all of whose bytes have their place on the disk, so that no store to them can find it full;
    /// `None` for one with holes, or whose file system packs it.
    fn placed(&self, name: &str) -> io::Result<Option<u64>>;

    /// Gives a file another name, replacing the one that had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names safe.
    fn sync_directory(&self) -> io::Result<()>;
}

/// A file that is written on.
pub trait Output: io::Write + Send {
    /// Makes everything that was written safe.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that was mapped: one who stores, and whoever syncs meanwhile.
pub struct Mapped {
    /// Where bytes are stored.
    pub region: Box<dyn Region>,
    /// Makes what was stored safe.
    pub syncer: Arc<dyn Syncer>,
}

/// A file as memory: what is stored is in the kernel's hands when the call returns.
pub trait Region: Send {
    /// Its length in bytes.
    fn bytes(&self) -> usize;

    /// Stores bytes. Fails only beyond the end, or where a test wants it to.
    fn store(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()>;
}

/// Makes what was stored in a mapped file safe.
pub trait Syncer: Send + Sync {
    /// Returns when everything stored before the call is safe.
    fn sync(&self) -> io::Result<()>;
}

fn beyond_end(offset: usize, bytes: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{bytes} bytes at {offset} are beyond the end of the file"),
    )
}

/// File names are flat: nothing leads out of the directory.
fn flat(name: &str) -> io::Result<&str> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        let problem = format!("{name:?} is not the name of a file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    Ok(name)
}
