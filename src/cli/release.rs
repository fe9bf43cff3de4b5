//! `quotad release`.

use serde_json::json;

use crate::rpc::pb;

use super::client::{self, Server};
use super::request::IdText;
use super::{Exit, Output};

/// Gives a reservation up; its credits come back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad release 0123456789abcdef0123456789abcdef

Exit codes: 0 released, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    /// The reservation, as `quotad reserve` printed it.
    #[arg(value_name = "ID")]
    id: IdText,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let request = pb::ReleaseRequest {
        reservation_id: args.id.bytes(),
    };
    client::call(&args.server, output, async |mut sidecar| {
        let answer = sidecar.release(request).await?.into_inner();
        Ok(client::with_standing(
            client::fields([("returned", json!(answer.returned))]),
            answer.standing,
        ))
    })
}
