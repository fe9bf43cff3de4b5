//! The command line: one file per command. The only place that talks to a terminal.

mod adjust;
mod allocations;
mod apply;
mod audit;
mod balance;
mod balances;
mod bench;
mod charge;
mod check;
mod client;
mod commit;
mod completions;
mod estimate;
mod extension;
mod grants;
mod groups;
mod healthcheck;
mod limits;
mod logs;
mod management;
mod notifications;
mod organizations;
mod output;
mod plan;
mod progress;
mod rates;
mod release;
mod request;
mod reservations;
mod reserve;
mod schema;
mod serve;
mod snapshot;
pub mod test;
mod trial;
mod usage;
mod users;
mod values;
mod wait;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use output::{Output, complain, print, print_fields, shown, table};

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
    Schema(schema::Args),
    Wait(wait::Args),
    Healthcheck(healthcheck::Args),
    Snapshot(snapshot::Args),
    Completions(completions::Args),
    Reserve(reserve::Args),
    Commit(commit::Args),
    Release(release::Args),
    Charge(charge::Args),
    Balance(balance::Args),
    Estimate(estimate::Args),
    Bench(bench::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Organizations(organizations::Args),
    Grants(grants::Args),
    Allocations(allocations::Args),
    Limits(limits::Args),
    Rates(rates::Args),
    Users(users::Args),
    Extension(extension::Args),
    Trial(trial::Args),
    Adjust(adjust::Args),
    Reservations(reservations::Args),
    Balances(balances::Args),
    Usage(usage::Args),
    Notifications(notifications::Args),
    Audit(audit::Args),
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
    let matches = command().get_matches();
    let Cli {
        command,
        serve,
        output,
        log,
    } = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let command = command.unwrap_or_else(|| Command::Serve(Box::new(serve)));
    let exit = if output == Output::Csv && !command.has_csv() {
        complain(&"this command has no CSV; choose -o table or -o json");
        Exit::Usage
    } else {
        command.run(output, &log)
    };
    ExitCode::from(exit as u8)
}

/// The command line, with the commands of `quotad --help` in groups.
fn command() -> clap::Command {
    groups::grouped(Cli::command())
}

impl Command {
    fn run(self, output: Output, log: &str) -> Exit {
        match self {
            Self::Serve(args) => serve::run(*args, log),
            Self::Check(args) => check::run(&args, output),
            Self::Test(args) => test::run(&args, output),
            Self::Schema(args) => schema::run(&args),
            Self::Wait(args) => wait::run(&args),
            Self::Healthcheck(args) => healthcheck::run(&args),
            Self::Snapshot(args) => snapshot::run(args, output),
            Self::Completions(args) => completions::run(&args),
            Self::Reserve(args) => reserve::run(args, output),
            Self::Commit(args) => commit::run(args, output),
            Self::Release(args) => release::run(args, output),
            Self::Charge(args) => charge::run(args, output),
            Self::Balance(args) => balance::run(args, output),
            Self::Estimate(args) => estimate::run(&args, output),
            Self::Bench(args) => bench::run(args, output),
            Self::Plan(args) => plan::run(&args, output),
            Self::Apply(args) => apply::run(args, output),
            Self::Organizations(args) => organizations::run(args, output),
            Self::Grants(args) => grants::run(args, output),
            Self::Allocations(args) => allocations::run(args, output),
            Self::Limits(args) => limits::run(args, output),
            Self::Rates(args) => rates::run(args, output),
            Self::Users(args) => users::run(args, output),
            Self::Extension(args) => extension::run(args, output),
            Self::Trial(args) => trial::run(args, output),
            Self::Adjust(args) => adjust::run(args, output),
            Self::Reservations(args) => reservations::run(args, output),
            Self::Balances(args) => balances::run(args, output),
            Self::Usage(args) => usage::run(args, output),
            Self::Notifications(args) => notifications::run(args, output),
            Self::Audit(args) => audit::run(&args, output),
        }
    }

    /// Whether what it answers can be rows of a spreadsheet.
    fn has_csv(&self) -> bool {
        match self {
            Self::Grants(_)
            | Self::Organizations(_)
            | Self::Allocations(_)
            | Self::Limits(_)
            | Self::Rates(_)
            | Self::Users(_)
            | Self::Reservations(_)
            | Self::Balances(_)
            | Self::Usage(_)
            | Self::Audit(_)
            | Self::Estimate(_) => true,
            Self::Notifications(args) => !args.is_endless(),
            _ => false,
        }
    }
}
