//! What a copy takes at its beginning: the little that shards, organizations and books say beside their rows.

use std::sync::Arc;

use chrono::NaiveDate;
use smallvec::SmallVec;

use crate::domain::cycle::{Calendar, CycleSpan};
use crate::domain::fact::{Extension, OrganizationId, Slot};
use crate::domain::plan::{OrganizationPlan, Timeline};
use crate::domain::time::Timestamp;

use super::book::Book;
use super::cell::{EnvironmentRow, UserRow};
use super::entry::{BookEntry, Entry, Figures, Row};
use super::organization::{Organization, Trial};
use super::shard::Shard;

/// What a shard says at the beginning.
pub(super) struct ShardHead {
    pub(super) shard: u8,
    sequence: u64,
    horizon: Timestamp,
    pub(super) organizations: Vec<OrganizationHead>,
}

/// What an organization says.
pub(super) struct OrganizationHead {
    id: OrganizationId,
    plan: Option<Arc<OrganizationPlan>>,
    extension_requests: Vec<Timestamp>,
    days_filed: u32,
    pub(super) books: Vec<BookHead>,
    /// Those that stand in no file yet, the oldest first.
    pub(super) days: Vec<DayHead>,
}

/// What a day of usage rows says.
pub(super) struct DayHead {
    pub(super) number: u32,
    book: u32,
    date: NaiveDate,
    is_closed: bool,
}

/// What a book says.
pub(super) struct BookHead {
    pub(super) number: u32,
    span: CycleSpan,
    calendar: Calendar,
    plan: Option<Arc<OrganizationPlan>>,
    timeline: Timeline,
    next_step: Timestamp,
    rolled_over: u64,
    extensions: SmallVec<[Extension; 2]>,
    figures: Figures,
    pool_share: u64,
}

impl Shard {
    /// Begins a copy of everything here; answers what is not in rows.
    pub(super) fn begin_copy(&mut self) -> ShardHead {
        self.holds.begin_copy(self.sequence);
        let organizations = self.organizations.iter_mut();
        ShardHead {
            shard: self.number,
            sequence: self.sequence,
            horizon: self.horizon,
            organizations: organizations.map(Organization::begin_copy).collect(),
        }
    }

    /// Ends a copy, whether it has come to its end or not. Books that were finished meanwhile can go.
    pub(super) fn end_copy(&mut self) {
        self.holds.end_copy();
        for index in 0..self.organizations.len() {
            self.organizations[index].end_copy();
            let organization = &self.organizations[index];
            if organization.finished() > 0 || organization.days.has_filed() {
                self.with(self.organizations[index].id, |_| ());
            }
        }
    }
}

impl Organization {
    fn begin_copy(&mut self) -> OrganizationHead {
        self.notices.begin_copy();
        self.trials.slab().begin_copy();
        self.days.begin_copy();
        let days = self.days.iter().map(|day| DayHead {
            number: day.number,
            book: day.book,
            date: day.date,
            is_closed: day.is_closed,
        });
        let days = days.collect();
        let plan = &self.plan;
        OrganizationHead {
            id: self.id,
            plan: (!self.is_planned).then(|| Arc::clone(plan)),
            extension_requests: self.extension_requests.clone(),
            days_filed: self.days.filed(),
            days,
            books: self
                .books
                .iter_mut()
                .map(|it| it.begin_copy(plan))
                .collect(),
        }
    }

    fn end_copy(&mut self) {
        self.notices.end_copy();
        self.trials.slab().end_copy();
        self.days.end_copy();
        self.books.iter_mut().for_each(Book::end_copy);
    }
}

impl Book {
    fn begin_copy(&mut self, plan: &Arc<OrganizationPlan>) -> BookHead {
        self.is_copied = true;
        self.environments.slab().begin_copy();
        self.users.slab().begin_copy();
        self.fired.begin_copy();
        self.labels.begin_copy();
        let is_common = Arc::ptr_eq(&self.plan, plan) || self.plan == *plan;
        BookHead {
            number: self.number,
            span: self.span,
            calendar: self.calendar,
            plan: (!is_common).then(|| Arc::clone(&self.plan)),
            timeline: self.timeline.clone(),
            next_step: self.next_step,
            rolled_over: self.rolled_over,
            extensions: self.extensions.clone(),
            figures: self.figures,
            pool_share: self.pool_share,
        }
    }

    fn end_copy(&mut self) {
        self.is_copied = false;
        self.environments.slab().end_copy();
        self.users.slab().end_copy();
        self.fired.end_copy();
        self.labels.end_copy();
    }
}

impl ShardHead {
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry::Shard {
            shard: self.shard,
            sequence: self.sequence,
            horizon: self.horizon,
        }
    }
}

impl OrganizationHead {
    pub(super) fn entry<'a>(&'a self, name: &'a str) -> Entry<'a> {
        Entry::Organization {
            organization: self.id,
            name,
            plan: self.plan.as_ref(),
            extension_requests: &self.extension_requests,
            days_filed: self.days_filed,
        }
    }
}

impl DayHead {
    pub(super) fn entry<'a>(&self, organization: OrganizationId) -> Entry<'a> {
        Entry::Day {
            organization,
            number: self.number,
            book: self.book,
            date: self.date,
            is_closed: self.is_closed,
        }
    }
}

impl BookHead {
    pub(super) fn entry(&self, organization: OrganizationId) -> Entry<'_> {
        Entry::Book(BookEntry {
            organization,
            number: self.number,
            span: self.span,
            calendar: self.calendar,
            plan: self.plan.as_ref(),
            steps: self.timeline.steps(),
            next_step: self.next_step,
            rolled_over: self.rolled_over,
            extensions: &self.extensions,
            figures: self.figures,
            pool_share: self.pool_share,
        })
    }
}

impl Trial {
    pub(super) fn entry(&self, organization: OrganizationId, number: u32) -> Entry<'_> {
        Entry::Trial {
            organization,
            number,
            user: &self.user,
            periods: &self.periods,
        }
    }
}

impl EnvironmentRow {
    pub(super) fn entry(&self, organization: OrganizationId, book: u32, number: u32) -> Entry<'_> {
        Entry::Environment {
            organization,
            book,
            number,
            name: &self.name,
            share: self.share,
        }
    }
}

impl UserRow {
    pub(super) fn entry(&self, organization: OrganizationId, book: u32, number: u32) -> Entry<'_> {
        Entry::User {
            organization,
            book,
            number,
            name: &self.name,
            cells: &self.cells,
        }
    }
}

impl Row {
    pub(super) fn entry(&self, shard: u8, index: u32) -> Entry<'_> {
        let generation = self.generation;
        let slot = Slot {
            shard,
            index,
            generation,
        };
        Entry::Remembered { slot, row: self }
    }
}
