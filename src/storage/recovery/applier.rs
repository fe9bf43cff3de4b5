//! Facts are read on one thread and applied on others, each of which has its own shards (`engine/partition.rs`).

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::domain::fact::Fact;
use crate::engine::Engine;
use crate::engine::partition::{Partition, Partitions};

/// So many facts for each thread are handed over together: what is handed over should still be in the cache of the core that
/// reads it.
const BATCH: u32 = 128;

/// Batches that may wait: one shard may have much to do while the others have not.
const WAITING_MAX: usize = 32;

/// Facts of one partition, each with its place in the batch of all.
type Facts = Vec<(u32, Fact)>;

/// Hands facts to the threads that apply them.
pub(super) struct Applier<'p> {
    partitions: &'p Partitions<'p>,
    /// Of each partition.
    batches: Vec<Facts>,
    senders: Vec<SyncSender<Facts>>,
    /// Facts in the batches.
    taken: u32,
}

impl Applier<'_> {
    /// Runs what tells the facts; answers once so many threads have applied all that it told, whatever it answers itself.
    pub(super) fn run<T>(
        engine: &Engine,
        threads: usize,
        tell: impl FnOnce(&mut Applier<'_>) -> T,
    ) -> T {
        let partitions = engine.partitions(threads);
        thread::scope(|scope| {
            let senders = partitions.all().map(|partition| {
                let (sender, batches) = sync_channel(WAITING_MAX);
                scope.spawn(move || apply(partition, batches));
                sender
            });
            let senders: Vec<_> = senders.collect();
            let mut applier = Applier {
                partitions: &partitions,
                batches: senders.iter().map(|_| Vec::new()).collect(),
                senders,
                taken: 0,
            };
            let told = tell(&mut applier);
            applier.hand_over();
            told
        })
    }

    /// Takes the next fact.
    pub(super) fn take(&mut self, fact: Fact) {
        let order = self.taken;
        match fact.shard() {
            Some(shard) => {
                let partition = self.partitions.of(shard);
                if let Some(batch) = self.batches.get_mut(partition) {
                    batch.push((order, fact));
                }
            }
            None => {
                for batch in &mut self.batches {
                    batch.push((order, fact.clone()));
                }
            }
        }
        self.taken += 1;
        if self.taken as usize == BATCH as usize * self.batches.len() {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.taken = 0;
        for (batch, sender) in self.batches.iter_mut().zip(&self.senders) {
            let next = Vec::with_capacity(batch.capacity());
            // It listens until this end is dropped; if it panicked, the scope says so.
            let _ = sender.send(std::mem::replace(batch, next));
        }
    }
}

fn apply(mut partition: Partition<'_>, batches: impl IntoIterator<Item = Facts>) {
    for batch in batches {
        partition.apply(&batch);
    }
}
