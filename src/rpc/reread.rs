//! The body of a request of which some was read already.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};

/// What was read, then the rest.
pub(super) struct Reread<B> {
    read: std::vec::IntoIter<Bytes>,
    rest: B,
}

impl<B> Reread<B> {
    pub(super) fn new(read: Vec<Bytes>, rest: B) -> Self {
        Self {
            read: read.into_iter(),
            rest,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Reread<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.read.next() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.as_slice().is_empty() && self.rest.is_end_stream()
    }
}
