//! `quotad serve`.

use std::path::PathBuf;

use crate::app::{self, AppError, Ready};
use crate::config::settings::{Overrides, Settings, SettingsFile};

use super::{Exit, complain, logs, print};

/// Runs the sidecar: the default when no command is given.
///
/// Without a plan it serves the one that applied last, or a built-in example. A flag beats its environment variable, which
/// beats the file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad serve
  quotad serve --plan plan.yaml
  quotad serve --config quotad.yaml --listen 127.0.0.1:9000
  quotad serve --plan plan.yaml --listen none --socket /run/quotad/quotad.sock

SIGTERM and SIGINT drain and take a last snapshot, SIGHUP reads the plan again.
Exit codes: 0 ended as told, 1 could not start, 2 wrong usage, 4 the books could not be kept: the disk failed.")]
pub(super) struct Args {
    /// How the sidecar runs: `quotad.yaml`.
    #[arg(long, env = "QUOTAD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What was bought and how it is shared out: `plan.yaml`. A change of the file applies at once.
    #[arg(long, env = "QUOTAD_PLAN", value_name = "FILE")]
    plan: Option<String>,
    /// Where the data plane listens, `none` for nowhere [default: 127.0.0.1:7450].
    #[arg(long, env = "QUOTAD_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    /// A Unix socket for the data plane.
    #[arg(long, env = "QUOTAD_SOCKET", value_name = "PATH")]
    socket: Option<String>,
    /// Who may open the socket, in octal [default: 0660].
    #[arg(long, env = "QUOTAD_SOCKET_MODE", value_name = "MODE")]
    socket_mode: Option<String>,
    /// Where probes are answered, `none` for nowhere [default: 127.0.0.1:7452].
    #[arg(long, env = "QUOTAD_PROBES_LISTEN", value_name = "ADDRESS")]
    probes_listen: Option<String>,
    /// Where administrators are answered, `none` for nowhere [default: 127.0.0.1:7451].
    #[arg(long, env = "QUOTAD_MANAGEMENT_LISTEN", value_name = "ADDRESS")]
    management_listen: Option<String>,
    /// Who administrators are: a file of tokens with names and roles. Without it whoever reaches the address may read.
    #[arg(long, env = "QUOTAD_MANAGEMENT_TOKENS_FILE", value_name = "FILE")]
    management_tokens_file: Option<String>,
    /// Whoever reaches the address may change everything; on a loopback address without tokens only.
    #[arg(
        long,
        env = "QUOTAD_MANAGEMENT_OPEN",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        require_equals = true
    )]
    management_open: Option<String>,
    /// Where the books are kept; no other quotad may use it [default: ./quotad-data].
    #[arg(long, env = "QUOTAD_DATA_DIR", value_name = "DIR")]
    data_dir: Option<String>,
    /// What an acknowledged commit survives: `memory` (nothing but snapshots), `process` (kill -9) or `power` (the power
    /// failing too) [default: process].
    #[arg(long, env = "QUOTAD_DURABILITY", value_name = "MODE")]
    durability: Option<String>,
    /// How often a snapshot is taken while something happens [default: 60s].
    #[arg(long, env = "QUOTAD_SNAPSHOT_INTERVAL", value_name = "TIME")]
    snapshot_interval: Option<String>,
    /// What a loss of power may cost at most in the mode `process` [default: 100ms].
    #[arg(long, env = "QUOTAD_FSYNC_INTERVAL", value_name = "TIME")]
    fsync_interval: Option<String>,
    /// What the journal may take on the disk, in KiB, MiB or GiB [default: 256MiB].
    #[arg(long, env = "QUOTAD_JOURNAL_BYTES_MAX", value_name = "SIZE")]
    journal_bytes_max: Option<String>,
    /// How long closed days of usage rows are kept [default: 395d].
    #[arg(long, env = "QUOTAD_RETENTION", value_name = "TIME")]
    retention: Option<String>,
    /// For one start: drops what a damaged journal holds from this position on, which the refusal to start has named.
    #[arg(long, value_name = "POSITION")]
    drop_from: Option<String>,
    /// How long requests under way may take after SIGTERM [default: 5s].
    #[arg(long, env = "QUOTAD_DRAIN_TIMEOUT", value_name = "TIME")]
    drain_timeout: Option<String>,
    /// Cells (a user in an environment) that are kept [default: 1000000].
    #[arg(long, env = "QUOTAD_BOUNDS_CELLS", value_name = "N")]
    bounds_cells: Option<String>,
    /// Open holds that are kept [default: 1000000].
    #[arg(long, env = "QUOTAD_BOUNDS_HOLDS", value_name = "N")]
    bounds_holds: Option<String>,
    /// Settled ids that are remembered [default: 1000000].
    #[arg(long, env = "QUOTAD_BOUNDS_SETTLED", value_name = "N")]
    bounds_settled: Option<String>,
    /// Usage rows of days that stand in no file yet [default: 1000000].
    #[arg(long, env = "QUOTAD_BOUNDS_USAGE_ROWS", value_name = "N")]
    bounds_usage_rows: Option<String>,
    /// Names of work (product, model and operation together) that are kept [default: 100000].
    #[arg(long, env = "QUOTAD_BOUNDS_LABELS", value_name = "N")]
    bounds_labels: Option<String>,
    /// Data-plane threads [default: one for each core].
    #[arg(long, env = "QUOTAD_THREADS", value_name = "N")]
    threads: Option<String>,
    /// Organizations, pools and environments on the page of metrics, at most 10000 [default: 1000].
    #[arg(long, env = "QUOTAD_METRICS_ACCOUNTS", value_name = "N")]
    metrics_accounts: Option<String>,
    /// Users on the page of metrics, at most 10000 [default: 0].
    #[arg(long, env = "QUOTAD_METRICS_USERS", value_name = "N")]
    metrics_users: Option<String>,
}

