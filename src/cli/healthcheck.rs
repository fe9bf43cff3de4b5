//! `quotad healthcheck`.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::client::{self, ClientError};
use super::{Exit, complain, print};

/// Where a running sidecar answers probes.
#[derive(Debug, clap::Args)]
pub(super) struct Probes {
    /// The probes listener: `http://HOST:PORT`; the data plane answers too, `unix:PATH` for its socket.
    #[arg(
        long,
        env = "QUOTAD_PROBES",
        value_name = "ADDRESS",
        default_value = "http://127.0.0.1:7452"
    )]
    probes: String,
    /// What is asked about: `quotad.readiness`, `quotad.liveness` or.
    #[arg(long, value_name = "NAME", default_value = "quotad.readiness")]
    service: String,
}

/// Asks a running sidecar whether it is well, for containers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad healthcheck
  quotad healthcheck --service quotad.liveness

Exit codes: 0 serving, 2 wrong usage, 4 not serving or not reachable.")]
pub(super) struct Args {
    #[command(flatten)]
    probes: Probes,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    match client::block_on(ask(&args.probes)) {
        Ok(ServingStatus::Serving) => {
            print(&"SERVING");
            Exit::Ok
        }
        Ok(status) => {
            complain(&format!(
                "{}: {}",
                args.probes.service,
                status.as_str_name()
            ));
            Exit::Unavailable
        }
        Err(error) => {
            complain(&error);
            if matches!(error, ClientError::Address(_)) {
                Exit::Usage
            } else {
                Exit::Unavailable
            }
        }
    }
}

/// Asks once.
pub(super) async fn ask(probes: &Probes) -> Result<ServingStatus, ClientError> {
    let mut health = HealthClient::new(client::channel(&probes.probes, "--probes").await?);
    let request = HealthCheckRequest {
        service: probes.service.clone(),
    };
    Ok(health.check(request).await?.into_inner().status())
}
