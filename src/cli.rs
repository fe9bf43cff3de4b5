//! The command line: one file per command. The only place that talks to a terminal.

mod balance;
mod charge;
mod check;
mod client;
mod commit;
mod estimate;
mod healthcheck;
mod logs;
mod release;
mod request;
mod reserve;
mod serve;
mod snapshot;
pub mod test;
mod wait;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use comfy_table::{Table, presets};

/// A sidecar that enforces credit quotas: it answers, before work begins, whether a user may spend these credits now.
#[derive(Debug, Parser)]
#[command(
    name = "quotad",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  quotad                                    serve the built-in example plan on 127.0.0.1:7450
  quotad --plan plan.yaml                   serve a plan of your own; it is read again when the file changes
  quotad charge --user ana --credits 400    spend credits of a running sidecar, until it refuses
  quotad test plan.scenarios.yaml           test a plan before it is rolled out

Exit codes:
  0  done
  1  a file is invalid, a scenario failed, or the sidecar could not start
  2  wrong usage of the command line
  3  denied: the rules refuse the credits
  4  unavailable: the sidecar cannot be reached, is not ready, or failed; of `serve`: the books could not be kept,
     because the disk failed
  5  refused: bad input, an unknown reservation, or one that was settled otherwise"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: serve::Args,

    /// How answers are printed.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,

    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or per part, such as `info,quotad::rpc=debug`.
    #[arg(
        long,
        global = true,
        env = "QUOTAD_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    log: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Check(check::Args),
    Test(test::Args),
    Reserve(reserve::Args),
    Commit(commit::Args),
    Release(release::Args),
    Charge(charge::Args),
    Balance(balance::Args),
    Estimate(estimate::Args),
    Healthcheck(healthcheck::Args),
    Wait(wait::Args),
    Snapshot(snapshot::Args),
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// How a command ended. The numbers are documented in `quotad --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    Denied = 3,
    Unavailable = 4,
    Refused = 5,
}

/// Parses the command line, does what it says, and answers the process's exit code.
pub fn main() -> ExitCode {
    let Cli {
        command,
        serve,
        output,
        log,
    } = Cli::parse();
    let exit = match command.unwrap_or_else(|| Command::Serve(Box::new(serve))) {
        Command::Serve(args) => serve::run(*args, &log),
        Command::Check(args) => check::run(&args, output),
        Command::Test(args) => test::run(&args, output),
        Command::Reserve(args) => reserve::run(args, output),
        Command::Commit(args) => commit::run(args, output),
        Command::Release(args) => release::run(args, output),
        Command::Charge(args) => charge::run(args, output),
        Command::Balance(args) => balance::run(args, output),
        Command::Estimate(args) => estimate::run(&args, output),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Wait(args) => wait::run(&args),
        Command::Snapshot(args) => snapshot::run(args, output),
    };
    ExitCode::from(exit as u8)
}

/// Prints for the caller. A reader that went away, such as `head`, is no reason to fail.
fn print(text: &impl Display) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Prints what went wrong.
fn complain(text: &impl Display) {
    drop(writeln!(std::io::stderr().lock(), "quotad: {text}"));
}

/// Prints rows of a name and a value, or one object.
fn print_fields(output: Output, fields: &serde_json::Map<String, serde_json::Value>) {
    match output {
        Output::Table if fields.is_empty() => {}
        Output::Json => print(&format!("{:#}", serde_json::Value::Object(fields.clone()))),
        Output::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING);
            for (key, value) in fields {
                table.add_row([key.replace('_', " "), shown(value)]);
            }
            print(&table.trim_fmt());
        }
    }
}

/// An empty table for people.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// A value as people read it: thousands apart, nothing for nothing.
fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Bool(true) => "yes".to_owned(),
        serde_json::Value::Bool(false) => "no".to_owned(),
        other => other
            .as_u64()
            .map_or_else(|| other.to_string(), crate::domain::credits::grouped),
    }
}
