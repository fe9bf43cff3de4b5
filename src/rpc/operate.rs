//! One operation: convert, call the engine, convert. The calls of the service and the items of a batch are the same.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::engine::Engine;
use crate::engine::answer::{Decision, EngineError};
use crate::engine::order::Of;
use crate::engine::recorder::Receipt;
use crate::rpc::meter::Meter;
use crate::rpc::status::failure::Failure;
use crate::rpc::status::{Refusal, outcome};
use crate::rpc::{convert, pb};
use crate::world::clock::Clock;
use crate::world::vitals::{Phase, Vitals};

/// An answer, and how far the record must be safe before it leaves. Denials and reads promise nothing: they leave at once.
pub(super) struct Answered<A> {
    pub(super) answer: A,
    pub(super) receipt: Receipt,
}

impl<A> Answered<A> {
    fn at_once(answer: A) -> Self {
        Self {
            answer,
            receipt: Receipt::default(),
        }
    }

    pub(super) fn after(receipt: Receipt, answer: A) -> Self {
        Self { answer, receipt }
    }

    pub(super) fn map<B>(self, change: impl FnOnce(A) -> B) -> Answered<B> {
        Answered {
            answer: change(self.answer),
            receipt: self.receipt,
        }
    }
}

/// Reserve.
pub(super) fn reserve(
    engine: &Engine,
    wire: &pb::ReserveRequest,
) -> Result<Answered<pb::ReserveResponse>, Refusal> {
    let decision = engine
        .reserve(&convert::reserve(wire)?)
        .map_err(|error| convert::as_sent(error, wire.cost.as_ref()))?;
    let granted = granted(decision)?;
    let answer = convert::answered_reserve(&granted);
    Ok(Answered::after(granted.receipt, answer))
}

/// Commit.
pub(super) fn commit(
    engine: &Engine,
    wire: &pb::CommitRequest,
) -> Result<Answered<pb::CommitResponse>, Refusal> {
    let decision = engine.commit(&convert::commit(wire)?)?;
    let granted = granted(decision)?;
    let answer = convert::answered_commit(&granted);
    Ok(Answered::after(granted.receipt, answer))
}

/// Release.
pub(super) fn release(
    engine: &Engine,
    wire: &pb::ReleaseRequest,
) -> Result<Answered<pb::ReleaseResponse>, Refusal> {
    let id = convert::id_required("reservation_id", &wire.reservation_id)?;
    let released = engine.release(&id)?;
    let answer = convert::answered_release(&released);
    Ok(Answered::after(released.receipt, answer))
}

/// Extend.
pub(super) fn extend(
    engine: &Engine,
    wire: &pb::ExtendRequest,
) -> Result<Answered<pb::ExtendResponse>, Refusal> {
    let decision = engine.extend(&convert::extend(wire)?)?;
    let granted = granted(decision)?;
    let answer = convert::answered_extend(&granted);
    Ok(Answered::after(granted.receipt, answer))
}

/// Charge.
pub(super) fn charge(
    engine: &Engine,
    wire: &pb::ChargeRequest,
) -> Result<Answered<pb::ChargeResponse>, Refusal> {
    let decision = engine
        .charge(&convert::charge(wire)?)
        .map_err(|error| convert::as_sent(error, wire.cost.as_ref()))?;
    let granted = granted(decision)?;
    let answer = convert::answered_charge(&granted);
    Ok(Answered::after(granted.receipt, answer))
}

/// Check: a denial is part of the answer.
pub(super) fn check(
    engine: &Engine,
    wire: &pb::CheckRequest,
) -> Result<Answered<pb::CheckResponse>, Refusal> {
    let checked = engine
        .check(&convert::check(wire)?)
        .map_err(|error| convert::as_sent(error, wire.cost.as_ref()))?;
    Ok(Answered::at_once(convert::answered_check(&checked)))
}

