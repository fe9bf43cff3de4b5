//! `quotad audit`.

use serde_json::{Map, Value, json};

use crate::rpc::pb;

use super::client;
use super::management::{self, Management, Tenant, pages};
use super::output::{Answer, Rows};
use super::{Exit, Output, values};

/// Shows who changed what, and why; the newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad audit
  quotad audit --organization acme --action SetLimit --last 20
  quotad audit --who ops --from 2026-11-01T00:00:00Z -o csv

Exit codes: 0 answered, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    /// Only by this token; `plan file` for the plan file.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    who: String,
    /// Only this call, such as SetLimit; `PlanFile` for the plan file.
    #[arg(
        long,
        value_name = "CALL",
        default_value = "",
        hide_default_value = true
    )]
    action: String,
    /// Not before this moment, as 2026-01-05T00:00:00Z.
    #[arg(long, value_name = "INSTANT", value_parser = values::moment)]
    from: Option<prost_types::Timestamp>,
    /// Before this moment.
    #[arg(long, value_name = "INSTANT", value_parser = values::moment)]
    to: Option<prost_types::Timestamp>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    last: usize,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

/// Runs the command.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    management::run(&args.place, output, async |mut admin| {
        let entries = pages(args.last, async |page_size, page_token| {
            let request = pb::ListAuditRequest {
                organization: args.tenant.organization.clone(),
                who: args.who.clone(),
                action: args.action.clone(),
                from_time: args.from,
                to_time: args.to,
                page_size,
                page_token,
            };
            let answer = admin.list_audit(request).await?.into_inner();
            Ok((answer.entries, answer.next_page_token))
        });
        Ok(Answer::Rows(Rows {
            name: "changes",
            columns: vec![
                "time",
                "who",
                "action",
                "organization",
                "target",
                "before",
                "after",
                "why",
            ],
            more: &["sequence"],
            rows: entries.await?.iter().map(fields).collect(),
            ..Rows::default()
        }))
    })
}

fn fields(it: &pb::AuditEntry) -> Map<String, Value> {
    client::fields([
        ("time", client::instant(it.time)),
        ("who", json!(it.who)),
        ("action", json!(it.action)),
        ("organization", json!(it.organization)),
        ("target", json!(it.target)),
        ("before", json!(it.before)),
        ("after", json!(it.after)),
        ("why", json!(it.why)),
        ("sequence", json!(it.sequence)),
    ])
}
