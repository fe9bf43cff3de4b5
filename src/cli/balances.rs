//! `quotad balances`.

use crate::rpc::pb;

use super::balance::full;
use super::client;
use super::management::{self, Management, Tenant, pages};
use super::output::{Answer, Rows};
use super::{Exit, Output};

/// Shows how all accounts of an organization stand: itself, the pool, environments and users.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad balances --organization acme
  quotad balances -o csv > balances.csv

Exit codes: 0 answered, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args { tenant, place } = args;
    management::run(&place, output, async |mut admin| {
        let mut read = None;
        let balances = pages(usize::MAX, async |page_size, page_token| {
            let request = pb::ListBalancesRequest {
                organization: tenant.organization.clone(),
                page_size,
                page_token,
            };
            let answer = admin.list_balances(request).await?.into_inner();
            read = answer.read_time;
            Ok((answer.balances, answer.next_page_token))
        });
        let rows = balances.await?.iter().map(full).collect();
        Ok(Answer::Rows(Rows {
            name: "balances",
            columns: vec![
                "account",
                "used",
                "held",
                "limit",
                "available",
                "percent",
                "state",
            ],
            more: &[
                "base_percent",
                "base_used",
                "extension_used",
                "overage_used",
                "overrun",
                "trial_used",
                "entitlement",
                "purchased",
                "allocated",
                "set_aside",
                "pool",
                "over_allocated_by",
                "days_until_reset",
                "resets",
                "text",
            ],
            rows,
            beside: client::fields([("read", client::instant(read))]),
            ..Rows::default()
        }))
    })
}
