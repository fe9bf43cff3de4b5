//! The bodies of answers.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tonic::Status;

use crate::rpc::stream::Exchange;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The body of an answer.
pub(super) enum Outgoing {
    /// One framed message, and the status OK after it.
    Message(Bytes),
    /// The status OK.
    Trailers,
    /// Nothing more.
    Ended,
    /// The answers of a stream, while its messages come.
    Exchange(Box<Exchange>),
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
            Self::Exchange(exchange) => Pin::new(&mut **exchange).poll_frame(context),
            Self::Generated(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Message(_) | Self::Trailers => false,
            Self::Ended => true,
            Self::Exchange(exchange) => exchange.is_end_stream(),
            Self::Generated(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // Never exact: an answer of gRPC does not tell its length ahead.
            Self::Message(_) | Self::Trailers | Self::Exchange(_) => SizeHint::default(),
            Self::Ended => SizeHint::with_exact(0),
            Self::Generated(body) => body.size_hint(),
        }
    }
}
