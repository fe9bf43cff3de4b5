//! `quotad adjust`.

use serde_json::json;

use crate::rpc::pb;

use super::client;
use super::management::{self, Management, Tenant};
use super::output::Answer;
use super::request::{self, IdText};
use super::{Exit, Output, values};

/// Corrects what is used in this cycle, in a usage row of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad adjust --user ana --credits -200 --why 'charged twice, ticket 4711'
  quotad adjust --user ana --environment production --credits 50 --why 'missed while the network was down'

Exit codes: 0 done, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    /// Added to what is used; below 0 taken back.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    credits: i64,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Whose usage; nobody's unless given.
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
    /// Where; `default` unless given.
    #[arg(
        long,
        env = "QUOTAD_ENVIRONMENT",
        default_value = "",
        hide_default_value = true
    )]
    environment: String,
    /// An id of your own: the same request with the same id is done once.
    #[arg(long, value_name = "ID")]
    id: Option<IdText>,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        credits,
        why,
        user,
        environment,
        id,
        tenant,
        place,
    } = args;
    management::run(&place, output, async |mut admin| {
        let id = id.map_or_else(values::fresh_id, Ok)?;
        let request = pb::AdjustUsageRequest {
            organization: tenant.organization,
            environment,
            user,
            credits,
            request_id: id.bytes(),
            why,
        };
        let answer = admin.adjust_usage(request).await;
        answer.map_err(|status| request::repeatable(status, id))?;
        Ok(Answer::Fields(client::fields([
            ("adjusted", json!(credits)),
            ("id", json!(request::hex(&id.bytes()))),
        ])))
    })
}
