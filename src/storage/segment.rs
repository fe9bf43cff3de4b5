//! One segment of the journal: its header, and records of 64-byte slots.
//!
//! ```text
//! header   0 magic 8 | version 2 | 0 2 | features 4 | crc of these 4 | crc of the rest 4
//!         24 journal id 8 | number 8 | first position 8 | start 8 | base time 8
//! record   0 crc 4 | length 3, flags 1 | synced 8 | body, zeros up to the next slot
//! ```
//!
//! All numbers are little endian. The header takes the first slot. A record's checksum is seeded with the journal's id, the
//! segment's number and the record's position, so that bytes of an earlier use of the file never pass. A group (the facts
//! of one operation) is the bodies of consecutive records, each but the last flagged `more`; it may go on in the next
//! segment. `synced` is the position up to which the journal was known to be safe when the record was written: damage
//! before it is no torn tail.

use crc32c::{crc32c, crc32c_append};

use crate::domain::time::Timestamp;
use crate::world::sabotage::{self, Fault};

use super::error::{FEATURES_KNOWN, FORMAT_VERSION, FileError};
use super::fact_code::Frame;

/// Bytes of a slot: a cache line. Most records fit into one.
pub(super) const SLOT_BYTES: usize = 64;

/// Bytes before a record's body.
pub(super) const RECORD_HEADER_BYTES: usize = 16;

/// A record takes at most so many slots, so that a flipped length cannot make a reader skip far.
pub(super) const RECORD_SLOTS_MAX: usize = 1_024;

/// Another record of the same group follows.
const MORE: u8 = 1;
/// Written when nothing else is: it says how far the journal is safe, and has no body.
const SEAL: u8 = 2;

const MAGIC: &[u8; 8] = b"quotadjl";

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The journal's id: a random number of its first start.
    pub(super) journal: u64,
    /// Ascending, and that of the file's name.
    pub(super) number: u64,
    /// The position of its first slot, which is the header.
    pub(super) first: u64,
    /// What the encoding of its facts leaves out.
    pub(super) frame: Frame,
}

impl Header {
    /// As it stands in the file.
    pub(super) fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(MAGIC);
        slot[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        slot[12..16].copy_from_slice(&0_u32.to_le_bytes());
        let base = self.frame.base.nanos().cast_unsigned();
        for (place, number) in [
            (24, self.journal),
            (32, self.number),
            (40, self.first),
            (48, self.frame.start),
            (56, base),
        ] {
            slot[place..place + 8].copy_from_slice(&number.to_le_bytes());
        }
        let (kind, rest) = (crc32c(&slot[..16]), crc32c(&slot[24..]));
        slot[16..20].copy_from_slice(&kind.to_le_bytes());
        slot[20..24].copy_from_slice(&rest.to_le_bytes());
        slot
    }

    /// Reads it; `None` if the bytes are no header, as those of a file that is prepared and not yet used.
    ///
    /// # Errors
    /// If a newer quotad wrote it.
    pub(super) fn decode(bytes: &[u8], file: &str) -> Result<Option<Self>, FileError> {
        let Some(slot) = bytes.get(..SLOT_BYTES) else {
            return Ok(None);
        };
        if &slot[..8] != MAGIC || u32_at(slot, 16) != crc32c(&slot[..16]) {
            return Ok(None);
        }
        let (version, features) = (u16::from_le_bytes([slot[8], slot[9]]), u32_at(slot, 12));
        if version > FORMAT_VERSION || features & !FEATURES_KNOWN != 0 {
            return Err(FileError::Newer {
                file: file.to_owned(),
                version,
                features: features & !FEATURES_KNOWN,
            });
        }
        if u32_at(slot, 20) != crc32c(&slot[24..]) {
            return Ok(None);
        }
        let frame = Frame {
            start: u64_at(slot, 48),
            base: Timestamp::from_nanos(u64_at(slot, 56).cast_signed()),
        };
        Ok(Some(Self {
            journal: u64_at(slot, 24),
            number: u64_at(slot, 32),
            first: u64_at(slot, 40),
            frame,
        }))
    }
}

