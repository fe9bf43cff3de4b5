//! Rows of a book, found by name or by number: a slab with an index beside it.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Something that has a name.
pub(super) trait Named {
    /// Its name, unique among the rows.
    fn name(&self) -> &str;
}

/// Rows by number and by name. A row keeps its number until it is removed; numbers are used again.
#[derive(Debug)]
pub(super) struct Rows<T> {
    rows: Vec<Option<T>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<T: Named> Rows<T> {
    /// The row of this name.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let rows = &self.rows;
        let same = |&row: &u32| name_of(rows, row) == name;
        self.index.find(self.hasher.hash_one(name), same).copied()
    }

    /// The number that the next new row gets.
    pub(super) fn next(&self) -> u32 {
        self.free
            .last()
            .copied()
            .unwrap_or_else(|| position(self.rows.len()))
    }

    /// Adds a row under the number that `next` gave.
    pub(super) fn insert(&mut self, row: T) -> u32 {
        let hash = self.hasher.hash_one(row.name());
        let number = match self.free.pop() {
            Some(number) => {
                self.rows[number as usize] = Some(row);
                number
            }
            None => {
                self.rows.push(Some(row));
                position(self.rows.len() - 1)
            }
        };
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.index
            .insert_unique(hash, number, |&it| hasher.hash_one(name_of(rows, it)));
        number
    }

    /// Removes a row; its number is free again.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(row) = self.rows.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        let hash = self.hasher.hash_one(row.name());
        if let Ok(entry) = self.index.find_entry(hash, |&it| it == number) {
            entry.remove();
        }
        self.free.push(number);
    }

    /// A row that exists: numbers come from `find`, `insert` and facts about rows that are referred to.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.rows.get(number as usize).and_then(Option::as_ref)
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.rows.get_mut(number as usize).and_then(Option::as_mut)
    }

    /// All rows with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let numbered = self.rows.iter().enumerate();
        numbered.filter_map(|(number, row)| row.as_ref().map(|row| (position(number), row)))
    }

    /// All rows, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.iter_mut().flatten()
    }
}

fn name_of<T: Named>(rows: &[Option<T>], number: u32) -> &str {
    rows.get(number as usize)
        .and_then(Option::as_ref)
        .map_or("", Named::name)
}

/// A place in a vector, as a number: bounds keep every vector far below 2^32 entries.
pub(super) fn position(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Named for String {
        fn name(&self) -> &str {
            self
        }
    }

    #[test]
    fn numbers_are_used_again_and_names_are_found() {
        let mut rows = Rows::default();
        let a = rows.insert("a".to_owned());
        let b = rows.insert("b".to_owned());
        assert_eq!(
            (rows.find("a"), rows.find("b"), rows.find("c")),
            (Some(a), Some(b), None)
        );
        rows.remove(a);
        assert_eq!((rows.find("a"), rows.next()), (None, a));
        assert_eq!(rows.insert("c".to_owned()), a);
        assert_eq!(
            rows.iter().map(|(_, row)| row.as_str()).collect::<Vec<_>>(),
            ["c", "b"]
        );
    }
}
