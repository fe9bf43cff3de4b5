//! `quotad rates`.

use serde_json::{Map, Value, json};

use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Change, Management, pages};
use super::output::{Answer, Rows};
use super::values;
use super::{Exit, Output};

/// Reads and changes the rate card: what operations cost.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad rates list
  quotad rates set chat-tokens --credits 3 --per 1000 --product chat
  quotad rates set preview --credits 0 --class free
  quotad rates remove preview

Exit codes: 0 done, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Management,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the rate card.
    List,
    /// Shows what an operation costs.
    Get {
        /// The operation.
        operation: String,
    },
    /// Sets what an operation costs from now on; what is not given stays as it is.
    Set(Set),
    /// Takes an operation off the rate card.
    Remove {
        /// The operation.
        operation: String,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The operation.
    operation: String,
    /// Credits for each `per`.
    #[arg(long, value_name = "N", value_parser = values::credits)]
    credits: Option<u64>,
    /// So much of the operation for these credits, at least 1.
    #[arg(long, value_name = "N", value_parser = values::credits)]
    per: Option<u64>,
    /// `run`, `maker`, `free`, or a class that the plan declares.
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// The product that it is reported under where a request names none.
    #[arg(long, value_name = "PRODUCT")]
    product: Option<String>,
    #[command(flatten)]
    change: Change,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args { action, place } = args;
    management::run(&place, output, async |admin| act(admin, action).await)
}

async fn act(mut admin: Admin, action: Action) -> Result<Answer, ClientError> {
    let rate = match action {
        Action::List => return list(admin).await,
        Action::Get { operation } => {
            let request = pb::GetRateRequest { operation };
            admin.get_rate(request).await?.into_inner().rate
        }
        Action::Set(it) => admin.set_rate(set(it)?).await?.into_inner().rate,
        Action::Remove { operation, change } => {
            let request = pb::DeleteRateRequest {
                operation: operation.clone(),
                etag: change.etag,
                why: change.why.why,
            };
            admin.delete_rate(request).await?;
            return Ok(Answer::Fields(client::fields([(
                "removed",
                json!(operation),
            )])));
        }
    };
    let rate = rate.ok_or(ClientError::Incomplete("the rate"))?;
    Ok(Answer::Fields(fields(&rate)))
}

async fn list(mut admin: Admin) -> Result<Answer, ClientError> {
    let rates = pages(usize::MAX, async |page_size, page_token| {
        let request = pb::ListRatesRequest {
            page_size,
            page_token,
        };
        let answer = admin.list_rates(request).await?.into_inner();
        Ok((answer.rates, answer.next_page_token))
    });
    Ok(Answer::Rows(Rows {
        name: "rates",
        columns: vec![
            "operation",
            "credits",
            "per",
            "class",
            "product",
            "file_owned",
        ],
        more: &["etag"],
        rows: rates.await?.iter().map(fields).collect(),
        ..Rows::default()
    }))
}

fn set(it: Set) -> Result<pb::SetRateRequest, ClientError> {
    let mut paths = Vec::new();
    let mut rate = pb::Rate {
        operation: it.operation,
        ..Default::default()
    };
    values::put(&mut paths, "credits", &mut rate.credits, it.credits);
    values::put(&mut paths, "per", &mut rate.per, it.per);
    values::put(&mut paths, "class", &mut rate.class, it.class);
    values::put(&mut paths, "product", &mut rate.product, it.product);
    if paths.is_empty() {
        return Err(ClientError::Usage(
            "nothing to set is given; name --credits, --per, --class or --product".to_owned(),
        ));
    }
    Ok(pb::SetRateRequest {
        rate: Some(rate),
        update_mask: values::mask(paths),
        etag: it.change.etag,
        why: it.change.why.why,
    })
}

fn fields(rate: &pb::Rate) -> Map<String, Value> {
    let class = if rate.class.is_empty() {
        "run"
    } else {
        &rate.class
    };
    client::fields([
        ("operation", json!(rate.operation)),
        ("credits", json!(rate.credits)),
        ("per", json!(rate.per.max(1))),
        ("class", json!(class)),
        ("product", json!(rate.product)),
        ("file_owned", json!(rate.file_owned)),
        ("etag", json!(rate.etag)),
    ])
}
