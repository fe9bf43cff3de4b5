//! Settled requests in the order of settling: a queue of records of five words each, and some more where there is more to
//! say. Nothing is moved when it grows, and what is forgotten gives its memory back.
//!
//! ```text
//! word 0   slot (24 bits), kind (3), class (2), flags (6), trial (8), sequence (13), settled (8 high ones of 40)
//! word 1   organization (32), book (32)
//! word 2   environment (32), user (32)
//! word 3   label (32), returned (32)
//! word 4   settled (32), committed (32)
//! ```
//! Time and sequence are differences from those of the chunk. Where one does not fit, or there is an overrun, the record is
//! wide: words 3 to 8 are label, settled, sequence, committed, returned, overrun. Then come, as the flags say, the rate (2
//! words); the hold of an extension (2); the id (2); and of an id that the caller chose fingerprint, granted, and when the
//! first answer said that it ends (3).

use std::collections::VecDeque;

use crate::domain::credits::Credits;
use crate::domain::fact::{OrganizationId, Place, Slot};
use crate::domain::rates::{Class, Rate};
use crate::domain::time::Timestamp;

use super::open::Named;
use super::{End, INDEX_MAX, Row, State, id_of};

/// Words of a chunk; no record is longer than [`RECORD_MAX`].
const CHUNK: u32 = 1_024;
const RECORD_MAX: usize = 9 + 2 + 2 + 5;

/// Positions have 31 bits, and begin again from 0: more words than that are never remembered, for a shard has 2^24 slots.
const POSITION_BITS: u32 = 31;
const CHUNKS: u32 = (1 << POSITION_BITS) / CHUNK;

const KIND_SHIFT: u32 = 24;
const CLASS_SHIFT: u32 = 27;
const NAMED: u64 = 1 << 29;
const CHOSEN: u64 = 1 << 30;
const RATE: u64 = 1 << 31;
const WIDE: u64 = 1 << 32;
const LATE: u64 = 1 << 33;
/// It has settled again: a later record tells of it.
const GONE: u64 = 1 << 34;
const TRIAL_SHIFT: u32 = 35;
const SEQUENCE_SHIFT: u32 = 43;
const SETTLED_SHIFT: u32 = 56;

const EXPIRED: u64 = 0;
const COMMITTED: u64 = 1;
const RELEASED: u64 = 2;
const CHARGED: u64 = 3;
const EXTENSION: u64 = 4;
const ADJUSTED: u64 = 5;

/// Some records, with the time and the sequence that they are counted from.
#[derive(Clone, Debug, Default)]
struct Chunk {
    words: Vec<u64>,
    settled: i64,
    sequence: u64,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Ring {
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk.
    first: u32,
    /// Words of it that are forgotten.
    head: usize,
}

/// What the walk over the queue needs to know of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) index: u32,
    pub(super) is_gone: bool,
    pub(super) settled: Timestamp,
    pub(super) sequence: u64,
}

impl Ring {
    /// Adds a record of a row that ends so; answers its position.
    pub(super) fn push(&mut self, index: u32, row: &Row, end: &End, named: Option<&Named>) -> u32 {
        let is_full = |chunk: &Chunk| chunk.words.len() + RECORD_MAX > CHUNK as usize;
        if self.chunks.back().is_none_or(is_full) {
            self.begin_chunk(end);
        }
        let number = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX) - 1;
        let number = self.first.wrapping_add(number) % CHUNKS;
        let Some(chunk) = self.chunks.back_mut() else {
            return 0;
        };
        let place = u32::try_from(chunk.words.len()).unwrap_or(CHUNK);
        chunk.put(index, row, end, named);
        number * CHUNK + place
    }

    /// The first chunk of few grows as it needs to; where there are many, each is made at its full size.
    fn begin_chunk(&mut self, end: &End) {
        let room = if self.chunks.is_empty() {
            0
        } else {
            CHUNK as usize
        };
        self.chunks.push_back(Chunk {
            words: Vec::with_capacity(room),
            settled: end.settled.nanos(),
            sequence: end.sequence,
        });
    }

    fn chunk(&self, position: u32) -> Option<(&Chunk, usize)> {
        let number = (position / CHUNK).wrapping_sub(self.first) % CHUNKS;
        let chunk = self.chunks.get(number as usize)?;
        Some((chunk, (position % CHUNK) as usize))
    }

    /// The whole row of a record.
    pub(super) fn row(&self, position: u32, slot: Slot, start: u64) -> Option<Row> {
        let (chunk, place) = self.chunk(position)?;
        chunk.row(place, slot, start)
    }

    /// A record counts no more: its request settles again.
    pub(super) fn strike(&mut self, position: u32) {
        let number = (position / CHUNK).wrapping_sub(self.first) % CHUNKS;
        let chunk = self.chunks.get_mut(number as usize);
        let word = chunk.and_then(|it| it.words.get_mut((position % CHUNK) as usize));
        if let Some(word) = word {
            *word |= GONE;
        }
    }

    /// The first record, also if it counts no more.
    #[inline]
    pub(super) fn front(&self) -> Option<Mark> {
        self.chunks.front()?.mark(self.head)
    }

    /// The same with its position.
    pub(super) fn first(&self) -> Option<(u32, Mark)> {
        let head = u32::try_from(self.head).unwrap_or(CHUNK);
        Some((self.first * CHUNK + head, self.front()?))
    }

    /// What the walk over the queue needs to know of the record at a position.
    pub(super) fn mark(&self, position: u32) -> Option<Mark> {
        let (chunk, place) = self.chunk(position)?;
        chunk.mark(place)
    }

    /// The position of the record after the one at this position.
    pub(super) fn after(&self, position: u32) -> Option<u32> {
        let (chunk, place) = self.chunk(position)?;
        let next = place + length(*chunk.words.get(place)?);
        if next < chunk.words.len() {
            return Some(position - position % CHUNK + u32::try_from(next).unwrap_or(CHUNK));
        }
        let next = (position / CHUNK + 1) % CHUNKS * CHUNK;
        self.chunk(next).map(|_| next)
    }

    /// Takes off the first record.
    pub(super) fn pop(&mut self) {
        let Some(chunk) = self.chunks.front_mut() else {
            return;
        };
        let Some(&word) = chunk.words.get(self.head) else {
            return;
        };
        self.head += length(word);
        if self.head < chunk.words.len() {
            return;
        }
        self.head = 0;
        self.chunks.pop_front();
        self.first = (self.first + 1) % CHUNKS;
    }

    /// All records, the oldest first, also those that count no more.
    pub(super) fn iter(&self) -> impl Iterator<Item = Mark> {
        let heads = std::iter::once(self.head).chain(std::iter::repeat(0));
        self.chunks.iter().zip(heads).flat_map(|(chunk, head)| {
            let mut place = head;
            std::iter::from_fn(move || {
                let mark = chunk.mark(place)?;
                place += length(*chunk.words.get(place)?);
                Some(mark)
            })
        })
    }
}

