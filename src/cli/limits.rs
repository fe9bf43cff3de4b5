//! `quotad limits`.

use serde_json::{Map, Value, json};

use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Change, Management, Tenant, Why, pages};
use super::output::{Answer, Rows};
use super::values::{self, LimitType, Thresholds, Users};
use super::{Exit, Output};

/// Reads and changes what is set aside for users, and caps them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad limits list --organization acme
  quotad limits set ana --credits 1000 --type hard --why 'asked for by her team'
  quotad limits equal --credits 500 ana bo carl
  quotad limits distribute --users-file users.txt
  quotad limits remove ana

Exit codes: 0 done, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the users that have a limit.
    List,
    /// Shows the limit of a user.
    Get {
        /// The user.
        user: String,
    },
    /// Sets the limit of a user; what is not given stays as it is.
    Set(Set),
    /// Takes a limit away; what was not used returns to the pool at once.
    Remove {
        /// The user.
        user: String,
        #[command(flatten)]
        change: Change,
    },
    /// Gives each of several users the same limit, as one change.
    Equal {
        #[command(flatten)]
        users: Users,
        /// Credits a cycle, for each.
        #[arg(long, value_name = "N", value_parser = values::credits)]
        credits: u64,
        /// What happens at the limit.
        #[arg(long = "type", value_enum, default_value_t = LimitType::Hard)]
        kind: LimitType,
        #[command(flatten)]
        why: Why,
    },
    /// Shares what is left of the entitlement equally among users, as one change.
    Distribute {
        #[command(flatten)]
        users: Users,
        /// What happens at the limits.
        #[arg(long = "type", value_enum, default_value_t = LimitType::Hard)]
        kind: LimitType,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The user.
    user: String,
    /// Credits a cycle.
    #[arg(long, value_name = "N", value_parser = values::credits)]
    credits: Option<u64>,
    /// What happens at the limit.
    #[arg(long = "type", value_enum)]
    kind: Option<LimitType>,
    /// Marks in percent of the user's own, such as 50,80,100; `default` for the organization's.
    #[arg(long, value_name = "PERCENTS")]
    thresholds: Option<Thresholds>,
    #[command(flatten)]
    change: Change,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        action,
        tenant,
        place,
    } = args;
    let organization = tenant.organization;
    management::run(&place, output, async |admin| {
        act(admin, organization, action).await
    })
}

async fn act(
    mut admin: Admin,
    organization: String,
    action: Action,
) -> Result<Answer, ClientError> {
    let limit = match action {
        Action::List => return list(admin, organization).await,
        Action::Get { user } => {
            let request = pb::GetLimitRequest { organization, user };
            admin.get_limit(request).await?.into_inner().limit
        }
        Action::Set(it) => {
            let request = set(organization, it)?;
            admin.set_limit(request).await?.into_inner().limit
        }
        Action::Remove { user, change } => {
            let request = pb::DeleteLimitRequest {
                organization,
                user: user.clone(),
                etag: change.etag,
                why: change.why.why,
            };
            admin.delete_limit(request).await?;
            return Ok(Answer::Fields(client::fields([("removed", json!(user))])));
        }
        Action::Equal {
            users,
            credits,
            kind,
            why,
        } => {
            let request = pb::AssignEqualLimitsRequest {
                organization,
                users: users.read()?,
                credits,
                r#type: kind.wire().into(),
                why: why.why,
            };
            let answer = admin.assign_equal_limits(request).await?.into_inner();
            return Ok(Answer::Rows(rows(&answer.limits)));
        }
        Action::Distribute { users, kind, why } => {
            let users = users.read()?;
            let count = users.len();
            let request = pb::DistributeEquallyRequest {
                organization,
                users,
                r#type: kind.wire().into(),
                why: why.why,
            };
            let answer = admin.distribute_equally(request).await?.into_inner();
            return Ok(Answer::Fields(client::fields([
                ("users", json!(count)),
                ("credits_each", json!(answer.credits)),
            ])));
        }
    };
    let limit = limit.ok_or(ClientError::Incomplete("the limit"))?;
    Ok(Answer::Fields(fields(&limit)))
}

async fn list(mut admin: Admin, organization: String) -> Result<Answer, ClientError> {
    let limits = pages(usize::MAX, async |page_size, page_token| {
        let request = pb::ListLimitsRequest {
            organization: organization.clone(),
            page_size,
            page_token,
        };
        let answer = admin.list_limits(request).await?.into_inner();
        Ok((answer.limits, answer.next_page_token))
    });
    Ok(Answer::Rows(rows(&limits.await?)))
}

fn set(organization: String, it: Set) -> Result<pb::SetLimitRequest, ClientError> {
    let mut paths = Vec::new();
    let mut limit = pb::Limit {
        organization,
        user: it.user,
        ..Default::default()
    };
    values::put(&mut paths, "credits", &mut limit.credits, it.credits);
    let kind = it.kind.map(|kind| kind.wire().into());
    values::put(&mut paths, "type", &mut limit.r#type, kind);
    let marks = it.thresholds.map(|it| it.0);
    values::put(&mut paths, "thresholds", &mut limit.thresholds, marks);
    if paths.is_empty() {
        return Err(ClientError::Usage(
            "nothing to set is given; name --credits, --type or --thresholds".to_owned(),
        ));
    }
    Ok(pb::SetLimitRequest {
        limit: Some(limit),
        update_mask: values::mask(paths),
        etag: it.change.etag,
        why: it.change.why.why,
    })
}

fn rows(limits: &[pb::Limit]) -> Rows {
    Rows {
        name: "limits",
        columns: vec!["user", "credits", "type", "thresholds", "file_owned"],
        more: &["organization", "etag"],
        rows: limits.iter().map(fields).collect(),
        ..Rows::default()
    }
}

fn fields(limit: &pb::Limit) -> Map<String, Value> {
    client::fields([
        ("user", json!(limit.user)),
        ("credits", json!(limit.credits)),
        ("type", json!(values::limit_type(limit.r#type()))),
        ("thresholds", json!(limit.thresholds)),
        ("file_owned", json!(limit.file_owned)),
        ("organization", json!(limit.organization)),
        ("etag", json!(limit.etag)),
    ])
}
