//! Wire types to orders. Texts stay where they are, in the message; every field that is wrong is named by its path.

use std::time::Duration;

use super::view;
use crate::domain::credits::Credits;
use crate::domain::names::Name;
use crate::domain::plan::Excess;
use crate::domain::rates::Cost;
use crate::engine::answer::EngineError;
use crate::engine::order::{
    Actual, Charge, Check, Commit, Extend, HOLD_TTL_MAX, Id, Reserve, Subject,
};
use crate::rpc::{OPERATIONS_MAX, pb};

/// Whose balances are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balances<'a> {
    /// The tenant.
    pub organization: Name<'a>,
    /// Where.
    pub environment: Name<'a>,
    /// Who, if anybody.
    pub user: Option<Name<'a>>,
}

/// Checks a Reserve.
pub fn reserve<'a>(wire: impl Into<view::Reserve<'a>>) -> Result<Reserve<'a>, EngineError> {
    let wire = wire.into();
    Ok(Reserve {
        subject: subject(wire.subject)?,
        cost: cost(wire.cost)?,
        min: wire
            .min_amount
            .map(|min| credits("min_amount", min))
            .transpose()?,
        ttl: ttl(wire.ttl)?,
        id: id_optional("reservation_id", wire.reservation_id)?,
    })
}

/// Checks a Commit.
pub fn commit<'a>(wire: impl Into<view::Commit<'a>>) -> Result<Commit, EngineError> {
    let wire = wire.into();
    let id = id_required("reservation_id", wire.reservation_id)?;
    let actual = match wire.actual {
        Some(pb::commit_request::Actual::Amount(amount)) => {
            Actual::Amount(credits("amount", amount)?)
        }
        Some(pb::commit_request::Actual::Quantity(quantity)) => Actual::Quantity(quantity),
        None => return invalid("actual", "is missing; give `amount` or `quantity`"),
    };
    let excess = match pb::Excess::try_from(wire.excess) {
        Ok(pb::Excess::Unspecified | pb::Excess::Record) => Excess::Record,
        Ok(pb::Excess::Reject) => Excess::Reject,
        Err(_) => {
            return invalid(
                "excess",
                "is no value of this version; give EXCESS_RECORD or EXCESS_REJECT, or leave it out",
            );
        }
    };
    Ok(Commit { id, actual, excess })
}

/// Checks an Extend.
pub fn extend<'a>(wire: impl Into<view::Extend<'a>>) -> Result<Extend, EngineError> {
    let wire = wire.into();
    Ok(Extend {
        id: id_required("reservation_id", wire.reservation_id)?,
        additional: credits("additional", wire.additional)?,
        ttl: ttl(wire.ttl)?,
        request_id: id_optional("request_id", wire.request_id)?,
    })
}

/// Checks a Charge.
pub fn charge<'a>(wire: impl Into<view::Charge<'a>>) -> Result<Charge<'a>, EngineError> {
    let wire = wire.into();
    Ok(Charge {
        subject: subject(wire.subject)?,
        cost: cost(wire.cost)?,
        id: id_optional("request_id", wire.request_id)?,
    })
}

/// Checks a Check.
pub fn check<'a>(wire: impl Into<view::Check<'a>>) -> Result<Check<'a>, EngineError> {
    let wire = wire.into();
    Ok(Check {
        subject: subject(wire.subject)?,
        cost: cost(wire.cost)?,
        min: wire
            .min_amount
            .map(|min| credits("min_amount", min))
            .transpose()?,
    })
}

/// Checks a GetBalance.
pub fn balances(wire: &pb::GetBalanceRequest) -> Result<Balances<'_>, EngineError> {
    let subject = subject(wire.subject.as_ref().map(Into::into))?;
    Ok(Balances {
        organization: subject.organization,
        environment: subject.environment,
        user: subject.user,
    })
}

