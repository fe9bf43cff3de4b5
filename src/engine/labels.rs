//! What work is called in usage rows: product, model and operation, numbered once per book.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use crate::domain::fact::Label;

use super::blocks::Blocks;
use super::index::Index;
use super::slab::position;

/// An operation that nobody can name (names hold no control characters): corrections by an administrator.
pub(super) const ADJUSTMENT: &str = "\u{1}adjustment";

/// What models, operations and products are called that have no row of their own beyond the bounds.
pub const OTHER: &str = "other";

/// How work is called; an empty text is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Work<'a> {
    pub(super) product: &'a str,
    pub(super) model: &'a str,
    pub(super) operation: &'a str,
}

impl<'a> Work<'a> {
    pub(super) fn of(label: &'a Label) -> Self {
        Self {
            product: &label.product,
            model: &label.model,
            operation: &label.operation,
        }
    }

    /// Whether it is called nothing at all.
    pub(super) fn is_nameless(&self) -> bool {
        self.product.is_empty() && self.model.is_empty() && self.operation.is_empty()
    }

    pub(super) fn label(&self) -> Label {
        Label {
            product: self.product.into(),
            model: self.model.into(),
            operation: self.operation.into(),
        }
    }

    /// What it is called where there is no room: without the model, then without the operation, then without the product.
    /// What was not named stays unnamed.
    pub(super) fn folds(self) -> [Self; 3] {
        let other = |text: &'a str| if text.is_empty() { text } else { OTHER };
        let model = Self {
            model: other(self.model),
            ..self
        };
        let operation = Self {
            operation: other(self.operation),
            ..model
        };
        let product = Self {
            product: other(self.product),
            ..operation
        };
        [model, operation, product]
    }
}

/// The labels of a book. They only grow in number, and none changes: so a copy is the first so many of them.
#[derive(Debug, Default)]
pub(super) struct Labels {
    list: Blocks<Label>,
    index: Index,
    hasher: DefaultHashBuilder,
    /// The next to be copied, and how many there were when the copy began.
    copy: Option<(usize, usize)>,
}

impl Labels {
    /// The number of a label, counted from 1; 0 is called nothing.
    pub(super) fn find(&self, work: Work<'_>) -> Option<u32> {
        if work.is_nameless() {
            return Some(0);
        }
        let hash = self.hasher.hash_one(work);
        let same = |number: u32| self.get(number).map(Work::of) == Some(work);
        self.index.find(hash, same)
    }

    /// A label by its number.
    pub(super) fn get(&self, number: u32) -> Option<&Label> {
        self.list.get((number as usize).checked_sub(1)?)
    }

    /// The number that the next new label gets.
    pub(super) fn next(&self) -> u32 {
        position(self.list.len()).saturating_add(1)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds a label under the number that `next` gave; answers whether it is that one.
    pub(super) fn insert(&mut self, number: u32, label: Label) -> bool {
        if number != self.next() {
            return false;
        }
        let hash = self.hasher.hash_one(Work::of(&label));
        self.list.push(label);
        self.index.insert(hash, number);
        true
    }

    /// All labels with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Label)> {
        (1..).zip(self.list.iter())
    }

    /// Begins a copy of what is here now.
    pub(super) fn begin_copy(&mut self) {
        self.copy = (self.list.len() > 0).then_some((0, self.list.len()));
    }

    /// Copies the next ones, at most so many; answers how many those were.
    pub(super) fn step(&mut self, labels_max: usize, mut each: impl FnMut(u32, &Label)) -> usize {
        let Some((next, end)) = self.copy else {
            return 0;
        };
        let last = end.min(next.saturating_add(labels_max));
        for place in next..last {
            if let Some(label) = self.list.get(place) {
                each(position(place).saturating_add(1), label);
            }
        }
        self.copy = (last < end).then_some((last, end));
        last - next
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

    fn work<'a>(product: &'a str, model: &'a str, operation: &'a str) -> Work<'a> {
        Work {
            product,
            model,
            operation,
        }
    }

    #[test]
    fn labels_are_numbered_from_1_and_found_by_all_three_names() {
        let mut labels = Labels::default();
        for (number, it) in [(1, work("a", "b", "c")), (2, work("a", "", "c"))] {
            assert_eq!(labels.find(it), None);
            assert!(labels.insert(labels.next(), it.label()));
            assert_eq!(labels.find(it), Some(number));
        }
        assert_eq!(labels.find(work("", "", "")), Some(0));
        assert_eq!(labels.find(work("ab", "", "c")), None);
        assert!(!labels.insert(7, work("x", "", "").label()));
        assert_eq!(labels.len(), 2);
    }

    #[test]
    fn a_copy_shows_the_labels_of_its_beginning() {
        let mut labels = Labels::default();
        for name in ["a", "b", "c"] {
            labels.insert(labels.next(), work(name, "", "").label());
        }
        labels.begin_copy();
        let mut copied = Vec::new();
        while labels.is_copying() {
            labels.step(2, |number, label| {
                copied.push((number, label.product.clone()))
            });
            labels.insert(
                labels.next(),
                work("later", "", &copied.len().to_string()).label(),
            );
        }
        assert_eq!(copied, [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
    }

    #[test]
    fn what_was_not_named_is_not_folded() {
        let [model, operation, product] = work("p", "", "o").folds();
        assert_eq!(model, work("p", "", "o"));
        assert_eq!(operation, work("p", "", OTHER));
        assert_eq!(product, work(OTHER, "", OTHER));
    }
}
