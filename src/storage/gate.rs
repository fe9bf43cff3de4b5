//! Where answers wait until what they tell is safe (mode `power`): one sync serves all who wait, and each data-plane
//! runtime is woken once for it.
//!
//! Whoever waits parks in the [`Waiting`] of its own runtime. The thread that syncs knows runtimes only: it rings at those
//! at which somebody may go, and there one task lets go everybody who may, which costs no further switch of threads.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::engine::recorder::Receipt;

use super::bell::Bell;

/// Nothing that was acknowledged may be promised any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what happened could not be made safe; nothing is acknowledged any more")]
pub struct Unsafe;

/// Nobody waits: no receipt goes as far as this.
const NOBODY: u64 = u64::MAX;

/// Tells how far the record is safe.
#[derive(Debug)]
pub struct Gate {
    /// Safe up to here; where nobody waits, everything is.
    safe: AtomicU64,
    has_failed: AtomicBool,
    /// The same as `has_failed`, for whoever waits for nothing else.
    failure: watch::Sender<bool>,
    /// Wakes the thread that syncs.
    pub(super) to_sync: Bell,
    runtimes: Mutex<Vec<Weak<Waiting>>>,
}

impl Gate {
    /// One at which answers wait until [`Self::pass`] says that they are safe, or one at which nobody ever waits.
    pub fn new(waits: bool) -> Self {
        Self {
            safe: AtomicU64::new(if waits { 0 } else { u64::MAX }),
            has_failed: AtomicBool::new(false),
            failure: watch::Sender::new(false),
            to_sync: Bell::default(),
            runtimes: Mutex::new(Vec::new()),
        }
    }

    /// One at which nobody ever waits: `process` and `memory`.
    pub fn open() -> Self {
        Self::new(false)
    }

    /// Whether what a receipt stands for is safe as the mode asks, so that its answer may leave. Two loads.
    ///
    /// # Errors
    /// Once something has failed: then not even what is safe already is acknowledged.
    pub fn lets_pass(&self, receipt: Receipt) -> Result<bool, Unsafe> {
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(Unsafe);
        }
        Ok(receipt.0 <= self.safe.load(Ordering::SeqCst))
    }

    /// Asks for a sync of what was recorded until now. Whoever waits asks, and not whoever records: so that what comes
    /// together is synced together.
    pub fn ask(&self) {
        self.to_sync.ring();
    }

    /// Everything up to here is safe: whoever waits for no more than this goes. A position before one that was told
    /// already changes nothing.
    pub fn pass(&self, receipt: Receipt) {
        let before = self.safe.fetch_max(receipt.0, Ordering::SeqCst);
        if before >= receipt.0 {
            return;
        }
        self.ring(|first| first <= receipt.0);
    }

    /// Nothing more can be made safe: everybody who waits is told so, and everybody who comes.
    pub fn fail(&self) {
        self.has_failed.store(true, Ordering::SeqCst);
        self.failure.send_replace(true);
        self.ring(|_| true);
    }

    /// Returns once something has failed.
    pub async fn failed(&self) {
        let mut failure = self.failure.subscribe();
        // An error would say that the gate is gone, and it is not: it is borrowed here.
        let _failed = failure.wait_for(|&failed| failed).await;
    }

    /// Wakes the runtimes of which the least receipt that waits there says so.
    fn ring(&self, concerns: impl Fn(u64) -> bool) {
        for waiting in self.runtimes.lock().iter().filter_map(Weak::upgrade) {
            // Whoever parks says so first and looks at the gate then; here it is the other way round. So one of the two
            // sees the other.
            if concerns(waiting.first.load(Ordering::SeqCst)) {
                waiting.bell.notify_one();
            }
        }
    }
}

/// One runtime's place at the gate: those who wait there are woken by it.
#[derive(Debug)]
pub struct Waiting {
    gate: Arc<Gate>,
    /// One that goes away takes itself out, so that this never holds more than the calls in flight.
    parked: Mutex<Parked>,
    /// The least receipt in `parked`, or [`NOBODY`].
    first: AtomicU64,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Parked {
    /// By receipt, then in the order in which they came. Most come with a greater receipt than anybody before, so they park
    /// at the end; and those who go are at the beginning.
    wakers: VecDeque<(Place, Waker)>,
    came: u64,
}

/// Where one is parked: for what, and when it came.
type Place = (Receipt, u64);

impl Parked {
    fn find(&self, place: Place) -> Result<usize, usize> {
        match self.wakers.back() {
            Some((last, _)) if *last >= place => {
                self.wakers.binary_search_by_key(&place, |&(it, _)| it)
            }
            _ => Err(self.wakers.len()),
        }
    }

