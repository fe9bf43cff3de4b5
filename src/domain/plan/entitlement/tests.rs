//! The figures of section 3 of the rule book.

use chrono::{NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

use super::*;
use crate::domain::cycle::Rule;

fn grant(kind: GrantKind) -> Grant {
    Grant {
        kind,
        valid_from: None,
        valid_until: None,
    }
}

fn add_on(count: u64) -> Grant {
    grant(GrantKind::AddOn { count })
}

fn contract(credits: u64, rollover: Option<u32>) -> Grant {
    grant(GrantKind::Contract {
        credits: Credits::saturating(credits),
        rollover,
    })
}

fn seats(license: &str, count: u64) -> Grant {
    grant(GrantKind::License {
        license: license.into(),
        count,
        purchased: None,
    })
}

fn bought(license: &str, count: u64, purchased: &str) -> Grant {
    let purchased = Some(day(purchased));
    grant(GrantKind::License {
        license: license.into(),
        count,
        purchased,
    })
}

fn day(text: &str) -> NaiveDate {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap_or_default()
}

fn at(year: i32, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> Timestamp {
    Timestamp::from_utc(
        Utc.with_ymd_and_hms(year, month, day, hour, minute, second)
            .single()
            .unwrap_or_default(),
    )
}

fn purchased(grants: &[Grant]) -> Purchased {
    Timeline::new(grants, &Catalogue::default(), &Calendar::default())
        .at(at(2026, 11, 1, 0, 0, 0))
        .purchased
}

#[test]
fn grants_are_worth_what_the_rule_book_says() {
    for (grants, worth) in [
        (vec![], 0),
        (
            vec![add_on(1), seats("power-automate-premium", 5)],
            1_025_000,
        ),
        (vec![seats("power-apps-premium", 2_000)], 1_000_000),
        (vec![seats("power-apps-premium", 2_001)], 1_000_000),
        (vec![seats("power-apps-per-app", 5_000)], 1_000_000),
        (vec![seats("power-automate-process", 201)], 1_000_000),
        // Known caps that are not enforced.
        (vec![seats("power-automate-premium", 300)], 1_500_000),
        (vec![seats("power-automate-hosted-rpa", 300)], 1_500_000),
        (vec![seats("power-automate-unattended-rpa", 300)], 1_500_000),
        (vec![seats("dynamics-365-fo", 3)], 20_000),
        // The cap is one for the organization, over all grants of the licence.
        (
            vec![
                seats("power-apps-per-app", 3_000),
                seats("power-apps-per-app", 3_000),
            ],
            1_000_000,
        ),
        (
            vec![
                seats("power-apps-per-app", 3_000),
                seats("power-apps-premium", 1_000),
            ],
            1_250_000,
        ),
        (vec![bought("power-apps-per-app", 100, "2022-10-31")], 0),
        (
            vec![bought("power-apps-per-app", 100, "2022-11-01")],
            25_000,
        ),
        (
            vec![
                bought("power-apps-per-app", 100, "2022-10-31"),
                bought("power-apps-per-app", 10, "2022-11-01"),
            ],
            2_500,
        ),
        (
            vec![bought("power-apps-premium", 100, "2022-10-31")],
            50_000,
        ),
        (vec![contract(10_000, None), contract(500, Some(3))], 10_500),
    ] {
        assert_eq!(purchased(&grants).total(), worth, "{grants:?}");
    }
}

#[test]
fn each_source_is_told_apart() {
    let grants = [contract(10, None), add_on(2), seats("dynamics-365-fo", 1)];
    assert_eq!(
        purchased(&grants),
        Purchased {
            contract: 10,
            add_on: 2_000_000,
            license: 20_000
        }
    );
}

#[test]
fn a_grant_counts_from_its_first_to_its_last_local_day_whole() {
    // Paris is one hour ahead of UTC on both days.
    let calendar = Calendar {
        zone: Tz::Europe__Paris,
        rule: Rule::Month { anchor_day: 1 },
    };
    let valid = |credits, from: Option<&str>, until: Option<&str>| Grant {
        valid_from: from.map(day),
        valid_until: until.map(day),
        ..contract(credits, None)
    };
    let grants = [
        valid(1, Some("2026-01-10"), Some("2026-01-20")),
        valid(100, None, Some("2026-01-09")),
    ];
    let timeline = Timeline::new(&grants, &Catalogue::default(), &calendar);
    let begins = at(2026, 1, 9, 23, 0, 0);
    let ends = at(2026, 1, 20, 23, 0, 0);
    for (now, worth, next) in [
        (Timestamp::MIN, 100, begins),
        (begins.just_before(), 100, begins),
        (begins, 1, ends),
        (ends.just_before(), 1, ends),
        (ends, 0, Timestamp::MAX),
        (Timestamp::MAX, 0, Timestamp::MAX),
    ] {
        assert_eq!(timeline.at(now).purchased.total(), worth, "{now:?}");
        assert_eq!(timeline.next_after(now), next, "{now:?}");
    }
}

#[test]
fn what_may_roll_over_is_what_the_contracts_in_force_allow() {
    for (grants, rollover_max) in [
        (vec![contract(10_000, None)], 0),
        (vec![contract(10_000, Some(1))], 0),
        (vec![contract(10_000, Some(2)), add_on(1)], 10_000),
        (
            vec![contract(10_000, Some(2)), contract(500, Some(3))],
            11_000,
        ),
    ] {
        let timeline = Timeline::new(&grants, &Catalogue::default(), &Calendar::default());
        assert_eq!(
            timeline.at(Timestamp::default()).rollover_max,
            rollover_max,
            "{grants:?}"
        );
    }
}
