//! The audit of the counters, on a thread of its own: one organization after the other, for as long as the process lives.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::domain::fact::OrganizationId;
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::proof::{Proof, Proven};
use crate::world::clock::Clock;
use crate::world::priority;

/// The rest between two organizations.
const REST: Duration = Duration::from_secs(1);

/// Where one took long, the rest is so many times as long: the audit takes a fiftieth of a core at most.
const REST_SHARE: u32 = 50;

/// A pause between two steps of one, so that others get the lock in between.
const PAUSE: Duration = Duration::from_micros(100);

/// What the audit found, for whoever watches; read without a lock.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By how much counters differ, as each organization was last found, in credits.
    pub(super) difference: AtomicU64,
    /// Accounts that were compared.
    pub(super) accounts: AtomicU64,
    /// How often all organizations had their turn.
    pub(super) rounds: AtomicU64,
    /// When one was last compared, by the wall clock; 0 is never.
    pub(super) at_ns: AtomicI64,
}

/// The running audit. Dropping it ends it, after the organization at hand.
pub(super) struct Proofs {
    /// Closed to end it.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proofs {
    /// Audits from now on.
    pub(super) fn start(
        engine: &Arc<Engine>,
        clock: &Arc<dyn Clock>,
        found: &Arc<Found>,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let mut prover = Prover {
            engine: Arc::clone(engine),
            clock: Arc::clone(clock),
            found: Arc::clone(found),
            last: None,
            differences: HashMap::new(),
        };
        let thread = thread::Builder::new()
            .name("quotad-proof".to_owned())
            .spawn(move || {
                priority::step_back();
                let mut rest = REST;
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(rest) {
                    rest = prover.next().saturating_mul(REST_SHARE).max(REST);
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Proofs {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the proofs had ended in a panic");
        }
    }
}

struct Prover {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    found: Arc<Found>,
    last: Option<OrganizationId>,
    /// Of organizations whose counters differ, by how much.
    differences: HashMap<OrganizationId, u64>,
}

impl Prover {
    /// Audits the organization whose turn it is; answers how long that took.
    fn next(&mut self) -> Duration {
        let Some(id) = self.engine.organization_after(self.last) else {
            // There is none at all.
            return Duration::ZERO;
        };
        let began_ns = self.clock.read().steady_ns;
        let proven = self.engine.prove(id, &mut || thread::sleep(PAUSE));
        match proven {
            Proven::Whole(proof) => self.take(id, &proof),
            // It keeps its turn.
            Proven::Busy => return Duration::ZERO,
            Proven::Changed | Proven::Nobody => {}
        }
        self.last = Some(id);
        if self.engine.organization_after(self.last).is_none() {
            self.found.rounds.fetch_add(1, Ordering::Relaxed);
            self.last = None;
        }
        let took_ns = self.clock.read().steady_ns.saturating_sub(began_ns);
        Duration::from_nanos(took_ns.max(0).unsigned_abs())
    }

    fn take(&mut self, id: OrganizationId, proof: &Proof) {
        let before = self.differences.remove(&id).unwrap_or(0);
        if proof.difference > 0 {
            self.differences.insert(id, proof.difference);
        }
        // Said once for each difference: it does not go away by itself.
        if proof.difference != before {
            self.say(id, proof);
        }
        let found = &self.found;
        let difference = self.differences.values().sum();
        found.difference.store(difference, Ordering::Relaxed);
        found.accounts.fetch_add(proof.accounts, Ordering::Relaxed);
        let now = Timestamp::from_nanos(self.clock.read().wall_ns);
        found.at_ns.store(now.nanos(), Ordering::Relaxed);
    }

    fn say(&self, id: OrganizationId, proof: &Proof) {
        let organization = self.engine.organization_name(id).unwrap_or_default();
        if proof.difference == 0 {
            tracing::warn!(%organization, "the counters are what they have to be again");
            return;
        }
        let difference = proof.difference;
        tracing::error!(
            %organization,
            difference,
            "counters differ from what the cells say, which is a defect in quotad: keep the data directory, and report it"
        );
        for finding in &proof.findings {
            tracing::error!(
                %organization,
                account = %finding.account,
                book = finding.book,
                counter = finding.counter,
                kept = finding.kept,
                derived = finding.derived,
                "a counter differs"
            );
        }
    }
}
