//! Puts the management listener together: tokens, service, pages.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use tokio_stream::StreamExt;
use tonic::Status;

use crate::config::settings;
use crate::config::watch::PlanWatcher;
use crate::config::{Variables, plan_file, tokens};
use crate::http::management::Management;
use crate::http::management::pages::{Answering, Parts as CsvParts, Refused, Reports, pages};
use crate::http::metrics::Metrics;
use crate::rpc::access::{Access, Role};
use crate::rpc::admin::{self, Admin, Parts, ReadPlan};
use crate::rpc::status;
use crate::storage::gate::Waiting;

use super::AppError;
use super::metrics::Observed;
use super::reloads::Outcome;

/// How the plan of an ApplyPlan is named in errors.
const PLAN_NAME: &str = "plan";

/// The running management listener.
pub(super) struct Administration {
    listener: Management,
    tokens: Option<PlanWatcher>,
}

impl Administration {
    /// Listens where the settings say. Until the vitals say that the books are back, calls are answered `UNAVAILABLE`.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub(super) fn start(
        address: std::net::SocketAddr,
        doorkeeper: Doorkeeper,
        parts: Parts,
        metrics: Metrics,
    ) -> Result<Self, AppError> {
        let waiting = Waiting::at(&parts.gate);
        let is_anonymous = parts.access.is_anonymous();
        let admin = Admin::new(parts, Arc::clone(&waiting));
        let grpc = admin::routes(admin.clone()).into_axum_router();
        let access = Arc::clone(&doorkeeper.access);
        let pages = pages(Arc::new(Pages { admin, access }), metrics, is_anonymous);
        let beside = async move { waiting.serve().await };
        Ok(Self {
            listener: Management::start(address, grpc, pages, beside)?,
            tokens: doorkeeper.watcher,
        })
    }

    /// Where it listens, with the port that was taken.
    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.listener.address()
    }

    /// Reads the tokens again, if there are any.
    pub(super) fn reload(&self) {
        if let Some(tokens) = &self.tokens {
            tokens.reload();
        }
    }

    /// Ends; what is in flight is finished, up to the limit.
    pub(super) async fn drain(self, limit: Duration) {
        if !self.listener.drain(limit).await {
            tracing::warn!(
                "the drain limit is reached; administrators' calls that were left are cut off"
            );
        }
    }
}

/// Who may come in, and who looks whether that changes.
pub(super) struct Doorkeeper {
    pub(super) access: Arc<Access>,
    watcher: Option<PlanWatcher>,
}

/// Who may do what, as the settings say.
///
/// # Errors
/// If the tokens file cannot be read or is wrong.
pub(super) fn doorkeeper(
    settings: &settings::Management,
    observed: &Arc<Observed>,
) -> Result<Doorkeeper, AppError> {
    let Some(path) = &settings.tokens_file else {
        let role = match settings.open {
            true => Role::Admin,
            false => Role::Viewer,
        };
        if settings.open {
            tracing::warn!(
                "management is open: whoever reaches its address, the application too, may change everything"
            );
        }
        return Ok(Doorkeeper {
            access: Arc::new(Access::anonymous(role)),
            watcher: None,
        });
    };
    let name = path.display().to_string();
    let text = tokens::read_text(path)?;
    let access = Arc::new(Access::by_tokens(tokens::parse(&text, &name)?));
    warn_if_readable(path);
    let watcher = watch(path, &text, &access, observed).map_err(|source| AppError::System {
        what: "a thread",
        source,
    })?;
    Ok(Doorkeeper {
        access,
        watcher: Some(watcher),
    })
}

/// Lets each new text of the tokens file count; the old tokens stay where one is wrong.
fn watch(
    path: &Path,
    text: &str,
    access: &Arc<Access>,
    observed: &Arc<Observed>,
) -> io::Result<PlanWatcher> {
    let (access, path_again, observed) =
        (Arc::clone(access), path.to_owned(), Arc::clone(observed));
    observed.tokens.start(true, observed.now());
    let changed = move |text: Option<&str>| {
        let name = path_again.display().to_string();
        let outcome = match text.map(|text| tokens::parse(text, &name)) {
            Some(Ok(tokens)) => {
                let count = tokens.len();
                access.replace(tokens);
                warn_if_readable(&path_again);
                tracing::info!(count, "{name}: these tokens count now");
                Outcome::Applied
            }
            Some(Err(error)) => {
                tracing::error!("the old tokens stay: {error}");
                Outcome::Refused
            }
            // The watcher has said so.
            None => Outcome::Refused,
        };
        observed.tokens.again(outcome, observed.now());
    };
    PlanWatcher::start_for("the old tokens stay", path, text, changed)
}

fn warn_if_readable(path: &Path) {
    // Whoever reads the file would have said what is wrong with it.
    let mode = std::fs::metadata(path).map_or(0, |data| data.mode());
    if mode & 0o007 != 0 {
        let name = path.display();
        tracing::warn!(
            "{name}: everybody on this machine may read the tokens; take that right away (chmod o= {name})"
        );
    }
}

/// Reads a plan that came over the wire. `${VAR}` stands for nothing in it: whoever sends it shall not read this process's
/// environment.
pub(super) fn read_plan() -> Arc<ReadPlan> {
    Arc::new(|text: &str| {
        let parsed = plan_file::parse_with(text, PLAN_NAME, &Variables::off());
        parsed.map_err(|error| error.to_string())
    })
}

/// The pages over the service.
struct Pages {
    admin: Admin,
    access: Arc<Access>,
}

impl Reports for Pages {
    fn usage_csv(
        &self,
        headers: &HeaderMap,
        organization: &str,
        query: Vec<(String, String)>,
    ) -> Answering<CsvParts> {
        let (admin, headers) = (self.admin.clone(), headers.clone());
        let organization = organization.to_owned();
        Box::pin(async move {
            let csv = admin.usage_csv(headers, organization, query).await;
            let csv = csv.map_err(|refusal| refused(&refusal))?;
            let parts = csv.map(|part| {
                let bytes = part.map(Bytes::from);
                bytes.map_err(|why| io::Error::other(why.message().to_owned()))
            });
            Ok(Box::pin(parts) as CsvParts)
        })
    }

    fn shows_metrics(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let admitted = self.access.admit(headers, Role::Viewer);
        let admitted = admitted.map_err(|stranger| refused(&status::stranger(&stranger)));
        admitted.map(drop)
    }
}

fn refused(status: &Status) -> Refused {
    Refused {
        status: status::http(status),
        problem: status.message().to_owned(),
    }
}
