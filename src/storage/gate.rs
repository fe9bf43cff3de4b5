//! Where answers wait until what they tell is safe (mode `power`): one sync serves all who wait, and each data-plane
//! runtime is woken once for it.

use crate::engine::recorder::Receipt;

/// Nothing that was acknowledged may be promised any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what happened could not be made safe")]
pub struct Unsafe;

/// Tells how far the record is safe.
#[derive(Debug, Default)]
pub struct Gate {}

/// One runtime's place at the gate: those who wait there are woken by it.
#[derive(Debug)]
pub struct Waiting {}

impl Gate {
    /// One at which nobody ever waits: `process` and `memory`.
    pub fn open() -> Self {
        Self::default()
    }

    /// Whether what a receipt stands for is safe as the mode asks, so that its answer may leave. Two loads.
    pub fn lets_pass(&self, receipt: Receipt) -> Result<bool, Unsafe> {
        let _ = receipt;
        todo!()
    }
}
