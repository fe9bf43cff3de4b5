//! Holds and settled requests by slot: an id that the engine gave out names its slot, so that finding it needs no hash.
//!
//! An open hold and a settled request keep different things: so a slot says only where its own is. Both are packed, and
//! leave out what follows from the slot; everybody else sees a whole [`Row`].

mod copy;
mod ids;
mod open;
mod ring;
mod row;

use std::num::NonZeroU32;

use crate::domain::fact::{Held, Place, Slot};
use crate::domain::time::Timestamp;

use super::blocks::Blocks;
use super::slab::Slab;

use copy::Progress;
pub(super) use ids::{INDEX_MAX, hex, uuid_v7_millis};
pub(crate) use ids::{id_of, slot_of};
use open::{Named, Open};
use ring::Ring;
pub(super) use row::End;
pub use row::{Row, State};

/// Where what a slot holds is: an open hold, or a record of the queue of settled requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Open(u32),
    Settled(u32),
}

/// A spot in four bytes; the lowest bit tells the two apart.
#[derive(Clone, Copy, Debug)]
struct Packed(NonZeroU32);

impl Spot {
    fn packed(self) -> Packed {
        let number = match self {
            Self::Open(number) => number.wrapping_add(1) << 1,
            Self::Settled(position) => position << 1 | 1,
        };
        Packed(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX))
    }
}

impl Packed {
    #[inline]
    fn spot(self) -> Spot {
        let number = self.0.get();
        if number & 1 == 0 {
            Spot::Open((number >> 1) - 1)
        } else {
            Spot::Settled(number >> 1)
        }
    }
}

/// The holds and settled requests of one shard.
#[derive(Debug)]
pub(super) struct Holds {
    shard: u8,
    /// The random half of the ids that follow from their slots.
    start: u64,
    spots: Slab<Packed>,
    /// The generation that each slot's next row gets.
    generations: Blocks<u32>,
    open: Slab<Open>,
    /// Of open holds, the ids that do not follow from their slots.
    named: Slab<Named>,
    settled: Ring,
    copy: Option<Box<Progress>>,
}

impl Holds {
    pub(super) fn new(shard: u8, start: u64) -> Self {
        Self {
            shard,
            start,
            spots: Slab::default(),
            generations: Blocks::default(),
            open: Slab::default(),
            named: Slab::default(),
            settled: Ring::default(),
            copy: None,
        }
    }

    /// The slot that the next row gets.
    pub(super) fn next(&self, shard: u8) -> Slot {
        let index = self.spots.next();
        let generation = self.generations.get(index as usize).copied().unwrap_or(0);
        Slot {
            shard,
            index,
            generation,
        }
    }

    /// Adds a row in the slot that `next` gave, or that a fact names. There is no slot beyond [`INDEX_MAX`].
    pub(super) fn insert(&mut self, slot: Slot, row: &Row) {
        let number = slot.index;
        if number > INDEX_MAX {
            return;
        }
        self.put_aside(number);
        self.vacate(number);
        let named = Named::of(row, slot, self.start);
        let spot = if row.state == State::Open {
            Spot::Open(self.open_at(Open::of(row), named))
        } else {
            let end = End::of(row);
            Spot::Settled(self.settled.push(number, row, &end, named.as_ref()))
        };
        self.fill(slot, spot);
    }

    /// Opens a hold in the slot that `next` gave, or that a fact names.
    #[inline(always)]
    pub(super) fn open(&mut self, held: &Held) {
        let slot = held.tag.slot;
        if slot.index > INDEX_MAX {
            return;
        }
        self.put_aside(slot.index);
        self.vacate(slot.index);
        let named = Named::held(held, self.start);
        let spot = Spot::Open(self.open_at(Open::held(held), named));
        self.fill(slot, spot);
    }

    #[inline(always)]
    fn fill(&mut self, slot: Slot, spot: Spot) {
        let number = slot.index;
        self.spots.insert(number, spot.packed());
        let next = slot.generation.wrapping_add(1);
        if let Some(generation) = self.generations.get_mut(number as usize) {
            *generation = next;
            return;
        }
        while self.generations.len() < number as usize {
            self.generations.push(0);
        }
        self.generations.push(next);
    }

