//! Every fact survives the round trip; bytes that are none are refused; the common ones are short.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::domain::fact::{
    Charged, Extended, Fact, Held, OrganizationId, Place, Settled, Slot, Tag,
};
use crate::domain::rates::Class;
use crate::domain::time::{Now, Timestamp};
use crate::storage::parts::arbitrary::{
    FRAME, account, audit, calendar, class, damage, date, extension, label, name, number,
    organization, period, place_in, rate, slot, small, span, tag, time,
};
use crate::storage::parts::known_id;
use crate::storage::plan_code::PlanHash;

const HASH: PlanHash = PlanHash([7; 32]);

fn settled_fact() -> impl Strategy<Value = Settled> {
    let numbers = [number(), number(), number()];
    let label = prop::option::of(small());
    (slot(), numbers, any::<bool>(), time(), label).prop_map(
        |(slot, [committed, overrun, share], late, at, label)| Settled {
            slot,
            committed,
            overrun,
            late,
            at,
            share,
            label,
        },
    )
}

fn held_fact() -> impl Strategy<Value = Held> {
    let tagged = tag().prop_flat_map(|tag| (Just(tag), place_in(tag.slot.shard)));
    let numbers = [number(), number(), number()];
    let rate = prop::option::of(rate());
    (tagged, numbers, [time(), time()], class(), rate, 0..3_u8).prop_map(
        |((tag, place), [amount, sequence, share], [at, expires], class, rate, trial)| Held {
            tag,
            place,
            amount,
            at,
            expires,
            sequence,
            class,
            rate,
            trial,
            share,
        },
    )
}

fn charged_fact() -> impl Strategy<Value = Charged> {
    let numbers = [number(), number(), number()];
    (
        any::<u8>().prop_flat_map(place_in),
        prop::option::of(tag()),
        numbers,
        0..3_u8,
        time(),
    )
        .prop_map(
            |(place, tag, [amount, overrun, share], trial, at)| Charged {
                tag,
                place,
                amount,
                overrun,
                trial,
                at,
                share,
            },
        )
}

fn extended_fact() -> impl Strategy<Value = Extended> {
    let tag = prop::option::of(tag());
    (slot(), number(), [time(), time()], tag, number()).prop_map(
        |(slot, additional, [expires, at], tag, share)| Extended {
            slot,
            additional,
            expires,
            tag,
            at,
            share,
        },
    )
}

fn request() -> BoxedStrategy<Fact> {
    prop_oneof![
        held_fact().prop_map(Fact::Held),
        extended_fact().prop_map(Fact::Extended),
        settled_fact().prop_map(Fact::Committed),
        settled_fact().prop_map(Fact::Released),
        charged_fact().prop_map(Fact::Charged),
        (slot(), time(), number()).prop_map(|(slot, at, share)| Fact::Expired { slot, at, share }),
        (any::<u8>(), small()).prop_map(|(shard, count)| Fact::Forgotten { shard, count }),
        (
            any::<u8>().prop_flat_map(place_in),
            any::<i64>(),
            name(),
            (time(), number(), prop::option::of(tag()))
        )
            .prop_map(
                |(place, credits, reason, (at, share, tag))| Fact::Adjusted {
                    place,
                    credits,
                    reason,
                    at,
                    share,
                    tag
                }
            ),
    ]
    .boxed()
}

fn rare() -> BoxedStrategy<Fact> {
    let of = organization;
    let opened = (of(), small(), span(), calendar(), number()).prop_map(
        |(organization, book, span, calendar, rolled_over)| Fact::CycleOpened {
            organization,
            book,
            span,
            calendar,
            rolled_over,
        },
    );
    let at = (time(), number(), number());
    let crossed = (of(), [small(), small()], account(), at).prop_map(
        |(organization, [book, percent], account, (at, used, limit))| Fact::Crossed {
            organization,
            book,
            account,
            percent,
            at,
            used,
            limit,
        },
    );
    prop_oneof![
        (of(), name())
            .prop_map(|(organization, name)| Fact::OrganizationNamed { organization, name }),
        time().prop_map(|at| Fact::Planned {
            at,
            plan: Arc::default()
        }),
        opened,
        (of(), time()).prop_map(|(organization, at)| Fact::EntitlementChanged { organization, at }),
        (of(), small(), small(), name()).prop_map(|(organization, book, environment, name)| {
            Fact::EnvironmentNamed {
                organization,
                book,
                environment,
                name,
            }
        }),
        (of(), small(), small(), name()).prop_map(|(organization, book, user, name)| {
            Fact::UserNamed {
                organization,
                book,
                user,
                name,
            }
        }),
        crossed,
        (of(), small(), extension(), name()).prop_map(|(organization, book, extension, by)| {
            Fact::ExtensionRequested {
                organization,
                book,
                extension,
                by,
            }
        }),
        (of(), [small(), small()], label()).prop_map(|(organization, [book, label], names)| {
            Fact::Labelled {
                organization,
                book,
                label,
                names: Box::new(names),
            }
        }),
        (of(), [small(), small()], date()).prop_map(|(organization, [book, day], date)| {
            Fact::DayOpened {
                organization,
                book,
                day,
                date,
            }
        }),
        of().prop_map(|organization| Fact::DaysClosed { organization }),
        (of(), small()).prop_map(|(organization, before)| Fact::DaysFiled {
            organization,
            before
        }),
        (of(), audit()).prop_map(|(organization, audit)| Fact::Audited {
            organization,
            audit: Box::new(audit)
        }),
        (of(), name(), period()).prop_map(|(organization, user, period)| Fact::TrialStarted {
            organization,
            user,
            period
        }),
        (of(), small()).prop_map(|(organization, count)| Fact::Told {
            organization,
            count
        }),
        [time(), time()].prop_map(|[wall, steady]| Fact::Resumed {
            at: Now { wall, steady }
        }),
    ]
    .boxed()
}

