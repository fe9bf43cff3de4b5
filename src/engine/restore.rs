//! The way back: an engine from the entries of a snapshot, then from the facts that came after it.
//!
//! An entry is believed only where it fits what came before it: no number panics, overflows a sum, or asks for memory out
//! of proportion.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::fact::{Fact, OrganizationId, Slot};
use crate::domain::plan::{OrganizationPlan, Plan};
use crate::domain::time::Timestamp;
use crate::world::sync::MutexGuard;

use super::answer::EngineError;
use super::apply::{cells, due};
use super::book::Book;
use super::cell::LastRow;
use super::entry::{BookEntry, Entry, Misfit, Period, Row, State, UsageRow};
use super::holds::INDEX_MAX;
use super::labels::Work;
use super::notices::NOTICES_MAX;
use super::organization::{Organization, Trial};
use super::restore_book::{amount, figure};
use super::shard::{Shard, shift};
use super::{Bounds, Engine};

/// The highest number in the order of reservation and settling: nobody comes so far.
const SEQUENCE_MAX: u64 = 1 << 62;

/// How many vacant slots all entries together may leave between them. Slabs never shrink, so that a few rows can stand far
/// apart; but entries must not ask for memory out of proportion.
pub(super) fn vacancies_max(bounds: Bounds) -> u64 {
    let Bounds {
        cells,
        holds,
        settled,
        ..
    } = bounds;
    let rows = cells.saturating_add(holds).saturating_add(settled) as u64;
    rows.saturating_mul(4).saturating_add(1 << 20)
}

impl Engine {
    /// Puts the plan of a snapshot into an engine that is new; its entries come next.
    pub fn restore_plan(&self, plan: &Arc<Plan>) {
        *self.plan.lock() = Arc::clone(plan);
        for shard in &self.shards {
            shard.lock().take_plan(plan);
        }
    }

    /// Takes an entry, in the order in which a copy gave them, after the plan.
    ///
    /// # Errors
    /// If it does not fit what came before it. The engine is of no use then.
    pub fn restore(&self, entry: &Entry<'_>) -> Result<(), Misfit> {
        self.restore_in(entry).map(drop)
    }

    /// The same; answers the shard that it is of.
    pub(super) fn restore_in(&self, entry: &Entry<'_>) -> Result<MutexGuard<'_, Shard>, Misfit> {
        // There are millions of entries, and few that ask for the plan.
        let plan = matches!(entry, Entry::Organization { .. }).then(|| self.plan());
        let shard = self.shards.get(usize::from(entry.shard()));
        let mut shard = shard.ok_or(Misfit("there is no such shard"))?.lock();
        shard.restore(entry, plan.as_deref(), &mut |slots, number| {
            self.leave(slots, number)
        })?;
        Ok(shard)
    }

    /// All entries are there: derives what is derived from them. Facts may be applied from here on.
    pub fn restored(&self) {
        for shard in &self.shards {
            shard.lock().restored();
        }
    }

    /// Takes over books that another process left, after the last fact was applied: records that it did, and lets happen
    /// what came due meanwhile, cycle by cycle.
    ///
    /// # Errors
    /// If it could not be recorded.
    pub fn resume(&self) -> Result<(), EngineError> {
        if self.has_failed() {
            return Err(EngineError::Unrecorded);
        }
        {
            // As with a change of the plan: one record for all shards, and no copy begins in between.
            let _plan = self.plan.lock();
            let mut shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
            let resumed = Fact::Resumed { at: self.now() };
            for shard in &mut shards {
                shard.apply(&resumed);
            }
            let recorded = self.shared.recorder.record(&[resumed]);
            recorded.inspect_err(|_| self.poison())?;
        }
        self.tick()
    }

    /// A row comes at this number, after so many slots. Rows come in order: those in between stay vacant.
    fn leave(&self, slots: u32, number: u32) -> Result<(), Misfit> {
        let Some(vacant) = number.checked_sub(slots) else {
            return Err(Misfit("the rows are not in order"));
        };
        let left = |vacancies: u64| vacancies.checked_sub(vacant.into());
        let left = (self.vacancies).fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        left.map_or(Err(Misfit("a row stands too far apart")), |_| Ok(()))
    }
}

/// Whether a row may come at a number after so many slots.
type Leave<'a> = &'a mut dyn FnMut(u32, u32) -> Result<(), Misfit>;

impl Shard {
    fn restore(
        &mut self,
        entry: &Entry<'_>,
        plan: Option<&Plan>,
        leave: Leave<'_>,
    ) -> Result<(), Misfit> {
        match *entry {
            Entry::Shard {
                sequence, horizon, ..
            } => self.restore_shard(sequence, horizon),
            Entry::Organization {
                organization,
                name,
                plan: own,
                extension_requests,
                days_filed,
            } => {
                let planned = plan.and_then(|plan| plan.organizations.get(name));
                let mut restored = self.restore_organization(organization, name, planned, own)?;
                restored.extension_requests = extension_requests.to_vec();
                restored.days.restore_filed(days_filed);
                self.organizations.push(restored);
                Ok(())
            }
            Entry::Label { .. } | Entry::Day { .. } | Entry::Usage { .. } => {
                self.restore_usage(entry)
            }
            Entry::Notice {
                organization,
                notice,
            } => {
                let notices = &mut self.organization_of(organization)?.notices;
                if notices.len() >= NOTICES_MAX {
                    return Err(Misfit("too many notices wait"));
                }
                notices.push(notice.clone());
                Ok(())
            }
            Entry::Trial {
                organization,
                number,
                user,
                periods,
            } => {
                let organization = self.organization_of(organization)?;
                leave(organization.trials.slots(), number)?;
                organization.restore_trial(number, user, periods)
            }
            Entry::Book(ref book) => self.restore_book(book),
            Entry::Environment {
                organization,
                book,
                number,
                name,
                share,
            } => {
                let book = self.book_of(organization, book)?;
                leave(book.environments.slots(), number)?;
                book.restore_environment(number, name, share)
            }
            Entry::User {
                organization,
                book,
                number,
                name,
                cells,
            } => {
                let book = self.book_of(organization, book)?;
                leave(book.users.slots(), number)?;
                book.restore_user(number, name, cells)
            }
            Entry::Fired {
                organization,
                book,
                account,
                percent,
            } => {
                let book = self.book_of(organization, book)?;
                book.fired.insert((account.clone(), percent));
                Ok(())
            }
            Entry::Remembered { slot, row } => {
                // They come in the order of settling, so that what is vacant now may be filled later. No shard has more slots
                // than requests had a place in its order.
                if u64::from(slot.index) >= self.sequence {
                    return Err(Misfit("a row stands too far apart"));
                }
                if !self.holds.is_vacant(slot.index) {
                    return Err(Misfit("two remembered requests are in one slot"));
                }
                self.restore_remembered(slot, row)
            }
        }
    }

