//! Administrators who read, set and take away limits over gRPC, with etags and without; and the same on the reference.

use std::collections::HashMap;

use quotad::domain::credits::Credits;
use quotad::domain::plan::edit::{self, EditError};
use quotad::domain::plan::{Entry, LimitKind, Plan, UserPlan, etag};
use quotad::rpc::pb;
use quotad::rpc::pb::admin_service_client::AdminServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::call::Seen;
use crate::reference::{Failure, Reference};
use crate::world::Chance;

const ORGANIZATION: &str = "acme";

/// The etag that goes with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Based {
    /// None: whatever it is now.
    OnAnything,
    /// The one that this administrator saw last, which is known only when the call is made.
    OnLastSeen,
    /// This one.
    On(String),
}

/// What an administrator does to a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Get,
    Set(u64),
    Delete,
}

/// A call about a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub user: &'static str,
    pub what: What,
    pub based: Based,
}

pub type Desk = AdminServiceClient<Channel>;

/// The etags that one administrator saw last.
pub type LastSeen = HashMap<&'static str, String>;

impl Limits {
    pub fn any(chance: &mut Chance) -> Self {
        let what = match chance.below(10) {
            0..3 => What::Get,
            3..8 => What::Set(chance.between(0, 6)),
            _ => What::Delete,
        };
        let based = if chance.percent(60) {
            Based::OnLastSeen
        } else {
            Based::OnAnything
        };
        let user = chance.pick(&["ana", "bo"]);
        Self { user, what, based }
    }

    /// The same as it is sent.
    pub fn sent(&self, seen: &LastSeen) -> Self {
        let based = match &self.based {
            Based::OnLastSeen => seen
                .get(self.user)
                .map_or(Based::OnAnything, |etag| Based::On(etag.clone())),
            other => other.clone(),
        };
        Self {
            based,
            ..self.clone()
        }
    }

    fn etag(&self) -> Option<&str> {
        match &self.based {
            Based::On(etag) => Some(etag),
            _ => None,
        }
    }

    /// Sends it.
    pub async fn call(&self, desk: &mut Desk) -> Seen {
        self.answered(desk)
            .await
            .unwrap_or_else(|status| refused(&status))
    }

    async fn answered(&self, desk: &mut Desk) -> Result<Seen, Status> {
        let (organization, user) = (ORGANIZATION.to_owned(), self.user.to_owned());
        let etag = self.etag().unwrap_or_default().to_owned();
        match self.what {
            What::Get => {
                let request = pb::GetLimitRequest { organization, user };
                let answer = desk.get_limit(request).await?.into_inner();
                Ok(limit(answer.limit.expect("found")))
            }
            What::Set(credits) => {
                let says = pb::Limit {
                    organization,
                    user,
                    credits,
                    ..Default::default()
                };
                let request = pb::SetLimitRequest {
                    limit: Some(says),
                    etag,
                    ..Default::default()
                };
                let answer = desk.set_limit(request).await?.into_inner();
                Ok(limit(answer.limit.expect("set")))
            }
            What::Delete => {
                let request = pb::DeleteLimitRequest {
                    organization,
                    user,
                    etag,
                    ..Default::default()
                };
                desk.delete_limit(request).await?;
                Ok(Seen::Done)
            }
        }
    }

    /// Runs on the reference.
    pub fn on_reference(&self, reference: &mut Reference) -> Seen {
        let says = |credits| UserPlan {
            limit: Credits::new(credits).expect("small"),
            kind: LimitKind::Hard,
            thresholds: None,
        };
        let plan = &reference.plan;
        let edited = match self.what {
            What::Get => return present(plan, self.user),
            What::Set(credits) => {
                edit::set_user(plan, ORGANIZATION, self.user, says(credits), self.etag())
            }
            What::Delete => edit::remove_user(plan, ORGANIZATION, self.user, self.etag()),
        };
        let plan = match edited {
            Ok(plan) => plan,
            Err(EditError::Stale { .. }) => return Seen::Stale,
            Err(EditError::NotFound(_)) => return Seen::NoLimit,
            Err(error) => panic!("{error}"),
        };
        match reference.apply_plan(plan) {
            Ok(_) if self.what == What::Delete => Seen::Done,
            Ok(_) => present(&reference.plan, self.user),
            Err(_) => Seen::Failed(Failure::Precondition),
        }
    }
}

fn present(plan: &Plan, user: &str) -> Seen {
    match plan.organizations[ORGANIZATION].user(user) {
        None => Seen::NoLimit,
        Some(says) => Seen::Limit {
            credits: says.limit.get(),
            etag: etag(plan, &Entry::user(ORGANIZATION, user)),
        },
    }
}

fn limit(it: pb::Limit) -> Seen {
    Seen::Limit {
        credits: it.credits,
        etag: it.etag,
    }
}

fn refused(status: &Status) -> Seen {
    match status.code() {
        Code::Aborted => Seen::Stale,
        Code::NotFound => Seen::NoLimit,
        Code::FailedPrecondition => Seen::Failed(Failure::Precondition),
        _ => panic!("{status:?}"),
    }
}
