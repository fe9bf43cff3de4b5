//! Every refusal with its place and its sentence; merging; variables; texts that are no plan.

use serde_json::json;

use super::*;

/// The first problem of a text: its position and what it says.
fn first(text: &str) -> String {
    let error = parse_with(text, "plan.yaml", &Variables::off()).expect_err(text);
    let shown = error.to_string();
    shown.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn every_refusal_says_where_what_and_what_to_do() {
    for (text, expected) in [
        (
            "",
            "plan.yaml: the file is empty; write at least one key, or remove the file",
        ),
        (
            "# nothing\n---\n",
            "plan.yaml: the file is empty; write at least one key, or remove the file",
        ),
        (
            "{}",
            "plan.yaml: organizations: the plan names no organization; add one, such as organizations: {default: {}}",
        ),
        (
            "[1",
            "plan.yaml:1:1: unclosed bracket '['; correct the YAML",
        ),
        (
            "organizations:\n\tacme: {}",
            "plan.yaml:2:2: tabs disallowed within this context (block indentation); correct the YAML",
        ),
        (
            "organisations: {}",
            "plan.yaml:1:1: the key `organisations` is not known here; did you mean `organizations`? \
             Known: organizations, rate_card, classes, catalogue",
        ),
        (
            "organizations:\n  acme:\n    users:\n      a: {limt: 5}\n",
            "plan.yaml:4:11: the key `limt` is not known here; did you mean `limit`? Known: limit, type, thresholds",
        ),
        (
            "organizations: {acme: {users: {a: {limit: ten}}}}",
            "plan.yaml:1:43: \"ten\" is no number of credits; write a whole number of credits, 0 to 9,007,199,254,740,991",
        ),
        (
            "organizations: {acme: {users: {a: {limit: 9007199254740992}}}}",
            "plan.yaml:1:43: 9007199254740992 is more than the largest amount there is; \
             write a whole number of credits, 0 to 9,007,199,254,740,991",
        ),
        (
            "organizations: {acme: {users: {a: {limit: -1}}}}",
            "plan.yaml:1:43: \"-1\" is no number of credits; write a whole number of credits, 0 to 9,007,199,254,740,991",
        ),
        (
            "organizations: {acme: {users: {a: {limit: [1]}}}}",
            "plan.yaml:1:43: a single value must stand here, no list and no mapping; write one",
        ),
        (
            "organizations: {acme: {users: {a: {limit: }}}}",
            "plan.yaml:1:41: no value stands here; write one, or remove the key",
        ),
        (
            "organizations: {acme: {users: {a: {type: hard}}}}",
            "plan.yaml:1:36: the key `limit` is missing here; add it",
        ),
        (
            "organizations:\n  acme:\n",
            "plan.yaml:2:7: keys with values must stand here; write {key: value}, or {} for none",
        ),
        (
            "organizations: {acme: {grants: {}}}",
            "plan.yaml:1:32: a list must stand here; write [item, item], or [] for none",
        ),
        (
            "organizations: {acme: {}, acme: {}}",
            "plan.yaml:1:27: the key `acme` stands here twice; keep one",
        ),
        (
            "organizations: {}\n---\nrate_card: {}\n",
            "plan.yaml:3:1: a second document begins here; keep one and remove the `---`",
        ),
        (
            "organizations: {acme: {time_zone: Europe/Pariss}}",
            "plan.yaml:1:35: \"Europe/Pariss\" is no time zone of the IANA database; did you mean Europe/Paris?",
        ),
        (
            "organizations: {acme: {overage: {mode: sfot}}}",
            "plan.yaml:1:40: `sfot` is not known here; did you mean `soft`? Known: hard, soft, grace",
        ),
        (
            "organizations:\n  acme:\n    overage: {mode: soft}\n",
            "plan.yaml:3:5: organizations.acme.overage: `extra` is missing; mode: soft needs it: add it",
        ),
        (
            "organizations:\n  acme:\n    overage: {mode: hard, extra: 5}\n",
            "plan.yaml:3:34: organizations.acme.overage.extra: `extra` belongs to mode: soft; remove it",
        ),
        (
            "organizations:\n  acme:\n    grants:\n      - {kind: add_on, count: 1, rollover: 2}\n",
            "plan.yaml:4:44: organizations.acme.grants.0.rollover: `rollover` belongs to kind: contract; remove it",
        ),
        (
            "organizations: {acme: {}}\nrate_card: {x: {credits: 1, class: makr}}\n",
            "plan.yaml:2:36: rate_card.x.class: the class `makr` is not known; did you mean `maker`? Known: free, maker, run",
        ),
        (
            "organizations: {acme: {extension: {delay: 10}}}",
            "plan.yaml:1:43: \"10\" is no duration; write a number and ms, s, m, h or d, such as 60s",
        ),
        (
            "organizations: {acme: {allow_unallocated: nope}}",
            "plan.yaml:1:43: \"nope\" is neither true nor false; write one of them",
        ),
    ] {
        assert_eq!(first(text), expected, "{text:?}");
    }
}

#[test]
fn the_example_plan_is_valid_and_small() {
    let plan = parse_with(crate::config::EXAMPLE_PLAN, "example", &Variables::off()).unwrap();
    let default = plan.organizations.get("default").unwrap();
    assert_eq!((default.allocated(), default.set_aside()), (2_000, 1_500));
}

#[test]
fn the_line_is_shown_with_a_caret_under_the_place() {
    let text = "organizations:\n  acme:\n    users: {ana: {limt: 5}}\n";
    let error = parse_with(text, "plan.yaml", &Variables::off())
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("\n 3 |     users: {ana: {limt: 5}}\n   |                   ^"),
        "{error}"
    );
}

