//! The threads that keep the books: one syncs, one makes room, one takes snapshots, one files closed days. None of them is ever waited for by a
//! request, except in the mode `power`, whose answers wait for a sync.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::world::clock::Clock;

use super::bell::Bell;
use super::error::StorageError;
use super::journal::Journal;
use super::snapshots::{Pace, Snapshots, Taken};
use super::usage::{Filed, UsageFiles};

/// How often is looked whether a disk that was full has room again, and whether a snapshot is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often closed days are filed: so the organizations of a time zone come into one file.
const FILE_EVERY: Duration = Duration::from_secs(60);

/// How often is looked whether files are older than the retention.
const DROP_EVERY: Duration = Duration::from_secs(3_600);

/// A snapshot for which there was no room is not tried again before this: each try writes until the disk is full.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The threads, and how to end them.
#[derive(Default)]
pub(super) struct Keeper {
    is_closing: Arc<AtomicBool>,
    to_snapshot: Arc<Bell>,
    to_file: Arc<Bell>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Keeper {
    /// Starts them.
    pub(super) fn start(
        &self,
        journal: &Arc<Journal>,
        snapshots: &Arc<Snapshots>,
        usage: &Arc<UsageFiles>,
        engine: &Arc<Engine>,
        clock: &Arc<dyn Clock>,
    ) -> io::Result<()> {
        let mut threads = self.threads.lock();
        let is_closing = || Arc::clone(&self.is_closing);
        if journal.keeps_records() {
            let (it, closing) = (Arc::clone(journal), is_closing());
            threads.push(spawn("quotad-sync", journal, move || sync(&it, &closing))?);
            let (it, closing) = (Arc::clone(journal), is_closing());
            let bell = Arc::clone(&self.to_snapshot);
            threads.push(spawn("quotad-room", journal, move || {
                make_room(&it, &bell, &closing)
            })?);
        }
        let work = Snapshotter {
            journal: Arc::clone(journal),
            snapshots: Arc::clone(snapshots),
            engine: Arc::clone(engine),
            clock: Arc::clone(clock),
            bell: Arc::clone(&self.to_snapshot),
            is_closing: is_closing(),
        };
        threads.push(spawn("quotad-snapshot", journal, move || work.run())?);
        let work = Filer {
            usage: Arc::clone(usage),
            engine: Arc::clone(engine),
            clock: Arc::clone(clock),
            bell: Arc::clone(&self.to_file),
            is_closing: is_closing(),
        };
        threads.push(spawn("quotad-usage", journal, move || work.run())?);
        Ok(())
    }

    /// Ends them, after what they are at.
    pub(super) fn stop(&self, journal: &Journal) {
        self.is_closing.store(true, Ordering::Release);
        journal.gate.to_sync.ring();
        journal.to_keep.ring();
        self.to_snapshot.ring();
        self.to_file.ring();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that keeps the books had ended in a panic");
            }
        }
    }
}

/// Starts a thread. One that ends in a panic leaves books that nobody keeps: that is a failure like that of a disk.
fn spawn(
    name: &'static str,
    journal: &Arc<Journal>,
    work: impl FnOnce() -> Result<(), StorageError> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let journal = Arc::clone(journal);
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(work));
            let ended = ended.unwrap_or_else(|_| {
                let panic = io::Error::other("it ended in a panic, which is a defect");
                Err(journal.fail(&format!("the thread {name}"), &panic))
            });
            if let Err(failure) = ended {
                tracing::error!("{failure}");
            }
        })
}

/// Syncs what was recorded: at the interval, or as soon as somebody waits. When nothing happens any more, seals.
fn sync(journal: &Journal, is_closing: &AtomicBool) -> Result<(), StorageError> {
    while !is_closing.load(Ordering::Acquire) {
        let is_idle = !journal.gate.to_sync.wait(journal.options.fsync_interval);
        if journal.appended() != journal.synced() || (is_idle && journal.seal()?) {
            journal.sync()?;
        }
    }
    Ok(())
}

