//! Which step fails, and how.

use std::collections::BTreeMap;
use std::io;

/// The kinds of steps, and reading, which is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A store into a mapped file.
    Store,
    /// A piece written to a file.
    Write,
    /// A sync of a file, mapped or written.
    Sync,
    /// A file of zeros, with its sync.
    Allocate,
    /// An empty file.
    Create,
    /// A change of a name.
    Rename,
    /// A name that goes.
    Remove,
    /// A sync of the names.
    SyncDirectory,
    /// Reading a file: changes nothing, so it is counted apart and is no step.
    Read,
}

/// How a step goes.
pub(super) enum Turn {
    /// As it should.
    Done,
    /// It is the one at which the machine stops: half of it may be done.
    Half(io::Error),
    /// It fails, and the machine goes on.
    Failed(io::Error),
}

/// The steps taken, and the faults ahead.
#[derive(Debug, Default)]
pub(super) struct Faults {
    kinds: Vec<Kind>,
    stop_at: Option<u64>,
    has_stopped: bool,
    at_step: BTreeMap<u64, i32>,
    /// By kind and how many of it were taken before.
    at_kind: BTreeMap<(Kind, u64), i32>,
    taken: BTreeMap<Kind, u64>,
}

impl Faults {
    pub(super) fn steps(&self) -> u64 {
        self.kinds.len() as u64
    }

    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    pub(super) fn stop_at(&mut self, step: u64) {
        self.stop_at = Some(step);
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    pub(super) fn fail_step(&mut self, step: u64, errno: i32) {
        self.at_step.insert(step, errno);
    }

    pub(super) fn fail_kind(&mut self, kind: Kind, nth: u64, errno: i32) {
        let before = self.taken.get(&kind).copied().unwrap_or(0);
        self.at_kind.insert((kind, before + nth), errno);
    }

    /// Answers an error once the machine has stopped.
    pub(super) fn running(&self) -> io::Result<()> {
        if self.has_stopped {
            return Err(stopped());
        }
        Ok(())
    }

    /// Whether a file that is opened for reading now turns out to be unreadable.
    pub(super) fn reads(&mut self) -> Option<i32> {
        self.nth(Kind::Read)
    }

    /// Takes a step.
    pub(super) fn step(&mut self, kind: Kind) -> Turn {
        if self.has_stopped {
            return Turn::Failed(stopped());
        }
        let step = self.steps();
        if self.stop_at.is_some_and(|stop| stop <= step) {
            self.has_stopped = true;
            return Turn::Half(stopped());
        }
        self.kinds.push(kind);
        let by_kind = self.nth(kind);
        match self.at_step.remove(&step).or(by_kind) {
            Some(errno) => Turn::Failed(io::Error::from_raw_os_error(errno)),
            None => Turn::Done,
        }
    }

    fn nth(&mut self, kind: Kind) -> Option<i32> {
        let taken = self.taken.entry(kind).or_default();
        let fault = self.at_kind.remove(&(kind, *taken));
        *taken += 1;
        fault
    }
}

fn stopped() -> io::Error {
    io::Error::other("the simulated machine has stopped")
}
