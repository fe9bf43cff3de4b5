//! Random parts of facts and entries: mostly of the size that they have, sometimes at the edge of their types.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use chrono::NaiveDate;
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::domain::account::Account;
use crate::domain::credits::Credits;
use crate::domain::cycle::{Calendar, CycleSpan, Rule};
use crate::domain::fact::{Extension, Id, Label, OrganizationId, Place, Slot, Tag, TrialPeriod};
use crate::domain::notice::{Audit, Notice};
use crate::domain::rates::{Class, Rate};
use crate::domain::time::Timestamp;

use super::{Frame, known_id};

/// The frame of all tests.
pub(in crate::storage) const FRAME: Frame = Frame {
    start: 0x0123_4567_89AB_CDEF,
    base: Timestamp::from_nanos(1_790_000_000_000_000_000),
};

pub(in crate::storage) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0), 9 => 0..100_u64, 9 => 0..1_000_000_u64, 3 => 0..1_u64 << 53, 1 => any::<u64>(), 1 => Just(u64::MAX),
    ]
}

pub(in crate::storage) fn small() -> impl Strategy<Value = u32> {
    prop_oneof![
        9 => 0..100_u32, 9 => 0..1_000_000_u32, 1 => any::<u32>(), 1 => Just(u32::MAX),
    ]
}

pub(in crate::storage) fn time() -> impl Strategy<Value = Timestamp> {
    let base = FRAME.base.nanos();
    let near = move |span: i64| (base - span..base + span).prop_map(Timestamp::from_nanos);
    prop_oneof![
        9 => near(1 << 41), 9 => near(1 << 52),
        1 => any::<i64>().prop_map(Timestamp::from_nanos),
        1 => Just(Timestamp::MIN), 1 => Just(Timestamp::MAX),
    ]
}

pub(in crate::storage) fn name() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        1 => Just(String::new()), 5 => "[a-z]{1,12}", 2 => "[a-zà-üА-я0-9|@ .]{1,40}", 1 => "[a-z]{128}",
    ]
    .prop_map(String::into_boxed_str)
}

pub(in crate::storage) fn organization() -> impl Strategy<Value = OrganizationId> {
    (any::<u8>(), small()).prop_map(|(shard, index)| OrganizationId { shard, index })
}

pub(in crate::storage) fn slot() -> impl Strategy<Value = Slot> {
    (any::<u8>(), small(), small()).prop_map(|(shard, index, generation)| Slot {
        shard,
        index,
        generation,
    })
}

/// A place, in this shard four times of five.
pub(in crate::storage) fn place_in(shard: u8) -> impl Strategy<Value = Place> {
    let shard = prop_oneof![4 => Just(shard), 1 => any::<u8>()];
    (shard, small(), [small(), small(), small(), small()]).prop_map(
        |(shard, index, [book, environment, user, label])| Place {
            organization: OrganizationId { shard, index },
            book,
            environment,
            user,
            label,
        },
    )
}

pub(in crate::storage) fn tag() -> impl Strategy<Value = Tag> {
    (slot(), any::<[u8; 16]>(), 0..3, any::<u64>()).prop_map(|(slot, id, kind, fingerprint)| Tag {
        slot,
        id: if kind == 0 {
            known_id(slot, &FRAME)
        } else {
            id
        },
        chosen: kind == 1,
        fingerprint,
    })
}

pub(in crate::storage) fn class() -> impl Strategy<Value = Class> {
    select(vec![Class::Run, Class::Maker, Class::Free])
}

pub(in crate::storage) fn credits() -> impl Strategy<Value = Credits> {
    number().prop_map(Credits::saturating)
}

pub(in crate::storage) fn rate() -> impl Strategy<Value = Rate> {
    (credits(), 1..=u64::MAX).prop_map(|(credits, per)| Rate { credits, per })
}

pub(in crate::storage) fn span() -> impl Strategy<Value = CycleSpan> {
    [time(), time()].prop_map(|[start, end]| CycleSpan { start, end })
}

