//! `quotad allocations`.

use serde_json::{Map, Value, json};

use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Change, Management, Tenant, pages};
use super::output::{Answer, Rows};
use super::values::{self, Thresholds};
use super::{Exit, Output};

/// Reads and changes what is set aside for environments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad allocations list
  quotad allocations set production --credits 6000 --overage grace:20
  quotad allocations remove sandbox --why 'closed'

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
    /// Lists the environments that the plan names.
    List,
    /// Shows what is set aside for an environment.
    Get {
        /// The environment.
        environment: String,
    },
    /// Sets credits aside for an environment; what is not given stays as it is.
    Set(Set),
    /// Takes an environment out of the plan; what it has used moves to the pool.
    Remove {
        /// The environment.
        environment: String,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The environment.
    environment: String,
    /// Credits a cycle; 0: it draws from the pool.
    #[arg(long, value_name = "N", value_parser = values::credits)]
    credits: Option<u64>,
    /// How far it may be overdrawn: hard, soft:EXTRA (credits) or grace:PERCENT.
    #[arg(long, value_name = "POLICY", value_parser = values::overage)]
    overage: Option<pb::Overage>,
    /// Marks in percent of its own, such as 50,80,100; `default` for the organization's.
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
    let allocation = match action {
        Action::List => return list(admin, organization).await,
        Action::Get { environment } => {
            let request = pb::GetAllocationRequest {
                organization,
                environment,
            };
            admin.get_allocation(request).await?.into_inner().allocation
        }
        Action::Set(it) => {
            let request = set(organization, it)?;
            admin.set_allocation(request).await?.into_inner().allocation
        }
        Action::Remove {
            environment,
            change,
        } => {
            let request = pb::DeleteAllocationRequest {
                organization,
                environment: environment.clone(),
                etag: change.etag,
                why: change.why.why,
            };
            admin.delete_allocation(request).await?;
            return Ok(Answer::Fields(client::fields([(
                "removed",
                json!(environment),
            )])));
        }
    };
    let allocation = allocation.ok_or(ClientError::Incomplete("the allocation"))?;
    Ok(Answer::Fields(fields(&allocation)))
}

async fn list(mut admin: Admin, organization: String) -> Result<Answer, ClientError> {
    let allocations = pages(usize::MAX, async |page_size, page_token| {
        let request = pb::ListAllocationsRequest {
            organization: organization.clone(),
            page_size,
            page_token,
        };
        let answer = admin.list_allocations(request).await?.into_inner();
        Ok((answer.allocations, answer.next_page_token))
    });
    Ok(Answer::Rows(Rows {
        name: "allocations",
        columns: vec![
            "environment",
            "credits",
            "overage",
            "thresholds",
            "file_owned",
        ],
        more: &["organization", "etag"],
        rows: allocations.await?.iter().map(fields).collect(),
        ..Rows::default()
    }))
}

fn set(organization: String, it: Set) -> Result<pb::SetAllocationRequest, ClientError> {
    let mut paths = Vec::new();
    let mut allocation = pb::Allocation {
        organization,
        environment: it.environment,
        ..Default::default()
    };
    values::put(&mut paths, "credits", &mut allocation.credits, it.credits);
    let overage = it.overage.map(Some);
    values::put(&mut paths, "overage", &mut allocation.overage, overage);
    let marks = it.thresholds.map(|it| it.0);
    values::put(&mut paths, "thresholds", &mut allocation.thresholds, marks);
    if paths.is_empty() {
        return Err(ClientError::Usage(
            "nothing to set is given; name --credits, --overage or --thresholds".to_owned(),
        ));
    }
    Ok(pb::SetAllocationRequest {
        allocation: Some(allocation),
        update_mask: values::mask(paths),
        etag: it.change.etag,
        why: it.change.why.why,
    })
}

fn fields(allocation: &pb::Allocation) -> Map<String, Value> {
    let overage = values::overage_text(allocation.overage.as_ref());
    client::fields([
        ("environment", json!(allocation.environment)),
        ("credits", json!(allocation.credits)),
        ("overage", json!(overage)),
        ("thresholds", json!(allocation.thresholds)),
        ("file_owned", json!(allocation.file_owned)),
        ("organization", json!(allocation.organization)),
        ("etag", json!(allocation.etag)),
    ])
}
