//! The port behind which what happened is kept: the journal implements it.

use std::sync::Arc;

use crate::domain::fact::Fact;
use crate::domain::plan::Plan;

/// How far the record goes: an answer may leave once what stands up to here is as safe as the durability mode asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(pub u64);

/// What happened could not be recorded. Nothing may be acknowledged any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what happened could not be recorded")]
pub struct Unrecorded;

/// Why a plan was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// The disk is full: this one change is refused, and nothing else is.
    NoRoom,
    /// Nothing can be recorded any more.
    Unrecorded,
}

/// Keeps what happened.
///
/// Called with the lock of the shard held, in the order in which things happened there; the facts of one call belong
/// together: all of them are kept, or none. Must not call back into the engine and must not wait for a disk.
pub trait Recorder: Send + Sync {
    /// Keeps the facts of one operation. With none, tells how far the record goes.
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded>;

    /// Keeps a plan, so that a fact can refer to it. Called before a change of the plan is recorded, without the lock of
    /// a shard: this one may wait for a disk.
    fn keep_plan(&self, plan: &Arc<Plan>) -> Result<(), NotKept>;

    /// Whether there is room for another request, so that every open hold can still be settled after it. Otherwise
    /// Reserve, Extend, Charge and what administrators change are refused; Commit and Release go on.
    fn has_room(&self, holds_open: u64) -> bool;
}

/// Keeps nothing: for tests, and for engines that are rebuilt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl Recorder for Forgetful {
    fn record(&self, _facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        Ok(Receipt(0))
    }

    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _holds_open: u64) -> bool {
        true
    }
}
