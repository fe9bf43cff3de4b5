//! From the path of a request to its service: the hot path first, without a table.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderName, Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use tonic::Status;
use tonic_health::pb::health_server::HealthServer;
use tower::Service;

use super::body::Outgoing;
use super::inline::apart;
use super::unary::{self, Unary};
use crate::rpc::call_log;
use crate::rpc::direct::{self, Call, Direct};
use crate::rpc::door::{Deadline, Door, Timed};
use crate::rpc::health::{self, HealthService};
use crate::rpc::pb::quota_service_server::{QuotaService, QuotaServiceServer};
use crate::rpc::status::{self, Head, Refusal};
use crate::rpc::stream::Exchange;
use crate::rpc::{Answering, REQUEST_BYTES_MAX, reflection};
use crate::storage::gate::Waiting;

type TonicBody = tonic::body::Body;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Whether the messages of a call are said to be as they are.
fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get(&GRPC_ENCODING)
        .is_none_or(|encoding| encoding == "identity")
}

/// Which call of the quota service a request is for.
#[derive(Clone, Copy)]
enum Name {
    /// One of one message, with a direct way.
    One(Call),
    /// That of many messages.
    Stream,
    /// The generated service knows.
    Other,
}

impl Name {
    fn of(name: &str) -> Self {
        match Call::named(name) {
            Some(call) => Self::One(call),
            None if name == "Stream" => Self::Stream,
            None => Self::Other,
        }
    }
}

/// All services of the data plane, for one thread: nothing that requests count up and down is shared between threads.
pub(super) struct Services<S> {
    quota: QuotaServiceServer<S>,
    direct: Option<Box<dyn Direct>>,
    waiting: Arc<Waiting>,
    door: Door,
    health: HealthServer<HealthService>,
}

/// Finds the service of a request.
pub(super) struct Router<S>(Arc<Services<S>>);

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Router<S> {
    /// Where the answers of its runtime wait.
    pub(super) fn waiting(&self) -> &Arc<Waiting> {
        &self.0.waiting
    }
}

impl<S: QuotaService> Router<S> {
    /// With a service that also answers directly, or one that does not.
    pub(super) fn new(
        service: S,
        direct: Option<Box<dyn Direct>>,
        waiting: Arc<Waiting>,
        door: Door,
    ) -> Self {
        let health = health::service(Arc::clone(door.vitals()));
        Self(Arc::new(Services {
            quota: QuotaServiceServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX),
            direct,
            waiting,
            door,
            health,
        }))
    }

    fn quota(&self, name: Name, mut request: Request<Incoming>) -> Answer<S> {
        let left = match self.0.door.admit(request.headers()) {
            Ok(None) => None,
            Ok(Some((deadline, left))) => {
                request.extensions_mut().insert(deadline);
                Some(left)
            }
            Err(status) => return Answer::Refused(Head::of(&status)),
        };
        // Calls that are logged are seen whole by the generated service, and it refuses encodings that it does not know.
        let direct = self.0.direct.as_deref();
        let direct = direct.filter(|_| !call_log::is_on() && is_plain(request.headers()));
        let call = match (name, direct) {
            (Name::One(call), Some(_)) => Unary::Reading(call, request, Bytes::new()),
            (Name::Stream, Some(direct)) => {
                let deadline = request.extensions().get::<Deadline>().copied();
                match direct.stream(deadline) {
                    Some(terms) => {
                        let exchange = Exchange::new(terms, request.into_body());
                        return Answer::Opened(Some(Box::new(exchange)));
                    }
                    None => Unary::Generated(self.0.generated(request)),
                }
            }
            _ => Unary::Generated(self.0.generated(request)),
        };
        let guarded = Guarded {
            call,
            services: Arc::clone(&self.0),
        };
        match left {
            None => Answer::Guarded(guarded),
            Some(left) => Answer::Timed(Timed::new(guarded, left)),
        }
    }
}

