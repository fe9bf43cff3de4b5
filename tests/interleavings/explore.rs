//! Runs a case in many schedules and looks for a serial order that explains each.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quotad::domain::books::{Books, derive};
use quotad::domain::names::Name;
use quotad::domain::time::Timestamp;
use quotad::engine::recorder::{Forgetful, Receipt};
use quotad::engine::{Bounds, Engine};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

use crate::cases::{Case, Step};
use crate::orders::Outcome;
use crate::reference::Reference;
use crate::world::{Collecting, SetClock, catch_up};

/// What the threads were answered, thread by thread, and the books that were left.
#[derive(Clone, Debug, PartialEq)]
struct Result {
    outcomes: Vec<Vec<Outcome>>,
    books: Vec<Books>,
}

/// How a schedule is wrong.
#[derive(Debug, Default)]
struct Figures {
    schedules: AtomicUsize,
    /// Different results that were seen.
    results: Mutex<Vec<Result>>,
}

/// Explores a case; panics, with the schedule, where no serial order explains what came.
pub fn case(case: &Case, schedules: usize) {
    let serial = Arc::new(serial_results(case));
    let figures = Arc::new(Figures::default());
    explore(
        RandomScheduler::new_from_seed(1, schedules),
        case,
        &serial,
        &figures,
    );
    explore(
        PctScheduler::new_from_seed(2, 3, schedules),
        case,
        &serial,
        &figures,
    );
    println!(
        "interleavings: {}: {} schedules, {} different results of {} serial ones; over-grants 0, leaks 0, denials that no \
         serial order gives 0",
        case.name,
        figures.schedules.load(Ordering::Relaxed),
        figures.results.lock().unwrap().len(),
        serial.len(),
    );
}

fn explore(
    scheduler: impl Scheduler + 'static,
    case: &Case,
    serial: &Arc<Vec<Result>>,
    figures: &Arc<Figures>,
) {
    let (case, serial, figures) = (case.clone(), Arc::clone(serial), Arc::clone(figures));
    let runner = shuttle::Runner::new(scheduler, shuttle::Config::default());
    runner.run(move || {
        let result = concurrently(&case);
        judge(&case, &result, &serial);
        figures.schedules.fetch_add(1, Ordering::Relaxed);
        let mut results = figures.results.lock().unwrap();
        if !results.contains(&result) {
            results.push(result);
        }
    });
}

/// One schedule on a fresh engine.
fn concurrently(case: &Case) -> Result {
    let room = Arc::new(Room::new(case.start));
    for step in &case.before {
        on_engine(step, &room);
    }
    let threads: Vec<_> = case
        .threads
        .iter()
        .map(|steps| {
            let (steps, room) = (steps.clone(), Arc::clone(&room));
            shuttle::thread::spawn(move || {
                let steps = steps.iter();
                steps.map(|step| on_engine(step, &room)).collect::<Vec<_>>()
            })
        })
        .collect();
    let outcomes = threads
        .into_iter()
        .map(|thread| case.comparable(thread.join().unwrap()))
        .collect();
    room.engine.tick().unwrap();
    same_when_restored(case, &room);
    let books = books(case, &room.engine);
    no_leak(case, &room.engine, &room.clock);
    Result { outcomes, books }
}

/// What the threads of a schedule share.
struct Room {
    clock: Arc<SetClock>,
    facts: Arc<Collecting>,
    engine: Engine,
    /// From a copy, with its receipts.
    restored: Mutex<Option<(Engine, Vec<Receipt>)>>,
}

impl Room {
    fn new(start: Timestamp) -> Self {
        let clock = Arc::new(SetClock::new(start));
        let facts = Arc::new(Collecting::default());
        let engine = Engine::new(Bounds::default(), 1, clock.clone(), facts.clone());
        let restored = Mutex::new(None);
        Self {
            clock,
            facts,
            engine,
            restored,
        }
    }

    fn copy(&self) {
        let forgetful = Arc::new(Forgetful);
        let restored = Engine::new(Bounds::default(), 2, self.clock.clone(), forgetful);
        let mut copying = self.engine.copy().unwrap().expect("the only copy");
        restored.restore_plan(copying.plan());
        while copying.step(1, &mut |entry| restored.restore(entry).unwrap()) {}
        restored.restored();
        let receipts = copying.receipts().to_vec();
        *self.restored.lock().unwrap() = Some((restored, receipts));
    }
}

/// The engine is what its copy and the facts since make of another.
fn same_when_restored(case: &Case, room: &Room) {
    let Some((restored, receipts)) = room.restored.lock().unwrap().take() else {
        return;
    };
    catch_up(&restored, &receipts, &room.facts.take());
    assert_eq!(
        room.engine.fingerprint(),
        restored.fingerprint(),
        "{}: what is restored differs",
        case.name
    );
}

