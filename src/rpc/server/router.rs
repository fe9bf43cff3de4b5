//! From the path of a request to its service: the hot path first, without a table.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::rpc::door::{Door, Timed};
use crate::rpc::health::{self, HealthService};
use crate::rpc::pb::quota_service_server::{QuotaService, QuotaServiceServer};
use crate::rpc::status::{self, Refusal};
use crate::rpc::{REQUEST_BYTES_MAX, pb};

type Reflection = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;
type Call = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// All services of the data plane, for one thread: nothing that requests count up and down is shared between threads.
pub(super) struct Router<S> {
    quota: QuotaServiceServer<S>,
    door: Arc<Door>,
    health: HealthServer<HealthService>,
    reflection: Option<Reflection>,
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            quota: self.quota.clone(),
            door: Arc::clone(&self.door),
            health: self.health.clone(),
            reflection: self.reflection.clone(),
        }
    }
}

impl<S: QuotaService> Router<S> {
    pub(super) fn new(service: S, door: Door) -> Self {
        let health = health::service(Arc::clone(door.vitals()));
        Self {
            quota: QuotaServiceServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX),
            door: Arc::new(door),
            health,
            reflection: reflection(),
        }
    }

    fn quota(&self, mut request: Request<Incoming>) -> Answer {
        let left = match self.door.admit(request.headers()) {
            Ok(None) => None,
            Ok(Some((deadline, left))) => {
                request.extensions_mut().insert(deadline);
                Some(left)
            }
            Err(status) => return Answer::Refused(Some(status.into_http())),
        };
        let call = self.quota.clone().call(request);
        let guarded = Guarded {
            call,
            door: Arc::clone(&self.door),
        };
        match left {
            None => Answer::Guarded(guarded),
            Some(left) => Answer::Timed(Timed::new(guarded, left)),
        }
    }
}

impl<S: QuotaService> hyper::service::Service<Request<Incoming>> for Router<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if path.starts_with("/quotad.v1.QuotaService/") {
            return self.quota(request);
        }
        if path.starts_with("/grpc.health.v1.Health/") {
            return Answer::Called(self.health.clone().call(request));
        }
        match &self.reflection {
            Some(reflection) if path.starts_with("/grpc.reflection.") => {
                Answer::Called(Box::pin(reflection.clone().oneshot(request)))
            }
            _ => {
                let status = Status::unimplemented(
                    "no such service here; quotad.v1.QuotaService, grpc.health.v1.Health and reflection are",
                );
                Answer::Refused(Some(status.into_http()))
            }
        }
    }
}

/// The answer to one request, on its way.
pub(super) enum Answer {
    /// Refused at the door.
    Refused(Option<Response<Body>>),
    /// In the hands of health or reflection.
    Called(Call),
    /// In the hands of the quota service.
    Guarded(Guarded),
    /// The same, for a caller who waits only so long.
    Timed(Timed<Guarded>),
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Refused(response) => Poll::Ready(Ok(response.take().unwrap_or_default())),
            Self::Called(call) => call.as_mut().poll(context),
            Self::Guarded(call) => Pin::new(call).poll(context),
            Self::Timed(call) => Pin::new(call)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|late| Ok(late.into_http()))),
        }
    }
}

/// A call whose panic ends only itself, also while it decodes and encodes.
pub(super) struct Guarded {
    call: Call,
    door: Arc<Door>,
}

impl Future for Guarded {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let call = &mut self.call;
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            self.door.vitals().count_panic();
            tracing::error!("a call ended in a panic");
            Poll::Ready(Ok(status::status(&Refusal::Broken).into_http()))
        })
    }
}

/// Both versions of the protocol: tools still ask for the older one first. `None` if our own descriptors are broken,
/// which a test excludes.
fn reflection() -> Option<Reflection> {
    let configured = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (v1, v1alpha) = (
        configured().build_v1().ok()?,
        configured().build_v1alpha().ok()?,
    );
    let either = tower::service_fn(move |request: Request<Incoming>| {
        let (mut v1, mut v1alpha) = (v1.clone(), v1alpha.clone());
        let is_v1 = request.uri().path().starts_with("/grpc.reflection.v1.");
        async move {
            if is_v1 {
                v1.call(request).await
            } else {
                v1alpha.call(request).await
            }
        }
    });
    Some(BoxCloneSyncService::new(either))
}

#[cfg(test)]
mod tests {
    #[test]
    fn our_descriptors_can_be_reflected() {
        assert!(super::reflection().is_some());
    }
}
