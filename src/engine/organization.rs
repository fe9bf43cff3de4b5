//! One organization: its books, the trials of its users, and what fired.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::fact::{OrganizationId, TrialPeriod};
use crate::domain::plan::OrganizationPlan;
use crate::domain::time::Timestamp;

use super::answer::Notice;
use super::book::Book;
use super::gauges::Gauges;

/// So many notices wait at most for somebody who asks; then the oldest go.
pub(super) const NOTICES_MAX: usize = 65_536;

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
    pub(super) fn drawn(&self) -> u64 {
        self.used + self.held
    }
}

/// A user's trial: its periods, the last one last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) periods: SmallVec<[Period; 1]>,
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

/// One organization.
#[derive(Debug)]
pub(super) struct Organization {
    pub(super) id: OrganizationId,
    pub(super) name: Box<str>,
    /// Whether the present plan names it. The books of one that it does not name are kept.
    pub(super) is_planned: bool,
    pub(super) plan: Arc<OrganizationPlan>,
    /// Oldest first; the last is the present cycle's. Empty until the first cycle has opened.
    pub(super) books: VecDeque<Book>,
    pub(super) trials: HashMap<Box<str>, Trial>,
    /// When extensions were requested in the last year.
    pub(super) extension_requests: Vec<Timestamp>,
    pub(super) notices: VecDeque<Notice>,
    pub(super) gauges: Arc<Gauges>,
}

impl Organization {
    pub(super) fn new(id: OrganizationId, name: Box<str>) -> Self {
        Self {
            id,
            name,
            is_planned: false,
            plan: Arc::default(),
            books: VecDeque::new(),
            trials: HashMap::new(),
            extension_requests: Vec::new(),
            notices: VecDeque::new(),
            gauges: Arc::default(),
        }
    }

    /// The present cycle's book.
    pub(super) fn present(&self) -> Option<&Book> {
        self.books.back()
    }

    /// A book by its number, if it is still kept.
    pub(super) fn book(&self, number: u32) -> Option<&Book> {
        self.books.get(self.place(number)?)
    }

    /// The same, to change it.
    pub(super) fn book_mut(&mut self, number: u32) -> Option<&mut Book> {
        let place = self.place(number)?;
        self.books.get_mut(place)
    }

    /// Takes out closed books that nothing refers to any more, from the oldest on.
    pub(super) fn take_finished_book(&mut self) -> Option<Book> {
        let is_closed = self.books.len() > 1;
        let finished = is_closed && self.books.front().is_some_and(|book| book.references == 0);
        if finished {
            self.books.pop_front()
        } else {
            None
        }
    }

    /// Shows the present cycle's totals to whoever watches.
    pub(super) fn show(&self) {
        if let Some(book) = self.present() {
            self.gauges.show(book);
        }
    }

    /// Adds a notice, without letting the list grow for ever.
    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() >= NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    fn place(&self, number: u32) -> Option<usize> {
        // Numbers are consecutive: books go from the oldest on only.
        let first = self.books.front()?.number;
        Some(number.checked_sub(first)? as usize)
    }
}
