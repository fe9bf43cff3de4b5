//! P14: from the start of a process to SERVING, with a million cells, a million holds and a long tail of the journal.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use quotad::storage::{Durability, Recovered};

use super::run::scaled;
use super::{calls, kept, machine, run};

/// Starts of the same directory.
fn repetitions() -> usize {
    run::repetitions().min(5)
}

/// Longer than the tail: it must not make a snapshot of its own.
const JOURNAL_BYTES_MAX: u64 = 4 << 30;

/// Pairs of a Reserve and its Commit between two looks whether there is room.
const BURST: usize = 1_000;

const NAME: &str = "books";

pub fn run() {
    let (books, copy) = (kept::fresh(NAME), kept::folder("started"));
    child(&["--build"]);
    println!(
        "start: {} cells, {} open holds, {} records of tail; {} MB, in the page cache",
        scaled(1_000_000),
        scaled(1_000_000),
        scaled(4_000_000),
        bytes(&books) / 1_000_000
    );
    let mut figures: [machine::Figure; 5] = Default::default();
    for _ in 0..repetitions() {
        copy_all(&books, &copy);
        // Once with the tail, and once more without it: what was replayed is in the snapshot then.
        for with_tail in [true, false] {
            let answer = child(&["--start", copy.to_str().unwrap()]);
            let phases: Vec<f64> = answer.split(' ').map(|it| it.parse().unwrap()).collect();
            if with_tail {
                for (figure, phase) in figures.iter_mut().zip(&phases) {
                    figure.add(*phase);
                }
            } else {
                figures[4].add(phases[0]);
            }
        }
        std::fs::remove_dir_all(&copy).unwrap();
    }
    let [read, resumed, saved, whole, load] = &figures;
    println!("    reading the snapshot and replaying the tail            {read} s");
    println!("    reading a snapshot alone, the next time                {load} s");
    println!("    what came due, and the plan                            {resumed} s");
    println!("    the first snapshot                                     {saved} s");
    machine::against(
        "P14 from the start of the process to SERVING",
        whole,
        "s",
        3.0,
        1.5,
    );
}

/// This program in another role; answers its line.
fn child(arguments: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// In a child: fills the directory, and ends as a crash would.
pub fn build() {
    machine::unpin();
    let folder = kept::folder(NAME);
    let kept = kept::over(&folder, Durability::Process, JOURNAL_BYTES_MAX);
    let (engine, storage) = (&kept.engine, &kept.storage);
    storage.recover(engine).unwrap();
    engine.apply_plan(kept::large_plan()).unwrap();
    let (cells, holds, pairs) = (scaled(1_000_000), scaled(1_000_000), scaled(4_000_000) / 2);
    let room = |at: usize| {
        if at.is_multiple_of(BURST) {
            storage.make_room().unwrap();
        }
    };
    for number in 0..cells {
        room(number);
        kept::charge(engine, number);
    }
    for number in 0..holds {
        room(number);
        kept::reserve(engine, number * 7 % cells);
    }
    assert!(storage.take_snapshot(engine).unwrap(), "a snapshot");
    for number in 0..pairs {
        room(number);
        let id = kept::reserve(engine, number * 13 % cells);
        calls::commit(engine, id);
    }
    storage.sync().unwrap();
    // No destructors, no last snapshot.
    std::process::exit(0);
}

/// In a child: what `app.rs` does until it serves; tells how long each part took.
pub fn start(folder: &Path) {
    // The parent's core would be the only one otherwise: a sidecar starts on all that it has.
    machine::unpin();
    let began = Instant::now();
    let seconds = |since: Instant| since.elapsed().as_secs_f64();
    let kept = kept::over(folder, Durability::Process, JOURNAL_BYTES_MAX);
    let recovered = kept.storage.replay(&kept.engine).unwrap();
    let (read, then) = (seconds(began), Instant::now());
    kept.engine.resume().unwrap();
    kept.engine.apply_plan(kept::large_plan()).unwrap();
    let (resumed, then_saved) = (seconds(then), Instant::now());
    kept.storage.run(&kept.engine).unwrap();
    let (saved, whole) = (seconds(then_saved), seconds(began));
    assert_eq!(kept.engine.holds_open(), scaled(1_000_000) as u64);
    told(&recovered);
    println!("{read} {resumed} {saved} {whole}");
    std::process::exit(0);
}

fn told(recovered: &Recovered) {
    assert!(!recovered.is_new && recovered.entries > 0, "{recovered:?}");
}

fn copy_all(from: &Path, to: &PathBuf) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let copied = to.join(entry.file_name());
        std::fs::copy(entry.path(), &copied).unwrap();
        std::fs::File::open(copied).unwrap().sync_all().unwrap();
    }
}

fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries.map(|it| it.metadata().unwrap().len()).sum()
}
