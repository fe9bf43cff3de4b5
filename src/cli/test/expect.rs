//! What a step must bring: read from the file, and held against what came.

use serde_json::{Map, Value};

use super::fields::instant;
use super::node::{Fault, Node};

/// What a step must bring.
#[derive(Clone, Debug)]
pub(super) enum Expect {
    /// These fields, each with its line; others are not compared.
    Fields(Vec<(String, usize, Value)>),
    /// These items, whole, in any order.
    List(usize, Vec<Value>),
}

/// What a step brought.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Came {
    /// It was done.
    Answer(Map<String, Value>),
    /// The rules refused it.
    Denied(Map<String, Value>),
    /// It could not be done: the gRPC code's name, and why.
    Failed(&'static str, String),
    /// What fired.
    List(Vec<Value>),
}

const STANDING: &[&str] = &["state", "used", "held", "limit", "available"];
const DENIAL: &[&str] = &[
    "denied",
    "account",
    "requested",
    "limit",
    "used",
    "held",
    "available",
    "reset",
    "state",
];
const BALANCE: &[&str] = &[
    "used",
    "held",
    "limit",
    "base_used",
    "extension_used",
    "overage_used",
    "overrun",
    "available",
    "percent",
    "base_percent",
    "state",
    "entitlement",
    "purchased",
    "allocated",
    "set_aside",
    "pool",
    "over_allocated_by",
    "days_until_reset",
    "text",
];

/// The codes that an engine's errors have.
const CODES: [&str; 4] = [
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "UNAVAILABLE",
];

/// What may be expected of a step, beside `error`.
fn vocabulary(verb: &str) -> Vec<&'static str> {
    let parts: &[&[&'static str]] = match verb {
        "reserve" | "extend" => &[&["granted"], STANDING, DENIAL],
        "charge" | "commit" => &[
            &["committed", "returned", "overrun", "late"],
            STANDING,
            DENIAL,
        ],
        "check" => &[&["allowed", "granted"], STANDING, DENIAL],
        "release" => &[&["returned"], STANDING],
        "balance" => &[BALANCE],
        "estimate" => &[&["credits", "covered", "spare", "missing", "add_ons", "tier"]],
        _ => &[],
    };
    parts.concat()
}

impl Expect {
    pub(super) fn new(verb: &str, node: &Node) -> Result<Self, Fault> {
        if matches!(verb, "notifications" | "usage") && !node_names_error(node) {
            let items = node.items("what is expected of such a step")?;
            return Ok(Self::List(
                node.line,
                items.iter().map(Node::to_value).collect(),
            ));
        }
        let known = vocabulary(verb);
        let mut fields: Vec<(String, usize, Value)> = Vec::new();
        for entry in node.entries("expect")? {
            let key = entry.key.as_str();
            let value = match key {
                "error" => Value::from(code(&entry.value)?),
                "reset" if known.contains(&key) => Value::from(shown(instant(&entry.value)?)),
                _ if known.contains(&key) => entry.value.to_value(),
                _ => {
                    let known = if known.is_empty() {
                        "error".to_owned()
                    } else {
                        known.join(", ") + ", error"
                    };
                    let problem =
                        format!("unknown expectation `{key}` of {verb}; there are {known}");
                    return Err(Fault::new(entry.line, problem));
                }
            };
            fields.push((entry.key.clone(), entry.line, value));
        }
        if fields.len() > 1 && fields.iter().any(|(key, ..)| key == "error") {
            return Err(
                node.fault("a step that is expected to fail brings an `error` and nothing else")
            );
        }
        Ok(Self::Fields(fields))
    }

    fn names(&self, key: &str) -> bool {
        matches!(self, Self::Fields(fields) if fields.iter().any(|(name, ..)| name == key))
    }
}

fn node_names_error(node: &Node) -> bool {
    matches!(node.to_value(), Value::Object(map) if map.contains_key("error"))
}

fn code(node: &Node) -> Result<String, Fault> {
    let code = node.text("error")?;
    if CODES.contains(&code.as_str()) {
        return Ok(code);
    }
    let hint = "a denial is expected with `denied: REASON`";
    Err(node.fault(format!(
        "{code:?} is no code of gRPC that comes here; there are {}; {hint}",
        CODES.join(", ")
    )))
}

