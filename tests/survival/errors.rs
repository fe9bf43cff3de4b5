//! The disk refuses something once: nobody is told anything after it, and what is left on the disk is right.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quotad::storage::Durability;
use quotad::world::disk::{Crash, Kind, SimulatedDisk};

use crate::books::Comparison;
use crate::machine::{History, Machine, Promise, Start};
use crate::script::{Action, Came, Rhythm, Script, pause};
use crate::{orders, seed};

const ORDERS: usize = 150;

/// Actions after the failure, none of which may be answered.
const AFTER: usize = 40;

/// "Input/output error".
const EIO: i32 = 5;

const RHYTHM: Rhythm = Rhythm {
    sync: 20,
    seal: 10,
    prepare: 6,
    snapshot: 4,
    file: 3,
    correct: 12,
};

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    failures: u64,
    /// Calls after the failure was noticed, and how many of them were answered.
    calls_after: u64,
    answered_after: u64,
    recovered: u64,
}

fn start(script: &Script, mode: Durability, disk: &SimulatedDisk) -> Start {
    Start {
        disk: disk.clone(),
        mode,
        now: script.begin,
        ids: script.seed,
    }
}

/// Plays it to its end and answers the kinds of its steps.
fn kinds(script: &Script, mode: Durability) -> Vec<Kind> {
    let disk = SimulatedDisk::new();
    let history = Arc::new(Mutex::new(History::default()));
    let mut machine = start(script, mode, &disk).run(&history).unwrap();
    for action in &script.actions {
        let came = machine.play(action);
        assert!(!matches!(came, Came::Refused(_)), "{action}: {came:?}");
    }
    disk.kinds()
}

/// Lets one step fail; answers what must be there afterwards.
fn fail(
    script: &Script,
    mode: Durability,
    step: u64,
    figures: &mut Figures,
) -> (SimulatedDisk, History, Promise) {
    let disk = SimulatedDisk::new();
    disk.fail_once(step, EIO);
    figures.failures += 1;
    let history = Arc::new(Mutex::new(History::default()));
    let ended = |promise| (disk.clone(), history.lock().clone(), promise);
    let mut machine = match start(script, mode, &disk).run(&history) {
        Ok(machine) if disk.steps() <= step => machine,
        Ok(_) => panic!("the start did not notice that step {step} failed"),
        Err(_) => return ended(Promise::default()),
    };
    let failed_at = script.actions.iter().position(|action| {
        let before = machine.promise();
        let came = machine.play(action);
        let has_failed = disk.steps() > step;
        if has_failed {
            count(action, &came, &machine, figures);
            // What a sync that failed was to make safe is promised to nobody.
            assert_eq!(machine.promise().power, before.power, "{action}");
        }
        has_failed
    });
    let failed_at = failed_at.expect("it comes to this step");
    let promise = machine.promise();
    assert!(
        machine.storage.failure().is_some(),
        "step {step} was not noticed"
    );
    for action in script.actions[failed_at + 1..].iter().take(AFTER) {
        let came = machine.play(action);
        count(action, &came, &machine, figures);
    }
    assert_eq!(
        machine.promise(),
        promise,
        "promised after step {step} failed"
    );
    ended(promise)
}

fn count(action: &Action, came: &Came, machine: &Machine, figures: &mut Figures) {
    let asks = matches!(
        action,
        Action::Order(_) | Action::Correct { .. } | Action::TakeNotices
    );
    figures.calls_after += u64::from(asks);
    figures.answered_after += u64::from(came.is_acknowledged() || machine.lets_pass());
}

