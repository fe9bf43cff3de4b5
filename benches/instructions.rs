//! What a Reserve, a Commit and a denied Reserve cost in the engine, in instructions: the journal attached in the mode
//! `process` on a real directory, 1,000 users, every tenth with a limit, and as many settled requests as are remembered.
//!
//! `tests/instructions.sh` holds the figures against `benches/instructions.baseline`.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    unreachable_pub,
    clippy::cast_precision_loss,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/calls.rs"]
mod calls;
#[path = "support/kept.rs"]
mod kept;
#[path = "support/plan.rs"]
mod plan;
#[path = "support/ticking.rs"]
mod ticking;

use std::sync::Arc;
use std::time::Duration;

use quotad::engine::answer::Decision;
use quotad::engine::order::{Id, Reserve};
use quotad::engine::{Bounds, Engine};
use quotad::storage::Durability;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USERS: usize = 1_000;

/// Loops of the shorter of two runs. Their difference is what is reported: what happens once drops out.
const LOOPS: u64 = 3_000;

/// So many settled requests are remembered: fewer than loops, so that each loop forgets one, as a busy sidecar does.
const SETTLED: usize = 1_000;

/// Loops between two looks whether the journal has room.
const BURST: usize = 1_000;

/// No snapshot comes between.
const NEVER: Duration = Duration::from_secs(86_400);

const WORK: [&str; 3] = ["reserve", "commit", "denied"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [work, loops] = &arguments[..]
        && work == "--work"
    {
        return self::work(loops.parse().unwrap());
    }
    if !callgrind::is_here() {
        // Not an error: everything else that `cargo bench` prints needs nothing but Rust.
        println!(
            "instructions: not counted, for there is no valgrind here (apt-get install valgrind)"
        );
        return;
    }
    for function in WORK {
        println!("{function:<8} {:.0}", counted(function));
    }
}

/// Instructions of one call of a function of this file, with all that it calls.
fn counted(function: &str) -> f64 {
    // As it is called in the binary.
    let name = format!("instructions::{function}");
    let [once, twice] = [LOOPS, 2 * LOOPS].map(|loops| {
        callgrind::count(&name, &["--work", &loops.to_string()]).unwrap_or_else(|said| {
            eprintln!("nothing was counted in {name}:\n{said}");
            std::process::exit(2);
        })
    });
    (twice - once) as f64 / LOOPS as f64
}

/// Under callgrind: so many Reserves, each with its Commit, and as many denials.
fn work(loops: usize) {
    let bounds = Bounds {
        settled: SETTLED,
        ..plan::BOUNDS
    };
    let folder = kept::fresh(&std::process::id().to_string());
    let clock = Arc::new(ticking::Ticking::new());
    let options = kept::options(Durability::Process, 1 << 30, NEVER);
    let kept = kept::over_with(&folder, options, bounds, clock, 1);
    kept.storage.recover(&kept.engine).unwrap();
    let plan = plan::with_nothing_left(plan::plan(["acme".to_owned()]));
    kept.engine.apply_plan(plan).unwrap();
    calls::charge(&kept.engine, plan::NOTHING_LEFT, "user-0000", plan::SPENT);
    let users: Vec<String> = (0..USERS)
        .map(|number| format!("user-{number:04}"))
        .collect();
    for at in 0..loops {
        // No threads here: what they execute would be counted or not, as the scheduler likes.
        if at.is_multiple_of(BURST) {
            kept.storage.make_room().unwrap();
        }
        let user = &users[at * 7_919 % USERS];
        let id = reserve(&kept.engine, &usual("acme", user));
        commit(&kept.engine, id);
        denied(&kept.engine, &usual(plan::NOTHING_LEFT, user));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[inline(never)]
fn reserve(engine: &Engine, order: &Reserve<'_>) -> Id {
    calls::reserve(engine, order)
}

#[inline(never)]
fn commit(engine: &Engine, id: Id) {
    calls::commit(engine, id);
}

#[inline(never)]
fn denied(engine: &Engine, order: &Reserve<'_>) {
    let decision = engine.reserve(order).unwrap();
    assert!(matches!(decision, Decision::Denied(_)), "nothing is left");
}

/// As long as a request has that says nothing of it.
fn usual<'a>(organization: &'a str, user: &'a str) -> Reserve<'a> {
    Reserve {
        ttl: None,
        ..calls::order(organization, user)
    }
}
