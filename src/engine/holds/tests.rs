//! Packed rows are the rows that came, in the order in which they settled, and a copy in steps is that of its beginning.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::option;
use proptest::prelude::*;

use crate::domain::credits::Credits;
use crate::domain::fact::{Id, OrganizationId, Place, Tag};
use crate::domain::rates::{Class, Rate};

use super::*;

const SHARD: u8 = 7;
const START: u64 = 0x5AFE;

/// What is done to holds.
#[derive(Clone, Debug)]
enum Change {
    /// A row comes, in the next slot or in one that a fact names.
    Come(Option<u32>, Box<Row>),
    /// One of the rows settles, after so many nanoseconds.
    Settle(u32, State, i64),
    Extend(u32, u64, i64),
    Forget,
    Step(usize),
    Resume(i64),
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..1_000_u64, 1 => Just(u64::from(u32::MAX)), 1 => 0..=Credits::MAX.get()]
}

fn time() -> impl Strategy<Value = Timestamp> {
    let nanos = prop_oneof![4 => 0..1_000_i64, 1 => 0..1_i64 << 42, 1 => any::<i64>()];
    nanos.prop_map(Timestamp::from_nanos)
}

fn settled() -> impl Strategy<Value = State> {
    let hold = any::<(u8, u32, u32)>().prop_map(|(shard, index, generation)| Slot {
        shard,
        index,
        generation,
    });
    prop_oneof![
        Just(State::Expired),
        (
            amount(),
            amount(),
            prop_oneof![Just(0), amount()],
            any::<bool>()
        )
            .prop_map(|(committed, returned, overrun, late)| State::Committed {
                committed,
                returned,
                overrun,
                late,
            }),
        amount().prop_map(|returned| State::Released { returned }),
        amount().prop_map(|overrun| State::Charged { overrun }),
        hold.prop_map(|hold| State::Extension { hold }),
        Just(State::Adjusted),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let place = any::<[u32; 5]>().prop_map(|[index, book, environment, user, label]| Place {
        organization: OrganizationId {
            shard: SHARD,
            index,
        },
        book,
        environment,
        user,
        label,
    });
    let rate = (amount(), 1..=u64::MAX).prop_map(|(credits, per)| Rate {
        credits: Credits::saturating(credits),
        per,
    });
    let class = prop_oneof![Just(Class::Run), Just(Class::Maker), Just(Class::Free)];
    let state = prop_oneof![2 => Just(State::Open), 1 => settled()];
    let named = option::of((any::<Id>(), any::<bool>(), any::<u64>()));
    let numbers = (amount(), amount(), any::<u8>());
    let rest = (class, option::of(rate), numbers);
    (state, place, named, [time(), time(), time()], rest).prop_map(|it| {
        let (state, place, named, [granted_expires, expires, settled], rest) = it;
        let (class, rate, (granted, held, trial)) = rest;
        let (id, chosen, fingerprint) = named.unwrap_or(([0; 16], false, 0));
        Row {
            generation: 0,
            state,
            place,
            id,
            chosen,
            fingerprint,
            granted,
            granted_expires,
            held: if state == State::Open { held } else { 0 },
            expires,
            sequence: 0,
            class,
            rate,
            trial,
            settled,
        }
    })
}

fn change() -> impl Strategy<Value = Change> {
    let at = prop_oneof![3 => Just(None), 1 => (0..30_u32).prop_map(Some)];
    prop_oneof![
        6 => (at, row()).prop_map(|(at, row)| Change::Come(at, Box::new(row))),
        6 => (0..30_u32, settled(), prop_oneof![4 => 0..50_i64, 1 => 0..1_i64 << 41])
            .prop_map(|(number, state, later)| Change::Settle(number, state, later)),
        2 => (0..30_u32, amount(), 0..1_000_i64).prop_map(|(it, more, at)| Change::Extend(it, more, at)),
        3 => Just(Change::Forget),
        3 => (0..6_usize).prop_map(Change::Step),
        1 => any::<i64>().prop_map(Change::Resume),
    ]
}

/// The same as plainly as can be.
#[derive(Clone, Default)]
struct Plain {
    rows: BTreeMap<u32, Row>,
    sequence: u64,
    now: i64,
}

/// A row without what is not kept.
fn kept(mut row: Row) -> Row {
    if !row.chosen {
        row.fingerprint = 0;
        (row.granted, row.granted_expires) = match row.state {
            State::Open => (row.held, row.expires),
            _ => (0, row.settled),
        };
    }
    if row.state != State::Open {
        row.expires = row.granted_expires;
    }
    row
}

fn make(holds: &mut Holds, plain: &mut Plain, change: Change) -> Vec<(u32, Row)> {
    let mut copied = Vec::new();
    match change {
        Change::Come(at, row) => {
            let mut slot = holds.next(SHARD);
            if let Some(index) = at {
                let generation = slot.generation;
                slot = Slot {
                    index,
                    generation,
                    ..slot
                };
            }
            plain.sequence += 1;
            let mut row = Row {
                generation: slot.generation,
                sequence: plain.sequence,
                ..*row
            };
            if row.id == [0; 16] {
                row.id = id_of(slot, START);
            }
            holds.insert(slot, &row);
            plain.rows.insert(slot.index, row);
            assert_eq!(holds.get(slot).map(kept), Some(kept(row)));
        }
        Change::Settle(number, state, later) => {
            let Some(row) = plain.rows.get_mut(&number) else {
                return copied;
            };
            (plain.now, plain.sequence) = (plain.now + later, plain.sequence + 1);
            (row.state, row.held) = (state, 0);
            (row.settled, row.sequence) = (Timestamp::from_nanos(plain.now), plain.sequence);
            let slot = Slot {
                shard: SHARD,
                index: number,
                generation: row.generation,
            };
            let before = holds.get(slot).expect("it is remembered");
            let (settled, sequence) = (row.settled, row.sequence);
            let end = End {
                state,
                settled,
                sequence,
            };
            holds.settle(slot, &before, &end);
        }
        Change::Extend(number, more, at) => {
            let row = plain.rows.get_mut(&number);
            let Some(row) = row.filter(|row| row.state == State::Open) else {
                return copied;
            };
            row.held += more;
            row.settled = Timestamp::from_nanos(at);
            row.expires = Timestamp::from_nanos(at + 60);
            let slot = Slot {
                shard: SHARD,
                index: number,
                generation: row.generation,
            };
            holds.extend(slot, more, row.expires, row.settled);
        }
        Change::Forget => {
            let settled = plain.rows.iter().filter(|(_, it)| it.state != State::Open);
            let first = settled.min_by_key(|(_, row)| row.sequence);
            let first = first.map(|(&number, &row)| (number, kept(row)));
            let forgotten = holds.forget();
            assert_eq!(forgotten.map(|(number, row)| (number, kept(row))), first);
            if let Some((number, _)) = first {
                plain.rows.remove(&number);
            }
        }
        Change::Step(slots) => {
            holds.step(slots, |number, row| copied.push((number, kept(*row))));
        }
        Change::Resume(now) => {
            let now = Timestamp::from_nanos(now);
            for row in plain.rows.values_mut() {
                if row.state == State::Open {
                    row.expires = row.expires.min(now.plus(row.expires.since(row.settled)));
                }
                row.settled = row.settled.min(now);
            }
            holds.resume(now);
        }
    }
    copied
}

fn content(holds: &Holds) -> Vec<(u32, Row)> {
    holds
        .iter()
        .map(|(number, row)| (number, kept(row)))
        .collect()
}

fn expected(plain: &Plain) -> Vec<(u32, Row)> {
    let rows = plain.rows.iter();
    rows.map(|(&number, &row)| (number, kept(row))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_was_packed_is_what_came(
        before in prop::collection::vec(change(), 0..80),
        after in prop::collection::vec(change(), 0..120),
    ) {
        let (mut holds, mut plain) = (Holds::new(SHARD, START), Plain::default());
        for change in before {
            prop_assert!(make(&mut holds, &mut plain, change).is_empty());
            prop_assert_eq!(content(&holds), expected(&plain));
        }
        let begun = expected(&plain);
        holds.begin_copy(plain.sequence + 1);
        let mut copied = Vec::new();
        for change in after {
            copied.extend(make(&mut holds, &mut plain, change));
            prop_assert_eq!(content(&holds), expected(&plain));
        }
        while holds.is_copying() {
            copied.extend(make(&mut holds, &mut plain, Change::Step(3)));
        }
        copied.sort_unstable_by_key(|&(number, _)| number);
        prop_assert_eq!(copied, begun);
    }

    #[test]
    fn rows_that_come_in_any_order_are_forgotten_in_the_order_of_settling(
        rows in prop::collection::vec(row(), 0..300),
        sequences in Just((0..300_u64).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut holds = Holds::new(SHARD, START);
        let mut settled = BTreeMap::new();
        for (mut row, &sequence) in rows.into_iter().zip(&sequences) {
            let slot = holds.next(SHARD);
            (row.generation, row.sequence) = (slot.generation, sequence);
            if row.state != State::Open {
                settled.insert(sequence, slot.index);
            }
            holds.insert(slot, &row);
        }
        holds.line_up();
        let forgotten = std::iter::from_fn(|| holds.forget());
        let forgotten: Vec<_> = forgotten.map(|(number, row)| (row.sequence, number)).collect();
        prop_assert_eq!(forgotten, settled.into_iter().collect::<Vec<_>>());
    }
}

/// Corrections, each settled a nanosecond after the one before.
fn settled_in_order(holds: &mut Holds, sequences: std::ops::Range<u64>) {
    for sequence in sequences {
        let slot = holds.next(SHARD);
        let (mut tag, place) = plain(slot.index);
        (tag.slot, tag.id) = (slot, id_of(slot, START));
        let at = Timestamp::from_nanos(sequence.cast_signed());
        let row = Row::settled(tag, State::Adjusted, place, 0, at);
        holds.insert(slot, &Row { sequence, ..row });
    }
}

#[test]
fn a_copy_is_of_its_beginning_however_far_the_forgetting_has_come() {
    // More than two chunks of the queue.
    const BEFORE: u64 = 700;
    for (forgotten_first, forgotten_a_step) in [(0, 3), (0, 20), (300, 3), (BEFORE, 3)] {
        let mut holds = Holds::new(SHARD, START);
        settled_in_order(&mut holds, 0..BEFORE);
        let begun = content(&holds);
        holds.begin_copy(BEFORE);
        let (mut copied, mut sequence) = (Vec::new(), BEFORE);
        let mut forget_and_settle = |holds: &mut Holds, count| {
            for _ in 0..count {
                assert!(holds.forget().is_some());
            }
            settled_in_order(holds, sequence..sequence + count);
            sequence += count;
        };
        forget_and_settle(&mut holds, forgotten_first);
        let put_aside = |holds: &Holds| holds.copy.as_ref().map_or(0, |it| it.put_aside());
        assert_eq!(put_aside(&holds) as u64, forgotten_first);
        while holds.is_copying() {
            holds.step(10, |number, row| copied.push((number, kept(*row))));
            forget_and_settle(&mut holds, forgotten_a_step);
            if forgotten_first == 0 && forgotten_a_step < 10 {
                assert!(put_aside(&holds) <= 15, "only while holds are looked for");
            }
        }
        copied.sort_unstable_by_key(|&(number, _)| number);
        assert_eq!(copied, begun);
    }
}

#[test]
fn nothing_grows_unnoticed() {
    assert_eq!(size_of::<Option<Open>>(), 80);
    assert_eq!(size_of::<Option<Named>>(), 48);
    assert_eq!(size_of::<Option<Packed>>(), 4);
    let (tag, place) = plain(0);
    let state = |committed| State::Committed {
        committed,
        returned: 20,
        overrun: 0,
        late: false,
    };
    // A plain settled request takes 5 words, one with an id of the caller's own 10, one whose amount needs more 9.
    let mut ring = Ring::default();
    let mut settle = |committed, named: Option<&Named>| {
        let row = Row::settled(tag, state(committed), place, 0, Timestamp::default());
        ring.push(0, &row, &End::of(&row), named)
    };
    let named = Named {
        id: [1; 16],
        chosen: true,
        fingerprint: 1,
        granted: 100,
        granted_expires: Timestamp::default(),
    };
    assert_eq!((settle(80, None), settle(80, Some(&named))), (0, 5));
    assert_eq!((settle(1 << 40, None), settle(80, None)), (15, 24));
}

/// A tag whose id follows from its slot, and a place.
fn plain(index: u32) -> (Tag, Place) {
    let slot = Slot {
        shard: SHARD,
        index,
        generation: 0,
    };
    let tag = Tag {
        slot,
        id: id_of(slot, START),
        chosen: false,
        fingerprint: 0,
    };
    let place = Place {
        organization: OrganizationId {
            shard: SHARD,
            index: 0,
        },
        book: 0,
        environment: 0,
        user: 0,
        label: 0,
    };
    (tag, place)
}

#[test]
fn a_slot_that_is_no_longer_the_same_is_not_found() {
    let mut holds = Holds::new(SHARD, START);
    let (tag, place) = plain(0);
    let slot = tag.slot;
    assert_eq!(holds.next(SHARD), slot);
    let row = Row::settled(tag, State::Adjusted, place, 0, Timestamp::default());
    holds.insert(slot, &row);
    assert!(holds.get(slot).is_some());
    assert!(holds.forget().is_some());
    assert_eq!((holds.get(slot), holds.forget()), (None, None));
    let again = holds.next(SHARD);
    assert_eq!((again.index, again.generation), (slot.index, 1));
    holds.insert(
        again,
        &Row {
            generation: 1,
            ..row
        },
    );
    assert_eq!((holds.get(slot), holds.get(again).is_some()), (None, true));
    let beyond = Slot {
        index: INDEX_MAX + 1,
        ..slot
    };
    holds.insert(beyond, &row);
    assert_eq!((holds.get(beyond), holds.slots()), (None, 1));
}
