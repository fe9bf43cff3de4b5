//! A copy in steps is the same as a clone at the beginning, whatever happens between the steps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Change {
    Add(u64),
    /// At a number of the caller's own choice, as in replay.
    AddAt(u32, u64),
    Set(u32, u64),
    Remove(u32),
    Step(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => any::<u64>().prop_map(Change::Add),
        2 => (0..40_u32, any::<u64>()).prop_map(|(number, value)| Change::AddAt(number, value)),
        6 => (0..40_u32, any::<u64>()).prop_map(|(number, value)| Change::Set(number, value)),
        4 => (0..40_u32).prop_map(Change::Remove),
        3 => (0..6_usize).prop_map(Change::Step),
    ]
}

/// Changes a slab and what it is to be; answers what a step copied.
fn make(slab: &mut Slab<u64>, plain: &mut BTreeMap<u32, u64>, change: Change) -> Vec<(u32, u64)> {
    let mut copied = Vec::new();
    match change {
        Change::Add(value) => {
            let number = slab.next();
            assert_eq!(plain.insert(number, value), None, "{number} was taken");
            slab.insert(number, value);
        }
        Change::AddAt(number, value) => {
            plain.insert(number, value);
            slab.insert(number, value);
        }
        Change::Set(number, value) => {
            if let Some(present) = plain.get_mut(&number) {
                *present = value;
                *slab.get_mut(number).unwrap() = value;
            }
            assert_eq!(slab.get_mut(number).is_some(), plain.contains_key(&number));
        }
        Change::Remove(number) => assert_eq!(slab.remove(number), plain.remove(&number)),
        Change::Step(slots) => {
            slab.step(slots, |number, value| copied.push((number, *value)));
        }
    }
    copied
}

fn content(slab: &Slab<u64>) -> BTreeMap<u32, u64> {
    slab.iter()
        .map(|(number, value)| (number, *value))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_copy_in_steps_is_a_clone_of_the_beginning(
        before in prop::collection::vec(change(), 0..60),
        after in prop::collection::vec(change(), 0..120),
    ) {
        let (mut slab, mut plain) = (Slab::default(), BTreeMap::new());
        for change in before {
            prop_assert!(make(&mut slab, &mut plain, change).is_empty());
        }
        let begun = plain.clone();
        slab.begin_copy();
        let mut copied = Vec::new();
        for change in after {
            copied.extend(make(&mut slab, &mut plain, change));
        }
        while slab.is_copying() {
            copied.extend(make(&mut slab, &mut plain, Change::Step(7)));
        }
        prop_assert!(copied.is_sorted(), "each once, in order: {copied:?}");
        prop_assert_eq!(copied.into_iter().collect::<BTreeMap<_, _>>(), begun);
        prop_assert_eq!(content(&slab), plain);
    }
}

#[test]
fn an_abandoned_copy_leaves_nothing_behind() {
    let mut slab = Slab::default();
    for number in 0..4 {
        slab.insert(number, number);
    }
    slab.begin_copy();
    *slab.get_mut(3).unwrap() = 30;
    slab.end_copy();
    assert_eq!(slab.step(10, |_, _| ()), 0);
    slab.begin_copy();
    let mut copied = Vec::new();
    slab.step(10, |_, value| copied.push(*value));
    assert_eq!(copied, [0, 1, 2, 30]);
}

#[test]
fn slots_that_facts_chose_never_are_given_out_twice_and_the_list_of_free_ones_stays_short() {
    let mut slab = Slab::default();
    for number in 0..100 {
        slab.insert(number, ());
    }
    for number in 0..100 {
        slab.remove(number);
    }
    // `next` would take 99, the facts take what lies deepest.
    for _ in 0..10_000 {
        slab.insert(5, ());
        assert_ne!(slab.next(), 5);
        slab.remove(5);
    }
    assert!(slab.free.len() <= 264, "{} names", slab.free.len());
    let given: std::collections::BTreeSet<u32> = (0..100)
        .map(|_| {
            let number = slab.next();
            slab.insert(number, ());
            number
        })
        .collect();
    assert_eq!(given.len(), 100);
}

#[test]
fn a_number_beyond_all_bounds_is_left_out() {
    let mut slab = Slab::default();
    slab.insert(u32::MAX, ());
    assert_eq!((slab.slots(), slab.next()), (0, 0));
}
