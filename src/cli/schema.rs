//! `quotad schema`.

use clap::ValueEnum;

use crate::config::schema;

use super::{Exit, print};

/// Prints the JSON Schema of a file, for editors and for checks before a rollout.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad schema plan > plan.schema.json
  quotad schema settings > quotad.schema.json

In VS Code, and other editors with the YAML language server, the first line of a plan may then be
  # yaml-language-server: $schema=plan.schema.json

Exit codes: 0 printed, 2 wrong usage.")]
pub(super) struct Args {
    /// Of which file.
    #[arg(value_enum)]
    file: File,
}

/// A file that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum File {
    /// The plan file.
    Plan,
    /// How the sidecar runs: `quotad.yaml`.
    Settings,
    /// Who administrators are.
    Tokens,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    let schema = match args.file {
        File::Plan => schema::plan(),
        File::Settings => schema::settings(),
        File::Tokens => schema::tokens(),
    };
    print(&format!("{schema:#}"));
    Exit::Ok
}
