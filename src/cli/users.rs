//! `quotad users`.

use serde_json::{Map, Value, json};

use crate::domain::credits::grouped;
use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Management, PAGE_SIZE, Tenant, Why};
use super::output::{Answer, Rows};
use super::{Exit, Output};

/// Shows how users stand, and the seats: who has a limit, a trial, or used something in this cycle.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad users --organization acme
  quotad users list -o csv > users.csv
  quotad users remove ana --why 'left the company'

Exit codes: 0 done, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists users: used, limit, percent, type and state. What happens without a further word.
    List,
    /// Takes a user out of the plan: what was set aside returns at once. Usage stays; it is no ban.
    Remove {
        /// The user.
        user: String,
        #[command(flatten)]
        why: Why,
    },
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        action,
        tenant,
        place,
    } = args;
    let organization = tenant.organization;
    management::run(&place, output, async |mut admin| match action {
        None | Some(Action::List) => list(admin, organization).await,
        Some(Action::Remove { user, why }) => {
            let request = pb::RemoveUserRequest {
                organization,
                user: user.clone(),
                why: why.why,
            };
            let answer = admin.remove_user(request).await?.into_inner();
            Ok(Answer::Fields(client::fields([
                ("removed", json!(user)),
                ("returned", json!(answer.returned)),
            ])))
        }
    })
}

async fn list(mut admin: Admin, organization: String) -> Result<Answer, ClientError> {
    let mut rows = Vec::new();
    let mut page_token = String::new();
    let last = loop {
        let request = pb::ListMembersRequest {
            organization: organization.clone(),
            page_size: PAGE_SIZE,
            page_token: page_token.clone(),
        };
        let answer = admin.list_members(request).await?.into_inner();
        rows.extend(answer.members.iter().map(fields));
        if answer.next_page_token.is_empty() {
            break answer;
        }
        if answer.next_page_token == page_token {
            return Err(ClientError::Incomplete("the next page"));
        }
        page_token.clone_from(&answer.next_page_token);
    };
    let seats = match last.seats {
        Some(seats) => format!("of {}", grouped(seats)),
        None => "(no seat limit)".to_owned(),
    };
    let read = client::instant(last.read_time);
    Ok(Answer::Rows(Rows {
        name: "users",
        columns: vec!["user", "used", "limit", "percent", "type", "state"],
        more: &["held", "text"],
        rows,
        note: format!(
            "Seats: {} {seats}. Credits: {} used and {} allocated of {} purchased. As of {}.",
            grouped(last.seats_used),
            grouped(last.used),
            grouped(last.allocated),
            grouped(last.purchased),
            read.as_str().unwrap_or("now"),
        ),
        beside: client::fields([
            ("seats_used", json!(last.seats_used)),
            ("seats", json!(last.seats)),
            ("purchased", json!(last.purchased)),
            ("allocated", json!(last.allocated)),
            ("used", json!(last.used)),
            ("read", read),
        ]),
    }))
}

fn fields(member: &pb::Member) -> Map<String, Value> {
    let kind = match member.limit_type() {
        pb::MemberLimitType::Unspecified => Value::Null,
        pb::MemberLimitType::Hard => json!("hard"),
        pb::MemberLimitType::Soft => json!("soft"),
        pb::MemberLimitType::Trial => json!("trial"),
    };
    client::fields([
        ("user", json!(member.user)),
        ("used", json!(member.used)),
        ("limit", json!(member.limit)),
        ("percent", json!(member.percent)),
        ("type", kind),
        ("state", json!(client::state(member.state()))),
        ("held", json!(member.held)),
        ("text", json!(member.text)),
    ])
}
