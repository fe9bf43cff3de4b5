//! Every entry survives the round trip; bytes that are none are refused; the common ones are short.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::arbitrary::{Owned, entry};
use super::*;
use crate::domain::fact::{OrganizationId, Place, Slot};
use crate::domain::rates::Class;
use crate::engine::entry::{Row, State};
use crate::storage::parts::arbitrary::{FRAME, damage};

fn encoded(entries: &[Owned]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        encode(&entry.entry(), &FRAME, &mut bytes);
    }
    bytes
}

/// How many were told, each of which is encoded anew into the bytes that are answered too.
fn decoded(bytes: &[u8]) -> (usize, Vec<u8>, Result<(), EntryError>) {
    let (mut told, mut again) = (0, Vec::new());
    let result = decode(bytes, &FRAME, &mut Scratch::default(), &mut |entry| {
        told += 1;
        encode(&entry, &FRAME, &mut again);
        Ok(())
    });
    (told, again, result)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn entries_survive_the_round_trip(entries in vec(entry(), 0..8)) {
        let mut expected = entries.iter();
        let result = decode(&encoded(&entries), &FRAME, &mut Scratch::default(), &mut |entry| {
            assert_eq!(entry, expected.next().unwrap().entry());
            Ok(())
        });
        prop_assert!(result.is_ok(), "{result:?}");
        prop_assert!(expected.next().is_none());
    }

    #[test]
    fn bytes_that_are_none_of_ours_are_refused_or_told_and_never_panic(
        entries in vec(entry(), 0..8), damage in damage(),
    ) {
        let damaged = damage.done_to(&encoded(&entries));
        let (told, _, result) = decoded(&damaged);
        prop_assert!(told <= damaged.len());
        if let Err(EntryError::Garbled(garbled)) = result {
            prop_assert!(garbled.offset <= damaged.len());
        }
    }

    #[test]
    fn an_entry_that_is_cut_anywhere_is_refused(entry in entry()) {
        let bytes = encoded(&[entry]);
        for cut in 1..bytes.len() {
            let (told, _, result) = decoded(&bytes[..cut]);
            prop_assert!(told == 0 && result.is_err(), "cut to {} of {}", cut, bytes.len());
        }
    }
}

#[test]
fn who_takes_the_entries_can_refuse_them() {
    let bytes = encoded(&[
        Owned::Shard(1, 2, FRAME.base),
        Owned::Shard(2, 2, FRAME.base),
    ]);
    let mut told = 0;
    let result = decode(&bytes, &FRAME, &mut Scratch::default(), &mut |_| {
        told += 1;
        Err(Misfit("a shard comes twice"))
    });
    assert!(matches!(result, Err(EntryError::Misfit(_))), "{result:?}");
    assert_eq!(told, 1);
}

#[test]
fn every_kind_but_those_listed_is_refused_by_its_number() {
    for kind in (0..=0).chain(14..=u8::MAX) {
        let refused = decoded(&[kind, 0, 0, 0]).2.unwrap_err().to_string();
        assert_eq!(refused, format!("{kind} is no kind of entry (byte 0)"));
    }
}

fn user() -> Owned {
    let organization = OrganizationId {
        shard: 63,
        index: 100,
    };
    let cell = Cell {
        environment: 3,
        used: 1_000_000,
        held: 5_000,
        ..Cell::default()
    };
    Owned::User(organization, [12, 999_999], "".into(), vec![cell])
}

fn hold() -> Owned {
    let slot = Slot {
        shard: 63,
        index: 999_999,
        generation: 16_000,
    };
    let opened = FRAME.base.minus(std::time::Duration::from_secs(600));
    let expires = FRAME.base.plus(std::time::Duration::from_secs(600));
    let Owned::User(organization, ..) = user() else {
        unreachable!()
    };
    let row = Row {
        generation: slot.generation,
        state: State::Open,
        place: Place {
            organization,
            book: 12,
            environment: 3,
            user: 999_999,
            label: 0,
        },
        id: parts::known_id(slot, &FRAME),
        chosen: false,
        fingerprint: u64::MAX,
        granted: 5_000,
        granted_expires: expires,
        held: 5_000,
        expires,
        sequence: 1 << 34,
        class: Class::Run,
        rate: None,
        trial: 0,
        settled: opened,
    };
    Owned::Remembered(slot, row)
}

#[test]
fn what_there_are_many_of_is_short() {
    let (user, hold) = (encoded(&[user()]).len(), encoded(&[hold()]).len());
    println!("a user with one cell: {user} bytes and the name; an open hold: {hold} bytes");
    assert!(user <= 30 && hold <= 60, "{user} {hold}");
}

/// The bytes are what stands on disks: they change only together with the version of the format.
#[test]
fn the_bytes_of_an_entry_stay_as_they_are() {
    let bytes = encoded(&[user(), hold()]);
    let hex: String = bytes.iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(
        hex,
        "083f640cbf843d000119c0843d8827\
         0a003fbf843d807d01640c03bf843d00ffffffffffffffff882780c0cbacf6228827008080808040ffff96d9ec45"
    );
}
