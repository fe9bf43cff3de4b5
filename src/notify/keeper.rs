//! The keeper of the log: a thread that takes notices from the books into the log, writes how the sinks stand, and removes
//! what is old. Nobody waits for it.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono_tz::Tz;

use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::outbox::Waiting;
use crate::engine::recorder::Receipt;
use crate::world::sabotage::{self, Fault};

use super::Notifications;
use super::event::{Event, EventId};
use super::line::{EventLine, Line};
use super::log::Writer;
use super::sink::{self, Sink};

/// How often is looked whether something waits: a notification is never urgent enough to let a request ring a bell.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// So many notices at once.
const NOTICES_AT_ONCE: usize = 1_000;

/// How the sinks stand is synced so often: what is lost with the power is told again, with the same id.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How often is looked whether something is old.
const REMOVE_EVERY: Duration = Duration::from_secs(60);

/// What could not be written is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// However little time is left at the end, what fired is written if the disk takes it within this.
const LAST_PASS_LEAST: Duration = Duration::from_millis(500);

/// Whether the journal is safe up to a receipt.
pub type IsSafe = Box<dyn Fn(Receipt) -> bool + Send>;

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Events that were written.
    pub written: usize,
    /// Notices that stood in the log already: a crash came between writing and taking them.
    pub recognized: usize,
    /// Whether notices wait until the journal is safe.
    pub waits: bool,
}

/// Keeps the log. There is one; it is the only one that writes.
pub struct Keeper {
    log: Notifications,
    writer: Writer,
    sinks: Vec<Sink>,
    /// Notices that were seen and are to be written, and how far the journal must be safe for it.
    batch: Option<(Vec<Waiting>, Receipt)>,
}

/// How far the end has come.
const RUNNING: u8 = 0;
const LAST_PASS: u8 = 1;
const PASSED: u8 = 2;
const DRAINED: u8 = 3;

/// A running keeper and its sinks, and how to end them.
pub struct Running {
    log: Notifications,
    stage: Arc<AtomicU8>,
    sinks: sink::Running,
    keeper: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn new(log: Notifications, writer: Writer, sinks: Vec<Sink>) -> Self {
        Self {
            log,
            writer,
            sinks,
            batch: None,
        }
    }

    /// Takes what waits in the books into the log, and writes what has changed of the sinks: what the thread does. For tests
    /// that go step by step.
    ///
    /// # Errors
    /// If the disk refuses. The notices stay in the books, and come again.
    pub fn pass(
        &mut self,
        engine: &Engine,
        is_safe: impl Fn(Receipt) -> bool,
    ) -> io::Result<Passed> {
        let lost = engine.notices_lost();
        let lost_before = std::mem::replace(&mut self.log.0.shelf.lock().notices_lost, lost);
        if lost > lost_before {
            let notices = lost - lost_before;
            tracing::error!(
                notices,
                "too many notices waited in the books, and the oldest were lost; see that the disk has room"
            );
        }
        self.write_changes()?;
        if self.batch.is_none() && engine.notices_waiting() > 0 {
            // An engine that has failed says so to everybody; its process is about to end.
            let pending = engine.pending_notices(NOTICES_AT_ONCE).ok();
            self.batch = pending.filter(|(waiting, _)| !waiting.is_empty());
        }
        let Some((waiting, receipt)) = self.batch.take() else {
            return Ok(Passed::default());
        };
        if !is_safe(receipt) {
            self.batch = Some((waiting, receipt));
            return Ok(Passed {
                waits: true,
                ..Passed::default()
            });
        }
        if sabotage::is(Fault::TellEarly) {
            waiting.iter().for_each(|it| drop(engine.told(it)));
        }
        match self.write_events(engine, &waiting) {
            Ok(passed) => {
                for it in &waiting {
                    if engine.told(it).is_err() {
                        break;
                    }
                }
                Ok(passed)
            }
            Err(error) => {
                self.batch = Some((waiting, receipt));
                Err(error)
            }
        }
    }

    /// Writes the events that the log does not know yet, and syncs them; only then anybody sees them.
    fn write_events(&mut self, engine: &Engine, waiting: &[Waiting]) -> io::Result<Passed> {
        self.writer.make_room(&self.log.0)?;
        let (events, recognized) = self.new_events(engine, waiting);
        let mut bytes = Vec::new();
        for event in &events {
            Line::Event(EventLine::of(event)).put(&mut bytes);
        }
        self.writer.write(&bytes)?;
        self.writer.sync()?;
        let written = events.len();
        let newest = {
            let mut shelf = self.log.0.shelf.lock();
            events
                .into_iter()
                .for_each(|event| shelf.add(Arc::new(event)));
            shelf.last()
        };
        self.log.0.newest.send_replace(newest);
        Ok(Passed {
            written,
            recognized,
            waits: false,
        })
    }

