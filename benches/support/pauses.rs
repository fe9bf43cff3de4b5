//! P10: what requests feel of snapshots that follow upon each other, where there are a million cells.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quotad::storage::Durability;

use super::{kept, listen, load, machine, scaled, share_of};

/// Repetitions of each side.
const REPETITIONS: usize = 7;

/// How long each side lasts: several snapshots.
const PHASE: Duration = Duration::from_secs(3);

/// A load that leaves time: so many clients, each pausing after each pair. At full load one would measure queues.
const CLIENTS: usize = 32;
const PAUSE: Duration = Duration::from_millis(3);

/// Snapshots of a million cells would fill half of the usual journal seldom; nothing else may start one.
const JOURNAL_BYTES_MAX: u64 = 4 << 30;

/// Where the thread that takes snapshots may run.
const PHASES: [&str; 3] = ["none", "same", "free"];

pub fn run() {
    let cells = scaled(1_000_000);
    println!(
        "load: 32 clients on 1 connection, each a Reserve and its Commit and then 3 ms of nothing, {cells} cells in 100 \
         organizations, durability process"
    );
    let mut server = load::Server::start(&["--pauses"]);
    let mut figures: [machine::Figure; 3] = Default::default();
    let mut ratios: [machine::Figure; 2] = Default::default();
    let mut took: [machine::Figure; 2] = Default::default();
    let mut rate = machine::Figure::default();
    for repetition in 0..=REPETITIONS {
        let p99 = PHASES.map(|phase| {
            server.ask(phase);
            let (p99, calls) = measure(&server, cells);
            let answer = server.ask("none");
            let mut words = answer.split(' ').map(|it| it.parse::<f64>().unwrap());
            let (count, seconds) = (words.next().unwrap(), words.next().unwrap());
            let at = PHASES.iter().position(|&it| it == phase).unwrap();
            if at > 0 && repetition > 0 {
                took[at - 1].add(seconds / count.max(1.0) * 1e3);
            }
            if repetition > 0 {
                rate.add(calls);
            }
            p99
        });
        if repetition == 0 {
            continue; // Warm-up.
        }
        for (figure, value) in figures.iter_mut().zip(p99) {
            figure.add(value);
        }
        for (ratio, value) in ratios.iter_mut().zip(&p99[1..]) {
            ratio.add(value / p99[0]);
        }
    }
    println!(
        "    p99 without snapshots                                  {} us; {rate} calls/s",
        figures[0]
    );
    println!(
        "    p99, snapshots on the data plane's core                {} us; a snapshot takes {} ms",
        figures[1], took[0]
    );
    println!(
        "    p99, snapshots on any core                             {} us; a snapshot takes {} ms",
        figures[2], took[1]
    );
    machine::against(
        "P10 p99 during snapshots / without, one core for all",
        &ratios[0],
        "x",
        1.5,
        1.1,
    );
    machine::against(
        "P10 the same, snapshots on any core",
        &ratios[1],
        "x",
        1.5,
        1.1,
    );
}

/// p99 of a call in microseconds, and calls per second.
fn measure(server: &load::Server, cells: usize) -> (f64, f64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = server.client().await;
        let lanes: Vec<_> = (0..CLIENTS)
            .map(|lane| {
                let mut client = client.clone();
                tokio::spawn(async move {
                    let (began, mut taken, mut at) = (Instant::now(), Vec::new(), lane * 7_919);
                    while began.elapsed() < PHASE {
                        at = (at + 104_729) % cells;
                        let (organization, user) = kept::who(at);
                        let asked = Instant::now();
                        let answer = client.reserve(load::reserve(&organization, user)).await;
                        taken.push(asked.elapsed().as_secs_f64() * 1e6);
                        let id = answer.unwrap().into_inner().reservation.unwrap().id;
                        let asked = Instant::now();
                        client.commit(load::commit(id)).await.unwrap();
                        taken.push(asked.elapsed().as_secs_f64() * 1e6);
                        tokio::time::sleep(PAUSE).await;
                    }
                    taken
                })
            })
            .collect();
        let mut all = Vec::new();
        for lane in lanes {
            all.extend(lane.await.unwrap());
        }
        all.sort_by(f64::total_cmp);
        (share_of(&all, 0.99), all.len() as f64 / PHASE.as_secs_f64())
    })
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
    // The threads that make room are needed before anything is booked; one snapshot of nearly nothing.
    kept.storage.run(&kept.engine).unwrap();
    for number in 0..scaled(1_000_000) {
        kept::charge(&kept.engine, number);
    }
    let _plane = listen(kept.parts());
    let loops = ["same", "free"].map(|place| Loop::start(&kept, place == "free"));
    for line in std::io::stdin().lock().lines() {
        let mut sum = (0, Duration::ZERO);
        for (it, place) in loops.iter().zip(["same", "free"]) {
            let (count, took) = it.set(line.as_deref().is_ok_and(|line| line == place));
            sum = (sum.0 + count, sum.1 + took);
        }
        println!("{} {}", sum.0, sum.1.as_secs_f64());
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
    fn start(kept: &kept::Kept, is_free: bool) -> Self {
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
            if is_free {
                machine::unpin();
            }
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
