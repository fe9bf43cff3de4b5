//! The comparison: stock tonic `Server` with its defaults, that answers a constant of the same size as the real answer.
//!
//! By itself it prints what a stock call costs here; `benches/rpc.rs` runs it beside quotad.
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

#[path = "support/load.rs"]
mod load;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/stock.rs"]
mod stock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Repetitions; each takes about a second.
const REPETITIONS: usize = 5;

fn main() {
    if std::env::args().any(|argument| argument == "--server") {
        machine::pin(0);
        stock::serve();
    }
    machine::pin(1);
    println!("machine: {}", machine::name());
    let server = load::Server::start(&["--server"]);
    let mut cpu = machine::Figure::default();
    let mut rate = machine::Figure::default();
    load::measure(&server);
    for _ in 0..REPETITIONS {
        let seen = load::measure(&server);
        cpu.add(seen.cpu_us);
        rate.add(seen.calls_per_second);
    }
    println!("stock echo, 64 in flight, CPU per call                     {cpu} us");
    println!("stock echo, 64 in flight, calls per second                 {rate}");
}
