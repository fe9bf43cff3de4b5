//! What administrators do, on the engine and on the reference: extensions, trials and corrections, each under an id or none.

use quotad::domain::names::Name;
use quotad::domain::plan::diff;
use quotad::domain::time::Timestamp;
use quotad::engine::Engine;
use quotad::engine::answer::{EngineError, PlanChanged};
use quotad::engine::order::{Act, Id, Planned};

use super::{Outcome, failed, plain};
use crate::reference::{Answer, Event, Failure, Known, Reference, What};

use quotad::domain::plan::Plan;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Extension,
    StartTrial {
        user: &'static str,
    },
    RenewTrial {
        user: &'static str,
    },
    Adjust {
        environment: &'static str,
        user: Option<&'static str>,
        credits: i64,
    },
}

/// Something that an administrator does to an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    pub organization: &'static str,
    pub doing: Doing,
    /// The same deed again is done once.
    pub id: Option<Id>,
}

/// Of every deed: so that each is audited.
pub fn act(id: Option<Id>) -> Act<'static> {
    Act {
        who: "root",
        action: "Test",
        target: "something",
        why: "a correction",
        request_id: id,
    }
}

fn name(text: &str) -> Name<'_> {
    Name::parse(text).expect("the generator's names are valid")
}

impl Deed {
    pub fn on_engine(&self, engine: &Engine) -> Outcome {
        let (organization, act) = (name(self.organization), act(self.id));
        let done = match self.doing {
            Doing::Extension => engine.request_extension(organization, &act),
            Doing::StartTrial { user } => engine.start_trial(organization, name(user), &act),
            Doing::RenewTrial { user } => engine.renew_trial(organization, name(user), &act),
            Doing::Adjust {
                environment,
                user,
                credits,
            } => {
                let (environment, user) = (name(environment), user.map(name));
                let done = engine.adjust(organization, environment, user, credits, &act);
                return plain(failed(done), |_| Outcome::Done);
            }
        };
        plain(failed(done), |it| Outcome::At(it.value))
    }

    pub fn on_reference(&self, reference: &mut Reference) -> Outcome {
        match self.doing {
            Doing::Adjust {
                environment,
                user,
                credits,
            } => {
                let done = self.adjust(reference, environment, user, credits);
                plain(done, |()| Outcome::Done)
            }
            _ => plain(self.ask(reference), Outcome::At),
        }
    }

    /// An extension or a trial: its id is remembered with what it brought.
    fn ask(&self, reference: &mut Reference) -> Answer<Timestamp> {
        let organization = reference.organization(self.organization)?;
        let known = self.id.and_then(|id| organization.deeds.get(&id));
        if let Some((deed, answer, _)) = known {
            let (is_same, answer) = (deed == self, *answer);
            reference.events.push(Event::DeedRepeated);
            return is_same.then_some(answer).ok_or(Failure::Invalid);
        }
        let answer = match self.doing {
            Doing::StartTrial { user } => reference.start_trial(self.organization, user),
            Doing::RenewTrial { user } => reference.renew_trial(self.organization, user),
            _ => reference.request_extension(self.organization),
        }?;
        if let Some(id) = self.id {
            let organization = reference.organization_mut(self.organization);
            let cycle = organization.cycles.len();
            organization.deeds.insert(id, (*self, answer, cycle));
        }
        Ok(answer)
    }

    /// A correction: its id is remembered as long as those of requests.
    fn adjust(
        &self,
        reference: &mut Reference,
        environment: &str,
        user: Option<&str>,
        credits: i64,
    ) -> Answer<()> {
        reference.organization(self.organization)?;
        let contents = format!("{self:?}");
        if let Some(known) = self.id.and_then(|id| reference.ids.get(&id)) {
            let is_same = known.contents == contents;
            reference.events.push(Event::DeedRepeated);
            return is_same.then_some(()).ok_or(Failure::Invalid);
        }
        reference.adjust(self.organization, environment, user, credits)?;
        if let Some(id) = self.id {
            let what = What::Adjusted(reference.now);
            reference.ids.insert(id, Known { contents, what });
        }
        Ok(())
    }

    /// The same id again is surely the same deed: an extension is remembered with its cycle.
    pub fn is_remembered(&self, reference: &Reference) -> bool {
        let Some(organization) = reference.organizations.get(self.organization) else {
            return false;
        };
        let known = self.id.and_then(|id| organization.deeds.get(&id));
        known.is_some_and(|(deed, _, cycle)| {
            deed.doing != Doing::Extension || *cycle == organization.cycles.len()
        })
    }

    /// Another deed under the same id.
    pub fn changed(mut self) -> Self {
        self.doing = match self.doing {
            Doing::Extension => Doing::StartTrial { user: "a" },
            Doing::StartTrial { user } => Doing::RenewTrial { user },
            Doing::RenewTrial { user } => Doing::StartTrial { user },
            Doing::Adjust {
                environment,
                user,
                credits,
            } => Doing::Adjust {
                environment,
                user,
                credits: credits + 1,
            },
        };
        self
    }
}

/// Puts a plan in force as an administrator does, each difference audited.
pub fn apply(engine: &Engine, plan: &Plan) -> Result<PlanChanged, EngineError> {
    engine.change_plan(|present| Ok(Planned::new(present, plan.clone(), &act(None))))
}

/// How many audits a change of the plan has.
pub fn audits(before: &Plan, after: &Plan) -> usize {
    let differences = diff(before, after).len();
    differences.min(1_000) + usize::from(differences > 1_000)
}
