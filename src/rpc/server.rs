//! The data plane: one current-thread runtime per core behind one acceptor (architecture, decision 3).

mod connection;
mod listen;
mod router;
mod worker;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

pub use listen::StartError;

use crate::rpc::door::Door;
use crate::rpc::meter::Meter;
use crate::rpc::pb::quota_service_server::QuotaService;
use crate::rpc::quota::{Parts, Quota};
use crate::storage::gate::{Gate, Waiting};
use crate::world::clock::Clock;
use crate::world::vitals::{Phase, Vitals};
use listen::{Acceptor, Listeners};
use router::Router;
use worker::Worker;

/// Streams in flight on one connection. More are refused by HTTP/2 itself.
pub const STREAMS_MAX: u32 = 4_096;

/// Open connections, over all threads: about 64 KiB each, so 256 MiB at worst. One more is closed at once, and logged.
pub const CONNECTIONS_MAX: usize = 4_096;

/// The largest head of a request, in bytes.
pub const HEAD_BYTES_MAX: u32 = 16 * 1_024;

/// A connection without a sign of life for so long is asked for one, and closed 20 s later if none comes.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(60);

/// Where the data plane listens, and with how many threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A TCP address; port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// A Unix socket.
    pub socket: Option<Socket>,
    /// Threads that answer; one per core is best.
    pub threads: NonZeroUsize,
}

/// A Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Where it is made; one that a dead process left is replaced.
    pub path: PathBuf,
    /// Its permissions, such as `0o660`.
    pub mode: u32,
}

/// How far the threads are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    /// They answer.
    No,
    /// They finish what is in flight.
    Gracefully,
    /// They end.
    Now,
}

/// A running data plane. Dropping it ends it at once.
pub struct DataPlane {
    vitals: Arc<Vitals>,
    closing: watch::Sender<Closing>,
    acceptor: Acceptor,
    workers: Vec<Worker>,
    meters: Vec<Arc<Meter>>,
    address: Option<SocketAddr>,
}

impl DataPlane {
    /// Listens, and serves `QuotaService` over these parts, health and reflection. Until the vitals are
    /// [`Phase::Ready`], calls are answered `UNAVAILABLE`.
    pub fn start(settings: &Settings, parts: Parts) -> Result<Self, StartError> {
        let (vitals, clock) = (Arc::clone(&parts.vitals), Arc::clone(&parts.clock));
        let gate = Arc::clone(&parts.gate);
        let mut meters = Vec::new();
        let service = |waiting: &Arc<Waiting>| {
            let quota = Quota::new(parts.clone(), Arc::clone(waiting));
            meters.push(quota.meter());
            quota
        };
        let mut plane = Self::start_each(settings, service, &gate, vitals, clock)?;
        plane.meters = meters;
        Ok(plane)
    }

    /// The same with another implementation of the service, such as one that answers a constant, for comparisons. Each
    /// thread has a clone of its own.
    pub fn start_with<S: QuotaService + Clone>(
        settings: &Settings,
        service: S,
        vitals: Arc<Vitals>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let gate = Arc::new(Gate::open());
        Self::start_each(settings, |_| service.clone(), &gate, vitals, clock)
    }

    fn start_each<S: QuotaService>(
        settings: &Settings,
        mut service: impl FnMut(&Arc<Waiting>) -> S,
        gate: &Arc<Gate>,
        vitals: Arc<Vitals>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let listeners = Listeners::bind(settings)?;
        let address = listeners.address();
        let closing = watch::Sender::new(Closing::No);
        let workers = (0..settings.threads.get())
            .map(|index| {
                let door = Door::new(Arc::clone(&vitals), Arc::clone(&clock));
                let waiting = Waiting::at(gate);
                let router = Router::new(service(&waiting), door);
                Worker::start(index, router, waiting, &vitals, closing.subscribe())
            })
            .collect::<Result<Vec<_>, _>>()?;
        let doors = workers.iter().map(Worker::entrance).collect();
        let acceptor = Acceptor::start(listeners, doors, closing.subscribe())?;
        Ok(Self {
            vitals,
            closing,
            acceptor,
            workers,
            meters: Vec::new(),
            address,
        })
    }

    /// The TCP address it listens on, with the port that was taken.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What each thread counts of its calls; nothing where the service is not ours.
    pub fn meters(&self) -> Vec<Arc<Meter>> {
        self.meters.clone()
    }

    /// The open connections of each thread, to be read while it runs.
    pub fn connection_counters(&self) -> Vec<Arc<AtomicUsize>> {
        let counter = |worker: &Worker| Arc::clone(&worker.connections);
        self.workers.iter().map(counter).collect()
    }

    /// Open connections of each thread.
    pub fn connections(&self) -> Vec<usize> {
        let connections = |worker: &Worker| worker.connections.load(Ordering::Relaxed);
        self.workers.iter().map(connections).collect()
    }

    /// Ends: health says NOT_SERVING and new calls are answered `UNAVAILABLE`; the listeners close; what is in flight is
    /// finished; at the limit, what is left is cut off. Answers how many connections were.
    pub async fn drain(mut self, limit: Duration) -> usize {
        self.vitals.enter(Phase::Draining);
        self.close(Closing::Gracefully);
        self.acceptor.ended().await;
        let all = async {
            for worker in &mut self.workers {
                worker.ended().await;
            }
        };
        let is_done = tokio::time::timeout(limit, all).await.is_ok();
        let cut = if is_done {
            0
        } else {
            self.connections().into_iter().sum()
        };
        self.close(Closing::Now);
        cut
    }

    fn close(&self, how: Closing) {
        self.closing.send_if_modified(|now| {
            let is_new = how > *now;
            *now = how.max(*now);
            is_new
        });
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.close(Closing::Now);
        self.acceptor.join();
        for worker in &mut self.workers {
            worker.join();
        }
    }
}