/// Runs the command.
pub(super) fn run(args: Args, log: &str) -> Exit {
    if let Err(problem) = logs::start(log) {
        complain(&problem);
        return Exit::Usage;
    }
    match serve(args) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(&error);
            match error {
                AppError::Storage(_) | AppError::Engine(_) => Exit::Unavailable,
                _ => Exit::Failed,
            }
        }
    }
}

fn serve(args: Args) -> Result<(), AppError> {
    let file = args.config.as_deref().map(SettingsFile::load).transpose()?;
    let overrides = Overrides {
        listen: args.listen,
        socket: args.socket,
        socket_mode: args.socket_mode,
        probes_listen: args.probes_listen,
        management_listen: args.management_listen,
        management_tokens_file: args.management_tokens_file,
        management_open: args.management_open,
        plan: args.plan,
        data_dir: args.data_dir,
        durability: args.durability,
        snapshot_interval: args.snapshot_interval,
        fsync_interval: args.fsync_interval,
        journal_bytes_max: args.journal_bytes_max,
        retention: args.retention,
        drop_from: args.drop_from,
        drain_timeout: args.drain_timeout,
        bounds_cells: args.bounds_cells,
        bounds_holds: args.bounds_holds,
        bounds_settled: args.bounds_settled,
        bounds_usage_rows: args.bounds_usage_rows,
        bounds_labels: args.bounds_labels,
        threads: args.threads,
        metrics_accounts: args.metrics_accounts,
        metrics_users: args.metrics_users,
    };
    app::run(&Settings::resolve(file, overrides)?, welcome)
}

/// Says where the sidecar answers; to a newcomer also what to type next.
fn welcome(ready: &Ready<'_>) {
    let plan = ready
        .settings
        .plan
        .as_ref()
        .map(|path| path.display().to_string());
    let socket = ready
        .settings
        .socket
        .as_ref()
        .map(|it| format!("unix:{}", it.path.display()));
    let server = ready
        .address
        .map(|address| format!("http://{address}"))
        .or(socket)
        .unwrap_or_default();
    tracing::info!(
        server,
        probes = ready.probes.map(tracing::field::display),
        management = ready.management.map(tracing::field::display),
        plan = plan.as_deref().unwrap_or(if ready.is_example {
            app::EXAMPLE_NAME
        } else {
            "the one that applied last"
        }),
        data_dir = %ready.settings.data_dir.display(),
        "ready"
    );
    if !ready.is_example {
        return;
    }
    let quotad = std::env::args()
        .next()
        .unwrap_or_else(|| "quotad".to_owned());
    let option = if server == "http://127.0.0.1:7450" {
        String::new()
    } else {
        format!(" --server {server}")
    };
    print(&format!(
        "
quotad serves a built-in example plan at {server}. Type in another terminal:

  {quotad} charge --user ana --credits 400{option}    # the third time it is refused, and says why
  {quotad} balance --user ana{option}

A plan of your own: {quotad} --plan plan.yaml; everything else: {quotad} --help. Ctrl-C ends it.
"
    ));
}
