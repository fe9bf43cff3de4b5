//! One order, run on the engine and on the reference, with answers that can be compared.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod deeds;

use std::sync::Arc;
use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::{Excess, Plan};
use quotad::domain::rates::Cost;
use quotad::domain::time::Timestamp;
use quotad::engine::Engine;
use quotad::engine::answer::*;
use quotad::engine::order::{Actual, Charge, Check, Commit, Extend, Id, Of, Reserve, Subject};

pub use deeds::Deed;

use crate::reference::balance::{Figures, STRANGER};
use crate::reference::{Answer, Failure, Reference};

/// Who asks; names are those of the generator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Who {
    pub organization: &'static str,
    pub environment: &'static str,
    pub user: Option<&'static str>,
    pub product: Option<&'static str>,
    pub model: Option<&'static str>,
}

/// Whose balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Organization,
    Environment(&'static str),
    User(&'static str),
}

#[derive(Clone, Debug)]
pub enum Order {
    Reserve {
        who: Who,
        cost: Cost<'static>,
        min: Option<u64>,
        ttl: Option<Duration>,
        id: Option<Id>,
    },
    Charge {
        who: Who,
        cost: Cost<'static>,
        id: Option<Id>,
    },
    Check {
        who: Who,
        cost: Cost<'static>,
        min: Option<u64>,
    },
    Commit {
        id: Id,
        actual: Actual,
        excess: Excess,
    },
    Release {
        id: Id,
    },
    Extend {
        id: Id,
        additional: u64,
        ttl: Option<Duration>,
        request_id: Option<Id>,
    },
    Balance {
        organization: &'static str,
        whose: Whose,
    },
    Plan(Arc<Plan>),
    Deed(Deed),
}

/// An answer, without what differs between two that are right: ids, receipts and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Reserved {
        granted: u64,
        expires: Timestamp,
        standing: Standing,
    },
    Committed {
        committed: u64,
        returned: u64,
        overrun: u64,
        late: bool,
        standing: Standing,
    },
    Released {
        returned: u64,
        standing: Standing,
    },
    Allowed {
        granted: u64,
        standing: Standing,
    },
    /// Of a Check.
    Refused {
        denial: Denial,
        standing: Standing,
    },
    Denied(Denial),
    Balance(Box<Figures>),
    Changed(bool),
    At(Timestamp),
    Done,
    Failed(Failure),
}

impl Outcome {
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Denied(denial) | Self::Refused { denial, .. } => Some(denial),
            _ => None,
        }
    }

    /// The standing of a repeated answer may be that of today: it is not compared.
    pub fn without_standing(mut self) -> Self {
        let none = Standing {
            state: Default::default(),
            used: 0,
            held: 0,
            limit: 0,
            available: 0,
            cycle_end: Timestamp::MIN,
        };
        match &mut self {
            Self::Reserved { standing, .. }
            | Self::Committed { standing, .. }
            | Self::Released { standing, .. }
            | Self::Allowed { standing, .. }
            | Self::Refused { standing, .. } => *standing = none,
            _ => {}
        }
        self
    }
}

fn name(text: &'static str) -> Name<'static> {
    Name::parse(text).expect("the generator's names are valid")
}

fn subject(who: Who) -> Subject<'static> {
    Subject {
        organization: name(who.organization),
        environment: name(who.environment),
        user: who.user.map(name),
        product: who.product.map(name),
        model: who.model.map(name),
    }
}

fn of(whose: Whose) -> Of<'static> {
    match whose {
        Whose::Organization => Of::Organization,
        Whose::Environment(it) => Of::Environment(name(it)),
        Whose::User(it) => Of::User(name(it)),
    }
}

fn amount(credits: u64) -> Credits {
    Credits::new(credits).expect("the generator's amounts are valid")
}

fn denied(denial: Denial) -> Denial {
    if denial.reason != Reason::ResourceLimit {
        return denial;
    }
    // Of the sidecar's own bounds only the reason is a matter of the rule book.
    Denial {
        account: Account::Organization,
        limit: 0,
        used: 0,
        held: 0,
        available: 0,
        days_until_reset: 0,
        state: Default::default(),
        ..denial
    }
}

fn decision<T>(answer: Answer<Decision<T>>, granted: impl FnOnce(T) -> Outcome) -> Outcome {
    match answer {
        Ok(Decision::Granted(it)) => granted(it),
        Ok(Decision::Denied(denial)) => Outcome::Denied(denied(*denial)),
        Err(failure) => Outcome::Failed(failure),
    }
}

fn plain<T>(answer: Answer<T>, done: impl FnOnce(T) -> Outcome) -> Outcome {
    answer.map_or_else(Outcome::Failed, done)
}

fn failed<T>(answer: Result<T, EngineError>) -> Answer<T> {
    answer.map_err(|error| Failure::of(&error))
}

fn reserved(it: Reserved) -> Outcome {
    Outcome::Reserved {
        granted: it.granted.get(),
        expires: it.expires,
        standing: it.standing,
    }
}

fn committed(it: Committed) -> Outcome {
    let (committed, returned, overrun) = (it.committed.get(), it.returned.get(), it.overrun.get());
    Outcome::Committed {
        committed,
        returned,
        overrun,
        late: it.late,
        standing: it.standing,
    }
}

fn released(it: Released) -> Outcome {
    Outcome::Released {
        returned: it.returned.get(),
        standing: it.standing,
    }
}

fn checked(it: Checked) -> Outcome {
    match it.decision {
        Decision::Granted(granted) => Outcome::Allowed {
            granted: granted.get(),
            standing: it.standing,
        },
        Decision::Denied(denial) => Outcome::Refused {
            denial: denied(*denial),
            standing: it.standing,
        },
    }
}

