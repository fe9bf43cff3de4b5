//! What it costs that the books survive: P8 and P9 (the modes against each other), P10 (snapshots while requests go on),
//! P14 (the start), P17 (the slowest requests while all of it goes on), and what a record costs by way of storing it.
//!
//! Figures by name: `cargo bench --bench durability -- P10`. `QUOTAD_BENCH_QUICK=1` only shows that it runs.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]

#[path = "support/calls.rs"]
mod calls;
#[path = "support/constant.rs"]
mod constant;
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
#[path = "support/run.rs"]
mod run;
#[path = "support/shifted.rs"]
mod shifted;
#[path = "support/sides.rs"]
mod sides;
#[path = "support/start.rs"]
mod start;
#[path = "support/stock.rs"]
mod stock;
#[path = "support/tails.rs"]
mod tails;
#[path = "support/wire.rs"]
mod wire;
#[path = "support/work.rs"]
mod work;

use run::{Seen, chosen};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FEW: usize = 1_000;

fn main() {
    // As the sidecar does where there are many rows.
    quotad::world::huge_pages::allow(true);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--pauses"] => return pauses::serve(),
        ["--tails"] => return tails::serve(),
        ["--build"] => return start::build(),
        ["--start", folder] => return start::start(folder.as_ref()),
        _ => sides::serve(),
    }
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
    if chosen("P17") {
        tails::run();
    }
    kept::clear();
}

/// P8 and P9: the same load on three servers in turns.
fn modes() {
    println!(
        "load: 1 connection, Reserve and Commit in turn, 1,000 users; 64 in flight unless it says otherwise"
    );
    let fdatasync = records::fdatasync_us();
    let servers = ["memory", "process", "power"].map(|kind| sides::quotad(kind, FEW, 1));
    let mut wires = servers.each_ref().map(|it| [it.connect()]);
    let [memory, process, power, process_256, power_256] = run::interleaved(|at| {
        let (at, in_flight) = [(0, 64), (1, 64), (2, 64), (1, 256), (2, 256)][at];
        let mut work = work::Pairs::new(work::Users::of("acme", FEW), run::lasts());
        load::slice(&servers[at], &mut wires[at], in_flight, &mut work)
    });
    told("durability memory", &memory);
    told("durability process", &process);
    told("durability power", &power);
    told("durability process, 256 in flight", &process_256);
    told("durability power, 256 in flight", &power_256);
    let name = "P8  process / memory, CPU per call";
    machine::against(name, &run::ratio(&process, &memory), "x", 1.05, 1.03);
    println!(
        "    fdatasync of 4 KiB stored into a prepared file, p50 {fdatasync} us; the goals are for 200 or less"
    );
    let rates = |a, b| run::both(a, b, |a, b| a.calls_per_second / b.calls_per_second);
    let name = "P9  power / process, calls/s, 64 in flight";
    machine::at_least(name, &rates(&power, &process), "x", 0.7, 0.8);
    let name = "P9  power / process, calls/s, 256 in flight";
    machine::at_least(name, &rates(&power_256, &process_256), "x", 0.85, 0.95);
}

fn told(name: &str, side: &[Seen]) {
    let (cpu, rate) = (run::cpu(side), run::rate(side));
    println!("    {name:<54} {cpu} us; {rate} calls/s");
}

/// Shares of a sorted list: 0.99 is p99.
pub fn share_of<T: Copy>(sorted: &[T], share: f64) -> T {
    let last = sorted.len().saturating_sub(1);
    sorted[((last as f64) * share).round() as usize]
}
