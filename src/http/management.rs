//! The management listener: gRPC and HTTP/1.1 and 2 for administrators on one port, on a thread and a runtime of its own.
//! Nothing that happens here delays requests, ticks, probes or deliveries.

mod connection;
pub mod pages;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::sync::{oneshot, watch};

use connection::Serving;

/// Threads for work that takes long, such as a report over many users; what comes beyond waits.
const WORKERS_MAX: usize = 8;

/// Open connections. One more is closed at once, and logged: administrators are few.
pub const CONNECTIONS_MAX: usize = 256;

/// Calls in flight on one connection. More are refused by HTTP/2 itself.
pub const STREAMS_MAX: u32 = 128;

/// Why the management listener did not start. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// Somebody else has the port.
    #[error(
        "{0} is taken by another process: end that one (`ss -ltnp` shows it), or choose another address with \
         --management-listen (`none` for nowhere)"
    )]
    Taken(SocketAddr),
    /// The address cannot be bound.
    #[error(
        "cannot listen on {address}: {source}; choose another address with --management-listen"
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A thread or its runtime.
    #[error("cannot start the management thread: {0}")]
    Thread(io::Error),
}

/// How far the listener is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    /// It answers.
    No,
    /// It finishes what is in flight.
    Gracefully,
    /// It ends.
    Now,
}

/// The running listener. Dropping it ends it at once.
pub struct Management {
    address: SocketAddr,
    closing: watch::Sender<Closing>,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Management {
    /// Listens. `grpc` answers what is gRPC by its content type, `pages` the rest; `beside` runs on the same runtime for as
    /// long as it lives.
    ///
    /// # Errors
    /// If the address cannot be had, or no thread.
    pub fn start<F>(
        address: SocketAddr,
        grpc: Router,
        pages: Router,
        beside: F,
    ) -> Result<Self, ManagementError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ManagementError::Taken(address),
            _ => ManagementError::Address { address, source },
        };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(WORKERS_MAX)
            .build()
            .map_err(ManagementError::Thread)?;
        let closing = watch::Sender::new(Closing::No);
        let (told, ended) = oneshot::channel();
        let serving = Serving {
            grpc,
            pages,
            closing: closing.subscribe(),
        };
        let thread = std::thread::Builder::new()
            .name("quotad-manage".to_owned())
            .spawn(move || {
                runtime.spawn(beside);
                runtime.block_on(serving.run(listener));
                // What is left at the limit is cut off with the runtime; a report under way is left to itself.
                runtime.shutdown_background();
                drop::<oneshot::Sender<()>>(told);
            })
            .map_err(ManagementError::Thread)?;
        Ok(Self {
            address,
            closing,
            ended: Some(ended),
            thread: Some(thread),
        })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends: the listener closes, what is in flight is finished; at the limit, what is left is cut off. Answers whether all of
    /// it was finished.
    pub async fn drain(mut self, limit: Duration) -> bool {
        self.close(Closing::Gracefully);
        let Some(ended) = self.ended.take() else {
            return true;
        };
        // An error of the receiver says that the sender is gone, and that is what we wait for.
        tokio::time::timeout(limit, ended).await.is_ok()
    }

    fn close(&self, how: Closing) {
        self.closing.send_if_modified(|now| {
            let is_new = how > *now;
            *now = how.max(*now);
            is_new
        });
    }
}

impl Drop for Management {
    fn drop(&mut self) {
        self.close(Closing::Now);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the management thread had ended in a panic");
        }
    }
}
