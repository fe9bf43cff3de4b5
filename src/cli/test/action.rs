//! What a step does, as typed -> checked: one function for each kind of step.

use std::time::Duration;

use crate::domain::plan::Excess;

use super::fields::{Fields, duration, instant};
use super::node::{Fault, Kind, Node};
use super::step::{Action, Asked, Used, id_of};
use super::usage;

/// Reads what stands at a step's key.
pub(super) fn action(verb: &'static str, node: &Node) -> Result<Action, Fault> {
    match verb {
        "at" => return instant(node).map(Action::At),
        "advance" => return duration(node).map(Action::Advance),
        "apply" => {
            node.entries("the partial plan of `apply`")?;
            return Ok(Action::Apply(node.to_value()));
        }
        "restart" => return restart(node),
        "estimate" => return estimate(node),
        _ => {}
    }
    let mut fields = Fields::new(verb, node)?;
    let action = match verb {
        "reserve" | "charge" | "check" => request(verb, &mut fields)?,
        "commit" | "release" | "extend" => settlement(verb, &mut fields)?,
        "usage" => Action::Usage {
            organization: fields.text("organization")?,
            query: usage::query(&mut fields)?,
        },
        _ => administration(verb, &mut fields)?,
    };
    fields.done()?;
    Ok(action)
}

/// `crash`, `clean`, or a mapping that also says for how long nothing runs.
fn restart(node: &Node) -> Result<Action, Fault> {
    let (how, down) = match &node.kind {
        Kind::Map(_) => {
            let mut fields = Fields::new("restart", node)?;
            let how = fields.need("how")?;
            let down = fields.duration("down")?;
            fields.done()?;
            (how, down.unwrap_or_default())
        }
        _ => (node, Duration::ZERO),
    };
    match how.text("restart")?.as_str() {
        "crash" => Ok(Action::Restart {
            is_crash: true,
            down,
        }),
        "clean" => Ok(Action::Restart {
            is_crash: false,
            down,
        }),
        other => Err(how.fault(format!("restart is `crash` or `clean`, not {other:?}"))),
    }
}

fn request(verb: &str, fields: &mut Fields<'_>) -> Result<Action, Fault> {
    let mut asked = Asked {
        organization: fields.text("organization")?,
        environment: fields.text("environment")?,
        user: fields.text("user")?,
        product: fields.text("product")?,
        model: fields.text("model")?,
        credits: fields.whole("credits")?,
        operation: fields.text("operation")?,
        quantity: fields.whole("quantity")?,
        min: None,
        ttl: None,
        id: None,
        name: None,
    };
    match (asked.credits, &asked.operation, asked.quantity) {
        (None, None, _) => {
            return Err(Fault::new(
                fields.line(),
                format!("{verb} needs `credits` or `operation`"),
            ));
        }
        (Some(_), _, Some(_)) => {
            return Err(Fault::new(
                fields.line(),
                "give `credits` or a `quantity` of an operation, not both",
            ));
        }
        _ => {}
    }
    if verb != "charge" {
        asked.min = fields.whole("min")?;
    }
    if verb != "check" {
        asked.id = fields.text("id")?.map(|text| id_of(&text));
    }
    if verb == "reserve" {
        asked.ttl = fields.duration("ttl")?;
        asked.name = fields.text("as")?;
    }
    Ok(match verb {
        "reserve" => Action::Reserve(asked),
        "charge" => Action::Charge(asked),
        _ => Action::Check(asked),
    })
}

fn settlement(verb: &str, fields: &mut Fields<'_>) -> Result<Action, Fault> {
    let hold = fields.need("hold")?.text("hold")?;
    match verb {
        "commit" => {
            let actual = match (fields.whole("amount")?, fields.whole("quantity")?) {
                (Some(amount), None) => Used::Amount(amount),
                (None, Some(quantity)) => Used::Quantity(quantity),
                _ => {
                    return Err(Fault::new(
                        fields.line(),
                        "commit needs `amount` or `quantity`, one of them",
                    ));
                }
            };
            let excess = match fields.take("excess") {
                None => Excess::Record,
                Some(node) => match node.text("excess")?.as_str() {
                    "record" => Excess::Record,
                    "reject" => Excess::Reject,
                    other => {
                        return Err(
                            node.fault(format!("excess is `record` or `reject`, not {other:?}"))
                        );
                    }
                },
            };
            Ok(Action::Commit {
                hold,
                actual,
                excess,
            })
        }
        "release" => Ok(Action::Release { hold }),
        _ => Ok(Action::Extend {
            hold,
            additional: fields.whole("additional")?.unwrap_or(0),
            ttl: fields.duration("ttl")?,
            request_id: fields.text("id")?.map(|text| id_of(&text)),
        }),
    }
}

fn administration(verb: &str, fields: &mut Fields<'_>) -> Result<Action, Fault> {
    let organization = fields.text("organization")?;
    Ok(match verb {
        "assign_equal" => {
            let credits = fields.need("credits")?.whole("credits")?;
            Action::AssignEqual {
                organization,
                credits,
                kind: limit_kind(fields)?,
            }
        }
        "distribute" => Action::Distribute {
            organization,
            kind: limit_kind(fields)?,
        },
        "remove_user" => Action::RemoveUser {
            organization,
            user: fields.need("user")?.text("user")?,
        },
        "request_extension" => Action::RequestExtension { organization },
        "start_trial" => Action::StartTrial {
            organization,
            user: fields.need("user")?.text("user")?,
        },
        "renew_trial" => Action::RenewTrial {
            organization,
            user: fields.need("user")?.text("user")?,
        },
        "balance" => {
            let (environment, user) = (fields.text("environment")?, fields.text("user")?);
            if environment.is_some() && user.is_some() {
                let problem = "the balance of an `environment` or of a `user`, not of both; without them the organization's";
                return Err(Fault::new(fields.line(), problem));
            }
            Action::Balance {
                organization,
                environment,
                user,
            }
        }
        "adjust" => Action::Adjust {
            organization,
            environment: fields.text("environment")?,
            user: fields.text("user")?,
            credits: fields.need("credits")?.signed("credits")?,
            reason: fields.text("reason")?.unwrap_or_default(),
        },
        _ => Action::Notifications { organization },
    })
}

/// How users' limits bind; `hard` unless given.
fn limit_kind(fields: &mut Fields<'_>) -> Result<&'static str, Fault> {
    let Some(node) = fields.take("type") else {
        return Ok("hard");
    };
    match node.text("type")?.as_str() {
        "hard" => Ok("hard"),
        "soft" => Ok("soft"),
        other => Err(node.fault(format!("type is `hard` or `soft`, not {other:?}"))),
    }
}

fn estimate(node: &Node) -> Result<Action, Fault> {
    let mut fields = Fields::new("estimate", node)?;
    let organization = fields.text("organization")?;
    let entries = fields.need("quantities")?.entries("quantities")?;
    let quantities = entries
        .iter()
        .map(|entry| Ok((entry.key.clone(), entry.value.whole(&entry.key)?)))
        .collect::<Result<_, Fault>>()?;
    fields.done()?;
    Ok(Action::Estimate {
        organization,
        quantities,
    })
}
