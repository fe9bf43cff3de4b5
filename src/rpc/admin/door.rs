//! The door of the management listener: how far this process has come, who calls, and whether that one may.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Service;

use crate::rpc::access::{Access, Role};
use crate::rpc::call_log::{self, LoggedAct};
use crate::rpc::door::{Door, Timed};
use crate::rpc::pb::admin_service_server::AdminServiceServer;
use crate::rpc::reflection::Reflection;
use crate::rpc::{Answering, health, status};
use crate::world::clock::Clock;

use super::{Admin, REQUEST_BYTES_MAX, role};

/// `AdminService`, health and reflection, for the runtime of this service.
pub fn routes(admin: Admin) -> Routes {
    let parts = Arc::clone(&admin.parts);
    let guarded = Guarded {
        door: Door::new(Arc::clone(&parts.vitals), Arc::clone(&parts.clock)),
        clock: Arc::clone(&parts.clock),
        start: parts.engine.start(),
        access: Arc::clone(&parts.access),
        service: AdminServiceServer::new(admin).max_decoding_message_size(REQUEST_BYTES_MAX),
    };
    Routes::new(guarded)
        .add_service(health::service(Arc::clone(&parts.vitals)))
        .add_service(Reflection::<false>)
        .add_service(Reflection::<true>)
        .prepare()
}

/// The service behind its door.
#[derive(Clone)]
struct Guarded {
    door: Door,
    clock: Arc<dyn Clock>,
    /// Random for each process.
    start: u64,
    access: Arc<Access>,
    service: AdminServiceServer<Admin>,
}

impl NamedService for Guarded {
    const NAME: &'static str = <AdminServiceServer<Admin> as NamedService>::NAME;
}

impl Service<Request<Body>> for Guarded {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        if !call_log::is_on() {
            return self.answer(request);
        }
        let rpc = request.uri().path().rsplit('/').next().unwrap_or_default();
        let (start, clock) = (self.start, Arc::clone(&self.clock));
        let began_ns = clock.read().steady_ns;
        let logged = LoggedAct::new(rpc, request.headers(), start, began_ns);
        let answer = self.answer(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            logged.end(clock.read().steady_ns, &mut answer);
            Ok(answer)
        })
    }
}

impl Guarded {
    fn answer(&mut self, mut request: Request<Body>) -> Answering {
        let rpc = request.uri().path().rsplit('/').next().unwrap_or_default();
        // What does not exist is not told to strangers.
        let needed = role(rpc).unwrap_or(Role::Viewer);
        let admitted = self.door.admit(request.headers()).and_then(|left| {
            let caller = self.access.admit(request.headers(), needed);
            Ok((left, caller.map_err(|it| status::stranger(&it))?))
        });
        let (left, caller) = match admitted {
            Ok(admitted) => admitted,
            Err(status) => return Box::pin(std::future::ready(Ok(status.into_http()))),
        };
        request.extensions_mut().insert(caller);
        let mut service = self.service.clone();
        match left {
            None => Box::pin(async move { service.call(request).await }),
            Some((deadline, left)) => {
                request.extensions_mut().insert(deadline);
                Box::pin(async move {
                    let answer = Timed::new(service.call(request), left).await;
                    answer.unwrap_or_else(|late| Ok(late.into_http()))
                })
            }
        }
    }
}
