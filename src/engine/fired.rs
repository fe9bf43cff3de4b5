//! Thresholds that fired in a book: a set that only grows, and can be copied in steps while it does.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::domain::account::Account;

/// An account and a percentage of its limit.
type Mark = (Account, u32);

/// What fired.
#[derive(Debug, Default)]
pub(super) struct Fired {
    marks: BTreeSet<Mark>,
    copy: Option<Copy>,
}

/// A copy under way.
#[derive(Debug, Default)]
struct Copy {
    /// The last one that was copied.
    last: Option<Mark>,
    /// What fired after the beginning.
    later: BTreeSet<Mark>,
}

impl Fired {
    /// Whether it fired.
    pub(super) fn contains(&self, mark: &Mark) -> bool {
        self.marks.contains(mark)
    }

    /// It fired. Another time changes nothing.
    pub(super) fn insert(&mut self, mark: Mark) {
        let Some(copy) = &mut self.copy else {
            self.marks.insert(mark);
            return;
        };
        if self.marks.insert(mark.clone()) {
            copy.later.insert(mark);
        }
    }

    /// All that fired, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter()
    }

    /// Begins a copy of what has fired by now.
    pub(super) fn begin_copy(&mut self) {
        self.copy = (!self.marks.is_empty()).then(Copy::default);
    }

    /// Copies the next ones, at most so many; answers how many it looked at.
    pub(super) fn step(&mut self, marks_max: usize, mut each: impl FnMut(&Account, u32)) -> usize {
        let Some(copy) = &mut self.copy else {
            return 0;
        };
        let after = copy.last.take();
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut looked = 0;
        for mark in self.marks.range((from, Bound::Unbounded)).take(marks_max) {
            if !copy.later.contains(mark) {
                each(&mark.0, mark.1);
            }
            looked += 1;
            if looked == marks_max {
                copy.last = Some(mark.clone());
            }
        }
        if looked < marks_max {
            self.copy = None;
        }
        looked
    }

    /// Whether a copy is under way.
    pub(super) fn is_copying(&self) -> bool {
        self.copy.is_some()
    }

    /// Ends a copy, whether it has come to its end or not.
    pub(super) fn end_copy(&mut self) {
        self.copy = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_leaves_out_what_fired_after_its_beginning() {
        for steps in 1..6 {
            let mut fired = Fired::default();
            for percent in [10, 30, 50, 70] {
                fired.insert((Account::Pool, percent));
            }
            fired.begin_copy();
            let (mut copied, mut next) = (Vec::new(), 0);
            while fired.is_copying() {
                fired.step(steps, |_, percent| copied.push(percent));
                next = (next + 25).min(200);
                fired.insert((Account::Pool, next));
                fired.insert((Account::Pool, 70));
            }
            assert_eq!(copied, [10, 30, 50, 70], "in steps of {steps}");
        }
    }
}