/// What seeds the checksums of a segment's records, apart from their position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(u32);

impl Seed {
    /// Of a segment.
    pub(super) fn new(journal: u64, number: u64) -> Self {
        Self(crc32c_append(
            crc32c(&journal.to_le_bytes()),
            &number.to_le_bytes(),
        ))
    }

    fn checksum(self, position: u64, record: &[u8]) -> u32 {
        crc32c_append(crc32c_append(self.0, &position.to_le_bytes()), &record[4..])
    }
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The last, or only, record of a group.
    Last,
    /// A record of a group that goes on.
    More,
    /// No facts.
    Seal,
}

/// Makes a record in `out`; answers its bytes, and how many slots it takes.
pub(super) fn encode_record<'a>(
    out: &'a mut Vec<u8>,
    seed: Seed,
    position: u64,
    kind: Kind,
    synced: u64,
    body: &[u8],
) -> (&'a [u8], usize) {
    let flags = match kind {
        Kind::Last => 0,
        Kind::More => MORE,
        Kind::Seal => SEAL,
    };
    // Bodies end at RECORD_SLOTS_MAX slots: 24 bits are enough.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX) & 0x00FF_FFFF;
    // The position stands where the checksum comes later: so that is of one piece, and aligned, which halves its cost.
    let mut head = [0; POSITION_BYTES + RECORD_HEADER_BYTES - CHECKSUM_BYTES];
    head[..8].copy_from_slice(&position.to_le_bytes());
    head[8..12].copy_from_slice(&(length | u32::from(flags) << 24).to_le_bytes());
    head[12..].copy_from_slice(&synced.to_le_bytes());
    out.clear();
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
    let checksum = crc32c_append(seed.0, out);
    let record = &mut out[POSITION_BYTES - CHECKSUM_BYTES..];
    record[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
    (record, slots(body.len()))
}

const POSITION_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 4;

/// How many slots a record with so many bytes of body takes.
pub(super) fn slots(body_bytes: usize) -> usize {
    (RECORD_HEADER_BYTES + body_bytes).div_ceil(SLOT_BYTES)
}

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) position: u64,
    pub(super) kind: Kind,
    /// The journal was safe up to here when it was written.
    pub(super) synced: u64,
    pub(super) body: &'a [u8],
}

impl Record<'_> {
    /// The position after it.
    pub(super) fn end(&self) -> u64 {
        self.position + slots(self.body.len()) as u64
    }
}

/// The bytes of a segment, to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    bytes: &'a [u8],
    seed: Seed,
    first: u64,
}

impl<'a> Segment<'a> {
    /// A segment of this number that begins at this position, whether its header can be read or not.
    pub(super) fn new(bytes: &'a [u8], journal: u64, number: u64, first: u64) -> Self {
        Self {
            bytes,
            seed: Seed::new(journal, number),
            first,
        }
    }

    /// The position after its last slot.
    pub(super) fn end(&self) -> u64 {
        self.first + (self.bytes.len() / SLOT_BYTES) as u64
    }

    /// Where a position stands, in bytes from the beginning of the file.
    pub(super) fn offset(&self, position: u64) -> u64 {
        position.saturating_sub(self.first) * SLOT_BYTES as u64
    }