fn group() -> impl Strategy<Value = Vec<Fact>> {
    vec(prop_oneof![request(), rare()], 0..12)
}

fn encoded(facts: &[Fact]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for fact in facts {
        encode(fact, &FRAME, &HASH, &mut bytes);
    }
    bytes
}

fn decoded(bytes: &[u8]) -> (Vec<Fact>, Result<(), FactError>) {
    let mut facts = Vec::new();
    let mut plans = |hash: &PlanHash| {
        assert!(bytes.windows(32).any(|window| window == hash.0));
        Ok(Arc::default())
    };
    let result = decode(bytes, &FRAME, &mut plans, &mut |fact| facts.push(fact));
    (facts, result)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_group_survives_the_round_trip(facts in group()) {
        let (back, result) = decoded(&encoded(&facts));
        prop_assert!(result.is_ok(), "{result:?}");
        prop_assert_eq!(back, facts);
    }

    #[test]
    fn bytes_that_are_none_of_ours_are_refused_or_told_and_never_panic(facts in group(), damage in damage()) {
        let damaged = damage.done_to(&encoded(&facts));
        let (told, result) = decoded(&damaged);
        prop_assert!(told.len() <= damaged.len());
        if let Err(FactError::Garbled(garbled)) = result {
            prop_assert!(garbled.offset <= damaged.len());
        }
    }

    #[test]
    fn a_fact_that_is_cut_anywhere_is_refused(fact in prop_oneof![request(), rare()]) {
        let bytes = encoded(&[fact]);
        for cut in 1..bytes.len() {
            let (told, result) = decoded(&bytes[..cut]);
            prop_assert!(told.is_empty() && result.is_err(), "cut to {} of {}", cut, bytes.len());
        }
    }
}

fn plain_tag(generation: u32) -> Tag {
    let slot = Slot {
        shard: 63,
        index: 999_999,
        generation,
    };
    Tag {
        slot,
        id: known_id(slot, &FRAME),
        chosen: false,
        fingerprint: u64::MAX,
    }
}

/// What a plain request leaves at the size that it has after a long time: a million holds and users, and an hour and more
/// after the segment began.
fn plain_held() -> Held {
    let tag = plain_tag(16_000);
    let at = FRAME.base.plus(std::time::Duration::from_secs(4_000));
    Held {
        tag,
        place: Place {
            organization: OrganizationId {
                shard: 63,
                index: 100,
            },
            book: 60,
            environment: 20,
            user: 1_000_000,
            label: 0,
        },
        amount: 1_000_000,
        at,
        expires: at.plus(std::time::Duration::from_secs(60)),
        sequence: 1 << 34,
        class: Class::Run,
        rate: None,
        trial: 0,
        share: 0,
    }
}

#[test]
fn what_a_plain_request_leaves_fits_into_one_slot() {
    let held = plain_held();
    let settled = Settled {
        slot: held.tag.slot,
        committed: 1_000_000,
        overrun: 0,
        late: false,
        at: held.at,
        share: 0,
        label: None,
    };
    let charged = Charged {
        tag: None,
        place: held.place,
        amount: held.amount,
        overrun: 0,
        trial: 0,
        at: held.at,
        share: 0,
    };
    let slot = held.tag.slot;
    let facts = [
        ("Held", Fact::Held(held)),
        ("Committed", Fact::Committed(settled)),
        ("Charged", Fact::Charged(charged)),
        (
            "Expired",
            Fact::Expired {
                slot,
                at: held.at,
                share: 0,
            },
        ),
    ];
    for (kind, fact) in facts {
        let length = encoded(&[fact]).len();
        println!("{kind}: {length} bytes");
        assert!(length <= 48, "{kind}: {length}");
    }
}

#[test]
fn every_kind_but_those_listed_is_refused_by_its_number() {
    for kind in (0..=0).chain(25..=u8::MAX) {
        let (_, result) = decoded(&[kind, 0, 0, 0]);
        let told = result.unwrap_err().to_string();
        assert_eq!(told, format!("{kind} is no kind of fact (byte 0)"));
    }
}

#[test]
fn flags_that_are_not_known_are_refused() {
    let facts = encoded(&[Fact::Released(Settled {
        slot: plain_tag(0).slot,
        committed: 0,
        overrun: 0,
        late: false,
        at: Timestamp::MIN,
        share: 0,
        label: None,
    })]);
    for bit in [0, 1, 2, 4, 7] {
        let mut bytes = facts.clone();
        bytes[1] |= 1 << bit;
        assert!(decoded(&bytes).1.is_err(), "bit {bit}");
    }
}

/// The bytes are what stands on disks: they change only together with the version of the format.
#[test]
fn the_bytes_of_a_fact_stay_as_they_are() {
    let held = Fact::Held(plain_held());
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect::<String>()
    };
    assert_eq!(
        hex(&encoded(&[held])),
        "07003fbf843d807d643c14c0843d00c0843d8080a2a9eae80180e0ba84bf038080808040ffffffffffffffff"
    );
}
