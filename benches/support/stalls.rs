//! The longest request while a cycle changes, while an allocation changes, and while an administrator asks: somebody makes
//! one request after the other on one core, and the rest happens on the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::{OrganizationPlan, Plan};
use quotad::engine::Engine;
use quotad::engine::order::Of;
use quotad::storage::Durability;

use super::machine::Figure;
use super::{calls, kept, machine, plan, run, shifted};

/// What the requests go on before and after.
const AROUND: Duration = Duration::from_millis(50);

const FEW: usize = 1_000;

const JOURNAL_BYTES_MAX: u64 = 256 << 20;

/// Snapshots have figures of their own.
const SELDOM: Duration = Duration::from_secs(86_400);

pub fn run() {
    for (cells, goal_ms) in [(100_000, 5.0), (1_000_000, 50.0)] {
        let cells = run::scaled(cells);
        let clock = Arc::new(shifted::Shifted::new());
        let options = kept::options(Durability::Memory, JOURNAL_BYTES_MAX, SELDOM);
        let folder = kept::fresh("stalls");
        let kept = kept::over_with(&folder, options, plan::BOUNDS, clock.clone(), 1);
        kept.storage.recover(&kept.engine).unwrap();
        kept.storage.run(&kept.engine).unwrap();
        let engine = &kept.engine;
        let usual = plan::plan(["acme".to_owned()]);
        engine.apply_plan(usual.clone()).unwrap();
        let fill = || {
            for number in 0..cells {
                calls::charge(engine, "acme", &format!("user-{number:04}"), 1);
            }
        };
        fill();
        let [mut nothing, mut asked, mut allocation, mut cycle] = <[Figure; 4]>::default();
        for repetition in 0..run::repetitions() {
            nothing.add(longest(engine, || {}));
            asked.add(longest(engine, || administrator_asks(engine)));
            let changed = with_allocation(&usual, repetition as u64);
            allocation.add(longest(engine, || {
                engine.apply_plan(changed).unwrap();
            }));
            cycle.add(longest(engine, || {
                clock.month_begins_in(AROUND / 2);
                std::thread::sleep(AROUND);
            }));
            // A new cycle begins without cells, and leaves days behind.
            kept.storage.file_days(engine).unwrap();
            fill();
        }
        println!("    {cells} cells: the longest request, nothing happens   {nothing} ms");
        println!("    {cells} cells: while an administrator asks             {asked} ms");
        let name = format!("    an allocation changes, {cells} cells, longest request");
        machine::against(&name, &allocation, "ms", goal_ms, goal_ms);
        let name = format!("    a cycle changes, {cells} cells, longest request");
        machine::against(&name, &cycle, "ms", 1.0, 1.0);
    }
}

/// How the organization stands, and what users would get if what is left were shared out among them.
fn administrator_asks(engine: &Engine) {
    let organization = Name::parse("acme").unwrap();
    let users: Vec<String> = (0..FEW).map(|number| format!("user-{number:04}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    engine.balance(organization, Of::Organization).unwrap();
    engine.equal_share(organization, &users).unwrap();
}

/// Milliseconds of the longest Reserve or Commit while something is done.
fn longest(engine: &Engine, done: impl FnOnce() + Send) -> f64 {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            machine::pin(1);
            ask(engine, &over)
        });
        machine::pin(0);
        std::thread::sleep(AROUND);
        done();
        std::thread::sleep(AROUND);
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap().as_secs_f64() * 1e3
    })
}

fn ask(engine: &Engine, over: &AtomicBool) -> Duration {
    let names: Vec<String> = (0..FEW).map(|number| format!("user-{number:04}")).collect();
    let (mut longest, mut before) = (Duration::ZERO, Instant::now());
    let mut lap = || {
        let now = Instant::now();
        longest = longest.max(now - before);
        before = now;
    };
    for user in names.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let id = calls::reserve(engine, &calls::order("acme", user));
        lap();
        calls::commit(engine, id);
        lap();
    }
    longest
}

/// The plan with another allocation of the environment that all cells are in.
fn with_allocation(plan: &Plan, more: u64) -> Plan {
    let mut changed = plan.clone();
    for organization in changed.organizations.values_mut() {
        let mut other = OrganizationPlan::clone(organization);
        for environment in other.environments.values_mut() {
            let credits = environment.allocation.get() - 1_000 - more;
            environment.allocation = Credits::saturating(credits);
        }
        *organization = Arc::new(other);
    }
    changed
}
