//! The journal's writing side: one append lock, taken inside the shard's.

use std::sync::Arc;

use crate::domain::fact::Fact;
use crate::domain::plan::Plan;
use crate::engine::recorder::{Receipt, Recorder, Unrecorded};

/// The journal.
pub(super) struct Journal;

impl Recorder for Journal {
    fn record(&self, _facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        todo!()
    }
    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), Unrecorded> {
        todo!()
    }
    fn has_room(&self, _holds_open: u64) -> bool {
        todo!()
    }
}
