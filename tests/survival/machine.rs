//! A process over a simulated disk, its threads' work done at moments that the script says: what it recorded, what it was
//! entitled to promise, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quotad::domain::fact::Fact;
use quotad::domain::plan::Plan;
use quotad::domain::time::Timestamp;
use quotad::engine::Engine;
use quotad::engine::recorder::{NotKept, Receipt, Recorder, Unrecorded};
use quotad::storage::{Durability, Options, Recovered, RecoveryError, Storage, StorageError};
use quotad::world::clock::Clock;
use quotad::world::disk::{Crash, SimulatedDisk};

use crate::script::{Action, BOUNDS, Came};
use crate::world::SetClock;

/// The smallest segments that there are, and room for some of them.
const JOURNAL_BYTES_MAX: u64 = 1 << 20;

/// The facts of one operation, as they were handed to the recorder.
#[derive(Clone, Debug)]
pub struct Group {
    pub facts: Vec<Fact>,
    /// The position after it.
    pub receipt: u64,
}

/// All groups since the directory was new, as far as they can still be there.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub groups: Vec<Group>,
    /// One whose record failed: nobody was told, and it may be there or not.
    pub doubtful: Option<Vec<Fact>>,
    /// In the mode `memory`, where nothing else is kept: after how many groups snapshots were begun, none of all among them.
    pub snapshots: Vec<usize>,
}

impl History {
    /// How many groups end at or before a position.
    pub fn until(&self, position: u64) -> usize {
        self.groups
            .partition_point(|group| group.receipt <= position)
    }

    /// The first so many groups; the doubtful one counts as one more.
    pub fn first(&self, count: usize) -> Self {
        let mut first = self.clone();
        (first.doubtful, first.snapshots) = (None, Vec::new());
        if let (true, Some(facts)) = (count > self.groups.len(), &self.doubtful) {
            let receipt = self.groups.last().map_or(0, |group| group.receipt + 1);
            first.groups.push(Group {
                facts: facts.clone(),
                receipt,
            });
        }
        first.groups.truncate(count);
        first
    }
}

impl History {
    /// Puts what earlier processes recorded before what this one did.
    pub fn follows(&mut self, earlier: &Self) {
        let found = earlier.groups.len();
        self.groups.splice(0..0, earlier.groups.iter().cloned());
        for snapshot in &mut self.snapshots {
            *snapshot += found;
        }
    }
}

/// Hands on to the journal, and keeps a copy outside.
struct Recording {
    journal: Arc<dyn Recorder>,
    history: Arc<Mutex<History>>,
}

impl Recorder for Recording {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        let recorded = self.journal.record(facts);
        let mut history = self.history.lock();
        match recorded {
            Ok(Receipt(receipt)) if !facts.is_empty() => history.groups.push(Group {
                facts: facts.to_vec(),
                receipt,
            }),
            Err(Unrecorded) if !facts.is_empty() => {
                history.doubtful.get_or_insert_with(|| facts.to_vec());
            }
            _ => {}
        }
        recorded
    }

    fn keep_plan(&self, plan: &Arc<Plan>) -> Result<(), NotKept> {
        self.journal.keep_plan(plan)
    }

    fn has_room(&self, holds_open: u64) -> bool {
        self.journal.has_room(holds_open)
    }
}

/// How many groups must be there after each kind of crash, whatever else is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    pub process: usize,
    pub power: usize,
}

impl Promise {
    pub fn after(self, crash: Crash) -> usize {
        match crash {
            Crash::Process => self.process,
            Crash::Power(_) => self.power,
        }
    }
}

pub fn options(durability: Durability) -> Options {
    Options {
        durability,
        snapshot_interval: Duration::from_secs(3_600),
        fsync_interval: Duration::from_millis(100),
        journal_bytes_max: JOURNAL_BYTES_MAX,
        retention: Duration::from_secs(395 * 86_400),
        drop_from: None,
    }
}

/// A process.
pub struct Machine {
    pub disk: SimulatedDisk,
    pub storage: Storage,
    pub engine: Engine,
    pub clock: Arc<SetClock>,
    pub recovered: Recovered,
    /// The books as they were left, before anything happened to them.
    pub replayed: Vec<String>,
    pub history: Arc<Mutex<History>>,
    mode: Durability,
    /// Groups at the end of the last sync, and in the last snapshot.
    synced: usize,
    snapshot: usize,
    /// Groups that the gate let pass.
    passed: usize,
}

