//! Messages read where they lie in the frames of a connection, and answers laid out one behind the other.
//!
//! The first thing that is not plain (compressed, too large, no message, cut off by the end) goes to the decoder of the
//! generated service together with all that comes after it: so there is one place that words those errors.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Buf, Bytes};
use prost::Message as _;
use tokio_stream::Stream as _;
use tonic::codec::Codec as _;
use tonic::{Code, Status, Streaming};

use super::{Messages, Next, Terms, Waiter};
use crate::engine::recorder::Receipt;
use crate::rpc::codec::SmallCodec;
use crate::rpc::convert::view::Streamed;
use crate::rpc::convert::write::{nested, number};
use crate::rpc::convert::{self, Read as _, laid};
use crate::rpc::direct::{PREFIX_BYTES, Prefix, frame_into};
use crate::rpc::reread::Reread;
use crate::rpc::status::bad_field;
use crate::rpc::{REQUEST_BYTES_MAX, operate, pb};

/// What is kept for the answers of the next round, at most; a larger round grows by itself.
const ROUND_BYTES_MAX: usize = 32 * 1_024;

/// A message that came in pieces leaves no larger buffer behind.
const HELD_BYTES_MAX: usize = 16 * 1_024;

/// The body of a request whose frames hold messages.
pub(in crate::rpc) trait Framed:
    Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static
{
}

impl<B> Framed for B where B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static {}

type BoxError = Box<dyn Error + Send + Sync>;

/// The messages of a stream, and the bytes of the answers that have not left.
pub(super) struct Frames<B> {
    source: Source<B>,
    /// Those that may leave, and behind them those that wait.
    laid: Vec<u8>,
    /// How many bytes left in the last round.
    round: usize,
}

enum Source<B> {
    Plain(Plain<B>),
    Generated(Box<Streaming<pb::StreamRequest>>),
    /// Between the two.
    Gone,
}

impl<B: Framed> Frames<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            source: Source::Plain(Plain::new(body)),
            laid: Vec::new(),
            round: 0,
        }
    }

    /// Takes out the first answers, which are so many bytes.
    pub(super) fn take(&mut self, bytes: usize) -> Bytes {
        self.round = bytes.min(ROUND_BYTES_MAX);
        let waiting = if bytes == self.laid.len() {
            Vec::new()
        } else {
            self.laid.split_off(bytes)
        };
        std::mem::replace(&mut self.laid, waiting).into()
    }

    fn hand_over(&mut self) {
        if let Source::Plain(plain) = std::mem::replace(&mut self.source, Source::Gone) {
            self.source = Source::Generated(Box::new(plain.generated()));
        }
    }
}

impl<B: Framed> Messages for Frames<B> {
    /// The length of its bytes.
    type Answer = usize;

    fn poll_answered(&mut self, terms: &Terms, context: &mut Context<'_>) -> Next<Waiter<usize>> {
        if let Source::Plain(plain) = &mut self.source {
            match ready!(plain.poll_message(context)) {
                Found::Message(message) => {
                    let bytes = message.len();
                    let (laid, round) = (&mut self.laid, self.round);
                    let answered = Streamed::read(message).ok().map(|request| {
                        if laid.capacity() == 0 {
                            // Not before: a stream that is idle keeps nothing.
                            laid.reserve(round);
                        }
                        answered(terms, &request, laid)
                    });
                    if let Some(answered) = answered {
                        plain.pass(bytes);
                        return Poll::Ready(Some(answered));
                    }
                }
                Found::Other => {}
                Found::End => return Poll::Ready(None),
                Found::Broken(status) => return Poll::Ready(Some(Err(status))),
            }
            self.hand_over();
        }
        let Source::Generated(messages) = &mut self.source else {
            return Poll::Ready(None);
        };
        let next = ready!(Pin::new(&mut **messages).poll_next(context));
        let answered = next.map(|request| {
            let request = request?;
            answered(terms, &Streamed::from(&request), &mut self.laid)
        });
        Poll::Ready(answered)
    }
}

fn answered(
    terms: &Terms,
    request: &Streamed<'_>,
    laid: &mut Vec<u8>,
) -> Result<Waiter<usize>, Status> {
    let began_ns = terms.begin(request.operations.len())?;
    let before = laid.len();
    let (receipt, outcomes) = frame_into(laid, |out| answer(terms, request, out));
    Ok(Waiter {
        answer: laid.len() - before,
        outcomes,
        receipt,
        began_ns,
    })
}

