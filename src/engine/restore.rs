//! The way back: an engine from the entries of a snapshot, then from the facts that came after it.

use std::sync::Arc;

use crate::domain::plan::Plan;

use super::Engine;
use super::answer::EngineError;
use super::entry::{Entry, Misfit};

impl Engine {
    /// Puts the plan of a snapshot into an engine that is new; its entries come next.
    pub fn restore_plan(&self, plan: &Arc<Plan>) {
        let _ = plan;
        todo!()
    }

    /// Takes an entry, in the order in which a copy gave them.
    pub fn restore(&self, entry: &Entry<'_>) -> Result<(), Misfit> {
        let _ = entry;
        todo!()
    }

    /// All entries are there: derives what is derived from them. Facts may be applied from here on.
    pub fn restored(&self) {
        todo!()
    }

    /// Takes over books that another process left, after the last fact was applied: records that it did, and lets happen
    /// what came due meanwhile, cycle by cycle.
    pub fn resume(&self) -> Result<(), EngineError> {
        todo!()
    }
}
