//! A directory in memory that can fail at any step, and that a crash leaves as a real one would.

use std::io;
use std::sync::Arc;

use super::{Disk, Mapped, Output};

/// How a machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies: the kernel keeps everything it was handed.
    Process,
    /// The power fails: of what was not synced any part survives, in any order, torn anywhere; this seed says which.
    Power(u64),
}

/// A directory in memory. Each store, write, sync and change of a name is one step.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<parking_lot::Mutex<()>>,
}

impl SimulatedDisk {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps were taken so far.
    pub fn steps(&self) -> u64 {
        let _ = &self.state;
        todo!()
    }

    /// From this step on everything fails and nothing changes, as if the machine had stopped.
    pub fn stop_at(&self, step: u64) {
        let _ = step;
        todo!()
    }

    /// What a machine finds that starts after this one stopped: another directory, without faults.
    pub fn after(&self, crash: Crash) -> Self {
        let _ = crash;
        todo!()
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
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
