//! The body of the answer to a stream on the direct way: all answers that may leave together are one frame.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming};
use tonic::Status;

use super::frames::{Framed, Frames};
use super::{Answers, Terms};
use crate::rpc::status::{self, Refusal};

/// So much leaves without waiting for more; as the generated service does.
const FRAME_BYTES: usize = 32 * 1_024;

/// A stream on the direct way, from frames to frames.
pub(in crate::rpc) struct Exchange<B: Framed = Incoming> {
    answers: Answers<Frames<B>>,
    /// Bytes of answers that may leave.
    ready: usize,
    ending: Ending,
}

enum Ending {
    /// More may come.
    NotYet,
    /// This stands behind what is ready.
    With(Status),
    /// It was told.
    Told,
}

impl<B: Framed> Exchange<B> {
    /// Answers the messages in this body.
    pub(in crate::rpc) fn new(terms: Terms, body: B) -> Self {
        Self {
            answers: Answers::new(Frames::new(body), terms),
            ready: 0,
            ending: Ending::NotYet,
        }
    }

    /// Collects what may leave, until that is enough or nothing more may.
    fn collect(&mut self, context: &mut Context<'_>) {
        while self.ready < FRAME_BYTES {
            match self.answers.poll_answer(context) {
                Poll::Ready(Some(Ok(bytes))) => self.ready += bytes,
                Poll::Ready(Some(Err(status))) => {
                    self.ending = Ending::With(status);
                    return;
                }
                Poll::Ready(None) => {
                    self.ending = Ending::With(Status::ok(""));
                    return;
                }
                Poll::Pending => return,
            }
        }
    }

    /// The same; a panic ends this stream and nothing else.
    fn collect_guarded(&mut self, context: &mut Context<'_>) {
        if catch_unwind(AssertUnwindSafe(|| self.collect(context))).is_err() {
            self.answers.terms.vitals.count_panic();
            tracing::error!("a stream ended in a panic");
            self.ending = Ending::With(status::status(&Refusal::Broken));
        }
    }

    /// The next frame: answers, or the status behind them.
    pub(in crate::rpc) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if let Ending::NotYet = self.ending {
            self.collect_guarded(context);
        }
        if self.ready > 0 {
            let bytes = std::mem::take(&mut self.ready);
            return Poll::Ready(Some(Frame::data(self.answers.messages.take(bytes))));
        }
        match &self.ending {
            Ending::NotYet => Poll::Pending,
            Ending::With(status) => {
                let trailers = status::trailers(status);
                self.ending = Ending::Told;
                Poll::Ready(Some(Frame::trailers(trailers)))
            }
            Ending::Told => Poll::Ready(None),
        }
    }
}

impl<B: Framed> Body for Exchange<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.poll(context).map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.ending, Ending::Told)
    }
}
