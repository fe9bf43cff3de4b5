//! A copy of one instant's holds and settled requests, in steps while they change.
//!
//! First come the open holds, slot by slot, then the settled requests in the order of settling. Those are forgotten in the
//! same order, so that the copy is soon ahead of what is forgotten, and hardly anything needs to be put aside: only what
//! ends, changes or is forgotten before its turn. What came after the beginning is told by its place in the order of
//! reservation and settling, which is one for both.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::domain::fact::Slot;
use crate::world::sabotage::{self, Fault};

use super::ring::Ring;
use super::{End, Holds, Named, Row, Spot};

/// So many slots are looked at in the time that it takes to copy one row.
const LOOKS: usize = 16;

/// How far a copy has come.
#[derive(Debug)]
pub(super) struct Progress {
    /// What was there at the beginning has a place in the order before this one.
    end: u64,
    /// The next slot of which the hold is to be copied, and the one after the last.
    slots: std::ops::Range<u32>,
    /// The place in the order of the next settled request to be copied, and where it lies; `None` before the first.
    next: u64,
    position: Option<u32>,
    /// Holds that have ended or changed before their turn, by slot.
    ended: HashMap<u32, Row>,
    /// Settled requests that were forgotten, or have settled again, before theirs: as they were kept, and the generations of
    /// their slots. Where a copy falls behind there may be as many of them as are remembered.
    forgotten: Ring,
    generations: VecDeque<u32>,
}

impl Progress {
    /// Whether a hold is still to be copied.
    fn awaits_hold(&self, number: u32, sequence: u64) -> bool {
        self.slots.contains(&number) && sequence < self.end && !self.ended.contains_key(&number)
    }

    /// Whether a settled request is still to be copied.
    fn awaits_settled(&self, sequence: u64) -> bool {
        self.next <= sequence && sequence < self.end
    }

    /// How many rows are put aside now.
    #[cfg(test)]
    pub(super) fn put_aside(&self) -> usize {
        self.ended.len() + self.generations.len()
    }

    fn is_done(&self) -> bool {
        self.slots.is_empty() && self.next >= self.end && self.generations.is_empty()
    }
}

impl Holds {
    /// Begins a copy of what is here now; what comes later has a place in the order that is not before `end`.
    pub(in super::super) fn begin_copy(&mut self, end: u64) {
        let copy = Progress {
            end,
            slots: 0..self.spots.slots(),
            next: 0,
            position: None,
            ended: HashMap::new(),
            forgotten: Ring::default(),
            generations: VecDeque::new(),
        };
        self.copy = (self.spots.slots() > 0).then(|| Box::new(copy));
    }

    /// Copies the next rows, at most so many; answers how many, counting slots without a hold with them for what they cost.
    pub(in super::super) fn step(
        &mut self,
        rows_max: usize,
        mut each: impl FnMut(u32, &Row),
    ) -> usize {
        let Some(mut copy) = self.copy.take() else {
            return 0;
        };
        let mut copied = 0;
        while copied < rows_max
            && let Some((number, row)) = self.take_forgotten(&mut copy)
        {
            each(number, &row);
            copied += 1;
        }
        copied += self.step_holds(&mut copy, rows_max - copied, &mut each);
        if copy.slots.is_empty() && copy.next < copy.end {
            copied += self.step_settled(&mut copy, rows_max.saturating_sub(copied), &mut each);
        }
        self.copy = Some(copy).filter(|copy| !copy.is_done());
        copied
    }

    /// The next of the settled requests that were put aside.
    fn take_forgotten(&self, copy: &mut Progress) -> Option<(u32, Row)> {
        let generation = copy.generations.pop_front()?;
        let (position, mark) = copy.forgotten.first()?;
        let (shard, index) = (self.shard, mark.index);
        let slot = Slot {
            shard,
            index,
            generation,
        };
        let row = copy.forgotten.row(position, slot, self.start);
        copy.forgotten.pop();
        Some((index, row?))
    }

