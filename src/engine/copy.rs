//! A copy of the books as they are at one instant, taken in steps while requests go on.
//!
//! Nothing large is copied at the beginning: rows that change before their turn has come are put aside first (`slab.rs`,
//! `notices.rs`, `holds/copy.rs`), and what fires later is noted as later. What a book says beside its rows is small, and is cloned. So the
//! lock of a shard is held for some entries at a time only, and the copy is nevertheless of one instant.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::fact::OrganizationId;
use crate::domain::plan::Plan;
use crate::domain::time::Now;

use super::Engine;
use super::answer::EngineError;
use super::book::Book;
use super::copy_head::{BookHead, OrganizationHead, ShardHead};
use super::entry::Entry;
use super::organization::Organization;
use super::recorder::Receipt;
use super::shard::Shard;

/// A copy under way. Dropping it ends it.
pub struct Copying<'e> {
    engine: &'e Engine,
    plan: Arc<Plan>,
    now: Now,
    receipts: Vec<Receipt>,
    /// The shards that are not copied yet, in order; the first may be copied in part.
    heads: VecDeque<ShardHead>,
    cursor: Cursor,
}

/// How far the copy of a shard has come.
#[derive(Debug, Default)]
struct Cursor {
    part: Part,
    organization: usize,
    book: usize,
    day: usize,
}

/// What is copied next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Shard,
    Organization,
    Notices,
    Trials,
    Book,
    Environments,
    Users,
    Fired,
    Labels,
    Day,
    Rows,
    Remembered,
    End,
}

impl Engine {
    /// Begins a copy: fixes the instant, for all organizations and the plan together. `None` while another is under way.
    ///
    /// # Errors
    /// If something could not be recorded, now or earlier.
    pub fn copy(&self) -> Result<Option<Copying<'_>>, EngineError> {
        if self.has_failed() {
            return Err(EngineError::Unrecorded);
        }
        if self.copying.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        // With the plan's lock no plan changes: that change comes before the instant of every shard, or after all of them.
        let plan = self.plan.lock();
        let mut copying = Copying {
            engine: self,
            plan: Arc::clone(&plan),
            now: self.now(),
            receipts: Vec::with_capacity(self.shards.len()),
            heads: VecDeque::with_capacity(self.shards.len()),
            cursor: Cursor::default(),
        };
        for shard in &self.shards {
            let mut shard = shard.lock();
            let receipt = self.shared.recorder.record(&[]);
            let receipt = receipt.inspect_err(|_| self.poison())?;
            copying.receipts.push(receipt);
            copying.heads.push_back(shard.begin_copy());
        }
        Ok(Some(copying))
    }
}

impl Copying<'_> {
    /// The plan that the copy was begun under.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// When it was begun.
    pub fn now(&self) -> Now {
        self.now
    }

    /// For each shard how far the record went: the copy contains exactly the facts up to here.
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Copies some more entries, at most `entries_max` (at least one) under one lock; answers whether there are more.
    /// `each` is called with the lock of a shard held: it must not call back into the engine that is copied.
    pub fn step(&mut self, entries_max: usize, each: &mut dyn FnMut(&Entry<'_>)) -> bool {
        let Some(head) = self.heads.front() else {
            return false;
        };
        let mut shard = self.engine.shards[usize::from(head.shard)].lock();
        let mut left = entries_max.max(1);
        while left > 0 && self.cursor.part != Part::End {
            let copied = self.cursor.some(head, &mut shard, left, each);
            left = left.saturating_sub(copied);
        }
        if self.cursor.part == Part::End {
            shard.end_copy();
            let finished = std::mem::take(&mut shard.finished);
            drop(shard);
            drop(finished);
            self.heads.pop_front();
            self.cursor = Cursor::default();
        }
        !self.heads.is_empty()
    }
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        for head in &self.heads {
            let mut shard = self.engine.shards[usize::from(head.shard)].lock();
            shard.end_copy();
            let finished = std::mem::take(&mut shard.finished);
            drop(shard);
            drop(finished);
        }
        self.engine.copying.store(false, Ordering::Release);
    }
}

