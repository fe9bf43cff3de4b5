//! `quotad commit`.

use serde_json::json;

use crate::rpc::pb;

use super::client::{self, Server};
use super::request::IdText;
use super::{Exit, Output};

/// Books what reserved work really used; the reservation ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad commit 0123456789abcdef0123456789abcdef --amount 420
  quotad commit 0123456789abcdef0123456789abcdef --quantity 18
  quotad commit 0123456789abcdef0123456789abcdef --amount 900 --reject-excess

Exit codes: 0 booked, 2 wrong usage, 3 denied, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    /// The reservation, as `quotad reserve` printed it.
    #[arg(value_name = "ID")]
    id: IdText,
    #[command(flatten)]
    actual: Actual,
    /// Fail, and keep the reservation, if the amount exceeds it and nothing covers the rest.
    #[arg(long)]
    reject_excess: bool,
    #[command(flatten)]
    server: Server,
}

/// What was really used.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Actual {
    /// So many credits.
    #[arg(long, value_name = "CREDITS")]
    amount: Option<u64>,
    /// So much of the operation that was reserved.
    #[arg(long, value_name = "N")]
    quantity: Option<u64>,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        id,
        actual,
        reject_excess,
        server,
    } = args;
    let excess = if reject_excess {
        pb::Excess::Reject
    } else {
        pb::Excess::Unspecified
    };
    let amount = actual.amount.map(pb::commit_request::Actual::Amount);
    let request = pb::CommitRequest {
        reservation_id: id.bytes(),
        actual: amount.or(actual.quantity.map(pb::commit_request::Actual::Quantity)),
        excess: excess.into(),
    };
    client::call(&server, output, async |mut sidecar| {
        let answer = sidecar.commit(request).await?.into_inner();
        let fields = client::fields([
            ("committed", json!(answer.committed)),
            ("returned", json!(answer.returned)),
            ("overrun", json!(answer.overrun)),
            ("late", json!(answer.late)),
        ]);
        Ok(client::with_standing(fields, answer.standing))
    })
}
