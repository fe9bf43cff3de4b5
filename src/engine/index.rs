//! Numbers by a hash of what they stand for. What is looked up lies elsewhere: here are four bytes of its hash and its
//! number, so that growing touches nothing else; and it grows by a part at a time, so that a million entries stall nobody.

use hashbrown::HashTable;

/// An entry.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    number: u32,
}

/// So many entries are divided into [`PARTS`].
const DIVIDED: usize = 8_192;
const PARTS: usize = 256;

/// The index.
#[derive(Debug, Default)]
pub(super) struct Index {
    whole: HashTable<Entry>,
    /// Empty until there are [`DIVIDED`]; then the whole one is.
    parts: Vec<HashTable<Entry>>,
    entries: usize,
}

impl Index {
    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The number under this hash that is meant.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_meant: impl Fn(u32) -> bool) -> Option<u32> {
        let (part, half) = places(hash);
        let table = self.parts.get(part).unwrap_or(&self.whole);
        let found = table.find(spread(half), |it| it.hash == half && is_meant(it.number));
        found.map(|entry| entry.number)
    }

    /// Adds a number that is not in it.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        if self.entries == DIVIDED && self.parts.is_empty() {
            self.divide();
        }
        let (part, half) = places(hash);
        let table = self.parts.get_mut(part).unwrap_or(&mut self.whole);
        let entry = Entry { hash: half, number };
        table.insert_unique(spread(half), entry, |it| spread(it.hash));
        self.entries += 1;
    }

    /// Takes a number out.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let (part, half) = places(hash);
        let table = self.parts.get_mut(part).unwrap_or(&mut self.whole);
        if let Ok(entry) = table.find_entry(spread(half), |it| it.number == number) {
            entry.remove();
            self.entries -= 1;
        }
    }

    /// The hashes' other halves are not kept, so that a part is told by the lowest bits of the half that is: tables place
    /// their entries by the bits above them.
    fn divide(&mut self) {
        self.parts.resize_with(PARTS, HashTable::new);
        for entry in std::mem::take(&mut self.whole) {
            let part = self.parts.get_mut(part_of(entry.hash));
            if let Some(part) = part {
                part.insert_unique(spread(entry.hash), entry, |it| spread(it.hash));
            }
        }
    }
}

#[inline]
fn places(hash: u64) -> (usize, u32) {
    let [a, b, c, d, ..] = hash.to_be_bytes();
    let half = u32::from_be_bytes([a, b, c, d]);
    (part_of(half), half)
}

#[inline]
fn part_of(half: u32) -> usize {
    half as usize % PARTS
}

/// A table takes the place from the lowest bits, and a tag from the highest ones.
#[inline]
fn spread(half: u32) -> u64 {
    u64::from(half >> 8) | u64::from(half) << 32
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use hashbrown::DefaultHashBuilder;

    use super::*;

    #[test]
    fn numbers_are_found_before_and_after_it_is_divided() {
        let hasher = DefaultHashBuilder::default();
        let hash = |number: u32| hasher.hash_one(number / 2);
        let mut index = Index::default();
        assert!(index.is_empty());
        let count = u32::try_from(3 * DIVIDED).unwrap_or(0);
        for number in 0..count {
            index.insert(hash(number), number);
            let other = number / 2;
            assert_eq!(index.find(hash(other), |it| it == other), Some(other));
        }
        assert_eq!(index.entries, 3 * DIVIDED);
        assert_eq!(index.parts.len(), PARTS);
        for number in (0..count).step_by(3) {
            index.remove(hash(number), number);
            index.remove(hash(number), number);
        }
        for number in 0..count {
            let expected = (number % 3 != 0).then_some(number);
            assert_eq!(index.find(hash(number), |it| it == number), expected);
        }
        let fullest = index.parts.iter().map(HashTable::len).max().unwrap_or(0);
        assert!(fullest < 4 * DIVIDED / PARTS, "{fullest} in one part");
    }
}
