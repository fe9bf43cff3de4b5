//! Calls that begin when their time comes. A call that must wait for its lane is late from its time on: what a slow answer
//! does to those behind it is in the figures.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Args;
use super::load::{Schedule, Times};

/// The runtime's timer is no finer than a millisecond: what is nearer than this is waited for awake.
const AWAKE_NS: i64 = 2_000_000;

/// The times of one connection's calls.
pub(super) struct Pace {
    begin_ns: i64,
    /// Between two.
    step_ns: f64,
    /// Those whose time has come, and that no lane has taken.
    due: Semaphore,
    /// How many are due or taken.
    come: Cell<u64>,
    taken: Cell<u64>,
}

impl Pace {
    /// Connections take turns. Where what was held is settled at once, that is a call as well: half as many begin.
    pub(super) fn new(args: &Args, rate: u32, connection: u16, schedule: Schedule) -> Self {
        let calls = if args.operation.is_settled() {
            2.0
        } else {
            1.0
        };
        let between_ns = 1e9 * calls / f64::from(rate);
        #[allow(clippy::cast_possible_truncation)]
        // A connection's share of a second, or a little more.
        let offset_ns = (between_ns * f64::from(connection)) as i64;
        Self {
            begin_ns: schedule.begin_ns.saturating_add(offset_ns),
            step_ns: between_ns * f64::from(args.connections),
            due: Semaphore::new(0),
            come: Cell::new(0),
            taken: Cell::new(0),
        }
    }

    fn time_ns(&self, number: u64) -> i64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        // Exact to the nanosecond for a hundred days.
        let after_ns = (number as f64 * self.step_ns) as i64;
        self.begin_ns.saturating_add(after_ns)
    }

    /// The time of the next call, once it has come; `None` if none comes any more.
    pub(super) async fn arrival(&self) -> Option<i64> {
        self.due.acquire().await.ok()?.forget();
        let number = self.taken.get();
        self.taken.set(number + 1);
        Some(self.time_ns(number))
    }

    /// Lets calls begin until it is over.
    pub(super) async fn keep(&self, times: &Times) {
        loop {
            let now_ns = times.now_ns();
            let till_ns = now_ns.min(times.end_ns());
            let mut come = self.come.get();
            let before = come;
            while self.time_ns(come) < till_ns {
                come += 1;
            }
            self.come.set(come);
            self.due
                .add_permits(usize::try_from(come - before).unwrap_or(0));
            if now_ns >= times.end_ns() {
                self.due.close();
                return;
            }
            let left_ns = self.time_ns(come).min(times.end_ns()) - now_ns;
            match u64::try_from(left_ns - AWAKE_NS) {
                Ok(asleep_ns) => tokio::time::sleep(Duration::from_nanos(asleep_ns)).await,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// Those whose time came, and that no lane was free for before the end.
    pub(super) fn unsent(&self) -> u64 {
        self.come.get().saturating_sub(self.taken.get())
    }
}