/// Checks an id that must be there: 16 bytes.
pub fn id_required(field: &'static str, bytes: &[u8]) -> Result<Id, EngineError> {
    match id_optional(field, bytes)? {
        Some(id) => Ok(id),
        None => invalid(field, "is missing; give the 16 bytes that Reserve answered"),
    }
}

/// How many operations a batch may have: 1 to [`OPERATIONS_MAX`].
pub fn operations_counted(count: usize) -> Result<(), String> {
    match count {
        0 => Err("is empty; give 1 to 1,000 operations".to_owned()),
        1..=OPERATIONS_MAX => Ok(()),
        count => Err(format!(
            "has {count} items; give at most 1,000, and the rest in another batch"
        )),
    }
}

/// An operation of a batch that says nothing.
pub fn no_operation() -> EngineError {
    EngineError::Invalid {
        field: "request",
        problem: "is missing; give one of reserve, commit, release, extend, charge, check"
            .to_owned(),
    }
}

/// The engine knows one place for an operation; the message has two. Names the one that was sent.
pub fn as_sent(error: EngineError, cost: Option<view::Cost<'_>>) -> EngineError {
    match error {
        EngineError::Invalid {
            field: "cost.usage.operation",
            problem,
        } if cost.is_some_and(|cost| !cost.operation.is_empty()) => EngineError::Invalid {
            field: "cost.operation",
            problem,
        },
        other => other,
    }
}

fn id_optional(field: &'static str, bytes: &[u8]) -> Result<Option<Id>, EngineError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match Id::try_from(bytes) {
        Ok(id) => Ok(Some(id)),
        Err(_) => invalid(
            field,
            format!("is {} bytes long; give 16, best a UUIDv7", bytes.len()),
        ),
    }
}

