//! `quotad wait`.

use std::time::Duration;

use tonic_health::pb::health_check_response::ServingStatus;

use super::client::{self, ClientError};
use super::healthcheck::{Probes, ask};
use super::request::span;
use super::{Exit, complain};

/// How often a sidecar that is not ready yet is asked again.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until a sidecar is ready.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad wait && python3 app.py
  quotad wait --timeout 5s

Exit codes: 0 ready, 2 wrong usage, 4 not ready within the time.")]
pub(super) struct Args {
    #[command(flatten)]
    probes: Probes,
    /// How long to wait.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "30s")]
    timeout: Duration,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    let waited = client::block_on(async {
        Ok(tokio::time::timeout(args.timeout, ready(&args.probes)).await)
    });
    match waited {
        Ok(Ok(Ok(()))) => Exit::Ok,
        Ok(Ok(Err(error))) => {
            complain(&error);
            Exit::Usage
        }
        Ok(Err(_)) => {
            complain(&format!("not ready within {:?}", args.timeout));
            Exit::Unavailable
        }
        Err(error) => {
            complain(&error);
            Exit::Unavailable
        }
    }
}

/// Asks until the answer is yes; fails only if asking again cannot help.
async fn ready(probes: &Probes) -> Result<(), ClientError> {
    loop {
        match ask(probes).await {
            Ok(ServingStatus::Serving) => return Ok(()),
            Err(error @ ClientError::Address(_)) => return Err(error),
            Ok(_) | Err(_) => tokio::time::sleep(ASK_INTERVAL).await,
        }
    }
}