pub(in crate::storage) fn zone() -> impl Strategy<Value = Tz> {
    select(TZ_VARIANTS.to_vec())
}

pub(in crate::storage) fn calendar() -> impl Strategy<Value = Calendar> {
    let days = (1..=u32::MAX, time()).prop_map(|(days, from)| Rule::Days { days, from });
    let month = (1..=31_u8).prop_map(|anchor_day| Rule::Month { anchor_day });
    (zone(), prop_oneof![days, month]).prop_map(|(zone, rule)| Calendar { zone, rule })
}

pub(in crate::storage) fn account() -> impl Strategy<Value = Account> {
    prop_oneof![
        name().prop_map(Account::User),
        name().prop_map(Account::Environment),
        Just(Account::Pool),
        Just(Account::Organization),
    ]
}

pub(in crate::storage) fn extension() -> impl Strategy<Value = Extension> {
    (time(), time(), number(), id()).prop_map(|(requested, usable, credits, id)| Extension {
        requested,
        usable,
        credits,
        id,
    })
}

pub(in crate::storage) fn period() -> impl Strategy<Value = TrialPeriod> {
    (time(), time(), number(), id()).prop_map(|(from, until, credits, id)| TrialPeriod {
        from,
        until,
        credits,
        id,
    })
}

fn id() -> impl Strategy<Value = Option<Id>> {
    prop::option::of(any::<Id>())
}

pub(in crate::storage) fn date() -> impl Strategy<Value = NaiveDate> {
    let days = prop_oneof![9 => 730_000..760_000, 1 => -90_000_000..90_000_000];
    days.prop_map(|days| NaiveDate::from_num_days_from_ce_opt(days).unwrap())
}

pub(in crate::storage) fn label() -> impl Strategy<Value = Label> {
    [name(), name(), name()].prop_map(|[product, model, operation]| Label {
        product,
        model,
        operation,
    })
}

pub(in crate::storage) fn audit() -> impl Strategy<Value = Audit> {
    let texts = [name(), name(), name(), name(), name(), name(), name()];
    (time(), texts).prop_map(
        |(at, [who, action, organization, target, before, after, why])| Audit {
            at,
            who,
            action,
            organization,
            target,
            before,
            after,
            why,
        },
    )
}

pub(in crate::storage) fn notice() -> impl Strategy<Value = Notice> {
    let threshold = (account(), small(), time(), [number(), number()], span());
    let extension = ([time(), time()], number(), name(), span());
    let closed = (span(), [number(), number(), number(), number()]);
    prop_oneof![
        threshold.prop_map(
            |(account, percent, at, [used, limit], cycle)| Notice::Threshold {
                account,
                percent,
                at,
                used,
                limit,
                cycle
            }
        ),
        extension.prop_map(|([at, usable], credits, by, cycle)| Notice::Extension {
            at,
            usable,
            credits,
            by,
            cycle
        }),
        closed.prop_map(|(cycle, [used, trial_used, entitlement, rolled_over])| {
            Notice::CycleClosed {
                cycle,
                used,
                trial_used,
                entitlement,
                rolled_over,
            }
        }),
        audit().prop_map(|audit| Notice::Audit(Box::new(audit))),
    ]
}

/// Bytes that were damaged: cut, changed in a place, or never ours.
pub(in crate::storage) fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        (any::<prop::sample::Index>(), 1..=u8::MAX)
            .prop_map(|(place, flip)| Damage::Flip(place, flip)),
        vec(any::<u8>(), 0..200).prop_map(Damage::Garbage),
    ]
}

/// What happens to bytes.
#[derive(Clone, Debug)]
pub(in crate::storage) enum Damage {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Garbage(Vec<u8>),
}

impl Damage {
    pub(in crate::storage) fn done_to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        match self {
            _ if bytes.is_empty() => {}
            Self::Cut(place) => damaged.truncate(place.index(bytes.len())),
            Self::Flip(place, flip) => damaged[place.index(bytes.len())] ^= flip,
            Self::Garbage(garbage) => damaged.clone_from(garbage),
        }
        damaged
    }
}