fn on_engine(step: &Step, room: &Room) -> Outcome {
    match step {
        Step::Do(order) => order.on_engine(&room.engine).0,
        Step::Clock(at) => {
            room.clock.set(*at);
            room.engine.tick().unwrap();
            Outcome::Done
        }
        Step::Copy => {
            room.copy();
            Outcome::Done
        }
    }
}

/// The present books of every organization; the counters must be what they derive to.
fn books(case: &Case, engine: &Engine) -> Vec<Books> {
    let mut all = Vec::new();
    for organization in &case.organizations {
        let name = Name::parse(organization).unwrap();
        let books = engine.export(name).unwrap();
        let counters = engine.counters(name).unwrap();
        let derived: Vec<_> = books.iter().map(derive).collect();
        assert_eq!(
            counters, derived,
            "{}: the counters of {organization} leak",
            case.name
        );
        all.extend(books.last().cloned());
    }
    all
}

/// When every hold has expired nothing is held.
fn no_leak(case: &Case, engine: &Engine, clock: &SetClock) {
    clock.set(case.last_instant().plus(Duration::from_secs(2 * 3_600)));
    engine.tick().unwrap();
    for books in books(case, engine) {
        let held: u64 = books.cells.values().map(|cell| cell.held).sum();
        assert_eq!(held, 0, "{}: {held} credits are held by nobody", case.name);
    }
}

fn judge(case: &Case, result: &Result, serial: &[Result]) {
    if serial.contains(result) {
        return;
    }
    let granted = |result: &Result| result.books.iter().map(drawn).sum::<i128>();
    let denials = |result: &Result| -> Vec<bool> {
        result
            .outcomes
            .iter()
            .flatten()
            .map(|outcome| outcome.denial().is_some())
            .collect()
    };
    let most = serial.iter().map(granted).max().unwrap_or(0);
    let what = if granted(result) > most {
        "over-grant"
    } else if !serial.iter().any(|it| denials(it) == denials(result)) {
        "denial that no serial order gives"
    } else {
        "answer that no serial order gives"
    };
    panic!(
        "{}: {what}\ncame\n{result:#?}\nclosest serial\n{:#?}",
        case.name,
        closest(result, serial)
    );
}

fn drawn(books: &Books) -> i128 {
    books
        .cells
        .values()
        .map(|cell| i128::from(cell.used) + i128::from(cell.held))
        .sum()
}

fn closest<'a>(result: &Result, serial: &'a [Result]) -> Option<&'a Result> {
    let same = |it: &&Result| {
        let pairs = it
            .outcomes
            .iter()
            .flatten()
            .zip(result.outcomes.iter().flatten());
        pairs.filter(|(a, b)| a == b).count()
    };
    serial.iter().max_by_key(same)
}

/// Every serial order, on the reference.
fn serial_results(case: &Case) -> Vec<Result> {
    let mut reference = Reference::new(case.start);
    for step in &case.before {
        on_reference(step, &mut reference);
    }
    let mut results: Vec<Result> = Vec::new();
    let mut seen = BTreeSet::new();
    let next = vec![0; case.threads.len()];
    let outcomes = vec![Vec::new(); case.threads.len()];
    extend_order(case, &reference, &next, &outcomes, &mut |result| {
        if seen.insert(format!("{result:?}")) {
            results.push(result);
        }
    });
    results
}

fn extend_order(
    case: &Case,
    reference: &Reference,
    next: &[usize],
    outcomes: &[Vec<Outcome>],
    found: &mut impl FnMut(Result),
) {
    let mut is_done = true;
    for (thread, steps) in case.threads.iter().enumerate() {
        let Some(step) = steps.get(next[thread]) else {
            continue;
        };
        is_done = false;
        let (mut reference, mut next, mut outcomes) =
            (reference.clone(), next.to_vec(), outcomes.to_vec());
        outcomes[thread].push(on_reference(step, &mut reference));
        next[thread] += 1;
        extend_order(case, &reference, &next, &outcomes, found);
    }
    if is_done {
        let outcomes = outcomes
            .iter()
            .map(|of_thread| case.comparable(of_thread.clone()))
            .collect();
        let present = |name: &&str| reference.organizations[*name].current().books.clone();
        found(Result {
            outcomes,
            books: case
                .organizations
                .iter()
                .map(|name| present(&name))
                .collect(),
        });
    }
}

fn on_reference(step: &Step, reference: &mut Reference) -> Outcome {
    match step {
        Step::Do(order) => order
            .on_reference_exact(reference, [0; 16])
            .in_the_engines_words(),
        Step::Copy => Outcome::Done,
        Step::Clock(at) => {
            // A clock never goes backwards; two threads may set it.
            let at: Timestamp = reference.now.max(*at);
            reference.advance_to(at);
            Outcome::Done
        }
    }
}