fn subject(wire: Option<view::Subject<'_>>) -> Result<Subject<'_>, EngineError> {
    let Some(wire) = wire else {
        return Ok(Subject::new(Name::DEFAULT, Name::DEFAULT, None));
    };
    Ok(Subject {
        organization: name("subject.organization", wire.organization)?.unwrap_or(Name::DEFAULT),
        environment: name("subject.environment", wire.environment)?.unwrap_or(Name::DEFAULT),
        user: name("subject.user", wire.user)?,
        product: name("subject.product", wire.product)?,
        model: name("subject.model", wire.model)?,
    })
}

fn name<'a>(field: &'static str, text: &'a str) -> Result<Option<Name<'a>>, EngineError> {
    Name::parse_optional(text).or_else(|error| invalid(field, error.to_string()))
}

fn cost(wire: Option<view::Cost<'_>>) -> Result<Cost<'_>, EngineError> {
    let Some(wire) = wire else {
        return invalid("cost", "is missing; give `credits`, or `usage`");
    };
    match wire.amount {
        Some(view::Amount::Credits(amount)) => Ok(Cost::Credits {
            amount: credits("cost.credits", amount)?,
            operation: name("cost.operation", wire.operation)?.map(Name::as_str),
        }),
        Some(view::Amount::Usage(_)) if !wire.operation.is_empty() => invalid(
            "cost.operation",
            "goes with `credits` only; `usage` names its own operation",
        ),
        Some(view::Amount::Usage(usage)) => match name("cost.usage.operation", usage.operation)? {
            Some(operation) => Ok(Cost::Usage {
                operation: operation.as_str(),
                quantity: usage.quantity,
            }),
            None => invalid(
                "cost.usage.operation",
                "is empty; name a line of the rate card",
            ),
        },
        None => invalid("cost.amount", "is missing; give `credits`, or `usage`"),
    }
}

fn credits(field: &'static str, amount: u64) -> Result<Credits, EngineError> {
    match Credits::new(amount) {
        Some(credits) => Ok(credits),
        None => invalid(
            field,
            format!("{amount} is too much; at most 9007199254740991 (2^53 - 1) credits"),
        ),
    }
}

fn ttl(wire: Option<prost_types::Duration>) -> Result<Option<Duration>, EngineError> {
    let Some(wire) = wire else { return Ok(None) };
    let whole = u64::try_from(wire.seconds);
    let part = u32::try_from(wire.nanos)
        .ok()
        .filter(|&nanos| nanos < 1_000_000_000);
    let (Ok(seconds), Some(nanos)) = (whole, part) else {
        return invalid(
            "ttl",
            "is negative or malformed; give more than 0 and at most 1 h",
        );
    };
    let ttl = Duration::new(seconds, nanos);
    if ttl.is_zero() || ttl > HOLD_TTL_MAX {
        return invalid(
            "ttl",
            format!(
                "is {} s; give more than 0 and at most 3600 s",
                ttl.as_secs_f64()
            ),
        );
    }
    Ok(Some(ttl))
}

fn invalid<T>(field: &'static str, problem: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::Invalid {
        field,
        problem: problem.into(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn subject_of(user: &str) -> pb::Subject {
        pb::Subject {
            user: user.to_owned(),
            ..Default::default()
        }
    }

    fn credits_of(amount: u64) -> Option<pb::Cost> {
        Some(pb::Cost {
            amount: Some(pb::cost::Amount::Credits(amount)),
            operation: String::new(),
        })
    }

    fn reserve_of(amount: u64) -> pb::ReserveRequest {
        pb::ReserveRequest {
            cost: credits_of(amount),
            ..Default::default()
        }
    }

    fn field_of<T: std::fmt::Debug>(result: Result<T, EngineError>) -> &'static str {
        match result {
            Err(EngineError::Invalid { field, problem }) => {
                assert!(!problem.is_empty());
                field
            }
            other => panic!("expected a bad field, got {other:?}"),
        }
    }

    #[test]
    fn a_reserve_without_subject_is_for_the_defaults() {
        let wire = reserve_of(500);
        let order = reserve(&wire).unwrap();
        assert_eq!(
            order.subject,
            Subject::new(Name::DEFAULT, Name::DEFAULT, None)
        );
        assert_eq!((order.min, order.ttl, order.id), (None, None, None));
    }

    #[test]
    fn every_text_out_of_bounds_is_named_by_its_path() {
        let long = "x".repeat(129);
        for bad in [long.as_str(), "a\u{0}b", " a", "a\t"] {
            let mut subjects = vec![];
            for (path, index) in [
                ("subject.organization", 0),
                ("subject.environment", 1),
                ("subject.user", 2),
                ("subject.product", 3),
                ("subject.model", 4),
            ] {
                let mut texts: [String; 5] = Default::default();
                texts[index] = bad.to_owned();
                let [organization, environment, user, product, model] = texts;
                subjects.push((
                    path,
                    pb::Subject {
                        organization,
                        environment,
                        user,
                        product,
                        model,
                    },
                ));
            }
            for (path, subject) in subjects {
                let wire = pb::ChargeRequest {
                    subject: Some(subject),
                    cost: credits_of(1),
                    request_id: vec![],
                };
                assert_eq!(field_of(charge(&wire)), path);
            }
        }
    }

    #[test]
    fn people_s_ids_pass() {
        for user in ["auth0|12", "a+b@x.org", "Zoë", &"x".repeat(128)] {
            let wire = pb::CheckRequest {
                subject: Some(subject_of(user)),
                cost: credits_of(0),
                min_amount: Some(0),
            };
            assert_eq!(check(&wire).unwrap().subject.user.unwrap().as_str(), user);
        }
    }

    #[test]
    fn amounts_end_just_below_two_to_the_53() {
        assert!(reserve(&reserve_of((1 << 53) - 1)).is_ok());
        assert_eq!(field_of(reserve(&reserve_of(1 << 53))), "cost.credits");
        let min = pb::ReserveRequest {
            min_amount: Some(u64::MAX),
            ..reserve_of(1)
        };
        assert_eq!(field_of(reserve(&min)), "min_amount");
        let additional = pb::ExtendRequest {
            reservation_id: vec![1; 16],
            additional: 1 << 53,
            ..Default::default()
        };
        assert_eq!(field_of(extend(&additional)), "additional");
        let amount = pb::CommitRequest {
            reservation_id: vec![1; 16],
            actual: Some(pb::commit_request::Actual::Amount(1 << 53)),
            excess: 0,
        };
        assert_eq!(field_of(commit(&amount)), "amount");
    }

    #[test]
    fn a_cost_is_credits_or_usage_and_never_half_of_it() {
        let usage = |operation: &str, beside: &str| {
            Some(pb::Cost {
                amount: Some(pb::cost::Amount::Usage(pb::Usage {
                    operation: operation.to_owned(),
                    quantity: 3,
                })),
                operation: beside.to_owned(),
            })
        };
        for (cost, path) in [
            (None, "cost"),
            (Some(pb::Cost::default()), "cost.amount"),
            (usage("", ""), "cost.usage.operation"),
            (usage("a\n", ""), "cost.usage.operation"),
            (usage("chat", "chat"), "cost.operation"),
        ] {
            let wire = pb::ChargeRequest {
                cost,
                ..Default::default()
            };
            assert_eq!(field_of(charge(&wire)), path);
        }
        let wire = pb::ChargeRequest {
            cost: usage("chat", ""),
            ..Default::default()
        };
        assert_eq!(
            charge(&wire).unwrap().cost,
            Cost::Usage {
                operation: "chat",
                quantity: 3
            }
        );
    }

    #[test]
    fn a_time_to_live_is_more_than_nothing_and_at_most_an_hour() {
        for (seconds, nanos, is_valid) in [
            (0, 1, true),
            (60, 0, true),
            (3_600, 0, true),
            (3_600, 1, false),
            (0, 0, false),
            (-1, 0, false),
            (1, -1, false),
            (1, 1_000_000_000, false),
            (i64::MAX, 999_999_999, false),
        ] {
            let ttl = Some(prost_types::Duration { seconds, nanos });
            let wire = pb::ReserveRequest {
                ttl,
                ..reserve_of(1)
            };
            match reserve(&wire) {
                Ok(order) => assert!(is_valid && order.ttl.is_some(), "{seconds} s {nanos} ns"),
                error => assert!(
                    !is_valid && field_of(error) == "ttl",
                    "{seconds} s {nanos} ns"
                ),
            }
        }
    }

    #[test]
    fn ids_are_16_bytes() {
        for length in [1, 15, 17, 1_000] {
            let bytes = vec![1; length];
            assert_eq!(
                field_of(id_optional("reservation_id", &bytes)),
                "reservation_id"
            );
        }
        assert_eq!(
            field_of(id_required("reservation_id", &[])),
            "reservation_id"
        );
        assert_eq!(id_required("reservation_id", &[7; 16]).unwrap(), [7; 16]);
    }

    #[test]
    fn a_batch_has_1_to_1000_operations() {
        for (count, is_valid) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
            assert_eq!(operations_counted(count).is_ok(), is_valid, "{count}");
        }
    }

    #[test]
    fn a_commit_says_what_was_used_and_what_to_do_with_more() {
        let wire = |actual, excess| pb::CommitRequest {
            reservation_id: vec![1; 16],
            actual,
            excess,
        };
        let quantity = Some(pb::commit_request::Actual::Quantity(u64::MAX));
        assert_eq!(field_of(commit(&wire(None, 0))), "actual");
        assert_eq!(field_of(commit(&wire(quantity, 3))), "excess");
        for (excess, expected) in [
            (0, Excess::Record),
            (1, Excess::Record),
            (2, Excess::Reject),
        ] {
            assert_eq!(commit(&wire(quantity, excess)).unwrap().excess, expected);
        }
    }
}
