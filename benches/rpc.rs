//! P1: what an enforced call costs, against a stock call that does nothing. P1b: the same against a handler of ours that
//! answers a constant. Server on core 0, client on core 1, taken in turns.
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

#[path = "support/constant.rs"]
mod constant;
#[path = "support/load.rs"]
mod load;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/plan.rs"]
mod plan;
#[path = "support/stock.rs"]
mod stock;

use std::num::NonZeroUsize;
use std::sync::Arc;

use quotad::rpc::quota::Parts;
use quotad::rpc::server::{DataPlane, Settings};
use quotad::storage::gate::Gate;
use quotad::world::clock::{Clock, SystemClock};
use quotad::world::vitals::{Phase, Vitals};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Repetitions of each side; each takes about a second.
const REPETITIONS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--server") {
        machine::pin(0);
        serve(&arguments[at + 1]);
    }
    machine::pin(1);
    println!("machine: {}", machine::name());
    println!(
        "load: 1 connection, 64 in flight, Reserve and Commit in turn, 1,000 users, durability memory"
    );
    let [echo, constant, quota] =
        ["echo", "constant", "quota"].map(|kind| load::Server::start(&["--server", kind]));
    let mut figures: [machine::Figure; 5] = Default::default();
    let mut rates: [machine::Figure; 3] = Default::default();
    for repetition in 0..=REPETITIONS {
        let seen = [&echo, &constant, &quota].map(load::measure);
        if repetition == 0 {
            continue; // Warm-up.
        }
        let [echo, constant, quota] = [&seen[0], &seen[1], &seen[2]].map(|seen| seen.cpu_us);
        let values = [echo, constant, quota, quota / echo, quota - constant];
        for (figure, value) in figures.iter_mut().zip(values) {
            figure.add(value);
        }
        for (rate, seen) in rates.iter_mut().zip(&seen) {
            rate.add(seen.calls_per_second);
        }
    }
    let [echo, constant, quota, ratio, rules] = &figures;
    println!(
        "CPU per call, stock echo                                   {echo} us; {} calls/s",
        rates[0]
    );
    println!(
        "CPU per call, quotad's server with a constant answer       {constant} us; {} calls/s",
        rates[1]
    );
    println!(
        "CPU per call, quotad                                       {quota} us; {} calls/s",
        rates[2]
    );
    machine::against(
        "P1  quotad / stock echo, CPU per call",
        ratio,
        "x",
        1.0,
        0.92,
    );
    machine::against(
        "P1b quotad - constant answer, CPU per call",
        rules,
        "us",
        0.5,
        0.3,
    );
}

/// In the child: serves one side on one thread until the parent goes.
fn serve(kind: &str) -> ! {
    if kind == "echo" {
        stock::serve();
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let vitals = Arc::new(Vitals::new(Arc::clone(&clock)));
    vitals.enter(Phase::Ready);
    let settings = Settings {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        socket: None,
        threads: NonZeroUsize::MIN,
    };
    let plane = if kind == "constant" {
        DataPlane::start_with_direct(&settings, constant::Constant, vitals, clock)
    } else {
        let engine = Arc::new(plan::engine(Arc::clone(&clock)));
        DataPlane::start(
            &settings,
            Parts {
                engine,
                vitals,
                clock,
                gate: Arc::new(Gate::open()),
            },
        )
    };
    let plane = plane.unwrap();
    load::tell(plane.address().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(load::parent_gone());
    std::process::exit(0)
}
