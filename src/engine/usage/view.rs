//! Usage rows with their names: for questions, and for whoever writes closed days into files.
//!
//! Under the lock of a shard only plain numbers are copied, some at a time; names are looked up in steps with the lock let
//! go between. Rows of closed days do not change, and labels and names of rows that are booked stay as long as their book.

use chrono::NaiveDate;
use hashbrown::HashMap;

use crate::domain::cycle::{Calendar, CycleSpan};
use crate::domain::fact::{Fact, OrganizationId};
use crate::domain::names::Name;
use crate::world::sync::MutexGuard;

use super::super::Engine;
use super::super::answer::EngineError;
use super::super::cell::FOLDED;
use super::super::denial::precondition;
use super::super::labels::ADJUSTMENT;
use super::super::organization::Organization;
use super::super::recorder::Receipt;
use super::super::shard::Shard;
use super::super::slab::position;
use super::query::{Groups, UsageGroup, UsageQuery};
use super::{ADJUSTMENT_SHOWN, Day, FOLDED_SHOWN, UsageRow};

/// So many names are looked up under one lock.
const NAMES_A_STEP: usize = 256;

/// So many rows are copied under one lock: some hundred microseconds.
const ROWS_A_STEP: u32 = 16_384;

/// A day's rows, with their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDay {
    /// Counted from the organization's first.
    pub number: u32,
    /// The book in which its rows count.
    pub book: u32,
    /// The cycle of that book.
    pub span: CycleSpan,
    /// The local day. The same may come several times: rows add up.
    pub date: NaiveDate,
    /// Names, each once, that rows refer to by their places.
    pub names: Vec<Box<str>>,
    /// The rows.
    pub rows: Vec<NamedRow>,
}

/// A row of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedRow {
    /// Environment, user, product, model and operation, as places in the day's names. The empty name is none.
    pub names: [u32; 5],
    /// Credits, what trials paid with them; corrections may bring it below zero.
    pub credits: i64,
}

/// What an organization's rows in memory say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageView {
    /// The present cycle's book.
    pub book: u32,
    /// The present cycle.
    pub span: CycleSpan,
    /// The calendar of the present cycle.
    pub calendar: Calendar,
    /// Days before this one stand in files; the rows of all others are here.
    pub filed_before: u32,
    /// The days, the oldest first.
    pub days: Vec<UsageDay>,
    /// How far the record went when the open days were read.
    pub receipt: Receipt,
}

/// The closed days of an organization that stand in no file yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedDays {
    /// Its name.
    pub organization: Box<str>,
    /// The days, the oldest first, without gaps.
    pub days: Vec<UsageDay>,
    /// That they are closed is recorded before here.
    pub receipt: Receipt,
}

/// A day's plain numbers.
struct Numbers {
    number: u32,
    book: u32,
    span: CycleSpan,
    date: NaiveDate,
    /// It was open, and was read at once.
    is_read: bool,
    rows: Vec<UsageRow>,
}

impl Engine {
    /// The usage rows of an organization that stand in no file yet; also of one that the plan no longer names.
    ///
    /// The open days are of one instant: their rows are copied under one lock, which takes some 10 ms for a million rows
    /// and some 10 us for a thousand. Everything else is read in steps.
    ///
    /// # Errors
    /// If there is no such organization, no cycle is open yet, or something could not be recorded.
    pub fn usage(&self, organization: Name<'_>) -> Result<UsageView, EngineError> {
        let id = self.find(organization)?;
        let (found, receipt) = self.desk(id.shard, |desk| {
            let found = desk.shard.organizations.get(id.index as usize);
            let begun = found.and_then(|found| {
                let present = found.present()?;
                let days = found.days.iter();
                let numbers: Vec<_> = days
                    .map(|day| numbers(found, day, !day.is_closed))
                    .collect();
                Some((present.number, present.span, present.calendar, numbers))
            });
            begun.ok_or_else(|| precondition("no cycle is open yet"))
        })?;
        let (book, span, calendar, mut numbers) = found;
        for day in &mut numbers {
            self.read_rows(id, day);
        }
        let days = self.name_days(id, numbers);
        let (filed_before, days) = {
            let shard = self.lock(id);
            let filed = organization_of(&shard, id).map_or(0, |it| it.days.filed());
            // What was filed meanwhile is read from the file, whole; so no day comes twice, and none is left out.
            let kept = days.into_iter().filter(|day| day.number >= filed);
            (filed, kept.collect())
        };
        Ok(UsageView {
            book,
            span,
            calendar,
            filed_before,
            days,
            receipt,
        })
    }

