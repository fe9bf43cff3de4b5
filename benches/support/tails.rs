//! P17: what the slowest of a thousand requests feels at half load, while everything goes on that goes on in service:
//! syncs, changes of the segment, snapshots, and a change of the cycle.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quotad::storage::Durability;

use super::machine::Figure;
use super::wire::Wire;
use super::work::{Arrivals, Pairs, Users};
use super::{kept, load, machine, plan, run, share_of, shifted, sides};

/// How long each side lasts in a repetition: some snapshots, and the cycle changes in the middle of it.
fn phase() -> Duration {
    Duration::from_millis(if run::is_quick() { 500 } else { 4_000 })
}

/// Small, so that the segments are.
const JOURNAL_BYTES_MAX: u64 = 32 << 20;

const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

pub fn run() {
    let cells = run::scaled(100_000);
    let mut servers = [sides::echo(), load::Server::start(&["--tails"])];
    let mut wires = servers.each_ref().map(|it| [it.connect()]);
    let users = || Users::of_many(kept::ORGANIZATIONS, cells);
    let rates = [0, 1].map(|at| {
        let mut work = Pairs::new(users(), 5 * run::lasts());
        load::slice(&servers[at], &mut wires[at], load::IN_FLIGHT, &mut work).calls_per_second
    });
    let rate = rates[0].min(rates[1]) / 2.0;
    println!(
        "load: {rate:.0} calls/s at their times (half of what the slower one can), {cells} cells in 100 organizations, \
         durability process, a snapshot a second, and once a repetition all cycles change"
    );
    let folder = PathBuf::from(servers[1].ask("folder"));
    let mut figures: [[Figure; 3]; 2] = Default::default();
    let (mut ratio, mut segments, mut snapshots) = <(Figure, Figure, Figure)>::default();
    for repetition in 0..=run::repetitions() {
        let before = ["journal-", "snapshot-"].map(|kind| newest(&folder, kind));
        servers[1].ask("cycle");
        let seen = [1, 0].map(|at| tail(&mut wires[at], rate, users()));
        let after = ["journal-", "snapshot-"].map(|kind| newest(&folder, kind));
        if repetition == 0 {
            continue; // Warm-up.
        }
        for (figures, seen) in figures.iter_mut().zip([&seen[1], &seen[0]]) {
            for (figure, value) in figures.iter_mut().zip(seen) {
                figure.add(*value);
            }
        }
        segments.add((after[0] - before[0]) as f64);
        snapshots.add((after[1] - before[1]) as f64);
        ratio.add(seen[0][1] / seen[1][1]);
    }
    for (name, [p50, p999, max]) in ["stock echo", "quotad"].iter().zip(&figures) {
        println!("    {name:<54} p50 {p50} us; p99.9 {p999} us; longest {max} us");
    }
    println!(
        "    a repetition: {segments} segments, {snapshots} snapshots, 1 change of all cycles"
    );
    let name = "P17 p99.9 at half load, quotad / stock echo";
    machine::against(name, &ratio, "x", 1.5, 1.2);
}

/// p50, p99.9 and the longest of a phase, in microseconds.
fn tail(wires: &mut [Wire; 1], rate: f64, users: Users) -> [f64; 3] {
    let mut work = Arrivals::new(users);
    let mut taken = load::paced(&mut wires[0], rate, phase(), &mut work);
    load::closed(wires, load::IN_FLIGHT, &mut work.rest());
    taken.sort_unstable();
    [0.5, 0.999, 1.0].map(|share| share_of(&taken, share) as f64 / 1e3)
}

/// The greatest number of a file of this kind.
fn newest(folder: &Path, kind: &str) -> u64 {
    let names = std::fs::read_dir(folder).unwrap().flatten();
    let numbers = names.filter_map(|it| {
        let name = it.file_name().into_string().ok()?;
        name.strip_prefix(kind)?.parse::<u64>().ok()
    });
    numbers.max().unwrap_or(0)
}

/// In the child: serves, and puts its clock before the end of the month when it is told to.
pub fn serve() {
    machine::pin(0);
    let folder = kept::fresh("tails");
    let clock = Arc::new(shifted::Shifted::new());
    let options = kept::options(Durability::Process, JOURNAL_BYTES_MAX, SNAPSHOT_EVERY);
    let kept = kept::over_with(&folder, options, plan::BOUNDS, clock.clone(), 1);
    kept.storage.recover(&kept.engine).unwrap();
    kept.engine.apply_plan(kept::large_plan()).unwrap();
    kept::fill(&kept, run::scaled(100_000), |number| {
        kept::charge(&kept.engine, number);
    });
    kept.storage.run(&kept.engine).unwrap();
    let _plane = sides::listen(kept.parts(), 1);
    for line in std::io::stdin().lock().lines() {
        if line.is_ok_and(|line| line == "cycle") {
            clock.month_begins_in(phase() / 2);
        }
        println!("{}", folder.display());
    }
}
