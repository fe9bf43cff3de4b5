//! A connection and its calls as one task.
//!
//! hyper hands every call to an executor. A task of its own for each costs more than most calls do: they end the first time
//! they are looked at. So the connection collects the calls that it has just read, runs some of them itself and writes what
//! they answered, all of it at once; then it looks again. Calls whose answers wait at the gate stay with the connection too:
//! it waits for the first of them, and looks at the gate whenever it turns, so that answers leave while others are still
//! worked on. Only calls that wait for something else become tasks: for the rest of a message, or until a deadline.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::Executor;
use parking_lot::Mutex;

use super::STREAMS_MAX;
use crate::engine::recorder::Receipt;
use crate::storage::gate::{Unsafe, Wait, Waiting};

/// After so many calls their answers are written. More would keep the caller waiting who could send the next requests
/// meanwhile; fewer would write more often.
const CALLS_AT_ONCE: usize = 64;

/// Calls that may wait with their connection; more become tasks, which end when their caller gives up.
const LEAVING_MAX: usize = STREAMS_MAX as usize;

/// After so many turns other connections of the thread get theirs.
const TURNS_MAX: usize = 4;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The calls that a connection has read and not yet taken. No more than it may have streams.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<Call>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Calls {
    fn execute(&self, call: F) {
        self.0.lock().push(Box::pin(call));
    }
}

/// Who runs the call that this thread is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// Its own task.
    Task,
    /// Its connection.
    Connection,
    /// Its connection, which heard that the answer waits for this.
    Leaving(Receipt),
}

thread_local! {
    static RUNNER: Cell<Runner> = const { Cell::new(Runner::Task) };
}

/// Says that the answer waits at the gate. Where the connection runs the call, it runs it again once the gate lets the
/// answer pass, and the answer is yes; a task must wait for itself.
pub(super) fn leaves_with_connection(receipt: Receipt) -> bool {
    let is_connection = RUNNER.get() != Runner::Task;
    if is_connection {
        RUNNER.set(Runner::Leaving(receipt));
    }
    is_connection
}

/// Runs something that waits for more than the gate, so that it becomes a task.
pub(super) fn apart<T>(run: impl FnOnce() -> T) -> T {
    As::runner(Runner::Task).during(run)
}

/// Puts back who ran before, also after a panic.
struct As(Runner);

impl As {
    fn runner(runner: Runner) -> Self {
        Self(RUNNER.replace(runner))
    }

    fn during<T>(self, run: impl FnOnce() -> T) -> T {
        run()
    }
}

impl Drop for As {
    fn drop(&mut self) {
        RUNNER.set(self.0);
    }
}

/// Both together. It ends with the connection; tasks of calls then go on by themselves.
pub(super) struct Inline<C> {
    connection: C,
    calls: Calls,
    /// Taken from `calls`, to be run.
    taken: VecDeque<Call>,
    /// Their answers wait: for what, in the order in which they were given.
    leaving: VecDeque<(Receipt, Call)>,
    /// For the first of `leaving`.
    wait: Option<(Receipt, Wait)>,
    waiting: Arc<Waiting>,
}

impl<C: Future + Unpin> Inline<C> {
    /// A connection that executes by these calls, on the runtime of this place at the gate.
    pub(super) fn new(connection: C, calls: Calls, waiting: Arc<Waiting>) -> Self {
        Self {
            connection,
            calls,
            taken: VecDeque::new(),
            leaving: VecDeque::new(),
            wait: None,
            waiting,
        }
    }

    /// The connection.
    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        Pin::new(&mut self.connection)
    }

    /// Runs some of what was taken; answers whether there was anything.
    fn run(&mut self, context: &mut Context<'_>) -> bool {
        let count = self.taken.len().min(CALLS_AT_ONCE);
        for mut call in self.taken.drain(..count) {
            let as_connection = As::runner(Runner::Connection);
            let is_pending = call.as_mut().poll(context).is_pending();
            let runner = RUNNER.get();
            drop(as_connection);
            match runner {
                _ if !is_pending => {}
                Runner::Leaving(receipt) if self.leaving.len() < LEAVING_MAX => {
                    // Receipts ascend; if one does not, it leaves a little later than it could.
                    let before = self.leaving.back().map_or(receipt, |&(before, _)| before);
                    self.leaving.push_back((receipt.max(before), call));
                }
                // As a task it is looked at once more, and then is woken for itself.
                _ => drop(tokio::spawn(call)),
            }
        }
        count > 0
    }

    /// Runs again those whose answers may leave now; answers whether there were any.
    fn let_go(&mut self, context: &mut Context<'_>) -> bool {
        let mut went = false;
        while let Some(&(receipt, _)) = self.leaving.front() {
            // After a failure everybody goes, and is told.
            if self.waiting.gate().lets_pass(receipt) == Ok(false) {
                break;
            }
            if let Some((_, mut call)) = self.leaving.pop_front()
                && call.as_mut().poll(context).is_pending()
            {
                tokio::spawn(call);
            }
            went = true;
        }
        went
    }

    /// Waits for the first of those that wait; ready if it may go.
    fn poll_gate(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Unsafe>> {
        let Some(&(first, _)) = self.leaving.front() else {
            self.wait = None;
            return Poll::Pending;
        };
        if self
            .wait
            .as_ref()
            .is_none_or(|&(receipt, _)| receipt != first)
        {
            self.wait = Some((first, self.waiting.until_safe(first)));
        }
        match &mut self.wait {
            Some((_, wait)) => Pin::new(wait).poll(context),
            None => Poll::Pending,
        }
    }
}

impl<C: Future + Unpin> Future for Inline<C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let this = &mut *self;
        for _ in 0..TURNS_MAX {
            let polled = Pin::new(&mut this.connection).poll(context);
            this.taken.extend(this.calls.0.lock().drain(..));
            let went = this.let_go(context);
            if polled.is_ready() {
                // What was read is done, though nobody may hear of it.
                while this.run(context) {}
                return polled;
            }
            if !this.run(context) && !went && this.poll_gate(context).is_pending() {
                return Poll::Pending;
            }
        }
        if !this.leaving.is_empty() {
            // Nobody is parked for them yet, and there may be more to do for long.
            this.waiting.gate().ask();
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
