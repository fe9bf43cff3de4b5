//! `QuotaService`, the hot path: each call is one function that never waits.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use crate::engine::Engine;
use crate::rpc::door::{Deadline, Door};
use crate::rpc::pb::quota_service_server::QuotaService;
use crate::rpc::status::{Refusal, invalid, status};
use crate::rpc::stream::Answers;
use crate::rpc::{convert, operate, pb};
use crate::world::clock::Clock;
use crate::world::vitals::Vitals;

/// What the service needs.
#[derive(Clone)]
pub struct Parts {
    /// The books.
    pub engine: Arc<Engine>,
    /// Where panics are counted, and how far this process has come.
    pub vitals: Arc<Vitals>,
    /// Measures deadlines, and dates balances.
    pub clock: Arc<dyn Clock>,
}

/// The service over an engine.
#[derive(Clone)]
pub struct Quota {
    parts: Parts,
    door: Door,
}

impl Quota {
    /// Over these parts.
    pub fn new(parts: Parts) -> Self {
        let door = Door::new(Arc::clone(&parts.vitals), Arc::clone(&parts.clock));
        Self { parts, door }
    }

    fn call<W, A>(
        &self,
        request: &Request<W>,
        work: impl FnOnce(&Engine, &W) -> Result<A, Refusal>,
    ) -> Result<Response<A>, Status> {
        self.door.in_time(request.extensions().get::<Deadline>())?;
        operate::guarded(&self.parts.vitals, || {
            work(&self.parts.engine, request.get_ref())
        })
        .map(Response::new)
        .map_err(|refusal| status(&refusal))
    }
}

#[tonic::async_trait]
impl QuotaService for Quota {
    type StreamStream = Answers;

    async fn reserve(
        &self,
        request: Request<pb::ReserveRequest>,
    ) -> Result<Response<pb::ReserveResponse>, Status> {
        self.call(&request, operate::reserve)
    }

    async fn commit(
        &self,
        request: Request<pb::CommitRequest>,
    ) -> Result<Response<pb::CommitResponse>, Status> {
        self.call(&request, operate::commit)
    }

    async fn release(
        &self,
        request: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::ReleaseResponse>, Status> {
        self.call(&request, operate::release)
    }

    async fn extend(
        &self,
        request: Request<pb::ExtendRequest>,
    ) -> Result<Response<pb::ExtendResponse>, Status> {
        self.call(&request, operate::extend)
    }

    async fn charge(
        &self,
        request: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        self.call(&request, operate::charge)
    }

    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        self.call(&request, operate::check)
    }

    async fn get_balance(
        &self,
        request: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        self.call(&request, |engine, wire| {
            operate::balances(engine, &*self.parts.clock, wire)
        })
    }

    async fn batch(
        &self,
        request: Request<pb::BatchRequest>,
    ) -> Result<Response<pb::BatchResponse>, Status> {
        convert::operations_counted(&request.get_ref().operations)
            .map_err(|problem| invalid("operations", &problem))?;
        self.call(&request, |engine, wire| {
            Ok(pb::BatchResponse {
                outcomes: operate::batch(engine, &self.parts.vitals, &wire.operations),
            })
        })
    }

    async fn stream(
        &self,
        request: Request<Streaming<pb::StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let deadline = request.extensions().get::<Deadline>().copied();
        let answers = Answers::new(
            request.into_inner(),
            &self.parts,
            self.door.clone(),
            deadline,
        );
        Ok(Response::new(answers))
    }
}
