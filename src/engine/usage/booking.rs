//! Under which label and in which row credits are booked: decided here, stated as facts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::fact::{Fact, OrganizationId, Place};

use super::super::book::Book;
use super::super::case::Case;
use super::super::desk::Desk;
use super::super::labels::{ADJUSTMENT, Work};
use super::super::organization::Organization;
use super::day_of;

/// So many labels, and so many rows, beyond their bounds are left for work without its model or its operation.
const FOLDED_MAX: u64 = 1_024;

/// While so many rows for each cell wait for a file beyond the bound, no new work is accepted.
const WAITING_ROWS_A_CELL: u64 = 4;

impl Desk<'_> {
    /// The label of a request that is granted: its own, or one with less in it.
    pub(in super::super) fn label(&mut self, case: &Case<'_>) -> u32 {
        if let Some(label) = case.label {
            return label;
        }
        let card = Arc::clone(&self.shard.rate_card);
        let mut work = case.work;
        if work.product.is_empty() {
            let operation = card.operations.get(work.operation);
            work.product = operation.and_then(|it| it.product.as_deref()).unwrap_or("");
        }
        let Some(book) = self.present(case.organization) else {
            return 0;
        };
        let number = book.number;
        if self.has_room_for_label(0) {
            return self.name_label(case.organization, number, work);
        }
        self.folded(case.organization, number, work, |desk, _, known| {
            known || desk.has_room_for_label(FOLDED_MAX)
        })
    }

    /// The label of corrections in a book: a row of their own, whatever else there is.
    pub(in super::super) fn adjustment_label(&mut self, id: OrganizationId, book: u32) -> u32 {
        let work = Work {
            operation: ADJUSTMENT,
            ..Work::default()
        };
        self.name_label(id, book, work)
    }

    /// Opens the day that a booking in this place counts on, and answers the label of its row: the place's, or one with less
    /// in it where there are too many rows.
    #[inline(always)]
    pub(in super::super) fn row_label(&mut self, place: &Place) -> u32 {
        if !self.has_open_day(place) {
            self.open_day(place.organization, place.book);
        }
        let rows = self.shared.stats.usage_rows.load(Ordering::Relaxed);
        let bound = self.shared.bounds.usage_rows as u64;
        if rows < bound || self.has_row(place, place.label) {
            return place.label;
        }
        self.folded_row_label(place, rows, bound)
    }

    #[cold]
    fn folded_row_label(&mut self, place: &Place, rows: u64, bound: u64) -> u32 {
        let Some(label) = self
            .kept_book(place.organization, place.book)
            .and_then(|book| book.labels.get(place.label))
            .filter(|label| *label.operation != *ADJUSTMENT)
            .cloned()
        else {
            return place.label;
        };
        let has_room = rows < bound + FOLDED_MAX;
        let (id, book) = (place.organization, place.book);
        self.folded(
            id,
            book,
            Work::of(&label),
            |desk, label, known| match known {
                true => has_room || desk.has_row(place, label),
                false => has_room && desk.has_room_for_label(FOLDED_MAX),
            },
        )
    }

    /// Whether new work may be accepted: not while the rows of days that cannot be filed pile up.
    pub(in super::super) fn has_room_for_row(&self) -> bool {
        let stats = &self.shared.stats;
        let rows = stats.usage_rows.load(Ordering::Relaxed);
        let bound = self.shared.bounds.usage_rows as u64;
        let cells = || stats.cells.load(Ordering::Relaxed);
        rows < bound || rows < bound + FOLDED_MAX + WAITING_ROWS_A_CELL * cells()
    }

    /// The first way to say less that fits; the last one always does. `fits` is told the label (0 if there is none yet) and
    /// whether there is one.
    fn folded(
        &mut self,
        id: OrganizationId,
        book: u32,
        work: Work<'_>,
        fits: impl Fn(&Self, u32, bool) -> bool,
    ) -> u32 {
        let [model, operation, product] = work.folds();
        for fold in [model, operation] {
            let known = self
                .kept_book(id, book)
                .and_then(|book| book.labels.find(fold));
            if fold != work && fits(self, known.unwrap_or(0), known.is_some()) {
                return self.name_label(id, book, fold);
            }
        }
        self.name_label(id, book, product)
    }

    /// The label of this name, which is made if there is none.
    fn name_label(&mut self, organization: OrganizationId, book: u32, work: Work<'_>) -> u32 {
        let Some(found) = self.kept_book(organization, book) else {
            return 0;
        };
        if let Some(label) = found.labels.find(work) {
            return label;
        }
        let label = found.labels.next();
        let names = Box::new(work.label());
        self.shard.happen(Fact::Labelled {
            organization,
            book,
            label,
            names,
        });
        label
    }

    /// Whether the day is open that a booking in this place counts on: almost always, at a glance.
    fn has_open_day(&self, place: &Place) -> bool {
        let found = self
            .shard
            .organizations
            .get(place.organization.index as usize);
        found.is_some_and(|found| {
            let present = found.present().map(|book| book.number);
            present == Some(place.book) && found.days.is_newest_open(place.book)
        })
    }

    /// A booking in a closed book counts on its cycle's last day. The present book's day is open whenever another's is: its
    /// end closes both.
    #[cold]
    fn open_day(&mut self, organization: OrganizationId, book: u32) {
        let found = self.shard.organizations.get(organization.index as usize);
        let Some((found, present)) = found.and_then(|it| Some((it, it.present()?))) else {
            return;
        };
        let now = present.span.clamp(self.now.wall);
        let today = (present.number, day_of(now, &present.calendar));
        let closed = found.book(book).filter(|it| it.number != today.0);
        let last = closed.map(|it| {
            let last = day_of(it.span.end.just_before(), &it.calendar);
            (it.number, last)
        });
        for (book, date) in [Some(today), last].into_iter().flatten() {
            let found = self.shard.organizations.get(organization.index as usize);
            let days = found.map(|it| &it.days);
            let Some(days) = days.filter(|days| days.open_in(book).is_none()) else {
                continue;
            };
            let day = days.next();
            self.shard.happen(Fact::DayOpened {
                organization,
                book,
                day,
                date,
            });
        }
    }

    fn has_room_for_label(&self, beyond: u64) -> bool {
        let labels = self.shared.stats.labels.load(Ordering::Relaxed);
        labels < self.shared.bounds.labels as u64 + beyond
    }

    fn has_row(&self, place: &Place, label: u32) -> bool {
        let organization = self
            .shard
            .organizations
            .get(place.organization.index as usize);
        let day = organization.and_then(|it| it.days.open_in(place.book));
        day.is_some_and(|day| day.has([place.environment, place.user, label]))
    }

    fn present(&self, id: OrganizationId) -> Option<&Book> {
        let organization = self.shard.organizations.get(id.index as usize);
        organization.and_then(Organization::present)
    }

    fn kept_book(&self, id: OrganizationId, book: u32) -> Option<&Book> {
        let organization = self.shard.organizations.get(id.index as usize);
        organization.and_then(|it| it.book(book))
    }
}
