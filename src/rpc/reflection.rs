//! Reflection, which tells tools what services there are: built when a tool asks for the first time, once for all
//! listeners. The descriptors of one version of the protocol, by name, take some 170 kB, and few sidecars are ever asked.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_reflection::pb::v1::server_reflection_server as v1;
use tonic_reflection::pb::v1alpha::server_reflection_server as v1alpha;
use tonic_reflection::server::{Builder, Error};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use super::{Answering, pb};

/// All paths of both versions of the protocol begin so.
pub(super) const PATHS: &str = "/grpc.reflection.";

type Built = Result<BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>, Error>;

static V1: LazyLock<Built> =
    LazyLock::new(|| Ok(BoxCloneSyncService::new(configured().build_v1()?)));

/// Tools still ask for it first.
static V1ALPHA: LazyLock<Built> =
    LazyLock::new(|| Ok(BoxCloneSyncService::new(configured().build_v1alpha()?)));

fn configured() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Answers a call of either version.
pub(super) fn answer(request: Request<Body>) -> Answering {
    let is_v1 = request.uri().path().starts_with("/grpc.reflection.v1.");
    let built = if is_v1 { &*V1 } else { &*V1ALPHA };
    match built {
        Ok(service) => Box::pin(service.clone().oneshot(request)),
        // Our own descriptors are broken, which a test excludes.
        Err(error) => {
            let status = Status::internal(format!("nothing can be reflected: {error}"));
            Box::pin(async move { Ok(status.into_http()) })
        }
    }
}

/// A version of the protocol, for a table of services.
#[derive(Clone)]
pub(super) struct Reflection<const IS_ALPHA: bool>;

impl<const IS_ALPHA: bool> NamedService for Reflection<IS_ALPHA> {
    const NAME: &'static str = if IS_ALPHA {
        v1alpha::SERVICE_NAME
    } else {
        v1::SERVICE_NAME
    };
}

impl<const IS_ALPHA: bool> Service<Request<Body>> for Reflection<IS_ALPHA> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        answer(request)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn our_descriptors_can_be_reflected() {
        assert!(super::V1.is_ok() && super::V1ALPHA.is_ok());
    }
}