impl Chunk {
    fn put(&mut self, index: u32, row: &Row, end: &End, named: Option<&Named>) {
        let (kind, amounts, hold) = told(&end.state);
        let [committed, returned, overrun] = amounts;
        let time = end.settled.nanos();
        let settled = time.wrapping_sub(self.settled).cast_unsigned();
        let sequence = end.sequence.wrapping_sub(self.sequence);
        let is_narrow = settled >> 40 == 0
            && sequence >> 13 == 0
            && (committed | returned) >> 32 == 0
            && overrun == 0;
        let is_late = matches!(end.state, State::Committed { late: true, .. });
        let flag = |flag: u64, is_so: bool| if is_so { flag } else { 0 };
        let class = match row.class {
            Class::Run => 0,
            Class::Maker => 1,
            Class::Free => 2,
        };
        let head = u64::from(index & INDEX_MAX)
            | kind << KIND_SHIFT
            | class << CLASS_SHIFT
            | flag(NAMED, named.is_some())
            | flag(CHOSEN, named.is_some_and(|it| it.chosen))
            | flag(RATE, row.rate.is_some())
            | flag(LATE, is_late)
            | u64::from(row.trial) << TRIAL_SHIFT;
        let place = &row.place;
        let [books, users] = [
            pair(place.organization.index, place.book),
            pair(place.environment, place.user),
        ];
        let label = u64::from(place.label);
        if is_narrow {
            let head = head | sequence << SEQUENCE_SHIFT | settled >> 32 << SETTLED_SHIFT;
            let last = (settled & u64::from(u32::MAX)) | committed << 32;
            let narrow = [head, books, users, label | returned << 32, last];
            self.words.extend_from_slice(&narrow);
        } else {
            let wide = [
                head | WIDE,
                books,
                users,
                label,
                time.cast_unsigned(),
                end.sequence,
            ];
            self.words.extend_from_slice(&wide);
            self.words.extend_from_slice(&amounts);
        }
        if let Some(rate) = row.rate {
            self.words.extend([rate.credits.get(), rate.per.max(1)]);
        }
        if let Some(hold) = hold {
            self.words
                .extend([pair(hold.index, hold.generation), hold.shard.into()]);
        }
        if let Some(named) = named {
            let id = u128::from_be_bytes(named.id);
            let [high, low] = [id >> 64, id & u128::from(u64::MAX)];
            let [high, low] = [high, low].map(|it| u64::try_from(it).unwrap_or_default());
            self.words.extend([high, low]);
            if named.chosen {
                let expires = named.granted_expires.nanos().cast_unsigned();
                let first = [named.fingerprint, named.granted, expires];
                self.words.extend_from_slice(&first);
            }
        }
    }

    /// What the walk over the queue needs to know of a record.
    #[inline]
    fn mark(&self, place: usize) -> Option<Mark> {
        let words = self.words.get(place..)?;
        let &[head, _, _, _, last, ..] = words else {
            return None;
        };
        let (settled, sequence) = match head & WIDE {
            0 => self.narrow(head, last),
            _ => (last.cast_signed(), *words.get(5)?),
        };
        Some(Mark {
            index: halves(head & u64::from(INDEX_MAX)).0,
            is_gone: head & GONE != 0,
            settled: Timestamp::from_nanos(settled),
            sequence,
        })
    }

