//! The page of metrics: one at a time is written, on a thread that may block, so that however often somebody asks nobody else
//! waits.

use std::fmt;
use std::sync::Arc;

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::world::priority;

/// So many may wait for their page; one more is told to come back.
const WAITING_MAX: usize = 16;

/// How a page is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus, 0.0.4.
    Prometheus,
}

impl Format {
    /// What somebody accepts: OpenMetrics where it is named, else what everybody reads.
    fn accepted(headers: &HeaderMap) -> Self {
        let mut accepted = headers.get_all(ACCEPT).iter();
        let names = |value: &HeaderValue| {
            let text = value.to_str().unwrap_or_default();
            text.contains("application/openmetrics-text")
        };
        if accepted.any(names) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        })
    }
}

/// Writes a page.
pub type WritePage = dyn Fn(Format) -> Result<String, fmt::Error> + Send + Sync;

/// The page, for any listener. Clones are the same.
#[derive(Clone)]
pub struct Metrics {
    write: Arc<WritePage>,
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Metrics {
    /// A page that is written so.
    pub fn new(write: Arc<WritePage>) -> Self {
        Self {
            write,
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// A page as whoever asks can read it. Must be called on a runtime.
    pub async fn answer(&self, headers: &HeaderMap) -> Response {
        let format = Format::accepted(headers);
        match self.page(format).await {
            Ok(text) => ([(CONTENT_TYPE, format.content_type())], text).into_response(),
            Err((status, problem)) => (status, problem).into_response(),
        }
    }

    async fn page(&self, format: Format) -> Result<String, (StatusCode, &'static str)> {
        let busy = (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many ask for metrics at once; try again\n",
        );
        let broken = (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page cannot be written, which is a defect: see the log\n",
        );
        let _place = self.places.try_acquire().map_err(|_| busy)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(|_| busy)?;
        let write = Arc::clone(&self.write);
        let written = tokio::task::spawn_blocking(move || {
            // Kept until the page is written, also if whoever asked has gone.
            let _turn = turn;
            // What else this thread may be given are reports: requests come before those too.
            priority::step_back();
            write(format)
        });
        match written.await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => {
                tracing::error!("the page of metrics cannot be written: {error}");
                Err(broken)
            }
            Err(error) => {
                tracing::error!("the page of metrics ended in a panic: {error}");
                Err(broken)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_who_names_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (accept, expected) in [
            (Some(prometheus), Format::OpenMetrics),
            (Some("text/plain"), Format::Prometheus),
            (Some("*/*"), Format::Prometheus),
            (None, Format::Prometheus),
        ] {
            let headers = accept.map(|it| (ACCEPT, it.parse().unwrap()));
            let headers = HeaderMap::from_iter(headers);
            assert_eq!(Format::accepted(&headers), expected, "{accept:?}");
        }
    }

    #[tokio::test]
    async fn pages_are_written_one_at_a_time_and_who_is_too_many_is_told_so() {
        let (begin, begun) = std::sync::mpsc::channel();
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let gate = parking_lot::Mutex::new(gate);
        let metrics = Metrics::new(Arc::new(move |_| {
            begin.send(()).unwrap();
            gate.lock().recv().unwrap();
            Ok("page\n".to_owned())
        }));
        let ask = || {
            let metrics = metrics.clone();
            tokio::spawn(async move { metrics.answer(&HeaderMap::new()).await.status() })
        };
        let waiting: Vec<_> = (0..WAITING_MAX).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        assert_eq!(ask().await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
        for asked in waiting {
            go.send(()).unwrap();
            assert_eq!(asked.await.unwrap(), StatusCode::OK);
        }
        assert_eq!(begun.try_iter().count(), WAITING_MAX);
    }
}
