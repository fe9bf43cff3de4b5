//! A directory in memory that can fail at any step, and that a crash leaves as a real one would.

mod chance;
mod faults;
mod file;
mod state;
#[cfg(test)]
mod tests;

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, Mapped, Output, Region, Syncer, beyond_end, flat};
use state::{FileId, State};

pub use faults::Kind;

/// How a machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies: the kernel keeps everything it was handed.
    Process,
    /// The power fails: of what was not synced any part survives, in any order, torn anywhere; this seed says which.
    /// 0: nothing of it. 1: all of it.
    Power(u64),
}

/// A directory in memory. Each store, write, sync and change of a name is one step, numbered from 0. Clones share it.
///
/// What is kept of each file: what the kernel was handed, what is safe, and the stores since the last sync, of which a loss
/// of power keeps any part. The same for names, except that they survive in order, as in a file system that journals them.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl SimulatedDisk {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps were taken so far.
    pub fn steps(&self) -> u64 {
        self.state.lock().faults.steps()
    }

    /// How many files were opened for reading so far.
    pub fn reads(&self) -> u64 {
        self.state.lock().faults.taken(Kind::Read)
    }

    /// What each step was, from the first one on.
    pub fn kinds(&self) -> Vec<Kind> {
        self.state.lock().faults.kinds().to_vec()
    }

    /// From this step on everything fails and nothing changes, as if the machine had stopped. A store, write or allocation
    /// at this very step is half done.
    pub fn stop_at(&self, step: u64) {
        self.state.lock().faults.stop_at(step);
    }

    /// Whether that step has come.
    pub fn has_stopped(&self) -> bool {
        self.state.lock().faults.has_stopped()
    }

    /// Lets one step fail with an error of the system (`errno`), 5 for EIO. What a failed sync was to make safe is safe or
    /// lost for good, each store by chance: the kernel takes it for written either way.
    pub fn fail_once(&self, step: u64, errno: i32) {
        self.state.lock().faults.fail_step(step, errno);
    }

    /// Lets one step of a kind fail: 0 is the next one of that kind.
    pub fn fail_kind(&self, kind: Kind, nth: u64, errno: i32) {
        self.state.lock().faults.fail_kind(kind, nth, errno);
    }

    /// How many bytes all files together may have; beyond it, `allocate` and `write` answer ENOSPC. May be raised, lowered
    /// and removed at any time.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// How many bytes all files together have.
    pub fn bytes(&self) -> u64 {
        self.state.lock().bytes()
    }

    /// What a machine finds that starts after this one stopped: another directory, without faults. After the death of the
    /// process only, what was not synced is as unsafe as before.
    pub fn after(&self, crash: Crash) -> Self {
        let state = self.state.lock().after(crash);
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// `NotFound`, here and below.
    pub fn contents(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.state.lock();
        let file = state.named(name)?;
        Ok(state.file(file).bytes().to_vec())
    }

    /// Gives a file other bytes behind the kernel's back, safe at once. No step.
    pub fn set_contents(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        let mut state = self.state.lock();
        let file = state.named(name)?;
        state.file_mut(file).replace(bytes);
        Ok(())
    }

    /// Flips one bit of a file (0 is the lowest), as `set_contents`.
    pub fn flip(&self, name: &str, offset: usize, bit: u8) -> io::Result<()> {
        let mut bytes = self.contents(name)?;
        let byte = bytes.get_mut(offset).ok_or_else(|| beyond_end(offset, 1))?;
        *byte ^= 1 << (bit % 8);
        self.set_contents(name, bytes)
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        state.faults.running()?;
        Ok(state.names().map(str::to_owned).collect())
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let mut state = self.state.lock();
        state.faults.running()?;
        let file = state.named(flat(name)?)?;
        let bytes = state.file(file).shared();
        Ok(match state.faults.reads() {
            None => Box::new(Cursor::new(Bytes(bytes))),
            Some(errno) => {
                // It fails halfway, when some of it has been believed already.
                let half = bytes.len() / 2;
                Box::new(Cursor::new(bytes[..half].to_vec()).chain(Broken(errno)))
            }
        })
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let file = self.state.lock().create(flat(name)?)?;
        Ok(Box::new(Open {
            state: Arc::clone(&self.state),
            file,
        }))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let file = self.state.lock().open_or_create(flat(name)?)?;
        Ok(Box::new(Open {
            state: Arc::clone(&self.state),
            file,
        }))
    }

    fn allocate(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.state.lock().allocate(flat(name)?, bytes)
    }

    fn map(&self, name: &str) -> io::Result<Mapped> {
        let state = self.state.lock();
        state.faults.running()?;
        let file = state.named(flat(name)?)?;
        let open = || Open {
            state: Arc::clone(&self.state),
            file,
        };
        Ok(Mapped {
            region: Box::new(open()),
            syncer: Arc::new(open()),
        })
    }

    fn placed(&self, name: &str) -> io::Result<Option<u64>> {
        let state = self.state.lock();
        state.faults.running()?;
        let file = state.named(flat(name)?)?;
        Ok(Some(state.file(file).bytes().len() as u64))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state.lock().rename(flat(from)?, flat(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state.lock().remove(flat(name)?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.state.lock().sync_directory()
    }
}

/// A file that was opened: it stays what it is when its name goes.
struct Open {
    state: Arc<Mutex<State>>,
    file: FileId,
}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.state.lock().write(self.file, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Open {
    fn sync(&mut self) -> io::Result<()> {
        self.state.lock().sync(self.file)
    }
}

impl Region for Open {
    fn bytes(&self) -> usize {
        self.state.lock().file(self.file).bytes().len()
    }

    fn store(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.state.lock().store(self.file, offset, bytes)
    }
}

impl Syncer for Open {
    fn sync(&self) -> io::Result<()> {
        self.state.lock().sync(self.file)
    }
}

/// A file's bytes as they were when it was opened for reading.
struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Reading on fails.
struct Broken(i32);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(self.0))
    }
}