    /// Time and sequence of a narrow record.
    #[inline]
    fn narrow(&self, head: u64, last: u64) -> (i64, u64) {
        let settled = (head >> SETTLED_SHIFT) << 32 | (last & u64::from(u32::MAX));
        let sequence = head >> SEQUENCE_SHIFT & 0x1FFF;
        let settled = self.settled.wrapping_add(settled.cast_signed());
        (settled, self.sequence.wrapping_add(sequence))
    }

    fn row(&self, place: usize, slot: Slot, start: u64) -> Option<Row> {
        let &[head, books, users, third, last, ref rest @ ..] = self.words.get(place..)? else {
            return None;
        };
        let (mut rest, narrow) = (rest, self.narrow(head, last));
        let (settled, sequence, amounts) = if head & WIDE == 0 {
            (narrow.0, narrow.1, [last >> 32, third >> 32, 0])
        } else {
            let (&[sequence, committed, returned, overrun], more) = rest.split_first_chunk()?;
            rest = more;
            (last.cast_signed(), sequence, [committed, returned, overrun])
        };
        let mut rate = None;
        if head & RATE != 0 {
            let (&[credits, per], more) = rest.split_first_chunk()?;
            let credits = Credits::saturating(credits);
            (rate, rest) = (Some(Rate { credits, per }), more);
        }
        let mut hold = slot;
        if kind(head) == EXTENSION {
            let (&[number, shard], more) = rest.split_first_chunk()?;
            let (index, generation) = halves(number);
            let shard = shard.to_le_bytes()[0];
            hold = Slot {
                shard,
                index,
                generation,
            };
            rest = more;
        }
        let ((organization, book), (environment, user)) = (halves(books), halves(users));
        let organization = OrganizationId {
            shard: slot.shard,
            index: organization,
        };
        let settled = Timestamp::from_nanos(settled);
        let mut row = Row {
            generation: slot.generation,
            state: state(kind(head), amounts, head & LATE != 0, hold),
            place: Place {
                organization,
                book,
                environment,
                user,
                label: halves(third).0,
            },
            id: id_of(slot, start),
            chosen: false,
            fingerprint: 0,
            granted: 0,
            granted_expires: settled,
            held: 0,
            expires: settled,
            sequence,
            class: match head >> CLASS_SHIFT & 0b11 {
                0 => Class::Run,
                1 => Class::Maker,
                _ => Class::Free,
            },
            rate,
            trial: (head >> TRIAL_SHIFT).to_le_bytes()[0],
            settled,
        };
        if head & NAMED != 0 {
            let (&[high, low], more) = rest.split_first_chunk()?;
            let id = u128::from(high) << 64 | u128::from(low);
            row.id = id.to_be_bytes();
            rest = more;
        }
        if head & CHOSEN != 0 {
            let &[fingerprint, granted, expires] = rest.first_chunk()?;
            row.chosen = true;
            (row.fingerprint, row.granted) = (fingerprint, granted);
            row.granted_expires = Timestamp::from_nanos(expires.cast_signed());
            row.expires = row.granted_expires;
        }
        Some(row)
    }
}

/// Words of the record that begins with this one.
#[inline]
fn length(head: u64) -> usize {
    let more = |flag: u64, words: usize| if head & flag == 0 { 0 } else { words };
    let hold = if kind(head) == EXTENSION { 2 } else { 0 };
    5 + more(WIDE, 4) + more(RATE, 2) + hold + more(NAMED, 2) + more(CHOSEN, 3)
}

fn kind(head: u64) -> u64 {
    head >> KIND_SHIFT & 0b111
}

/// What a state says: its kind; committed, returned, overrun; the hold.
fn told(state: &State) -> (u64, [u64; 3], Option<Slot>) {
    match *state {
        // An open hold is in no queue.
        State::Open | State::Expired => (EXPIRED, [0; 3], None),
        State::Committed {
            committed,
            returned,
            overrun,
            ..
        } => (COMMITTED, [committed, returned, overrun], None),
        State::Released { returned } => (RELEASED, [0, returned, 0], None),
        State::Charged { overrun } => (CHARGED, [0, 0, overrun], None),
        State::Extension { hold } => (EXTENSION, [0; 3], Some(hold)),
        State::Adjusted => (ADJUSTED, [0; 3], None),
    }
}

fn state(kind: u64, [committed, returned, overrun]: [u64; 3], late: bool, hold: Slot) -> State {
    match kind {
        COMMITTED => State::Committed {
            committed,
            returned,
            overrun,
            late,
        },
        RELEASED => State::Released { returned },
        CHARGED => State::Charged { overrun },
        EXTENSION => State::Extension { hold },
        ADJUSTED => State::Adjusted,
        _ => State::Expired,
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn halves(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}