    fn new_events(&self, engine: &Engine, waiting: &[Waiting]) -> (Vec<Event>, usize) {
        let plan = engine.plan();
        let shelf = self.log.0.shelf.lock();
        let (mut events, mut recognized, mut ids) = (Vec::new(), 0, HashSet::new());
        let mut sequence = shelf.last();
        for it in waiting {
            let planned = plan.organizations.get(&it.name);
            let (scale, zone) =
                planned.map_or((1, Tz::UTC), |plan| (plan.scale, plan.calendar.zone));
            for notice in &it.notices {
                let id = EventId::of(&it.name, notice);
                if shelf.knows(id) || !ids.insert(id) {
                    recognized += 1;
                    continue;
                }
                sequence += 1;
                let (organization, notice) = (it.name.clone(), notice.clone());
                events.push(Event {
                    sequence,
                    id,
                    organization,
                    scale,
                    zone,
                    notice,
                });
            }
        }
        (events, recognized)
    }

    /// Writes how the sinks stand.
    fn write_changes(&mut self) -> io::Result<()> {
        let has_changed = self.log.0.shelf.lock().has_changed();
        if !has_changed && !self.writer.is_broken() {
            return Ok(());
        }
        // A new segment says it all in its first line; what is written again changes nothing.
        self.writer.make_room(&self.log.0)?;
        let lines = self.log.0.shelf.lock().take_changes();
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| line.put(&mut bytes));
        self.writer.write(&bytes)
    }

    /// Starts the keeper and the sinks on threads of their own.
    ///
    /// # Errors
    /// If the system refuses a thread or a runtime.
    pub fn start(mut self, engine: Arc<Engine>, is_safe: IsSafe) -> io::Result<Running> {
        let log = self.log.clone();
        let sinks = sink::start(&log, std::mem::take(&mut self.sinks))?;
        let stage = Arc::new(AtomicU8::new(RUNNING));
        let watched = Arc::clone(&stage);
        let keeper = std::thread::Builder::new()
            .name("quotad-events".to_owned())
            .spawn(move || {
                let kept = catch_unwind(AssertUnwindSafe(|| self.run(&engine, &is_safe, &watched)));
                if kept.is_err() {
                    tracing::error!(
                        "the thread that keeps the log of events has ended in a panic, which is a defect: nothing more is \
                         told until the next start"
                    );
                }
            })?;
        Ok(Running {
            log,
            stage,
            sinks,
            keeper: Some(keeper),
        })
    }

    fn run(mut self, engine: &Engine, is_safe: &IsSafe, stage: &AtomicU8) {
        let (mut synced, mut removed, mut was_well) = (self.now(), Timestamp::MIN, true);
        let mut not_before = Timestamp::MIN;
        loop {
            let (now, ends) = (self.now(), stage.load(Ordering::Acquire));
            let mut went = Ok(Passed::default());
            if now >= not_before || ends != RUNNING {
                went = self.pass(engine, is_safe);
                if went.is_ok() && now.since(synced) >= SYNC_EVERY {
                    (went, synced) = (
                        self.writer.sync().map(|()| Passed::default()).and(went),
                        now,
                    );
                }
                if went.is_ok() && now.since(removed) >= REMOVE_EVERY {
                    removed = now;
                    if let Err(error) = self.log.remove_old() {
                        tracing::error!(
                            "an old file of the log of events cannot be removed: {error}"
                        );
                    }
                }
                was_well = self.say(&went, was_well);
                not_before = if went.is_err() {
                    now.plus(AGAIN_AFTER)
                } else {
                    not_before
                };
            }
            if ends == LAST_PASS
                && (engine.notices_waiting() == 0 || went.is_err() || engine.has_failed())
            {
                stage.store(PASSED, Ordering::Release);
            }
            if ends == DRAINED {
                let ended = self.write_changes().and_then(|()| self.writer.sync());
                self.say(&ended.map(|()| Passed::default()), was_well);
                return;
            }
            let mut shelf = self.log.0.shelf.lock();
            if !shelf.has_changed() || went.is_err() {
                self.log.0.bell.wait_for(&mut shelf, LOOK_EVERY);
            }
        }
    }

    /// Says once that the log cannot be written, and once that it can again.
    fn say(&self, went: &io::Result<Passed>, was_well: bool) -> bool {
        match went {
            Ok(_) if !was_well => tracing::info!("the log of events can be written again"),
            Err(error) if was_well => tracing::error!(
                "the log of events cannot be written: {error}; notices wait in the books until it can"
            ),
            _ => {}
        }
        went.is_ok()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.log.0.clock.read().steady_ns)
    }
}

impl Running {
    /// For whoever asks, watches and replays.
    pub fn notifications(&self) -> Notifications {
        self.log.clone()
    }

    /// Ends within so long: what fired is written first, then the sinks get what is left of the time. Blocks. What is not
    /// delivered by then is at the next start.
    pub fn stop(mut self, limit: Duration) {
        let end = self.now().plus(limit);
        let passed_by = self.now().plus(limit.max(LAST_PASS_LEAST));
        self.stage.store(LAST_PASS, Ordering::Release);
        while self.stage.load(Ordering::Acquire) == LAST_PASS && self.now() < passed_by {
            self.log.0.bell.notify_all();
            std::thread::sleep(Duration::from_millis(2));
        }
        self.sinks.stop(end.since(self.now()));
        self.stage.store(DRAINED, Ordering::Release);
        self.log.0.bell.notify_all();
        // A disk that hangs must not keep the process: the last cursors are told again then.
        let patience = self.now().plus(limit.max(LOOK_EVERY * 4));
        while self.keeper.as_ref().is_some_and(|it| !it.is_finished()) && self.now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.log.0.clock.read().steady_ns)
    }
}
