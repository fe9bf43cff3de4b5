//! Usage rows of the days that stand in no file yet: what was booked, by whom and for what.
//!
//! Days are numbered per organization. A day belongs to one book and is opened by its first booking; all open days of an
//! organization close together, at local midnight and before a new cycle opens. What is closed changes no more, is written
//! into a file by whoever keeps the books, and then leaves the memory (`DaysFiled`), the oldest first.

mod applying;
mod booking;
mod query;
mod view;

use std::hash::BuildHasher;

use chrono::NaiveDate;
use hashbrown::DefaultHashBuilder;

use crate::domain::cycle::Calendar;
use crate::domain::time::Timestamp;

use super::cell::LastRow;
use super::index::Index;
use super::slab::Slab;

pub(super) use applying::row_of;

pub use super::labels::OTHER;
pub use query::{Groups, UsageCycle, UsageGroup, UsageKey, UsageQuery};
pub use view::{ClosedDays, NamedRow, UsageDay, UsageView};

/// How corrections are shown where rows have their operation.
pub const ADJUSTMENT_SHOWN: &str = "(adjustment)";

/// How the users are shown that share one cell beyond the bound on cells.
pub const FOLDED_SHOWN: &str = "(folded)";

/// What was booked in one cell under one label on one day. Its rows are those of the day's book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// The environment's row.
    pub environment: u32,
    /// The user's row.
    pub user: u32,
    /// The label; 0 is none.
    pub label: u32,
    /// Credits, what trials paid with them. Corrections may bring a row below zero.
    pub credits: i64,
}

impl UsageRow {
    fn key(&self) -> [u32; 3] {
        [self.environment, self.user, self.label]
    }
}

/// The days of an organization that stand in no file yet, the oldest first. The open ones are the last ones.
#[derive(Debug, Default)]
pub(super) struct Days {
    list: Vec<Day>,
    /// Days before this one stand in files.
    filed: u32,
    /// Whether a copy is under way: days that are filed meanwhile stay until it has ended.
    is_copied: bool,
}

/// The rows of one day in one book.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) number: u32,
    pub(super) book: u32,
    pub(super) date: NaiveDate,
    /// The midnight after it, by the calendar of its book: derived.
    ends: Timestamp,
    pub(super) is_closed: bool,
    /// Never shrinks while the day is open, so that the rows are numbered without gaps.
    rows: Slab<UsageRow>,
    /// By (environment, user, label); empty once the day is closed.
    index: Index,
    hasher: DefaultHashBuilder,
}

impl Days {
    /// The days that stand in no file, the oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Day> {
        let filed = self.filed;
        self.list.iter().filter(move |day| day.number >= filed)
    }

    /// Days before this one stand in files.
    pub(super) fn filed(&self) -> u32 {
        self.filed
    }

    /// The number that the next day gets.
    pub(super) fn next(&self) -> u32 {
        let last = self.list.last().map(|day| day.number.saturating_add(1));
        last.unwrap_or(self.filed).max(self.filed)
    }

    /// A day by its number, if it stands in no file.
    pub(super) fn get(&self, number: u32) -> Option<&Day> {
        (number >= self.filed)
            .then(|| self.list.get(self.place(number)?))
            .flatten()
    }

    /// The same, also if a copy is all that keeps it.
    pub(super) fn kept_mut(&mut self, number: u32) -> Option<&mut Day> {
        let place = self.place(number)?;
        self.list.get_mut(place)
    }

    /// The open day of a book.
    pub(super) fn open_in(&self, book: u32) -> Option<&Day> {
        let mut open = self.list.iter().rev().take_while(|day| !day.is_closed);
        open.find(|day| day.book == book)
    }

    fn open_in_mut(&mut self, book: u32) -> Option<&mut Day> {
        let mut open = self.list.iter_mut().rev().take_while(|day| !day.is_closed);
        open.find(|day| day.book == book)
    }

    /// Whether the day of a book is open, and is the newest of all: the usual case, at a glance.
    #[inline]
    pub(super) fn is_newest_open(&self, book: u32) -> bool {
        let newest = self.list.last();
        newest.is_some_and(|day| !day.is_closed && day.book == book)
    }

    /// Whether any day is open.
    pub(super) fn has_open(&self) -> bool {
        self.list.last().is_some_and(|day| !day.is_closed)
    }

    /// When the open day of the present book ends. Another book's day is never open without it.
    pub(super) fn due(&self, book: u32) -> Timestamp {
        self.open_in(book).map_or(Timestamp::MAX, |day| day.ends)
    }

    /// Opens the day that `next` numbers; answers whether it is that one.
    pub(super) fn open(
        &mut self,
        number: u32,
        book: u32,
        date: NaiveDate,
        calendar: &Calendar,
    ) -> bool {
        let is_next = number == self.next();
        if is_next {
            self.list.push(Day::new(number, book, date, calendar));
        }
        is_next
    }

    /// A day of a snapshot: as `open`, and perhaps closed already.
    pub(super) fn restore(
        &mut self,
        number: u32,
        book: u32,
        date: NaiveDate,
        is_closed: bool,
        calendar: &Calendar,
    ) -> bool {
        let follows = self
            .list
            .last()
            .is_none_or(|day| day.is_closed || !is_closed);
        let fits = follows && self.open(number, book, date, calendar);
        if fits && let Some(day) = self.list.last_mut() {
            day.is_closed = is_closed;
        }
        fits
    }

    /// Days before this one stand in files, says a snapshot.
    pub(super) fn restore_filed(&mut self, filed: u32) {
        self.filed = filed;
    }

    /// Adds credits to a row of a book's open day, if there is one: `last` says where to look first. Answers which row that is,
    /// and whether it is new.
    #[inline]
    pub(super) fn book(
        &mut self,
        book: u32,
        row: UsageRow,
        last: LastRow,
    ) -> Option<(LastRow, bool)> {
        let newest = self.list.last_mut();
        if let Some(day) = newest.filter(|day| !day.is_closed && day.book == book) {
            return Some(day.add(row, last));
        }
        self.open_in_mut(book).map(|day| day.add(row, last))
    }

    /// The row in which a cell of a book booked last, as long as its day is the newest.
    pub(super) fn last(&self, book: u32, last: LastRow) -> Option<&UsageRow> {
        let newest = self.list.last().filter(|day| day.book == book);
        newest?.row(last.0)
    }

    /// Closes all open days; answers how many those were.
    pub(super) fn close(&mut self) -> u64 {
        let open = self.list.iter_mut().rev().take_while(|day| !day.is_closed);
        open.map(Day::close).count() as u64
    }

    /// Closed days before this one stand in files from now on; tells each.
    pub(super) fn file(&mut self, before: u32, mut each: impl FnMut(&Day)) {
        let filed = self.filed;
        let going = self.list.iter().skip_while(|day| day.number < filed);
        for day in going.take_while(|day| day.is_closed && day.number < before) {
            each(day);
            self.filed = day.number.saturating_add(1);
        }
    }

    /// Takes out a day that stands in a file. While a copy is under way it stays.
    pub(super) fn take_filed(&mut self) -> Option<Day> {
        if self.is_copied {
            return None;
        }
        self.has_filed().then(|| self.list.remove(0))
    }

    /// Begins a copy of what is here now.
    pub(super) fn begin_copy(&mut self) {
        self.is_copied = true;
        for day in &mut self.list {
            day.rows.begin_copy();
        }
    }

    /// Ends a copy, whether it has come to its end or not.
    pub(super) fn end_copy(&mut self) {
        self.is_copied = false;
        for day in &mut self.list {
            day.rows.end_copy();
        }
    }

    /// Whether days wait for the end of a copy.
    pub(super) fn has_filed(&self) -> bool {
        self.list.first().is_some_and(|day| day.number < self.filed)
    }

    fn place(&self, number: u32) -> Option<usize> {
        // Numbers are consecutive: days go from the oldest on only.
        let first = self.list.first()?.number;
        Some(number.checked_sub(first)? as usize)
    }
}

