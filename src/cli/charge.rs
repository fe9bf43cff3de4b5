//! `quotad charge`.

use serde_json::json;

use crate::rpc::pb;

use super::client::{self, Server};
use super::request::{HowMuch, IdText, What, Who};
use super::{Exit, Output};

/// Spends credits of a running sidecar: reserve and commit in one step.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad charge --user ana --credits 400
  quotad charge --environment production --operation receipt-processing --quantity 20
  quotad charge --user ana --credits 400 --server unix:/run/quotad/quotad.sock -o json

Exit codes: 0 booked, 2 wrong usage, 3 denied, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    how_much: HowMuch,
    /// An id of your own: the same request with the same id is charged once.
    #[arg(long, value_name = "ID")]
    id: Option<IdText>,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        who,
        what,
        how_much,
        id,
        server,
    } = args;
    let request = pb::ChargeRequest {
        subject: Some(what.of(who)),
        cost: Some(how_much.cost()),
        request_id: id.map(IdText::bytes).unwrap_or_default(),
    };
    client::call(&server, output, async |mut sidecar| {
        let answer = sidecar.charge(request).await?.into_inner();
        Ok(client::with_standing(
            client::fields([("committed", json!(answer.committed))]),
            answer.standing,
        ))
    })
}
