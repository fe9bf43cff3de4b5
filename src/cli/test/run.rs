//! Runs a scenario against the real engine, with a clock that the scenario sets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{ConfigError, plan_file};
use crate::domain::credits::Credits;
use crate::domain::names::Name;
use crate::domain::rates::Cost;
use crate::domain::time::Timestamp;
use crate::engine::answer::{Decision, EngineError, Notice};
use crate::engine::order::{Act, Actual, Charge, Check, Commit, Extend, Id, Of, Reserve, Subject};
use crate::engine::{Bounds, Engine};
use crate::storage::{UsageError, UsageQuery};
use crate::world::clock::{Clock, ManualClock};

use super::answer::{balance, came, committed, denied, done, fields, object, reserved};
use super::expect::{Came, shown};
use super::kept::{KeepError, Kept, nobody_keeps};
use super::step::{Action, Asked, Used, id_of};
use super::usage;

/// More than any scenario that people can read needs.
pub(super) const BOUNDS: Bounds = Bounds {
    cells: 100_000,
    holds: 100_000,
    settled: 100_000,
    usage_rows: 100_000,
    labels: 10_000,
};

/// An engine, its clock, and what the scenario has said so far.
pub(super) struct World {
    engine: Engine,
    clock: Arc<ManualClock>,
    /// Where the books are kept, in scenarios that restart.
    kept: Option<Kept>,
    /// The plan as it would stand in a file; partial plans are merged into it.
    raw: Value,
    /// Holds by the names that the scenario gave them.
    holds: HashMap<String, Id>,
    organization: String,
}

