//! The comparison: stock tonic `Server` with its defaults, that answers a constant of the same size as the real answer.
//!
//! By itself it prints what a stock call costs here; `benches/rpc.rs` runs it beside quotad.
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

#[path = "support/load.rs"]
mod load;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/run.rs"]
mod run;
#[path = "support/stock.rs"]
mod stock;
#[path = "support/wire.rs"]
mod wire;
#[path = "support/work.rs"]
mod work;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if std::env::args().any(|argument| argument == "--server") {
        machine::pin(0);
        stock::serve();
    }
    machine::pin(1);
    println!("machine: {}", machine::name());
    let server = load::Server::start(&["--server"]);
    let mut wires = [server.connect()];
    let [echo] = run::interleaved(|_| {
        let users = work::Users::of("acme", 1_000);
        let mut work = work::Pairs::new(users, run::lasts());
        load::slice(&server, &mut wires, load::IN_FLIGHT, &mut work)
    });
    let (cpu, rate) = (run::cpu(&echo), run::rate(&echo));
    println!("stock echo, 64 in flight, CPU per call                     {cpu} us; {rate} calls/s");
}
