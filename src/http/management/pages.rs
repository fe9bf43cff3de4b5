//! What is not gRPC: a page that says what is here, usage as CSV, and metrics.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_stream::Stream;

use crate::http::metrics::Metrics;

/// The parts of a file, one after the other. An error ends the connection, so that nobody takes half a file for a whole one.
pub type Parts = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Why a page is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As HTTP says it.
    pub status: StatusCode,
    /// What happened, and what to do.
    pub problem: String,
}

/// An answer on its way.
pub type Answering<T> = Pin<Box<dyn Future<Output = Result<T, Refused>> + Send>>;

/// What the pages show. Each call decides by the headers who may see it.
pub trait Reports: Send + Sync + 'static {
    /// Usage of an organization as CSV; `query` is what stands behind the question mark.
    fn usage_csv(
        &self,
        headers: &HeaderMap,
        organization: &str,
        query: Vec<(String, String)>,
    ) -> Answering<Parts>;

    /// Whether whoever sent these may see the metrics.
    fn shows_metrics(&self, headers: &HeaderMap) -> Result<(), Refused>;
}

const WHAT_IS_HERE: &str = "\
quotad, the management listener.

gRPC   quotad.v1.AdminService, health and reflection on this port; `quotad --help` talks to it
GET    /metrics
GET    /v1/organizations/ORGANIZATION/usage.csv?from=2026-01-01&to=2026-01-31&user=ana&group=day&group=user

Where there are tokens, send `authorization: Bearer TOKEN`.
";

/// The pages over these reports. Where callers are anonymous, only those are answered that name an IP address or `localhost`:
/// a web page elsewhere that gives its own name this machine's address does not get in.
pub fn pages(reports: Arc<dyn Reports>, metrics: Metrics, is_anonymous: bool) -> Router {
    let shared = Shared {
        reports,
        metrics,
        is_anonymous,
    };
    Router::new()
        .route("/", get(async || WHAT_IS_HERE))
        .route("/v1/organizations/{organization}/usage.csv", get(usage_csv))
        .route("/metrics", get(metrics_page))
        .with_state(shared)
        .fallback(nothing_else)
}

#[derive(Clone)]
struct Shared {
    reports: Arc<dyn Reports>,
    metrics: Metrics,
    is_anonymous: bool,
}

impl Shared {
    /// Refuses who calls by a name that may be anybody's.
    fn admit(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Refused> {
        if !self.is_anonymous || is_called_by_address(headers, uri) {
            return Ok(());
        }
        Err(Refused {
            status: StatusCode::MISDIRECTED_REQUEST,
            problem: "without tokens, call this listener by its IP address or as localhost"
                .to_owned(),
        })
    }
}

async fn metrics_page(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    let admitted = shared.admit(&headers, &uri);
    match admitted.and_then(|()| shared.reports.shows_metrics(&headers)) {
        Ok(()) => shared.metrics.answer(&headers).await,
        Err(refusal) => refused(refusal),
    }
}

async fn usage_csv(
    State(shared): State<Shared>,
    Path(organization): Path<String>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = shared.admit(&headers, &uri) {
        return refused(refusal);
    }
    let query = query.unwrap_or_default();
    let query = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    match shared
        .reports
        .usage_csv(&headers, &organization, query)
        .await
    {
        Ok(parts) => csv(parts),
        Err(refusal) => refused(refusal),
    }
}

fn csv(parts: Parts) -> Response {
    let mut response = Body::from_stream(parts).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"usage.csv\""),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refused(Refused { status, problem }: Refused) -> Response {
    let mut response = (status, format!("{problem}\n")).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    response
}

/// Whether the host that a request names is an IP address or `localhost`.
fn is_called_by_address(headers: &HeaderMap, uri: &Uri) -> bool {
    let in_header = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(|it| it.as_str()).or(in_header);
    let Some(authority) = authority.and_then(|it| it.parse::<Authority>().ok()) else {
        return false;
    };
    let host = authority.host().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
}

async fn nothing_else() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "nothing here; GET / says what this listener answers\n",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_tokens_only_callers_by_address_are_answered() {
        for (host, expected) in [
            ("127.0.0.1:7451", true),
            ("[::1]:7451", true),
            ("localhost:7451", true),
            ("LOCALHOST", true),
            ("evil.example:7451", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            let seen = is_called_by_address(&headers, &"/".parse().unwrap());
            assert_eq!(seen, expected, "{host:?}");
        }
        assert!(!is_called_by_address(
            &HeaderMap::new(),
            &"/".parse().unwrap()
        ));
    }
}
