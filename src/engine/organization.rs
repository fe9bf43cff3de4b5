//! One organization: its books, the trials of its users, and what fired.

use std::hash::BuildHasher;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;

use crate::domain::fact::{OrganizationId, TrialPeriod};
use crate::domain::notice::Notice;
use crate::domain::plan::OrganizationPlan;
use crate::domain::time::Timestamp;

use super::book::Book;
use super::gauges::Gauges;
use super::notices::Notices;
use super::rows::{Named, Rows};
use super::slab::position;
use super::usage::Days;

/// A trial period with what it has paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// When, and how much.
    pub terms: TrialPeriod,
    /// What it has paid, in credits.
    pub used: u64,
    /// What it pays of open holds, in credits.
    pub held: u64,
}

impl Period {
    pub(super) fn pot(&self) -> TrialPot {
        TrialPot {
            credits: self.terms.credits,
            until: self.terms.until,
            used: self.used,
            held: self.held,
        }
    }
}

/// What a request needs to know of a trial period: it is copied with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrialPot {
    /// How much it gives.
    pub(super) credits: u64,
    /// Until just before.
    pub(super) until: Timestamp,
    pub(super) used: u64,
    pub(super) held: u64,
}

impl TrialPot {
    pub(super) fn drawn(&self) -> u64 {
        self.used + self.held
    }
}

/// A user's trial: its periods, the last one last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) user: Box<str>,
    pub(super) periods: SmallVec<[Period; 1]>,
}

impl Named for Trial {
    fn name(&self) -> &str {
        &self.user
    }
}

impl Trial {
    /// The period of a number that facts and holds carry, counted from 1.
    pub(super) fn period(&self, number: u8) -> Option<&Period> {
        self.periods.get(usize::from(number).checked_sub(1)?)
    }

    /// The number of the last period, if it is running.
    pub(super) fn running(&self, now: Timestamp) -> Option<u8> {
        let last = self.periods.last()?;
        let number = u8::try_from(self.periods.len()).ok()?;
        (last.terms.from <= now && now < last.terms.until).then_some(number)
    }
}

/// So few organizations are looked through: a hash costs as much as comparing with them.
const FEW: usize = 4;

/// The organizations of a shard, by place and by name.
#[derive(Debug, Default)]
pub(super) struct Organizations {
    list: Vec<Organization>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Organizations {
    /// The organization of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Organization> {
        if self.list.len() <= FEW {
            return self.list.iter().find(|it| *it.name == *name);
        }
        let named = |&place: &u32| self.at(place).is_some_and(|it| *it.name == *name);
        let place = self.index.find(self.hasher.hash_one(name), named)?;
        self.at(*place)
    }

    /// Adds one behind the last.
    pub(super) fn push(&mut self, organization: Organization) {
        let place = position(self.list.len());
        let hash = self.hasher.hash_one(&*organization.name);
        self.list.push(organization);
        let (list, hasher) = (&self.list, &self.hasher);
        let hash_of = |&place: &u32| {
            let found = list.get(place as usize);
            found.map_or(0, |it| hasher.hash_one(&*it.name))
        };
        self.index.insert_unique(hash, place, hash_of);
    }

    fn at(&self, place: u32) -> Option<&Organization> {
        self.list.get(place as usize)
    }
}

impl Deref for Organizations {
    type Target = [Organization];

    fn deref(&self) -> &[Organization] {
        &self.list
    }
}

impl DerefMut for Organizations {
    fn deref_mut(&mut self) -> &mut [Organization] {
        &mut self.list
    }
}

/// One organization.
#[derive(Debug)]
pub(super) struct Organization {
    pub(super) id: OrganizationId,
    pub(super) name: Box<str>,
    /// Whether the present plan names it. The books of one that it does not name are kept.
    pub(super) is_planned: bool,
    pub(super) plan: Arc<OrganizationPlan>,
    /// Oldest first; the last is the present cycle's. Empty until the first cycle has opened. Every request asks for the last
    /// several times, which is cheaper here than in a queue; the first goes once a cycle.
    pub(super) books: Vec<Book>,
    pub(super) trials: Rows<Trial>,
    /// When extensions were requested in the last year.
    pub(super) extension_requests: Vec<Timestamp>,
    pub(super) notices: Notices,
    /// How many of them were lost since the start, because too many waited.
    pub(super) notices_lost: u64,
    /// Usage rows of days that stand in no file yet.
    pub(super) days: Days,
    pub(super) gauges: Arc<Gauges>,
}