    fn step_holds(
        &self,
        copy: &mut Progress,
        rows_max: usize,
        each: &mut impl FnMut(u32, &Row),
    ) -> usize {
        let (mut copied, mut looked) = (0, 0);
        while copied < rows_max
            && looked < rows_max * LOOKS
            && let Some(number) = copy.slots.next()
        {
            looked += 1;
            let put_aside = copy.ended.remove(&number);
            if let Some(row) = put_aside.or_else(|| self.hold_before(number, copy.end)) {
                each(number, &row);
                copied += 1;
            }
        }
        copied.max(looked.div_ceil(LOOKS))
    }

    fn step_settled(
        &self,
        copy: &mut Progress,
        rows_max: usize,
        each: &mut impl FnMut(u32, &Row),
    ) -> usize {
        let mut copied = 0;
        let first = self.settled.first();
        // Where the copy had come to may be forgotten by now: then it is behind the first one.
        let is_forgotten = first.is_none_or(|(_, mark)| mark.sequence >= copy.next);
        let position = copy.position.filter(|_| !is_forgotten);
        let mut position = position.or(first.map(|(position, _)| position));
        while let Some(at) = position
            && let Some(mark) = self.settled.mark(at)
            && mark.sequence < copy.end
        {
            (copy.next, copy.position) = (mark.sequence, position);
            if copied == rows_max {
                return copied;
            }
            copied += 1;
            if !mark.is_gone
                && let Some(row) = self.at(mark.index)
            {
                each(mark.index, &row);
            }
            position = self.settled.after(at);
        }
        copy.next = copy.end;
        copied
    }

    /// The hold of a slot, if there was one at the beginning.
    fn hold_before(&self, number: u32, end: u64) -> Option<Row> {
        let Spot::Open(open) = self.spots.get(number)?.spot() else {
            return None;
        };
        let is_before = self.open.get(open)?.sequence < end;
        is_before.then(|| self.at(number)).flatten()
    }

    /// Whether a copy is under way.
    pub(in super::super) fn is_copying(&self) -> bool {
        self.copy.is_some()
    }

    /// Ends a copy, whether it has come to its end or not.
    pub(in super::super) fn end_copy(&mut self) {
        self.copy = None;
    }

    /// What a slot holds is about to change.
    #[inline]
    pub(super) fn put_aside(&mut self, number: u32) {
        if self.copy.is_some() {
            self.put_aside_now(number);
        }
    }

    #[cold]
    fn put_aside_now(&mut self, number: u32) {
        let (Some(copy), Some(spot)) = (&self.copy, self.spots.get(number)) else {
            return;
        };
        let spot = spot.spot();
        let is_awaited = match spot {
            Spot::Open(open) => {
                let open = self.open.get(open);
                open.is_some_and(|open| copy.awaits_hold(number, open.sequence))
            }
            Spot::Settled(position) => {
                let mark = self.settled.mark(position);
                mark.is_some_and(|mark| copy.awaits_settled(mark.sequence))
            }
        };
        if !is_awaited || sabotage::is(Fault::TornCopy) {
            return;
        }
        let (row, shard) = (self.at(number), self.shard);
        let (Some(row), Some(copy)) = (row, &mut self.copy) else {
            return;
        };
        if let Spot::Open(_) = spot {
            copy.ended.insert(number, row);
            return;
        }
        let generation = row.generation;
        let slot = Slot {
            shard,
            index: number,
            generation,
        };
        let (named, end) = (Named::of(&row, slot, self.start), End::of(&row));
        copy.forgotten.push(number, &row, &end, named.as_ref());
        copy.generations.push_back(generation);
    }

    /// All settled requests are put aside: they get other places.
    pub(super) fn put_settled_aside(&mut self) {
        let numbers: Vec<_> = match self.copy {
            Some(_) => self
                .settled
                .iter()
                .filter(|it| !it.is_gone)
                .map(|it| it.index)
                .collect(),
            None => return,
        };
        for number in numbers {
            self.put_aside(number);
        }
        if let Some(copy) = &mut self.copy {
            copy.next = copy.end;
        }
    }
}
