//! P10: what requests feel of snapshots that follow upon each other, where there are a million cells.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quotad::storage::Durability;

use super::machine::Figure;
use super::wire::Wire;
use super::work::{Arrivals, Pairs, Users};
use super::{kept, load, machine, run, share_of, sides};

/// How long each side lasts in a repetition: several snapshots.
fn phase() -> Duration {
    Duration::from_millis(if run::is_quick() { 300 } else { 2_000 })
}

/// Snapshots of a million cells would fill half of the usual journal seldom; nothing else may start one.
const JOURNAL_BYTES_MAX: u64 = 4 << 30;

pub fn run() {
    let cells = run::scaled(1_000_000);
    let mut server = load::Server::start(&["--pauses"]);
    let mut wire = [server.connect()];
    let users = || Users::of_many(kept::ORGANIZATIONS, cells);
    let mut work = Pairs::new(users(), 5 * run::lasts());
    let rate = load::slice(&server, &mut wire, load::IN_FLIGHT, &mut work).calls_per_second / 2.0;
    println!(
        "load: {rate:.0} calls/s at their times (half of what can be), Reserve and Commit, {cells} cells in 100 \
         organizations, durability process, one core for all of the server"
    );
    let mut p99s: [Figure; 2] = Default::default();
    let (mut ratio, mut took) = <(Figure, Figure)>::default();
    for repetition in 0..=run::repetitions() {
        let seen = ["off", "on"].map(|snapshots| {
            server.ask(snapshots);
            let p99 = p99(&mut wire, rate, users());
            let answer = server.ask("off");
            let (count, seconds) = answer.split_once(' ').unwrap();
            let (count, seconds): (f64, f64) = (count.parse().unwrap(), seconds.parse().unwrap());
            assert_eq!(
                count > 0.0,
                snapshots == "on",
                "snapshots only where there are to be"
            );
            if count > 0.0 {
                took.add(seconds / count * 1e3);
            }
            p99
        });
        if repetition == 0 {
            continue; // Warm-up.
        }
        for (figure, value) in p99s.iter_mut().zip(seen) {
            figure.add(value);
        }
        ratio.add(seen[1] / seen[0]);
    }
    let [off, on] = &p99s;
    println!("    p99 without snapshots                                  {off} us");
    println!(
        "    p99 during snapshots                                   {on} us; a snapshot takes {took} ms"
    );
    let name = "P10 p99 during back-to-back snapshots / without";
    machine::against(name, &ratio, "x", 1.5, 1.1);
}

/// p99 of a phase, in microseconds.
fn p99(wires: &mut [Wire; 1], rate: f64, users: Users) -> f64 {
    let mut work = Arrivals::new(users);
    let mut taken = load::paced(&mut wires[0], rate, phase(), &mut work);
    load::closed(wires, load::IN_FLIGHT, &mut work.rest());
    taken.sort_unstable();
    share_of(&taken, 0.99) as f64 / 1e3
}

/// In the child: the large books, and snapshots of them while the parent says so.
pub fn serve() {
    machine::pin(0);
    let kept = kept::over(
        &kept::fresh("pauses"),
        Durability::Process,
        JOURNAL_BYTES_MAX,
    );
    kept.storage.recover(&kept.engine).unwrap();
    kept.engine.apply_plan(kept::large_plan()).unwrap();
    kept::fill(&kept, run::scaled(1_000_000), |number| {
        kept::charge(&kept.engine, number);
    });
    kept.storage.run(&kept.engine).unwrap();
    let _plane = sides::listen(kept.parts(), 1);
    let snapshots = Loop::start(&kept);
    for line in std::io::stdin().lock().lines() {
        let (count, took) = snapshots.set(line.is_ok_and(|line| line == "on"));
        println!("{count} {}", took.as_secs_f64());
    }
}

/// A thread that takes one snapshot after the other while it is on.
struct Loop {
    is_on: Arc<AtomicBool>,
    is_busy: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    nanos: Arc<AtomicU64>,
}

impl Loop {
    fn start(kept: &kept::Kept) -> Self {
        let it = Self {
            is_on: Arc::default(),
            is_busy: Arc::default(),
            count: Arc::default(),
            nanos: Arc::default(),
        };
        let (is_on, is_busy) = (Arc::clone(&it.is_on), Arc::clone(&it.is_busy));
        let (count, nanos) = (Arc::clone(&it.count), Arc::clone(&it.nanos));
        let (engine, storage) = (Arc::clone(&kept.engine), Arc::clone(&kept.storage));
        std::thread::spawn(move || {
            loop {
                is_busy.store(true, Ordering::SeqCst);
                while is_on.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    if storage.take_snapshot(&engine).unwrap() {
                        count.fetch_add(1, Ordering::SeqCst);
                        let took = u64::try_from(began.elapsed().as_nanos()).unwrap();
                        nanos.fetch_add(took, Ordering::SeqCst);
                    }
                }
                is_busy.store(false, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        it
    }

    /// Switches it, and waits until it is off if it is to be; answers the snapshots since the last time, and their time.
    fn set(&self, is_on: bool) -> (u64, Duration) {
        self.is_on.store(is_on, Ordering::SeqCst);
        while !is_on && self.is_busy.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let nanos = self.nanos.swap(0, Ordering::SeqCst);
        (
            self.count.swap(0, Ordering::SeqCst),
            Duration::from_nanos(nanos),
        )
    }
}
