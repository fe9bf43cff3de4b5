//! A call on the direct way: reads its message, has it answered, and leaves once the gate lets it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Bytes, Incoming};

use super::body::Outgoing;
use super::inline::leaves_with_connection;
use super::router::Services;
use crate::rpc::Answering;
use crate::rpc::direct::{Answer, Call, Message, only_message};
use crate::rpc::door::Deadline;
use crate::rpc::pb::quota_service_server::QuotaService;
use crate::rpc::reread::Reread;
use crate::rpc::status::{self, Head};
use crate::storage::gate::Wait;
use crate::world::vitals::Phase;

/// A call, as far as it has come.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all calls are read and answered in one go: a box for each request would cost more than it saves"
)]
pub(super) enum Unary {
    /// Its message is on the way; of the body, this much was read.
    Reading(Call, Request<Incoming>, Bytes),
    /// Answered; what it tells may not be safe yet. Where nobody else does, it waits at the gate itself.
    Leaving(Call, Message, Option<Wait>),
    /// Handed over.
    Generated(Answering),
    /// Answered, and gone.
    Gone,
}

impl Unary {
    /// Goes on as far as it can.
    pub(super) fn poll<S: QuotaService>(
        &mut self,
        services: &Arc<Services<S>>,
        context: &mut Context<'_>,
    ) -> Poll<Response<Outgoing>> {
        loop {
            match self {
                Self::Reading(call, request, read) => {
                    let call = *call;
                    match ready!(poll_body(request.body_mut(), read, context)) {
                        Read::Whole => {
                            let deadline = request.extensions().get::<Deadline>();
                            let answer = only_message(read).map_or(Answer::Unreadable, |it| {
                                services.direct(call, it, deadline)
                            });
                            match answer {
                                Answer::Message(message) => {
                                    *self = Self::Leaving(call, message, None);
                                }
                                Answer::Refused(head) => {
                                    *self = Self::Gone;
                                    return Poll::Ready(refused(head));
                                }
                                Answer::Unreadable => self.hand_over(services, None),
                            }
                        }
                        Read::InParts(more) => self.hand_over(services, Some(more)),
                        Read::Broken => {
                            *self = Self::Gone;
                            return Poll::Ready(refused(Head::of(&status::cut_off())));
                        }
                    }
                }
                Self::Leaving(_, message, wait) => {
                    let receipt = message.receipt;
                    let passes = match services.waiting().gate().lets_pass(receipt) {
                        Ok(true) => Ok(()),
                        Ok(false) if leaves_with_connection(receipt) => return Poll::Pending,
                        Ok(false) => {
                            let until_safe = || services.waiting().until_safe(receipt);
                            let wait = wait.get_or_insert_with(until_safe);
                            ready!(Pin::new(wait).poll(context))
                        }
                        Err(failed) => Err(failed),
                    };
                    return Poll::Ready(match (passes, std::mem::replace(self, Self::Gone)) {
                        (Ok(()), Self::Leaving(call, message, _)) => {
                            self.leave(services, call, message)
                        }
                        _ => self.never_safe(services),
                    });
                }
                Self::Generated(call) => {
                    return call.as_mut().poll(context).map(|answer| {
                        answer
                            .unwrap_or_else(|never| match never {})
                            .map(Outgoing::Generated)
                    });
                }
                // Polled after its end, which nobody does.
                Self::Gone => return Poll::Pending,
            }
        }
    }

    fn leave<S>(
        &mut self,
        services: &Services<S>,
        call: Call,
        message: Message,
    ) -> Response<Outgoing> {
        *self = Self::Gone;
        if let Some(began_ns) = message.began_ns {
            services.left(call, began_ns);
        }
        answered(Outgoing::Message(message.bytes.into()))
    }

    fn never_safe<S>(&mut self, services: &Services<S>) -> Response<Outgoing> {
        *self = Self::Gone;
        services.door().vitals().enter(Phase::Failed);
        services.lost();
        refused(Head::of(&status::not_safe()))
    }

    fn hand_over<S: QuotaService>(&mut self, services: &Services<S>, more: Option<Bytes>) {
        if let Self::Reading(_, request, read) = std::mem::replace(self, Self::Gone) {
            let parts = std::iter::once(read).chain(more).collect();
            let request = request.map(|rest| Reread::new(parts, rest));
            *self = Self::Generated(services.generated(request));
        }
    }
}

/// An answer with messages.
pub(super) fn answered(body: Outgoing) -> Response<Outgoing> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// An answer that is a head only.
pub(super) fn refused(head: Head) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::Ended);
    *response.headers_mut() = head.into_map();
    response
}

enum Read {
    /// To its end.
    Whole,
    /// There is more than one part; this one comes after what was read.
    InParts(Bytes),
    /// The caller has gone.
    Broken,
}

/// Reads to the end of the body, or to its second part.
fn poll_body(body: &mut Incoming, read: &mut Bytes, context: &mut Context<'_>) -> Poll<Read> {
    while !body.is_end_stream() {
        match ready!(Pin::new(&mut *body).poll_frame(context)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) if read.is_empty() => *read = bytes,
                Ok(bytes) => return Poll::Ready(Read::InParts(bytes)),
                // Trailers of a request mean nothing.
                Err(_trailers) => {}
            },
            Some(Err(error)) => {
                tracing::debug!(%error, "a request was cut off");
                return Poll::Ready(Read::Broken);
            }
            None => break,
        }
    }
    Poll::Ready(Read::Whole)
}
