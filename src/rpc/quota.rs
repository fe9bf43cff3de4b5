//! `QuotaService`, the hot path: each call is one function that waits for nothing but the gate, and only where the
//! durability mode asks for it.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use crate::engine::Engine;
use crate::rpc::convert::write::nested;
use crate::rpc::convert::{Read, laid, view};
use crate::rpc::direct::{Answer, Call, Direct, framed_by};
use crate::rpc::door::{Deadline, Door};
use crate::rpc::operate::Answered;
use crate::rpc::pb::quota_service_server::QuotaService;
use crate::rpc::status::{Head, Refusal, not_safe, status};
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

impl Quota {
    /// As [`Self::call`], from bytes to bytes.
    fn answer_with<'a, W: Read<'a>, A>(
        &self,
        message: &'a [u8],
        deadline: Option<&Deadline>,
        work: impl FnOnce(&Engine, W) -> Result<Answered<A>, Refusal>,
        write: impl FnOnce(&A, &mut Vec<u8>),
    ) -> Answer {
        let Ok(wire) = W::read(message) else {
            return Answer::Unreadable;
        };
        if let Err(late) = self.door.in_time(deadline) {
            return Answer::Refused(Head::of(&late));
        }
        let result = operate::guarded(&self.parts.vitals, || work(&self.parts.engine, wire));
        match result {
            Ok(Answered { answer, receipt }) => {
                Answer::Message(framed_by(|out| write(&answer, out)), receipt)
            }
            Err(refusal) => Answer::Refused(Head::refusing(&refusal)),
        }
    }

    /// A batch as the bytes of its outcomes.
    fn batch_laid(
        &self,
        engine: &Engine,
        batch: view::Batch<'_>,
    ) -> Result<Answered<Vec<u8>>, Refusal> {
        counted(batch.operations.len())?;
        let mut outcomes = Vec::with_capacity(batch.operations.len() * OUTCOME_BYTES);
        let operations = batch.operations.into_iter();
        let receipt = operate::batch(engine, &self.parts.vitals, operations, |done| {
            nested(1, &mut outcomes, |out| laid::outcome(&done, out));
        });
        Ok(Answered::after(receipt, outcomes))
    }
}

/// Most outcomes fit.
const OUTCOME_BYTES: usize = 96;

fn counted(operations: usize) -> Result<(), Refusal> {
    convert::operations_counted(operations).map_err(|problem| Refusal::BadField {
        field: "operations".to_owned(),
        problem,
    })
}

impl Direct for Quota {
    fn answer(&self, call: Call, message: &[u8], until: Option<&Deadline>) -> Answer {
        match call {
            Call::Reserve => {
                let work =
                    |engine: &Engine, wire: view::Reserve<'_>| operate::reserve(engine, wire);
                self.answer_with(message, until, work, laid::reserved)
            }
            Call::Commit => {
                let work = |engine: &Engine, wire: view::Commit<'_>| operate::commit(engine, wire);
                self.answer_with(message, until, work, laid::committed)
            }
            Call::Release => {
                let work =
                    |engine: &Engine, wire: view::Release<'_>| operate::release(engine, wire);
                self.answer_with(message, until, work, laid::released)
            }
            Call::Extend => {
                let work = |engine: &Engine, wire: view::Extend<'_>| operate::extend(engine, wire);
                self.answer_with(message, until, work, laid::reserved)
            }
            Call::Charge => {
                let work = |engine: &Engine, wire: view::Charge<'_>| operate::charge(engine, wire);
                self.answer_with(message, until, work, laid::charged)
            }
            Call::Check => {
                let work = |engine: &Engine, wire: view::Check<'_>| operate::check(engine, wire);
                self.answer_with(message, until, work, laid::checked)
            }
            Call::Batch => {
                let work = |engine: &Engine, batch: view::Batch<'_>| self.batch_laid(engine, batch);
                let write = |outcomes: &Vec<u8>, out: &mut Vec<u8>| out.extend_from_slice(outcomes);
                self.answer_with(message, until, work, write)
            }
        }
    }
}

#[tonic::async_trait]
impl QuotaService for Quota {
    type StreamStream = Answers;

    async fn reserve(
        &self,
        request: Request<pb::ReserveRequest>,
    ) -> Result<Response<pb::ReserveResponse>, Status> {
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::reserve(engine, wire)?.map(|it| convert::answered_reserve(&it)))
        })?;
        self.leave(answered).await
    }

    async fn commit(
        &self,
        request: Request<pb::CommitRequest>,
    ) -> Result<Response<pb::CommitResponse>, Status> {
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::commit(engine, wire)?.map(|it| convert::answered_commit(&it)))
        })?;
        self.leave(answered).await
    }

    async fn release(
        &self,
        request: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::ReleaseResponse>, Status> {
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::release(engine, wire)?.map(|it| convert::answered_release(&it)))
        })?;
        self.leave(answered).await
    }

    async fn extend(
        &self,
        request: Request<pb::ExtendRequest>,
    ) -> Result<Response<pb::ExtendResponse>, Status> {
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::extend(engine, wire)?.map(|it| convert::answered_extend(&it)))
        })?;
        self.leave(answered).await
    }

    async fn charge(
        &self,
        request: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::charge(engine, wire)?.map(|it| convert::answered_charge(&it)))
        })?;
        self.leave(answered).await
    }

    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::check(engine, wire)?.map(|it| convert::answered_check(&it)))
        })?;
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
        let answered = self.call(&request, |engine, wire| {
            counted(wire.operations.len())?;
            let answered = operate::batch_of(engine, &self.parts.vitals, &wire.operations);
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
