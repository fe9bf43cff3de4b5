//! Several threads bring the books back together, each its own shards.
//!
//! The books of a shard follow from the facts of that shard in their order, and from nothing of other shards: so facts of
//! different shards need no order between them, and those that concern all shards reach each with its own. Of what shards
//! share, `Stats` are sums, organizations come once each, and what is finished is only there to be dropped. The exception
//! are ids that callers chose: one may be forgotten in one shard and chosen again in another, and the journal's order says
//! who has it. So changes of that map wait until every thread is through with a batch, and are made in the order in which
//! they were told.

mod touch;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::fact::{Fact, Id, Slot};
use crate::world::sync::Mutex;

use super::Engine;
use super::entry::{Entry, Misfit};
use super::shard::{Shard, Shared};
use touch::touch;

/// A change of the map of ids that callers chose.
#[derive(Clone, Copy, Debug)]
pub(super) enum IdChange {
    /// It is remembered in this slot.
    Kept(Id, Slot),
    /// What was remembered in this slot is not any more.
    Forgotten(Id, Slot),
}

impl Shared {
    /// Changes the map.
    pub(super) fn change_id(&self, change: IdChange) {
        match change {
            IdChange::Kept(id, slot) => {
                self.ids.insert(id, slot);
            }
            // Unless it was chosen again elsewhere meanwhile.
            IdChange::Forgotten(id, slot) => {
                self.ids.remove_if(&id, |_, kept| *kept == slot);
            }
        }
    }
}

/// An engine whose shards are divided among threads. What comes is divided into batches, the same for all of them.
pub struct Partitions<'e> {
    engine: &'e Engine,
    count: usize,
    waiting: Mutex<Waiting>,
}

/// Changes of ids, by batch, until all partitions are through with it.
#[derive(Default)]
struct Waiting {
    /// The first batch that is not complete.
    first: u64,
    batches: VecDeque<Batch>,
}

#[derive(Default)]
struct Batch {
    /// Partitions that are through with it.
    ended: usize,
    changes: Vec<(u32, IdChange)>,
}

/// The shards of one thread.
pub struct Partition<'p> {
    all: &'p Partitions<'p>,
    number: usize,
    batch: u64,
    changes: Vec<(u32, IdChange)>,
}

impl Engine {
    /// Divides the shards among so many threads, for as long as the answer lives. Nothing else may change the books meanwhile.
    pub fn partitions(&self, count: usize) -> Partitions<'_> {
        for shard in &self.shards {
            shard.lock().id_changes = Some(Vec::new());
        }
        Partitions {
            engine: self,
            count: count.max(1),
            waiting: Mutex::new(Waiting::default()),
        }
    }
}

impl Partitions<'_> {
    /// All of them, once each.
    pub fn all(&self) -> impl Iterator<Item = Partition<'_>> {
        (0..self.count).map(|number| Partition {
            all: self,
            number,
            batch: 0,
            changes: Vec::new(),
        })
    }

    /// The partition that a shard is in.
    pub fn of(&self, shard: u8) -> usize {
        usize::from(shard) % self.count
    }

    /// The place of a shard among those of a partition, if it is one of them.
    fn place(&self, partition: usize, shard: u8) -> Option<usize> {
        (self.of(shard) == partition).then_some(usize::from(shard) / self.count)
    }

    /// A partition is through with a batch. They come in order from each, so that the last of each batch come in order too.
    fn end(&self, batch: u64, changes: &mut Vec<(u32, IdChange)>) {
        let mut waiting = self.waiting.lock();
        let place = usize::try_from(batch - waiting.first).unwrap_or(usize::MAX);
        while waiting.batches.len() <= place {
            waiting.batches.push_back(Batch::default());
        }
        if let Some(batch) = waiting.batches.get_mut(place) {
            batch.ended += 1;
            batch.changes.append(changes);
        }
        while let Some(mut complete) = waiting.complete(self.count) {
            complete.changes.sort_by_key(|&(order, _)| order);
            for (_, change) in complete.changes {
                self.engine.shared.change_id(change);
            }
        }
    }
}

impl Drop for Partitions<'_> {
    fn drop(&mut self) {
        for shard in &self.engine.shards {
            shard.lock().id_changes = None;
        }
    }
}

impl Waiting {
    /// Takes out the first batch, if all are through with it.
    fn complete(&mut self, count: usize) -> Option<Batch> {
        let complete = self.batches.pop_front_if(|it| it.ended == count)?;
        self.first += 1;
        Some(complete)
    }
}

impl Partition<'_> {
    /// Changes its shards as the facts of a batch say, each with its place in that of all partitions; what concerns other
    /// shards is left alone.
    pub fn apply(&mut self, facts: &[(u32, Fact)]) {
        let (all, number) = (self.all, self.number);
        let own = all.engine.shards.iter().skip(number).step_by(all.count);
        let mut own: Vec<_> = own.map(Mutex::lock).collect();
        touch(facts, |shard| {
            let place = all.place(number, shard)?;
            own.get(place).map(|shard| &**shard)
        });
        for (order, fact) in facts {
            match fact.shard() {
                Some(shard) => {
                    let place = all.place(number, shard);
                    if let Some(shard) = place.and_then(|place| own.get_mut(place)) {
                        shard.apply(fact);
                        self.take_changes(shard, *order);
                    }
                }
                None => own.iter_mut().for_each(|shard| shard.apply(fact)),
            }
            if let Fact::Planned { plan, .. } = fact
                && number == 0
            {
                *all.engine.plan.lock() = Arc::clone(plan);
            }
        }
        drop(own);
        self.end_batch();
    }

    /// Takes an entry as [`Engine::restore`] does, if it is of one of its shards.
    ///
    /// # Errors
    /// If it does not fit what came before it. The engine is of no use then.
    pub fn restore(&mut self, order: u32, entry: &Entry<'_>) -> Result<(), Misfit> {
        if self.all.of(entry.shard()) != self.number {
            return Ok(());
        }
        let mut shard = self.all.engine.restore_in(entry)?;
        self.take_changes(&mut shard, order);
        Ok(())
    }

    /// All entries of a batch have come.
    pub fn end_batch(&mut self) {
        self.all.end(self.batch, &mut self.changes);
        self.batch += 1;
    }

    /// All entries have come: as [`Engine::restored`], of its shards.
    pub fn restored(&mut self) {
        let shards = self.all.engine.shards.iter().skip(self.number);
        for shard in shards.step_by(self.all.count) {
            shard.lock().restored();
        }
    }

    fn take_changes(&mut self, shard: &mut Shard, order: u32) {
        if let Some(changes) = &mut shard.id_changes
            && !changes.is_empty()
        {
            let ordered = changes.drain(..).map(|change| (order, change));
            self.changes.extend(ordered);
        }
    }
}

#[cfg(test)]
mod tests;
