//! The engine without gRPC. P7: what a Reserve and its Commit cost with all rules. P13: what entries take of the memory.
//! P15: whether a pair costs more where there is more of something. `stalls`: the longest request while a cycle or an
//! allocation changes, or an administrator asks.
//!
//! Figures by name: `cargo bench --bench engine -- P7`. `QUOTAD_BENCH_QUICK=1` only shows that it runs.
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

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/calls.rs"]
mod calls;
#[path = "support/kept.rs"]
mod kept;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/plan.rs"]
mod plan;
#[path = "support/run.rs"]
mod run;
#[path = "support/scale.rs"]
mod scale;
#[path = "support/shifted.rs"]
mod shifted;
#[path = "support/stalls.rs"]
mod stalls;
#[path = "support/ticking.rs"]
mod ticking;

use std::sync::{Arc, Barrier};
use std::time::Instant;

use calls::UserName;
use quotad::engine::Engine;
use quotad::world::clock::SystemClock;
use quotad::world::huge_pages;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pairs in a repetition: tens to hundreds of milliseconds.
const PAIRS: usize = 400_000;

const FEW: usize = 1_000;

fn main() {
    // As the sidecar does where there are many rows.
    huge_pages::allow(true);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--grow", kind] => return memory::grow(kind),
        ["--scale", kind, size, how] => {
            return scale::child(kind, size.parse().unwrap(), how == "timed");
        }
        _ => {}
    }
    println!("machine: {}", machine::name());
    if run::chosen("P7") {
        pairs();
    }
    if run::chosen("P13") {
        memory::run();
    }
    if run::chosen("P15") {
        scale::run();
    }
    if run::chosen("stalls") {
        stalls::run();
    }
    kept::clear();
}

/// P7.
fn pairs() {
    machine::pin(0);
    let engines = [FEW, run::scaled(1_000_000)].map(|users| {
        let engine = plan::engine(Arc::new(SystemClock::new()));
        // Every user has a cell before anything is measured.
        let mut name = UserName::default();
        for number in 0..users {
            calls::pair(&engine, "acme", name.of(number));
        }
        (engine, users)
    });
    let mut figures: [machine::Figure; 3] = Default::default();
    for repetition in 0..=run::repetitions() {
        let [(engine, users), (large, many)] = &engines;
        let seen = [
            alone(engine, *users).0,
            alone(large, *many).0,
            contended(engine, *users),
        ];
        if repetition == 0 {
            continue; // Warm-up.
        }
        for (figure, value) in figures.iter_mut().zip(seen) {
            figure.add(value);
        }
    }
    let [few, many, both] = &figures;
    let name = "P7  reserve + commit, 1 k users, CPU a pair";
    machine::against(name, few, "ns", 150.0, 80.0);
    let name = "P7  reserve + commit, 1 M users, CPU a pair";
    machine::against(name, many, "ns", 900.0, 500.0);
    println!(
        "    reserve + commit, 1 k users of one organization, two cores at once {both} ns elapsed a pair on each core"
    );
    machine::unpin();
}

/// Nanoseconds of CPU and elapsed ones a pair, on this core. Users come in an order that no prefetcher knows.
fn alone(engine: &Engine, users: usize) -> (f64, f64) {
    let (cpu_before, began) = (machine::thread_cpu_ns(), Instant::now());
    let (mut at, mut name) = (7_usize, UserName::default());
    let pairs = run::scaled(PAIRS);
    for _ in 0..pairs {
        at = (at.wrapping_mul(1_103_515_245).wrapping_add(12_345)) % (1 << 31);
        calls::pair(engine, "acme", name.of(at % users));
    }
    let (cpu_ns, elapsed_ns) = (
        machine::thread_cpu_ns() - cpu_before,
        began.elapsed().as_nanos(),
    );
    (
        cpu_ns as f64 / pairs as f64,
        elapsed_ns as f64 / pairs as f64,
    )
}

/// Elapsed nanoseconds with a thread on either core, both in one organization: here waiting counts.
fn contended(engine: &Engine, users: usize) -> f64 {
    let barrier = Barrier::new(2);
    let run = |core| {
        machine::pin(core);
        barrier.wait();
        alone(engine, users)
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
