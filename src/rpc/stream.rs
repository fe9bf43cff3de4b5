//! The answers of one `Stream` call.
//!
//! Where answers need not wait there is no queue: a message is read when the caller has room for its answer, so a caller
//! that does not read its answers is slowed down by HTTP/2 flow control. Where they wait until what they tell is safe, the
//! next messages are read meanwhile, so that one sync serves many of them, but no more than [`OUTCOMES_WAITING_MAX`] says.
//! What ends the stream: the caller, a deadline, draining, and bytes that are no message or more than
//! [`super::REQUEST_BYTES_MAX`] (the rest could not be told apart any more). What was booked before is answered first.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::{Status, Streaming};

use crate::engine::Engine;
use crate::engine::recorder::Receipt;
use crate::rpc::door::{Deadline, Door};
use crate::rpc::meter::{Meter, Rpc};
use crate::rpc::operate::Answered;
use crate::rpc::quota::Parts;
use crate::rpc::status::{bad_field, not_safe};
use crate::rpc::{OPERATIONS_MAX, convert, operate, pb};
use crate::storage::gate::{Unsafe, Wait, Waiting};
use crate::world::clock::Clock;
use crate::world::vitals::{Phase, Vitals};

/// While so many outcomes of one stream wait, its next message is not read: at worst there are a message's more.
const OUTCOMES_WAITING_MAX: usize = OPERATIONS_MAX;

type Polled = Poll<Option<Result<pb::StreamResponse, Status>>>;

/// Answers in the order of the requests.
pub struct Answers {
    requests: Streaming<pb::StreamRequest>,
    engine: Arc<Engine>,
    vitals: Arc<Vitals>,
    clock: Arc<dyn Clock>,
    waiting: Arc<Waiting>,
    door: Door,
    meter: Arc<Meter>,
    deadline: Option<Deadline>,
    phases: WatchStream<Phase>,
    /// Answers that wait, the oldest first; only that one waits at the gate.
    answers: VecDeque<Waiter>,
    /// The outcomes in them, each answer counted as one more.
    outcomes_waiting: usize,
    /// Why nothing more is read, once that is so: `None` is the caller's own end.
    ending: Option<Option<Status>>,
}

/// An answer that waits until it may leave.
struct Waiter {
    wait: Wait,
    answer: pb::StreamResponse,
    /// When its message arrived, in steady time, if it is measured.
    began_ns: Option<i64>,
}

impl Answers {
    pub(super) fn new(
        requests: Streaming<pb::StreamRequest>,
        parts: &Parts,
        waiting: Arc<Waiting>,
        door: Door,
        meter: Arc<Meter>,
        deadline: Option<Deadline>,
    ) -> Self {
        Self {
            requests,
            engine: Arc::clone(&parts.engine),
            vitals: Arc::clone(&parts.vitals),
            clock: Arc::clone(&parts.clock),
            waiting,
            door,
            meter,
            deadline,
            phases: WatchStream::new(parts.vitals.watch()),
            answers: VecDeque::new(),
            outcomes_waiting: 0,
            ending: None,
        }
    }

    fn answer(&self, request: &pb::StreamRequest) -> Answered<pb::StreamResponse> {
        let tag = request.tag;
        match convert::operations_counted(&request.operations) {
            Ok(()) => operate::batch(&self.engine, &self.vitals, &self.meter, &request.operations)
                .map(|outcomes| pb::StreamResponse {
                    tag,
                    outcomes,
                    failure: None,
                }),
            Err(problem) => Answered {
                answer: pb::StreamResponse {
                    tag,
                    outcomes: Vec::new(),
                    failure: Some(bad_field("operations".to_owned(), &problem)),
                },
                receipt: Receipt::default(),
            },
        }
    }

    /// Reads what has arrived as far as there is room for its answers. Afterwards either the oldest answer may leave, or
    /// nothing more is to be read, or whoever brings the next message or another phase wakes us.
    fn read(&mut self, context: &mut Context<'_>) {
        while self.ending.is_none() && self.outcomes_waiting < OUTCOMES_WAITING_MAX {
            if let Err(closed) = self.door.open() {
                self.ending = Some(Some(closed));
                return;
            }
            match Pin::new(&mut self.requests).poll_next(context) {
                Poll::Ready(Some(Ok(request))) => {
                    if let Err(late) = self.door.in_time(self.deadline.as_ref()) {
                        self.ending = Some(Some(late));
                        return;
                    }
                    let is_measured = self.meter.streamed(request.operations.len());
                    let began_ns = is_measured.then(|| self.clock.read().steady_ns);
                    let answered = self.answer(&request);
                    self.outcomes_waiting += weight(&answered.answer);
                    self.answers.push_back(Waiter {
                        wait: self.waiting.until_safe(answered.receipt),
                        answer: answered.answer,
                        began_ns,
                    });
                    let waits = self.waiting.gate().lets_pass(answered.receipt) == Ok(false);
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
    fn leave(&mut self, context: &mut Context<'_>) -> Polled {
        let Some(first) = self.answers.front_mut() else {
            return match &mut self.ending {
                Some(status) => Poll::Ready(status.take().map(Err)),
                None => Poll::Pending,
            };
        };
        match Pin::new(&mut first.wait).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                let first = self.answers.pop_front();
                if let Some(began_ns) = first.as_ref().and_then(|it| it.began_ns) {
                    let ended_ns = self.clock.read().steady_ns;
                    self.meter.took(Rpc::Stream, began_ns, ended_ns);
                }
                let answer = first.map(|it| it.answer);
                self.outcomes_waiting -= answer.as_ref().map_or(0, weight);
                Poll::Ready(answer.map(Ok))
            }
            Poll::Ready(Err(Unsafe)) => {
                self.vitals.enter(Phase::Failed);
                self.answers.clear();
                self.ending = Some(None);
                Poll::Ready(Some(Err(not_safe())))
            }
        }
    }
}

/// What an answer counts for: its outcomes, and itself.
fn weight(answer: &pb::StreamResponse) -> usize {
    answer.outcomes.len() + 1
}

impl Stream for Answers {
    type Item = Result<pb::StreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        // What waits is older than what is still to be read.
        if let Poll::Ready(answer) = self.leave(context) {
            return Poll::Ready(answer);
        }
        self.read(context);
        self.leave(context)
    }
}
