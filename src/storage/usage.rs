//! Closed days of usage rows as files that never change, and questions about usage over files and memory together.
//!
//! A file holds the days of all organizations that had closed ones. It is whole before its name is there; then the engine
//! records that its days are filed, all in one group. A day counts from its file if the engine knows it as filed, else from
//! the memory: so each counts once, whatever happens between. A file that the engine knows nothing of is left from a process
//! that ended in between; recovery removes it, and its days are written again.

mod file;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use parking_lot::Mutex;

use crate::domain::names::Name;
use crate::engine::Engine;
use crate::engine::answer::EngineError;
use crate::engine::usage::{Groups, UsageDay, UsageKey};
use crate::world::disk::Disk;

use super::error::{FileError, StorageError};
use super::files::{self, File};
use super::journal::Journal;

pub use crate::engine::usage::{UsageCycle, UsageGroup, UsageQuery};
pub(super) use file::Table;

/// Why a question about usage has no answer.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The engine has none.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// A file of closed days cannot be read: fewer credits are never told than there were.
    #[error("{0}")]
    File(#[from] FileError),
}

/// What came of writing closed days into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filed {
    /// There is another file.
    Whole,
    /// No day has closed since the last.
    NothingNew,
    /// The disk is full; the days stay in memory. Ask again later.
    NoRoom,
}

/// The files of closed days.
pub(super) struct UsageFiles {
    journal: Arc<Journal>,
    /// The oldest first.
    tables: Mutex<Vec<Arc<Table>>>,
    /// Held while days are filed, or files removed: one at a time.
    turn: Mutex<()>,
}

/// What recovery found of usage files.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The oldest first.
    pub(super) kept: Vec<Table>,
    /// Of a process that ended before their days were recorded as filed.
    pub(super) unknown: Vec<u64>,
}

/// A day that is asked for: in memory, or in a file.
enum Source {
    Memory(Box<UsageDay>),
    File(Arc<Table>, usize),
}

impl UsageFiles {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            tables: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// These were found, the oldest first.
    pub(super) fn found(&self, tables: Vec<Table>) {
        *self.tables.lock() = tables.into_iter().map(Arc::new).collect();
    }

    /// Writes the closed days of all organizations into a file; then they leave the memory.
    pub(super) fn file(&self, engine: &Engine) -> Result<Filed, StorageError> {
        self.journal.check()?;
        let _turn = self.turn.lock();
        let failure = |_| self.journal.failure().unwrap_or(StorageError::Closed);
        let mut closed = Vec::new();
        for id in engine.organizations_to_file() {
            let days = engine.closed_days(id).map_err(failure)?;
            if let Some(last) = days.days.last().map(|day| day.number) {
                closed.push((id, last.saturating_add(1), days));
            }
        }
        if closed.is_empty() {
            return Ok(Filed::NothingNew);
        }
        // What a file says is never more than the journal that is safe.
        self.journal.sync()?;
        let last = self.tables.lock().last().map_or(0, |it| it.number);
        let number = last + 1;
        let days = closed.iter().map(|(_, _, days)| days);
        let (table, bytes) = file::encode(number, days)
            .map_err(|error| self.journal.fail("writing usage rows", &error))?;
        match self.write(number, &bytes) {
            Ok(()) => {}
            Err(error) if files::is_full(&error) => return Ok(Filed::NoRoom),
            Err(error) => return Err(self.journal.fail("writing usage rows", &error)),
        }
        tracing::debug!(number, sections = table.sections.len(), "days were filed");
        // Before the engine knows them as filed: whoever asks in between still counts them from the memory.
        self.tables.lock().push(Arc::new(table));
        let filed: Vec<_> = closed
            .iter()
            .map(|(id, before, _)| (*id, *before))
            .collect();
        drop(closed);
        engine.days_filed(&filed).map_err(failure)?;
        Ok(Filed::Whole)
    }

    fn write(&self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let disk = &*self.journal.disk;
        let name = files::usage(number);
        let unfinished = files::unfinished(&name);
        let written = (|| {
            let mut output = disk.create(&unfinished)?;
            output.write_all(bytes)?;
            output.sync()
        })();
        if let Err(error) = written {
            // The disk may be full because of it.
            disk.remove(&unfinished)?;
            return Err(error);
        }
        disk.rename(&unfinished, &name)?;
        disk.sync_directory()
    }

    /// Removes the oldest files, as long as all their days are older than what is kept; answers how many those were.
    pub(super) fn drop_old(&self, today: NaiveDate) -> Result<u64, StorageError> {
        self.journal.check()?;
        let _turn = self.turn.lock();
        let kept_days = self.journal.options.retention.as_secs() / 86_400;
        let Some(oldest_kept) = today.checked_sub_days(Days::new(kept_days)) else {
            return Ok(0);
        };
        let mut dropped = 0;
        loop {
            let first = self.tables.lock().first().cloned();
            let Some(first) = first.filter(|it| it.dates().is_none_or(|(_, to)| to < oldest_kept))
            else {
                return Ok(dropped);
            };
            // Out of the list first, so that nobody begins to read it.
            self.tables.lock().remove(0);
            let name = files::usage(first.number);
            let removed = self.journal.disk.remove(&name);
            removed.map_err(|error| self.journal.fail(&format!("removing {name}"), &error))?;
            tracing::info!(
                file = name,
                newest = first.dates().map(|(_, to)| to.to_string()),
                "usage rows older than the retention were removed"
            );
            dropped += 1;
        }
    }

