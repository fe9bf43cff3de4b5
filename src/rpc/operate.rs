//! One operation: convert, call the engine. The calls of the service and the items of a batch are the same.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::engine::Engine;
use crate::engine::answer::{
    Checked, Committed, Decision, Denial, EngineError, Released, Reserved,
};
use crate::engine::order::Of;
use crate::engine::recorder::Receipt;
use crate::rpc::convert::view::{self, Kind};
use crate::rpc::meter::Meter;
use crate::rpc::status::failure::Failure;
use crate::rpc::status::{Refusal, failure};
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
pub(super) fn reserve<'a>(
    engine: &Engine,
    wire: impl Into<view::Reserve<'a>>,
) -> Result<Answered<Reserved>, Refusal> {
    let wire = wire.into();
    let decision = engine
        .reserve(&convert::reserve(wire)?)
        .map_err(|error| convert::as_sent(error, wire.cost))?;
    granted(decision, |it| it.receipt)
}

/// Commit.
pub(super) fn commit<'a>(
    engine: &Engine,
    wire: impl Into<view::Commit<'a>>,
) -> Result<Answered<Committed>, Refusal> {
    granted(engine.commit(&convert::commit(wire)?)?, |it| it.receipt)
}

/// Release.
pub(super) fn release<'a>(
    engine: &Engine,
    wire: impl Into<view::Release<'a>>,
) -> Result<Answered<Released>, Refusal> {
    let id = convert::id_required("reservation_id", wire.into().reservation_id)?;
    let released = engine.release(&id)?;
    Ok(Answered::after(released.receipt, released))
}

/// Extend.
pub(super) fn extend<'a>(
    engine: &Engine,
    wire: impl Into<view::Extend<'a>>,
) -> Result<Answered<Reserved>, Refusal> {
    granted(engine.extend(&convert::extend(wire)?)?, |it| it.receipt)
}

/// Charge.
pub(super) fn charge<'a>(
    engine: &Engine,
    wire: impl Into<view::Charge<'a>>,
) -> Result<Answered<Committed>, Refusal> {
    let wire = wire.into();
    let decision = engine
        .charge(&convert::charge(wire)?)
        .map_err(|error| convert::as_sent(error, wire.cost))?;
    granted(decision, |it| it.receipt)
}

/// Check: a denial is part of the answer.
pub(super) fn check<'a>(
    engine: &Engine,
    wire: impl Into<view::Check<'a>>,
) -> Result<Answered<Checked>, Refusal> {
    let wire = wire.into();
    let checked = engine
        .check(&convert::check(wire)?)
        .map_err(|error| convert::as_sent(error, wire.cost))?;
    Ok(Answered::at_once(checked))
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

/// What became of one operation of a batch.
pub(in crate::rpc) enum Done {
    Reserve(Reserved),
    Commit(Committed),
    Release(Released),
    Extend(Reserved),
    Charge(Committed),
    Check(Checked),
    Denied(Box<Denial>),
    Failed(pb::Failure),
}

/// Tells what became of each operation, in order. One that is refused, or that ends in a panic, does not fail the others.
/// They leave together, so they wait for the greatest receipt, which is the answer.
pub(super) fn batch<'a>(
    engine: &Engine,
    vitals: &Vitals,
    meter: &Meter,
    operations: impl Iterator<Item = view::Operation<'a>>,
    mut tell: impl FnMut(Done),
) -> Receipt {
    let mut receipt = Receipt::default();
    for (index, operation) in operations.enumerate() {
        match guarded(vitals, || operate(engine, operation)) {
            Ok(answered) => {
                receipt = receipt.max(answered.receipt);
                tell(answered.answer);
            }
            Err(Refusal::Denied(denial)) => tell(Done::Denied(denial)),
            Err(refusal) => {
                if let Some(failure) = Failure::of(&refusal) {
                    meter.failed(failure);
                }
                let path = || format!("operations[{index}]{}", kind(operation));
                tell(Done::Failed(failure(&refusal, path)));
            }
        }
    }
    receipt
}

/// The same, as messages.
pub(super) fn batch_of(
    engine: &Engine,
    vitals: &Vitals,
    meter: &Meter,
    operations: &[pb::Operation],
) -> Answered<Vec<pb::Outcome>> {
    let mut outcomes = Vec::with_capacity(operations.len());
    let views = operations.iter().map(view::Operation::from);
    let receipt = batch(engine, vitals, meter, views, |done| {
        outcomes.push(convert::answered_outcome(&done));
    });
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

fn operate(engine: &Engine, operation: view::Operation<'_>) -> Result<Answered<Done>, Refusal> {
    match operation.0 {
        Some(Kind::Reserve(wire)) => reserve(engine, wire).map(|it| it.map(Done::Reserve)),
        Some(Kind::Commit(wire)) => commit(engine, wire).map(|it| it.map(Done::Commit)),
        Some(Kind::Release(wire)) => release(engine, wire).map(|it| it.map(Done::Release)),
        Some(Kind::Extend(wire)) => extend(engine, wire).map(|it| it.map(Done::Extend)),
        Some(Kind::Charge(wire)) => charge(engine, wire).map(|it| it.map(Done::Charge)),
        Some(Kind::Check(wire)) => check(engine, wire).map(|it| it.map(Done::Check)),
        None => Err(convert::no_operation().into()),
    }
}

fn kind(operation: view::Operation<'_>) -> &'static str {
    match operation.0 {
        Some(Kind::Reserve(_)) => ".reserve",
        Some(Kind::Commit(_)) => ".commit",
        Some(Kind::Release(_)) => ".release",
        Some(Kind::Extend(_)) => ".extend",
        Some(Kind::Charge(_)) => ".charge",
        Some(Kind::Check(_)) => ".check",
        None => "",
    }
}

fn granted<T>(
    decision: Decision<T>,
    receipt: impl FnOnce(&T) -> Receipt,
) -> Result<Answered<T>, Refusal> {
    match decision {
        Decision::Granted(answer) => Ok(Answered::after(receipt(&answer), answer)),
        Decision::Denied(denial) => Err(Refusal::Denied(denial)),
    }
}
