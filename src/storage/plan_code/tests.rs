//! Every plan survives the round trip as it is, and a text that is no plan is refused with its place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::arbitrary::{organization_plan, plan};
use super::*;
use crate::storage::parts::arbitrary::damage;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_plan_survives_the_round_trip(plan in plan()) {
        let json = to_json(&plan);
        let back = from_json(&json).unwrap();
        prop_assert_eq!(&back, &plan);
        prop_assert_eq!(to_json(&back), json);
    }

    #[test]
    fn an_organizations_part_survives_it_too(plan in organization_plan()) {
        let back = organization_from_json(&organization_to_json(&plan)).unwrap();
        prop_assert_eq!(&*back, &plan);
    }

    #[test]
    fn a_damaged_text_is_refused_or_read_and_never_panics(plan in plan(), damage in damage()) {
        let damaged = damage.done_to(&to_json(&plan));
        // What can still be read says something that can be written again.
        if let Ok(plan) = from_json(&damaged) {
            prop_assert_eq!(from_json(&to_json(&plan)).unwrap(), plan);
        }
    }
}

#[test]
fn a_text_that_is_no_plan_is_refused_with_its_place() {
    let mut plan = Plan::default();
    plan.organizations.insert("acme".into(), Arc::default());
    let json = String::from_utf8(to_json(&plan)).unwrap();
    for (from, to, problem) in [
        ("\"scale\": 1,", "", "missing field `scale`"),
        ("\"seats\": null,", "", "missing field `seats`"),
        (
            "\"scale\": 1,",
            "\"scale\": 1, \"more\": 2,",
            "unknown field `more`",
        ),
        (
            "\"anchor_day\": 1",
            "\"anchor_day\": 32",
            "32 is no day of a month",
        ),
        (
            "\"anchor_day\": 1",
            "\"anchor_day\": 0",
            "0 is no day of a month",
        ),
        ("\"UTC\"", "\"Mars/Base\"", "\"Mars/Base\" is no time zone"),
        ("80,", "100,", "the marks must ascend, each once"),
        ("\"days\": 30", "\"days\": 0", "expected a nonzero u32"),
        (
            "200000",
            "9007199254740992",
            "9007199254740992 is more than 9,007,199,254,740,991",
        ),
        ("2022-11-01", "2022-02-30", "\"2022-02-30\" is no day"),
    ] {
        assert!(json.contains(from), "{from} in {json}");
        let refused = from_json(json.replacen(from, to, 1).as_bytes()).unwrap_err();
        let told = refused.to_string();
        assert!(
            told.contains(problem) && told.contains(" at line "),
            "{told}"
        );
    }
}

#[test]
fn a_hash_is_64_digits_in_lower_case() {
    let hash = PlanHash::of(b"{}");
    let text = hash.to_string();
    assert_eq!(
        text,
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
    assert_eq!(text.parse(), Ok(hash));
    for other in [
        "",
        "44",
        &text.to_uppercase(),
        &text[1..],
        &text.replace('a', "+"),
    ] {
        assert_eq!(other.parse::<PlanHash>(), Err(NoHash), "{other}");
    }
}
