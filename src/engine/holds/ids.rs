//! Ids: those that the engine gives out name their slot.

use crate::domain::fact::{Id, Slot};

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
pub(in super::super) const INDEX_MAX: u32 = 0x00FF_FFFF;

/// The instant in a UUIDv7, in milliseconds since the epoch; `None` for any other id.
pub(in super::super) fn uuid_v7_millis(id: &Id) -> Option<i64> {
    let is_v7 = id[6] >> 4 == 7 && id[8] >> 6 == 0b10;
    let [a, b, c, d, e, f, ..] = *id;
    is_v7.then(|| i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

/// As people read an id: 32 hexadecimal digits.
pub(in super::super) fn hex(id: &Id) -> String {
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
