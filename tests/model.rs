//! The engine against the rule book: random operations and random plans, answers and counters compared after each.
//!
//! `QUOTAD_MODEL_OPERATIONS` scales the run with a fresh seed, `QUOTAD_MODEL_SEED` repeats one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub
)]

#[path = "model/aim.rs"]
mod aim;
#[path = "model/driver.rs"]
mod driver;
#[path = "model/examples.rs"]
mod examples;
#[path = "model/generate.rs"]
mod generate;
#[path = "model/orders.rs"]
mod orders;
#[path = "model/plans.rs"]
mod plans;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/restart.rs"]
mod restart;
#[path = "model/rows.rs"]
mod rows;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/world.rs"]
mod world;

use driver::World;
use rules::{Coverage, Rule};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Orders in one world: enough for several cycles, few enough that a failure is read in full.
const OPERATIONS_A_WORLD: u64 = 500;

/// A run without further words: enough that every rule meets its minimum.
const OPERATIONS: u64 = 700_000;

/// Each rule is at work at least so often in a run of 100,000 operations.
const EACH_RULE_MIN: u64 = 1_000;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number"))
    })
}

fn fresh_seed() -> u64 {
    getrandom::u64().expect("the machine has chance")
}

/// Runs worlds from this seed on, on all cores; panics with the first mismatch.
fn run(seed: u64, operations: u64) -> Coverage {
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get() as u64);
    let mut coverage = Coverage::default();
    std::thread::scope(|scope| {
        let each = operations.div_ceil(threads);
        let start =
            |thread| scope.spawn(move || run_worlds(seed.wrapping_add(thread), threads, each));
        let running: Vec<_> = (0..threads).map(start).collect();
        for thread in running {
            match thread.join() {
                Ok(of_thread) => coverage.add(&of_thread),
                Err(mismatch) => resume_unwind(mismatch),
            }
        }
    });
    coverage
}

/// Runs every `step`-th world from this seed on.
fn run_worlds(seed: u64, step: u64, operations: u64) -> Coverage {
    let mut coverage = Coverage::default();
    let mut world_seed = seed;
    while coverage.operations < operations {
        let mut world = World::new(world_seed);
        let left = operations - coverage.operations;
        let ran = catch_unwind(AssertUnwindSafe(|| world.run(OPERATIONS_A_WORLD.min(left))));
        let ran =
            ran.unwrap_or_else(|_| Err(world.report("panicked in the step after the last line")));
        if let Err(mismatch) = ran {
            panic!("1 mismatch\nQUOTAD_MODEL_SEED={world_seed} repeats it\n{mismatch}");
        }
        coverage.add(&world.coverage);
        world_seed = world_seed.wrapping_add(step);
    }
    coverage
}

#[test]
fn the_engine_answers_as_the_rule_book_does() {
    let (seed, operations) = match (
        variable("QUOTAD_MODEL_SEED"),
        variable("QUOTAD_MODEL_OPERATIONS"),
    ) {
        (None, None) => (1, OPERATIONS),
        (seed, operations) => (
            seed.unwrap_or_else(fresh_seed),
            operations.unwrap_or(OPERATIONS),
        ),
    };
    println!("model: seed {seed}");
    let coverage = run(seed, operations);
    coverage.print();
    println!("model: 0 mismatches");
    if operations >= 100_000 {
        coverage.usage.is_wide();
    }
    if operations >= 100_000 {
        let share = coverage.denial_share();
        assert!(
            (20..=80).contains(&share),
            "{share} % denials are too few or too many to show anything"
        );
        let seldom: Vec<_> = Rule::ALL
            .iter()
            .filter(|rule| coverage.of(**rule) < EACH_RULE_MIN)
            .collect();
        assert!(
            seldom.is_empty(),
            "at work less than {EACH_RULE_MIN} times: {seldom:?}"
        );
    }
}

#[test]
fn a_fresh_seed_finds_nothing_either() {
    let seed = fresh_seed();
    println!("model: fresh seed {seed}");
    run(seed, 10_000);
}