impl Day {
    fn new(number: u32, book: u32, date: NaiveDate, calendar: &Calendar) -> Self {
        Self {
            number,
            book,
            date,
            ends: end_of(date, calendar),
            is_closed: false,
            rows: Slab::default(),
            index: Index::default(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Whether there is a row of this cell and label.
    pub(super) fn has(&self, key: [u32; 3]) -> bool {
        self.find(key).is_some()
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> u32 {
        self.rows.slots()
    }

    /// All rows with their numbers.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &UsageRow)> {
        self.rows.iter()
    }

    /// A row.
    pub(super) fn row(&self, number: u32) -> Option<&UsageRow> {
        self.rows.get(number)
    }

    /// The rows themselves, to copy them.
    pub(super) fn slab(&mut self) -> &mut Slab<UsageRow> {
        &mut self.rows
    }

    /// A row of a snapshot, in order; answers whether it fits.
    pub(super) fn restore(&mut self, number: u32, row: UsageRow) -> bool {
        // A day is restored whole before anything is added; the index of a closed one is not needed any more.
        let fits = number == self.rows.slots() && (self.is_closed || !self.has(row.key()));
        if fits {
            self.push(row);
        }
        fits
    }

    fn find(&self, key: [u32; 3]) -> Option<u32> {
        let rows = &self.rows;
        let same = |row: u32| rows.get(row).is_some_and(|row| row.key() == key);
        self.index.find(self.hasher.hash_one(key), same)
    }

    #[inline(always)]
    fn add(&mut self, row: UsageRow, last: LastRow) -> (LastRow, bool) {
        let key = row.key();
        let is_last = self.rows.get(last.0).is_some_and(|it| it.key() == key);
        let found = if is_last {
            Some(last.0)
        } else {
            self.find(key)
        };
        if let Some(number) = found
            && let Some(known) = self.rows.get_mut(number)
        {
            known.credits = known.credits.saturating_add(row.credits);
            return (LastRow(number), false);
        }
        let number = self.rows.next();
        self.push(row);
        (LastRow(number), true)
    }

    fn push(&mut self, row: UsageRow) {
        let number = self.rows.next();
        self.rows.insert(number, row);
        if self.is_closed {
            return;
        }
        let hash = self.hasher.hash_one(row.key());
        self.index.insert(hash, number);
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.index = Index::default();
    }
}

/// The local day that an instant belongs to: the last that has begun by then. Where clocks go back over midnight, the hour
/// that comes twice belongs to the day that had begun.
pub(super) fn day_of(now: Timestamp, calendar: &Calendar) -> NaiveDate {
    let date = calendar.date(now);
    match date.succ_opt() {
        Some(next) if end_of(date, calendar) <= now => next,
        _ => date,
    }
}

/// The midnight after a local day.
fn end_of(date: NaiveDate, calendar: &Calendar) -> Timestamp {
    let next = date.succ_opt();
    next.map_or(Timestamp::MAX, |next| calendar.day_start(next))
}

#[cfg(test)]
mod tests;
