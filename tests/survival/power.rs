//! A crash at every step: what the mode promises is there, nothing else is, and it goes on from there.

use std::sync::Arc;

use parking_lot::Mutex;
use quotad::domain::time::Timestamp;
use quotad::engine::Engine;
use quotad::storage::Durability;
use quotad::world::disk::{Crash, SimulatedDisk};

use crate::books::{Comparison, rebuilt, seen};
use crate::machine::{History, Machine, Promise, Start};
use crate::script::{Action, Came, Rhythm, Script, pause};
use crate::world::SetClock;
use crate::{orders, seed};

/// Orders of the script of each mode, without further words. A crash at every step costs as much as its square.
const ORDERS: usize = 450;

/// Losses of power per step by chance, beside the one that keeps all and the one that keeps nothing.
const CHANCES: u64 = 2;

/// Orders after a recovery, on both books.
const GOES_ON: usize = 25;

/// Of the smallest segments that there are.
const SEGMENT_SLOTS: u64 = 1_024;

/// One crash in so many steps is followed by a recovery that crashes at each of its own steps.
const RECOVERIES_EVERY: u64 = 20;

const RHYTHM: Rhythm = Rhythm {
    sync: 12,
    seal: 5,
    prepare: 4,
    snapshot: 1,
    file: 5,
    correct: 35,
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
        ids: script.seed,
    };
    let ended = |promise, now, at| Run {
        disk: disk.clone(),
        history: history.lock().clone(),
        promise,
        now,
        at,
    };
    let mut machine = match first.run(&history) {
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
            return Err(format!("{action} was refused: {why}"));
        }
    }
    Ok(ended(
        machine.promise(),
        machine.now(),
        script.actions.len(),
    ))
}

/// The last action failed, and so does what comes.
fn nothing_is_acknowledged(
    machine: &mut Machine,
    came: &Came,
    coming: &[Action],
) -> Result<(), String> {
    let promise = machine.promise();
    let told = |what: &Action| Err(format!("{what} was answered after the disk had stopped"));
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
    groups: usize,
    /// Slots of the journal.
    slots: u64,
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

    fn crash(&mut self, run: &Run, step: u64, crash: Crash, goes_on: bool) -> Result<(), String> {
        self.figures.crashes += 1;
        let start = Start {
            disk: run.disk.after(crash),
            mode: self.mode,
            now: run.now.plus(pause(step)),
            ids: self.script.seed + 1 + step,
        };
        let mut machine = recover(&start)?;
        let floor = run.promise.after(crash);
        let count = self.comparison.groups_in(&run.history, &machine, floor)?;
        self.figures.recovered += 1;
        self.figures.shortened += u64::from(count < run.history.groups.len());
        if goes_on {
            let found = run.history.first(count);
            machine.found(&found);
            let (rebuilt, clock) = rebuilt(&found, count, start.now, start.ids);
            self.go_on(&mut machine, run, &rebuilt, &clock)?;
            self.crash_again(&machine, step)
                .map_err(|problem| format!("a second time: {problem}"))?;
            if step.is_multiple_of(RECOVERIES_EVERY) {
                self.crash_in_recovery(run, step, crash, &found)
                    .map_err(|problem| format!("in recovery: {problem}"))?;
            }
        }
        Ok(())
    }

    /// The recovered books and rebuilt ones answer alike.
    fn go_on(
        &mut self,
        machine: &mut Machine,
        run: &Run,
        rebuilt: &Engine,
        clock: &SetClock,
    ) -> Result<(), String> {
        for action in self.script.actions[run.at..].iter().take(GOES_ON) {
            let came = machine.play(action);
            clock.set(machine.now());
            let expected = action.play(rebuilt);
            if came != expected {
                return Err(format!(
                    "{action}\n  answers {came:?}\n  rebuilt {expected:?}"
                ));
            }
        }
        let (expected, found) = (seen(rebuilt), seen(&machine.engine));
        if expected != found {
            return Err(format!("it shows\n{found}\nrebuilt\n{expected}"));
        }
        self.figures.went_on += 1;
        Ok(())
    }

    fn crash_again(&mut self, machine: &Machine, step: u64) -> Result<(), String> {
        let crash = match step % 3 {
            0 => Crash::Process,
            1 => Crash::Power(0),
            _ => Crash::Power(2 + step),
        };
        let start = Start {
            disk: machine.disk.after(crash),
            mode: self.mode,
            now: machine.now().plus(pause(step / 3)),
            ids: 1,
        };
        let history = machine.history.lock().clone();
        let floor = machine.promise().after(crash);
        Comparison::default().groups_in(&history, &recover(&start)?, floor)?;
        self.figures.crashed_again += 1;
        Ok(())
    }

    /// The recovery itself ends at each of its steps, and what comes then finds what it had found.
    fn crash_in_recovery(
        &mut self,
        run: &Run,
        step: u64,
        crash: Crash,
        found: &History,
    ) -> Result<(), String> {
        let left = run.disk.after(crash);
        let start = |disk: SimulatedDisk| Start {
            disk,
            mode: self.mode,
            now: run.now.plus(pause(step)),
            ids: 2,
        };
        let steps = recover(&start(left.after(Crash::Process)))?.disk.steps();
        for stop in 0..steps {
            let first = start(left.after(Crash::Process));
            first.disk.stop_at(stop);
            let history = Arc::new(Mutex::new(History::default()));
            if first.run(&history).is_ok() {
                return Err(format!("it does not notice that step {stop} failed"));
            }
            let again = [
                Crash::Process,
                Crash::Power(0),
                Crash::Power(1),
                Crash::Power(stop + 2),
            ];
            let again = again[usize::try_from(stop % 4).expect("small")];
            // What the power could take before, it may still take: nobody has been told anything since.
            let floor = match (crash, again) {
                (Crash::Process, Crash::Power(_)) => run.promise.power,
                _ => found.groups.len(),
            };
            let second = recover(&start(first.disk.after(again)))
                .map_err(|problem| format!("stopped at {stop}, {again:?}: {problem}"))?;
            let mut history = history.lock().clone();
            history.follows(found);
            if self.mode == Durability::Memory {
                history.snapshots = vec![found.groups.len()];
            }
            Comparison::default()
                .groups_in(&history, &second, floor)
                .map_err(|problem| format!("stopped at {stop}, {again:?}: {problem}"))?;
            self.figures.in_recovery += 1;
        }
        Ok(())
    }
}

