//! The answers of one `Stream` call.
//!
//! Where answers need not wait there is no queue: a message is read when the caller has room for its answer, so a caller
//! that does not read its answers is slowed down by HTTP/2 flow control. Where they wait until what they tell is safe, the
//! next messages are read meanwhile, so that one sync serves many of them, but no more than [`OUTCOMES_WAITING_MAX`] says.
//! What ends the stream: the caller, a deadline, draining, and bytes that are no message or more than
//! [`super::REQUEST_BYTES_MAX`] (the rest could not be told apart any more). What was booked before is answered first.
//!
//! All of this is the same for the two ways in which messages come: read by the generated service (`stream/generated.rs`),
//! or directly out of the frames of the connection (`stream/frames.rs`), whose answers `stream/exchange.rs` sends.

mod exchange;
mod frames;
mod generated;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::Status;

pub(super) use exchange::Exchange;

use crate::engine::Engine;
use crate::engine::recorder::Receipt;
use crate::rpc::OPERATIONS_MAX;
use crate::rpc::door::{Deadline, Door};
use crate::rpc::meter::{Meter, Rpc};
use crate::rpc::status::not_safe;
use crate::storage::gate::{Unsafe, Wait, Waiting};
use crate::world::clock::Clock;
use crate::world::vitals::{Phase, Vitals};

/// While so many outcomes of one stream wait, its next message is not read: at worst there are a message's more.
const OUTCOMES_WAITING_MAX: usize = OPERATIONS_MAX;

/// The next of something, a status in its place, or the end.
type Next<T> = Poll<Option<Result<T, Status>>>;

/// What the messages of a stream are answered with.
pub struct Terms {
    pub(super) engine: Arc<Engine>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) waiting: Arc<Waiting>,
    pub(super) door: Door,
    pub(super) meter: Arc<Meter>,
    pub(super) deadline: Option<Deadline>,
}

impl Terms {
    /// Counts a message of so many operations, if there is still time; answers when it began, if it is measured.
    fn begin(&self, operations: usize) -> Result<Option<i64>, Status> {
        self.door.in_time(self.deadline.as_ref())?;
        let is_measured = self.meter.streamed(operations);
        Ok(is_measured.then(|| self.clock.read().steady_ns))
    }
}

/// The messages of a stream, each of which is answered as soon as it is there.
pub trait Messages {
    /// What an answer is.
    type Answer;

    /// Has the next one answered.
    #[doc(hidden)]
    fn poll_answered(
        &mut self,
        terms: &Terms,
        context: &mut Context<'_>,
    ) -> Next<Waiter<Self::Answer>>;
}

/// An answer that waits until it may leave.
pub struct Waiter<A> {
    answer: A,
    /// How many it has.
    outcomes: usize,
    receipt: Receipt,
    /// When its message arrived, in steady time, if it is measured.
    began_ns: Option<i64>,
}

impl<A> Waiter<A> {
    /// What it counts for: its outcomes, and itself.
    fn weight(&self) -> usize {
        self.outcomes + 1
    }
}

/// Answers in the order of the requests.
pub struct Answers<M: Messages> {
    messages: M,
    terms: Terms,
    phases: WatchStream<Phase>,
    /// Answers that wait, the oldest first.
    answers: VecDeque<Waiter<M::Answer>>,
    /// Where the oldest waits, once it has to.
    wait: Option<Wait>,
    /// The outcomes in them, each answer counted as one more.
    outcomes_waiting: usize,
    /// Why nothing more is read, once that is so: `None` is the caller's own end.
    ending: Option<Option<Status>>,
}

impl<M: Messages> Answers<M> {
    pub(super) fn new(messages: M, terms: Terms) -> Self {
        Self {
            messages,
            phases: WatchStream::new(terms.vitals.watch()),
            terms,
            answers: VecDeque::new(),
            wait: None,
            outcomes_waiting: 0,
            ending: None,
        }
    }

    /// Reads what has arrived as far as there is room for its answers. Afterwards either the oldest answer may leave, or
    /// nothing more is to be read, or whoever brings the next message or another phase wakes us.
    fn read(&mut self, context: &mut Context<'_>) {
        while self.ending.is_none() && self.outcomes_waiting < OUTCOMES_WAITING_MAX {
            if let Err(closed) = self.terms.door.open() {
                self.ending = Some(Some(closed));
                return;
            }
            match self.messages.poll_answered(&self.terms, context) {
                Poll::Ready(Some(Ok(answered))) => {
                    let gate = self.terms.waiting.gate();
                    let waits = gate.lets_pass(answered.receipt) == Ok(false);
                    self.outcomes_waiting += answered.weight();
                    self.answers.push_back(answered);
                    if self.answers.len() == 1 && !waits {
                        return;
                    }
                }
                Poll::Ready(Some(Err(status))) => self.ending = Some(Some(status)),
                Poll::Ready(None) => self.ending = Some(None),
                Poll::Pending => match Pin::new(&mut self.phases).poll_next(context) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) | Poll::Pending => return,
                },
            }
        }
    }

    /// The oldest answer, if it may leave; an end, if all have left.
    fn leave(&mut self, context: &mut Context<'_>) -> Next<M::Answer> {
        let Some(first) = self.answers.front() else {
            return match &mut self.ending {
                Some(status) => Poll::Ready(status.take().map(Err)),
                None => Poll::Pending,
            };
        };
        let passes = match self.terms.waiting.gate().lets_pass(first.receipt) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => {
                let until_safe = || self.terms.waiting.until_safe(first.receipt);
                Pin::new(self.wait.get_or_insert_with(until_safe)).poll(context)
            }
            Err(failed) => Poll::Ready(Err(failed)),
        };
        match passes {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(self.take_first().map(Ok)),
            Poll::Ready(Err(Unsafe)) => {
                self.terms.vitals.enter(Phase::Failed);
                self.answers.clear();
                self.wait = None;
                self.ending = Some(None);
                Poll::Ready(Some(Err(not_safe())))
            }
        }
    }

    fn take_first(&mut self) -> Option<M::Answer> {
        self.wait = None;
        let first = self.answers.pop_front()?;
        self.outcomes_waiting -= first.weight();
        if let Some(began_ns) = first.began_ns {
            let ended_ns = self.terms.clock.read().steady_ns;
            self.terms.meter.took(Rpc::Stream, began_ns, ended_ns);
        }
        Some(first.answer)
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Next<M::Answer> {
        // What waits is older than what is still to be read.
        if let Poll::Ready(answer) = self.leave(context) {
            return Poll::Ready(answer);
        }
        self.read(context);
        self.leave(context)
    }
}

impl<M: Messages + Unpin> Stream for Answers<M>
where
    M::Answer: Unpin,
{
    type Item = Result<M::Answer, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Next<M::Answer> {
        self.poll_answer(context)
    }
}