impl Organization {
    pub(super) fn new(id: OrganizationId, name: Box<str>) -> Self {
        Self {
            id,
            name,
            is_planned: false,
            plan: Arc::default(),
            books: Vec::new(),
            trials: Rows::default(),
            extension_requests: Vec::new(),
            notices: Notices::default(),
            notices_lost: 0,
            days: Days::default(),
            gauges: Arc::default(),
        }
    }

    /// The present cycle's book.
    pub(super) fn present(&self) -> Option<&Book> {
        self.books.last()
    }

    /// A book by its number, if it is still kept.
    #[inline]
    pub(super) fn book(&self, number: u32) -> Option<&Book> {
        // Almost always it is the present one.
        let present = self.present().filter(|book| book.number == number);
        present.or_else(|| self.books.get(place(&self.books, number)?))
    }

    /// The same, to change it.
    pub(super) fn book_mut(&mut self, number: u32) -> Option<&mut Book> {
        numbered(&mut self.books, number)
    }

    /// Takes out closed books that nothing refers to any more, from the oldest on. While a book is copied it stays.
    pub(super) fn take_finished_book(&mut self) -> Option<Book> {
        let is_copied = self.books.first().is_some_and(|book| book.is_copied);
        (self.finished() > 0 && !is_copied).then(|| self.books.remove(0))
    }

    /// How many of the oldest books are closed, and nothing refers to them.
    pub(super) fn finished(&self) -> usize {
        let closed = self.books.iter().take(self.books.len().saturating_sub(1));
        closed.take_while(|book| book.references == 0).count()
    }

    /// Something is to be told.
    pub(super) fn notice(&mut self, notice: Notice) {
        self.notices_lost += u64::from(self.notices.push(notice));
    }

    /// The present cycle has come to its end: how it stood just before is to be told.
    pub(super) fn close_cycle(&mut self, rolled_over: u64) {
        let Some(book) = self.present() else {
            return;
        };
        let closing = book.timeline.at(book.span.end.just_before());
        let closed = Notice::CycleClosed {
            cycle: book.span,
            used: book.totals.used,
            trial_used: book.totals.trial_used,
            entitlement: closing.purchased.total() + book.rolled_over,
            rolled_over,
        };
        self.notice(closed);
    }

    /// A user's trial starts, or is renewed.
    pub(super) fn begin_trial(&mut self, user: &str, terms: TrialPeriod) {
        let number = match self.trials.find(user) {
            Some(number) => number,
            None => {
                let (number, user) = (self.trials.next(), user.into());
                let periods = SmallVec::new();
                self.trials.insert(number, Trial { user, periods });
                number
            }
        };
        let (used, held) = (0, 0);
        if let Some(trial) = self.trials.get_mut(number) {
            trial.periods.push(Period { terms, used, held });
        }
    }

    /// Shows the present cycle's totals to whoever watches.
    pub(super) fn show(&self) {
        if let Some(book) = self.present() {
            self.gauges.show(book);
        }
    }
}

/// The book of a number, if it is still kept.
#[inline]
pub(super) fn numbered(books: &mut [Book], number: u32) -> Option<&mut Book> {
    let present = books.last().is_some_and(|book| book.number == number);
    match present {
        true => books.last_mut(),
        false => books.get_mut(place(books, number)?),
    }
}

/// Where a book stands among those that are kept.
fn place(books: &[Book], number: u32) -> Option<usize> {
    // Numbers are consecutive: books go from the oldest on only.
    let first = books.first()?.number;
    Some(number.checked_sub(first)? as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organizations_are_found_however_many_there_are() {
        let mut organizations = Organizations::default();
        for index in 0..3 * position(FEW) {
            let id = OrganizationId { shard: 0, index };
            organizations.push(Organization::new(id, format!("acme-{index}").into()));
            let found = |name: &str| organizations.find(name).map(|it| it.id.index);
            for earlier in 0..=index {
                assert_eq!(found(&format!("acme-{earlier}")), Some(earlier));
            }
            assert_eq!(found("acme"), None);
        }
    }
}
