//! The books in memory.

pub mod answer;
pub mod order;

use std::sync::Arc;

use crate::domain::names::Name;
use crate::domain::plan::Plan;
use crate::domain::rates::Estimate;
use crate::domain::time::Timestamp;
use crate::world::clock::Clock;
use answer::*;
use order::*;

/// Bounds
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds { /// a
 pub cells: usize, /// a
 pub holds: usize, /// a
 pub settled: usize }
/// x
pub struct Engine {}
/// port
pub trait Recorder: Send + Sync {}
/// Keeps nothing: durability mode `memory`.
pub struct Forgetful;
impl Recorder for Forgetful {}

#[allow(missing_docs, unused_variables, clippy::todo)]
impl Engine {
    pub fn new(bounds: Bounds, clock: Arc<dyn Clock>, recorder: Arc<dyn Recorder>) -> Self { todo!() }
    /// One atomic change; Ok(false) if the plan is the same. The first call loads the first plan.
    pub fn apply_plan(&self, plan: Plan) -> Result<bool, EngineError> { todo!() }
    pub fn plan(&self) -> Arc<Plan> { todo!() }
    pub fn reserve(&self, order: &Reserve<'_>) -> Result<Decision<Reserved>, EngineError> { todo!() }
    pub fn charge(&self, order: &Charge<'_>) -> Result<Decision<Committed>, EngineError> { todo!() }
    pub fn check(&self, order: &Check<'_>) -> Result<Checked, EngineError> { todo!() }
    pub fn commit(&self, order: &Commit) -> Result<Decision<Committed>, EngineError> { todo!() }
    pub fn release(&self, id: &Id) -> Result<Released, EngineError> { todo!() }
    pub fn extend(&self, order: &Extend) -> Result<Decision<Reserved>, EngineError> { todo!() }
    pub fn balance(&self, organization: Name<'_>, of: Of<'_>) -> Result<Balance, EngineError> { todo!() }
    /// Everything that is due by now happens: expiries, cycle changes, grants that begin or end. Called every second.
    pub fn tick(&self) { todo!() }
    /// Answers when it becomes usable.
    pub fn request_extension(&self, organization: Name<'_>) -> Result<Timestamp, EngineError> { todo!() }
    /// Answers when it ends.
    pub fn start_trial(&self, organization: Name<'_>, user: Name<'_>) -> Result<Timestamp, EngineError> { todo!() }
    pub fn renew_trial(&self, organization: Name<'_>, user: Name<'_>) -> Result<Timestamp, EngineError> { todo!() }
    pub fn adjust(&self, organization: Name<'_>, environment: Name<'_>, user: Option<Name<'_>>, credits: i64, reason: &str) -> Result<(), EngineError> { todo!() }
    pub fn estimate(&self, organization: Name<'_>, quantities: &[(&str, u64)]) -> Result<Estimate, EngineError> { todo!() }
    /// What each of these users would get if what is left were shared out equally (section 10).
    pub fn equal_share(&self, organization: Name<'_>, users: &[&str]) -> Result<u64, EngineError> { todo!() }
    /// What fired since the last call, in order; empties the list.
    pub fn notices(&self, organization: Name<'_>) -> Result<Vec<Notice>, EngineError> { todo!() }
}
