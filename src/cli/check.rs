//! `quotad check`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{self, AppError};
use crate::config::settings::{Overrides, Settings, SettingsFile};
use crate::domain::names::Name;
use crate::engine::Bounds;
use crate::engine::answer::Balance;
use crate::engine::order::Of;
use crate::world::clock::SystemClock;

use super::{Exit, Output, complain, print, shown, table};

/// Checks plan files and the sidecar's own configuration, and shows what a plan gives.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad check plan.yaml
  quotad check --config quotad.yaml
  quotad check -o json plan.yaml other.yaml

Exit codes: 0 all valid, 1 something is invalid, 2 wrong usage.")]
pub(super) struct Args {
    /// Plan files.
    #[arg(value_name = "PLAN", required_unless_present = "config")]
    plans: Vec<PathBuf>,
    /// The sidecar's configuration; the plan that it names is checked as well.
    #[arg(long, env = "QUOTAD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    let mut plans = args.plans.clone();
    let mut exit = Exit::Ok;
    if let Some(config) = &args.config {
        let settings = SettingsFile::load(config)
            .and_then(|file| Settings::resolve(Some(file), Overrides::default()));
        match settings {
            Ok(settings) => {
                if output == Output::Table {
                    print(&format!("{}: valid", config.display()));
                }
                plans.extend(settings.plan);
            }
            Err(error) => {
                complain(&error);
                exit = Exit::Failed;
            }
        }
    }
    let mut valid = Vec::new();
    for plan in &plans {
        match organizations(plan) {
            Ok(balances) => show(plan, balances, output, &mut valid),
            Err(error) => {
                complain(&error);
                exit = Exit::Failed;
            }
        }
    }
    if output == Output::Json {
        print(&format!(
            "{:#}",
            json!({"valid": exit == Exit::Ok, "plans": valid})
        ));
    }
    exit
}

/// What a plan gives each organization now, with books in which nothing has happened.
fn organizations(path: &Path) -> Result<Vec<(String, Balance)>, AppError> {
    let engine = app::new_engine(Bounds::default(), Arc::new(SystemClock::new()))?;
    let (text, name) = app::plan_text(Some(path))?;
    app::apply_text(&engine, &text, &name)?;
    let mut balances = Vec::new();
    for organization in engine.plan().organizations.keys() {
        // A plan holds valid names only.
        let Ok(parsed) = Name::parse(organization) else {
            continue;
        };
        let balance = engine
            .balance(parsed, Of::Organization)
            .map_err(AppError::Engine)?;
        balances.push((organization.to_string(), balance));
    }
    Ok(balances)
}

fn show(path: &Path, balances: Vec<(String, Balance)>, output: Output, valid: &mut Vec<Value>) {
    if output == Output::Json {
        let organizations: Vec<Value> = balances
            .iter()
            .map(|(name, balance)| {
                json!({
                    "organization": name,
                    "entitlement": balance.entitlement,
                    "allocated": balance.allocated,
                    "set_aside": balance.set_aside,
                    "pool": balance.pool,
                })
            })
            .collect();
        valid.push(json!({"plan": path.display().to_string(), "organizations": organizations}));
        return;
    }
    print(&format!("{}: valid", path.display()));
    let mut table = table(&[
        "organization",
        "entitlement",
        "allocated",
        "set aside",
        "pool",
    ]);
    for (name, balance) in balances {
        let figures = [
            balance.entitlement,
            balance.allocated,
            balance.set_aside,
            balance.pool,
        ];
        table.add_row(
            [name]
                .into_iter()
                .chain(figures.map(|figure| shown(&json!(figure)))),
        );
    }
    print(&table);
}