impl<S> Services<S> {
    /// Has a message answered.
    pub(super) fn direct(
        &self,
        call: Call,
        message: &[u8],
        deadline: Option<&Deadline>,
    ) -> direct::Answer {
        match &self.direct {
            Some(direct) => direct.answer(call, message, deadline),
            None => direct::Answer::Unreadable,
        }
    }

    /// The answer of a call that is measured leaves.
    pub(super) fn left(&self, call: Call, began_ns: i64) {
        if let Some(direct) = &self.direct {
            direct.left(call, began_ns);
        }
    }

    /// An answer never leaves.
    pub(super) fn lost(&self) {
        if let Some(direct) = &self.direct {
            direct.lost();
        }
    }

    /// Where its answers wait.
    pub(super) fn waiting(&self) -> &Arc<Waiting> {
        &self.waiting
    }

    /// The door.
    pub(super) fn door(&self) -> &Door {
        &self.door
    }
}

impl<S: QuotaService> Services<S> {
    /// Hands a request to the generated service.
    pub(super) fn generated<B>(&self, request: Request<B>) -> Answering
    where
        B: Body + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    {
        self.quota.clone().call(request)
    }
}

impl<S: QuotaService> hyper::service::Service<Request<Incoming>> for Router<S> {
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = Answer<S>;

    fn call(&self, request: Request<Incoming>) -> Answer<S> {
        const QUOTA: &str = "/quotad.v1.QuotaService/";
        let path = request.uri().path();
        if let Some(name) = path.strip_prefix(QUOTA) {
            return self.quota(Name::of(name), request);
        }
        if path.starts_with("/grpc.health.v1.Health/") {
            return Answer::Called(self.0.health.clone().call(request));
        }
        if path.starts_with(reflection::PATHS) {
            return Answer::Called(reflection::answer(request.map(TonicBody::new)));
        }
        let status = Status::unimplemented(
            "no such service here; quotad.v1.QuotaService, grpc.health.v1.Health and reflection are",
        );
        Answer::Refused(Head::of(&status))
    }
}

/// The answer to one request, on its way.
pub(super) enum Answer<S> {
    /// Refused at the door.
    Refused(Head),
    /// In the hands of health or reflection.
    Called(Answering),
    /// A stream, which is answered as its messages come.
    Opened(Option<Box<Exchange>>),
    /// In the hands of the quota service.
    Guarded(Guarded<S>),
    /// The same, for a caller who waits only so long.
    Timed(Timed<Guarded<S>>),
}

impl<S: QuotaService> Future for Answer<S> {
    type Output = Result<Response<Outgoing>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match self.get_mut() {
            Self::Refused(head) => unary::refused(std::mem::take(head)),
            Self::Called(call) => ready!(call.as_mut().poll(context))?.map(Outgoing::Generated),
            Self::Opened(exchange) => match exchange.take() {
                Some(exchange) => unary::answered(Outgoing::Exchange(exchange)),
                // Polled after its end, which nobody does.
                None => return Poll::Pending,
            },
            Self::Guarded(call) => ready!(Pin::new(call).poll(context)),
            Self::Timed(call) => ready!(apart(|| Pin::new(call).poll(context)))
                .unwrap_or_else(|late| unary::refused(Head::of(&late))),
        };
        Poll::Ready(Ok(response))
    }
}

/// A call whose panic ends only itself, also while it decodes and encodes.
pub(super) struct Guarded<S> {
    call: Unary,
    services: Arc<Services<S>>,
}

impl<S: QuotaService> Future for Guarded<S> {
    type Output = Response<Outgoing>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { call, services } = &mut *self;
        let polled = catch_unwind(AssertUnwindSafe(|| call.poll(services, context)));
        polled.unwrap_or_else(|_| {
            services.door.vitals().count_panic();
            tracing::error!("a call ended in a panic");
            Poll::Ready(unary::refused(Head::of(&status::status(&Refusal::Broken))))
        })
    }
}
