//! A snapshot survives the round trip; whatever happens to its bytes, it is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io;
use std::sync::Arc;

use crc32c::crc32c;
use parking_lot::Mutex;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::domain::fact::OrganizationId;
use crate::engine::entry::Misfit;
use crate::storage::entry_code::arbitrary::{Owned, entry};
use crate::storage::error::{FORMAT_VERSION, FileError};
use crate::storage::parts::arbitrary::FRAME;
use crate::world::disk::Output;

/// A file in memory.
#[derive(Clone, Default)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    is_synced: Arc<Mutex<bool>>,
}

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.is_synced.lock() = false;
        self.bytes.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Memory {
    fn sync(&mut self) -> io::Result<()> {
        *self.is_synced.lock() = true;
        Ok(())
    }
}

fn header_of(number: u64) -> Header {
    Header {
        journal: 0xFEED,
        number,
        frame: FRAME,
        now: Now::at(FRAME.base),
        segment: 3,
        positions: (0..64).map(|shard| shard * 1_000).collect(),
        plan: PlanHash::of(b"{}"),
    }
}

/// The file of these entries, flushed after every so many.
fn written(header: &Header, entries: &[Owned], flush_every: usize) -> (Vec<u8>, Counts) {
    let file = Memory::default();
    let mut writer = Writer::new(Box::new(file.clone()), header).unwrap();
    for (index, entry) in entries.iter().enumerate() {
        let before = file.bytes.lock().len();
        writer.entry(&entry.entry());
        assert_eq!(
            file.bytes.lock().len(),
            before,
            "an entry was written under the lock"
        );
        if index % flush_every == 0 {
            writer.flush().unwrap();
        }
    }
    let counts = writer.finish().unwrap();
    assert!(*file.is_synced.lock());
    let bytes = file.bytes.lock().clone();
    (bytes, counts)
}

fn verified(bytes: &[u8]) -> Result<(Header, Counts), FileError> {
    verify(&mut &*bytes, "snapshot-7")
}

/// The same entries in every run.
fn some(count: usize) -> Vec<Owned> {
    let mut runner = TestRunner::deterministic();
    let entries = vec(entry(), count).new_tree(&mut runner).unwrap();
    entries.current()
}

/// Where the blocks begin, the trailer's too.
fn blocks(bytes: &[u8]) -> Vec<usize> {
    let length = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
    let mut at = HEADER_FIXED_BYTES + length(24);
    let mut begins = Vec::new();
    while at < bytes.len() {
        begins.push(at);
        at += BLOCK_HEADER_BYTES + length(at);
    }
    assert_eq!(at, bytes.len());
    begins
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_snapshot_survives_the_round_trip(entries in vec(entry(), 0..60), flush_every in 1..20_usize) {
        let header = header_of(7);
        let (bytes, counts) = written(&header, &entries, flush_every);
        let mut expected = entries.iter();
        let told = read(&mut &*bytes, "snapshot-7", &mut |entry| {
            assert_eq!(entry, expected.next().unwrap().entry());
            Ok(())
        });
        prop_assert!(expected.next().is_none());
        prop_assert_eq!(told.unwrap(), (header, counts));
        prop_assert_eq!(counts.entries, entries.len() as u64);
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused_and_never_panic(bytes in vec(any::<u8>(), 0..2_000), whole in 0..3_u8) {
        // After nothing, after the magic, after a whole header.
        let (mut file, _) = written(&header_of(7), &[], 1);
        file.truncate(match whole {
            0 => 0,
            1 => MAGIC.len(),
            _ => blocks(&file)[0],
        });
        file.extend_from_slice(&bytes);
        prop_assert!(verified(&file).is_err());
    }
}

#[test]
fn the_counts_say_what_a_snapshot_holds() {
    let entries = some(3_000);
    let (bytes, counts) = written(&header_of(7), &entries, 256);
    let (mut organizations, mut cells, mut open) = (0, 0, 0);
    for entry in &entries {
        match entry.entry() {
            Entry::Organization { .. } => organizations += 1,
            Entry::User { cells: some, .. } => cells += some.len() as u64,
            Entry::Remembered { row, .. } if row.state == State::Open => open += 1,
            _ => {}
        }
    }
    assert!(organizations > 0 && cells > 0 && open > 0);
    let counted = (counts.organizations, counts.cells, counts.holds_open);
    assert_eq!(counted, (organizations, cells, open));
    assert_eq!(counts.bytes, *blocks(&bytes).last().unwrap() as u64);
}

#[test]
fn a_block_ends_before_it_grows_too_long_and_a_long_entry_has_one_for_itself() {
    let mut entries = some(6_000);
    let organization = OrganizationId { shard: 0, index: 0 };
    let long = "x".repeat(3 * BLOCK_BYTES);
    entries.insert(
        500,
        Owned::User(organization, [0, 0], long.into(), Vec::new()),
    );
    let (bytes, counts) = written(&header_of(7), &entries, 100);
    let begins = blocks(&bytes);
    let lengths: Vec<usize> = begins.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let long: Vec<&usize> = lengths.iter().filter(|it| **it > BLOCK_BYTES).collect();
    assert!(lengths.len() > 4 && long.len() == 1, "{lengths:?}");
    assert_eq!(verified(&bytes).unwrap().1, counts);
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let (bytes, _) = written(&header_of(7), &some(60), 10);
    let mut newer = 0;
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            match verified(&flipped) {
                Err(FileError::Damaged { offset, .. }) => assert!(offset <= bytes.len() as u64),
                Err(FileError::Newer { .. }) => newer += 1,
                other => panic!("bit {bit} of byte {place}: {other:?}"),
            }
        }
    }
    println!(
        "{} bits flipped in {} bytes: all refused",
        bytes.len() * 8,
        bytes.len()
    );
    assert_eq!(newer, 0, "damage was taken for a newer format");
}

