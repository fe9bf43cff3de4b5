//! P7: what a Reserve and its Commit cost in the engine, with all rules and without gRPC.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    unreachable_pub,
    clippy::cast_precision_loss,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]

#[path = "support/machine.rs"]
mod machine;
#[path = "support/plan.rs"]
mod plan;

use std::sync::{Arc, Barrier};
use std::time::Instant;

use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::Excess;
use quotad::domain::rates::Cost;
use quotad::engine::Engine;
use quotad::engine::answer::Decision;
use quotad::engine::order::{Actual, Commit, Reserve, Subject};
use quotad::world::clock::SystemClock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Repetitions of each figure, taken in turns.
const REPETITIONS: usize = 5;

/// Pairs in a repetition: tens to hundreds of milliseconds.
const PAIRS: usize = 400_000;

const FEW: usize = 1_000;
const MANY: usize = 1_000_000;

fn main() {
    machine::pin(0);
    println!("machine: {}", machine::name());
    let engines = [FEW, MANY].map(|users| {
        let names: Vec<String> = (0..users)
            .map(|number| format!("user-{number:04}"))
            .collect();
        let engine = plan::engine(Arc::new(SystemClock::new()));
        // Every user has a cell before anything is measured.
        for name in &names {
            pair(&engine, name);
        }
        (engine, names)
    });
    let mut figures: [machine::Figure; 3] = Default::default();
    for _ in 0..REPETITIONS {
        for (figure, (engine, names)) in figures.iter_mut().zip(&engines) {
            figure.add(alone(engine, names).0);
        }
        let (engine, names) = &engines[0];
        figures[2].add(contended(engine, names));
    }
    let [few, many, both] = &figures;
    machine::against(
        "P7  reserve + commit, 1 k users, CPU a pair",
        few,
        "ns",
        150.0,
        80.0,
    );
    machine::against(
        "P7  reserve + commit, 1 M users, CPU a pair",
        many,
        "ns",
        900.0,
        500.0,
    );
    println!(
        "    reserve + commit, 1 k users of one organization, two cores at once {both} ns elapsed a pair on each core"
    );
}

/// Nanoseconds of CPU and elapsed ones a pair, on this core. Users come in an order that no prefetcher knows.
fn alone(engine: &Engine, names: &[String]) -> (f64, f64) {
    let (cpu_before, began) = (machine::thread_cpu_ns(), Instant::now());
    let mut at = 7_usize;
    for _ in 0..PAIRS {
        at = (at.wrapping_mul(1_103_515_245).wrapping_add(12_345)) % (1 << 31);
        pair(engine, &names[at % names.len()]);
    }
    let (cpu_ns, elapsed_ns) = (
        machine::thread_cpu_ns() - cpu_before,
        began.elapsed().as_nanos(),
    );
    (
        cpu_ns as f64 / PAIRS as f64,
        elapsed_ns as f64 / PAIRS as f64,
    )
}

/// Elapsed nanoseconds with a thread on either core, both in one organization: here waiting counts.
fn contended(engine: &Engine, names: &[String]) -> f64 {
    let barrier = Barrier::new(2);
    let run = |core| {
        machine::pin(core);
        barrier.wait();
        alone(engine, names)
    };
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|core| {
            scope.spawn({
                let run = &run;
                move || run(core)
            })
        });
        threads
            .map(|thread| thread.join().unwrap().1)
            .iter()
            .sum::<f64>()
            / 2.0
    })
}

fn pair(engine: &Engine, user: &str) {
    let name = |text| Name::parse(text).expect("a name");
    let order = Reserve {
        subject: Subject::new(name("acme"), name("production"), Some(name(user))),
        cost: Cost::Credits {
            amount: Credits::saturating(100),
            operation: None,
        },
        min: None,
        ttl: None,
        id: None,
    };
    let Decision::Granted(reserved) = engine.reserve(&order).expect("a sound order") else {
        panic!("the plan covers it");
    };
    let order = Commit {
        id: reserved.id,
        actual: Actual::Amount(Credits::saturating(80)),
        excess: Excess::Record,
    };
    engine.commit(&order).expect("a known hold");
}
