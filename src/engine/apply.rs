//! apply(fact): how each fact changes the books. No decisions and no clock: whoever applies the same facts in the same
//! order has the same books.

use std::sync::Arc;

use crate::domain::fact::{
    Charged, Extended, Fact, Held, Id, OrganizationId, Place, Settled, Slot, Tag,
};
use crate::domain::plan::Plan;
use crate::domain::time::Timestamp;
use crate::world::sabotage::{self, Fault};

use super::book::Book;
use super::gauges::count;
use super::holds::{End, Row, State};
use super::organization::{Organization, numbered};
use super::partition::IdChange;
use super::shard::{Finished, Shard, shift};
use super::usage::row_of;

/// A signed amount of credits: amounts end at 2^53 - 1.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

impl Shard {
    /// Changes the books as a fact says.
    pub(super) fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::OrganizationNamed { organization, name } => {
                self.name_organization(*organization, name)
            }
            Fact::Planned { at, plan } => self.put_in_force(plan, *at),
            Fact::CycleOpened {
                organization,
                book,
                span,
                calendar,
                rolled_over,
            } => {
                let catalogue = Arc::clone(&self.catalogue);
                self.with(*organization, |it| {
                    it.close_cycle(*rolled_over);
                    let plan = Arc::clone(&it.plan);
                    let book = Book::new(
                        *book,
                        *span,
                        *calendar,
                        *rolled_over,
                        plan,
                        &catalogue,
                        it.present(),
                    );
                    it.books.push(book);
                });
            }
            Fact::EntitlementChanged { organization, at } => self.with(*organization, |it| {
                if let Some(book) = it.books.last_mut() {
                    book.step(*at);
                }
            }),
            Fact::EnvironmentNamed {
                organization,
                book,
                environment,
                name,
            } => self.with(*organization, |it| {
                if let Some(book) = it.book_mut(*book) {
                    let row = book.environment_row(name.clone());
                    book.environments.insert(*environment, row);
                }
            }),
            Fact::UserNamed {
                organization,
                book,
                user,
                name,
            } => self.with(*organization, |it| {
                if let Some(book) = it.book_mut(*book) {
                    let row = book.user_row(name);
                    book.users.insert(*user, row);
                }
            }),
            Fact::Held(held) => self.hold(held),
            Fact::Extended(extended) => self.extend_hold(extended),
            Fact::Committed(settled) | Fact::Released(settled) => {
                if let Some(row) = self.holds.get(settled.slot) {
                    self.settle(settled, &row, matches!(fact, Fact::Committed(_)));
                }
            }
            Fact::Expired { slot, at, share } => self.expire(*slot, *at, *share),
            Fact::Charged(charged) => self.book_charge(charged),
            Fact::Adjusted {
                place,
                credits,
                at,
                share,
                tag,
                ..
            } => {
                self.adjust(place, *credits, *share, tag.as_ref().map(|tag| (*tag, *at)));
                self.add_usage(place, *credits);
            }
            Fact::Crossed { .. }
            | Fact::ExtensionRequested { .. }
            | Fact::Audited { .. }
            | Fact::Told { .. } => self.note(fact),
            Fact::Labelled { .. }
            | Fact::DayOpened { .. }
            | Fact::DaysClosed { .. }
            | Fact::DaysFiled { .. } => self.turn_usage(fact),
            Fact::TrialStarted {
                organization,
                user,
                period,
            } => self.with(*organization, |it| it.begin_trial(user, *period)),
            Fact::Resumed { at } => self.resume(at.steady),
            Fact::Forgotten { count, .. } => self.forget(*count),
        }
    }

    /// Changes one organization, and keeps what is counted beside it: cells, the calendar, the gauges.
    pub(super) fn with(&mut self, id: OrganizationId, change: impl FnOnce(&mut Organization)) {
        let Some(organization) = self.organizations.get_mut(id.index as usize) else {
            return;
        };
        let (cells_before, due_before) = (cells(organization), due(organization));
        let (waiting_before, lost_before) = (organization.notices.len(), organization.notices_lost);
        change(organization);
        let stats = &self.shared.stats;
        let waiting_after = organization.notices.len();
        shift(
            &stats.notices_waiting,
            waiting_before as u64,
            waiting_after as u64,
        );
        shift(&stats.notices_lost, lost_before, organization.notices_lost);
        while let Some(book) = organization.take_finished_book() {
            shift(&self.shared.stats.labels, book.labels.len() as u64, 0);
            self.finished.push(Finished::Book(Box::new(book)));
        }
        while let Some(day) = organization.days.take_filed() {
            self.finished.push(Finished::Day(Box::new(day)));
        }
        shift(&self.shared.stats.cells, cells_before, cells(organization));
        let due_after = due(organization);
        if due_before != due_after {
            self.calendar.remove(due_before, id.index);
            if due_after < Timestamp::MAX {
                self.calendar.insert(due_after, id.index);
            }
        }
        organization.show();
    }

    fn name_organization(&mut self, id: OrganizationId, name: &str) {
        self.organizations.push(Organization::new(id, name.into()));
        self.shared.name_organization(name, id);
    }

    fn put_in_force(&mut self, plan: &Plan, at: Timestamp) {
        let same_catalogue = self.catalogue == plan.catalogue;
        self.take_plan(plan);
        let catalogue = Arc::clone(&self.catalogue);
        let ids: Vec<_> = self.organizations.iter().map(|it| it.id).collect();
        for id in ids {
            self.with(id, |it| {
                let planned = plan.organizations.get(&it.name);
                it.is_planned = planned.is_some();
                // What a change does not touch need not be counted again.
                let is_same =
                    |planned: &Arc<_>| Arc::ptr_eq(&it.plan, planned) || it.plan == *planned;
                let untouched = |planned: &&Arc<_>| same_catalogue && is_same(planned);
                if let Some(planned) = planned.filter(|planned| !untouched(planned)) {
                    it.plan = Arc::clone(planned);
                    if let Some(book) = it.books.last_mut() {
                        book.plan(Arc::clone(planned), &catalogue, at);
                    }
                }
            });
        }
    }

    /// Changes the books as a fact of this kind says.
    #[inline(always)]
    pub(super) fn hold(&mut self, held: &Held) {
        let change = (0, signed(held.amount));
        self.draw(&held.place, change, held.trial, held.share, true);
        self.keep_id(&held.tag);
        self.holds.open(held);
        self.sequence = self.sequence.max(held.sequence.saturating_add(1));
        self.expiry.push(held.tag.slot, held.expires, held.sequence);
        self.holds_open += 1;
        self.show_holds_open();
    }

    fn extend_hold(&mut self, extended: &Extended) {
        let (slot, at, expires) = (extended.slot, extended.at, extended.expires);
        let Some(row) = self.holds.get(slot) else {
            return;
        };
        let (sequence, place, trial) = (row.sequence, row.place, row.trial);
        let additional = extended.additional;
        self.holds.extend(slot, additional, expires, at);
        let change = (0, signed(additional));
        self.draw(&place, change, trial, extended.share, false);
        self.expiry.remove(row.expires, sequence);
        self.expiry.push(slot, expires, sequence);
        self.expiry.tidy(&self.holds, self.holds_open);
        if let Some(tag) = &extended.tag {
            let state = State::Extension { hold: slot };
            let held = row.held + additional;
            self.remember_new(*tag, Row::settled(*tag, state, place, held, expires), at);
            self.refer(&place);
        }
    }

    /// Changes the books as a fact of this kind says, of a request whose row is at hand.
    #[inline(always)]
    pub(super) fn settle(&mut self, settled: &Settled, row: &Row, is_commit: bool) {
        let returned = row.comes_back();
        let state = if is_commit {
            row.committed(settled)
        } else {
            State::Released { returned }
        };
        let place = Place {
            label: settled.label.unwrap_or(row.place.label),
            ..row.place
        };
        let given_back = if sabotage::is(Fault::KeepRest) {
            returned.min(settled.committed)
        } else {
            returned
        };
        let change = (signed(settled.committed), -signed(given_back));
        self.draw(&place, change, row.trial, settled.share, false);
        self.close(settled.slot, row, state, settled.at);
    }

    fn expire(&mut self, slot: Slot, at: Timestamp, share: u64) {
        let Some(row) = self.holds.get(slot) else {
            return;
        };
        let change = (0, -signed(row.held));
        self.draw(&row.place, change, row.trial, share, false);
        self.close(slot, &row, State::Expired, at);
        self.count_expired();
    }

    fn book_charge(&mut self, charged: &Charged) {
        let (change, refers) = ((signed(charged.amount), 0), charged.tag.is_some());
        self.draw(&charged.place, change, charged.trial, charged.share, refers);
        if let Some(tag) = &charged.tag {
            let state = State::Charged {
                overrun: charged.overrun,
            };
            let row = Row::settled(*tag, state, charged.place, charged.amount, charged.at);
            self.remember_new(*tag, row, charged.at);
        }
    }

    /// Corrects a cell; a correction with an id is remembered from an instant on.
    fn adjust(&mut self, place: &Place, credits: i64, share: u64, tag: Option<(Tag, Timestamp)>) {
        self.with(place.organization, |it| {
            if let Some(book) = it.book_mut(place.book) {
                let (change, refers) = ((credits, 0), tag.is_some());
                book.shift(place.environment, place.user, change, false, refers);
                book.set_share(place.environment, share);
            }
        });
        if let Some((tag, at)) = tag {
            self.remember_new(tag, Row::settled(tag, State::Adjusted, *place, 0, at), at);
        }
        // Only now: what is remembered keeps its cell.
        self.with(place.organization, |it| {
            if let Some(book) = it.book_mut(place.book) {
                book.tidy(place.environment, place.user);
            }
        });
    }

    /// Changes a cell, the trial that pays for it, and the payer's share of the extension; with `refers`, one more request
    /// counts in the cell. Every request comes through here; the calendar does not change.
    fn draw(
        &mut self,
        place: &Place,
        (used, held): (i64, i64),
        trial: u8,
        share: u64,
        refers: bool,
    ) {
        let index = place.organization.index as usize;
        let Some(organization) = self.organizations.get_mut(index) else {
            return;
        };
        let present = organization.books.last().map(|book| book.number);
        let is_present = present == Some(place.book);
        let Some(book) = numbered(&mut organization.books, place.book) else {
            return;
        };
        let cells_before = book.cells;
        let (environment, user) = (place.environment, place.user);
        let last_row = book.shift(environment, user, (used, held), trial > 0, refers);
        book.set_share(environment, share);
        if book.cells != cells_before {
            count(&self.shared.stats.cells);
        }
        if trial > 0
            && let Some(user) = book.users.get(user).map(|row| row.name.clone())
            && let Some(paying) = organization.trials.find(&user)
            && let Some(paying) = organization.trials.get_mut(paying)
            && let Some(period) = paying.periods.get_mut(usize::from(trial) - 1)
        {
            period.used = period.used.saturating_add_signed(used);
            period.held = period.held.saturating_add_signed(held);
        }
        if is_present {
            organization.gauges.show(book);
        }
        let is_lost = held < 0 && sabotage::is(Fault::LoseRow);
        if used == 0 || is_lost {
            return;
        }
        let booked = organization
            .days
            .book(place.book, row_of(place, used), last_row);
        let Some((row, is_new)) = booked else {
            return;
        };
        if is_new {
            count(&self.shared.stats.usage_rows);
        }
        if row.0 != last_row.0 {
            book.note_row(environment, user, row);
        }
    }

    pub(super) fn keep(&mut self, slot: Slot, row: &Row) {
        let (id, chosen, fingerprint) = (row.id, row.chosen, row.fingerprint);
        self.keep_id(&Tag {
            slot,
            id,
            chosen,
            fingerprint,
        });
        self.holds.insert(slot, row);
    }

    /// Ids that callers chose are found by a map; the others name their slots.
    fn keep_id(&mut self, tag: &Tag) {
        if tag.chosen {
            self.change_id(IdChange::Kept(tag.id, tag.slot));
        }
    }

    fn change_id(&mut self, change: IdChange) {
        match &mut self.id_changes {
            Some(waiting) => waiting.push(change),
            None => self.shared.change_id(change),
        }
    }

    /// A hold has ended, or settles late; it is remembered from here on.
    #[inline(always)]
    fn close(&mut self, slot: Slot, row: &Row, state: State, at: Timestamp) {
        let sequence = self.line_up();
        let end = End {
            state,
            settled: at,
            sequence,
        };
        self.holds.settle(slot, row, &end);
        if row.state != State::Open {
            return;
        }
        self.holds_open -= 1;
        self.show_holds_open();
        self.count_settled();
        self.expiry.remove(row.expires, row.sequence);
        self.expiry.tidy(&self.holds, self.holds_open);
    }

    /// A new request that holds nothing is remembered from here on.
    fn remember_new(&mut self, tag: Tag, row: Row, at: Timestamp) {
        let (settled, sequence) = (at, self.line_up());
        let row = Row {
            settled,
            sequence,
            ..row
        };
        self.keep(tag.slot, &row);
        self.count_settled();
    }

    /// The place of a request that is the last one that settled.
    fn line_up(&mut self) -> u64 {
        let sequence = self.sequence;
        self.sequence += 1;
        sequence
    }

    /// Times of another process become times of this one (`Holds::resume`).
    fn resume(&mut self, now: Timestamp) {
        self.holds.resume(now);
        self.expiry.line_up(self.number, &self.holds);
    }

    /// A remembered request counts in a cell, which is there: its credits were just drawn in it.
    pub(super) fn refer(&mut self, place: &Place) {
        let organization = self
            .organizations
            .get_mut(place.organization.index as usize);
        if let Some(book) = organization.and_then(|it| it.book_mut(place.book)) {
            book.refer(place.environment, place.user);
        }
    }

    fn forget(&mut self, count: u32) {
        for _ in 0..count {
            let Some((index, row)) = self.holds.forget() else {
                return;
            };
            self.horizon = self.horizon.max(row.settled);
            self.count_forgotten();
            if row.chosen {
                self.forget_id(&row.id, index, row.generation);
            }
            self.unrefer(&row.place);
        }
    }

    /// A forgotten request no longer counts in its cell, which may go with it; so may a closed book.
    fn unrefer(&mut self, place: &Place) {
        let organization = self.organization(place.organization);
        let Some(book) = organization.and_then(|it| it.book_mut(place.book)) else {
            return;
        };
        let cells_before = book.cells;
        book.unrefer(place.environment, place.user);
        let (cells_after, is_last) = (book.cells, book.references == 0);
        if cells_after != cells_before {
            shift(&self.shared.stats.cells, cells_before, cells_after);
        }
        if is_last {
            self.with(place.organization, |_| ());
        }
    }

    fn forget_id(&mut self, id: &Id, index: u32, generation: u32) {
        let shard = self.number;
        let forgotten = Slot {
            shard,
            index,
            generation,
        };
        self.change_id(IdChange::Forgotten(*id, forgotten));
    }
}

pub(super) fn cells(organization: &Organization) -> u64 {
    organization.books.iter().map(|book| book.cells).sum()
}

/// When something is due for an organization by the calendar: in its present book, or the end of the day.
pub(super) fn due(organization: &Organization) -> Timestamp {
    let present = organization.present();
    present.map_or(Timestamp::MAX, |book| {
        book.due().min(organization.days.due(book.number))
    })
}
