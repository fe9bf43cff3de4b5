//! Holds and settled requests in a slab: an id that the engine gave out names its slot, so that finding it needs no hash.

use std::collections::VecDeque;

use crate::domain::fact::{Id, Place, Slot, Tag};
use crate::domain::rates::{Class, Rate};
use crate::domain::time::Timestamp;

use super::rows::position;

/// How a remembered request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Credits are held.
    Open,
    /// The time to live is over; a late commit is still booked.
    Expired,
    /// Committed.
    Committed {
        /// Credits booked.
        committed: u64,
        /// Of the hold.
        returned: u64,
        /// Of the booked ones, what nothing covered.
        overrun: u64,
        /// Whether it had expired.
        late: bool,
    },
    /// Released.
    Released {
        /// Of the hold.
        returned: u64,
    },
    /// A charge.
    Charged {
        /// Of the booked ones, what nothing covered.
        overrun: u64,
    },
    /// An extension of a hold, remembered for its own id. `granted` and `expires` are what it answered.
    Extension {
        /// The hold.
        hold: Slot,
    },
}

/// A remembered request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The slot's generation.
    pub generation: u32,
    /// How it stands.
    pub state: State,
    /// Where it counts.
    pub place: Place,
    /// Its id.
    pub id: Id,
    /// Whether the caller chose the id.
    pub chosen: bool,
    /// A hash of what the request said.
    pub fingerprint: u64,
    /// What the first answer granted or booked.
    pub granted: u64,
    /// When the first answer said that it ends by itself.
    pub granted_expires: Timestamp,
    /// Held now.
    pub held: u64,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// The order of reservation while it is open, of settling afterwards.
    pub sequence: u64,
    /// What its operation reaches.
    pub class: Class,
    /// The price of a quantity committed later.
    pub rate: Option<Rate>,
    /// The user's trial period that pays, counted from 1; 0 is none.
    pub trial: u8,
    /// From when on it is only remembered; while it is open, when it was opened or last extended. In steady time.
    pub settled: Timestamp,
}

/// A settled request that waits to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) index: u32,
    pub(super) generation: u32,
    pub(super) settled: Timestamp,
}

/// The holds and settled requests of one shard.
#[derive(Debug, Default)]
pub(super) struct Holds {
    rows: Vec<Option<Row>>,
    /// The generation that each slot's next row gets.
    generations: Vec<u32>,
    free: Vec<u32>,
    /// Oldest first. A request that settled again (a late commit) stands in it twice; only the last place counts.
    pub(super) remembered: VecDeque<Remembered>,
}

impl Holds {
    /// The slot that the next row gets.
    pub(super) fn next(&self, shard: u8) -> Slot {
        let index = self
            .free
            .last()
            .copied()
            .unwrap_or_else(|| position(self.rows.len()));
        let generation = self.generations.get(index as usize).copied().unwrap_or(0);
        Slot {
            shard,
            index,
            generation,
        }
    }

    /// Adds a row in the slot that `next` gave.
    pub(super) fn insert(&mut self, slot: Slot, row: Row) {
        let place = slot.index as usize;
        self.free.pop_if(|free| *free == slot.index);
        while self.rows.len() <= place {
            self.rows.push(None);
            self.generations.push(0);
        }
        self.rows[place] = Some(row);
        self.generations[place] = slot.generation.wrapping_add(1);
    }

    /// The row of a slot, if it is still the same.
    pub(super) fn get(&self, slot: Slot) -> Option<&Row> {
        self.rows
            .get(slot.index as usize)?
            .as_ref()
            .filter(|row| row.generation == slot.generation)
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Row> {
        let row = self.rows.get_mut(slot.index as usize)?.as_mut();
        row.filter(|row| row.generation == slot.generation)
    }

    /// Notes that a row is only remembered from now on.
    pub(super) fn remember(&mut self, slot: Slot, settled: Timestamp) {
        self.remembered.push_back(Remembered {
            index: slot.index,
            generation: slot.generation,
            settled,
        });
        if let Some(row) = self.get_mut(slot) {
            row.settled = settled;
        }
    }

    /// Takes the oldest settled request off the list; answers its row if this was its last place there.
    pub(super) fn forget(&mut self) -> Option<Row> {
        let oldest = self.remembered.pop_front()?;
        let place = self.rows.get_mut(oldest.index as usize)?;
        let same = |row: &Row| row.generation == oldest.generation && row.settled == oldest.settled;
        if !place.as_ref().is_some_and(same) {
            return None;
        }
        let row = place.take();
        self.free.push(oldest.index);
        row
    }

    /// All rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().flatten()
    }
}

impl Row {
    /// A row without anything held: of a charge or an extension.
    pub(super) fn settled(
        tag: Tag,
        state: State,
        place: Place,
        granted: u64,
        at: Timestamp,
    ) -> Self {
        Self {
            generation: tag.slot.generation,
            state,
            place,
            id: tag.id,
            chosen: tag.chosen,
            fingerprint: tag.fingerprint,
            granted,
            granted_expires: at,
            held: 0,
            expires: at,
            sequence: 0,
            class: Class::Run,
            rate: None,
            trial: 0,
            settled: at,
        }
    }
}

/// The id of a slot: slot (32 bits: 8 of them the shard), generation (32), random of this start (64).
pub(crate) fn id_of(slot: Slot, start: u64) -> Id {
    let mut id = [0; 16];
    let place = (u32::from(slot.shard) << 24) | (slot.index & INDEX_MAX);
    id[..4].copy_from_slice(&place.to_be_bytes());
    id[4..8].copy_from_slice(&slot.generation.to_be_bytes());
    id[8..].copy_from_slice(&start.to_be_bytes());
    id
}

/// The slot that an id of this start names, and the random of its start.
pub(crate) fn slot_of(id: &Id) -> (Slot, u64) {
    let [a, b, c, d, e, f, g, h, start @ ..] = *id;
    let slot = Slot {
        shard: a,
        index: u32::from_be_bytes([0, b, c, d]),
        generation: u32::from_be_bytes([e, f, g, h]),
    };
    (slot, u64::from_be_bytes(start))
}

/// The highest slot of a shard: 24 bits.
pub(super) const INDEX_MAX: u32 = 0x00FF_FFFF;

/// The instant in a UUIDv7, in milliseconds since the epoch; `None` for any other id.
pub(super) fn uuid_v7_millis(id: &Id) -> Option<i64> {
    let is_v7 = id[6] >> 4 == 7 && id[8] >> 6 == 0b10;
    let [a, b, c, d, e, f, ..] = *id;
    is_v7.then(|| i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

/// As people read an id: 32 hexadecimal digits.
pub(super) fn hex(id: &Id) -> String {
    use std::fmt::Write;
    id.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_slot() {
        let slot = Slot {
            shard: 63,
            index: 0x00AB_CDEF,
            generation: 7,
        };
        assert_eq!(slot_of(&id_of(slot, 42)), (slot, 42));
    }

    #[test]
    fn only_a_uuid_of_version_7_tells_its_instant() {
        let mut id = [0; 16];
        id[5] = 9;
        id[6] = 0x70;
        id[8] = 0x80;
        assert_eq!(uuid_v7_millis(&id), Some(9));
        id[6] = 0x40;
        assert_eq!(uuid_v7_millis(&id), None);
    }
}
