//! What an enforced call costs, in CPU of the server, against a stock call that does nothing: P1, P1b, P2, P4, P5, P6 and
//! P18. Server on core 0, client on core 1, sides in turns, the journal in the mode `process` on a real directory.
//!
//! Figures by name: `cargo bench --bench rpc -- P1 P18`. `QUOTAD_BENCH_QUICK=1` only shows that it runs.
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
#[path = "support/plan.rs"]
mod plan;
#[path = "support/run.rs"]
mod run;
#[path = "support/sides.rs"]
mod sides;
#[path = "support/stock.rs"]
mod stock;
#[path = "support/wire.rs"]
mod wire;
#[path = "support/work.rs"]
mod work;

use load::{IN_FLIGHT, Server};
use machine::Figure;
use run::{Seen, chosen};
use wire::Wire;
use work::{Batches, Commits, Pairs, Reserves, Users};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FEW: usize = 1_000;

fn main() {
    sides::serve();
    machine::pin(1);
    println!("machine: {}", machine::name());
    println!(
        "load: 64 in flight on 1 connection, Reserve and Commit in turn, durability process, unless a line says otherwise"
    );
    if chosen("P1") || chosen("P1b") {
        few_users();
    }
    if chosen("P2") {
        many_users();
    }
    if chosen("P4") {
        two_threads();
    }
    if chosen("P5") || chosen("P6") {
        many_at_once();
    }
    if chosen("P18") {
        denials();
    }
    kept::clear();
}

/// A slice of pairs.
fn pairs(server: &Server, wires: &mut [Wire], users: usize) -> Seen {
    let mut work = Pairs::new(Users::of("acme", users), run::lasts());
    load::slice(server, wires, IN_FLIGHT, &mut work)
}

/// P1 and P1b.
fn few_users() {
    let servers = [
        sides::echo(),
        sides::constant(),
        sides::quotad("process", FEW, 1),
    ];
    let mut wires = servers.each_ref().map(|it| [it.connect()]);
    let [echo, constant, quotad] = run::interleaved(|at| pairs(&servers[at], &mut wires[at], FEW));
    told("stock echo", &echo);
    told("quotad's server with a constant answer", &constant);
    told("quotad, 1 k users", &quotad);
    let name = "P1  quotad / stock echo, CPU per call, 1 k users";
    machine::against(name, &run::ratio(&quotad, &echo), "x", 1.0, 0.92);
    let rules = run::both(&quotad, &constant, |a, b| a.cpu_us - b.cpu_us);
    machine::against(
        "P1b quotad - constant answer, CPU per call",
        &rules,
        "us",
        0.5,
        0.3,
    );
}

/// P2.
fn many_users() {
    let users = run::scaled(1_000_000);
    let servers = [sides::echo(), sides::quotad("process", users, 1)];
    let mut wires = servers.each_ref().map(|it| [it.connect()]);
    let [echo, quotad] = run::interleaved(|at| pairs(&servers[at], &mut wires[at], users));
    told("stock echo", &echo);
    told("quotad, 1 M users", &quotad);
    let name = "P2  quotad / stock echo, CPU per call, 1 M users";
    machine::against(name, &run::ratio(&quotad, &echo), "x", 1.1, 1.0);
}

/// P4.
fn two_threads() {
    const CONNECTIONS: usize = 8;
    let servers = [1, 2].map(|threads| sides::quotad("process", FEW, threads));
    let mut wires = servers
        .each_ref()
        .map(|it| std::array::from_fn::<_, CONNECTIONS, _>(|_| it.connect()));
    let mut shares = Figure::default();
    let [one, two] = run::interleaved(|at| {
        let threads = || machine::cpu_of_threads(servers[at].process());
        let before = threads();
        let seen = pairs(&servers[at], &mut wires[at], FEW);
        if at == 1 {
            shares.add(busier(&before, &threads()));
        }
        seen
    });
    told("8 connections, one data-plane thread", &one);
    told("8 connections, two data-plane threads", &two);
    let name = "P4  two data-plane threads / one, CPU per call";
    machine::against(name, &run::ratio(&two, &one), "x", 1.25, 1.15);
    machine::against("P4  share of the busier thread", &shares, "%", 60.0, 55.0);
}

/// The share of the busier data-plane thread in what both used meanwhile, in percent.
fn busier(before: &[(String, u64)], after: &[(String, u64)]) -> f64 {
    let of = |all: &[(String, u64)], name: &str| -> u64 {
        all.iter().filter(|it| it.0 == name).map(|it| it.1).sum()
    };
    let used = ["quotad-data-0", "quotad-data-1"].map(|name| of(after, name) - of(before, name));
    used[0].max(used[1]) as f64 * 100.0 / (used[0] + used[1]).max(1) as f64
}

/// P5 and P6.
fn many_at_once() {
    const STREAMED: usize = 256;
    const BATCH: usize = 100;
    const BATCHES: usize = 4;
    let server = sides::quotad("process", FEW, 1);
    let mut wires = [server.connect()];
    let mut open = server.connect();
    open.open(work::STREAM);
    let users = || Users::of("acme", FEW);
    let [streamed, batched] = run::interleaved(|at| {
        if at == 0 {
            load::seen(&server, || {
                work::stream(&mut open, STREAMED, users(), run::lasts())
            })
        } else {
            let mut work = Batches::new(users(), BATCH, run::lasts());
            load::slice(&server, &mut wires, BATCHES, &mut work)
        }
    });
    told("stream, 256 in flight, an operation", &streamed);
    told("batches of 100, 4 in flight, an operation", &batched);
    let [streamed, batched] = [streamed, batched].map(|it| run::cpu(&it));
    machine::against("P5  stream, CPU per operation", &streamed, "us", 0.75, 0.6);
    machine::against(
        "P6  batch of 100, CPU per operation",
        &batched,
        "us",
        0.9,
        0.7,
    );
}

/// P18.
fn denials() {
    let server = sides::quotad("process", FEW, 1);
    let mut wires = [server.connect()];
    let [granted, denied] = run::interleaved(|at| {
        let organization = ["acme", plan::NOTHING_LEFT][at];
        let users = Users::of(organization, FEW);
        let mut work = Reserves::new(users, at == 1, run::lasts());
        let seen = load::slice(&server, &mut wires, IN_FLIGHT, &mut work);
        // What was reserved is committed, and that is not measured.
        load::closed(&mut wires, IN_FLIGHT, &mut Commits(work.granted));
        seen
    });
    told("Reserve alone, granted", &granted);
    told("Reserve alone, denied", &denied);
    let name = "P18 denied / granted, CPU per call";
    machine::against(name, &run::ratio(&denied, &granted), "x", 1.3, 1.1);
}

fn told(name: &str, side: &[Seen]) {
    let (cpu, rate) = (run::cpu(side), run::rate(side));
    println!("    {name:<54} {cpu} us; {rate} calls/s");
}
