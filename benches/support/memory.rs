//! P13: what the process takes with nothing to do, and what an entry of each kind takes. Entries by how much the resident
//! anonymous memory of a child grows over a million of them: with the room that tables keep in reserve, and without the
//! journal, which is a file.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quotad::engine::recorder::Forgetful;
use quotad::engine::{Bounds, Engine};
use quotad::world::clock::SystemClock;

use super::machine::Figure;
use super::{calls, machine, plan, run};

const FEW: usize = 1_000;

/// For each kind: its goal and aim in bytes.
const KINDS: [(&str, f64, f64); 4] = [
    ("cell", 250.0, 150.0),
    ("hold", 200.0, 120.0),
    ("settled", 64.0, 48.0),
    ("row", 80.0, 64.0),
];

/// Starts of each child; memory wanders less than time.
const REPETITIONS: usize = 3;

pub fn run() {
    idle();
    let mut figures: [Figure; 4] = Default::default();
    for _ in 0..REPETITIONS {
        let grown = KINDS.map(|(kind, _, _)| grown(kind));
        let [cell_and_hold, hold, settled, row] = grown;
        for (figure, value) in figures
            .iter_mut()
            .zip([cell_and_hold - hold, hold, settled, row])
        {
            figure.add(value);
        }
    }
    let names = [
        "P13 a cell, with its user's name",
        "P13 an open hold",
        "P13 a settled id",
        "P13 a usage row",
    ];
    for ((name, (_, goal, aim)), figure) in names.iter().zip(KINDS).zip(&figures) {
        machine::against(name, figure, "B", goal, aim);
    }
}

/// The command as it is installed, with the plan that it has where none is given.
fn idle() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("idle");
    std::fs::create_dir_all(&folder).unwrap();
    let socket = format!("unix:{}", folder.join("quotad.sock").display());
    let (mut all, mut own) = (Figure::default(), Figure::default());
    for _ in 0..REPETITIONS {
        let mut server = Command::new(env!("CARGO_BIN_EXE_quotad"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--management-listen",
                "127.0.0.1:0",
            ])
            .args(["--probes-listen", "127.0.0.1:0", "--socket"])
            .arg(folder.join("quotad.sock"))
            .arg("--data-dir")
            .arg(folder.join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ready = Command::new(env!("CARGO_BIN_EXE_quotad"))
            .args(["wait", "--timeout", "20s"])
            .env("QUOTAD_PROBES", &socket)
            .env("QUOTAD_SERVER", &socket)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(ready.success(), "the sidecar is ready");
        // Past what the start itself takes.
        std::thread::sleep(Duration::from_secs(2));
        let [rss, anonymous] = ["VmRSS:", "RssAnon:"].map(|key| status_bytes(server.id(), key));
        all.add(rss / 1e6);
        own.add(anonymous / 1e6);
        server.kill().unwrap();
        server.wait().unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
    machine::against("P13 idle, resident (VmRSS)", &all, "MB", 20.0, 10.0);
    println!("    of that, not backed by a file (RssAnon)                {own} MB");
}

/// Bytes an entry of a kind takes.
fn grown(kind: &str) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--grow", kind])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{kind}: {output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// In the child: makes a million entries, and tells by how much each made it grow.
pub fn grow(kind: &str) {
    let count = run::scaled(1_000_000);
    let bounds = Bounds {
        cells: 2_000_000,
        holds: 2_000_000,
        // What is settled is forgotten, but where it is what is counted.
        settled: if kind == "settled" { count } else { 1_000 },
        usage_rows: 2_000_000,
        labels: 100_000,
    };
    let engine = Engine::new(bounds, 1, Arc::new(SystemClock::new()), Arc::new(Forgetful));
    engine.apply_plan(plan::plan(["acme".to_owned()])).unwrap();
    let mut user = String::new();
    let named = |user: &mut String, number: usize| {
        user.clear();
        write!(user, "user-{number:04}").unwrap();
    };
    for number in 0..FEW {
        named(&mut user, number);
        calls::charge(&engine, "acme", &user, 1);
        calls::pair(&engine, "acme", &user);
    }
    let before = status_bytes(std::process::id(), "RssAnon:");
    let began = Instant::now();
    for number in 0..count {
        match kind {
            "cell" => {
                named(&mut user, FEW + number);
                calls::reserve(&engine, &calls::order("acme", &user));
            }
            "hold" => {
                named(&mut user, number % FEW);
                calls::reserve(&engine, &calls::order("acme", &user));
            }
            "settled" => {
                named(&mut user, number % FEW);
                calls::pair(&engine, "acme", &user);
            }
            _ => {
                named(&mut user, number % FEW);
                let product = format!("product-{}", number / FEW);
                calls::charge_for(&engine, "acme", &user, Some(&product), 1);
            }
        }
    }
    assert!(
        began.elapsed() < Duration::from_secs(800),
        "what is settled was forgotten meanwhile"
    );
    let after = status_bytes(std::process::id(), "RssAnon:");
    println!("{}", (after - before) / count as f64);
    std::process::exit(0);
}

/// A line of `/proc/PID/status`.
fn status_bytes(process: u32, key: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024.0
}
