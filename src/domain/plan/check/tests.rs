//! One row for each thing that a plan is refused for.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

use super::*;
use crate::domain::plan::{EnvironmentPlan, License, LimitKind, UserPlan};
use crate::domain::rates::{Class, Operation, Rate};

const MAX: u64 = Credits::MAX.get();

fn plan(change: impl FnOnce(&mut OrganizationPlan)) -> Plan {
    let mut organization = OrganizationPlan::default();
    change(&mut organization);
    let mut plan = Plan::default();
    plan.organizations
        .insert("acme".into(), Arc::new(organization));
    plan
}

/// `path: problem` of everything that is wrong.
fn problems(plan: &Plan) -> Vec<String> {
    check(plan)
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn contract(credits: u64, rollover: Option<u32>) -> Grant {
    let kind = GrantKind::Contract {
        credits: Credits::saturating(credits),
        rollover,
    };
    Grant {
        kind,
        valid_from: None,
        valid_until: None,
    }
}

fn license(name: &str) -> Grant {
    let kind = GrantKind::License {
        license: name.into(),
        count: 1,
        purchased: None,
    };
    Grant {
        kind,
        valid_from: None,
        valid_until: None,
    }
}

fn environment(allocation: u64, overage: Overage) -> EnvironmentPlan {
    EnvironmentPlan {
        allocation: Credits::saturating(allocation),
        overage,
        thresholds: None,
    }
}

fn user(limit: u64) -> UserPlan {
    UserPlan {
        limit: Credits::saturating(limit),
        kind: LimitKind::Hard,
        thresholds: None,
    }
}

fn day(day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(2026, 1, day)
}

type Change = fn(&mut OrganizationPlan);

#[test]
fn what_an_organization_may_not_say() {
    let rows: &[(Change, &[&str])] = &[
        (|_| {}, &[]),
        (
            |it| it.calendar.rule = Rule::Month { anchor_day: 0 },
            &["organizations.acme.cycle.anchor_day: 0 is out of range; choose 1 to 31"],
        ),
        (
            |it| it.calendar.rule = Rule::Month { anchor_day: 32 },
            &["organizations.acme.cycle.anchor_day: 32 is out of range; choose 1 to 31"],
        ),
        (|it| it.calendar.rule = Rule::Month { anchor_day: 31 }, &[]),
        (
            |it| {
                it.calendar.rule = Rule::Days {
                    days: 0,
                    from: Default::default(),
                }
            },
            &["organizations.acme.cycle.days: 0 is out of range; choose 1 to 36600"],
        ),
        (
            |it| {
                it.calendar.rule = Rule::Days {
                    days: 36_600,
                    from: Default::default(),
                }
            },
            &[],
        ),
        (
            |it| {
                it.calendar.rule = Rule::Days {
                    days: 36_601,
                    from: Default::default(),
                }
            },
            &["organizations.acme.cycle.days: 36601 is out of range; choose 1 to 36600"],
        ),
        (|it| it.scale = 1_000_000_000, &[]),
        (
            |it| it.scale = 0,
            &[
                "organizations.acme.scale: 0 is no power of ten up to 10^9; choose 1, 10, 100 and so on",
            ],
        ),
        (
            |it| it.scale = 50,
            &[
                "organizations.acme.scale: 50 is no power of ten up to 10^9; choose 1, 10, 100 and so on",
            ],
        ),
        (
            |it| it.scale = 10_000_000_000,
            &[
                "organizations.acme.scale: 10000000000 is no power of ten up to 10^9; choose 1, 10, 100 and so on",
            ],
        ),
        (|it| it.overage = Overage::Grace(1_000), &[]),
        (
            |it| it.overage = Overage::Grace(1_001),
            &["organizations.acme.overage.margin_percent: 1001 is out of range; choose 0 to 1000"],
        ),
        (|it| it.thresholds = Thresholds(vec![]), &[]),
        (|it| it.thresholds = Thresholds((1..=16).collect()), &[]),
        (
            |it| it.thresholds = Thresholds((1..=17).collect()),
            &["organizations.acme.thresholds: 17 entries; at most 16 are allowed: remove some"],
        ),
        (
            |it| it.thresholds = Thresholds(vec![0, 1_001]),
            &[
                "organizations.acme.thresholds.0: 0 is out of range; choose 1 to 1000",
                "organizations.acme.thresholds.1: 1001 is out of range; choose 1 to 1000",
            ],
        ),
        (
            |it| it.thresholds = Thresholds(vec![100, 80, 80]),
            &["organizations.acme.thresholds: the marks must ascend, each once; write [80, 100]"],
        ),
        (
            |it| it.extension.delay = Duration::from_secs(367 * 86_400),
            &["organizations.acme.extension.delay: longer than 366 days; choose a shorter one"],
        ),
        (
            |it| it.extension.per_year = 10_001,
            &["organizations.acme.extension.per_year: 10001 is out of range; choose 0 to 10000"],
        ),
        (
            |it| it.trial.days = 0,
            &["organizations.acme.trial.days: 0 is out of range; choose 1 to 36600"],
        ),
        (
            |it| it.trial.renewals = 10_001,
            &["organizations.acme.trial.renewals: 10001 is out of range; choose 0 to 10000"],
        ),
        (
            |it| it.display_name = "a\nb".to_owned(),
            &[
                "organizations.acme.display_name: at most 256 bytes without control characters are allowed; \
               shorten it or remove them",
            ],
        ),
        (
            |it| it.seats = Some(MAX + 1),
            &["organizations.acme.seats: more than 9,007,199,254,740,991; choose fewer"],
        ),
        (
            |it| {
                it.environments
                    .extend([("a\u{7}".into(), environment(0, Overage::Grace(2_000)))])
            },
            &[
                "organizations.acme.environments.a\u{7}: the name holds the control character U+0007; remove it",
                "organizations.acme.environments.a\u{7}.overage.margin_percent: 2000 is out of range; choose 0 to 1000",
            ],
        ),
        (
            |it| {
                it.users.extend([(
                    "".into(),
                    UserPlan {
                        thresholds: Some(Thresholds(vec![9, 9])),
                        ..user(1)
                    },
                )])
            },
            &[
                "organizations.acme.users.: the name is empty; give 1 to 128 bytes of UTF-8",
                "organizations.acme.users..thresholds: the marks must ascend, each once; write [9]",
            ],
        ),
    ];
    for (index, (change, expected)) in rows.iter().enumerate() {
        assert_eq!(problems(&plan(change)), *expected, "row {index}");
    }
}

#[test]
fn what_a_grant_may_not_say() {
    let rows: &[(Change, &[&str])] = &[
        (
            |it| it.grants = vec![contract(1, Some(1)), license("dynamics-365-fo")],
            &[],
        ),
        (
            |it| it.grants = vec![contract(1, None), contract(1, Some(0))],
            &[
                "organizations.acme.grants.1.rollover: 0 would take credits away; choose at least 1, \
               or remove the key for no rollover",
            ],
        ),
        (
            |it| it.grants = vec![license("power-automate-premum")],
            &[
                "organizations.acme.grants.0.license: the licence `power-automate-premum` is not in the catalogue; \
               did you mean `power-automate-premium`?",
            ],
        ),
        (
            |it| it.grants = vec![license("office")],
            &[
                "organizations.acme.grants.0.license: the licence `office` is not in the catalogue; known are \
               dynamics-365-fo, power-apps-per-app, power-apps-premium, power-automate-hosted-rpa, \
               power-automate-premium, power-automate-process, power-automate-unattended-rpa; \
               or add it under catalogue.licenses",
            ],
        ),
        (
            |it| {
                it.grants = vec![Grant {
                    valid_from: day(5),
                    valid_until: day(5),
                    ..contract(1, None)
                }]
            },
            &[],
        ),
        (
            |it| {
                it.grants = vec![Grant {
                    valid_from: day(6),
                    valid_until: day(5),
                    ..contract(1, None)
                }]
            },
            &[
                "organizations.acme.grants.0.valid_until: ends on 2026-01-05, before it begins on 2026-01-06; swap the days",
            ],
        ),
        (
            |it| it.grants = vec![contract(1, None); GRANTS_MAX + 1],
            &["organizations.acme.grants: 1001 entries; at most 1000 are allowed: remove some"],
        ),
    ];
    for (index, (change, expected)) in rows.iter().enumerate() {
        assert_eq!(problems(&plan(change)), *expected, "row {index}");
    }
}

#[test]
fn no_sum_exceeds_the_largest_amount() {
    let too_much = |key: &str, what: &str| {
        format!(
            "organizations.acme.{key}: {what} is more than 9,007,199,254,740,991, the largest amount there is; lower it"
        )
    };
    let granted = || {
        vec![too_much(
            "grants",
            "what is granted at one time, with rollover,",
        )]
    };
    let reached = |reach: &str| {
        vec![format!(
            "organizations.acme.overage: entitlement, extensions and allowances together reach {reach}, \
             more than 9,007,199,254,740,991, the largest amount there is; lower one"
        )]
    };
    let rows: Vec<(Change, Vec<String>)> = vec![
        (|it| it.grants = vec![contract(MAX - 600_000, None)], vec![]),
        (
            |it| it.grants = vec![contract(MAX, None), contract(1, None)],
            granted(),
        ),
        (|it| it.grants = vec![contract(MAX, Some(2))], granted()),
        (
            |it| it.grants = vec![contract(MAX / 2 + 1, Some(u32::MAX))],
            granted(),
        ),
        (
            |it| {
                let kind = GrantKind::AddOn { count: u64::MAX };
                it.grants = vec![Grant {
                    kind,
                    valid_from: None,
                    valid_until: None,
                }];
            },
            granted(),
        ),
        (
            // One ends on the day before the other begins: never together.
            |it| {
                it.extension.per_cycle = 0;
                it.grants = vec![
                    Grant {
                        valid_until: day(4),
                        ..contract(MAX, None)
                    },
                    Grant {
                        valid_from: day(5),
                        ..contract(MAX, None)
                    },
                ];
            },
            vec![],
        ),
        (
            |it| {
                it.extension.per_cycle = 0;
                it.grants = vec![
                    Grant {
                        valid_until: day(5),
                        ..contract(MAX, None)
                    },
                    Grant {
                        valid_from: day(5),
                        ..contract(MAX, None)
                    },
                ];
            },
            granted(),
        ),
        (
            |it| {
                it.environments
                    .insert("a".into(), environment(MAX, Overage::Hard));
                it.environments
                    .insert("b".into(), environment(1, Overage::Hard));
            },
            vec![too_much("environments", "the sum of the allocations")],
        ),
        (
            |it| {
                it.users
                    .extend([("a".into(), user(MAX)), ("b".into(), user(MAX))])
            },
            vec![too_much("users", "the sum of the limits")],
        ),
        (
            |it| it.extension.credits = Credits::MAX,
            vec![too_much("extension", "credits x per_cycle")],
        ),
        (
            |it| it.overage = Overage::Soft(Credits::MAX),
            reached("9,007,199,255,340,991"),
        ),
        (
            |it| {
                it.grants = vec![contract(MAX / 2, None)];
                it.overage = Overage::Grace(1_000);
            },
            reached("13,510,798,882,711,486"),
        ),
    ];
    for (index, (change, expected)) in rows.iter().enumerate() {
        assert_eq!(problems(&plan(change)), *expected, "row {index}");
    }
}

#[test]
fn what_the_rate_card_and_the_catalogue_may_not_say() {
    let mut plan = plan(|_| {});
    let card = Arc::make_mut(&mut plan.rate_card);
    let rate = |per| Rate {
        credits: Credits::ZERO,
        per,
    };
    card.operations.insert(
        "ok".into(),
        Operation {
            rate: rate(MAX),
            class: Class::Maker,
            product: Some("p".into()),
        },
    );
    card.operations.insert(
        " x".into(),
        Operation {
            rate: rate(0),
            class: Class::Run,
            product: Some("".into()),
        },
    );
    let catalogue = Arc::make_mut(&mut plan.catalogue);
    catalogue.add_on_credits = Credits::ZERO;
    let license = License {
        credits: Credits::ZERO,
        cap: None,
        cap_enforced: true,
        counts_from: None,
    };
    catalogue.licenses.insert("mine".into(), license);
    assert_eq!(
        problems(&plan),
        [
            "rate_card. x: the name begins or ends with a blank; trim it",
            "rate_card. x.per: 0 is out of range; choose 1 to 9007199254740991",
            "rate_card. x.product: the name is empty; give 1 to 128 bytes of UTF-8",
            "catalogue.add_on_credits: an add-on of 0 covers nothing; choose at least 1",
            "catalogue.licenses.mine.cap_enforced: there is no cap to enforce; add cap, or set it to false",
        ]
    );
}
