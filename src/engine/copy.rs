//! A copy of the books as they are at one instant, taken in steps while requests go on.
//!
//! Nothing is copied at the beginning: what changes before its turn has come is put aside first (`slab.rs`). So the lock of
//! a shard is held for some rows at a time only, and the copy is nevertheless of one instant.

use std::sync::Arc;

use crate::domain::plan::Plan;
use crate::domain::time::Now;

use super::Engine;
use super::answer::EngineError;
use super::entry::Entry;
use super::recorder::Receipt;

/// A copy under way. Dropping it ends it.
pub struct Copying<'e> {
    engine: &'e Engine,
    plan: Arc<Plan>,
    now: Now,
    receipts: Vec<Receipt>,
}

impl Engine {
    /// Begins a copy: fixes the instant, for all organizations and the plan together. `None` while another is under way.
    pub fn copy(&self) -> Result<Option<Copying<'_>>, EngineError> {
        todo!()
    }
}

impl Copying<'_> {
    /// The plan that the copy was begun under.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// When it was begun.
    pub fn now(&self) -> Now {
        self.now
    }

    /// For each shard how far the record went: the copy contains exactly the facts up to here.
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Copies some more entries, at most `entries_max` under one lock; answers whether there are more.
    pub fn step(&mut self, entries_max: usize, each: &mut dyn FnMut(&Entry<'_>)) -> bool {
        let _ = (self.engine, entries_max, each);
        todo!()
    }
}
