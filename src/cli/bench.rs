//! `quotad bench`.

mod exchange;
mod load;
mod pace;
mod report;
mod work;

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use crate::rpc::pb;
use crate::rpc::pb::quota_service_client::QuotaServiceClient;

use super::client::{self, ClientError, Server};
use super::request::span;
use super::{Exit, Output, complain, print_fields};
use work::Measured;

/// The most connections: each is a thread.
const CONNECTIONS_MAX: i64 = 256;

/// The most calls in flight on a connection, as many as the sidecar takes.
const IN_FLIGHT_MAX: i64 = 4_096;

/// The most operations of one message.
const BATCH_MAX: i64 = 1_000;

/// Loads a running sidecar, and says what it gives: operations per second and latencies.
///
/// By default it asks only (`check`): nothing is held and nothing is spent. With --rate, calls begin when their time comes,
/// whether or not earlier ones are answered, and latencies count from then; without it, each call follows upon an answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad bench                                          how fast questions are answered; changes nothing
  quotad bench --operation reserve-release --organization acme --duration 30s
  quotad bench --operation reserve-commit --organization acme --credits 1 --yes      spends credits
  quotad bench --rate 20000 --in-flight 256             latencies at a steady 20,000 calls a second
  quotad bench --over batch --batch-size 100 --connections 4 -o json

Ctrl-C ends it early, and prints what was measured until then. Denials are answers, and counted apart.

Exit codes: 0 measured; 1 the answer was no; 2 wrong usage, also without --yes where credits would be spent and nobody can be
asked; 4 the sidecar cannot be reached, or calls failed; 5 refused, such as an unknown organization.")]
pub(super) struct Args {
    /// What is done again and again.
    #[arg(long, value_enum, default_value_t = Operation::Check)]
    operation: Operation,
    /// How it travels.
    #[arg(long, value_enum, default_value_t = Over::Unary)]
    over: Over,
    /// Connections, each with a thread of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=CONNECTIONS_MAX))]
    connections: u16,
    /// Calls in flight on each connection, at most.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=IN_FLIGHT_MAX))]
    in_flight: u16,
    /// Calls a second, over all connections [default: as many as are answered].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long is measured.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "10s")]
    duration: Duration,
    /// How long calls go on before that.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "1s")]
    warm_up: Duration,
    /// Users that take turns: bench-0000, bench-0001 and so on.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// The tenant; the plan's `default` unless given. Must be given where credits are held or spent.
    #[arg(
        long,
        env = "QUOTAD_ORGANIZATION",
        default_value = "",
        hide_default_value = true
    )]
    organization: String,
    /// Where the work runs; `default` unless given.
    #[arg(
        long,
        env = "QUOTAD_ENVIRONMENT",
        default_value = "",
        hide_default_value = true
    )]
    environment: String,
    /// Credits of each operation.
    #[arg(long, value_name = "N", default_value_t = 1)]
    credits: u64,
    /// Operations of a message of --over batch or stream [default: 100 in a batch, 1 in a stream].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=BATCH_MAX))]
    batch_size: Option<u16>,
    /// Spend credits without asking.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    server: Server,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Operation {
    /// Ask what a Reserve would answer. Changes nothing.
    Check,
    /// Hold credits for a moment, and give them back. Spends nothing; others may be denied meanwhile.
    ReserveRelease,
    /// Hold credits, and book them. Spends credits.
    ReserveCommit,
    /// Book credits. Spends them.
    Charge,
}

impl Operation {
    /// Whether each operation is followed by one that settles it.
    fn is_settled(self) -> bool {
        matches!(self, Self::ReserveRelease | Self::ReserveCommit)
    }

    fn spends(self) -> bool {
        matches!(self, Self::ReserveCommit | Self::Charge)
    }
}

/// How it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Over {
    /// A call for each operation.
    Unary,
    /// Many operations in a call of `Batch`.
    Batch,
    /// Messages on one call of `Stream` per connection.
    Stream,
}

impl Args {
    /// Operations of a message.
    fn operations(&self) -> u16 {
        match (self.over, self.batch_size) {
            (Over::Unary, _) => 1,
            (Over::Batch, size) => size.unwrap_or(100),
            (Over::Stream, size) => size.unwrap_or(1),
        }
    }

    /// A request that costs nothing, to see whether the sidecar knows who is meant.
    fn question(&self) -> pb::CheckRequest {
        pb::CheckRequest {
            subject: Some(work::subject(self, 0)),
            cost: Some(work::cost(self)),
            ..Default::default()
        }
    }
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let args = Arc::new(args);
    match measured(&args) {
        Ok(measured) => {
            print_fields(output, &report::fields(&args, &measured, output));
            match measured.failed.iter().max_by_key(|(_, count)| **count) {
                Some((why, _)) => {
                    complain(&format!("calls failed, such as: {why}"));
                    Exit::Unavailable
                }
                None => Exit::Ok,
            }
        }
        Err(error) => client::failed(&error, output),
    }
}

fn measured(args: &Arc<Args>) -> Result<Measured, ClientError> {
    may(args)?;
    // Whoever cannot ask need not go on.
    client::block_on(async {
        let channel = client::channel(args.server.address(), "--server").await?;
        let mut client = QuotaServiceClient::new(channel);
        Ok(client.check(args.question()).await?)
    })?;
    load::run(args)
}

/// Whether what it does to the books is meant.
fn may(args: &Args) -> Result<(), ClientError> {
    if args.batch_size.is_some() && args.over == Over::Unary {
        let text = "--batch-size is for --over batch and --over stream";
        return Err(ClientError::Usage(text.to_owned()));
    }
    if args.operation == Operation::Check {
        return Ok(());
    }
    if args.organization.is_empty() {
        let text = "this holds or spends credits: say whose, with --organization; `--operation check` changes nothing";
        return Err(ClientError::Usage(text.to_owned()));
    }
    if !args.operation.spends() || args.yes {
        return Ok(());
    }
    let time = args.warm_up + args.duration;
    let organization = super::output::clean(&args.organization);
    let text = format!(
        "this spends credits of organization {organization}, {} with each operation, as fast as the sidecar books them, for \
         {time:?}",
        args.credits
    );
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(ClientError::Usage(format!(
            "{text}; nobody can be asked here: say --yes if that is meant"
        )));
    }
    let mut line = String::new();
    drop(write!(stderr().lock(), "{text}. Go on? [y/N] "));
    stdin().lock().read_line(&mut line)?;
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(ClientError::Stopped("nothing was done".to_owned())),
    }
}
