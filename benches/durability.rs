//! What it costs that the books survive: P8 and P9 (the modes against each other), P10 (snapshots while requests go on),
//! P14 (the start), and what a record costs by way of storing it.
//!
//! Arguments choose parts (`cargo bench --bench durability -- P10`); `QUOTAD_BENCH_PERCENT=2` makes loads and books
//! smaller, for a run that only shows that it runs.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]

#[path = "support/kept.rs"]
mod kept;
#[path = "support/load.rs"]
mod load;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/pauses.rs"]
mod pauses;
#[path = "support/plan.rs"]
mod plan;
#[path = "support/records.rs"]
mod records;
#[path = "support/start.rs"]
mod start;

use std::io::BufRead;
use std::num::NonZeroUsize;

use quotad::rpc::quota::Parts;
use quotad::rpc::server::{DataPlane, Settings};
use quotad::storage::Durability;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Repetitions of each side; each takes about a second.
const REPETITIONS: usize = 7;

/// So much the journal takes by default.
const JOURNAL_BYTES_MAX: u64 = 256 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let role: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match role[..] {
        ["--server", kind] => return small(kind),
        ["--pauses"] => return pauses::serve(),
        ["--build"] => return start::build(),
        ["--start", folder] => return start::start(folder.as_ref()),
        _ => {}
    }
    let parts: Vec<&str> = role
        .into_iter()
        .filter(|it| !it.starts_with("--"))
        .collect();
    let chosen = |part: &str| parts.is_empty() || parts.contains(&part);
    machine::pin(1);
    println!("machine: {}", machine::name());
    if chosen("records") {
        records::run();
    }
    if chosen("P8") || chosen("P9") {
        modes();
    }
    if chosen("P10") {
        pauses::run();
    }
    if chosen("P14") {
        start::run();
    }
    let folder = kept::folder("");
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// How many, where the large books have this many.
pub fn scaled(full: usize) -> usize {
    let percent = std::env::var("QUOTAD_BENCH_PERCENT").map_or(100, |text| text.parse().unwrap());
    full / 100 * percent
}

/// P8 and P9: the same load on three servers in turns.
fn modes() {
    println!(
        "load: 1 connection, Reserve and Commit in turn, 1,000 users; 64 in flight unless it says otherwise"
    );
    let fdatasync = records::fdatasync_us();
    let [memory, process, power] =
        ["memory", "process", "power"].map(|kind| load::Server::start(&["--server", kind]));
    let mut cpu: [machine::Figure; 4] = Default::default();
    let mut rates: [machine::Figure; 5] = Default::default();
    let mut ratios: [machine::Figure; 3] = Default::default();
    for repetition in 0..=REPETITIONS {
        let pairs = scaled(load::PAIRS);
        let measure = |server, in_flight| load::measure_with(server, in_flight, pairs);
        let seen = [&memory, &process, &power].map(|server| measure(server, load::IN_FLIGHT));
        let many = [&process, &power].map(|server| measure(server, 256));
        if repetition == 0 {
            continue; // Warm-up.
        }
        let [memory, process, power] = &seen;
        for (figure, seen) in cpu.iter_mut().zip(&seen) {
            figure.add(seen.cpu_us);
        }
        cpu[3].add(many[1].cpu_us);
        for (figure, seen) in rates.iter_mut().zip(seen.iter().chain(&many)) {
            figure.add(seen.calls_per_second);
        }
        ratios[0].add(process.cpu_us / memory.cpu_us);
        ratios[1].add(power.calls_per_second / process.calls_per_second);
        ratios[2].add(many[1].calls_per_second / many[0].calls_per_second);
    }
    let names = ["memory", "process", "power"];
    for (at, name) in names.iter().enumerate() {
        println!(
            "CPU per call, durability {name:<8}                          {} us; {} calls/s",
            cpu[at], rates[at]
        );
    }
    println!(
        "CPU per call, durability power, 256 in flight              {} us; {} calls/s, process {}",
        cpu[3], rates[4], rates[3]
    );
    machine::against(
        "P8  process / memory, CPU per call",
        &ratios[0],
        "x",
        1.05,
        1.03,
    );
    println!(
        "    fdatasync of 4 KiB stored into a prepared file, p50 {fdatasync} us; the goals are for 200 or less"
    );
    machine::at_least(
        "P9  power / process, calls/s, 64 in flight",
        &ratios[1],
        "x",
        0.7,
        0.8,
    );
    machine::at_least(
        "P9  power / process, calls/s, 256 in flight",
        &ratios[2],
        "x",
        0.85,
        0.95,
    );
}

/// In the child: 1,000 users in one organization, the books in a folder of their own.
fn small(kind: &str) {
    let durability = match kind {
        "memory" => Durability::Memory,
        "process" => Durability::Process,
        _ => Durability::Power,
    };
    machine::pin(0);
    let kept = kept::over(&kept::fresh(kind), durability, JOURNAL_BYTES_MAX);
    kept.storage.recover(&kept.engine).unwrap();
    let plan = plan::plan(["acme".to_owned()]);
    kept.engine.apply_plan(plan).unwrap();
    kept.storage.run(&kept.engine).unwrap();
    let _plane = listen(kept.parts());
    // The parent closes its end, or says something: either way it is done.
    let _gone = std::io::stdin().lock().lines().next();
}

/// In a child: serves on one thread, and tells the address.
pub fn listen(parts: Parts) -> DataPlane {
    let settings = Settings {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        socket: None,
        threads: NonZeroUsize::MIN,
    };
    let plane = DataPlane::start(&settings, parts).unwrap();
    load::tell(plane.address().unwrap());
    plane
}

/// Shares of a sorted list: 0.99 is p99.
pub fn share_of(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted[((last as f64) * share).round() as usize]
}
