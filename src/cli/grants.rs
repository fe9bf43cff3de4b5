//! `quotad grants`.

mod text;

use serde_json::{Map, Value, json};
use tonic::Code;

use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Change, Management, Tenant, Why};
use super::output::{Answer, Rows};
use super::{Exit, Output};
use text::{GrantText, text};

/// So often a change of the list is tried when others change it too.
const ATTEMPTS_MAX: u32 = 10;

/// Reads and changes what an organization has bought.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad grants list --organization acme
  quotad grants add kind=contract,credits=10000,rollover=2
  quotad grants add kind=add_on,count=1,valid_until=2026-12-31 --why 'order 4711'
  quotad grants set kind=contract,credits=20000 kind=license,license=power-automate-premium,count=5
  quotad grants remove 2

A grant is written with the keys of the plan file: kind (contract, add_on, license); credits, rollover; count, license,
purchased; valid_from, valid_until.
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
    /// Lists the grants, numbered.
    List,
    /// Adds a grant to the list. Somebody else's change at the same time is kept.
    Add {
        /// The grant, such as kind=contract,credits=10000.
        grant: GrantText,
        #[command(flatten)]
        why: Why,
    },
    /// Replaces the whole list.
    Set {
        /// The grants, such as kind=contract,credits=10000.
        #[arg(required = true, value_name = "GRANT")]
        grants: Vec<GrantText>,
        #[command(flatten)]
        change: Change,
    },
    /// Takes one grant out of the list, or all of them. Somebody else's change at the same time is kept.
    Remove {
        /// Its number, as `quotad grants list` shows it.
        #[arg(required_unless_present = "all", value_parser = clap::value_parser!(u32).range(1..))]
        number: Option<u32>,
        /// All grants: nothing is bought any more.
        #[arg(long, conflicts_with = "number")]
        all: bool,
        #[command(flatten)]
        change: Change,
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
    management::run(&place, output, async |admin| {
        act(admin, organization, action).await
    })
}

async fn act(
    mut admin: Admin,
    organization: String,
    action: Action,
) -> Result<Answer, ClientError> {
    let grants = match action {
        Action::List => read(&mut admin, &organization).await?,
        Action::Add { grant, why } => {
            let add = |list: &mut Vec<pb::Grant>| {
                list.push(grant.0.clone());
                Ok(())
            };
            edit(&mut admin, &organization, "", &why.why, add).await?
        }
        Action::Set { grants, change } => {
            let grants = pb::Grants {
                organization,
                grants: grants.into_iter().map(|it| it.0).collect(),
                ..Default::default()
            };
            write(&mut admin, grants, change.etag, change.why.why).await?
        }
        Action::Remove {
            number: Some(number),
            change,
            ..
        } => {
            let mut wanted = None;
            let remove = |list: &mut Vec<pb::Grant>| take(list, number, &mut wanted);
            edit(
                &mut admin,
                &organization,
                &change.etag,
                &change.why.why,
                remove,
            )
            .await?
        }
        Action::Remove { change, .. } => {
            let request = pb::DeleteGrantsRequest {
                organization,
                etag: change.etag,
                why: change.why.why,
            };
            admin.delete_grants(request).await?;
            return Ok(Answer::Fields(client::fields([(
                "removed",
                json!("all grants"),
            )])));
        }
    };
    Ok(Answer::Rows(rows(&grants)))
}

/// Takes out the grant with this number as it was first read; later the one that is equal to it, wherever it stands now.
fn take(
    list: &mut Vec<pb::Grant>,
    number: u32,
    wanted: &mut Option<pb::Grant>,
) -> Result<(), ClientError> {
    let index = match wanted {
        None => usize::try_from(number)
            .ok()
            .and_then(|it| it.checked_sub(1)),
        Some(wanted) => list.iter().position(|grant| grant == wanted),
    };
    match index.filter(|&index| index < list.len()) {
        Some(index) => {
            *wanted = Some(list.remove(index));
            Ok(())
        }
        None => Err(ClientError::Refused(match wanted {
            Some(wanted) => format!(
                "{}: somebody else has removed this grant meanwhile; nothing was changed",
                text(wanted)
            ),
            None => format!(
                "there is no grant {number}: the list has {}; see `quotad grants list`",
                list.len()
            ),
        })),
    }
}