    /// Labels, days and rows.
    fn restore_usage(&mut self, entry: &Entry<'_>) -> Result<(), Misfit> {
        match *entry {
            Entry::Label {
                organization,
                book,
                number,
                names,
            } => {
                let labels = &mut self.book_of(organization, book)?.labels;
                if labels.find(Work::of(names)).is_some() {
                    return Err(Misfit("a label comes twice"));
                }
                let fits = labels.insert(number, names.clone());
                fits.then_some(())
                    .ok_or(Misfit("the numbers of labels are not consecutive"))
            }
            Entry::Day {
                organization,
                number,
                book,
                date,
                is_closed,
            } => {
                let found = self.book_of(organization, book)?;
                found.references = found.references.saturating_add(1);
                let calendar = found.calendar;
                let days = &mut self.organization_of(organization)?.days;
                let fits = days.restore(number, book, date, is_closed, &calendar);
                fits.then_some(())
                    .ok_or(Misfit("the days of usage rows are not in order"))
            }
            Entry::Usage {
                organization,
                day,
                number,
                row,
            } => self
                .organization_of(organization)?
                .restore_row(day, number, row),
            _ => Ok(()),
        }
    }

    fn restore_shard(&mut self, sequence: u64, horizon: Timestamp) -> Result<(), Misfit> {
        if !self.organizations.is_empty() || self.holds.slots() > 0 {
            return Err(Misfit("a shard begins twice"));
        }
        if sequence > SEQUENCE_MAX {
            return Err(Misfit("the order of reservation has come too far"));
        }
        (self.sequence, self.horizon) = (sequence, horizon);
        Ok(())
    }

    fn restore_organization(
        &self,
        id: OrganizationId,
        name: &str,
        planned: Option<&Arc<OrganizationPlan>>,
        own: Option<&Arc<OrganizationPlan>>,
    ) -> Result<Organization, Misfit> {
        if id.index as usize != self.organizations.len() {
            return Err(Misfit("the places of organizations are not consecutive"));
        }
        // In one go: another thread may restore another shard meanwhile.
        if !self.shared.name_organization(name, id) {
            return Err(Misfit("an organization comes twice"));
        }
        let mut organization = Organization::new(id, name.into());
        organization.is_planned = planned.is_some();
        organization.plan = match (planned, own) {
            (Some(plan), None) | (None, Some(plan)) => Arc::clone(plan),
            (None, None) => return Err(Misfit("the plan does not name an organization")),
            (Some(_), Some(_)) => return Err(Misfit("an organization has two plans")),
        };
        Ok(organization)
    }

