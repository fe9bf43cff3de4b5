//! `quotad reserve`.

use std::time::Duration;

use serde_json::json;

use crate::rpc::pb;

use super::client::{self, ClientError, Server};
use super::request::{HowMuch, IdText, What, Who, hex, span, wire_span};
use super::{Exit, Output};

/// Keeps credits of a running sidecar for work that begins now.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad reserve --user ana --credits 500
  quotad reserve --user ana --credits 500 --min 100 --ttl 10m
  quotad reserve --user ana --operation receipt-processing --quantity 20

Prints the reservation's id; end it with `quotad commit ID --amount N` or `quotad release ID`.
Exit codes: 0 granted, 2 wrong usage, 3 denied, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    how_much: HowMuch,
    /// Less will do, down to this many credits.
    #[arg(long, value_name = "CREDITS")]
    min: Option<u64>,
    /// The reservation ends by itself after this time, at most 1h [default: 60s].
    #[arg(long, value_name = "TIME", value_parser = span)]
    ttl: Option<Duration>,
    /// An id of your own: the same request with the same id is done once.
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
        min,
        ttl,
        id,
        server,
    } = args;
    let request = pb::ReserveRequest {
        subject: Some(what.of(who)),
        cost: Some(how_much.cost()),
        min_amount: min,
        ttl: ttl.map(wire_span),
        reservation_id: id.map(IdText::bytes).unwrap_or_default(),
    };
    client::call(&server, output, async |mut sidecar| {
        let answer = sidecar.reserve(request).await?.into_inner();
        let reservation = answer
            .reservation
            .ok_or(ClientError::Incomplete("the reservation"))?;
        let fields = client::fields([
            ("reservation", json!(hex(&reservation.id))),
            ("granted", json!(reservation.granted)),
            ("expires", client::instant(reservation.expire_time)),
        ]);
        Ok(client::with_standing(fields, answer.standing))
    })
}
