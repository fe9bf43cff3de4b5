//! The probes listener: plain, read-only, for those who look after the process. `/startupz`, `/readyz`, `/healthz`, `/metrics`
//! and gRPC health on one port; nothing else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::Service;

use crate::http::metrics::Metrics;
use crate::world::vitals::{Phase, Vitals};

/// Why the probes listener did not start. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProbesError {
    /// Somebody else has the port.
    #[error(
        "{0} is taken by another process: end that one (`ss -ltnp` shows it), or choose another address with --probes-listen"
    )]
    Taken(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}; choose another address with --probes-listen")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// The running listener; dropping it closes it at once.
pub struct Probes {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Probes {
    /// Listens on the runtime of the caller. `health` answers gRPC health by the same vitals.
    pub async fn start<H, B>(
        address: SocketAddr,
        vitals: Arc<Vitals>,
        health: H,
        metrics: Metrics,
    ) -> Result<Self, ProbesError>
    where
        H: Service<Request, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        H::Future: Send + 'static,
        B: HttpBody<Data = axum::body::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ProbesError::Taken(address),
            _ => ProbesError::Address { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = Router::new()
            .route("/startupz", get(startupz))
            .route("/readyz", get(readyz))
            .route("/healthz", get(healthz))
            .with_state(vitals)
            .route("/metrics", get(page).with_state(metrics))
            .route_service("/grpc.health.v1.Health/{method}", health)
            .fallback(nothing_else);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the probes listener ends");
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Are the books back, and a plan in force? Once that is so, it stays so.
async fn startupz(State(vitals): State<Arc<Vitals>>) -> (StatusCode, &'static str) {
    match vitals.phase() {
        Phase::Ready | Phase::Draining => (StatusCode::OK, "started\n"),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Failed => (StatusCode::SERVICE_UNAVAILABLE, "failed: see the log\n"),
    }
}

async fn page(State(metrics): State<Metrics>, headers: HeaderMap) -> Response<Body> {
    metrics.answer(&headers).await
}

/// Would a restart mend it?
async fn healthz(State(vitals): State<Arc<Vitals>>) -> (StatusCode, String) {
    let stuck = vitals.stuck();
    if vitals.phase() == Phase::Failed {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "failed: see the log\n".to_owned(),
        )
    } else if !stuck.is_empty() {
        let names = stuck.join(", ");
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("stuck for more than 15 s: {names}\n"),
        )
    } else {
        (StatusCode::OK, "alive\n".to_owned())
    }
}

/// Are requests answered?
async fn readyz(State(vitals): State<Arc<Vitals>>) -> (StatusCode, &'static str) {
    match vitals.phase() {
        Phase::Ready if vitals.plan_is_stale() => (
            StatusCode::OK,
            "ready; the plan file is wrong, and the last good plan applies: see the log\n",
        ),
        Phase::Ready => (StatusCode::OK, "ready\n"),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        Phase::Failed => (StatusCode::SERVICE_UNAVAILABLE, "failed: see the log\n"),
    }
}

async fn nothing_else() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "nothing here; this listener answers /startupz, /readyz, /healthz, /metrics and gRPC health\n",
    )
}