/// An instant as outcomes spell it.
pub(super) fn shown(instant: crate::domain::time::Timestamp) -> String {
    instant
        .to_utc()
        .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Holds what came against what was expected; each problem with its line, if it is about one field. A denial or an error
/// that nobody expected is a problem.
pub(super) fn judge(line: usize, expect: Option<&Expect>, came: &Came) -> Vec<Fault> {
    let none = Expect::Fields(Vec::new());
    let expect = expect.unwrap_or(&none);
    let awaited = match came {
        Came::Failed(..) => expect.names("error"),
        Came::Denied(_) => expect.names("denied") || expect.names("allowed"),
        Came::Answer(_) => !expect.names("error") && !expect.names("denied"),
        Came::List(_) => !expect.names("error"),
    };
    if !awaited {
        return vec![Fault::new(
            line,
            format!(
                "expected {}, came {}",
                expected_text(expect),
                came_text(came)
            ),
        )];
    }
    match (expect, came) {
        (Expect::Fields(fields), Came::Answer(map) | Came::Denied(map)) => compare(fields, map),
        (Expect::Fields(fields), Came::Failed(code, message)) => {
            let wrong = fields.iter().find(|(_, _, value)| value != code);
            let fault = wrong.map(|(_, line, value)| {
                Fault::new(
                    *line,
                    format!(
                        "expected error {}, came error {code}: {message}",
                        bare(value)
                    ),
                )
            });
            fault.into_iter().collect()
        }
        (Expect::List(line, expected), Came::List(items)) if !same(expected, items) => {
            vec![Fault::new(
                *line,
                format!("expected {}, came {}", list(expected), list(items)),
            )]
        }
        (Expect::List(..), Came::List(_)) | (Expect::Fields(_), Came::List(_)) => Vec::new(),
        (Expect::List(line, expected), other) => {
            vec![Fault::new(
                *line,
                format!("expected {}, came {}", list(expected), came_text(other)),
            )]
        }
    }
}

fn compare(fields: &[(String, usize, Value)], map: &Map<String, Value>) -> Vec<Fault> {
    fields
        .iter()
        .filter(|(key, _, expected)| map.get(key) != Some(expected))
        .map(|(key, line, expected)| {
            let came = map.get(key).map_or_else(|| "nothing".to_owned(), bare);
            Fault::new(
                *line,
                format!("expected {key} {}, came {came}", bare(expected)),
            )
        })
        .collect()
}

/// Whether two lists hold the same items, in any order.
fn same(expected: &[Value], came: &[Value]) -> bool {
    let sorted = |items: &[Value]| {
        let mut texts: Vec<String> = items.iter().map(Value::to_string).collect();
        texts.sort_unstable();
        texts
    };
    sorted(expected) == sorted(came)
}

/// A value without quotes around a text.
fn bare(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn list(items: &[Value]) -> String {
    format!(
        "[{}]",
        items.iter().map(bare).collect::<Vec<_>>().join(", ")
    )
}

fn expected_text(expect: &Expect) -> String {
    match expect {
        Expect::List(_, items) => list(items),
        Expect::Fields(fields) if fields.is_empty() => "success".to_owned(),
        Expect::Fields(fields) => fields
            .iter()
            .map(|(key, _, value)| format!("{key} {}", bare(value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn came_text(came: &Came) -> String {
    match came {
        Came::Answer(map) if map.is_empty() => "success".to_owned(),
        Came::Answer(map) | Came::Denied(map) => map
            .iter()
            .map(|(key, value)| format!("{key} {}", bare(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Came::Failed(code, message) => format!("error {code}: {message}"),
        Came::List(items) => list(items),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::super::node::documents;
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn problems(verb: &str, expect: Option<&str>, came: &Came) -> Vec<String> {
        let expect = expect.map(|text| Expect::new(verb, &documents(text).unwrap()[0]).unwrap());
        judge(7, expect.as_ref(), came)
            .into_iter()
            .map(|fault| fault.problem)
            .collect()
    }

    #[test]
    fn only_named_fields_are_compared_and_numbers_are_exact() {
        let came = Came::Answer(map(json!({"committed": 5, "state": "OK", "available": 0})));
        for (expect, count) in [
            (None, 0),
            (Some("{}"), 0),
            (Some("{committed: 5, state: OK}"), 0),
            (Some("{committed: 6, state: OK}"), 1),
            (Some("{committed: 6, state: WARNING}"), 2),
            (Some("{committed: '5'}"), 1),
            (Some("{returned: 0}"), 1),
            (Some("{denied: QUOTA_EXCEEDED}"), 1),
            (Some("{error: NOT_FOUND}"), 1),
        ] {
            assert_eq!(problems("charge", expect, &came).len(), count, "{expect:?}");
        }
        assert_eq!(
            problems("charge", Some("{committed: 6}"), &came),
            ["expected committed 6, came 5"]
        );
    }

    #[test]
    fn a_denial_or_an_error_must_be_named() {
        let denied = Came::Denied(map(
            json!({"allowed": false, "denied": "QUOTA_EXCEEDED", "available": 0}),
        ));
        for (expect, count) in [
            (None, 1),
            (Some("{available: 0}"), 1),
            (Some("{denied: QUOTA_EXCEEDED, available: 0}"), 0),
            (Some("{denied: OVERAGE_BLOCKED}"), 1),
            (Some("{allowed: false}"), 0),
            (Some("{allowed: true}"), 1),
            (Some("{error: NOT_FOUND}"), 1),
        ] {
            assert_eq!(
                problems("check", expect, &denied).len(),
                count,
                "{expect:?}"
            );
        }
        let failed = Came::Failed("NOT_FOUND", "who?".to_owned());
        for (expect, count) in [
            (None, 1),
            (Some("{granted: 1}"), 1),
            (Some("{denied: QUOTA_EXCEEDED}"), 1),
            (Some("{error: NOT_FOUND}"), 0),
            (Some("{error: INVALID_ARGUMENT}"), 1),
        ] {
            assert_eq!(
                problems("reserve", expect, &failed).len(),
                count,
                "{expect:?}"
            );
        }
    }

    #[test]
    fn lists_are_compared_whole_in_any_order() {
        let came = Came::List(vec![json!("pool 80"), json!("users/a 80")]);
        for (expect, count) in [
            (None, 0),
            (Some("[users/a 80, pool 80]"), 0),
            (Some("[pool 80]"), 1),
            (Some("[pool 80, users/a 80, pool 80]"), 1),
            (Some("[]"), 1),
        ] {
            assert_eq!(
                problems("notifications", expect, &came).len(),
                count,
                "{expect:?}"
            );
        }
    }
}