/// Reads the list, changes it and writes it back; again if somebody else was faster, unless an etag was given.
async fn edit(
    admin: &mut Admin,
    organization: &str,
    etag: &str,
    why: &str,
    mut change: impl FnMut(&mut Vec<pb::Grant>) -> Result<(), ClientError>,
) -> Result<pb::Grants, ClientError> {
    let mut attempts = 1;
    loop {
        let mut grants = read(admin, organization).await?;
        let based_on = if etag.is_empty() { &grants.etag } else { etag }.to_owned();
        change(&mut grants.grants)?;
        match write(admin, grants, based_on, why.to_owned()).await {
            Err(ClientError::Status(status))
                if status.code() == Code::Aborted && etag.is_empty() && attempts < ATTEMPTS_MAX =>
            {
                attempts += 1;
            }
            done => return done,
        }
    }
}

async fn read(admin: &mut Admin, organization: &str) -> Result<pb::Grants, ClientError> {
    let request = pb::ListGrantsRequest {
        organization: organization.to_owned(),
    };
    let answer = admin.list_grants(request).await?.into_inner();
    answer.grants.ok_or(ClientError::Incomplete("the grants"))
}

async fn write(
    admin: &mut Admin,
    grants: pb::Grants,
    etag: String,
    why: String,
) -> Result<pb::Grants, ClientError> {
    let grants = pb::Grants {
        etag: String::new(),
        file_owned: false,
        ..grants
    };
    let request = pb::SetGrantsRequest {
        grants: Some(grants),
        etag,
        why,
    };
    let answer = admin.set_grants(request).await?.into_inner();
    answer.grants.ok_or(ClientError::Incomplete("the grants"))
}

fn rows(grants: &pb::Grants) -> Rows {
    let owned = "The plan file names this list: only the file changes it.";
    Rows {
        name: "grants",
        columns: vec![
            "number",
            "kind",
            "credits",
            "count",
            "license",
            "rollover",
            "purchased",
            "valid_from",
            "valid_until",
        ],
        rows: grants
            .grants
            .iter()
            .enumerate()
            .map(|(index, grant)| fields(index + 1, grant))
            .collect(),
        beside: client::fields([
            ("organization", json!(grants.organization)),
            ("etag", json!(grants.etag)),
            ("file_owned", json!(grants.file_owned)),
        ]),
        note: if grants.file_owned { owned } else { "" }.to_owned(),
        ..Rows::default()
    }
}

fn fields(number: usize, grant: &pb::Grant) -> Map<String, Value> {
    use pb::grant::Kind;
    let null = Value::Null;
    let day = |text: &str| match text {
        "" => Value::Null,
        text => json!(text),
    };
    let (kind, credits, count, license, rollover, purchased) = match &grant.kind {
        None => (
            "unknown",
            null.clone(),
            null.clone(),
            null.clone(),
            null.clone(),
            null,
        ),
        Some(Kind::Contract(it)) => {
            let rollover = if it.rollover > 1 {
                json!(it.rollover)
            } else {
                Value::Null
            };
            let credits = json!(it.credits);
            (
                "contract",
                credits,
                null.clone(),
                null.clone(),
                rollover,
                null,
            )
        }
        Some(Kind::AddOn(it)) => {
            let count = json!(it.count);
            (
                "add_on",
                null.clone(),
                count,
                null.clone(),
                null.clone(),
                null,
            )
        }
        Some(Kind::License(it)) => {
            let (count, license) = (json!(it.count), json!(it.license));
            (
                "license",
                null.clone(),
                count,
                license,
                null,
                day(&it.purchased),
            )
        }
    };
    client::fields([
        ("number", json!(number)),
        ("kind", json!(kind)),
        ("credits", credits),
        ("count", count),
        ("license", license),
        ("rollover", rollover),
        ("purchased", purchased),
        ("valid_from", day(&grant.valid_from)),
        ("valid_until", day(&grant.valid_until)),
    ])
}
