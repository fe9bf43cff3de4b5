//! Connections of the management listener: accepted, answered until the peer or the listener closes.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::{CONNECTIONS_MAX, Closing, STREAMS_MAX};

/// The largest head of a request, in bytes.
const HEAD_BYTES_MAX: u32 = 16 * 1_024;

/// How long the head of an HTTP/1.1 request may take to arrive.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// A connection without a sign of life for so long is asked for one,
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(60);

/// and closed if none comes within this.
const KEEP_ALIVE_ANSWER_MAX: Duration = Duration::from_secs(20);

/// The pause after an accept that failed, most often because there are no file descriptors left.
const ACCEPT_FAILED_PAUSE: Duration = Duration::from_millis(50);

/// What is answered.
pub(super) struct Serving {
    pub(super) grpc: Router,
    pub(super) pages: Router,
    pub(super) closing: watch::Receiver<Closing>,
}

impl Serving {
    /// Accepts until the listener closes, then lets finish what is in flight, unless it is told to end now.
    pub(super) async fn run(mut self, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the management listener ends");
                return;
            }
        };
        let mut connections = JoinSet::new();
        let mut closing = self.closing.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(_) if connections.len() >= CONNECTIONS_MAX => {
                        tracing::warn!("a management connection is refused: there are as many as there may be");
                    }
                    Ok((stream, _)) => {
                        connections.spawn(self.answer(stream));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a management connection could not be accepted");
                        tokio::time::sleep(ACCEPT_FAILED_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a management connection ended in a panic");
                    }
                }
                () = reaches(&mut closing, Closing::Gracefully) => break,
            }
        }
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = all => {}
            () = reaches(&mut self.closing, Closing::Now) => {}
        }
    }

    fn answer(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let (grpc, pages) = (self.grpc.clone(), self.pages.clone());
        let mut closing = self.closing.clone();
        async move {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a management connection could not be taken over");
                return;
            }
            let either = hyper::service::service_fn(move |request: Request<Incoming>| {
                let router = if is_grpc(&request) { &grpc } else { &pages };
                route(router.clone(), request)
            });
            let mut server = auto::Builder::new(TokioExecutor::new());
            server
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME_MAX);
            server
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS_MAX)
                .max_header_list_size(HEAD_BYTES_MAX)
                .keep_alive_interval(KEEP_ALIVE_EVERY)
                .keep_alive_timeout(KEEP_ALIVE_ANSWER_MAX);
            let connection = server.serve_connection(TokioIo::new(stream), either);
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = reaches(&mut closing, Closing::Gracefully) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a management connection ended");
            }
        }
    }
}

async fn route(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    router.oneshot(request).await
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Waits until the listener closes so far.
async fn reaches(closing: &mut watch::Receiver<Closing>, how: Closing) {
    // An error says that the listener is gone: closed as well.
    let _either = closing.wait_for(|&closing| closing >= how).await;
}