impl Cursor {
    /// Copies some entries of one part, at most so many, and moves on if the part is done; answers how many those were.
    fn some(
        &mut self,
        head: &ShardHead,
        shard: &mut Shard,
        most: usize,
        each: &mut dyn FnMut(&Entry<'_>),
    ) -> usize {
        match self.part {
            Part::Shard => {
                each(&head.entry());
                self.part = Part::Organization;
                1
            }
            Part::Remembered => {
                let number = head.shard;
                let holds = &mut shard.holds;
                let copied = holds.step(most, |index, row| each(&row.entry(number, index)));
                self.move_on(holds.is_copying(), Part::End);
                copied
            }
            Part::End => 0,
            _ => self.some_of_organization(head, shard, most, each),
        }
    }

    fn some_of_organization(
        &mut self,
        head: &ShardHead,
        shard: &mut Shard,
        most: usize,
        each: &mut dyn FnMut(&Entry<'_>),
    ) -> usize {
        let head = head.organizations.get(self.organization);
        let organization = shard.organizations.get_mut(self.organization);
        // Organizations are never removed: there is one for every head.
        let Some((head, organization)) = head.zip(organization) else {
            self.part = Part::Remembered;
            return 0;
        };
        let id = organization.id;
        match self.part {
            Part::Organization => {
                each(&head.entry(&organization.name));
                self.part = Part::Notices;
                1
            }
            Part::Notices => {
                let notices = &mut organization.notices;
                let copied = notices.step(most, |notice| {
                    let organization = id;
                    each(&Entry::Notice {
                        organization,
                        notice,
                    });
                });
                self.move_on(notices.is_copying(), Part::Trials);
                copied
            }
            Part::Trials => {
                let slab = organization.trials.slab();
                let copied = slab.step(most, |number, trial| each(&trial.entry(id, number)));
                self.move_on(slab.is_copying(), Part::Book);
                copied
            }
            Part::Day | Part::Rows => self.some_of_days(id, head, organization, most, each),
            _ => {
                let book_head = head.books.get(self.book);
                let book = book_head.and_then(|it| organization.book_mut(it.number));
                match book_head.zip(book) {
                    Some((head, book)) => self.some_of_book(id, head, book, most, each),
                    // A book stays as long as it is copied: there is one for every head, and this was the last.
                    None => {
                        self.part = Part::Day;
                        0
                    }
                }
            }
        }
    }

    fn some_of_days(
        &mut self,
        id: OrganizationId,
        head: &OrganizationHead,
        organization: &mut Organization,
        most: usize,
        each: &mut dyn FnMut(&Entry<'_>),
    ) -> usize {
        let day_head = head.days.get(self.day);
        let day = day_head.and_then(|it| organization.days.kept_mut(it.number));
        // As with books.
        let Some((head, day)) = day_head.zip(day) else {
            (self.organization, self.book, self.day) = (self.organization + 1, 0, 0);
            self.part = Part::Organization;
            return 0;
        };
        if self.part == Part::Day {
            each(&head.entry(id));
            self.part = Part::Rows;
            return 1;
        }
        let slab = day.slab();
        let copied = slab.step(most, |number, row| {
            each(&Entry::Usage {
                organization: id,
                day: head.number,
                number,
                row,
            });
        });
        let is_copying = slab.is_copying();
        self.move_on(is_copying, Part::Day);
        self.day += usize::from(!is_copying);
        copied
    }

    fn some_of_book(
        &mut self,
        organization: OrganizationId,
        head: &BookHead,
        book: &mut Book,
        most: usize,
        each: &mut dyn FnMut(&Entry<'_>),
    ) -> usize {
        let number = head.number;
        match self.part {
            Part::Environments => {
                let slab = book.environments.slab();
                let copied = slab.step(most, |row, it| each(&it.entry(organization, number, row)));
                self.move_on(slab.is_copying(), Part::Users);
                copied
            }
            Part::Users => {
                let slab = book.users.slab();
                let copied = slab.step(most, |row, it| each(&it.entry(organization, number, row)));
                self.move_on(slab.is_copying(), Part::Fired);
                copied
            }
            Part::Fired => {
                let copied = book.fired.step(most, |account, percent| {
                    each(&Entry::Fired {
                        organization,
                        book: number,
                        account,
                        percent,
                    });
                });
                self.move_on(book.fired.is_copying(), Part::Labels);
                copied
            }
            Part::Labels => {
                let copied = book.labels.step(most, |label, names| {
                    each(&Entry::Label {
                        organization,
                        book: number,
                        number: label,
                        names,
                    });
                });
                let is_copying = book.labels.is_copying();
                self.move_on(is_copying, Part::Book);
                self.book += usize::from(!is_copying);
                copied
            }
            _ => {
                each(&head.entry(organization));
                self.part = Part::Environments;
                1
            }
        }
    }

    fn move_on(&mut self, is_copying: bool, next: Part) {
        if !is_copying {
            self.part = next;
        }
    }
}
