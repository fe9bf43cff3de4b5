//! `quotad organizations`.

mod settings;

use serde_json::{Map, Value, json};
use tonic::Code;

use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Change, Management, pages};
use super::output::{Answer, Rows};
use super::values;
use super::{Exit, Output};
use settings::Settings;

/// Reads and changes organizations: cycle, overage, thresholds, terms of extensions and trials.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad organizations list
  quotad organizations get acme -o json
  quotad organizations set acme --time-zone Europe/Paris --overage soft:10000 --thresholds 50,80,100
  quotad organizations set acme --fixed-days 28 --from 2026-01-05T00:00:00Z
  quotad organizations delete acme --why 'contract ended'

Exit codes: 0 done, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Management,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists organizations.
    List,
    /// Shows the settings of an organization.
    Get {
        /// The organization.
        #[arg(default_value = "default")]
        name: String,
    },
    /// Adds an organization, or changes its settings; what is not given stays as it is.
    Set {
        /// The organization.
        name: String,
        #[command(flatten)]
        settings: Box<Settings>,
        #[command(flatten)]
        change: Change,
    },
    /// Takes an organization out of the plan. Its books stay.
    Delete {
        /// The organization.
        name: String,
        #[command(flatten)]
        change: Change,
    },
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args { action, place } = args;
    management::run(&place, output, async |admin| act(admin, action).await)
}

async fn act(mut admin: Admin, action: Action) -> Result<Answer, ClientError> {
    let organization = match action {
        Action::List => return list(admin).await,
        Action::Get { name } => read(&mut admin, &name).await?,
        Action::Set {
            name,
            settings,
            change,
        } => set(&mut admin, &name, *settings, change).await?,
        Action::Delete { name, change } => {
            let request = pb::DeleteOrganizationRequest {
                name: name.clone(),
                etag: change.etag,
                why: change.why.why,
            };
            admin.delete_organization(request).await?;
            return Ok(Answer::Fields(client::fields([("deleted", json!(name))])));
        }
    };
    Ok(Answer::Fields(fields(&organization)))
}

async fn read(admin: &mut Admin, name: &str) -> Result<pb::Organization, ClientError> {
    let request = pb::GetOrganizationRequest {
        name: name.to_owned(),
    };
    let answer = admin.get_organization(request).await?.into_inner();
    let found = answer.organization;
    found.ok_or(ClientError::Incomplete("the organization"))
}

/// Reads the settings, changes what was given and writes that: terms are messages of several figures, of which one may
/// have been given.
async fn set(
    admin: &mut Admin,
    name: &str,
    settings: Settings,
    change: Change,
) -> Result<pb::Organization, ClientError> {
    let (mut organization, is_new) = match read(admin, name).await {
        Ok(found) => (found, false),
        Err(ClientError::Status(status)) if status.code() == Code::NotFound => {
            let new = pb::Organization {
                name: name.to_owned(),
                ..Default::default()
            };
            (new, true)
        }
        Err(error) => return Err(error),
    };
    let etag = if change.etag.is_empty() {
        organization.etag.clone()
    } else {
        change.etag
    };
    let paths = settings.put_into(&mut organization)?;
    if paths.is_empty() && !is_new {
        return Err(ClientError::Usage(
            "nothing to set is given; see `quotad organizations set --help`".to_owned(),
        ));
    }
    organization.etag.clear();
    organization.file_owned.clear();
    let request = pb::SetOrganizationRequest {
        organization: Some(organization),
        update_mask: values::mask(paths),
        etag,
        why: change.why.why,
    };
    let answer = admin.set_organization(request).await?.into_inner();
    let set = answer.organization;
    set.ok_or(ClientError::Incomplete("the organization"))
}

async fn list(mut admin: Admin) -> Result<Answer, ClientError> {
    let organizations = pages(usize::MAX, async |page_size, page_token| {
        let request = pb::ListOrganizationsRequest {
            page_size,
            page_token,
        };
        let answer = admin.list_organizations(request).await?.into_inner();
        Ok((answer.organizations, answer.next_page_token))
    });
    Ok(Answer::Rows(Rows {
        name: "organizations",
        columns: vec![
            "name",
            "display_name",
            "time_zone",
            "cycle",
            "overage",
            "seats",
        ],
        more: &[
            "scale",
            "allow_unallocated",
            "excess",
            "enforcement",
            "thresholds",
            "file_owned",
            "etag",
        ],
        rows: organizations.await?.iter().map(fields).collect(),
        ..Rows::default()
    }))
}

fn fields(it: &pb::Organization) -> Map<String, Value> {
    let zone = if it.time_zone.is_empty() {
        "UTC"
    } else {
        &it.time_zone
    };
    let enforcement = match it.enforcement() {
        pb::Enforcement::Shadow => "shadow",
        pb::Enforcement::Enforce | pb::Enforcement::Unspecified => "enforce",
    };
    let excess = match it.excess() {
        pb::Excess::Reject => "reject",
        pb::Excess::Record | pb::Excess::Unspecified => "record",
    };
    let mut fields = client::fields([
        ("name", json!(it.name)),
        ("display_name", json!(it.display_name)),
        ("time_zone", json!(zone)),
        ("cycle", json!(settings::cycle_text(it.cycle.as_ref()))),
        ("scale", json!(it.scale.max(1))),
        (
            "allow_unallocated",
            json!(it.allow_unallocated.unwrap_or(true)),
        ),
        ("overage", json!(values::overage_text(it.overage.as_ref()))),
        ("excess", json!(excess)),
        ("enforcement", json!(enforcement)),
        ("seats", json!(it.seats)),
        ("thresholds", json!(it.thresholds)),
    ]);
    if let Some(terms) = &it.extension {
        fields.extend(client::fields([
            ("extension_credits", json!(terms.credits)),
            ("extension_delay", values::span_text(terms.delay.as_ref())),
            ("extension_per_cycle", json!(terms.per_cycle)),
            ("extension_per_year", json!(terms.per_year)),
        ]));
    }
    if let Some(terms) = &it.trial {
        fields.extend(client::fields([
            ("trial_credits", json!(terms.credits)),
            ("trial_days", json!(terms.days)),
            ("trial_renewals", json!(terms.renewals)),
        ]));
    }
    fields.extend(client::fields([
        ("file_owned", json!(it.file_owned)),
        ("etag", json!(it.etag)),
    ]));
    fields
}
