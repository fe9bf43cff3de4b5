//! `quotad usage`.

mod chart;
mod export;

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Management, Tenant};
use super::output::{Answer, Rows, print, shown};
use super::{Exit, Output, values};

/// A page of rows holds so many.
const PAGE_SIZE: i32 = 10_000;

/// Shows what was used: by day, environment, user, product, model, operation.
///
/// Without a period it is the present cycle's; the sum of its rows is the organization's balance, to the credit.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad usage --organization acme
  quotad usage --group-by user --chart
  quotad usage --group-by product,model --cycle previous -o json
  quotad usage --from 2026-11-01 --to 2026-11-30 --user ana --group-by day,operation
  quotad usage --from 2026-01-01 -o csv > usage.csv
  quotad usage --from 2026-01-01 --file usage.csv

CSV without --group-by is the consumption report: day, user, environment, product, model, operation, credits.
Exit codes: 0 answered, 1 the file cannot be written, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    /// By what, in this order; `none` for the total alone [default: day].
    #[arg(long, value_name = "KEYS", value_delimiter = ',', value_enum)]
    group_by: Vec<Key>,
    #[command(flatten)]
    filter: Filter,
    /// Bars instead of a table.
    #[arg(long, conflicts_with = "file")]
    chart: bool,
    /// Write the consumption report into this file, as CSV.
    #[arg(long, value_name = "FILE", conflicts_with = "group_by")]
    file: Option<PathBuf>,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

/// Which usage.
#[derive(Debug, clap::Args)]
struct Filter {
    /// The first local day, as 2026-01-31.
    #[arg(long, value_name = "DAY", value_parser = values::day)]
    from: Option<String>,
    /// The last local day; today unless given.
    #[arg(long, value_name = "DAY", value_parser = values::day)]
    to: Option<String>,
    /// Only what counts in this cycle [default: present, unless --from or --to is given].
    #[arg(long, value_enum)]
    cycle: Option<Cycle>,
    /// Only this environment; may be given several times.
    #[arg(long, value_name = "NAME")]
    environment: Vec<String>,
    /// Only this user; '' is work for nobody. May be given several times.
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// Only this product; '' is none. May be given several times.
    #[arg(long, value_name = "NAME")]
    product: Vec<String>,
    /// Only this model; '' is none. May be given several times.
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
    /// Only this operation; '(adjustment)' for corrections. May be given several times.
    #[arg(long, value_name = "NAME")]
    operation: Vec<String>,
}

/// Which cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Cycle {
    /// The present one.
    Present,
    /// The one before.
    Previous,
    /// Any: as far back as is kept.
    Any,
}

/// What usage is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Key {
    /// The local day.
    Day,
    /// The environment.
    Environment,
    /// The user.
    User,
    /// The product.
    Product,
    /// The model.
    Model,
    /// The operation.
    Operation,
    /// Not at all.
    None,
}

impl Key {
    fn wire(self) -> Option<pb::UsageKey> {
        Some(match self {
            Self::Day => pb::UsageKey::Day,
            Self::Environment => pb::UsageKey::Environment,
            Self::User => pb::UsageKey::User,
            Self::Product => pb::UsageKey::Product,
            Self::Model => pb::UsageKey::Model,
            Self::Operation => pb::UsageKey::Operation,
            Self::None => return None,
        })
    }
}

