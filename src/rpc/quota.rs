//! `QuotaService`, the hot path: each call is one function that waits for nothing but the gate, and only where the
//! durability mode asks for it.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use crate::engine::Engine;
use crate::rpc::call_log::{self, Asked, Logged};
use crate::rpc::convert::write::nested;
use crate::rpc::convert::{Read, laid, view};
use crate::rpc::direct::{Answer, Call, Direct, Message, framed_by};
use crate::rpc::door::{Deadline, Door};
use crate::rpc::meter::{Meter, Rpc};
use crate::rpc::operate::Answered;
use crate::rpc::pb::quota_service_server::QuotaService;
use crate::rpc::status::failure::Failure;
use crate::rpc::status::{Head, Refusal, not_safe, status};
use crate::rpc::stream::{Answers, Terms};
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

    /// Counts a stream that is opened.
    fn open(&self, deadline: Option<Deadline>) -> Terms {
        self.meter.opened();
        Terms {
            engine: Arc::clone(&self.parts.engine),
            vitals: Arc::clone(&self.parts.vitals),
            clock: Arc::clone(&self.parts.clock),
            waiting: Arc::clone(&self.waiting),
            door: self.door.clone(),
            meter: self.meter(),
            deadline,
        }
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

impl Quota {
    /// As [`Self::call`], from bytes to bytes.
    fn answer_with<'a, W: Read<'a>, A>(
        &self,
        call: Call,
        message: &'a [u8],
        deadline: Option<&Deadline>,
        work: impl FnOnce(&Engine, W) -> Result<Answered<A>, Refusal>,
        write: impl FnOnce(&A, &mut Vec<u8>),
    ) -> Answer {
        let Ok(wire) = W::read(message) else {
            return Answer::Unreadable;
        };
        let is_measured = self.meter.call(call.into());
        let began_ns = is_measured.then(|| self.parts.clock.read().steady_ns);
        if let Err(late) = self.door.in_time(deadline) {
            return Answer::Refused(Head::of(&self.failed(late)));
        }
        let result = operate::guarded(&self.parts.vitals, || work(&self.parts.engine, wire));
        match result {
            Ok(Answered { answer, receipt }) => Answer::Message(Message {
                bytes: framed_by(|out| write(&answer, out)),
                receipt,
                began_ns,
            }),
            Err(refusal) => {
                if let Some(failure) = Failure::of(&refusal) {
                    self.meter.failed(failure);
                }
                let head = Head::refusing(&refusal);
                if let Some(began_ns) = began_ns {
                    self.left(call, began_ns);
                }
                Answer::Refused(head)
            }
        }
    }

    /// A batch as the bytes of its outcomes.
    fn batch_laid(
        &self,
        engine: &Engine,
        batch: view::Batch<'_>,
    ) -> Result<Answered<Vec<u8>>, Refusal> {
        counted(batch.operations.len())?;
        self.meter.batched(batch.operations.len());
        let mut outcomes = Vec::with_capacity(batch.operations.len() * OUTCOME_BYTES);
        let operations = batch.operations.into_iter();
        let (vitals, meter) = (&self.parts.vitals, &self.meter);
        let receipt = operate::batch(engine, vitals, meter, operations, |done| {
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
                self.answer_with(call, message, until, work, laid::reserved)
            }
            Call::Commit => {
                let work = |engine: &Engine, wire: view::Commit<'_>| operate::commit(engine, wire);
                self.answer_with(call, message, until, work, laid::committed)
            }
            Call::Release => {
                let work =
                    |engine: &Engine, wire: view::Release<'_>| operate::release(engine, wire);
                self.answer_with(call, message, until, work, laid::released)
            }
            Call::Extend => {
                let work = |engine: &Engine, wire: view::Extend<'_>| operate::extend(engine, wire);
                self.answer_with(call, message, until, work, laid::reserved)
            }
            Call::Charge => {
                let work = |engine: &Engine, wire: view::Charge<'_>| operate::charge(engine, wire);
                self.answer_with(call, message, until, work, laid::charged)
            }
            Call::Check => {
                let work = |engine: &Engine, wire: view::Check<'_>| operate::check(engine, wire);
                self.answer_with(call, message, until, work, laid::checked)
            }
            Call::Batch => {
                let work = |engine: &Engine, batch: view::Batch<'_>| self.batch_laid(engine, batch);
                let write = |outcomes: &Vec<u8>, out: &mut Vec<u8>| out.extend_from_slice(outcomes);
                self.answer_with(call, message, until, work, write)
            }
        }
    }

    fn stream(&self, deadline: Option<Deadline>) -> Option<Terms> {
        Some(self.open(deadline))
    }

    fn left(&self, call: Call, began_ns: i64) {
        let ended_ns = self.parts.clock.read().steady_ns;
        self.meter.took(call.into(), began_ns, ended_ns);
    }

    fn lost(&self) {
        let _counted = self.failed(not_safe());
    }
}

#[tonic::async_trait]
impl QuotaService for Quota {
    type StreamStream = Answers<Streaming<pb::StreamRequest>>;

    async fn reserve(
        &self,
        request: Request<pb::ReserveRequest>,
    ) -> Result<Response<pb::ReserveResponse>, Status> {
        let observed = self.begin(Rpc::Reserve, &request);
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::reserve(engine, wire)?.map(|it| convert::answered_reserve(&it)))
        });
        let answer = match answered {
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
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::commit(engine, wire)?.map(|it| convert::answered_commit(&it)))
        });
        let answer = match answered {
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
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::release(engine, wire)?.map(|it| convert::answered_release(&it)))
        });
        let answer = match answered {
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
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::extend(engine, wire)?.map(|it| convert::answered_extend(&it)))
        });
        let answer = match answered {
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
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::charge(engine, wire)?.map(|it| convert::answered_charge(&it)))
        });
        let answer = match answered {
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
        let answered = self.call(&request, |engine, wire| {
            Ok(operate::check(engine, wire)?.map(|it| convert::answered_check(&it)))
        });
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
        let answered = self.call(&request, |engine, wire| {
            counted(wire.operations.len())?;
            self.meter.batched(wire.operations.len());
            let (vitals, meter) = (&self.parts.vitals, &self.meter);
            let answered = operate::batch_of(engine, vitals, meter, &wire.operations);
            Ok(answered.map(|outcomes| pb::BatchResponse { outcomes }))
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
        let logged = call_log::is_on().then(|| {
            let headers = request.metadata().as_ref();
            Logged::new(headers, self.parts.engine.start(), "")
        });
        let terms = self.open(request.extensions().get::<Deadline>().copied());
        let answers = Answers::new(request.into_inner(), terms);
        let mut answer = Ok(Response::new(answers));
        // A stream may last for days: the line says that it was opened.
        if let Some(logged) = logged {
            logged.end(Rpc::Stream, 0, &mut answer);
        }
        answer
    }
}