    /// Answers a question from the memory alone: for engines whose days are never filed.
    ///
    /// # Errors
    /// As [`Self::usage`].
    pub fn usage_in_memory(&self, query: &UsageQuery) -> Result<Vec<UsageGroup>, EngineError> {
        let unknown = || EngineError::UnknownOrganization(query.organization.clone());
        let name = Name::parse(&query.organization).map_err(|_| unknown())?;
        let view = self.usage(name)?;
        let mut groups = Groups::default();
        for day in &view.days {
            if query.wants(day.date, day.book, view.book) {
                groups.add(query, day);
            }
        }
        Ok(groups.take())
    }

    /// The organizations that have closed days that stand in no file yet, in no order.
    pub fn organizations_to_file(&self) -> Vec<OrganizationId> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let organizations = shard.organizations.iter();
            let to_file = organizations.filter(|it| it.days.iter().any(|day| day.is_closed));
            found.extend(to_file.map(|it| it.id));
        }
        found
    }

    /// The closed days of an organization, to be written into a file. One caller at a time, who says with
    /// [`Self::days_filed`] that they are.
    ///
    /// # Errors
    /// If there is no such organization, or something could not be recorded.
    pub fn closed_days(&self, id: OrganizationId) -> Result<ClosedDays, EngineError> {
        let (found, receipt) = self.desk(id.shard, |desk| {
            let found = organization_of(&desk.shard, id);
            Ok(found.map(|found| {
                let closed = found.days.iter().take_while(|day| day.is_closed);
                let days: Vec<_> = closed.map(|day| numbers(found, day, false)).collect();
                (found.name.clone(), days)
            }))
        })?;
        let unknown = || EngineError::UnknownOrganization(format!("{id:?}").into());
        let (organization, mut days) = found.ok_or_else(unknown)?;
        for day in &mut days {
            self.read_rows(id, day);
        }
        Ok(ClosedDays {
            organization,
            days: self.name_days(id, days),
            receipt,
        })
    }

    /// Closed days of these organizations, all before the day given, stand in a file: they leave the memory, all in one
    /// record.
    ///
    /// # Errors
    /// If it could not be recorded.
    pub fn days_filed(&self, filed: &[(OrganizationId, u32)]) -> Result<Receipt, EngineError> {
        if self.has_failed() {
            return Err(EngineError::Unrecorded);
        }
        // As with a change of the plan: one record for all shards, and no copy begins in between.
        let plan = self.plan.lock();
        let mut shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        let mut facts = Vec::with_capacity(filed.len());
        for &(organization, before) in filed {
            let fact = Fact::DaysFiled {
                organization,
                before,
            };
            if let Some(shard) = shards.get_mut(usize::from(organization.shard)) {
                shard.apply(&fact);
                facts.push(fact);
            }
        }
        let recorded = self.shared.recorder.record(&facts);
        let finished: Vec<_> = shards
            .iter_mut()
            .map(|shard| std::mem::take(&mut shard.finished))
            .collect();
        drop((shards, plan));
        drop(finished);
        Ok(recorded.inspect_err(|_| self.poison())?)
    }

    /// How many days of an organization stand in files, if it is known.
    pub fn days_in_files(&self, organization: &str) -> Option<u32> {
        let id = *self.shared.organizations.get(organization)?;
        let shard = self.lock(id);
        organization_of(&shard, id).map(|it| it.days.filed())
    }

    fn lock(&self, id: OrganizationId) -> MutexGuard<'_, Shard> {
        self.shards[usize::from(id.shard)].lock()
    }

    /// Reads the rest of a closed day's rows, in steps. One that is filed meanwhile stays short: nobody needs it.
    fn read_rows(&self, id: OrganizationId, day: &mut Numbers) {
        while !day.is_read {
            let shard = self.lock(id);
            let Some(found) = organization_of(&shard, id).and_then(|it| it.days.get(day.number))
            else {
                return;
            };
            let read = position(day.rows.len());
            let end = found.len().min(read.saturating_add(ROWS_A_STEP));
            day.rows
                .extend((read..end).filter_map(|number| found.row(number)));
            if end == found.len() {
                return;
            }
        }
    }

    /// Gives the rows of days their names.
    fn name_days(&self, id: OrganizationId, days: Vec<Numbers>) -> Vec<UsageDay> {
        days.into_iter().map(|day| self.name_day(id, day)).collect()
    }

    fn name_day(&self, id: OrganizationId, day: Numbers) -> UsageDay {
        let rows = || day.rows.iter();
        let mut names = Names::default();
        names.place("".into());
        let environments =
            self.look_up(id, day.book, rows().map(|it| it.environment), |it, row| {
                let name = it.and_then(|it| it.environments.get(row));
                [name.map_or_else(unknown, |row| row.name.clone())]
            });
        let users = self.look_up(id, day.book, rows().map(|it| it.user), |it, row| {
            let name = it.and_then(|it| it.users.get(row)).map(|row| &row.name);
            [name.map_or_else(unknown, |name| shown(name, FOLDED, FOLDED_SHOWN))]
        });
        let labels = self.look_up(id, day.book, rows().map(|it| it.label), |it, label| {
            if label == 0 {
                return Default::default();
            }
            let Some(label) = it.and_then(|it| it.labels.get(label)) else {
                return [unknown(), unknown(), unknown()];
            };
            let operation = shown(&label.operation, ADJUSTMENT, ADJUSTMENT_SHOWN);
            [label.product.clone(), label.model.clone(), operation]
        });
        let environments = names.places(environments);
        let users = names.places(users);
        let labels = names.places(labels);
        let named = rows().map(|row| {
            let [environment] = environments
                .get(&row.environment)
                .copied()
                .unwrap_or_default();
            let [user] = users.get(&row.user).copied().unwrap_or_default();
            let [product, model, operation] = labels.get(&row.label).copied().unwrap_or_default();
            NamedRow::new([environment, user, product, model, operation], row.credits)
        });
        let rows = named.collect();
        UsageDay {
            number: day.number,
            book: day.book,
            span: day.span,
            date: day.date,
            names: names.list,
            rows,
        }
    }

    /// Looks up what these numbers stand for in a book, each once, some under one lock.
    fn look_up<const N: usize>(
        &self,
        id: OrganizationId,
        book: u32,
        numbers: impl Iterator<Item = u32>,
        look: impl Fn(Option<&super::super::book::Book>, u32) -> [Box<str>; N],
    ) -> Vec<(u32, [Box<str>; N])> {
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut found = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(NAMES_A_STEP) {
            let shard = self.lock(id);
            let book = organization_of(&shard, id).and_then(|it| it.book(book));
            found.extend(some.iter().map(|&number| (number, look(book, number))));
        }
        found
    }
}

