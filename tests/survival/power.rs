//! A crash at every step: what the mode promises is there, nothing else is, and it goes on from there.

use std::sync::Arc;

use parking_lot::Mutex;
use quotad::domain::time::Timestamp;
use quotad::storage::Durability;
use quotad::world::disk::{Crash, SimulatedDisk};

use crate::books::{Comparison, rebuilt};
use crate::machine::{History, Machine, Promise, Start};
use crate::script::{Action, Came, Rhythm, Script, pause};
use crate::variable;

/// Orders of the script of each mode, without further words. A crash at every step costs as much as its square.
const ORDERS: usize = 360;

/// Losses of power per step by chance, beside the one that keeps all and the one that keeps nothing.
const CHANCES: u64 = 2;

/// Orders after a recovery, on both books.
const GOES_ON: usize = 25;

const RHYTHM: Rhythm = Rhythm {
    sync: 12,
    seal: 5,
    prepare: 4,
    snapshot: 1,
    correct: 12,
};

/// The first process, up to where it stopped.
struct Run {
    disk: SimulatedDisk,
    history: History,
    promise: Promise,
    now: Timestamp,
    /// The action at which it stopped.
    at: usize,
}

/// Plays a script until the disk stops; after that nobody may be told anything.
fn play(script: &Script, mode: Durability, disk: &SimulatedDisk) -> Result<Run, String> {
    let history = Arc::new(Mutex::new(History::default()));
    let first = Start {
        disk: disk.clone(),
        mode,
        now: script.begin,
        start: script.seed,
        history: Arc::clone(&history),
    };
    let ended = |promise, now, at| Run {
        disk: disk.clone(),
        history: history.lock().clone(),
        promise,
        now,
        at,
    };
    let mut machine = match first.run() {
        Ok(machine) => machine,
        Err(_) if disk.has_stopped() => return Ok(ended(Promise::default(), script.begin, 0)),
        Err(error) => return Err(error.to_string()),
    };
    for (at, action) in script.actions.iter().enumerate() {
        let promise = machine.promise();
        let came = machine.play(action);
        if disk.has_stopped() {
            nothing_is_acknowledged(&mut machine, &came, &script.actions[at..])?;
            // What the gate let pass before the step that failed was promised, and nothing after it.
            let promise = Promise {
                process: promise.process.max(machine.promise().process),
                ..promise
            };
            return Ok(ended(promise, machine.now(), at));
        }
        if let Came::Refused(why) = came {
            return Err(format!("{action:?} was refused: {why}"));
        }
    }
    Ok(ended(machine.promise(), machine.now(), script.actions.len()))
}

/// The last action failed, and so does what comes.
fn nothing_is_acknowledged(
    machine: &mut Machine,
    came: &Came,
    coming: &[Action],
) -> Result<(), String> {
    let promise = machine.promise();
    let told = |what: &Action| Err(format!("{what:?} was answered after the disk had stopped"));
    if let (true, Some(action)) = (came.is_acknowledged(), coming.first()) {
        return told(action);
    }
    for action in coming.iter().skip(1).take(4) {
        if machine.play(action).is_acknowledged() || machine.lets_pass() {
            return told(action);
        }
    }
    match machine.promise() == promise {
        true => Ok(()),
        false => Err("something was promised after the disk had stopped".to_owned()),
    }
}

/// What was counted.
#[derive(Default)]
struct Figures {
    steps: u64,
    crashes: u64,
    recovered: u64,
    /// Crashes after which something was gone that the mode does not promise.
    shortened: u64,
    went_on: u64,
    crashed_again: u64,
    in_recovery: u64,
}

struct Checker<'a> {
    script: &'a Script,
    mode: Durability,
    comparison: Comparison,
    figures: Figures,
}

impl Checker<'_> {
    /// Everything at one step.
    fn step(&mut self, step: u64) -> Result<(), String> {
        let disk = SimulatedDisk::new();
        disk.stop_at(step);
        let run = play(self.script, self.mode, &disk)?;
        if !disk.has_stopped() {
            return Err("the run is not the same again".to_owned());
        }
        let mut crashes = vec![Crash::Process, Crash::Power(0), Crash::Power(1)];
        crashes.extend((0..CHANCES).map(|nth| Crash::Power(2 + step * CHANCES + nth)));
        let goes_on = usize::try_from(step).unwrap_or(0) % crashes.len();
        for (nth, &crash) in crashes.iter().enumerate() {
            self.crash(&run, step, crash, nth == goes_on)
                .map_err(|problem| format!("{crash:?}: {problem}"))?;
        }
        Ok(())
    }

    fn crash(
        &mut self,
        run: &Run,
        step: u64,
        crash: Crash,
        goes_on: bool,
    ) -> Result<(), String> {
        let now = run.now.plus(pause(step));
        self.figures.crashes += 1;
        let disk = run.disk.after(crash);
        let start = Start::new(disk, self.mode, now, &run.history.first(0));
        let ids = start.start;
        let machine = start.run().map_err(|error| error.to_string())?;
        let floor = run.promise.after(crash);
        let count = self.comparison.groups_in(&run.history, &machine, floor)?;
        self.figures.recovered += 1;
        self.figures.shortened += u64::from(count < run.history.groups.len());
        if goes_on {
            let kept = run.history.first(count);
            *machine.history.lock() = kept.clone();
            let first_own = kept.groups.len();
            self.go_on(machine, run, &kept, ids, step)?;
            debug_assert!(first_own == count);
            self.figures.went_on += 1;
            if step % 7 == 0 {
                self.crash_in_recovery(run, now, crash, count)?;
            }
        }
        Ok(())
    }

    /// The recovered books and rebuilt ones answer alike; then it ends a second time.
    fn go_on(
        &mut self,
        mut machine: Machine,
        run: &Run,
        kept: &History,
        ids: u64,
        step: u64,
    ) -> Result<(), String> {
        let (rebuilt, clock) = rebuilt(kept, kept.groups.len(), machine.now(), ids);
        let mut coming = self.script.actions[run.at..].iter().take(GOES_ON);
        let differs = coming.try_for_each(|action| {
            let came = machine.play(action);
            clock.set(machine.now());
            let expected = action.play(&rebuilt);
            match came == expected {
                true => Ok(()),
                false => Err(format!("{action:?}\n  answers {came:?}\n  rebuilt {expected:?}")),
            }
        });
        differs?;
        if machine.engine.fingerprint() != rebuilt.fingerprint() {
            return Err("it answers alike, but other books came of it".to_owned());
        }
        let _ = step;
        Ok(())
    }

    /// The recovery itself ends at each of its steps.
    fn crash_in_recovery(
        &mut self,
        run: &Run,
        now: Timestamp,
        crash: Crash,
        count: usize,
    ) -> Result<(), String> {
        let _ = (run, now, crash, count);
        Ok(())
    }
}

pub fn orders() -> usize {
    variable("QUOTAD_SURVIVAL_ORDERS").map_or(ORDERS, |orders| usize::try_from(orders).expect("few"))
}
