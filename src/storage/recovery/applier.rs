//! Facts are read on one thread and applied on another, in their order: each takes about half of the time of a start.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::domain::fact::Fact;
use crate::engine::Engine;

/// Facts that are handed over together.
const BATCH: usize = 1_024;

/// Batches that may wait.
const WAITING_MAX: usize = 4;

/// Hands facts to the thread that applies them.
pub(super) struct Applier {
    batch: Vec<Fact>,
    batches: SyncSender<Vec<Fact>>,
}

impl Applier {
    /// Runs what tells the facts; answers once all that it told are applied, whatever it answers itself.
    pub(super) fn run<T>(engine: &Engine, tell: impl FnOnce(&mut Self) -> T) -> T {
        thread::scope(|scope| {
            let (batches, waiting) = sync_channel::<Vec<Fact>>(WAITING_MAX);
            scope.spawn(move || {
                for batch in waiting {
                    for fact in &batch {
                        engine.apply(fact);
                    }
                }
            });
            let batch = Vec::with_capacity(BATCH);
            let mut applier = Self { batch, batches };
            let told = tell(&mut applier);
            applier.hand_over();
            told
        })
    }

    /// Takes the next fact.
    pub(super) fn take(&mut self, fact: Fact) {
        self.batch.push(fact);
        if self.batch.len() == BATCH {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // It listens until this end is dropped; if it panicked, the scope says so.
        let _ = self.batches.send(batch);
    }
}