    /// The record at a position, if there is a whole one.
    pub(super) fn record(&self, position: u64) -> Option<Record<'a>> {
        let slot = usize::try_from(position.checked_sub(self.first)?).ok()?;
        let bytes = self.bytes.get(slot.checked_mul(SLOT_BYTES)?..)?;
        let head = bytes.get(..RECORD_HEADER_BYTES)?;
        let [a, b, c, flags] = [head[4], head[5], head[6], head[7]];
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let kind = match flags {
            0 => Kind::Last,
            MORE => Kind::More,
            SEAL => Kind::Seal,
            _ => return None,
        };
        if slots(length) > RECORD_SLOTS_MAX {
            return None;
        }
        let record = bytes.get(..RECORD_HEADER_BYTES + length)?;
        let is_whole = u32_at(record, 0) == self.seed.checksum(position, record)
            || (sabotage::is(Fault::NoChecksum) && length > 0);
        is_whole.then(|| Record {
            position,
            kind,
            synced: u64_at(record, 8),
            body: &record[RECORD_HEADER_BYTES..],
        })
    }

    /// Records one after the other from a position on, until the first that is not whole.
    pub(super) fn records_from(self, position: u64) -> impl Iterator<Item = Record<'a>> {
        let mut next = position.max(self.first + 1);
        std::iter::from_fn(move || {
            let record = self.record(next)?;
            next = record.end();
            Some(record)
        })
    }

    /// Whole records that begin at any slot from a position on: what stands behind a damaged one.
    pub(super) fn survivors_from(self, position: u64) -> impl Iterator<Item = Record<'a>> {
        let mut next = position.max(self.first + 1);
        std::iter::from_fn(move || {
            while next < self.end() {
                if let Some(record) = self.record(next) {
                    next = record.end();
                    return Some(record);
                }
                next += 1;
            }
            None
        })
    }
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    bytes[place..place + 4]
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    u64::from(u32_at(bytes, place)) | u64::from(u32_at(bytes, place + 4)) << 32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn header() -> Header {
        let frame = Frame {
            start: 3,
            base: Timestamp::from_nanos(-4),
        };
        Header {
            journal: 1,
            number: 2,
            first: 100,
            frame,
        }
    }

    /// A segment of 8 slots with the bodies of these lengths, each in one record.
    fn segment(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = header().encode().to_vec();
        bytes.resize(8 * SLOT_BYTES, 0);
        let (mut position, mut buffer) = (101, Vec::new());
        for &length in lengths {
            let body = vec![7; length];
            let (record, count) = encode_record(
                &mut buffer,
                Seed::new(1, 2),
                position,
                Kind::Last,
                position,
                &body,
            );
            let at = usize::try_from(position - 100).unwrap() * SLOT_BYTES;
            bytes[at..at + record.len()].copy_from_slice(record);
            position += count as u64;
        }
        bytes
    }

    #[test]
    fn a_header_is_read_as_written_and_a_flipped_bit_is_none() {
        let slot = header().encode();
        assert_eq!(Header::decode(&slot, "f").unwrap(), Some(header()));
        assert_eq!(Header::decode(&[0; SLOT_BYTES], "f").unwrap(), None);
        for bit in 0..SLOT_BYTES * 8 {
            let mut flipped = slot;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped, "f").unwrap(), None, "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut slot = header().encode();
        slot[8..10].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
        let kind = crc32c(&slot[..16]);
        slot[16..20].copy_from_slice(&kind.to_le_bytes());
        let error = Header::decode(&slot, "journal-7").unwrap_err().to_string();
        assert!(
            error.contains("journal-7") && error.contains("format 2"),
            "{error}"
        );
    }

    #[test]
    fn records_are_read_until_the_first_that_is_not_whole() {
        let mut bytes = segment(&[0, 48, 49, 10]);
        let read = |bytes: &[u8]| -> Vec<(u64, usize)> {
            let segment = Segment::new(bytes, 1, 2, 100);
            segment
                .records_from(0)
                .map(|it| (it.position, it.body.len()))
                .collect()
        };
        assert_eq!(read(&bytes), [(101, 0), (102, 48), (103, 49), (105, 10)]);
        bytes[3 * SLOT_BYTES + 20] ^= 1;
        assert_eq!(read(&bytes), [(101, 0), (102, 48)]);
        let segment = Segment::new(&bytes, 1, 2, 100);
        let behind: Vec<_> = segment.survivors_from(103).map(|it| it.position).collect();
        assert_eq!(behind, [105]);
    }

    #[test]
    fn bytes_of_another_use_of_the_file_never_pass() {
        let bytes = segment(&[5, 5]);
        for (journal, number, first) in [(9, 2, 100), (1, 3, 100), (1, 2, 101)] {
            let segment = Segment::new(&bytes, journal, number, first);
            assert_eq!(
                segment.survivors_from(0).count(),
                0,
                "{journal} {number} {first}"
            );
        }
    }
}
