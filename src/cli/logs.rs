//! Logs: text on a terminal, JSON otherwise; always on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// The library that watches files warns of each folder that Kubernetes has swapped away. A filter that names it has it all the same.
const QUIET: &str = "notify=off";

/// Begins to log what `filter` lets through.
///
/// # Errors
/// If the filter cannot be read.
pub(super) fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .parse(format!("{QUIET},{filter}"))
        .map_err(|error| format!("--log (or QUOTAD_LOG) {filter:?}: {error}; write it like info or info,quotad::rpc=debug"))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    let started = if stderr().is_terminal() {
        logs.try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
    started.map_err(|error| format!("logs do not start: {error}"))
}
