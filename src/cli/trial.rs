//! `quotad trial`.

use serde_json::json;

use crate::rpc::pb;

use super::client;
use super::management::{self, Management, Tenant, Why};
use super::output::Answer;
use super::request::{self, IdText};
use super::{Exit, Output, values};

/// Starts and renews trials of users, while nothing is purchased.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad trial start tess --organization fabrikam
  quotad trial renew tess --organization fabrikam

Exit codes: 0 done, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Starts the trial of a user.
    Start(Of),
    /// Renews a trial that has ended.
    Renew(Of),
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The user.
    user: String,
    /// An id of your own: the same request with the same id is done once.
    #[arg(long, value_name = "ID")]
    id: Option<IdText>,
    #[command(flatten)]
    why: Why,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        action,
        tenant,
        place,
    } = args;
    let organization = tenant.organization;
    management::run(&place, output, async |mut admin| {
        let (Action::Start(of) | Action::Renew(of)) = &action;
        let id = of.id.map_or_else(values::fresh_id, Ok)?;
        let (user, request_id, why) = (of.user.clone(), id.bytes(), of.why.why.clone());
        let ends = match &action {
            Action::Start(_) => {
                let request = pb::StartTrialRequest {
                    organization,
                    user,
                    request_id,
                    why,
                };
                let answer = admin.start_trial(request).await;
                answer.map(|it| it.into_inner().end_time)
            }
            Action::Renew(_) => {
                let request = pb::RenewTrialRequest {
                    organization,
                    user,
                    request_id,
                    why,
                };
                let answer = admin.renew_trial(request).await;
                answer.map(|it| it.into_inner().end_time)
            }
        };
        let ends = ends.map_err(|status| request::repeatable(status, id))?;
        Ok(Answer::Fields(client::fields([
            ("user", json!(of.user)),
            ("ends", client::instant(ends)),
            ("id", json!(request::hex(&id.bytes()))),
        ])))
    })
}