impl Filter {
    fn wire(self, organization: String) -> pb::UsageFilter {
        let has_period = self.from.is_some() || self.to.is_some();
        let cycle = match self.cycle {
            Some(Cycle::Present) => pb::CycleChoice::Present,
            Some(Cycle::Previous) => pb::CycleChoice::Previous,
            None if !has_period => pb::CycleChoice::Present,
            Some(Cycle::Any) | None => pb::CycleChoice::Unspecified,
        };
        pb::UsageFilter {
            organization,
            from_day: self.from.unwrap_or_default(),
            to_day: self.to.unwrap_or_default(),
            cycle: cycle.into(),
            environments: self.environment,
            users: self.user,
            products: self.product,
            models: self.model,
            operations: self.operation,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        group_by,
        filter,
        chart,
        file,
        tenant,
        place,
    } = args;
    if chart && output != Output::Table {
        super::complain(&"--chart is for people; leave out -o");
        return Exit::Usage;
    }
    let filter = filter.wire(tenant.organization);
    management::run(&place, output, async |mut admin| {
        if let Some(file) = file {
            return export::to_file(&mut admin, filter, &file).await;
        }
        if output == Output::Csv && group_by.is_empty() {
            return export::to_stdout(&mut admin, filter).await;
        }
        let keys = if group_by.is_empty() {
            vec![Key::Day]
        } else {
            group_by
        };
        let keys: Vec<pb::UsageKey> = keys.into_iter().filter_map(Key::wire).collect();
        let (rows, total) = query(&mut admin, filter, &keys).await?;
        if chart {
            print(&chart::bars(&keys, &rows, total, &chart::Screen::here()));
            return Ok(Answer::Printed);
        }
        Ok(Answer::Rows(table(&keys, &rows, total, output)))
    })
}

/// All rows, and their sum.
async fn query(
    admin: &mut Admin,
    filter: pb::UsageFilter,
    keys: &[pb::UsageKey],
) -> Result<(Vec<pb::UsageRow>, i64), ClientError> {
    let mut rows = Vec::new();
    let mut page_token = String::new();
    let group_by: Vec<i32> = keys.iter().map(|&key| key.into()).collect();
    loop {
        let request = pb::QueryUsageRequest {
            filter: Some(filter.clone()),
            group_by: group_by.clone(),
            page_size: PAGE_SIZE,
            page_token: page_token.clone(),
        };
        let answer = admin.query_usage(request).await?.into_inner();
        let is_whole = rows.is_empty() && answer.next_page_token.is_empty();
        rows.extend(answer.rows);
        if answer.next_page_token.is_empty() {
            // Pages belong to different moments: what is shown adds up to what is shown.
            let sum = rows.iter().map(|row| row.credits).sum();
            return Ok((rows, if is_whole { answer.total_credits } else { sum }));
        }
        if answer.next_page_token == page_token {
            return Err(ClientError::Incomplete("the next page"));
        }
        page_token = answer.next_page_token;
    }
}

/// What a key is called, and what a row says of it.
fn cell(key: pb::UsageKey, row: &pb::UsageRow) -> (&'static str, &str) {
    match key {
        pb::UsageKey::Unspecified | pb::UsageKey::Day => ("day", &row.day),
        pb::UsageKey::Environment => ("environment", &row.environment),
        pb::UsageKey::User => ("user", &row.user),
        pb::UsageKey::Product => ("product", &row.product),
        pb::UsageKey::Model => ("model", &row.model),
        pb::UsageKey::Operation => ("operation", &row.operation),
    }
}

/// Columns of these keys, in the order of the rows.
fn columns(keys: &[pb::UsageKey]) -> Vec<&'static str> {
    let unset = pb::UsageRow::default();
    let names = keys.iter().map(|&key| cell(key, &unset).0);
    names.chain(["credits"]).collect()
}

fn table(keys: &[pb::UsageKey], rows: &[pb::UsageRow], total: i64, output: Output) -> Rows {
    let fields = |row: &pb::UsageRow| {
        let cells = keys.iter().map(|&key| cell(key, row));
        let cells = cells.map(|(name, text)| (name.to_owned(), json!(text)));
        let credits = ("credits".to_owned(), json!(row.credits));
        cells.chain([credits]).collect::<Map<String, Value>>()
    };
    let mut shown_rows: Vec<Map<String, Value>> = rows.iter().map(fields).collect();
    // A line of a sum would be one more row to a program.
    if output == Output::Table && !keys.is_empty() {
        let mut sum = Map::from_iter([("credits".to_owned(), json!(total))]);
        if let Some(&first) = keys.first() {
            let name = cell(first, &pb::UsageRow::default()).0;
            sum.insert(name.to_owned(), json!("total"));
        }
        shown_rows.push(sum);
    }
    Rows {
        name: "rows",
        columns: columns(keys),
        rows: shown_rows,
        beside: client::fields([("total", json!(total))]),
        ..Rows::default()
    }
}

/// How people read credits.
fn credits(credits: i64) -> String {
    shown(&json!(credits))
}
