//! Mapping or writes? What it costs to hand a record of 64 bytes to the kernel, and how long a sync takes here.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quotad::world::disk::{Disk, RealDisk};

use super::{kept, machine, share_of};

/// Repetitions of each way, taken in turns.
const REPETITIONS: usize = 5;

const RECORDS: usize = 1_000_000;

const RECORD_BYTES: usize = 64;

/// Records that go with one write where they are gathered.
const GATHERED: usize = 16;

/// Records between two pauses, so that syncs fall between them as they do in service.
const BURST: usize = 10_000;
const PAUSE: Duration = Duration::from_millis(10);

/// As the journal syncs in mode `process`.
const SYNC_EVERY: Duration = Duration::from_millis(100);

const NAME: &str = "records";

#[derive(Clone, Copy, Debug)]
enum Way {
    Mapping,
    WriteEach,
    WriteGathered,
}

/// Nanoseconds of CPU a record, for each of the ways.
pub fn run() {
    let mut figures: [(machine::Figure, machine::Figure); 3] = Default::default();
    for _ in 0..REPETITIONS {
        for (way, figure) in [Way::Mapping, Way::WriteEach, Way::WriteGathered]
            .into_iter()
            .zip(&mut figures)
        {
            let (own, sync) = one(way);
            figure.0.add(own as f64 / RECORDS as f64);
            figure.1.add(sync as f64 / RECORDS as f64);
        }
    }
    println!(
        "a record of 64 bytes, 1,000,000 of them in bursts of 10,000, fdatasync every 100 ms beside it:"
    );
    for (name, (own, sync)) in ["stored into a mapping", "a write each", "16 with one write"]
        .iter()
        .zip(&figures)
    {
        println!("    {name:<54} {own} ns of CPU, and for the syncs {sync}");
    }
}

/// CPU of one who records, and of one who syncs.
fn one(way: Way) -> (u64, u64) {
    let folder = kept::fresh("records");
    let disk = RealDisk::open(&folder).unwrap();
    disk.allocate(NAME, (RECORDS * RECORD_BYTES) as u64)
        .unwrap();
    let file = OpenOptions::new()
        .write(true)
        .open(folder.join(NAME))
        .unwrap();
    let done = AtomicBool::new(false);
    let cpu = std::thread::scope(|scope| {
        let syncing = scope.spawn(|| sync(&file, &done));
        let own = match way {
            Way::Mapping => {
                let mut region = disk.map(NAME).unwrap().region;
                timed(1, |at, bytes| region.store(at, bytes).unwrap())
            }
            Way::WriteEach => timed(1, |at, bytes| write(&file, at, bytes)),
            Way::WriteGathered => timed(GATHERED, |at, bytes| write(&file, at, bytes)),
        };
        done.store(true, Ordering::Release);
        (own, syncing.join().unwrap())
    });
    std::fs::remove_dir_all(folder).unwrap();
    cpu
}

fn write(file: &File, at: usize, bytes: &[u8]) {
    file.write_all_at(bytes, at as u64).unwrap();
}

/// Hands over all records, so many at a time; answers the CPU that took.
fn timed(gathered: usize, mut hand_over: impl FnMut(usize, &[u8])) -> u64 {
    let bytes: Vec<u8> = (0..gathered * RECORD_BYTES).map(|it| it as u8).collect();
    let mut cpu = 0;
    for burst in 0..RECORDS / BURST {
        let before = machine::thread_cpu_ns();
        for group in 0..BURST / gathered {
            hand_over(
                (burst * BURST + group * gathered) * RECORD_BYTES,
                std::hint::black_box(&bytes),
            );
        }
        cpu += machine::thread_cpu_ns() - before;
        std::thread::sleep(PAUSE);
    }
    cpu
}

fn sync(file: &File, done: &AtomicBool) -> u64 {
    let before = machine::thread_cpu_ns();
    while !done.load(Ordering::Acquire) {
        std::thread::sleep(SYNC_EVERY);
        file.sync_data().unwrap();
    }
    machine::thread_cpu_ns() - before
}

/// How long it takes here that 4 KiB stored into a prepared file are safe: the middle of many.
pub fn fdatasync_us() -> f64 {
    let folder = kept::fresh("fdatasync");
    let disk = RealDisk::open(&folder).unwrap();
    let (page, count) = (vec![7; 4_096], 400);
    disk.allocate(NAME, (page.len() * count) as u64).unwrap();
    let mut mapped = disk.map(NAME).unwrap();
    let mut taken: Vec<f64> = (0..count)
        .map(|at| {
            let began = Instant::now();
            mapped.region.store(at * page.len(), &page).unwrap();
            mapped.syncer.sync().unwrap();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    std::fs::remove_dir_all(folder).unwrap();
    taken.sort_by(f64::total_cmp);
    share_of(&taken, 0.5).round()
}
