//! `kill -9` at random moments under load through gRPC, restart, compare with what the clients noted: what was acknowledged
//! is there, once.
//!
//! `QUOTAD_KILLS` sets how often (100 by itself), `QUOTAD_KILL_SEED` repeats a choice of moments and requests; what the
//! machine makes of them is never the same twice. This shows the mode `process`; the loss of power is shown by the
//! simulated disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub
)]

#[path = "kill/ask.rs"]
mod ask;
#[path = "kill/chance.rs"]
mod chance;
#[path = "kill/client.rs"]
mod client;
#[path = "kill/compare.rs"]
mod compare;
#[path = "kill/figures.rs"]
mod figures;
#[path = "kill/lane.rs"]
mod lane;
#[path = "kill/note.rs"]
mod note;
#[path = "kill/plan.rs"]
mod plan;
#[path = "kill/rounds.rs"]
mod rounds;
#[path = "kill/sidecar.rs"]
mod sidecar;

/// As many as the reliability page asks for on every change.
const KILLS: u64 = 100;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}

#[test]
fn what_was_acknowledged_survives_kill_nine_once_and_whole() {
    let kills = variable("QUOTAD_KILLS").unwrap_or(KILLS);
    let seed = variable("QUOTAD_KILL_SEED")
        .unwrap_or_else(|| getrandom::u64().expect("the machine has chance") >> 32);
    println!("QUOTAD_KILLS={kills} QUOTAD_KILL_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let figures = runtime.block_on(rounds::run(kills, seed));
    println!("{figures}");
    assert!(figures.wrongs.is_empty(), "{}", figures.wrongs_shown());
    assert_eq!(figures.kills, kills);
    // A run that never met what it is there to meet has shown nothing.
    for (what, count) in figures.met() {
        assert!(count > 0, "the run never met {what}");
    }
}
