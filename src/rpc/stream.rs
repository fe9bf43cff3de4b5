//! The answers of one `Stream` call.
//!
//! There is no queue: a message is read when the caller has room for its answer, so a caller that does not read its
//! answers is slowed down by HTTP/2 flow control. What ends the stream: the caller, a deadline, draining, and bytes that
//! are no message or more than [`super::REQUEST_BYTES_MAX`] (the rest could not be told apart any more).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::{Status, Streaming};

use crate::engine::Engine;
use crate::rpc::door::{Deadline, Door};
use crate::rpc::quota::Parts;
use crate::rpc::status::bad_field;
use crate::rpc::{convert, operate, pb};
use crate::world::vitals::{Phase, Vitals};

/// Answers in the order of the requests.
pub struct Answers {
    requests: Streaming<pb::StreamRequest>,
    engine: Arc<Engine>,
    vitals: Arc<Vitals>,
    door: Door,
    deadline: Option<Deadline>,
    phases: WatchStream<Phase>,
    is_over: bool,
}

impl Answers {
    pub(super) fn new(
        requests: Streaming<pb::StreamRequest>,
        parts: &Parts,
        door: Door,
        deadline: Option<Deadline>,
    ) -> Self {
        Self {
            requests,
            engine: Arc::clone(&parts.engine),
            vitals: Arc::clone(&parts.vitals),
            door,
            deadline,
            phases: WatchStream::new(parts.vitals.watch()),
            is_over: false,
        }
    }

    fn answer(&self, request: &pb::StreamRequest) -> pb::StreamResponse {
        let tag = request.tag;
        match convert::operations_counted(&request.operations) {
            Ok(()) => pb::StreamResponse {
                tag,
                outcomes: operate::batch(&self.engine, &self.vitals, &request.operations),
                failure: None,
            },
            Err(problem) => pb::StreamResponse {
                tag,
                outcomes: Vec::new(),
                failure: Some(bad_field("operations".to_owned(), &problem)),
            },
        }
    }

    fn end(&mut self, status: Status) -> Poll<Option<Result<pb::StreamResponse, Status>>> {
        self.is_over = true;
        Poll::Ready(Some(Err(status)))
    }
}

impl Stream for Answers {
    type Item = Result<pb::StreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        loop {
            if let Err(closed) = self.door.open() {
                return self.end(closed);
            }
            match Pin::new(&mut self.requests).poll_next(context) {
                Poll::Ready(Some(Ok(request))) => {
                    if let Err(late) = self.door.in_time(self.deadline.as_ref()) {
                        return self.end(late);
                    }
                    return Poll::Ready(Some(Ok(self.answer(&request))));
                }
                Poll::Ready(Some(Err(status))) => return self.end(status),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            // Nothing to answer: wait for a request, or for another phase.
            match Pin::new(&mut self.phases).poll_next(context) {
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