/// As [`pb::StreamResponse`]; answers how many outcomes it has.
fn answer(terms: &Terms, request: &Streamed<'_>, out: &mut Vec<u8>) -> (Receipt, usize) {
    number(1, request.tag, out);
    let count = request.operations.len();
    if let Err(problem) = convert::operations_counted(count) {
        let failure = bad_field("operations".to_owned(), &problem);
        nested(3, out, |out| failure.encode_raw(out));
        return (Receipt::default(), 0);
    }
    let (engine, vitals, meter) = (&terms.engine, &terms.vitals, &terms.meter);
    let operations = request.operations.iter().copied();
    let receipt = operate::batch(engine, vitals, meter, operations, |done| {
        nested(2, out, |out| laid::outcome(&done, out));
    });
    (receipt, count)
}

/// The messages of a body as long as they are plain.
struct Plain<B> {
    body: B,
    /// What has come and belongs to no message that was passed, but for what is held.
    rest: Bytes,
    /// The beginning of a message that goes on in another frame.
    held: Vec<u8>,
}

/// What is next in a body.
enum Found<'a> {
    /// A message that is whole and plain.
    Message(&'a [u8]),
    /// Something else.
    Other,
    /// Nothing.
    End,
    /// The caller has gone.
    Broken(Status),
}

impl<B: Framed> Plain<B> {
    fn new(body: B) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            held: Vec::new(),
        }
    }

    /// What is next. A message stays so until it is passed.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Found<'_>> {
        loop {
            match self.gather() {
                Prefix::Plain(length) => {
                    let bytes = if self.held.is_empty() {
                        &self.rest[..]
                    } else {
                        &self.held
                    };
                    let message = bytes.get(PREFIX_BYTES..PREFIX_BYTES + length);
                    return Poll::Ready(message.map_or(Found::Other, Found::Message));
                }
                Prefix::Other => return Poll::Ready(Found::Other),
                Prefix::Cut => {}
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(_trailers) => return Poll::Ready(Found::End),
                },
                Some(Err(error)) => return Poll::Ready(broken(error.into())),
                None if self.held.is_empty() => return Poll::Ready(Found::End),
                None => return Poll::Ready(Found::Other),
            }
        }
    }

    /// Whether a message is whole. Of what has come, only a message in several frames is moved.
    fn gather(&mut self) -> Prefix {
        if self.held.is_empty() {
            let prefix = whole(&self.rest);
            if prefix == Prefix::Cut {
                self.held.extend_from_slice(&self.rest);
                self.rest.clear();
            }
            return prefix;
        }
        self.hold(PREFIX_BYTES);
        if let Prefix::Plain(length) = Prefix::of(&self.held) {
            self.hold(PREFIX_BYTES + length);
        }
        whole(&self.held)
    }

    /// Holds so much, as far as it has come.
    fn hold(&mut self, bytes: usize) {
        let missing = bytes.saturating_sub(self.held.len());
        let more = missing.min(self.rest.len());
        self.held.extend_from_slice(&self.rest[..more]);
        self.rest.advance(more);
    }

    /// The next message, which is so long, is done with.
    fn pass(&mut self, length: usize) {
        if self.held.is_empty() {
            self.rest.advance(PREFIX_BYTES + length);
        } else if self.held.capacity() <= HELD_BYTES_MAX {
            self.held.clear();
        } else {
            self.held = Vec::new();
        }
    }

    /// All that was not passed, in the hands of the generated service's decoder.
    fn generated(self) -> Streaming<pb::StreamRequest> {
        let body = Reread::new(vec![self.held.into(), self.rest], self.body);
        let decoder = SmallCodec::<pb::StreamResponse, pb::StreamRequest>::default().decoder();
        Streaming::new_request(decoder, body, None, Some(REQUEST_BYTES_MAX))
    }
}

/// What the bytes before a message say, and [`Prefix::Cut`] also if it is not whole.
fn whole(bytes: &[u8]) -> Prefix {
    match Prefix::of(bytes) {
        Prefix::Plain(length) if bytes.len() - PREFIX_BYTES < length => Prefix::Cut,
        prefix => prefix,
    }
}

/// As the generated service takes it: a caller who gives up ends the stream as one who is done.
fn broken(error: BoxError) -> Found<'static> {
    let status = Status::from_error(error);
    match status.code() {
        Code::Cancelled => Found::End,
        _ => Found::Broken(status),
    }
}