#[test]
fn a_line_that_would_move_the_cursor_is_made_harmless() {
    let text = "organizations: {acme: {users: {\"a\\u001b[2J\": {limit: 1}}}}\nx\u{1b}: 1";
    let error = parse_with(text, "plan.yaml", &Variables::off())
        .unwrap_err()
        .to_string();
    assert!(!error.contains('\u{1b}'), "{error}");
}

#[test]
fn a_refused_change_is_shown_at_its_line() {
    let text = "organizations:\n  acme:\n    users:\n      z.y: {limit: 8001}\n";
    let refusal = ChangeRefused {
        path: "organizations.acme.users.z.y.limit".to_owned(),
        segments: ["organizations", "acme", "users", "z.y", "limit"]
            .map(str::to_owned)
            .to_vec(),
        problem: "at most 8,000 are left; lower it or add a grant".to_owned(),
    };
    assert_eq!(
        refused(text, "plan.yaml", &refusal)
            .to_string()
            .lines()
            .next(),
        Some(
            "plan.yaml:4:20: organizations.acme.users.z.y.limit: at most 8,000 are left; lower it or add a grant"
        )
    );
}

#[test]
fn a_partial_plan_merges_and_null_removes() {
    for (target, patch, merged) in [
        (
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"b": 3}}),
            json!({"a": {"b": 3, "c": 2}}),
        ),
        (
            json!({"a": {"b": 1}}),
            json!({"a": {"b": null}}),
            json!({"a": {}}),
        ),
        (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
        (
            json!({}),
            json!({"a": {"b": {"c": null, "d": 1}}}),
            json!({"a": {"b": {"d": 1}}}),
        ),
        (
            json!({"a": 1}),
            json!({"a": {"b": 2}}),
            json!({"a": {"b": 2}}),
        ),
        (json!({"a": 1}), json!([1]), json!([1])),
        // Beyond RFC 7386: another kind of thing starts anew.
        (
            json!({"overage": {"mode": "soft", "extra": 5}}),
            json!({"overage": {"mode": "hard"}}),
            json!({"overage": {"mode": "hard"}}),
        ),
        (
            json!({"overage": {"mode": "soft", "extra": 5}}),
            json!({"overage": {"extra": 7}}),
            json!({"overage": {"mode": "soft", "extra": 7}}),
        ),
        (
            json!({"cycle": {"kind": "month", "anchor_day": 5}}),
            json!({"cycle": {"kind": "days", "days": 28}}),
            json!({"cycle": {"kind": "days", "days": 28}}),
        ),
    ] {
        let mut target = target;
        merge_patch(&mut target, &patch);
        assert_eq!(target, merged, "{patch}");
    }
}

