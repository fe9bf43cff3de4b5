//! The bodies of requests and answers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tonic::Status;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The body of an answer.
pub(super) enum Outgoing {
    /// One framed message, and the status OK after it.
    Message(Bytes),
    /// The status OK.
    Trailers,
    /// Nothing more.
    Ended,
    /// What the generated service answers.
    Generated(tonic::body::Body),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut *self {
            Self::Message(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Trailers;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Trailers => {
                *self = Self::Ended;
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Self::Ended => Poll::Ready(None),
            Self::Generated(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Message(_) | Self::Trailers => false,
            Self::Ended => true,
            Self::Generated(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // Never exact: an answer of gRPC does not tell its length ahead.
            Self::Message(_) | Self::Trailers => SizeHint::default(),
            Self::Ended => SizeHint::with_exact(0),
            Self::Generated(body) => body.size_hint(),
        }
    }
}

/// The body of a request of which some was read already.
pub(super) struct Reread {
    read: std::vec::IntoIter<Bytes>,
    rest: Incoming,
}

impl Reread {
    /// What was read, then the rest.
    pub(super) fn new(read: Vec<Bytes>, rest: Incoming) -> Self {
        Self {
            read: read.into_iter(),
            rest,
        }
    }
}

impl Body for Reread {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(bytes) = self.read.next() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let frame = ready!(Pin::new(&mut self.rest).poll_frame(context));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.read.as_slice().is_empty() && self.rest.is_end_stream()
    }
}