    #[inline(always)]
    fn open_at(&mut self, mut open: Open, named: Option<Named>) -> u32 {
        if let Some(named) = named {
            let number = self.named.next();
            self.named.insert(number, named);
            open.named = number + 1;
        }
        let number = self.open.next();
        self.open.insert(number, open);
        number
    }

    /// What a slot holds goes, so that something else can come.
    #[inline(always)]
    fn vacate(&mut self, number: u32) {
        match self.spots.get(number).map(|it| it.spot()) {
            Some(Spot::Open(open)) => {
                let named = self.open.get(open).map_or(0, |it| it.named);
                self.open.empty(open);
                if let Some(named) = named.checked_sub(1) {
                    self.named.empty(named);
                }
            }
            Some(Spot::Settled(position)) => self.settled.strike(position),
            None => {}
        }
    }

    /// The row of a slot, if it is still the same.
    #[inline(always)]
    pub(super) fn get(&self, slot: Slot) -> Option<Row> {
        let next = self.generations.get(slot.index as usize)?;
        if *next != slot.generation.wrapping_add(1) {
            return None;
        }
        self.row(self.spots.get(slot.index)?.spot(), slot)
    }

    /// The row at a number, whatever its generation.
    pub(super) fn at(&self, number: u32) -> Option<Row> {
        let spot = self.spots.get(number)?.spot();
        let next = self.generations.get(number as usize)?;
        let slot = Slot {
            shard: self.shard,
            index: number,
            generation: next.wrapping_sub(1),
        };
        self.row(spot, slot)
    }

    #[inline(always)]
    fn row(&self, spot: Spot, slot: Slot) -> Option<Row> {
        match spot {
            Spot::Open(number) => {
                let open = self.open.get(number)?;
                let named = open.named.checked_sub(1);
                let named = named.and_then(|it| self.named.get(it));
                Some(open.row(slot, self.start, named))
            }
            Spot::Settled(position) => self.row_settled(position, slot),
        }
    }

    /// Asked for by retries only.
    #[inline(never)]
    fn row_settled(&self, position: u32, slot: Slot) -> Option<Row> {
        self.settled.row(position, slot, self.start)
    }

    /// When the hold of a slot ends by itself, and its place in the order of reservation; `None` unless it is open.
    pub(super) fn expiry(&self, index: u32, generation: u32) -> Option<(Timestamp, u64)> {
        if *self.generations.get(index as usize)? != generation.wrapping_add(1) {
            return None;
        }
        let Spot::Open(number) = self.spots.get(index)?.spot() else {
            return None;
        };
        let open = self.open.get(number)?;
        Some((open.expires, open.sequence))
    }

    /// An open hold holds more, and ends at another instant.
    pub(super) fn extend(
        &mut self,
        slot: Slot,
        additional: u64,
        expires: Timestamp,
        at: Timestamp,
    ) {
        self.put_aside(slot.index);
        let spot = self.spots.get(slot.index).map(|it| it.spot());
        if let Some(Spot::Open(number)) = spot
            && let Some(open) = self.open.get_mut(number)
        {
            open.held += additional;
            (open.expires, open.made) = (expires, at);
        }
    }

    /// A request ends, or settles again: it is only remembered from now on, in its place in the order of settling.
    /// `row` is how it has stood until now.
    pub(super) fn settle(&mut self, slot: Slot, row: &Row, end: &End) {
        self.put_aside(slot.index);
        self.vacate(slot.index);
        let named = Named::of(row, slot, self.start);
        let position = self.settled.push(slot.index, row, end, named.as_ref());
        self.point(slot.index, position);
    }

    /// Where a slot's record is now.
    fn point(&mut self, number: u32, position: u32) {
        if let Some(spot) = self.spots.get_mut(number) {
            *spot = Spot::Settled(position).packed();
        }
    }

