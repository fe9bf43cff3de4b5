//! Random plans: everything that the types can say and that a plan may.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::domain::plan::{
    Catalogue, Enforcement, EnvironmentPlan, Excess, ExtensionTerms, Grant, GrantKind, License,
    LimitKind, OrganizationPlan, Overage, Owned, OwnedOrganization, Plan, Setting, Thresholds,
    TrialTerms, UserPlan,
};
use crate::domain::rates::{Operation, RateCard};
use crate::storage::parts::arbitrary::{calendar, class, credits, name, number, rate, small};

fn day() -> impl Strategy<Value = NaiveDate> {
    prop_oneof![9 => 719_000..800_000_i32, 1 => -1_000_000..1_000_000_i32]
        .prop_map(|days| NaiveDate::from_num_days_from_ce_opt(days).unwrap())
}

fn overage() -> impl Strategy<Value = Overage> {
    prop_oneof![
        Just(Overage::Hard),
        credits().prop_map(Overage::Soft),
        small().prop_map(Overage::Grace),
    ]
}

fn thresholds() -> impl Strategy<Value = Thresholds> {
    btree_set(small(), 0..4).prop_map(|marks| Thresholds(marks.into_iter().collect()))
}

fn grant() -> impl Strategy<Value = Grant> {
    let kind = prop_oneof![
        (credits(), option::of(1..=u32::MAX))
            .prop_map(|(credits, rollover)| GrantKind::Contract { credits, rollover }),
        number().prop_map(|count| GrantKind::AddOn { count }),
        (name(), number(), option::of(day())).prop_map(|(license, count, purchased)| {
            GrantKind::License {
                license,
                count,
                purchased,
            }
        }),
    ];
    (kind, option::of(day()), option::of(day())).prop_map(|(kind, valid_from, valid_until)| Grant {
        kind,
        valid_from,
        valid_until,
    })
}

fn environment() -> impl Strategy<Value = EnvironmentPlan> {
    (credits(), overage(), option::of(thresholds())).prop_map(
        |(allocation, overage, thresholds)| EnvironmentPlan {
            allocation,
            overage,
            thresholds,
        },
    )
}

fn user() -> impl Strategy<Value = UserPlan> {
    let kind = prop_oneof![Just(LimitKind::Hard), Just(LimitKind::Soft)];
    (credits(), kind, option::of(thresholds())).prop_map(|(limit, kind, thresholds)| UserPlan {
        limit,
        kind,
        thresholds,
    })
}

pub(in crate::storage) fn organization_plan() -> impl Strategy<Value = OrganizationPlan> {
    let terms = (
        any::<String>(),
        calendar(),
        any::<u64>(),
        any::<[bool; 3]>(),
        overage(),
        option::of(number()),
        thresholds(),
    );
    let extension = (credits(), any::<u64>(), small(), small());
    let trial = (credits(), 1..=u32::MAX, small());
    let rest = (
        vec(grant(), 0..4),
        btree_map(name(), environment(), 0..4),
        btree_map(name(), user(), 0..4),
    );
    (terms, extension, trial, rest).prop_map(|(terms, extension, trial, rest)| {
        let (display_name, calendar, scale, [allow_unallocated, reject, shadow], ..) = terms;
        OrganizationPlan {
            display_name,
            calendar,
            scale,
            allow_unallocated,
            overage: terms.4,
            excess: if reject {
                Excess::Reject
            } else {
                Excess::Record
            },
            enforcement: if shadow {
                Enforcement::Shadow
            } else {
                Enforcement::Enforce
            },
            seats: terms.5,
            thresholds: terms.6,
            extension: ExtensionTerms {
                credits: extension.0,
                delay: Duration::from_nanos(extension.1),
                per_cycle: extension.2,
                per_year: extension.3,
            },
            trial: TrialTerms {
                credits: trial.0,
                days: trial.1,
                renewals: trial.2,
            },
            grants: rest.0,
            environments: rest.1,
            users: rest.2,
        }
    })
}

fn license() -> impl Strategy<Value = License> {
    (
        credits(),
        option::of(credits()),
        any::<bool>(),
        option::of(day()),
    )
        .prop_map(|(credits, cap, cap_enforced, counts_from)| License {
            credits,
            cap,
            cap_enforced,
            counts_from,
        })
}

pub(in crate::storage) fn plan() -> impl Strategy<Value = Plan> {
    let operation =
        (rate(), class(), option::of(name())).prop_map(|(rate, class, product)| Operation {
            rate,
            class,
            product,
        });
    let organizations = btree_map(name(), organization_plan().prop_map(Arc::new), 0..4);
    let catalogue = (credits(), btree_map(name(), license(), 0..4));
    let parts = (organizations, btree_map(name(), operation, 0..4), catalogue);
    (parts, owned()).prop_map(
        |((organizations, operations, (add_on_credits, licenses)), owned)| Plan {
            organizations,
            rate_card: Arc::new(RateCard { operations }),
            catalogue: Arc::new(Catalogue {
                add_on_credits,
                licenses,
            }),
            owned: Arc::new(owned),
        },
    )
}

fn owned() -> impl Strategy<Value = Owned> {
    let names = || btree_set(name(), 0..4);
    let settings = subsequence(Setting::ALL.to_vec(), 0..=Setting::ALL.len());
    let organization = (settings, any::<bool>(), names(), names()).prop_map(
        |(settings, grants, environments, users)| OwnedOrganization {
            settings: settings.into_iter().collect(),
            grants,
            environments,
            users,
        },
    );
    let organizations = btree_map(name(), organization, 0..4);
    (organizations, names(), any::<bool>(), names()).prop_map(
        |(organizations, rates, add_on_credits, licenses)| Owned {
            organizations,
            rates,
            add_on_credits,
            licenses,
        },
    )
}