#[test]
fn a_value_and_the_same_text_are_the_same_plan() {
    let text =
        "organizations: {acme: {users: {'a\"\\b': {limit: 5, type: soft}, 'x: y': {limit: 1}}}}";
    let value = json!({"organizations": {"acme": {"users": {
        "a\"\\b": {"limit": 5, "type": "soft"}, "x: y": {"limit": 1}}}}});
    assert_eq!(
        from_value(&value).unwrap(),
        parse(text, "plan.yaml").unwrap()
    );
    let wrong = json!({"organizations": {"acme": {"users": {"a": {"limit": 5.5}}}}});
    assert!(
        from_value(&wrong)
            .unwrap_err()
            .to_string()
            .contains("\"limit\": 5.5\n")
    );
}

#[test]
fn variables_stand_in_values_only() {
    let variables: Variables = [
        ("N".to_owned(), "42".to_owned()),
        ("A".to_owned(), "b: c".to_owned()),
    ]
    .into_iter()
    .collect();
    let plan = |text: &str| parse_with(text, "plan.yaml", &variables);
    let text = "organizations: {\"${N}\": {display_name: \"${A} $$ ${M:-m}\", grants: [{kind: contract, credits: \"${N}\"}]}}";
    let parsed = plan(text).unwrap();
    let organization = parsed.organizations.get("${N}").unwrap();
    assert_eq!(organization.display_name, "b: c $ m");
    assert_eq!(organization.grants.len(), 1);
    for (value, problem) in [
        (
            "${M}",
            "the environment variable M is not set; set it, or write ${M:-default}",
        ),
        (
            "$N",
            "a lone `$` stands here; write ${NAME} for a variable, or $$ for a dollar sign",
        ),
        (
            "${N",
            "`${` has no closing brace; write ${NAME}, or $$ for a dollar sign",
        ),
        (
            "${}",
            "`${}` names no variable; write ${NAME} or ${NAME:-default}",
        ),
        (
            "${N?}",
            "`${N?}` names no variable; write ${NAME} or ${NAME:-default}",
        ),
        (
            "${N:-${A}}",
            "the default of `${N:-...}` holds a `$`; write a plain text",
        ),
    ] {
        let text = format!("organizations:\n  acme:\n    display_name: \"{value}\"\n");
        let error = plan(&text).unwrap_err();
        assert_eq!(
            error.to_string().lines().next().unwrap(),
            format!("plan.yaml:3:19: {problem}")
        );
    }
}

#[test]
fn no_text_makes_it_panic() {
    // Cut and garbled at every place, with what YAML gives a meaning to.
    let text = crate::config::EXAMPLE_PLAN;
    let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
    let mut refused = 0;
    for (&at, junk) in places.iter().zip(
        [
            "{", "]", ": ", "- ", "&a ", "*a", "\"", "!!x ", "\n", "\u{0}", "${", "#",
        ]
        .iter()
        .cycle(),
    ) {
        for garbled in [
            text[..at].to_owned(),
            format!("{}{junk}{}", &text[..at], &text[at..]),
        ] {
            let read = parse_with(&garbled, "plan.yaml", &Variables::from_iter([]));
            refused += usize::from(read.is_err_and(|error| !error.to_string().is_empty()));
        }
    }
    assert!(
        refused > places.len() / 2,
        "{refused} of {} were refused",
        2 * places.len()
    );
}

#[test]
fn depth_and_aliases_are_bounded() {
    let deep = |open: &str, close: &str, depth: usize| {
        format!("{}{}", open.repeat(depth), close.repeat(depth))
    };
    let laughs: String = (1..12)
        .map(|i| {
            format!(
                "a{i}: &a{i} [{}]\n",
                vec![format!("*a{}", i - 1); 10].join(",")
            )
        })
        .collect();
    for text in [
        deep("[", "]", 100_000),
        deep("{a: ", "}", 100_000),
        deep("[", "]", 1_900),
        deep("{a: ", "}", 1_900),
        format!("organizations: {}", deep("{a: ", "}", 1_900)),
        format!(
            "organizations: {{acme: {{grants: [{{kind: contract}}]}}}}\nrate_card: {}",
            deep("[", "]", 1_900)
        ),
        format!("a0: &a0 [x,x]\n{laughs}"),
    ] {
        assert!(parse(&text, "plan.yaml").is_err());
        assert_eq!(locate(&text, &["nothing"]), None);
    }
}