    /// Answers a question, sum after sum in the order of their keys, as long as `each` wants more. With days among the keys,
    /// only one day's sums are in memory at a time.
    pub(super) fn ask(
        &self,
        engine: &Engine,
        query: &UsageQuery,
        each: &mut dyn FnMut(UsageGroup) -> bool,
    ) -> Result<(), UsageError> {
        let name = Name::parse(&query.organization)
            .map_err(|_| EngineError::UnknownOrganization(query.organization.clone()))?;
        let view = engine.usage(name)?;
        let mut sources: BTreeMap<(NaiveDate, u32), Source> = BTreeMap::new();
        for table in self.tables.lock().iter() {
            for (place, section) in table.sections.iter().enumerate() {
                let is_filed =
                    *section.organization == *query.organization && section.day < view.filed_before;
                if is_filed && query.wants(section.date, section.book, view.book) {
                    let source = Source::File(Arc::clone(table), place);
                    sources.insert((section.date, section.day), source);
                }
            }
        }
        for day in view.days {
            if query.wants(day.date, day.book, view.book) {
                sources.insert((day.date, day.number), Source::Memory(Box::new(day)));
            }
        }
        let is_by_day = query.group_by.contains(&UsageKey::Day);
        let (mut groups, mut at) = (Groups::default(), None);
        for ((date, _), source) in sources {
            if is_by_day
                && at.is_some_and(|at| at != date)
                && !groups.take().into_iter().all(&mut *each)
            {
                return Ok(());
            }
            at = Some(date);
            match source {
                Source::Memory(day) => groups.add(query, &day),
                Source::File(table, place) => {
                    match file::read_day(&*self.journal.disk, &table, place) {
                        Ok(day) => groups.add(query, &day),
                        // The retention is over since the question began: it is as if it had been asked a moment later.
                        Err(_) if !self.has(table.number) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        groups.take().into_iter().all(each);
        Ok(())
    }

    fn has(&self, number: u64) -> bool {
        self.tables.lock().iter().any(|it| it.number == number)
    }
}

/// Finds the files, and which of them the engine knows of, once it is as it was left.
pub(super) fn find(disk: &dyn Disk, names: &[String], engine: &Engine) -> Result<Found, FileError> {
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| match File::of(name) {
            File::Usage(number) => Some(number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    let mut found = Found::default();
    // Of each organization the day that has to come next.
    let mut next: BTreeMap<Box<str>, u32> = BTreeMap::new();
    for number in numbers {
        let table = file::read_table(disk, number)?;
        let filed = |name: &str| engine.days_in_files(name).unwrap_or(0);
        let known = table
            .sections
            .iter()
            .filter(|it| it.day < filed(&it.organization));
        let known = known.count();
        if known == 0 {
            found.unknown.push(number);
            continue;
        }
        if known < table.sections.len() {
            return Err(table.damaged("only some of its days are known as filed"));
        }
        let follows = found
            .kept
            .last()
            .is_none_or(|last| last.number + 1 == number);
        if !follows || !found.unknown.is_empty() {
            return Err(table.damaged("the file before it is missing"));
        }
        for section in &table.sections {
            let expected = next.insert(section.organization.clone(), section.day.saturating_add(1));
            if expected.is_some_and(|expected| expected != section.day) {
                return Err(table.damaged("the days before those in it are missing"));
            }
        }
        found.kept.push(table);
    }
    for (organization, next) in next {
        let filed = engine.days_in_files(&organization);
        if let (Some(last), true) = (found.kept.last(), filed != Some(next)) {
            return Err(last.damaged("days that were filed after those in it are missing"));
        }
    }
    Ok(found)
}

/// What a file holds, for people.
pub(super) struct Summary {
    pub(super) bytes: u64,
    pub(super) from: Option<NaiveDate>,
    pub(super) to: Option<NaiveDate>,
    pub(super) days: u64,
    pub(super) rows: u64,
}

/// Reads a file from its beginning to its end.
pub(super) fn inspect(disk: &dyn Disk, number: u64) -> Result<Summary, FileError> {
    let table = file::read_table(disk, number)?;
    for place in 0..table.sections.len() {
        file::read_day(disk, &table, place)?;
    }
    let dates = table.dates();
    Ok(Summary {
        bytes: table.bytes(),
        from: dates.map(|(from, _)| from),
        to: dates.map(|(_, to)| to),
        days: table.sections.len() as u64,
        rows: table.sections.iter().map(|it| it.rows).sum(),
    })
}

#[cfg(test)]
mod tests;