    fn first(&self) -> u64 {
        let first = self.wakers.front();
        first.map_or(NOBODY, |&((receipt, _), _)| receipt.0)
    }
}

impl Waiting {
    /// A new one at this gate, for one runtime, on which [`Self::serve`] must run.
    pub fn at(gate: &Arc<Gate>) -> Arc<Self> {
        let waiting = Arc::new(Self {
            gate: Arc::clone(gate),
            parked: Mutex::default(),
            first: AtomicU64::new(NOBODY),
            bell: Notify::new(),
        });
        let mut runtimes = gate.runtimes.lock();
        runtimes.retain(|it| it.strong_count() > 0);
        runtimes.push(Arc::downgrade(&waiting));
        waiting
    }

    /// The gate it stands at.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Waits until the gate lets this receipt pass. Dropping it ends the waiting.
    pub fn until_safe(self: &Arc<Self>, receipt: Receipt) -> Wait {
        Wait {
            waiting: Arc::clone(self),
            receipt,
            came: None,
        }
    }

    /// Lets go those who may, each time that the gate rings; never ends.
    pub async fn serve(&self) {
        loop {
            self.bell.notified().await;
            self.let_go();
        }
    }

    /// How many wait here.
    pub fn count(&self) -> usize {
        self.parked.lock().wakers.len()
    }

    fn let_go(&self) {
        let mut parked = self.parked.lock();
        let going = match self.gate.lets_pass(Receipt(parked.first())) {
            Err(Unsafe) => parked.wakers.len(),
            Ok(_) => {
                let safe = Receipt(self.gate.safe.load(Ordering::SeqCst));
                parked.wakers.partition_point(|&((it, _), _)| it <= safe)
            }
        };
        let go: Vec<_> = parked.wakers.drain(..going).collect();
        self.note_first(&parked);
        drop(parked);
        go.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn note_first(&self, parked: &Parked) {
        self.first.store(parked.first(), Ordering::SeqCst);
    }

    fn park(&self, receipt: Receipt, came: Option<u64>, waker: &Waker) -> u64 {
        let mut parked = self.parked.lock();
        let came = came.unwrap_or_else(|| {
            parked.came += 1;
            parked.came
        });
        let place = (receipt, came);
        match parked.find(place) {
            Ok(at) => parked.wakers[at].1.clone_from(waker),
            Err(at) => {
                parked.wakers.insert(at, (place, waker.clone()));
                if at == 0 {
                    self.note_first(&parked);
                }
            }
        }
        drop(parked);
        self.gate.ask();
        came
    }

    fn leave(&self, receipt: Receipt, came: u64) {
        let mut parked = self.parked.lock();
        if parked.first() > receipt.0 {
            // It was let go.
            return;
        }
        if let Ok(at) = parked.find((receipt, came)) {
            parked.wakers.remove(at);
            self.note_first(&parked);
        }
    }
}

/// One who waits.
#[derive(Debug)]
pub struct Wait {
    waiting: Arc<Waiting>,
    receipt: Receipt,
    /// When it came to be parked, if it did.
    came: Option<u64>,
}

impl Future for Wait {
    type Output = Result<(), Unsafe>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let gate = &self.waiting.gate;
        if let Some(ended) = ended(gate.lets_pass(self.receipt)) {
            return Poll::Ready(ended);
        }
        let came = self.waiting.park(self.receipt, self.came, context.waker());
        self.came = Some(came);
        // It may have become safe before we were seen to wait: nobody would ring for us.
        ended(self.waiting.gate.lets_pass(self.receipt)).map_or(Poll::Pending, Poll::Ready)
    }
}

fn ended(passes: Result<bool, Unsafe>) -> Option<Result<(), Unsafe>> {
    match passes {
        Ok(false) => None,
        Ok(true) => Some(Ok(())),
        Err(Unsafe) => Some(Err(Unsafe)),
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(came) = self.came {
            self.waiting.leave(self.receipt, came);
        }
    }
}

#[cfg(test)]
mod tests;