/// The names of a day, each once.
#[derive(Default)]
struct Names {
    list: Vec<Box<str>>,
    index: HashMap<Box<str>, u32>,
}

impl Names {
    fn place(&mut self, name: Box<str>) -> u32 {
        if let Some(place) = self.index.get(&name) {
            return *place;
        }
        let place = position(self.list.len());
        self.list.push(name.clone());
        self.index.insert(name, place);
        place
    }

    fn places<const N: usize>(
        &mut self,
        found: Vec<(u32, [Box<str>; N])>,
    ) -> HashMap<u32, [u32; N]> {
        let found = found.into_iter();
        found
            .map(|(number, names)| (number, names.map(|name| self.place(name))))
            .collect()
    }
}

/// A name, or what is shown for one that nobody can have.
fn shown(name: &str, internal: &str, shown: &str) -> Box<str> {
    if name == internal { shown } else { name }.into()
}

/// Of a day that was filed meanwhile, whose book is gone: it is read from its file.
fn unknown() -> Box<str> {
    "(unknown)".into()
}

fn organization_of(shard: &Shard, id: OrganizationId) -> Option<&Organization> {
    shard.organizations.get(id.index as usize)
}

/// A day with its rows, or without them.
fn numbers(organization: &Organization, day: &Day, with_rows: bool) -> Numbers {
    let span = organization.book(day.book).map(|book| book.span);
    let none = CycleSpan {
        start: day.ends,
        end: day.ends,
    };
    let rows = if with_rows {
        day.rows().map(|(_, row)| *row).collect()
    } else {
        Vec::new()
    };
    Numbers {
        number: day.number,
        book: day.book,
        // A day keeps its book.
        span: span.unwrap_or(none),
        date: day.date,
        is_read: with_rows,
        rows,
    }
}
