//! (being written)

use crate::domain::time::Timestamp;

/// What the encoding of facts leaves out, as the file says it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The random half of the ids that this start gives out.
    pub(super) start: u64,
    /// Times are differences from this one.
    pub(super) base: Timestamp,
}
