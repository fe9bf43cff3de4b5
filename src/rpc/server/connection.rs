//! One connection: HTTP/2 over TCP or a Unix socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use super::inline::{Calls, Inline};
use super::{Closing, HEAD_BYTES_MAX, KEEP_ALIVE_EVERY, Router, STREAMS_MAX};
use crate::rpc::pb::quota_service_server::QuotaService;

/// A peer that answers no keep-alive is asked so often, and so many times: 20 s in all.
const KEEP_ALIVE_AGAIN_EVERY: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMES: u32 = 4;

/// A connection on its way from the acceptor to its thread; in blocking form, bound to no runtime.
pub(super) struct Accepted {
    pub(super) stream: AnyStream,
    pub(super) counted: Counted,
}

/// TCP or Unix.
pub(super) enum AnyStream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// Counts as a connection of a thread for as long as it lives.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers what comes until the peer or the data plane closes.
pub(super) async fn serve<S: QuotaService>(
    accepted: Accepted,
    router: Router<S>,
    mut closing: watch::Receiver<Closing>,
) {
    let Accepted {
        stream,
        counted: _counted,
    } = accepted;
    let stream = match Stream::on_this_runtime(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be taken over");
            return;
        }
    };
    let (calls, waiting) = (Calls::default(), Arc::clone(router.waiting()));
    let connection = http2::Builder::new(calls.clone())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        // No caller of gRPC reads it.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), router);
    let mut connection = Inline::new(connection, calls, waiting);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = closed(&mut closing) => {
            connection.connection().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Waits until the data plane closes.
pub(super) async fn closed(closing: &mut watch::Receiver<Closing>) {
    // An error says that the data plane is gone: closed as well.
    let _either = closing.wait_for(|&closing| closing > Closing::No).await;
}

/// TCP or Unix, on a runtime.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn on_this_runtime(stream: AnyStream) -> io::Result<Self> {
        match stream {
            AnyStream::Tcp(stream) => {
                stream.set_nodelay(true)?;
                // By the kernel: HTTP/2's own pings cost four looks at the clock for each call.
                let keep_alive = TcpKeepalive::new()
                    .with_time(KEEP_ALIVE_EVERY)
                    .with_interval(KEEP_ALIVE_AGAIN_EVERY)
                    .with_retries(KEEP_ALIVE_TIMES);
                SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
                TcpStream::from_std(stream).map(Self::Tcp)
            }
            AnyStream::Unix(stream) => UnixStream::from_std(stream).map(Self::Unix),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }
}
