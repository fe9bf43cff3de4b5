//! One thread of the data plane: a runtime of its own, the connections it was given, and a sign of life every second.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::connection::{self, Accepted};
use super::listen::StartError;
use super::{Closing, Router};
use crate::rpc::pb::quota_service_server::QuotaService;
use crate::storage::gate::Waiting;
use crate::world::vitals::{BEAT_EVERY, Phase, Pulse, Vitals};

/// Connections on their way to one thread. When it is full the thread is stuck, and another one gets the connection.
const ON_THE_WAY_MAX: usize = 128;

/// A running thread.
pub(super) struct Worker {
    pub(super) connections: Arc<AtomicUsize>,
    accepted: mpsc::Sender<Accepted>,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Where the acceptor hands over connections.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) accepted: mpsc::Sender<Accepted>,
}

impl Worker {
    pub(super) fn start<S: QuotaService>(
        index: usize,
        router: Router<S>,
        waiting: Arc<Waiting>,
        vitals: &Arc<Vitals>,
        closing: watch::Receiver<Closing>,
    ) -> Result<Self, StartError> {
        let name = format!("quotad-data-{index}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let (accepted, arriving) = mpsc::channel(ON_THE_WAY_MAX);
        let (ended_sender, ended) = oneshot::channel();
        let alarm = Alarm {
            vitals: Arc::clone(vitals),
            _ended: ended_sender,
        };
        let pulse = vitals.pulse(&name);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                let vitals = Arc::clone(&alarm.vitals);
                // Until the runtime ends: also what is in flight while it drains waits at the gate.
                runtime.spawn(async move { waiting.serve().await });
                runtime.block_on(run(router, &vitals, &pulse, arriving, closing));
                // What is left at the limit is cut off with the runtime.
                runtime.shutdown_background();
                vitals.retire(&pulse);
                drop(alarm);
            })
            .map_err(StartError::Thread)?;
        Ok(Self {
            connections: Arc::new(AtomicUsize::new(0)),
            accepted,
            ended: Some(ended),
            thread: Some(thread),
        })
    }

    pub(super) fn entrance(&self) -> Entrance {
        Entrance {
            connections: Arc::clone(&self.connections),
            accepted: self.accepted.clone(),
        }
    }

    /// Waits until the thread has nothing more to do. May be called again.
    pub(super) async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            // An error says that the sender is gone, and that is what we wait for.
            let _gone = ended.await;
            self.ended = None;
        }
    }

    /// Waits for the thread itself; quick once it was told to end now.
    pub(super) fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a data-plane thread had ended in a panic");
        }
    }
}

async fn run<S: QuotaService>(
    router: Router<S>,
    vitals: &Vitals,
    pulse: &Pulse,
    mut arriving: mpsc::Receiver<Accepted>,
    mut closing: watch::Receiver<Closing>,
) {
    let mut connections = JoinSet::new();
    let mut beats = tokio::time::interval(BEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_open = true;
    while is_open || !connections.is_empty() {
        tokio::select! {
            _ = beats.tick() => vitals.beat(pulse),
            accepted = arriving.recv(), if is_open => match accepted {
                Some(accepted) => {
                    connections.spawn(connection::serve(accepted, router.clone(), closing.clone()));
                }
                None => is_open = false,
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    vitals.count_panic();
                    tracing::error!(%error, "a connection ended in a panic");
                }
            }
            changed = closing.changed() => {
                is_open = false;
                if changed.is_err() || *closing.borrow_and_update() == Closing::Now {
                    return;
                }
            }
        }
    }
}

/// A thread that unwinds does not do so silently: the process counts as failed, so that it is replaced.
struct Alarm {
    vitals: Arc<Vitals>,
    _ended: oneshot::Sender<()>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a data-plane thread ends in a panic");
            self.vitals.enter(Phase::Failed);
        }
    }
}
