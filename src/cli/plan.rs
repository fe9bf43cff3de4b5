//! `quotad plan`.

use serde_json::json;

use crate::rpc::pb;

use super::client;
use super::management::{self, Management};
use super::output::{Answer, print};
use super::{Exit, Output};

/// Prints the plan that a running sidecar has in force, as a plan file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad plan > plan.yaml
  quotad plan -o json

Exit codes: 0 printed, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Management,
}

/// Runs the command.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    management::run(&args.place, output, async |mut admin| {
        let request = pb::GetPlanRequest {};
        let answer = admin.get_plan(request).await?.into_inner();
        Ok(match output {
            Output::Json => Answer::Fields(client::fields([
                ("plan", json!(answer.plan)),
                ("etag", json!(answer.etag)),
            ])),
            Output::Table | Output::Csv => {
                print(&answer.plan.trim_end());
                Answer::Printed
            }
        })
    })
}
