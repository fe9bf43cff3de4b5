//! `quotad test`: runs scenarios against the real engine. A quota plan is code, so it has tests.

mod action;
mod answer;
mod expect;
mod fields;
mod file;
mod kept;
mod node;
mod report;
mod run;
mod step;
mod usage;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::{Problem, plan_file};
use crate::engine::answer::EngineError;

pub use report::{Outcome, Report};

use super::{Exit, Output, print, progress};
use file::Scenario;
use node::{Fault, Node};
use run::{StartError, World};
use step::{Action, PlanSource, Step};

/// Runs scenario files against the real engine, with a clock that each scenario sets.
///
/// A line per scenario, or the step that failed: file, line, what was expected, what came. Scenarios with a step `restart`
/// keep their books in a temporary directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad test examples/plans/builder.scenarios.yaml
  quotad test -o json tests/scenarios/*.yaml

A file holds one scenario or more, apart by `---`:

  scenario: a soft extra is used up and then blocks
  organization: acme
  plan: {organizations: {acme: {grants: [{kind: contract, credits: 50}], overage: {mode: soft, extra: 10}}}}
  start: 2026-11-01T00:00:00Z
  steps:
    - charge: {user: ana, credits: 57}
      expect: {committed: 57, state: OVERAGE}
    - charge: {user: ana, credits: 4}
      expect: {denied: QUOTA_EXCEEDED, account: pool, available: 3}

Exit codes: 0 all passed, 1 something failed, 2 wrong usage.")]
pub struct Args {
    /// The scenario files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args, output: Output) -> Exit {
    let mut report = Report::default();
    let bar = progress::bar(args.files.len() as u64, "files");
    for path in &args.files {
        let outcomes = run_file(path);
        if output == Output::Table {
            bar.suspend(|| outcomes.iter().for_each(print));
        }
        report.outcomes.extend(outcomes);
        bar.inc(1);
    }
    bar.finish_and_clear();
    match output {
        Output::Table | Output::Csv => print(&report.summary()),
        Output::Json => print(&format!("{:#}", report.to_value())),
    }
    if report.failed() == 0 {
        Exit::Ok
    } else {
        Exit::Failed
    }
}

/// Runs the scenarios of these files, in order.
pub fn run_files(paths: &[PathBuf]) -> Report {
    Report {
        outcomes: paths.iter().flat_map(|path| run_file(path)).collect(),
    }
}

/// Runs the scenarios of one file. A file that cannot be read is one failure.
fn run_file(path: &Path) -> Vec<Outcome> {
    let read = std::fs::read_to_string(path)
        .map_err(|error| Fault::new(1, format!("cannot be read: {error}")));
    let documents = read.and_then(|text| node::documents(&text));
    match documents {
        Ok(documents) if documents.is_empty() => {
            vec![failed(path, Fault::new(1, "holds no scenario"))]
        }
        Ok(documents) => documents
            .iter()
            .map(|document| run_document(path, document))
            .collect(),
        Err(fault) => vec![failed(path, fault)],
    }
}

fn failed(path: &Path, fault: Fault) -> Outcome {
    Outcome {
        file: path.display().to_string(),
        line: fault.line,
        name: String::new(),
        steps: 0,
        faults: vec![fault],
    }
}

fn run_document(path: &Path, document: &Node) -> Outcome {
    let mut outcome = Outcome {
        file: path.display().to_string(),
        line: document.line,
        name: file::name_of(document).unwrap_or_default(),
        steps: 0,
        faults: Vec::new(),
    };
    let ran =
        file::scenario(document).and_then(|scenario| run_scenario(path, &scenario, &mut outcome));
    if let Err(fault) = ran {
        outcome.faults.push(fault);
    }
    outcome
}

/// Runs the steps until one fails.
fn run_scenario(path: &Path, scenario: &Scenario, outcome: &mut Outcome) -> Result<(), Fault> {
    let raw = raw_plan(path, scenario)?;
    let restarts = |step: &Step| matches!(step.action, Action::Restart { .. });
    let started = World::start(
        raw,
        scenario.organization.clone(),
        scenario.start,
        scenario.steps.iter().any(restarts),
    );
    let mut world = started.map_err(|error| plan_fault(scenario, error))?;
    for step in &scenario.steps {
        outcome.steps += 1;
        let came = world.act(&step.action);
        outcome.faults = expect::judge(step.line, step.expect.as_ref(), &came);
        for fault in &mut outcome.faults {
            fault.problem = format!("{}: {}", step.verb, fault.problem);
        }
        if !outcome.passed() {
            break;
        }
    }
    Ok(())
}

/// The plan as it stands in the scenario, or in the file that it names.
fn raw_plan(path: &Path, scenario: &Scenario) -> Result<Value, Fault> {
    match &scenario.plan {
        PlanSource::Inline(node) => Ok(node.to_value()),
        PlanSource::Path(plan) => {
            let beside = path.parent().unwrap_or(Path::new("")).join(plan);
            let at_plan =
                |problem: String| Fault::new(scenario.plan_line, format!("plan: {problem}"));
            let text = plan_file::read_text(&beside).map_err(|error| at_plan(error.to_string()))?;
            // Read once as a file, so that what is wrong with it is shown where it stands.
            plan_file::parse(&text, &beside.display().to_string())
                .map_err(|error| at_plan(error.to_string()))?;
            let documents = node::documents(&text).map_err(|fault| at_plan(fault.problem))?;
            Ok(documents.first().map_or(Value::Null, Node::to_value))
        }
    }
}

/// Why the plan cannot be started with, at the line of the scenario that it is about.
fn plan_fault(scenario: &Scenario, error: StartError) -> Fault {
    let PlanSource::Inline(node) = &scenario.plan else {
        return Fault::new(scenario.plan_line, format!("plan: {error}"));
    };
    match error {
        StartError::Invalid(error) => {
            let lines = node.lines();
            let line_of = |problem: &Problem| {
                let line = problem
                    .position
                    .and_then(|at| lines.get(at.line.checked_sub(1)?).copied());
                line.unwrap_or(scenario.plan_line)
            };
            let messages: Vec<&str> = error
                .problems()
                .iter()
                .map(|problem| problem.message.as_str())
                .collect();
            let line = error.problems().first().map_or(scenario.plan_line, line_of);
            Fault::new(line, format!("plan: {}", messages.join("; ")))
        }
        StartError::Refused(EngineError::Refused(refused)) => {
            Fault::new(node.line_of(&refused.segments), format!("plan: {refused}"))
        }
        StartError::Refused(error) => Fault::new(scenario.plan_line, format!("plan: {error}")),
        StartError::Keep(error) => Fault::new(scenario.plan_line, error.to_string()),
    }
}
