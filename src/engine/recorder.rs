//! The port behind which what happened is kept: the journal implements it.

use crate::domain::fact::Fact;

/// How far the record goes: an answer may leave once what stands up to here is as safe as the durability mode asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(pub u64);

/// What happened could not be recorded. Nothing may be acknowledged any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what happened could not be recorded")]
pub struct Unrecorded;

/// Keeps what happened.
///
/// Called with the lock of the shard held, in the order in which things happened there; the facts of one call belong
/// together: all of them are kept, or none. Must not call back into the engine and must not wait for a disk.
pub trait Recorder: Send + Sync {
    /// Keeps the facts of one operation. With none, tells how far the record goes.
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded>;
}

/// Keeps nothing: the durability mode `memory`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl Recorder for Forgetful {
    fn record(&self, _facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        Ok(Receipt(0))
    }
}
