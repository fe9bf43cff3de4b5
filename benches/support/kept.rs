//! Engines whose books are kept on the disk, as `app.rs` puts them together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::Excess;
use quotad::domain::rates::Cost;
use quotad::engine::Engine;
use quotad::engine::answer::Decision;
use quotad::engine::order::{Actual, Charge, Commit, Id, Reserve, Subject};
use quotad::rpc::quota::Parts;
use quotad::storage::{Durability, Options, Storage};
use quotad::world::clock::{Clock, SystemClock};
use quotad::world::disk::RealDisk;
use quotad::world::vitals::{Phase, Vitals};

use super::plan;

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
        .join("durability")
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

/// The books of a folder, with nothing read yet.
pub fn over(folder: &Path, durability: Durability, journal_bytes_max: u64) -> Kept {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = Options {
        durability,
        snapshot_interval: Duration::from_secs(60),
        fsync_interval: Duration::from_millis(100),
        journal_bytes_max,
        retention: Duration::from_secs(395 * 86_400),
        drop_from: None,
    };
    let disk = Arc::new(RealDisk::open(folder).unwrap());
    let storage = Storage::new(disk, options, Arc::clone(&clock));
    let start = getrandom::u64().unwrap();
    let engine = Engine::new(plan::BOUNDS, start, Arc::clone(&clock), storage.recorder());
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

/// The organization of a user of the large books, and the user's name in it.
pub fn who(number: usize) -> (String, String) {
    let user = format!("user-{:04}", number / ORGANIZATIONS);
    (format!("acme-{:02}", number % ORGANIZATIONS), user)
}

/// The plan of the large books.
pub fn large_plan() -> quotad::domain::plan::Plan {
    plan::plan((0..ORGANIZATIONS).map(|number| format!("acme-{number:02}")))
}

fn subject<'a>(organization: &'a str, user: &'a str) -> Subject<'a> {
    let name = |text| Name::parse(text).expect("a name");
    Subject::new(name(organization), name("production"), Some(name(user)))
}

fn cost(amount: u64) -> Cost<'static> {
    Cost::Credits {
        amount: Credits::saturating(amount),
        operation: None,
    }
}

/// Gives a user a cell.
pub fn charge(engine: &Engine, number: usize) {
    let (organization, user) = who(number);
    let order = Charge {
        subject: subject(&organization, &user),
        cost: cost(1),
        id: None,
    };
    let decision = engine.charge(&order).expect("a sound order");
    assert!(
        matches!(decision, Decision::Granted(_)),
        "the plan covers it"
    );
}

/// Holds 100 credits for as long as can be.
pub fn reserve(engine: &Engine, number: usize) -> Id {
    let (organization, user) = who(number);
    let order = Reserve {
        subject: subject(&organization, &user),
        cost: cost(100),
        min: None,
        ttl: Some(Duration::from_secs(3_600)),
        id: None,
    };
    let decision = engine.reserve(&order).expect("a sound order");
    let Decision::Granted(reserved) = decision else {
        panic!("the plan covers it: {decision:?}");
    };
    reserved.id
}

/// Books 80 of them.
pub fn commit(engine: &Engine, id: Id) {
    let order = Commit {
        id,
        actual: Actual::Amount(Credits::saturating(80)),
        excess: Excess::Record,
    };
    engine.commit(&order).expect("a known hold");
}