    /// When the oldest settled request was settled, or one that has settled again since.
    #[inline]
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.settled.front().map(|mark| mark.settled)
    }

    /// Where the request counts that is forgotten next.
    pub(super) fn oldest_place(&self) -> Option<Place> {
        let mark = self.settled.front()?;
        self.at(mark.index).map(|row| row.place)
    }

    /// How many of the oldest settled requests are from before an instant, or too many; at most `most`.
    pub(super) fn old(&mut self, before: Timestamp, too_many: u64, most: usize) -> u32 {
        while self.settled.front().is_some_and(|mark| mark.is_gone) {
            self.settled.pop();
        }
        let mut count = 0;
        let marks = self.settled.iter().take(most);
        for mark in marks.filter(|it| !it.is_gone) {
            if mark.settled > before && u64::from(count) >= too_many {
                break;
            }
            count += 1;
        }
        count
    }

    /// Takes out the oldest settled request.
    pub(super) fn forget(&mut self) -> Option<(u32, Row)> {
        while let Some(mark) = self.settled.front() {
            let row = (!mark.is_gone).then(|| self.at(mark.index)).flatten();
            if row.is_some() {
                self.put_aside(mark.index);
            }
            self.settled.pop();
            if let Some(row) = row {
                self.spots.remove(mark.index);
                return Some((mark.index, row));
            }
        }
        None
    }

    /// No instant is later than this one from here on, except when holds end, and those live no longer than they would from
    /// here on: for the clock of another process.
    pub(super) fn resume(&mut self, now: Timestamp) {
        for number in 0..self.spots.slots() {
            let Some(Spot::Open(open)) = self.spots.get(number).map(|it| it.spot()) else {
                continue;
            };
            let Some(hold) = self.open.get(open) else {
                continue;
            };
            let expires = hold.expires.min(now.plus(hold.expires.since(hold.made)));
            let made = hold.made.min(now);
            if (made, expires) != (hold.made, hold.expires) {
                self.put_aside(number);
                if let Some(hold) = self.open.get_mut(open) {
                    (hold.made, hold.expires) = (made, expires);
                }
            }
        }
        if self.settled.iter().any(|mark| mark.settled > now) {
            self.put_in_order(now);
        }
    }

    /// Puts the queue of settled requests in order, where rows came in another.
    pub(super) fn line_up(&mut self) {
        let sequences = self
            .settled
            .iter()
            .map(|mark| (mark.is_gone, mark.sequence));
        if !sequences.is_sorted() {
            self.put_in_order(Timestamp::MAX);
        }
    }

    /// Makes the queue of settled requests again; none is of later than an instant.
    fn put_in_order(&mut self, latest: Timestamp) {
        self.put_settled_aside();
        let counting = self.settled.iter().filter(|mark| !mark.is_gone);
        let mut marks: Vec<_> = counting.map(|mark| (mark.sequence, mark.index)).collect();
        marks.sort_unstable();
        let mut queue = Ring::default();
        let mut positions = Vec::with_capacity(marks.len());
        for &(_, number) in &marks {
            let Some(mut row) = self.at(number) else {
                continue;
            };
            row.settled = row.settled.min(latest);
            let (shard, generation) = (self.shard, row.generation);
            let slot = Slot {
                shard,
                index: number,
                generation,
            };
            let (named, end) = (Named::of(&row, slot, self.start), End::of(&row));
            positions.push((number, queue.push(number, &row, &end, named.as_ref())));
        }
        self.settled = queue;
        for (number, position) in positions {
            self.point(number, position);
        }
    }

    /// All rows with their slots' numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Row)> {
        let numbers = 0..self.spots.slots();
        numbers.filter_map(|number| Some((number, self.at(number)?)))
    }

    /// All open holds: when each ends, its place in the order of reservation, its slot's number and generation.
    pub(super) fn expiries(&self) -> impl Iterator<Item = (Timestamp, u64, u32, u32)> {
        let numbers = 0..self.spots.slots();
        numbers.filter_map(|number| {
            let generation = self.generations.get(number as usize)?.wrapping_sub(1);
            let (expires, sequence) = self.expiry(number, generation)?;
            Some((expires, sequence, number, generation))
        })
    }

    /// Whether a slot holds nothing.
    pub(super) fn is_vacant(&self, number: u32) -> bool {
        self.spots.get(number).is_none()
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> u32 {
        self.spots.slots()
    }

    /// Finds the vacant slots again; the lowest is filled next.
    pub(super) fn find_free(&mut self) {
        self.spots.find_free();
    }
}

#[cfg(test)]
mod tests;
