//! The directory: its files, its names, and what each step does to them.

use std::collections::BTreeMap;
use std::io;

use super::chance::Chance;
use super::faults::{Faults, Kind, Turn};
use super::file::{File, Luck};
use super::{Crash, beyond_end};

/// "No space left on device".
const ENOSPC: i32 = 28;

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId(usize);

/// A change of a name.
#[derive(Clone, Debug)]
enum Change {
    Given(String, FileId),
    Renamed(String, String),
    Removed(String),
}

type Names = BTreeMap<String, FileId>;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) faults: Faults,
    /// In bytes.
    pub(super) capacity: Option<u64>,
    files: Vec<File>,
    names: Names,
    names_safe: Names,
    names_pending: Vec<Change>,
}

impl State {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    pub(super) fn named(&self, name: &str) -> io::Result<FileId> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no file {name}")))
    }

    pub(super) fn file(&self, file: FileId) -> &File {
        &self.files[file.0]
    }

    pub(super) fn file_mut(&mut self, file: FileId) -> &mut File {
        &mut self.files[file.0]
    }

    /// What the files that have a name take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let lengths = self.names.values().map(|file| self.file(*file).bytes());
        lengths.map(|bytes| bytes.len() as u64).sum()
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<FileId> {
        self.step(Kind::Create)?;
        if self.names.contains_key(name) {
            self.change(Change::Removed(name.to_owned()));
        }
        Ok(self.give(name, File::default()))
    }

    /// A file as it is, or a new one. Opening one that is there is no step: it changes nothing.
    pub(super) fn open_or_create(&mut self, name: &str) -> io::Result<FileId> {
        self.faults.running()?;
        match self.names.get(name) {
            Some(file) => Ok(*file),
            None => self.create(name),
        }
    }

    pub(super) fn allocate(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        if self.names.contains_key(name) {
            let problem = format!("a file {name} exists");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        let length = usize::try_from(bytes).map_err(|_| full())?;
        match self.faults.step(Kind::Allocate) {
            Turn::Done if !self.has_room(bytes) => Err(full()),
            Turn::Done => {
                self.give(name, File::of(vec![0; length]));
                Ok(())
            }
            Turn::Failed(error) => Err(error),
            Turn::Half(error) => {
                let mut chance = self.chance();
                let mut file = File::of(vec![0; chance.below(length)]);
                file.store(0, &vec![0; chance.below(length)]);
                self.give(name, file);
                Err(error)
            }
        }
    }

    pub(super) fn store(&mut self, file: FileId, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len());
        if end.is_none_or(|end| end > self.file(file).bytes().len()) {
            return Err(beyond_end(offset, bytes.len()));
        }
        self.put(Kind::Store, file, offset, bytes)
    }

    /// Appends.
    pub(super) fn write(&mut self, file: FileId, bytes: &[u8]) -> io::Result<()> {
        let offset = self.file(file).bytes().len();
        self.put(Kind::Write, file, offset, bytes)
    }

    fn put(&mut self, kind: Kind, file: FileId, offset: usize, bytes: &[u8]) -> io::Result<()> {
        match self.faults.step(kind) {
            Turn::Done if kind == Kind::Write && !self.has_room(bytes.len() as u64) => Err(full()),
            Turn::Done => {
                self.file_mut(file).store(offset, bytes);
                Ok(())
            }
            Turn::Failed(error) => Err(error),
            Turn::Half(error) => {
                let half = self.chance().below(bytes.len() + 1);
                self.file_mut(file).store(offset, &bytes[..half]);
                Err(error)
            }
        }
    }

    pub(super) fn sync(&mut self, file: FileId) -> io::Result<()> {
        match self.faults.step(Kind::Sync) {
            Turn::Done => {
                self.file_mut(file).sync();
                Ok(())
            }
            Turn::Half(error) => Err(error),
            Turn::Failed(error) => {
                // Once the machine has stopped, nothing changes.
                if !self.faults.has_stopped() {
                    let mut chance = self.chance();
                    self.file_mut(file).sync_failing(&mut chance);
                }
                Err(error)
            }
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step(Kind::Rename)?;
        self.named(from)?;
        self.change(Change::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.step(Kind::Remove)?;
        self.named(name)?;
        self.change(Change::Removed(name.to_owned()));
        Ok(())
    }

    pub(super) fn sync_directory(&mut self) -> io::Result<()> {
        self.step(Kind::SyncDirectory)?;
        self.names_pending.clear();
        self.names_safe.clone_from(&self.names);
        Ok(())
    }

    /// What the next start finds.
    pub(super) fn after(&self, crash: Crash) -> Self {
        let mut left = Self::default();
        match crash {
            Crash::Process => {
                left.files.clone_from(&self.files);
                left.names.clone_from(&self.names);
                left.names_safe.clone_from(&self.names_safe);
                left.names_pending.clone_from(&self.names_pending);
            }
            Crash::Power(seed) => {
                let mut luck = Luck::new(seed);
                let mut names = self.names_safe.clone();
                let survive = luck.names(self.names_pending.len());
                for change in &self.names_pending[..survive] {
                    apply(&mut names, change);
                }
                for (name, file) in names {
                    left.give(&name, self.file(file).survivor(&mut luck));
                }
                left.names_pending.clear();
                left.names_safe.clone_from(&left.names);
            }
        }
        left
    }

    fn step(&mut self, kind: Kind) -> io::Result<()> {
        match self.faults.step(kind) {
            Turn::Done => Ok(()),
            Turn::Half(error) | Turn::Failed(error) => Err(error),
        }
    }

    fn give(&mut self, name: &str, file: File) -> FileId {
        let id = FileId(self.files.len());
        self.files.push(file);
        self.change(Change::Given(name.to_owned(), id));
        id
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.names_pending.push(change);
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.capacity
            .is_none_or(|capacity| self.bytes().saturating_add(bytes) <= capacity)
    }

    /// Different at every step, the same in every run.
    fn chance(&self) -> Chance {
        Chance::new(self.faults.steps())
    }
}

fn apply(names: &mut Names, change: &Change) {
    match change {
        Change::Given(name, file) => {
            names.insert(name.clone(), *file);
        }
        Change::Renamed(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Change::Removed(name) => {
            names.remove(name);
        }
    }
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC)
}
