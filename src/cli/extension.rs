//! `quotad extension`.

use serde_json::json;

use crate::rpc::pb;

use super::client;
use super::management::{self, Management, Tenant, Why};
use super::output::Answer;
use super::request::{self, IdText};
use super::{Exit, Output, values};

/// Requests an extension: more credits for the rest of this cycle. Administrators are notified.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad extension --organization acme --why 'month-end reports'

Exit codes: 0 requested, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    /// An id of your own: the same request with the same id is done once.
    #[arg(long, value_name = "ID")]
    id: Option<IdText>,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        id,
        why,
        tenant,
        place,
    } = args;
    management::run(&place, output, async |mut admin| {
        let id = id.map_or_else(values::fresh_id, Ok)?;
        let request = pb::RequestExtensionRequest {
            organization: tenant.organization,
            request_id: id.bytes(),
            why: why.why,
        };
        let answer = admin.request_extension(request).await;
        let answer = answer.map_err(|status| request::repeatable(status, id))?;
        let answer = answer.into_inner();
        Ok(Answer::Fields(client::fields([
            ("credits", json!(answer.credits)),
            ("usable", client::instant(answer.usable_time)),
            ("id", json!(request::hex(&id.bytes()))),
        ])))
    })
}
