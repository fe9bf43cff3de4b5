//! `QuotaService`, the hot path: each call is one function that waits for nothing but the gate, and only where the
//! durability mode asks for it.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use crate::engine::Engine;
use crate::rpc::call_log::{self, Asked, Logged};
use crate::rpc::door::{Deadline, Door};
use crate::rpc::meter::{Meter, Rpc};
use crate::rpc::operate::Answered;
use crate::rpc::pb::quota_service_server::QuotaService;
use crate::rpc::status::failure::Failure;
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
    meter: Arc<Meter>,
}

/// A call that is measured, or logged, or both.
struct Observed {
    rpc: Rpc,
    began_ns: i64,
    is_measured: bool,
    logged: Option<Logged>,
}

impl Quota {
    /// Over these parts, on the runtime that serves this place at their gate.
    pub fn new(parts: Parts, waiting: Arc<Waiting>) -> Self {
        let door = Door::new(Arc::clone(&parts.vitals), Arc::clone(&parts.clock));
        Self {
            parts,
            door,
            waiting,
            meter: Arc::default(),
        }
    }

    /// What this service counts. Clones of it count together: they belong to one thread.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Counts a call that begins. Most are neither measured nor logged, and cost no more than that.
    #[inline]
    fn begin<W: Asked>(&self, rpc: Rpc, request: &Request<W>) -> Option<Box<Observed>> {
        let (is_measured, is_logged) = (self.meter.call(rpc), call_log::is_on());
        (is_measured || is_logged).then(|| self.observe(rpc, request, is_measured, is_logged))
    }

    #[cold]
    fn observe<W: Asked>(
        &self,
        rpc: Rpc,
        request: &Request<W>,
        is_measured: bool,
        is_logged: bool,
    ) -> Box<Observed> {
        let log = || {
            let headers = request.metadata().as_ref();
            let organization = request.get_ref().organization();
            Logged::new(headers, self.parts.engine.start(), organization)
        };
        Box::new(Observed {
            rpc,
            began_ns: self.parts.clock.read().steady_ns,
            is_measured,
            logged: is_logged.then(log),
        })
    }

    /// The call has its answer.
    #[inline]
    fn end<A>(
        &self,
        observed: Option<Box<Observed>>,
        answer: Result<Response<A>, Status>,
    ) -> Result<Response<A>, Status> {
        match observed {
            None => answer,
            Some(observed) => self.ended(*observed, answer),
        }
    }

    #[cold]
    fn ended<A>(
        &self,
        observed: Observed,
        mut answer: Result<Response<A>, Status>,
    ) -> Result<Response<A>, Status> {
        let Observed {
            rpc,
            began_ns,
            is_measured,
            logged,
        } = observed;
        let ended_ns = self.parts.clock.read().steady_ns;
        if is_measured {
            self.meter.took(rpc, began_ns, ended_ns);
        }
        if let Some(logged) = logged {
            let took_ns = ended_ns.saturating_sub(began_ns).max(0).unsigned_abs();
            logged.end(rpc, took_ns, &mut answer);
        }
        answer
    }

    #[cold]
    fn failed(&self, status: Status) -> Status {
        self.meter.failed(Failure::of_status(&status));
        status
    }

    fn call<W, A>(
        &self,
        request: &Request<W>,
        work: impl FnOnce(&Engine, &W) -> Result<Answered<A>, Refusal>,
    ) -> Result<Answered<A>, Status> {
        self.door
            .in_time(request.extensions().get::<Deadline>())
            .map_err(|late| self.failed(late))?;
        operate::guarded(&self.parts.vitals, || {
            work(&self.parts.engine, request.get_ref())
        })
        .map_err(|refusal| {
            if let Some(failure) = Failure::of(&refusal) {
                self.meter.failed(failure);
            }
            status(&refusal)
        })
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
            self.failed(not_safe())
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
        let observed = self.begin(Rpc::Reserve, &request);
        let answer = match self.call(&request, operate::reserve) {
            Ok(answered) => self.leave(answered).await,
            Err(status) => Err(status),
        };
        self.end(observed, answer)
    }

    async fn commit(
        &self,
        request: Request<pb::CommitRequest>,
    ) -> Result<Response<pb::CommitResponse>, Status> {
        let observed = self.begin(Rpc::Commit, &request);
        let answer = match self.call(&request, operate::commit) {
            Ok(answered) => self.leave(answered).await,
            Err(status) => Err(status),
        };
        self.end(observed, answer)
    }

    async fn release(
        &self,
        request: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::ReleaseResponse>, Status> {
        let observed = self.begin(Rpc::Release, &request);
        let answer = match self.call(&request, operate::release) {
            Ok(answered) => self.leave(answered).await,
            Err(status) => Err(status),
        };
        self.end(observed, answer)
    }

    async fn extend(
        &self,
        request: Request<pb::ExtendRequest>,
    ) -> Result<Response<pb::ExtendResponse>, Status> {
        let observed = self.begin(Rpc::Extend, &request);
        let answer = match self.call(&request, operate::extend) {
            Ok(answered) => self.leave(answered).await,
            Err(status) => Err(status),
        };
        self.end(observed, answer)
    }

    async fn charge(
        &self,
        request: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        let observed = self.begin(Rpc::Charge, &request);
        let answer = match self.call(&request, operate::charge) {
            Ok(answered) => self.leave(answered).await,
            Err(status) => Err(status),
        };
        self.end(observed, answer)
    }

    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        let observed = self.begin(Rpc::Check, &request);
        let answered = self.call(&request, operate::check);
        self.end(observed, answered.map(|it| Response::new(it.answer)))
    }

    async fn get_balance(
        &self,
        request: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        let observed = self.begin(Rpc::GetBalance, &request);
        let answered = self.call(&request, |engine, wire| {
            operate::balances(engine, &*self.parts.clock, wire)
        });
        self.end(observed, answered.map(|it| Response::new(it.answer)))
    }

    async fn batch(
        &self,
        request: Request<pb::BatchRequest>,
    ) -> Result<Response<pb::BatchResponse>, Status> {
        let observed = self.begin(Rpc::Batch, &request);
        let answered = convert::operations_counted(&request.get_ref().operations)
            .map_err(|problem| self.failed(invalid("operations", &problem)))
            .and_then(|()| {
                self.call(&request, |engine, wire| {
                    self.meter.batched(wire.operations.len());
                    let (vitals, meter) = (&self.parts.vitals, &self.meter);
                    let answered = operate::batch(engine, vitals, meter, &wire.operations);
                    Ok(answered.map(|outcomes| pb::BatchResponse { outcomes }))
                })
            });
        let answer = match answered {
            Ok(answered) => self.leave(answered).await,
            Err(status) => Err(status),
        };
        self.end(observed, answer)
    }

    async fn stream(
        &self,
        request: Request<Streaming<pb::StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        self.meter.opened();
        let logged = call_log::is_on().then(|| {
            let headers = request.metadata().as_ref();
            Logged::new(headers, self.parts.engine.start(), "")
        });
        let deadline = request.extensions().get::<Deadline>().copied();
        let answers = Answers::new(
            request.into_inner(),
            &self.parts,
            Arc::clone(&self.waiting),
            self.door.clone(),
            self.meter(),
            deadline,
        );
        let mut answer = Ok(Response::new(answers));
        // A stream may last for days: the line says that it was opened.
        if let Some(logged) = logged {
            logged.end(Rpc::Stream, 0, &mut answer);
        }
        answer
    }
}