/// What a start is given.
pub struct Start {
    pub disk: SimulatedDisk,
    pub mode: Durability,
    pub now: Timestamp,
    /// The random half of the ids that it gives out.
    pub ids: u64,
}

impl Start {
    /// Recovers. What is recorded on the way is in `history` also if it fails.
    pub fn run(&self, history: &Arc<Mutex<History>>) -> Result<Machine, RecoveryError> {
        let clock = Arc::new(SetClock::new(self.now));
        let as_clock: Arc<dyn Clock> = clock.clone();
        let disk = Arc::new(self.disk.clone());
        let storage = Storage::new(disk, options(self.mode), as_clock.clone());
        let recording = Recording {
            journal: storage.recorder(),
            history: Arc::clone(history),
        };
        let engine = Engine::new(BOUNDS, self.ids, as_clock, Arc::new(recording));
        if self.mode == Durability::Memory {
            history.lock().snapshots.push(0);
        }
        // The two parts of `Storage::recover`.
        let recovered = storage.replay(&engine)?;
        let replayed = engine.fingerprint();
        let resumed = engine.resume();
        resumed.map_err(|_| storage.failure().unwrap_or(StorageError::Closed))?;
        Ok(Machine {
            disk: self.disk.clone(),
            storage,
            engine,
            clock,
            recovered,
            replayed,
            history: Arc::clone(history),
            mode: self.mode,
            synced: 0,
            snapshot: 0,
            passed: 0,
        })
    }
}

impl Machine {
    /// It turned out which groups of earlier processes it found: they come before its own, and are safe.
    pub fn found(&mut self, earlier: &History) {
        let found = earlier.groups.len();
        (self.synced, self.snapshot, self.passed) = (found, found, found);
        self.history.lock().follows(earlier);
        self.look_at_the_gate();
    }

    /// Does it, and sees what may be promised from here on.
    pub fn play(&mut self, action: &Action) -> Came {
        let recorded = self.recorded();
        let came = match action {
            Action::Time(to) => {
                self.clock.set((*to).max(self.now()));
                Came::Done
            }
            Action::Sync => {
                let synced = self.storage.sync();
                if synced.is_ok() {
                    self.synced = recorded;
                }
                done(synced)
            }
            Action::Seal => done(self.storage.seal()),
            Action::Prepare => done(self.storage.make_room()),
            Action::FileDays => done(self.storage.file_days(&self.engine)),
            Action::Snapshot => {
                if self.mode == Durability::Memory {
                    self.history.lock().snapshots.push(recorded);
                }
                let taken = self.storage.take_snapshot(&self.engine);
                if let Ok(true) = taken {
                    (self.snapshot, self.synced) = (recorded, recorded);
                }
                done(taken)
            }
            other => other.play(&self.engine),
        };
        self.look_at_the_gate();
        came
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.read().wall_ns)
    }

    pub fn recorded(&self) -> usize {
        self.history.lock().groups.len()
    }

    /// Whether an answer with the last receipt may leave.
    pub fn lets_pass(&self) -> bool {
        let last = self
            .history
            .lock()
            .groups
            .last()
            .map_or(0, |group| group.receipt);
        self.storage.gate().lets_pass(Receipt(last)) == Ok(true)
    }

    fn look_at_the_gate(&mut self) {
        let history = self.history.lock();
        let gate = self.storage.gate();
        let behind = history.groups[self.passed.min(history.groups.len())..].iter();
        self.passed += behind
            .take_while(|group| gate.lets_pass(Receipt(group.receipt)) == Ok(true))
            .count();
    }

    /// What must be there if it ends now.
    pub fn promise(&self) -> Promise {
        let recorded = self.recorded();
        match self.mode {
            Durability::Memory => Promise {
                process: self.snapshot,
                power: self.snapshot,
            },
            Durability::Process => Promise {
                process: recorded,
                power: self.synced,
            },
            Durability::Power => Promise {
                process: recorded,
                power: self.passed.max(self.synced),
            },
        }
    }
}

fn done<T>(result: Result<T, StorageError>) -> Came {
    match result {
        Ok(_) => Came::Done,
        Err(error) => Came::Refused(error.to_string()),
    }
}