    fn restore_book(&mut self, entry: &BookEntry<'_>) -> Result<(), Misfit> {
        let organization = self.organization_of(entry.organization)?;
        let number = entry.number;
        let last = organization.books.last().map(|book| book.number);
        if last.is_some_and(|last| last.checked_add(1) != Some(number)) {
            return Err(Misfit("the numbers of books are not consecutive"));
        }
        let plan = entry.plan.unwrap_or(&organization.plan);
        let book = Book::restore(entry, Arc::clone(plan))?;
        organization.books.push(book);
        Ok(())
    }

    fn restore_remembered(&mut self, slot: Slot, row: &Row) -> Result<(), Misfit> {
        let place = &row.place;
        if place.organization.shard != self.number || row.generation != slot.generation {
            return Err(Misfit("a remembered request is in a wrong slot"));
        }
        if slot.index > INDEX_MAX {
            return Err(Misfit(
                "a remembered request is in a slot that no shard has",
            ));
        }
        if row.sequence >= self.sequence {
            return Err(Misfit("a remembered request is of the future"));
        }
        amount(row.held)?;
        amount(row.granted)?;
        let book = self.book_of(place.organization, place.book)?;
        let user = book.users.get(place.user);
        let has_cell = user.is_some_and(|user| user.cell(place.environment).is_some());
        if place.label >= book.labels.next() {
            return Err(Misfit("a remembered request has no such label"));
        }
        if !has_cell {
            return Err(Misfit("a remembered request counts in no cell"));
        }
        self.refer(place);
        self.keep(slot, row);
        if row.state == State::Open {
            self.holds_open += 1;
            self.show_holds_open();
        } else {
            self.count_settled();
        }
        Ok(())
    }

    fn organization_of(&mut self, id: OrganizationId) -> Result<&mut Organization, Misfit> {
        let found = self.organization(id);
        found.ok_or(Misfit("there is no such organization"))
    }

    fn book_of(&mut self, id: OrganizationId, book: u32) -> Result<&mut Book, Misfit> {
        let found = self.organization_of(id)?.book_mut(book);
        found.ok_or(Misfit("there is no such book"))
    }

    /// Derives what is derived, once all entries are there.
    pub(super) fn restored(&mut self) {
        self.holds.find_free();
        self.holds.line_up();
        self.expiry.line_up(self.number, &self.holds);
        for organization in self.organizations.iter_mut() {
            organization.trials.slab().find_free();
            organization.books.iter_mut().for_each(Book::restored);
            let stats = &self.shared.stats;
            shift(&stats.cells, 0, cells(organization));
            shift(&stats.notices_waiting, 0, organization.notices.len() as u64);
            for book in &organization.books {
                shift(&stats.labels, 0, book.labels.len() as u64);
            }
            for day in organization.days.iter() {
                shift(&stats.usage_rows, 0, day.len().into());
                shift(&stats.days_to_file, 0, day.is_closed.into());
            }
            let due = due(organization);
            if due < Timestamp::MAX {
                self.calendar.insert(due, organization.id.index);
            }
            organization.show();
        }
    }
}

impl Organization {
    fn restore_row(&mut self, day: u32, number: u32, row: &UsageRow) -> Result<(), Misfit> {
        let book = self.days.get(day).and_then(|day| self.book(day.book));
        let book = book.ok_or(Misfit("a usage row is of no day"))?;
        let user = book.users.get(row.user);
        if user.is_none_or(|user| user.cell(row.environment).is_none()) {
            return Err(Misfit("a usage row counts in no cell"));
        }
        if row.label >= book.labels.next() {
            return Err(Misfit("a usage row has no such label"));
        }
        let number_of_book = book.number;
        let day = self.days.kept_mut(day);
        if day.is_none_or(|day| !day.restore(number, *row)) {
            return Err(Misfit("the usage rows of a day are not in order"));
        }
        // It lies at hand, and spares the cell's next booking to look for it.
        if let Some(book) = self.book_mut(number_of_book) {
            book.note_row(row.environment, row.user, LastRow(number));
        }
        Ok(())
    }

    fn restore_trial(&mut self, number: u32, user: &str, periods: &[Period]) -> Result<(), Misfit> {
        if self.trials.find(user).is_some() {
            return Err(Misfit("a user has two trials"));
        }
        for period in periods {
            // A period may span many cycles, each of which may use up to the largest amount there is.
            figure(period.used)?;
            figure(period.held)?;
            amount(period.terms.credits)?;
        }
        let (user, periods) = (user.into(), periods.into());
        self.trials.insert(number, Trial { user, periods });
        Ok(())
    }
}
