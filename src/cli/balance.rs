//! `quotad balance`.

use serde_json::{Map, Value, json};

use crate::rpc::pb;

use super::client::{self, Server};
use super::request::Who;
use super::{Exit, Output, print};

/// Tells how a user, an environment and the organization stand.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad balance
  quotad balance --user ana --environment production
  quotad balance -o json

Exit codes: 0 answered, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    server: Server,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args { who, server } = args;
    let request = pb::GetBalanceRequest {
        subject: Some(who.subject()),
    };
    client::call(&server, output, async |mut sidecar| {
        let answer = sidecar.get_balance(request).await?.into_inner();
        let balances = [answer.user, answer.environment, answer.organization]
            .into_iter()
            .flatten();
        Ok(match output {
            Output::Json => {
                let keyed = balances.map(|balance| json!(full(&balance)));
                client::fields([
                    ("balances", keyed.collect()),
                    ("read", client::instant(answer.read_time)),
                ])
            }
            Output::Table | Output::Csv => {
                let mut table =
                    super::table(&["account", "used", "held", "limit", "available", "state", ""]);
                for balance in balances {
                    let figures =
                        [balance.used, balance.held].map(|figure| super::shown(&json!(figure)));
                    let [used, held] = figures;
                    let limit = super::shown(&json!(balance.limit));
                    let available = super::shown(&json!(balance.available));
                    let state = client::state(balance.state()).to_owned();
                    let text = [balance.text, balance.advice].join(" ");
                    table.add_row([balance.account, used, held, limit, available, state, text]);
                }
                print(&table);
                Map::new()
            }
        })
    })
}

/// Every figure of a balance.
pub(super) fn full(balance: &pb::Balance) -> Map<String, Value> {
    client::fields([
        ("account", json!(balance.account)),
        ("used", json!(balance.used)),
        ("held", json!(balance.held)),
        ("limit", json!(balance.limit)),
        ("available", json!(balance.available)),
        ("state", json!(client::state(balance.state()))),
        ("percent", json!(balance.percent)),
        ("base_percent", json!(balance.base_percent)),
        ("base_used", json!(balance.base_used)),
        ("extension_used", json!(balance.extension_used)),
        ("overage_used", json!(balance.overage_used)),
        ("overrun", json!(balance.overrun)),
        ("trial_used", json!(balance.trial_used)),
        ("entitlement", json!(balance.entitlement)),
        ("purchased", json!(balance.purchased)),
        ("allocated", json!(balance.allocated)),
        ("set_aside", json!(balance.set_aside)),
        ("pool", json!(balance.pool)),
        ("over_allocated_by", json!(balance.over_allocated_by)),
        ("days_until_reset", json!(balance.days_until_reset)),
        ("resets", client::instant(balance.cycle_end_time)),
        ("text", json!(balance.text)),
        ("advice", json!(balance.advice)),
    ])
}
