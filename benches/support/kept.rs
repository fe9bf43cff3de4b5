//! Engines whose books are kept on the disk, as `app.rs` puts them together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quotad::engine::order::Id;
use quotad::engine::{Bounds, Engine};
use quotad::rpc::quota::Parts;
use quotad::storage::{Durability, Options, Storage};
use quotad::world::clock::{Clock, SystemClock};
use quotad::world::disk::RealDisk;
use quotad::world::vitals::{Phase, Vitals};

use super::{calls, plan};

/// Organizations of the large books; so many that every shard has some.
pub const ORGANIZATIONS: usize = 100;

/// Books and their place on the disk.
pub struct Kept {
    pub engine: Arc<Engine>,
    pub storage: Arc<Storage>,
    pub clock: Arc<dyn Clock>,
}

/// A folder of this benchmark on the disk that the build is on: `/tmp` may be memory.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(env!("CARGO_CRATE_NAME"))
        .join(name)
}

/// The same, emptied.
pub fn fresh(name: &str) -> PathBuf {
    let folder = folder(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Removes what benchmarks left.
pub fn clear() {
    let folder = folder("");
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// The books of a folder, with nothing read yet.
pub fn over(folder: &Path, durability: Durability, journal_bytes_max: u64) -> Kept {
    let options = options(durability, journal_bytes_max, Duration::from_secs(60));
    let start = getrandom::u64().unwrap();
    over_with(
        folder,
        options,
        plan::BOUNDS,
        Arc::new(SystemClock::new()),
        start,
    )
}

/// How `app.rs` keeps books where nothing else is said.
pub fn options(
    durability: Durability,
    journal_bytes_max: u64,
    snapshot_interval: Duration,
) -> Options {
    Options {
        durability,
        snapshot_interval,
        fsync_interval: Duration::from_millis(100),
        journal_bytes_max,
        retention: Duration::from_secs(395 * 86_400),
        drop_from: None,
    }
}

/// The same with options, bounds, a clock and a random start of the caller's.
pub fn over_with(
    folder: &Path,
    options: Options,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    start: u64,
) -> Kept {
    let disk = Arc::new(RealDisk::open(folder).unwrap());
    let storage = Storage::new(disk, options, Arc::clone(&clock));
    let engine = Engine::new(bounds, start, Arc::clone(&clock), storage.recorder());
    Kept {
        engine: Arc::new(engine),
        storage: Arc::new(storage),
        clock,
    }
}

impl Kept {
    /// What a server answers from, ready.
    pub fn parts(&self) -> Parts {
        let vitals = Arc::new(Vitals::new(Arc::clone(&self.clock)));
        vitals.enter(Phase::Ready);
        Parts {
            engine: Arc::clone(&self.engine),
            vitals,
            clock: Arc::clone(&self.clock),
            gate: self.storage.gate(),
        }
    }
}

/// Fills books before their threads run: makes room as they would, and snapshots where the journal would be full.
pub fn fill(kept: &Kept, count: usize, entry: impl Fn(usize)) {
    for number in 0..count {
        if number.is_multiple_of(1_000) {
            kept.storage.make_room().unwrap();
        }
        if number.is_multiple_of(100_000) {
            kept.storage.take_snapshot(&kept.engine).unwrap();
        }
        entry(number);
    }
}

/// The organization of a user of the large books, and the user's name in it.
pub fn who(number: usize) -> (String, String) {
    let user = format!("user-{:04}", number / ORGANIZATIONS);
    (format!("acme-{:02}", number % ORGANIZATIONS), user)
}

/// The plan of the large books.
pub fn large_plan() -> quotad::domain::plan::Plan {
    plan::plan((0..ORGANIZATIONS).map(|number| format!("acme-{number:02}")))
}

/// Gives a user a cell.
pub fn charge(engine: &Engine, number: usize) {
    let (organization, user) = who(number);
    calls::charge(engine, &organization, &user, 1);
}

/// Holds 100 credits for as long as can be.
pub fn reserve(engine: &Engine, number: usize) -> Id {
    let (organization, user) = who(number);
    calls::reserve(engine, &calls::order(&organization, &user))
}
