//! `quotad apply`.

mod difference;

use std::io::{BufRead, IsTerminal, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::config::plan_file;
use crate::domain::plan::file_text;
use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Change, Management};
use super::output::{Answer, print};
use super::{Exit, Output, values};

/// Puts a whole plan in force on a running sidecar, as one change, after showing what it changes.
///
/// What was shown is what is applied: if somebody changes the plan meanwhile, nothing happens. The file is checked here
/// first; `${VAR}` in it stands for this command's environment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad apply plan.yaml
  quotad apply plan.yaml --dry-run
  quotad plan | sed 's/1000/2000/' | quotad apply - --yes --why 'twice as much'

Exit codes: 0 applied, or nothing to change; 1 the file is invalid, or the answer was no; 2 wrong usage, also without --yes
where nobody can be asked; 4 unavailable; 5 refused.")]
pub(super) struct Args {
    /// The plan file; `-` reads the standard input.
    file: PathBuf,
    /// Only show what would change.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Apply without asking.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    place: Management,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        file,
        dry_run,
        yes,
        change,
        place,
    } = args;
    management::run(&place, output, async |admin| {
        let plan = read(&file)?;
        apply(admin, plan, change, Consent { dry_run, yes }, output).await
    })
}

/// What may be done without asking.
#[derive(Clone, Copy)]
struct Consent {
    dry_run: bool,
    yes: bool,
}

/// The text of a plan that is valid by itself.
fn read(file: &Path) -> Result<String, ClientError> {
    let (text, name) = if file == Path::new("-") {
        (values::text_of(file)?, "<stdin>".to_owned())
    } else {
        let invalid = |error: crate::config::ConfigError| ClientError::Stopped(error.to_string());
        (
            plan_file::read_text(file).map_err(invalid)?,
            file.display().to_string(),
        )
    };
    let plan =
        plan_file::parse(&text, &name).map_err(|error| ClientError::Stopped(error.to_string()))?;
    // A sidecar replaces no variables: those of whoever applies the plan are meant, and they are replaced here.
    Ok(if text.contains('$') {
        file_text(&plan)
    } else {
        text
    })
}

async fn apply(
    mut admin: Admin,
    plan: String,
    change: Change,
    consent: Consent,
    output: Output,
) -> Result<Answer, ClientError> {
    let mut request = pb::ApplyPlanRequest {
        plan,
        validate_only: true,
        etag: change.etag,
        why: change.why.why,
    };
    let looked = admin.apply_plan(request.clone()).await?.into_inner();
    if looked.differences.is_empty() {
        return Ok(answer(output, false, &looked, "Nothing changes."));
    }
    if output == Output::Table {
        let is_coloured = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        print(&difference::text(&looked.differences, is_coloured));
    }
    if consent.dry_run {
        return Ok(answer(output, false, &looked, "Nothing was changed."));
    }
    if !consent.yes {
        ask()?;
    }
    request.validate_only = false;
    request.etag.clone_from(&looked.etag);
    let done = admin.apply_plan(request).await?.into_inner();
    let done = pb::ApplyPlanResponse {
        differences: looked.differences,
        ..done
    };
    Ok(answer(output, true, &done, "Applied."))
}

/// Asks a person; where there is none, nobody has said yes.
fn ask() -> Result<(), ClientError> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(ClientError::Usage(
            "nothing was changed: nobody can be asked here; say --yes to apply it, or --dry-run to look only".to_owned(),
        ));
    }
    let mut line = String::new();
    drop(write!(stderr().lock(), "Apply? [y/N] "));
    stdin().lock().read_line(&mut line)?;
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(ClientError::Stopped("nothing was changed".to_owned())),
    }
}

/// People have seen the differences already.
fn answer(output: Output, applied: bool, it: &pb::ApplyPlanResponse, sentence: &str) -> Answer {
    if output == Output::Table {
        print(&sentence);
        return Answer::Printed;
    }
    Answer::Fields(client::fields([
        ("applied", json!(applied)),
        ("differences", difference::values(&it.differences)),
        ("etag", json!(it.etag)),
    ]))
}
