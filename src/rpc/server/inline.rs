//! A connection and its calls as one task.
//!
//! hyper hands every call to an executor. A task of its own for each costs more than most calls do: they end the first time
//! they are looked at. So the connection collects the calls that it has just read and runs them itself, before it writes
//! what they answered, all of it at once. Only those that have to wait (for the rest of their message, or at the gate)
//! become tasks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::Executor;
use parking_lot::Mutex;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The calls that a connection has read and not yet run. No more than it may have streams.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<Call>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Calls {
    fn execute(&self, call: F) {
        self.0.lock().push(Box::pin(call));
    }
}

/// Both together. It ends with the connection; calls that wait then go on by themselves.
pub(super) struct Inline<C> {
    connection: C,
    calls: Calls,
    /// Taken from `calls` to be run; empty between two polls.
    taken: Vec<Call>,
}

impl<C: Future + Unpin> Inline<C> {
    /// A connection that executes by these calls.
    pub(super) fn new(connection: C, calls: Calls) -> Self {
        Self {
            connection,
            calls,
            taken: Vec::new(),
        }
    }

    /// The connection.
    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        Pin::new(&mut self.connection)
    }
}

impl<C: Future + Unpin> Future for Inline<C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let this = &mut *self;
        loop {
            let polled = Pin::new(&mut this.connection).poll(context);
            std::mem::swap(&mut this.taken, &mut *this.calls.0.lock());
            if this.taken.is_empty() {
                return polled;
            }
            for mut call in this.taken.drain(..) {
                if call.as_mut().poll(context).is_pending() {
                    // As a task it is looked at once more, and then is woken for itself.
                    tokio::spawn(call);
                }
            }
            if polled.is_ready() {
                return polled;
            }
        }
    }
}
