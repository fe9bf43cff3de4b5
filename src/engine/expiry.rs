//! When holds end by themselves: the earliest first, simultaneous ones in the order of their reservation.
//!
//! Holds with the same time to live end in the order in which they were opened. So the expiries wait in a few lanes, each in
//! order, in which one more costs the same however many there are; those that fit into none wait in a tree.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::fact::Slot;
use crate::domain::time::Timestamp;

use super::holds::Holds;

/// When a hold ends, unless it ends or is extended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    expires: Timestamp,
    index: u32,
    generation: u32,
}

/// When a hold ends, and its place in the order of reservation.
type Key = (Timestamp, u64);

/// Entries in order.
#[derive(Debug, Default)]
struct Lane {
    /// None is empty, apart from the entries of the first that were taken off.
    chunks: VecDeque<Vec<Entry>>,
    /// Entries of the first chunk that were taken off.
    head: usize,
    /// The key of the last one.
    last: Option<Key>,
}

/// The expiries of one shard. In lanes, entries of settled and extended holds stay until they surface, or until they
/// outnumber the open holds.
#[derive(Debug)]
pub(super) struct Expiry {
    /// Each ends later than the next.
    lanes: Vec<Lane>,
    /// Those that fit into no lane, exactly: what has ended is taken out.
    others: BTreeMap<Key, (u32, u32)>,
    /// Entries in the lanes.
    waiting: usize,
    /// When the earliest entry surfaces.
    first: Timestamp,
    /// The chunk that is tidied next.
    tidied: (usize, usize),
}

/// So many different times to live have a lane of their own.
const LANES_MAX: usize = 8;

/// Entries in a chunk: so many are looked at in one go.
const CHUNK: usize = 256;

/// So many entries may be stale before it is worth while to look.
const STALE_MIN: usize = 1_024;

impl Default for Expiry {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            others: BTreeMap::new(),
            waiting: 0,
            first: Timestamp::MAX,
            tidied: (0, 0),
        }
    }
}

impl Expiry {
    /// Notes when a hold ends.
    pub(super) fn push(&mut self, slot: Slot, expires: Timestamp, sequence: u64) {
        let key = (expires, sequence);
        let entry = Entry {
            expires,
            index: slot.index,
            generation: slot.generation,
        };
        self.first = self.first.min(expires);
        let fits = |lane: &&mut Lane| lane.last.is_none_or(|last| last <= key);
        if let Some(lane) = self.lanes.iter_mut().find(fits) {
            lane.push(entry, key);
        } else if self.lanes.len() < LANES_MAX {
            let mut lane = Lane::default();
            lane.push(entry, key);
            self.lanes.push(lane);
        } else {
            self.others.insert(key, (entry.index, entry.generation));
            return;
        }
        self.waiting += 1;
    }

    /// A hold no longer ends at this instant: it has ended, or is about to be extended.
    #[inline]
    pub(super) fn remove(&mut self, expires: Timestamp, sequence: u64) {
        if !self.others.is_empty()
            && self.others.remove(&(expires, sequence)).is_some()
            && expires == self.first
        {
            self.find_first();
        }
    }

    /// The earliest instant at which a hold may end.
    #[inline]
    pub(super) fn first(&self) -> Timestamp {
        self.first
    }

    /// Takes off the earliest entry; answers the hold if it does end then.
    pub(super) fn pop(&mut self, shard: u8, holds: &Holds) -> Option<(Slot, Timestamp)> {
        let taken = self.take(holds);
        self.find_first();
        let (
            Entry {
                expires,
                index,
                generation,
            },
            is_current,
        ) = taken?;
        let slot = Slot {
            shard,
            index,
            generation,
        };
        is_current.then_some((slot, expires))
    }

    fn take(&mut self, holds: &Holds) -> Option<(Entry, bool)> {
        let other = self.others.first_key_value().map(|(&key, _)| key);
        let least = self.lanes.iter().filter_map(Lane::front);
        if let Some(least) = least.map(|entry| entry.expires).min() {
            let fronts = self.lanes.iter().enumerate();
            let fronts = fronts.filter_map(|(number, lane)| Some((number, *lane.front()?)));
            let tied = fronts.filter(|(_, entry)| entry.expires == least);
            // A stale one goes first: nothing ends with it.
            let keyed = tied.map(|(number, entry)| (current(&entry, holds), number, entry));
            let (key, number, entry) = keyed.min_by_key(|&(key, ..)| key)?;
            if other.is_none_or(|other| key.unwrap_or((least, 0)) < other) {
                self.waiting -= 1;
                self.lanes.get_mut(number)?.pop();
                self.drop_empty();
                return Some((entry, key.is_some()));
            }
        }
        let ((expires, _), (index, generation)) = self.others.pop_first()?;
        let entry = Entry {
            expires,
            index,
            generation,
        };
        Some((entry, current(&entry, holds).is_some()))
    }

