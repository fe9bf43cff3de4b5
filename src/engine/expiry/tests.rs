//! The lanes and the tree surface what a sorted list does, and keep no more than they may.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::domain::fact::{OrganizationId, Place, Tag};
use crate::engine::holds::{End, Row, State, id_of};

use super::*;

/// What happens to the holds.
#[derive(Clone, Debug)]
enum Change {
    /// One is opened, with this time to live.
    Open(i64),
    /// One of those that are open settles.
    Settle(usize),
    /// One of them is extended: it lives so long from now.
    Extend(usize, i64),
    /// So much time passes; what is due surfaces.
    Pass(i64),
    LineUp,
}

fn change() -> impl Strategy<Value = Change> {
    let ttl = || prop_oneof![4 => Just(60), 2 => Just(5), 2 => Just(7), 3 => 1..90_i64];
    prop_oneof![
        8 => ttl().prop_map(Change::Open),
        4 => any::<usize>().prop_map(Change::Settle),
        2 => (any::<usize>(), ttl()).prop_map(|(which, ttl)| Change::Extend(which, ttl)),
        4 => (0..4_i64).prop_map(Change::Pass),
        1 => Just(Change::LineUp),
    ]
}

#[derive(Default)]
struct World {
    expiry: Expiry,
    holds: Option<Holds>,
    /// What is open, as it ought to surface.
    plain: BTreeMap<Key, Slot>,
    sequence: u64,
    now: i64,
}

impl World {
    fn holds(&mut self) -> &mut Holds {
        self.holds.get_or_insert_with(|| Holds::new(0, 1))
    }

    fn open(&mut self, ttl: i64) {
        let slot = self.holds().next(0);
        let tag = Tag {
            slot,
            id: id_of(slot, 1),
            chosen: false,
            fingerprint: 0,
        };
        let organization = OrganizationId { shard: 0, index: 0 };
        let place = Place {
            organization,
            book: 0,
            environment: 0,
            user: 0,
            label: 0,
        };
        let expires = Timestamp::from_nanos(self.now + ttl);
        let mut row = Row::settled(tag, State::Open, place, 1, expires);
        row.sequence = self.sequence;
        self.holds().insert(slot, &row);
        self.expiry.push(slot, expires, self.sequence);
        self.plain.insert((expires, self.sequence), slot);
        self.sequence += 1;
    }

    fn settle(&mut self, key: Key) {
        let Some(slot) = self.plain.remove(&key) else {
            return;
        };
        let (now, sequence) = (Timestamp::from_nanos(self.now), self.sequence);
        self.sequence += 1;
        let state = State::Released { returned: 0 };
        let row = self.holds().get(slot).expect("it is open");
        self.holds().settle(
            slot,
            &row,
            &End {
                state,
                settled: now,
                sequence,
            },
        );
        self.expiry.remove(key.0, key.1);
        let (holds, open) = (self.holds.as_ref().unwrap(), self.plain.len());
        self.expiry.tidy(holds, open);
    }

    fn which(&self, number: usize) -> Option<Key> {
        let number = number.checked_rem(self.plain.len())?;
        self.plain.keys().nth(number).copied()
    }

    fn make(&mut self, change: &Change) {
        match *change {
            Change::Open(ttl) => self.open(ttl),
            Change::Settle(number) => {
                if let Some(key) = self.which(number) {
                    self.settle(key);
                }
            }
            Change::Extend(number, ttl) => {
                let Some((expires, sequence)) = self.which(number) else {
                    return;
                };
                let slot = self.plain.remove(&(expires, sequence)).unwrap();
                let (at, now) = (Timestamp::from_nanos(self.now), self.now);
                let later = expires.max(Timestamp::from_nanos(now + ttl));
                self.holds().extend(slot, 0, later, at);
                self.expiry.remove(expires, sequence);
                self.expiry.push(slot, later, sequence);
                self.plain.insert((later, sequence), slot);
            }
            Change::Pass(time) => {
                self.now += time;
                self.surface();
            }
            Change::LineUp => {
                self.holds();
                let holds = self.holds.as_ref().unwrap();
                self.expiry.line_up(0, holds);
            }
        }
    }

    /// Everything that is due ends, in order.
    fn surface(&mut self) {
        let now = Timestamp::from_nanos(self.now);
        while self.expiry.first() <= now {
            self.holds();
            let Some((slot, at)) = self.expiry.pop(0, self.holds.as_ref().unwrap()) else {
                continue;
            };
            let (key, expected) = self.plain.pop_first().expect("something is open");
            assert_eq!((slot, at), (expected, key.0));
            self.sequence += 1;
            let sequence = self.sequence;
            let row = self.holds().get(slot).expect("it is open");
            self.holds().settle(
                slot,
                &row,
                &End {
                    state: State::Expired,
                    settled: at,
                    sequence,
                },
            );
        }
        assert!(self.plain.keys().all(|&(expires, _)| expires > now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn holds_end_in_order(changes in prop::collection::vec(change(), 0..250)) {
        let mut world = World::default();
        for change in &changes {
            world.make(change);
            let first = world.plain.first_key_value().map_or(Timestamp::MAX, |(key, _)| key.0);
            prop_assert!(world.expiry.first() <= first);
        }
        world.now += 1_000;
        world.surface();
        prop_assert!(world.plain.is_empty());
    }
}

#[test]
fn what_has_settled_is_dropped_before_it_outnumbers_the_open_holds_by_far() {
    let mut world = World::default();
    // One in a hundred stays open: without tidying all others would wait with it.
    for round in 0..60_000 {
        world.open(1_000_000_000 + (round % 3) * 50_000);
        if round % 100 != 0 {
            let newest = world.plain.iter().max_by_key(|(key, _)| key.1);
            let newest = *newest.unwrap().0;
            world.settle(newest);
        }
        world.now += 1;
        let most = 2 * world.plain.len() + STALE_MIN + 3 * CHUNK;
        assert!(
            world.expiry.waiting <= most,
            "{} of {most}",
            world.expiry.waiting
        );
    }
    let chunks: usize = world
        .expiry
        .lanes
        .iter()
        .map(|lane| lane.chunks.len())
        .sum();
    assert!(chunks < 40, "{chunks} chunks");
}

#[test]
fn nothing_grows_unnoticed() {
    assert_eq!(size_of::<Entry>(), 16);
}

#[test]
fn what_fits_into_no_lane_is_taken_out_exactly() {
    let mut world = World::default();
    for ttl in (1..=2_000).rev() {
        world.open(ttl);
    }
    assert_eq!(
        (world.expiry.lanes.len(), world.expiry.others.len()),
        (LANES_MAX, 1_992)
    );
    let keys: Vec<Key> = world.plain.keys().copied().collect();
    for &key in &keys[..1_990] {
        world.settle(key);
    }
    assert_eq!(world.expiry.others.len(), 2);
    assert_eq!(world.expiry.first(), keys[1_990].0);
}
