//! Restarts: a copy is taken in steps while orders go on, an engine is restored from it and from what was recorded since,
//! and goes on in the place of the live one.

use std::sync::Arc;

use quotad::engine::Engine;
use quotad::engine::partition::Partition;

use crate::driver::{Mismatch, World};
use crate::world::{Chance, catch_up};

impl World {
    /// Goes on with an engine that was restored from a copy of the present one.
    pub fn restart(&mut self, chance: &mut Chance) -> Result<(), Mismatch> {
        let engine = Arc::clone(&self.engine);
        let start = chance.next();
        let restored = Engine::new(self.bounds, start, self.clock.clone(), self.facts.clone());
        self.replay();
        let steps = self.step;
        let copying = engine
            .copy()
            .map_err(|error| self.report(&error.to_string()))?;
        let mut copying = copying.ok_or_else(|| self.report("another copy is under way"))?;
        self.note(format!("copy {:?}", copying.receipts().iter().max()));
        if !matches!(engine.copy(), Ok(None)) {
            return Err(self.report("two copies are under way"));
        }
        self.since_copy = Some(Vec::new());
        restored.restore_plan(copying.plan());
        let most = chance.pick(&[1, 1, 2, 3, 8]);
        let busy = chance.pick(&[0, 10, 30, 60]);
        let abandoned = chance.percent(10);
        let (mut misfit, mut entries) = (None, 0);
        // As many threads would: each takes what is of its own shards.
        let threads = usize::try_from(chance.between(1, 8)).expect("small");
        let partitions = restored.partitions(threads);
        let mut each: Vec<_> = partitions.all().collect();
        loop {
            let some = usize::try_from(chance.between(1, most)).expect("small");
            let mut order = 0;
            let goes_on = copying.step(some, &mut |entry| {
                entries += 1;
                order += 1;
                for partition in &mut each {
                    misfit = misfit.or(partition.restore(order, entry).err());
                }
            });
            each.iter_mut().for_each(Partition::end_batch);
            if !goes_on || (abandoned && chance.percent(2)) {
                break;
            }
            if chance.percent(busy) {
                self.go_on(chance)?;
            }
        }
        let receipts = copying.receipts().to_vec();
        drop(copying);
        self.replay();
        let since = self.since_copy.take().unwrap_or_default();
        if abandoned {
            self.coverage.copies_abandoned += 1;
            return self.go_on(chance);
        }
        if let Some(misfit) = misfit {
            return Err(self.report(&misfit.to_string()));
        }
        each.iter_mut().for_each(Partition::restored);
        drop(partitions);
        let facts = catch_up(&restored, &receipts, &since);
        self.note(format!("restored from {entries} entries and {facts} facts"));
        self.compare_with(&restored, "restored from a copy")?;
        self.coverage.restored += 1;
        self.coverage.restored_entries += entries;
        self.coverage.restored_facts += facts as u64;
        self.coverage.orders_while_copying += self.step - steps;
        self.go_on_with(restored, chance)
    }

    /// The restored engine takes over; that is recorded, and time that goes forward changes nothing by it.
    fn go_on_with(&mut self, restored: Engine, chance: &mut Chance) -> Result<(), Mismatch> {
        self.engine = Arc::new(restored);
        if chance.percent(70) {
            let resumed = self.engine.resume();
            resumed.map_err(|error| self.report(&error.to_string()))?;
        }
        self.wake()?;
        self.compare_with(&self.rebuilt, "rebuilt from the facts")
    }
}