    fn drop_empty(&mut self) {
        self.lanes.retain(|lane| lane.front().is_some());
    }

    fn find_first(&mut self) {
        let fronts = self.lanes.iter().filter_map(|lane| lane.front());
        let other = self.others.first_key_value().map(|(key, _)| key.0);
        let first = fronts.map(|entry| entry.expires).chain(other).min();
        self.first = first.unwrap_or(Timestamp::MAX);
    }

    /// Makes the list again, from the rows.
    pub(super) fn line_up(&mut self, shard: u8, holds: &Holds) {
        *self = Self::default();
        let mut open: Vec<_> = holds.expiries().collect();
        open.sort_unstable();
        for (expires, sequence, index, generation) in open {
            let slot = Slot {
                shard,
                index,
                generation,
            };
            self.push(slot, expires, sequence);
        }
    }

    /// Drops stale entries where they outnumber the open holds, so that memory stays bounded by the holds: one chunk at a
    /// time, so that nobody waits long.
    #[inline]
    pub(super) fn tidy(&mut self, holds: &Holds, open: usize) {
        if self.waiting > 2 * open + STALE_MIN {
            self.tidy_next(holds);
        }
    }

    fn tidy_next(&mut self, holds: &Holds) {
        let (lane, chunk) = self.tidied;
        let Some(kept) = self.lanes.get_mut(lane) else {
            self.tidied = (0, 0);
            return;
        };
        if chunk < kept.chunks.len() {
            let (dropped, next) = kept.tidy(chunk, holds);
            self.waiting -= dropped;
            self.tidied = (lane, next);
            self.drop_empty();
            self.find_first();
        } else {
            self.tidied = (lane + 1, 0);
        }
    }
}

impl Lane {
    fn push(&mut self, entry: Entry, key: Key) {
        self.last = Some(key);
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            // The first grows as it needs to; where there are many, each is made at its full size.
            last => {
                let mut chunk = Vec::with_capacity(if last.is_some() { CHUNK } else { 0 });
                chunk.push(entry);
                self.chunks.push_back(chunk);
            }
        }
    }

    fn front(&self) -> Option<&Entry> {
        self.chunks.front()?.get(self.head)
    }

    fn pop(&mut self) {
        self.head += 1;
        if self
            .chunks
            .front()
            .is_some_and(|chunk| chunk.len() <= self.head)
        {
            self.head = 0;
            self.chunks.pop_front();
        }
    }

    /// Drops the stale entries of a chunk, and puts what is left of it into the one before where that has room; answers how
    /// many it dropped, and the chunk that comes next.
    fn tidy(&mut self, number: usize, holds: &Holds) -> (usize, usize) {
        let head = if number == 0 {
            std::mem::take(&mut self.head)
        } else {
            0
        };
        let Some(chunk) = self.chunks.get_mut(number) else {
            return (0, number + 1);
        };
        chunk.drain(..head);
        let before = chunk.len();
        chunk.retain(|entry| current(entry, holds).is_some());
        let (dropped, left) = (before - chunk.len(), chunk.len());
        let previous = number.checked_sub(1);
        let has_room = previous
            .and_then(|it| self.chunks.get(it))
            .is_some_and(|it| it.len() + left <= CHUNK);
        if left > 0 && !has_room {
            return (dropped, number + 1);
        }
        let moved = self.chunks.remove(number).unwrap_or_default();
        if let Some(previous) = previous.and_then(|it| self.chunks.get_mut(it)) {
            previous.extend(moved);
        }
        (dropped, number)
    }
}

/// The key of an entry whose hold does end then.
fn current(entry: &Entry, holds: &Holds) -> Option<Key> {
    let key = holds.expiry(entry.index, entry.generation);
    key.filter(|&(expires, _)| expires == entry.expires)
}

#[cfg(test)]
mod tests;
