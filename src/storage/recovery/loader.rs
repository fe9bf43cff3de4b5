//! A snapshot's blocks are read on one thread and restored on others: each decodes all of them, which is cheap, and restores
//! the entries of its own shards (`engine/partition.rs`).

use std::io::Read;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::engine::Engine;
use crate::engine::partition::Partition;
use crate::storage::error::FileError;
use crate::storage::fact_code::Frame;
use crate::storage::snapshot::{Block, Counts, File};

/// Blocks that may wait for a thread: more than a shard has where a million cells are spread over all of them (some 25), so
/// that one thread goes on to its own next shard while another is at this one. Some 4 MiB.
const WAITING_MAX: usize = 64;

/// What is wrong with an entry, and where: its block, its place in the block.
type Wrong = (u64, u32, FileError);

/// Restores all entries on so many threads.
///
/// # Errors
/// As `snapshot::read`: of what is wrong the first in the file, however many threads there are.
pub(super) fn load(
    engine: &Engine,
    threads: usize,
    source: &mut dyn Read,
    name: &str,
) -> Result<Counts, FileError> {
    let mut file = File::new(source, name);
    let header = file.about()?.header;
    let partitions = engine.partitions(threads);
    thread::scope(|scope| {
        let spawned = partitions.all().map(|partition| {
            let (sender, blocks) = sync_channel(WAITING_MAX);
            let frame = header.frame;
            let restored = scope.spawn(move || restore(partition, &blocks, name, &frame));
            (sender, restored)
        });
        let (senders, restoring): (Vec<_>, Vec<_>) = spawned.unzip();
        let trailer = file.blocks(&header, &mut |block| hand_over(block, &senders));
        drop(senders);
        let mut counts = Counts::default();
        let mut first: Option<Wrong> = None;
        for thread in restoring {
            match thread.join().unwrap_or_else(|panic| resume_unwind(panic)) {
                // Each has counted all entries.
                Ok(counted) => counts = counted,
                Err(wrong) => {
                    let is_first = first
                        .as_ref()
                        .is_none_or(|it| (wrong.0, wrong.1) < (it.0, it.1));
                    if is_first {
                        first = Some(wrong);
                    }
                }
            }
        }
        match first {
            // It stands before whatever the reader found.
            Some((_, _, wrong)) => Err(wrong),
            None => file.trailer(trailer?, counts),
        }
    })
}

/// Hands a block to all threads; answers whether all of them go on.
fn hand_over(block: Block, senders: &[SyncSender<Arc<Block>>]) -> bool {
    let block = Arc::new(block);
    // All get it, even if one has stopped: somebody may find something wrong that stands before what stopped that one.
    let taken = senders.iter().map(|it| it.send(Arc::clone(&block)).is_ok());
    taken.filter(|is_taken| !is_taken).count() == 0
}

fn restore(
    mut partition: Partition<'_>,
    blocks: &Receiver<Arc<Block>>,
    name: &str,
    frame: &Frame,
) -> Result<Counts, Wrong> {
    let (mut scratch, mut counts) = Default::default();
    for (number, block) in (0..).zip(blocks) {
        let mut order = 0;
        let told = block.tell(name, frame, &mut scratch, &mut counts, &mut |entry| {
            order += 1;
            partition.restore(order, &entry)
        });
        told.map_err(|error| (number, order, error))?;
        partition.end_batch();
    }
    partition.restored();
    Ok(counts)
}

#[cfg(test)]
mod tests;