#[test]
fn the_example_plans_survive_the_round_trip_to_the_disk() {
    use crate::storage::plan_code::{from_json, to_json};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/plans");
    for name in ["ai-builder", "builder", "contentstack"] {
        let plan = load(&folder.join(format!("{name}.yaml"))).unwrap();
        assert_eq!(from_json(&to_json(&plan)).unwrap(), plan, "{name}");
    }
}

#[test]
fn a_file_owns_each_entry_that_it_names_whatever_it_says_there() {
    let text = "
organizations:
  acme:
    scale: 1
    seats: 5
    overage: {mode: hard}
    grants: []
    environments: {prod: {}, x.y: {allocation: 0}}
    users: {ana: {limit: 0}}
  bare: {}
rate_card: {chat: {credits: 1}}
classes: {slow: {reaches_allowance: true}}
catalogue:
  licenses: {power-apps-premium: {cap_enforced: true}}
";
    let plan = parse_with(text, "plan.yaml", &Variables::off()).unwrap();
    let named: Vec<_> = plan.owned.entries().map(|it| it.to_string()).collect();
    let expected = [
        "organizations.acme",
        "organizations.acme.scale",
        "organizations.acme.overage",
        "organizations.acme.seats",
        "organizations.acme.grants",
        "organizations.acme.environments.prod",
        "organizations.acme.environments.\"x.y\"",
        "organizations.acme.users.ana",
        "organizations.bare",
        "rate_card.chat",
        "catalogue.licenses.power-apps-premium",
    ];
    assert_eq!(named, expected);
}

#[test]
fn a_plan_that_is_written_as_a_file_reads_as_the_same_plan() {
    let text = r#"
organizations:
  "true": {}
  'a: b, {c}': {display_name: "1", users: {"12": {limit: 1}, "x # y": {limit: 2, type: soft, thresholds: [5, 7]}}}
  Zoë:
    display_name: 'say "no" \ [] {}'
    time_zone: America/Argentina/Buenos_Aires
    cycle: {kind: days, days: 28, from: 2026-01-05T00:00:00.25Z}
    scale: 1000
    allow_unallocated: false
    overage: {mode: soft, extra: 10000}
    excess: reject
    enforcement: shadow
    seats: 50
    thresholds: []
    extension: {credits: 1, delay: 90s, per_cycle: 0, per_year: 1}
    trial: {credits: 7, days: 1, renewals: 0}
    grants:
      - {kind: contract, credits: 10000, rollover: 2}
      - {kind: add_on, count: 1, valid_until: 2026-12-31}
      - {kind: license, license: our own, count: 5, valid_from: 2026-01-01, purchased: 2025-12-20}
    environments:
      "null": {}
      prod: {allocation: 6000, overage: {mode: grace, margin_percent: 20}, thresholds: [50, 80, 100]}
rate_card:
  a/b: {credits: 32, product: "yes", class: maker}
  c d: {credits: 3, per: 1000}
  e: {class: free}
catalogue:
  add_on_credits: 5
  licenses:
    our own: {credits: 7, cap: 9}
    power-apps-per-app: {credits: 1}
    dynamics-365-fo: {cap_enforced: false, counts_from: 2020-02-29}
"#;
    let parse = |text: &str| parse_with(text, "plan.yaml", &Variables::off()).unwrap();
    let mut plan = parse(text);
    let written = plan::file_text(&plan);
    let mut again = parse(&written);
    assert_eq!(plan::file_text(&again), written);
    // What a file need not say it does not name.
    plan.owned = std::sync::Arc::default();
    again.owned = std::sync::Arc::default();
    assert_eq!(again, plan, "{written}");
    assert!(
        written.contains("\n  \"true\": {}\n") && written.contains("delay: 90s"),
        "{written}"
    );
    for entry in parse(&written).owned.entries() {
        let text = plan::text(&plan, &entry);
        assert!(text.is_some(), "{entry} is written though it says nothing");
    }
}
