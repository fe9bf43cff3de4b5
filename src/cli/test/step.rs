//! The steps of a scenario as typed -> checked.

use std::time::Duration;

use serde_json::Value;

use crate::domain::plan::Excess;
use crate::domain::time::Timestamp;
use crate::engine::order::Id;
use crate::storage::UsageQuery;

use super::action::action;
use super::expect::Expect;
use super::node::{Entry, Fault, Kind, Node};

/// One step: what is done, and what must come of it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    /// The step's key, such as `reserve`.
    pub(super) verb: &'static str,
    pub(super) action: Action,
    pub(super) expect: Option<Expect>,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    At(Timestamp),
    Advance(Duration),
    /// Ends, is down for a while, and comes back.
    Restart {
        is_crash: bool,
        down: Duration,
    },
    Reserve(Asked),
    Charge(Asked),
    Check(Asked),
    Commit {
        hold: String,
        actual: Used,
        excess: Excess,
    },
    Release {
        hold: String,
    },
    Extend {
        hold: String,
        additional: u64,
        ttl: Option<Duration>,
        request_id: Option<Id>,
    },
    Apply(Value),
    AssignEqual {
        organization: Option<String>,
        credits: u64,
        kind: &'static str,
    },
    Distribute {
        organization: Option<String>,
        kind: &'static str,
    },
    RemoveUser {
        organization: Option<String>,
        user: String,
    },
    RequestExtension {
        organization: Option<String>,
    },
    StartTrial {
        organization: Option<String>,
        user: String,
    },
    RenewTrial {
        organization: Option<String>,
        user: String,
    },
    Estimate {
        organization: Option<String>,
        quantities: Vec<(String, u64)>,
    },
    Balance {
        organization: Option<String>,
        environment: Option<String>,
        user: Option<String>,
    },
    Adjust {
        organization: Option<String>,
        environment: Option<String>,
        user: Option<String>,
        credits: i64,
        reason: String,
    },
    Notifications {
        organization: Option<String>,
    },
    Usage {
        organization: Option<String>,
        query: UsageQuery,
    },
}

/// What `reserve`, `charge` and `check` ask for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) organization: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) user: Option<String>,
    pub(super) product: Option<String>,
    pub(super) model: Option<String>,
    pub(super) credits: Option<u64>,
    pub(super) operation: Option<String>,
    pub(super) quantity: Option<u64>,
    pub(super) min: Option<u64>,
    pub(super) ttl: Option<Duration>,
    pub(super) id: Option<Id>,
    /// The name by which later steps refer to the hold.
    pub(super) name: Option<String>,
}

/// What a commit says was used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Used {
    Amount(u64),
    Quantity(u64),
}

/// Every key that a step may have.
const VERBS: [&str; 21] = [
    "at",
    "advance",
    "reserve",
    "charge",
    "check",
    "commit",
    "release",
    "extend",
    "apply",
    "assign_equal",
    "distribute",
    "remove_user",
    "request_extension",
    "start_trial",
    "renew_trial",
    "estimate",
    "restart",
    "balance",
    "usage",
    "adjust",
    "notifications",
];

