//! A copy in steps of things by number, while they change: whoever changes one that is not copied yet puts its old value
//! aside first, once.

use hashbrown::HashMap;

use crate::world::sabotage::{self, Fault};

use super::slab::position;

/// A copy under way.
#[derive(Debug)]
pub(super) struct Aside<T> {
    /// The next number to copy.
    next: u32,
    /// Numbers from here on came after the beginning.
    end: u32,
    /// What numbers that are not copied yet held at the beginning, where that has changed.
    aside: HashMap<u32, Option<T>>,
}

impl<T> Aside<T> {
    /// Begins a copy of the numbers before `end`; `None` if there are none.
    pub(super) fn begin(end: u32) -> Option<Box<Self>> {
        let (next, aside) = (0, HashMap::new());
        (end > 0).then(|| Box::new(Self { next, end, aside }))
    }

    /// What has this number is about to change.
    #[cold]
    pub(super) fn put(&mut self, number: u32, now: impl FnOnce() -> Option<T>) {
        let is_to_come = self.next <= number && number < self.end;
        if is_to_come && !sabotage::is(Fault::TornCopy) {
            self.aside.entry(number).or_insert_with(now);
        }
    }

    /// The numbers that come next, at most so many: they count as copied.
    pub(super) fn step(&mut self, numbers_max: usize) -> std::ops::Range<u32> {
        let first = self.next;
        self.next = self.end.min(first.saturating_add(position(numbers_max)));
        first..self.next
    }

    /// What was put aside for a number, once.
    pub(super) fn take(&mut self, number: u32) -> Option<Option<T>> {
        match self.aside.is_empty() {
            true => None,
            false => self.aside.remove(&number),
        }
    }

    /// Whether every number is copied.
    pub(super) fn is_done(&self) -> bool {
        self.next == self.end
    }
}
