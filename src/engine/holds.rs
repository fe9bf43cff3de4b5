//! Holds and settled requests in a slab: an id that the engine gave out names its slot, so that finding it needs no hash.

use std::collections::VecDeque;

use crate::domain::fact::{Id, Place, Slot, Tag};
use crate::domain::rates::{Class, Rate};
use crate::domain::time::Timestamp;

use super::slab::Slab;

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
    /// A correction of the books, remembered for its own id.
    Adjusted,
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

/// A place in the queue of settled requests. It is stale once its row has settled again, which gave it a later place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remembered {
    index: u32,
    sequence: u64,
    settled: Timestamp,
}

/// The holds and settled requests of one shard.
#[derive(Debug, Default)]
pub(super) struct Holds {
    rows: Slab<Row>,
    /// The generation that each slot's next row gets.
    generations: Vec<u32>,
    /// Settled requests in the order of settling, the oldest first.
    remembered: VecDeque<Remembered>,
}

impl Holds {
    /// The slot that the next row gets.
    pub(super) fn next(&self, shard: u8) -> Slot {
        let index = self.rows.next();
        let generation = self.generations.get(index as usize).copied().unwrap_or(0);
        Slot {
            shard,
            index,
            generation,
        }
    }

    /// Adds a row in the slot that `next` gave, or that a fact names.
    pub(super) fn insert(&mut self, slot: Slot, row: Row) {
        self.rows.insert(slot.index, row);
        self.generations.resize(self.rows.slots() as usize, 0);
        if let Some(generation) = self.generations.get_mut(slot.index as usize) {
            *generation = slot.generation.wrapping_add(1);
        }
    }

    /// The row of a slot, if it is still the same.
    pub(super) fn get(&self, slot: Slot) -> Option<&Row> {
        let row = self.rows.get(slot.index);
        row.filter(|row| row.generation == slot.generation)
    }

    /// The row at a number, whatever its generation.
    pub(super) fn at(&self, number: u32) -> Option<&Row> {
        self.rows.get(number)
    }

    /// The row of a slot, to change it.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Row> {
        let row = self.rows.get_mut(slot.index);
        row.filter(|row| row.generation == slot.generation)
    }

    /// Notes that a row is only remembered from now on, in its place in the order of settling.
    pub(super) fn remember(&mut self, slot: Slot, settled: Timestamp, sequence: u64) {
        let Some(row) = self.get_mut(slot) else {
            return;
        };
        row.settled = settled;
        row.sequence = sequence;
        self.remembered.push_back(Remembered {
            index: slot.index,
            sequence,
            settled,
        });
    }

    /// When the oldest settled request was settled, or one that has settled again since.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.remembered.front().map(|place| place.settled)
    }

    /// How many of the oldest settled requests are from before an instant, or too many; at most `most`.
    pub(super) fn old(&mut self, before: Timestamp, too_many: u64, most: usize) -> u32 {
        let rows = &self.rows;
        while self
            .remembered
            .pop_front_if(|it| is_stale(rows, it))
            .is_some()
        {}
        let mut count = 0;
        let places = self.remembered.iter().take(most);
        for place in places.filter(|it| !is_stale(rows, it)) {
            if place.settled > before && u64::from(count) >= too_many {
                break;
            }
            count += 1;
        }
        count
    }

    /// Takes out the oldest settled request.
    pub(super) fn forget(&mut self) -> Option<(u32, Row)> {
        while let Some(place) = self.remembered.pop_front() {
            if !is_stale(&self.rows, &place) {
                return Some((place.index, self.rows.remove(place.index)?));
            }
        }
        None
    }

    /// No instant is later than this one from here on, except when holds end, and those live no longer than they would from
    /// here on: for the clock of another process.
    pub(super) fn resume(&mut self, now: Timestamp) {
        for number in 0..self.rows.slots() {
            let Some(row) = self.rows.get(number) else {
                continue;
            };
            let (settled, mut expires) = (row.settled.min(now), row.expires);
            if row.state == State::Open {
                expires = expires.min(now.plus(expires.since(row.settled)));
            }
            let is_changed = (settled, expires) != (row.settled, row.expires);
            if is_changed && let Some(row) = self.rows.get_mut(number) {
                (row.settled, row.expires) = (settled, expires);
            }
        }
        self.line_up();
    }

    /// Makes the queue of settled requests again, from the rows.
    pub(super) fn line_up(&mut self) {
        let settled = self.rows.iter().filter(|(_, row)| row.state != State::Open);
        let mut places: Vec<_> = settled
            .map(|(index, row)| Remembered {
                index,
                sequence: row.sequence,
                settled: row.settled,
            })
            .collect();
        places.sort_unstable_by_key(|place| place.sequence);
        self.remembered = places.into();
    }

    /// All rows with their slots' numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.rows.iter()
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> u32 {
        self.rows.slots()
    }

    /// The slab itself, to copy it.
    pub(super) fn slab(&mut self) -> &mut Slab<Row> {
        &mut self.rows
    }
}

fn is_stale(rows: &Slab<Row>, place: &Remembered) -> bool {
    let row = rows.get(place.index);
    !row.is_some_and(|row| row.state != State::Open && row.sequence == place.sequence)
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
