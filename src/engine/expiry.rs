//! When holds end by themselves: the earliest first, simultaneous ones in the order of their reservation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::domain::fact::Slot;
use crate::domain::time::Timestamp;

use super::holds::{Holds, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    expires: Timestamp,
    sequence: u64,
    index: u32,
    generation: u32,
}

/// The expiries of one shard. Entries of settled and extended holds stay until they surface, or until they outnumber the
/// open holds.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    heap: BinaryHeap<Reverse<Entry>>,
}

/// So many entries may be stale before it is worth while to look.
const STALE_MIN: usize = 1_024;

impl Expiry {
    /// Notes when a hold ends.
    pub(super) fn push(&mut self, slot: Slot, expires: Timestamp, sequence: u64) {
        let Slot {
            index, generation, ..
        } = slot;
        self.heap.push(Reverse(Entry {
            expires,
            sequence,
            index,
            generation,
        }));
    }

    /// The earliest instant at which a hold may end.
    pub(super) fn first(&self) -> Timestamp {
        self.heap
            .peek()
            .map_or(Timestamp::MAX, |Reverse(entry)| entry.expires)
    }

    /// Takes off the earliest entry; answers the hold if it does end then.
    pub(super) fn pop(&mut self, shard: u8, holds: &Holds) -> Option<(Slot, Timestamp)> {
        let Reverse(entry) = self.heap.pop()?;
        is_current(&entry, shard, holds).then(|| (slot(&entry, shard), entry.expires))
    }

    /// Makes the list again, from the rows.
    pub(super) fn line_up(&mut self, holds: &Holds) {
        self.heap.clear();
        let open = holds.iter().filter(|(_, row)| row.state == State::Open);
        self.heap.extend(open.map(|(index, row)| {
            Reverse(Entry {
                expires: row.expires,
                sequence: row.sequence,
                index,
                generation: row.generation,
            })
        }));
    }

    /// Drops stale entries where they outnumber the open holds, so that memory stays bounded by the holds.
    pub(super) fn tidy(&mut self, shard: u8, holds: &Holds, open: usize) {
        if self.heap.len() > 2 * open + STALE_MIN {
            self.heap
                .retain(|Reverse(entry)| is_current(entry, shard, holds));
        }
    }
}

fn slot(entry: &Entry, shard: u8) -> Slot {
    Slot {
        shard,
        index: entry.index,
        generation: entry.generation,
    }
}

fn is_current(entry: &Entry, shard: u8, holds: &Holds) -> bool {
    holds
        .get(slot(entry, shard))
        .is_some_and(|row| row.state == State::Open && row.expires == entry.expires)
}