/// Why a plan cannot be started with.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// The plan contradicts itself, or is none.
    #[error("{0}")]
    Invalid(#[from] ConfigError),
    /// The plan promises more than there is.
    #[error("{0}")]
    Refused(#[from] EngineError),
    /// The books cannot be kept.
    #[error("{0}")]
    Keep(#[from] KeepError),
}

/// Why a step brought nothing: the gRPC code's name, and what is wrong.
struct Failure(&'static str, String);

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let code = match error {
            EngineError::Invalid { .. } => "INVALID_ARGUMENT",
            EngineError::UnknownOrganization(_) | EngineError::UnknownReservation(_) => "NOT_FOUND",
            EngineError::Precondition(_) | EngineError::Refused(_) => "FAILED_PRECONDITION",
            EngineError::NoRoom => "RESOURCE_EXHAUSTED",
            EngineError::Unrecorded => "UNAVAILABLE",
        };
        Self(code, error.to_string())
    }
}

impl From<KeepError> for Failure {
    fn from(error: KeepError) -> Self {
        let code = match error {
            KeepError::Recovery(_) => "DATA_LOSS",
            _ => "UNAVAILABLE",
        };
        Self(code, error.to_string())
    }
}

fn invalid(what: &str, problem: impl std::fmt::Display) -> Failure {
    Failure("INVALID_ARGUMENT", format!("{what}: {problem}"))
}

impl World {
    /// Starts with a plan, and with books on disk if it is to be restarted. Fails as a sidecar would at its first start,
    /// with what is wrong.
    pub(super) fn start(
        raw: Value,
        organization: String,
        start: Timestamp,
        restarts: bool,
    ) -> Result<Self, StartError> {
        let plan = plan_file::from_value(&raw)?;
        let clock = Arc::new(ManualClock::at(start.nanos()));
        let mut kept = restarts.then(Kept::new).transpose()?;
        let engine = match &mut kept {
            Some(kept) => kept.open(&clock)?,
            None => nobody_keeps(&clock),
        };
        engine.apply_plan(plan)?;
        Ok(Self {
            engine,
            clock,
            kept,
            raw,
            holds: HashMap::new(),
            organization,
        })
    }

    /// Does one step.
    pub(super) fn act(&mut self, action: &Action) -> Came {
        self.try_act(action)
            .unwrap_or_else(|Failure(code, message)| Came::Failed(code, message))
    }

    fn try_act(&mut self, action: &Action) -> Result<Came, Failure> {
        if let Some(kept) = &self.kept {
            kept.between_steps(&self.engine)?;
        }
        match action {
            Action::Restart { is_crash, down } => self.restart(*is_crash, *down),
            Action::At(instant) => self.set_clock(*instant),
            Action::Advance(span) => self.set_clock(self.now().plus(*span)),
            Action::Reserve(asked) => self.reserve(asked),
            Action::Charge(asked) => self.charge(asked),
            Action::Check(asked) => self.check(asked),
            Action::Commit { .. } | Action::Release { .. } | Action::Extend { .. } => {
                self.settle(action)
            }
            Action::Apply(patch) => self.apply(patch),
            Action::AssignEqual {
                organization,
                credits,
                kind,
            } => {
                let organization = self.organization(organization).to_owned();
                self.limit_all(&organization, *credits, kind)
            }
            Action::Distribute { organization, kind } => {
                let organization = self.organization(organization).to_owned();
                let users = self.users(&organization);
                let users: Vec<&str> = users.iter().map(String::as_str).collect();
                let share = self
                    .engine
                    .equal_share(name("organization", &organization)?, &users)?;
                self.limit_all(&organization, share, kind)
            }
            Action::RemoveUser { organization, user } => {
                let organization = self.organization(organization).to_owned();
                if !self.users(&organization).contains(user) {
                    return Err(Failure(
                        "NOT_FOUND",
                        format!("the plan names no user {user:?}"),
                    ));
                }
                self.apply(&json!({"organizations": {organization: {"users": {user: null}}}}))
            }
            _ => self.administer(action),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.read().wall_ns)
    }

    fn set_clock(&mut self, instant: Timestamp) -> Result<Came, Failure> {
        let now = self.now();
        if instant < now {
            return Err(invalid(
                "at",
                format!("it is already {}; time does not go backwards", shown(now)),
            ));
        }
        self.clock.advance(instant.since(now));
        self.engine.tick()?;
        Ok(done())
    }

    /// Ends, and starts over what is on the disk: the same books under another start, later by as long as it was down.
    fn restart(&mut self, is_crash: bool, down: Duration) -> Result<Came, Failure> {
        let Some(kept) = &mut self.kept else {
            return Err(invalid("restart", "these books are not kept"));
        };
        if !is_crash {
            kept.close(&self.engine)?;
        }
        kept.crash(&mut self.engine, &self.clock);
        self.clock.advance(down);
        self.engine = kept.open(&self.clock)?;
        let plan = plan_file::from_value(&self.raw).map_err(|error| invalid("plan", error))?;
        if self.engine.apply_plan(plan)? {
            let problem = "the books came back with another plan than they had";
            return Err(Failure("DATA_LOSS", problem.to_owned()));
        }
        Ok(done())
    }

    fn organization<'a>(&'a self, named: &'a Option<String>) -> &'a str {
        named.as_deref().unwrap_or(&self.organization)
    }

    /// The users that the present plan names.
    fn users(&self, organization: &str) -> Vec<String> {
        let users = self
            .raw
            .get("organizations")
            .and_then(|it| it.get(organization))
            .and_then(|it| it.get("users"));
        users
            .and_then(Value::as_object)
            .map_or_else(Vec::new, |users| users.keys().cloned().collect())
    }

    fn limit_all(&mut self, organization: &str, credits: u64, kind: &str) -> Result<Came, Failure> {
        let limits: Map<String, Value> = self
            .users(organization)
            .into_iter()
            .map(|user| (user, json!({"limit": credits, "type": kind})))
            .collect();
        self.apply(&json!({"organizations": {organization: {"users": limits}}}))
    }

    fn apply(&mut self, patch: &Value) -> Result<Came, Failure> {
        let mut raw = self.raw.clone();
        plan_file::merge_patch(&mut raw, patch);
        let plan = plan_file::from_value(&raw).map_err(|error| invalid("apply", error))?;
        self.engine.apply_plan(plan)?;
        self.raw = raw;
        Ok(done())
    }

    fn reserve(&mut self, asked: &Asked) -> Result<Came, Failure> {
        let order = Reserve {
            subject: self.subject(asked)?,
            cost: cost(asked)?,
            min: asked.min.map(|min| credits("min", min)).transpose()?,
            ttl: asked.ttl,
            id: asked.id,
        };
        let decision = self.engine.reserve(&order)?;
        if let (Decision::Granted(reserved), Some(name)) = (&decision, &asked.name) {
            self.holds.insert(name.clone(), reserved.id);
        }
        Ok(came(decision, reserved))
    }

    fn charge(&self, asked: &Asked) -> Result<Came, Failure> {
        let order = Charge {
            subject: self.subject(asked)?,
            cost: cost(asked)?,
            id: asked.id,
        };
        Ok(came(self.engine.charge(&order)?, committed))
    }

    fn check(&self, asked: &Asked) -> Result<Came, Failure> {
        let min = asked.min.map(|min| credits("min", min)).transpose()?;
        let checked = self.engine.check(&Check {
            subject: self.subject(asked)?,
            cost: cost(asked)?,
            min,
        })?;
        Ok(match checked.decision {
            Decision::Granted(granted) => Came::Answer(fields(
                &[("allowed", json!(true)), ("granted", json!(granted.get()))],
                &checked.standing,
            )),
            Decision::Denied(denial) => {
                let mut map = denied(&denial);
                map.insert("allowed".to_owned(), json!(false));
                Came::Denied(map)
            }
        })
    }

    fn settle(&self, action: &Action) -> Result<Came, Failure> {
        match action {
            Action::Commit {
                hold,
                actual,
                excess,
            } => {
                let actual = match actual {
                    Used::Amount(amount) => Actual::Amount(credits("amount", *amount)?),
                    Used::Quantity(quantity) => Actual::Quantity(*quantity),
                };
                let decision = self.engine.commit(&Commit {
                    id: self.hold(hold),
                    actual,
                    excess: *excess,
                })?;
                Ok(came(decision, committed))
            }
            Action::Extend {
                hold,
                additional,
                ttl,
                request_id,
            } => {
                let additional = credits("additional", *additional)?;
                let order = Extend {
                    id: self.hold(hold),
                    additional,
                    ttl: *ttl,
                    request_id: *request_id,
                };
                Ok(came(self.engine.extend(&order)?, reserved))
            }
            Action::Release { hold } => {
                let released = self.engine.release(&self.hold(hold))?;
                Ok(Came::Answer(fields(
                    &[("returned", json!(released.returned.get()))],
                    &released.standing,
                )))
            }
            _ => Ok(done()),
        }
    }

    /// The id of a hold. One that was never made has an id that nobody else has.
    fn hold(&self, name: &str) -> Id {
        self.holds
            .get(name)
            .copied()
            .unwrap_or_else(|| id_of(&format!("never made: {name}")))
    }

    fn administer(&self, action: &Action) -> Result<Came, Failure> {
        match action {
            Action::RequestExtension { organization } => {
                let organization = name("organization", self.organization(organization))?;
                self.engine
                    .request_extension(organization, &Act::default())?;
            }
            Action::StartTrial { organization, user } => {
                let organization = name("organization", self.organization(organization))?;
                let user = name("user", user)?;
                self.engine
                    .start_trial(organization, user, &Act::default())?;
            }
            Action::RenewTrial { organization, user } => {
                let organization = name("organization", self.organization(organization))?;
                let user = name("user", user)?;
                self.engine
                    .renew_trial(organization, user, &Act::default())?;
            }
            Action::Adjust {
                organization,
                environment,
                user,
                credits,
                reason,
            } => {
                let organization = name("organization", self.organization(organization))?;
                let environment = optional("environment", environment)?.unwrap_or(Name::DEFAULT);
                self.engine.adjust(
                    organization,
                    environment,
                    optional("user", user)?,
                    *credits,
                    &Act {
                        why: reason,
                        ..Act::default()
                    },
                )?;
            }
            Action::Estimate {
                organization,
                quantities,
            } => return self.estimate(organization, quantities),
            Action::Balance {
                organization,
                environment,
                user,
            } => {
                let of = match (
                    optional("environment", environment)?,
                    optional("user", user)?,
                ) {
                    (Some(environment), _) => Of::Environment(environment),
                    (None, Some(user)) => Of::User(user),
                    (None, None) => Of::Organization,
                };
                let organization = name("organization", self.organization(organization))?;
                return Ok(Came::Answer(balance(
                    &self.engine.balance(organization, of)?,
                )));
            }
            Action::Notifications { organization } => {
                let notices = self
                    .engine
                    .notices(name("organization", self.organization(organization))?)?;
                return Ok(Came::List(
                    // What scenarios ask for is what somebody is warned of.
                    notices
                        .iter()
                        .filter(|it| !matches!(it, Notice::CycleClosed { .. } | Notice::Audit(_)))
                        .map(|notice| Value::from(notice.to_string()))
                        .collect(),
                ));
            }
            Action::Usage {
                organization,
                query,
            } => return self.usage(organization, query),
            _ => {}
        }
        Ok(done())
    }

    fn usage(&self, organization: &Option<String>, query: &UsageQuery) -> Result<Came, Failure> {
        let mut query = query.clone();
        query.organization = self.organization(organization).into();
        let storage = self.kept.as_ref().and_then(Kept::storage);
        let groups = usage::ask(&self.engine, storage, &query).map_err(|error| match error {
            UsageError::Engine(error) => error.into(),
            UsageError::File(error) => Failure("DATA_LOSS", error.to_string()),
        })?;
        Ok(Came::List(groups))
    }

    fn estimate(
        &self,
        organization: &Option<String>,
        quantities: &[(String, u64)],
    ) -> Result<Came, Failure> {
        let quantities: Vec<(&str, u64)> = quantities
            .iter()
            .map(|(name, quantity)| (name.as_str(), *quantity))
            .collect();
        let estimate = self.engine.estimate(
            name("organization", self.organization(organization))?,
            &quantities,
        )?;
        let answer = json!({
            "credits": estimate.credits,
            "covered": estimate.covered,
            "spare": estimate.spare,
            "missing": estimate.missing,
            "add_ons": estimate.add_ons,
            "tier": estimate.tier,
        });
        Ok(Came::Answer(object(answer)))
    }

    fn subject<'a>(&'a self, asked: &'a Asked) -> Result<Subject<'a>, Failure> {
        Ok(Subject {
            organization: name("organization", self.organization(&asked.organization))?,
            environment: optional("environment", &asked.environment)?.unwrap_or(Name::DEFAULT),
            user: optional("user", &asked.user)?,
            product: optional("product", &asked.product)?,
            model: optional("model", &asked.model)?,
        })
    }
}

fn name<'a>(what: &str, text: &'a str) -> Result<Name<'a>, Failure> {
    Name::parse(text).map_err(|error| invalid(what, error))
}

fn optional<'a>(what: &str, text: &'a Option<String>) -> Result<Option<Name<'a>>, Failure> {
    text.as_deref().map(|text| name(what, text)).transpose()
}

fn credits(what: &str, amount: u64) -> Result<Credits, Failure> {
    Credits::new(amount)
        .ok_or_else(|| invalid(what, format!("{amount} is more than {}", Credits::MAX)))
}

fn cost(asked: &Asked) -> Result<Cost<'_>, Failure> {
    let operation = asked.operation.as_deref();
    Ok(match (asked.credits, operation) {
        (None, Some(operation)) => Cost::Usage {
            operation,
            quantity: asked.quantity.unwrap_or(1),
        },
        (amount, operation) => Cost::Credits {
            amount: credits("credits", amount.unwrap_or(0))?,
            operation,
        },
    })
}