#[test]
fn nobody_is_told_anything_after_the_disk_refused_once() {
    for (nth, mode) in [Durability::Process, Durability::Power, Durability::Memory]
        .into_iter()
        .enumerate()
    {
        let script = Script::new(seed(21) + nth as u64, orders(ORDERS), RHYTHM);
        let mut by_kind: BTreeMap<Kind, Figures> = BTreeMap::new();
        let mut comparison = Comparison::default();
        for (step, kind) in (0..).zip(kinds(&script, mode)) {
            let figures = by_kind.entry(kind).or_default();
            let (disk, history, promise) = fail(&script, mode, step, figures);
            for crash in [Crash::Process, Crash::Power(0), Crash::Power(2 + step)] {
                let again = Start {
                    disk: disk.after(crash),
                    mode,
                    now: script.begin.plus(pause(3)),
                    ids: 5,
                };
                let context = format!("{mode:?}, {kind:?} at step {step}, {crash:?}");
                let machine = again
                    .run(&Arc::new(Mutex::new(History::default())))
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                // Stale cache entries cannot arise: the first groups are the same in every run.
                comparison
                    .groups_in(&history, &machine, promise.after(crash))
                    .unwrap_or_else(|problem| panic!("{context}: {problem}"));
                figures.recovered += 1;
            }
        }
        for (kind, figures) in &by_kind {
            println!("I/O errors, mode {mode:?}, {kind:?}: {figures:?}");
            assert_eq!(figures.answered_after, 0);
            assert_eq!(figures.recovered, 3 * figures.failures);
        }
        let needed: &[Kind] = match mode {
            Durability::Memory => &[Kind::Write, Kind::Sync, Kind::Rename, Kind::SyncDirectory],
            _ => &[
                Kind::Store,
                Kind::Sync,
                Kind::Allocate,
                Kind::Write,
                Kind::Rename,
            ],
        };
        assert!(
            needed.iter().all(|kind| by_kind.contains_key(kind)),
            "{by_kind:?}"
        );
    }
}

#[test]
fn a_recovery_that_the_disk_disturbs_refuses_and_changes_nothing_that_counts() {
    let script = Script::new(seed(31), orders(ORDERS), RHYTHM);
    let mode = Durability::Process;
    let disk = SimulatedDisk::new();
    let history = Arc::new(Mutex::new(History::default()));
    let mut machine = start(&script, mode, &disk).run(&history).unwrap();
    script
        .actions
        .iter()
        .for_each(|action| drop(machine.play(action)));
    let (history, now) = (history.lock().clone(), machine.now());
    let again = |disk: &SimulatedDisk| {
        let start = Start {
            disk: disk.clone(),
            mode,
            now,
            ids: 6,
        };
        start.run(&Arc::new(Mutex::new(History::default())))
    };
    let whole = disk.after(Crash::Process);
    again(&whole).unwrap();
    let (mut refused, mut went_on, mut reads) = (0, 0, 0);
    let mut check = |left: &SimulatedDisk, what: &str, may_go_on: bool| {
        let machine = match again(left) {
            Ok(machine) => {
                assert!(may_go_on, "{what}: it went on");
                went_on += 1;
                machine
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("Input/output error"), "{what}: {error}");
                refused += 1;
                again(&left.after(Crash::Process)).unwrap()
            }
        };
        let mut comparison = Comparison::default();
        comparison
            .groups_in(&history, &machine, history.groups.len())
            .unwrap_or_else(|problem| panic!("{what}: {problem}"));
    };
    for step in 0..whole.steps() {
        let left = disk.after(Crash::Process);
        left.fail_once(step, EIO);
        let kind = whole.kinds()[usize::try_from(step).unwrap()];
        check(&left, &format!("step {step}, {kind:?}"), false);
    }
    // Reading is no step; each one of a recovery fails in turn, halfway through the file. It may go on where it needs less
    // than that, and where the older snapshot makes up for the newer; but with the same books.
    loop {
        let left = disk.after(Crash::Process);
        left.fail_kind(Kind::Read, reads, EIO);
        again(&left).map(drop).ok();
        if left.reads() <= reads {
            break;
        }
        let left = disk.after(Crash::Process);
        left.fail_kind(Kind::Read, reads, EIO);
        check(&left, &format!("read {reads}"), true);
        reads += 1;
    }
    println!(
        "I/O errors in recovery: {} steps and {reads} reads, {refused} refused and recovered later, {went_on} not \
         needed",
        whole.steps()
    );
    assert!(reads > 3 && refused > 3);
}
