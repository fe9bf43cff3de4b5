//! `quotad estimate`.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::app::{self, AppError};
use crate::domain::names::{DEFAULT, Name};
use crate::domain::rates::Estimate;
use crate::engine::Bounds;
use crate::world::clock::SystemClock;

use crate::rpc::pb;

use super::management::{self, CredentialArgs, Management};
use super::output::Answer;
use super::{Exit, Output, client, complain, print_fields};

/// Tells what planned work would cost, whether a plan covers it, and how many add-ons would.
///
/// Asks a running sidecar with --management; else reads a plan file, or the built-in example. A plan file comes first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad estimate --plan examples/plans/ai-builder.yaml --organization contoso --quantity receipt-processing=32000
  quotad estimate --quantity chat-tokens=2000000 --quantity receipt-processing=100
  quotad estimate --management http://127.0.0.1:7451 --quantity chat-tokens=2000000

Exit codes: 0 answered, 1 the plan is invalid, 2 wrong usage, 4 unavailable, 5 refused: an unknown operation or organization.")]
pub(super) struct Args {
    /// The plan file; the built-in example unless given.
    #[arg(long, env = "QUOTAD_PLAN", value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Whose entitlement is held against it.
    #[arg(long, env = "QUOTAD_ORGANIZATION", default_value = DEFAULT)]
    organization: String,
    /// So much of an operation of the rate card in one cycle; may be given several times.
    #[arg(long = "quantity", value_name = "OPERATION=N", required = true, value_parser = quantity)]
    quantities: Vec<(String, u64)>,
    /// Asks the sidecar whose management listener this is: `http://HOST:PORT`.
    #[arg(long, env = "QUOTAD_MANAGEMENT", value_name = "URL")]
    management: Option<String>,
    #[command(flatten)]
    credential: CredentialArgs,
}

fn quantity(text: &str) -> Result<(String, u64), String> {
    let wrong = || format!("{text:?} is no quantity; write it like receipt-processing=32000");
    let (operation, number) = text.rsplit_once('=').ok_or_else(wrong)?;
    Ok((operation.to_owned(), number.parse().map_err(|_| wrong())?))
}

/// Runs the command.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    if let (None, Some(management)) = (&args.plan, &args.management) {
        let place = Management {
            management: management.clone(),
            credential: args.credential.clone(),
        };
        return asked(args, &place, output);
    }
    let estimate = match estimate(args) {
        Ok(estimate) => estimate,
        Err(error) => {
            complain(&error);
            return if matches!(error, AppError::Engine(_)) {
                Exit::Refused
            } else {
                Exit::Failed
            };
        }
    };
    print_fields(
        output,
        &client::fields([
            ("credits", json!(estimate.credits)),
            ("covered", json!(estimate.covered)),
            ("spare", json!(estimate.spare)),
            ("missing", json!(estimate.missing)),
            ("add_ons", json!(estimate.add_ons)),
            ("tier", json!(estimate.tier)),
        ]),
    );
    Exit::Ok
}

/// Asks a running sidecar.
fn asked(args: &Args, place: &Management, output: Output) -> Exit {
    management::run(place, output, async |mut admin| {
        let quantity = |(operation, quantity): &(String, u64)| pb::Usage {
            operation: operation.clone(),
            quantity: *quantity,
        };
        let request = pb::EstimateRequest {
            organization: args.organization.clone(),
            quantities: args.quantities.iter().map(quantity).collect(),
        };
        let estimate = admin.estimate(request).await?.into_inner();
        let tier = (!estimate.tier.is_empty()).then_some(estimate.tier);
        Ok(Answer::Fields(client::fields([
            ("credits", json!(estimate.credits)),
            ("covered", json!(estimate.covered)),
            ("spare", json!(estimate.spare)),
            ("missing", json!(estimate.missing)),
            ("add_ons", json!(estimate.add_ons)),
            ("tier", json!(tier)),
        ])))
    })
}

fn estimate(args: &Args) -> Result<Estimate, AppError> {
    let engine = app::new_engine(Bounds::default(), Arc::new(SystemClock::new()))?;
    let (text, name) = app::plan_text(args.plan.as_deref())?;
    app::apply_text(&engine, &text, &name)?;
    let organization = Name::parse(&args.organization).map_err(|error| {
        AppError::Engine(crate::engine::answer::EngineError::Invalid {
            field: "organization",
            problem: error.to_string(),
        })
    })?;
    let quantities: Vec<(&str, u64)> = args
        .quantities
        .iter()
        .map(|(name, number)| (name.as_str(), *number))
        .collect();
    engine
        .estimate(organization, &quantities)
        .map_err(AppError::Engine)
}