fn figures(it: Balance) -> Figures {
    let text = it
        .text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    Figures {
        account: it.account,
        purchased: it.sources.purchased(),
        rolled_over: it.sources.rolled_over,
        extension: it.sources.extension,
        used: it.used,
        held: it.held,
        limit: it.limit,
        base_used: it.base_used,
        extension_used: it.extension_used,
        overage_used: it.overage_used,
        overrun: it.overrun,
        trial_used: it.trial_used,
        available: it.available,
        percent: it.percent,
        base_percent: it.base_percent,
        state: it.state,
        entitlement: it.entitlement,
        allocated: it.allocated,
        set_aside: it.set_aside,
        pool: it.pool,
        over_allocated_by: it.over_allocated_by,
        days_until_reset: it.days_until_reset,
        text,
        equal_share: None,
    }
}

impl Order {
    /// The organization that the order is about, if its own words name one.
    pub fn organization(&self) -> Option<&'static str> {
        match self {
            Self::Reserve { who, .. } | Self::Charge { who, .. } | Self::Check { who, .. } => {
                Some(who.organization)
            }
            Self::Deed(Deed { organization, .. }) | Self::Balance { organization, .. } => {
                Some(organization)
            }
            Self::Commit { .. } | Self::Release { .. } | Self::Extend { .. } | Self::Plan(_) => {
                None
            }
        }
    }

    /// Runs on the engine; the id of a hold that was opened comes along.
    pub fn on_engine(&self, engine: &Engine) -> (Outcome, Option<Id>) {
        let mut id = None;
        let outcome = match self {
            Self::Reserve {
                who,
                cost,
                min,
                ttl,
                id: chosen,
            } => {
                let order = Reserve {
                    subject: subject(*who),
                    cost: *cost,
                    min: min.map(amount),
                    ttl: *ttl,
                    id: *chosen,
                };
                decision(failed(engine.reserve(&order)), |it| {
                    id = Some(it.id);
                    reserved(it)
                })
            }
            Self::Charge { who, cost, id } => {
                let order = Charge {
                    subject: subject(*who),
                    cost: *cost,
                    id: *id,
                };
                decision(failed(engine.charge(&order)), committed)
            }
            Self::Check { who, cost, min } => {
                let order = Check {
                    subject: subject(*who),
                    cost: *cost,
                    min: min.map(amount),
                };
                plain(failed(engine.check(&order)), checked)
            }
            Self::Commit { id, actual, excess } => {
                let order = Commit {
                    id: *id,
                    actual: *actual,
                    excess: *excess,
                };
                decision(failed(engine.commit(&order)), committed)
            }
            Self::Release { id } => plain(failed(engine.release(id)), released),
            Self::Extend {
                id,
                additional,
                ttl,
                request_id,
            } => {
                let order = Extend {
                    id: *id,
                    additional: amount(*additional),
                    ttl: *ttl,
                    request_id: *request_id,
                };
                decision(failed(engine.extend(&order)), reserved)
            }
            Self::Balance {
                organization,
                whose,
            } => {
                let asked = engine
                    .balance(name(organization), of(*whose))
                    .and_then(|it| {
                        let share = match &it.account {
                            Account::User(user) => {
                                let both = [&**user, STRANGER];
                                Some(engine.equal_share(name(organization), &both)?)
                            }
                            _ => None,
                        };
                        Ok((it, share))
                    });
                plain(failed(asked), |(it, equal_share)| {
                    Outcome::Balance(Box::new(Figures {
                        equal_share,
                        ..figures(it)
                    }))
                })
            }
            Self::Plan(plan) => plain(failed(deeds::apply(engine, plan)), |it| {
                Outcome::Changed(it.is_changed)
            }),
            Self::Deed(deed) => deed.on_engine(engine),
        };
        (outcome, id)
    }

    /// Runs on the reference. `given` is the id for a hold for which the caller chose none.
    pub fn on_reference_exact(&self, reference: &mut Reference, given: Id) -> Outcome {
        match self {
            Self::Reserve {
                who,
                cost,
                min,
                ttl,
                id,
            } => {
                let order = Reserve {
                    subject: subject(*who),
                    cost: *cost,
                    min: min.map(amount),
                    ttl: *ttl,
                    id: *id,
                };
                decision(reference.reserve(&order, given), reserved)
            }
            Self::Charge { who, cost, id } => {
                let order = Charge {
                    subject: subject(*who),
                    cost: *cost,
                    id: *id,
                };
                decision(reference.charge(&order), committed)
            }
            Self::Check { who, cost, min } => {
                let order = Check {
                    subject: subject(*who),
                    cost: *cost,
                    min: min.map(amount),
                };
                plain(reference.check(&order), checked)
            }
            Self::Commit { id, actual, excess } => decision(
                reference.commit(&Commit {
                    id: *id,
                    actual: *actual,
                    excess: *excess,
                }),
                committed,
            ),
            Self::Release { id } => plain(reference.release(id), released),
            Self::Extend {
                id,
                additional,
                ttl,
                request_id,
            } => {
                let order = Extend {
                    id: *id,
                    additional: amount(*additional),
                    ttl: *ttl,
                    request_id: *request_id,
                };
                decision(reference.extend(&order), reserved)
            }
            Self::Balance {
                organization,
                whose,
            } => plain(reference.balance(organization, of(*whose)), |it| {
                Outcome::Balance(Box::new(it))
            }),
            Self::Plan(plan) => plain(reference.apply_plan((**plan).clone()), Outcome::Changed),
            Self::Deed(deed) => deed.on_reference(reference),
        }
    }
}

impl Outcome {
    /// The engine's errors do not tell the two refusals of a plan apart.
    pub fn in_the_engines_words(self) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(failure.kind()),
            other => other,
        }
    }
}
