//! A vector that grows block by block: what is in it is never moved, so that growing a million entries stalls nobody, and
//! at most one block is empty.

/// Entries in a block.
const BLOCK: usize = 1_024;

/// Values by place.
#[derive(Clone, Debug)]
pub(super) struct Blocks<T> {
    /// It grows by doubling until it is full: most vectors are short.
    first: Vec<T>,
    /// Each was made at its full size.
    more: Vec<Vec<T>>,
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        let (first, more) = (Vec::new(), Vec::new());
        Self { first, more }
    }
}

impl<T> Blocks<T> {
    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self.more.split_last() {
            None => self.first.len(),
            Some((last, full)) => (full.len() + 1) * BLOCK + last.len(),
        }
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<&T> {
        match place.checked_sub(BLOCK) {
            None => self.first.get(place),
            Some(beyond) => self.more.get(beyond / BLOCK)?.get(beyond % BLOCK),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        match place.checked_sub(BLOCK) {
            None => self.first.get_mut(place),
            Some(beyond) => self.more.get_mut(beyond / BLOCK)?.get_mut(beyond % BLOCK),
        }
    }

    /// Adds one at the end.
    #[inline]
    pub(super) fn push(&mut self, value: T) {
        let last = self.more.last_mut().unwrap_or(&mut self.first);
        if last.len() < BLOCK {
            last.push(value);
        } else {
            let mut block = Vec::with_capacity(BLOCK);
            block.push(value);
            self.more.push(block);
        }
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.first.iter().chain(self.more.iter().flatten())
    }

    /// All of them, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first.iter_mut().chain(self.more.iter_mut().flatten())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn it_is_a_vector_whose_entries_stay_where_they_are() {
        let (mut blocks, mut plain) = (Blocks::default(), Vec::new());
        let mut places = Vec::new();
        for value in 0..3 * BLOCK + 7 {
            assert_eq!((blocks.get(value), blocks.len()), (None, value));
            blocks.push(value);
            plain.push(value);
            if value >= BLOCK {
                places.push(std::ptr::from_ref(blocks.get(value).unwrap()));
            }
        }
        assert_eq!(blocks.len(), plain.len());
        assert!(blocks.iter().eq(&plain));
        for place in [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK, 3 * BLOCK + 6] {
            assert_eq!(blocks.get(place), Some(&place));
            assert_eq!(blocks.get_mut(place), Some(&mut plain[place]));
        }
        let now = (BLOCK..blocks.len()).map(|it| std::ptr::from_ref(blocks.get(it).unwrap()));
        assert!(now.eq(places));
        blocks.iter_mut().for_each(|value| *value += 1);
        assert!(blocks.iter().copied().eq(1..=plain.len()));
    }
}
