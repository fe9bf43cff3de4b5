//! Slots by number, which can be copied in steps while they change.
//!
//! A copy shows every slot as it was when the copy began: whoever changes one that is not copied yet puts its old value
//! aside first, once. Without a copy under way that costs one branch.

use super::aside::Aside;
use super::blocks::Blocks;

/// A number lies at most so far beyond the last slot: no legitimate fact names one further away, and a damaged one must
/// not ask for all memory there is.
pub(super) const GAP_MAX: u32 = 1 << 24;

/// Values by number. A number is used again after its value was removed.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Blocks<Option<T>>,
    /// Vacant slots, the next to be filled last. Deeper down it may name one twice, or one that a fact has filled.
    free: Vec<u32>,
    copy: Option<Box<Aside<T>>>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        let (slots, free, copy) = (Blocks::default(), Vec::new(), None);
        Self { slots, free, copy }
    }
}

impl<T: Clone> Slab<T> {
    /// The number that the next new value gets.
    pub(super) fn next(&self) -> u32 {
        let free = self.free.last().copied();
        free.unwrap_or_else(|| position(self.slots.len()))
    }

    /// How many slots there are, vacant ones with them.
    pub(super) fn slots(&self) -> u32 {
        position(self.slots.len())
    }

    /// Fills a slot: the one that `next` gave, or that a fact names. A number more than [`GAP_MAX`] beyond the last is
    /// left out.
    pub(super) fn insert(&mut self, number: u32, value: T) {
        if self.copy.is_some() {
            self.put_aside(number);
        }
        match self.slots.get_mut(number as usize) {
            Some(slot) => {
                *slot = Some(value);
                self.find_next();
            }
            None => self.grow(number, value),
        }
    }

    fn grow(&mut self, number: u32, value: T) {
        let slots = self.slots();
        if number.saturating_sub(slots) > GAP_MAX {
            return;
        }
        for vacant in slots..number {
            self.slots.push(None);
            self.free.push(vacant);
        }
        self.slots.push(Some(value));
    }

    /// Takes numbers that are filled off the end of the list, so that the next one is vacant.
    #[inline]
    fn find_next(&mut self) {
        while self.free.last().is_some_and(|&it| self.get(it).is_some()) {
            self.free.pop();
        }
    }

    /// Empties a slot; its number is free again.
    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        if self.copy.is_some() {
            self.put_aside(number);
        }
        let value = self.slots.get_mut(number as usize)?.take()?;
        self.freed(number);
        Some(value)
    }

    /// The same for values that nobody wants to have back.
    #[inline]
    pub(super) fn empty(&mut self, number: u32) {
        if self.copy.is_some() {
            self.put_aside(number);
        }
        if let Some(slot) = self.slots.get_mut(number as usize)
            && slot.is_some()
        {
            *slot = None;
            self.freed(number);
        }
    }

    #[inline]
    fn freed(&mut self, number: u32) {
        self.free.push(number);
        // Where facts choose other slots than `next` would, what they have filled stays in the list until here.
        if self.free.len() > 2 * self.slots.len() + 64 {
            self.find_free();
        }
    }

    /// Finds the vacant slots again; the lowest is filled next.
    pub(super) fn find_free(&mut self) {
        self.free.clear();
        let numbered = (0..self.slots()).rev();
        let slots = &self.slots;
        let vacant = numbered.filter(|&it| slots.get(it as usize).is_some_and(Option::is_none));
        self.free.extend(vacant);
    }

    /// A value.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.slots.get(number as usize).and_then(Option::as_ref)
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        if self.copy.is_some() {
            self.put_aside(number);
        }
        self.slots.get_mut(number as usize).and_then(Option::as_mut)
    }

    /// All values with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let numbered = self.slots.iter().enumerate();
        numbered.filter_map(|(number, slot)| slot.as_ref().map(|it| (position(number), it)))
    }

    /// All values, to change only what is derived from other things: nothing is put aside for a copy, which leaves out what
    /// is derived.
    pub(super) fn iter_derived(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let numbered = self.slots.iter_mut().enumerate();
        numbered.filter_map(|(number, slot)| slot.as_mut().map(|it| (position(number), it)))
    }

    /// A value, to change only what is derived from other things; as with [`Self::iter_derived`].
    pub(super) fn get_derived(&mut self, number: u32) -> Option<&mut T> {
        self.slots.get_mut(number as usize).and_then(Option::as_mut)
    }

    /// Begins a copy of what is here now.
    pub(super) fn begin_copy(&mut self) {
        self.copy = Aside::begin(self.slots());
    }

    /// Copies the next slots, at most so many; answers how many those were, vacant ones with them.
    pub(super) fn step(&mut self, slots_max: usize, mut each: impl FnMut(u32, &T)) -> usize {
        let Some(copy) = &mut self.copy else {
            return 0;
        };
        let numbers = copy.step(slots_max);
        let copied = numbers.len();
        for number in numbers {
            let aside = copy.take(number);
            let now = self.slots.get(number as usize).and_then(Option::as_ref);
            let then = aside.as_ref().map_or(now, Option::as_ref);
            if let Some(value) = then {
                each(number, value);
            }
        }
        if copy.is_done() {
            self.copy = None;
        }
        copied
    }

    /// Whether a copy is under way.
    pub(super) fn is_copying(&self) -> bool {
        self.copy.is_some()
    }

    /// Ends a copy, whether it has come to its end or not.
    pub(super) fn end_copy(&mut self) {
        self.copy = None;
    }

    #[cold]
    fn put_aside(&mut self, number: u32) {
        if let Some(copy) = &mut self.copy {
            let slot = self.slots.get(number as usize).and_then(Option::as_ref);
            copy.put(number, || slot.cloned());
        }
    }
}

/// A place in a vector, as a number: bounds keep every vector far below 2^32 entries.
pub(super) fn position(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