/// GetBalance: each balance is exact in itself; between two of them requests may happen.
pub(super) fn balances(
    engine: &Engine,
    clock: &dyn Clock,
    wire: &pb::GetBalanceRequest,
) -> Result<Answered<pb::GetBalanceResponse>, Refusal> {
    let asked = convert::balances(wire)?;
    let balance = |of| {
        engine
            .balance(asked.organization, of)
            .map(convert::answered_balance)
    };
    let read = crate::domain::time::Timestamp::from_nanos(clock.read().wall_ns);
    Ok(Answered::at_once(pb::GetBalanceResponse {
        user: asked.user.map(|user| balance(Of::User(user))).transpose()?,
        environment: Some(balance(Of::Environment(asked.environment))?),
        organization: Some(balance(Of::Organization)?),
        read_time: Some(convert::answered_time(read)),
    }))
}

/// One outcome for each operation, in order. One that is refused, or that ends in a panic, does not fail the others. They
/// leave together, so they wait for the greatest receipt.
pub(super) fn batch(
    engine: &Engine,
    vitals: &Vitals,
    meter: &Meter,
    operations: &[pb::Operation],
) -> Answered<Vec<pb::Outcome>> {
    let mut receipt = Receipt::default();
    let one = |(index, operation): (usize, &pb::Operation)| {
        let result = match guarded(vitals, || operate(engine, operation)) {
            Ok(answered) => {
                receipt = receipt.max(answered.receipt);
                answered.answer
            }
            Err(refusal) => {
                if let Some(failure) = Failure::of(&refusal) {
                    meter.failed(failure);
                }
                outcome(&refusal, || {
                    format!("operations[{index}]{}", kind(operation))
                })
            }
        };
        pb::Outcome {
            result: Some(result),
        }
    };
    let outcomes = operations.iter().enumerate().map(one).collect();
    Answered::after(receipt, outcomes)
}

/// Runs work that must not take its thread down: a panic is logged, counted, and answered as a defect. Once something
/// could not be recorded, the process counts as failed.
pub(super) fn guarded<A>(
    vitals: &Vitals,
    work: impl FnOnce() -> Result<A, Refusal>,
) -> Result<A, Refusal> {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        vitals.count_panic();
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        tracing::error!(
            panic = text.unwrap_or("no text"),
            "a request ended in a panic"
        );
        Err(Refusal::Broken)
    });
    if let Err(Refusal::Failed(EngineError::Unrecorded)) = result {
        vitals.enter(Phase::Failed);
    }
    result
}

fn operate(
    engine: &Engine,
    operation: &pb::Operation,
) -> Result<Answered<pb::outcome::Result>, Refusal> {
    use pb::operation::Request;
    use pb::outcome::Result as Done;
    match &operation.request {
        Some(Request::Reserve(wire)) => reserve(engine, wire).map(|it| it.map(Done::Reserve)),
        Some(Request::Commit(wire)) => commit(engine, wire).map(|it| it.map(Done::Commit)),
        Some(Request::Release(wire)) => release(engine, wire).map(|it| it.map(Done::Release)),
        Some(Request::Extend(wire)) => extend(engine, wire).map(|it| it.map(Done::Extend)),
        Some(Request::Charge(wire)) => charge(engine, wire).map(|it| it.map(Done::Charge)),
        Some(Request::Check(wire)) => check(engine, wire).map(|it| it.map(Done::Check)),
        None => Err(convert::no_operation().into()),
    }
}

fn kind(operation: &pb::Operation) -> &'static str {
    use pb::operation::Request;
    match &operation.request {
        Some(Request::Reserve(_)) => ".reserve",
        Some(Request::Commit(_)) => ".commit",
        Some(Request::Release(_)) => ".release",
        Some(Request::Extend(_)) => ".extend",
        Some(Request::Charge(_)) => ".charge",
        Some(Request::Check(_)) => ".check",
        None => "",
    }
}

fn granted<T>(decision: Decision<T>) -> Result<T, Refusal> {
    match decision {
        Decision::Granted(answer) => Ok(answer),
        Decision::Denied(denial) => Err(Refusal::Denied(denial)),
    }
}