fn recover(start: &Start) -> Result<Machine, String> {
    let history = Arc::new(Mutex::new(History::default()));
    start.run(&history).map_err(|error| error.to_string())
}

/// Crashes a run of one mode at every step.
fn run(mode: Durability, seed: u64) -> Figures {
    let mut rhythm = RHYTHM;
    if mode == Durability::Memory {
        // There is nothing else.
        rhythm.snapshot = 5;
    }
    let script = Script::new(seed, orders(ORDERS), rhythm);
    let whole = SimulatedDisk::new();
    let run = play(&script, mode, &whole).unwrap_or_else(|problem| panic!("{mode:?}: {problem}"));
    let mut checker = Checker {
        script: &script,
        mode,
        comparison: Comparison::default(),
        figures: Figures {
            steps: whole.steps(),
            groups: run.history.groups.len(),
            slots: run.history.groups.last().map_or(0, |group| group.receipt),
            ..Figures::default()
        },
    };
    for step in 0..whole.steps() {
        checker.step(step).unwrap_or_else(|problem| {
            panic!(
                "mode {mode:?}, a crash at step {step} of {} ({:?}), QUOTAD_SURVIVAL_SEED={seed}: {problem}",
                whole.steps(),
                whole.kinds().get(usize::try_from(step).expect("few")),
            )
        });
    }
    checker.figures
}

#[test]
fn a_crash_at_every_step_keeps_what_the_mode_promises() {
    for (nth, mode) in [Durability::Process, Durability::Power, Durability::Memory]
        .into_iter()
        .enumerate()
    {
        let figures = run(mode, seed(7) + nth as u64);
        println!("power loss, mode {mode:?}: {figures}");
        assert_eq!(figures.crashes, figures.recovered);
        assert!(figures.went_on > 0 && figures.crashed_again > 0 && figures.in_recovery > 0);
        // Something must have been at stake, or nothing was shown; and records must have gone over into another segment.
        assert!(figures.shortened > 0);
        assert!(mode == Durability::Memory || figures.slots > SEGMENT_SLOTS);
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} groups in {} slots and {} steps, a crash at each: {} of {} recovered ({} without what was not promised), {} went on, \
             {} crashed again and recovered, {} crashed in recovery and recovered",
            self.groups,
            self.slots,
            self.steps,
            self.recovered,
            self.crashes,
            self.shortened,
            self.went_on,
            self.crashed_again,
            self.in_recovery,
        )
    }
}