/// Reads one step.
pub(super) fn step(node: &Node) -> Result<Step, Fault> {
    let (mut done, mut expected): (Option<(&'static str, &Entry)>, Option<&Node>) = (None, None);
    for entry in node.entries("a step")? {
        match entry.key.as_str() {
            "expect" => expected = Some(&entry.value),
            "note" => drop(entry.value.text("note")?),
            key => {
                let Some(verb) = VERBS.into_iter().find(|&verb| verb == key) else {
                    return Err(Fault::new(
                        entry.line,
                        format!("unknown step `{key}`; there are {}", VERBS.join(", ")),
                    ));
                };
                if let Some((first, _)) = done.replace((verb, entry)) {
                    let problem =
                        format!("a step does one thing, this one does `{first}` and `{verb}`");
                    return Err(Fault::new(entry.line, problem));
                }
            }
        }
    }
    let (verb, entry) =
        done.ok_or_else(|| node.fault("the step does nothing; give it a key such as `charge`"))?;
    let action = action(verb, &entry.value)?;
    let expect = expected.map(|node| Expect::new(verb, node)).transpose()?;
    Ok(Step {
        line: entry.line,
        verb,
        action,
        expect,
    })
}

/// Sixteen bytes of any text: FNV-1a with 128 bits, marked as a UUID of version 8, so that it is never taken for a
/// UUIDv7, whose age would be judged by the scenario's clock.
pub(super) fn id_of(text: &str) -> Id {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = text.bytes().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    let mut id = hash.to_be_bytes();
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    id
}

/// The plan of a scenario: inline, or the path of a file beside the scenario.
#[derive(Clone, Debug)]
pub(super) enum PlanSource {
    Inline(Node),
    Path(String),
}

impl PlanSource {
    pub(super) fn new(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Scalar(Value::String(path)) => Ok(Self::Path(path.clone())),
            Kind::Map(_) => Ok(Self::Inline(node.clone())),
            _ => {
                Err(node
                    .fault("plan must be a plan, or the path of a plan file relative to this file"))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::node::documents;
    use super::*;

    #[test]
    fn ids_are_stable_distinct_and_never_uuid_v7() {
        assert_eq!(id_of("a"), id_of("a"));
        let mut ids: Vec<Id> = (0..10_000)
            .map(|number| id_of(&format!("id {number}")))
            .collect();
        assert!(ids.iter().all(|id| id[6] >> 4 == 8 && id[8] >> 6 == 2));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, line, part) in [
            ("charge: {credits: 1, usr: a}", 1, "unknown field `usr`"),
            ("\nchrge: {credits: 1}", 2, "unknown step `chrge`"),
            (
                "charge: {credits: 1}\nexpect: {comitted: 1}",
                2,
                "unknown expectation `comitted`",
            ),
            ("charge: {user: a}", 1, "needs `credits` or `operation`"),
            (
                "charge: {credits: 1, operation: a, quantity: 2}",
                1,
                "not both",
            ),
            ("charge: {credits: 1, ttl: 5s}", 1, "unknown field `ttl`"),
            ("charge: {credits: -1}", 1, "whole number"),
            ("charge: {credits: 1.5}", 1, "whole number"),
            (
                "charge: {credits: 1}\nreserve: {credits: 1}",
                2,
                "one thing",
            ),
            ("note: nothing", 1, "does nothing"),
            ("commit: {hold: a}", 1, "`amount` or `quantity`"),
            ("commit: {amount: 1}", 1, "needs `hold`"),
            (
                "commit: {hold: a, amount: 1, excess: drop}",
                1,
                "`record` or `reject`",
            ),
            ("at: tomorrow", 1, "no instant"),
            ("advance: 5 minutes", 1, "no duration"),
            ("restart: slowly", 1, "`crash` or `clean`"),
            ("restart: {how: slowly}", 1, "`crash` or `clean`"),
            ("restart: {down: 5s}", 1, "needs `how`"),
            ("restart: {how: crash, for: 5s}", 1, "unknown field `for`"),
            ("usage: {group: [day]}", 1, "unknown field `group`"),
            ("balance: {user: a, environment: b}", 1, "not of both"),
            ("notifications: {}\nexpect: {a: 1}", 2, "must be a list"),
            (
                "charge: {credits: 1}\nexpect: {error: NOT_FOUND, committed: 1}",
                2,
                "nothing else",
            ),
            (
                "charge: {credits: 1}\nexpect: {error: LOST}",
                2,
                "no code of gRPC",
            ),
        ] {
            let documents = documents(text).unwrap();
            let fault = step(&documents[0]).unwrap_err();
            assert_eq!(fault.line, line, "{text:?}: {fault:?}");
            assert!(fault.problem.contains(part), "{text:?}: {fault:?}");
        }
    }
}
