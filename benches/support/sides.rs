//! The servers that are compared, each a child process on core 0.

use std::num::NonZeroUsize;
use std::sync::Arc;

use quotad::rpc::quota::Parts;
use quotad::rpc::server::{DataPlane, Settings};
use quotad::storage::Durability;
use quotad::world::clock::{Clock, SystemClock};
use quotad::world::huge_pages;
use quotad::world::vitals::{Phase, Vitals};

use super::{calls, constant, kept, load, machine, plan, stock};

/// What the journal may take by default.
pub const JOURNAL_BYTES_MAX: u64 = 256 << 20;

/// From so many users on the sidecar takes huge pages: each has a cell, and settled requests besides.
const MANY: usize = 100_000;

/// The stock server with a constant answer.
pub fn echo() -> load::Server {
    load::Server::start(&["--server", "echo"])
}

/// quotad's own server with a constant answer.
pub fn constant() -> load::Server {
    load::Server::start(&["--server", "constant"])
}

/// quotad: its durability, how many users have a cell before anything is measured, and its threads.
pub fn quotad(durability: &str, users: usize, threads: usize) -> load::Server {
    let numbers = [users, threads].map(|it| it.to_string());
    load::Server::start(&["--server", durability, &numbers[0], &numbers[1]])
}

/// In the child: serves until the parent goes, if this is such a child.
pub fn serve() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (kind, numbers) = match arguments[..] {
        ["--server", kind] => (kind, [1_000, 1]),
        ["--server", kind, users, threads] => {
            (kind, [users, threads].map(|it| it.parse().unwrap()))
        }
        _ => return,
    };
    let [users, threads] = numbers;
    // A server with several threads may run wherever there is room.
    if threads == 1 {
        machine::pin(0);
    }
    let _plane = match kind {
        "echo" => stock::serve(),
        "constant" => constant_answer(),
        "memory" => quota(Durability::Memory, users, threads),
        "process" => quota(Durability::Process, users, threads),
        "power" => quota(Durability::Power, users, threads),
        _ => panic!("there is no side {kind}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(load::parent_gone());
    std::process::exit(0)
}

fn settings(threads: usize) -> Settings {
    Settings {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        socket: None,
        threads: NonZeroUsize::new(threads).unwrap(),
    }
}

fn constant_answer() -> DataPlane {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let vitals = Arc::new(Vitals::new(Arc::clone(&clock)));
    vitals.enter(Phase::Ready);
    told(DataPlane::start_with_direct(&settings(1), constant::Constant, vitals, clock).unwrap())
}

fn quota(durability: Durability, users: usize, threads: usize) -> DataPlane {
    huge_pages::allow(users >= MANY);
    let folder = kept::fresh(&format!("side-{}", std::process::id()));
    let kept = kept::over(&folder, durability, JOURNAL_BYTES_MAX);
    kept.storage.recover(&kept.engine).unwrap();
    let plan = plan::with_nothing_left(plan::plan(["acme".to_owned()]));
    kept.engine.apply_plan(plan).unwrap();
    kept::fill(&kept, users, |number| {
        calls::charge(&kept.engine, "acme", &format!("user-{number:04}"), 1);
    });
    calls::charge(&kept.engine, plan::NOTHING_LEFT, "user-0000", plan::SPENT);
    kept.storage.run(&kept.engine).unwrap();
    let plane = listen(kept.parts(), threads);
    // Its threads work until the process ends.
    std::mem::forget(kept);
    plane
}

/// In a child: serves, and tells the address.
pub fn listen(parts: Parts, threads: usize) -> DataPlane {
    told(DataPlane::start(&settings(threads), parts).unwrap())
}

fn told(plane: DataPlane) -> DataPlane {
    load::tell(plane.address().unwrap());
    plane
}