#[test]
fn a_snapshot_that_is_cut_or_goes_on_is_refused() {
    let (bytes, _) = written(&header_of(7), &some(60), 10);
    for end in 0..bytes.len() {
        let refused = verified(&bytes[..end]);
        assert!(
            matches!(refused, Err(FileError::Damaged { .. })),
            "{end}: {refused:?}"
        );
    }
    let longer = [&*bytes, &[0]].concat();
    let told = verified(&longer).unwrap_err().to_string();
    let expected = format!(
        "snapshot-7: damaged at byte {}: more follows after its trailer",
        bytes.len()
    );
    assert_eq!(told, expected);
}

#[test]
fn no_block_passes_for_another() {
    let entries = some(6_000);
    let (bytes, _) = written(&header_of(7), &entries, 100);
    let begins = blocks(&bytes);
    assert!(begins.len() > 4);
    let part = |index: usize| &bytes[begins[index]..begins[index + 1]];
    let (head, rest) = (&bytes[..begins[0]], &bytes[begins[2]..]);
    let swapped = [head, part(1), part(0), rest].concat();
    let left_out = [head, part(1), rest].concat();
    let twice = [head, part(0), part(0), part(1), rest].concat();
    let (other, _) = written(&header_of(8), &entries, 100);
    let other_number = [&other[..begins[0]], &bytes[begins[0]..]].concat();
    for (what, file) in [
        ("swapped", swapped),
        ("left out", left_out),
        ("twice", twice),
        ("of another", other_number),
    ] {
        let told = verified(&file).unwrap_err().to_string();
        assert!(
            told.contains("does not match its checksum"),
            "{what}: {told}"
        );
    }
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let (bytes, _) = written(&header_of(7), &[], 1);
    for (place, value, told) in [
        (
            8,
            u8::try_from(FORMAT_VERSION + 1).unwrap(),
            "format 2 with features 0x0",
        ),
        (15, 0x80, "format 1 with features 0x80000000"),
    ] {
        let mut newer = bytes.clone();
        newer[place] = value;
        assert!(matches!(verified(&newer), Err(FileError::Damaged { .. })));
        let checksum = crc32c(&newer[..16]);
        newer[16..20].copy_from_slice(&checksum.to_le_bytes());
        // Whatever a newer format has after its first bytes.
        newer.truncate(28);
        let refused = verified(&newer).unwrap_err();
        assert!(matches!(refused, FileError::Newer { .. }), "{refused:?}");
        assert!(refused.to_string().contains(told), "{refused}");
    }
}

#[test]
fn an_entry_that_is_not_taken_ends_the_reading() {
    let (bytes, _) = written(&header_of(7), &some(10), 1);
    let mut told = 0;
    let refused = read(&mut &*bytes, "snapshot-7", &mut |_| {
        told += 1;
        Err(Misfit("a shard comes twice"))
    });
    assert!(
        matches!(refused, Err(FileError::Misfit { .. })),
        "{refused:?}"
    );
    assert_eq!(told, 1);
}

#[test]
fn a_header_can_be_read_alone() {
    let (bytes, _) = written(&header_of(7), &some(10), 1);
    let about = about(&mut &bytes[..blocks(&bytes)[0]], "snapshot-7").unwrap();
    assert_eq!(about.header, header_of(7));
    assert_eq!((about.version, about.features), (FORMAT_VERSION, 0));
    assert_eq!(about.written_by, env!("CARGO_PKG_VERSION"));
}
