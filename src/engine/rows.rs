//! Rows of a book, found by name or by number: a slab with an index beside it.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use super::index::Index;
use super::slab::Slab;

/// So few rows are looked through: an organization has few environments, and a hash costs as much as comparing with them.
const FEW: u32 = 4;

/// Something that has a name.
pub(super) trait Named {
    /// Its name, unique among the rows.
    fn name(&self) -> &str;
}

/// Rows by number and by name. A row keeps its number until it is removed; numbers are used again.
#[derive(Debug)]
pub(super) struct Rows<T> {
    slab: Slab<T>,
    index: Index,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            slab: Slab::default(),
            index: Index::default(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<T: Named + Clone> Rows<T> {
    /// The row of this name.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let is_meant = |number: u32| self.get(number).is_some_and(|row| row.name() == name);
        let slots = self.slots();
        if slots <= FEW {
            return (0..slots).find(|&number| is_meant(number));
        }
        self.index.find(self.hasher.hash_one(name), is_meant)
    }

    /// The row of this name itself.
    pub(super) fn find_row(&self, name: &str) -> Option<&T> {
        self.get(self.find(name)?)
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The number that the next new row gets.
    pub(super) fn next(&self) -> u32 {
        self.slab.next()
    }

    /// How many numbers are in use or free.
    pub(super) fn slots(&self) -> u32 {
        self.slab.slots()
    }

    /// Adds a row under a number: the one that `next` gave, or that a fact names.
    pub(super) fn insert(&mut self, number: u32, row: T) {
        self.remove(number);
        let hash = self.hasher.hash_one(row.name());
        self.slab.insert(number, row);
        if self.slab.get(number).is_some() {
            self.index.insert(hash, number);
        }
    }

    /// Removes a row; its number is free again.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(row) = self.slab.remove(number) else {
            return;
        };
        let hash = self.hasher.hash_one(row.name());
        self.index.remove(hash, number);
    }

    /// A row that exists: numbers come from `find`, `insert` and facts about rows that are referred to.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.slab.get(number)
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.slab.get_mut(number)
    }

    /// All rows with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slab.iter()
    }

    /// All rows, to change only what is derived (`Slab::iter_derived`).
    pub(super) fn iter_derived(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.slab.iter_derived()
    }

    /// One row, to change only what is derived.
    pub(super) fn get_derived(&mut self, number: u32) -> Option<&mut T> {
        self.slab.get_derived(number)
    }

    /// The slab itself, to copy it.
    pub(super) fn slab(&mut self) -> &mut Slab<T> {
        &mut self.slab
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Named for String {
        fn name(&self) -> &str {
            self
        }
    }

    fn add(rows: &mut Rows<String>, name: &str) -> u32 {
        let number = rows.next();
        rows.insert(number, name.to_owned());
        number
    }

    /// Rows with so many in them, and as many vacant numbers: few are looked through, many are found by the index.
    fn with(others: u32) -> Rows<String> {
        let mut rows = Rows::default();
        let numbers: Vec<_> = (0..2 * others)
            .map(|it| add(&mut rows, &format!("other {it}")))
            .collect();
        for number in numbers.into_iter().step_by(2) {
            rows.remove(number);
        }
        rows
    }

    #[test]
    fn numbers_are_used_again_and_names_are_found() {
        for others in [0, 1, FEW] {
            let mut rows = with(others);
            let (a, b) = (add(&mut rows, "a"), add(&mut rows, "b"));
            assert_eq!(
                (rows.find("a"), rows.find("b"), rows.find("c")),
                (Some(a), Some(b), None)
            );
            rows.remove(a);
            assert_eq!(
                (rows.find("a"), rows.find(""), rows.next()),
                (None, None, a)
            );
            assert_eq!(add(&mut rows, "c"), a);
            let named = |number: u32| rows.get(number).map(String::as_str);
            assert_eq!((named(a), named(b)), (Some("c"), Some("b")));
            assert_eq!((rows.find("c"), rows.find("b")), (Some(a), Some(b)));
        }
    }

    #[test]
    fn a_row_that_takes_the_place_of_another_takes_its_name_from_the_index() {
        for others in [0, FEW] {
            let mut rows = with(others);
            let a = add(&mut rows, "a");
            rows.insert(a, "b".to_owned());
            assert_eq!((rows.find("a"), rows.find("b")), (None, Some(a)));
        }
    }
}
