//! `QuotaService`, the hot path: each call is one function that waits for nothing but the gate, and only where the
//! durability mode asks for it.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use crate::engine::Engine;
use crate::rpc::door::{Deadline, Door};
use crate::rpc::operate::Answered;
use crate::rpc::pb::quota_service_server::QuotaService;
use crate::rpc::status::{Refusal, invalid, not_safe, status};
use crate::rpc::stream::Answers;
use crate::rpc::{convert, operate, pb};
use crate::storage::gate::{Gate, Unsafe, Waiting};
use crate::world::clock::Clock;
use crate::world::vitals::{Phase, Vitals};

/// What the service needs.
#[derive(Clone)]
pub struct Parts {
    /// The books.
    pub engine: Arc<Engine>,
    /// Where panics are counted, and how far this process has come.
    pub vitals: Arc<Vitals>,
    /// Measures deadlines, and dates balances.
    pub clock: Arc<dyn Clock>,
    /// Where answers wait until what they tell is safe.
    pub gate: Arc<Gate>,
}

/// The service over an engine, for one runtime.
#[derive(Clone)]
pub struct Quota {
    parts: Parts,
    door: Door,
    waiting: Arc<Waiting>,
}

impl Quota {
    /// Over these parts, on the runtime that serves this place at their gate.
    pub fn new(parts: Parts, waiting: Arc<Waiting>) -> Self {
        let door = Door::new(Arc::clone(&parts.vitals), Arc::clone(&parts.clock));
        Self {
            parts,
            door,
            waiting,
        }
    }

    fn call<W, A>(
        &self,
        request: &Request<W>,
        work: impl FnOnce(&Engine, &W) -> Result<Answered<A>, Refusal>,
    ) -> Result<Answered<A>, Status> {
        self.door.in_time(request.extensions().get::<Deadline>())?;
        operate::guarded(&self.parts.vitals, || {
            work(&self.parts.engine, request.get_ref())
        })
        .map_err(|refusal| status(&refusal))
    }

    /// Lets an answer leave, once what it tells is safe.
    async fn leave<A>(&self, answered: Answered<A>) -> Result<Response<A>, Status> {
        let passes = match self.parts.gate.lets_pass(answered.receipt) {
            Ok(true) => Ok(()),
            Ok(false) => self.waiting.until_safe(answered.receipt).await,
            Err(failed) => Err(failed),
        };
        passes.map_err(|Unsafe| {
            self.parts.vitals.enter(Phase::Failed);
            not_safe()
        })?;
        Ok(Response::new(answered.answer))
    }
}

#[tonic::async_trait]
impl QuotaService for Quota {
    type StreamStream = Answers;

    async fn reserve(
        &self,
        request: Request<pb::ReserveRequest>,
    ) -> Result<Response<pb::ReserveResponse>, Status> {
        let answered = self.call(&request, operate::reserve)?;
        self.leave(answered).await
    }

    async fn commit(
        &self,
        request: Request<pb::CommitRequest>,
    ) -> Result<Response<pb::CommitResponse>, Status> {
        let answered = self.call(&request, operate::commit)?;
        self.leave(answered).await
    }

    async fn release(
        &self,
        request: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::ReleaseResponse>, Status> {
        let answered = self.call(&request, operate::release)?;
        self.leave(answered).await
    }

    async fn extend(
        &self,
        request: Request<pb::ExtendRequest>,
    ) -> Result<Response<pb::ExtendResponse>, Status> {
        let answered = self.call(&request, operate::extend)?;
        self.leave(answered).await
    }

    async fn charge(
        &self,
        request: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        let answered = self.call(&request, operate::charge)?;
        self.leave(answered).await
    }

    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        let answered = self.call(&request, operate::check)?;
        Ok(Response::new(answered.answer))
    }

    async fn get_balance(
        &self,
        request: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        let answered = self.call(&request, |engine, wire| {
            operate::balances(engine, &*self.parts.clock, wire)
        })?;
        Ok(Response::new(answered.answer))
    }

    async fn batch(
        &self,
        request: Request<pb::BatchRequest>,
    ) -> Result<Response<pb::BatchResponse>, Status> {
        convert::operations_counted(&request.get_ref().operations)
            .map_err(|problem| invalid("operations", &problem))?;
        let answered = self.call(&request, |engine, wire| {
            let answered = operate::batch(engine, &self.parts.vitals, &wire.operations);
            Ok(answered.map(|outcomes| pb::BatchResponse { outcomes }))
        })?;
        self.leave(answered).await
    }

    async fn stream(
        &self,
        request: Request<Streaming<pb::StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let deadline = request.extensions().get::<Deadline>().copied();
        let answers = Answers::new(
            request.into_inner(),
            &self.parts,
            Arc::clone(&self.waiting),
            self.door.clone(),
            deadline,
        );
        Ok(Response::new(answers))
    }
}