/// Prepares segments before they are needed, and calls for a snapshot where the journal has grown long: a small one is full
/// before anybody would look.
fn make_room(
    journal: &Journal,
    to_snapshot: &Bell,
    is_closing: &AtomicBool,
) -> Result<(), StorageError> {
    let mut was_enough = true;
    while !is_closing.load(Ordering::Acquire) {
        if is_long(journal) {
            to_snapshot.ring();
        }
        let is_enough = journal.prepare()?;
        if was_enough && !is_enough {
            tracing::warn!(
                "no room for the journal: when what is prepared runs short, Reserve, Extend and Charge are refused until \
                 there is; Commit and Release go on"
            );
        } else if is_enough && !was_enough {
            tracing::info!("there is room for the journal again");
        }
        was_enough = is_enough;
        journal.to_keep.wait(LOOK_EVERY);
    }
    Ok(())
}

/// Whether the journal has grown to half of what it may.
fn is_long(journal: &Journal) -> bool {
    journal.bytes_since_snapshot() >= journal.options.journal_bytes_max / 2
}

struct Snapshotter {
    journal: Arc<Journal>,
    snapshots: Arc<Snapshots>,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    bell: Arc<Bell>,
    is_closing: Arc<AtomicBool>,
}

impl Snapshotter {
    /// Takes snapshots at the interval, and when the journal has grown to half of what it may.
    fn run(&self) -> Result<(), StorageError> {
        let options = &self.journal.options;
        let (mut last, mut not_before) = (self.now(), Timestamp::MIN);
        while !self.is_closing.load(Ordering::Acquire) {
            self.bell.wait(LOOK_EVERY.min(options.snapshot_interval));
            let now = self.now();
            let is_time = now.since(last) >= options.snapshot_interval;
            if !(is_time || is_long(&self.journal)) || now < not_before {
                continue;
            }
            match self.snapshots.take(&self.engine, Pace::Gentle)? {
                Taken::Whole | Taken::NothingNew => last = now,
                Taken::NoRoom | Taken::Busy => not_before = now.plus(AGAIN_AFTER),
            }
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.read().steady_ns)
    }
}

struct Filer {
    usage: Arc<UsageFiles>,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    bell: Arc<Bell>,
    is_closing: Arc<AtomicBool>,
}

impl Filer {
    /// Files closed days, and removes what is older than the retention.
    fn run(&self) -> Result<(), StorageError> {
        let (mut file_after, mut drop_after) = (self.now().0, Timestamp::MIN);
        let mut had_room = true;
        while !self.is_closing.load(Ordering::Acquire) {
            self.bell.wait(LOOK_EVERY);
            let (now, today) = self.now();
            if now >= drop_after {
                self.usage.drop_old(today.to_utc().date_naive())?;
                drop_after = now.plus(DROP_EVERY);
            }
            let is_closed = self.engine.stats().days_to_file.load(Ordering::Relaxed) > 0;
            if now < file_after || !is_closed {
                continue;
            }
            let has_room = self.usage.file(&self.engine)? != Filed::NoRoom;
            if had_room && !has_room {
                tracing::warn!(
                    "no room for a file of usage rows; they stay in memory until there is"
                );
            } else if has_room && !had_room {
                tracing::info!("there is room for usage rows again");
            }
            had_room = has_room;
            file_after = now.plus(if has_room { FILE_EVERY } else { AGAIN_AFTER });
        }
        Ok(())
    }

    /// In steady time, and by the wall clock.
    fn now(&self) -> (Timestamp, Timestamp) {
        let reading = self.clock.read();
        let at = Timestamp::from_nanos;
        (at(reading.steady_ns), at(reading.wall_ns))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::storage::{Durability, Options};
    use crate::world::clock::ManualClock;
    use crate::world::disk::SimulatedDisk;

    #[test]
    fn a_thread_that_panics_ends_all_promises() {
        let options = Options {
            durability: Durability::Power,
            snapshot_interval: Duration::from_secs(60),
            fsync_interval: Duration::from_millis(100),
            journal_bytes_max: 1 << 20,
            retention: Duration::from_secs(395 * 86_400),
            drop_from: None,
        };
        let journal = Arc::new(Journal::new(
            Arc::new(SimulatedDisk::new()),
            options,
            Arc::new(ManualClock::at(0)),
        ));
        let thread = spawn("quotad-test", &journal, || panic!("on purpose"));
        thread.unwrap().join().unwrap();
        assert!(
            journal
                .gate
                .lets_pass(crate::engine::recorder::Receipt(0))
                .is_err()
        );
    }
}
