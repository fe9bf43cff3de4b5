//! The files of each format that was ever released, kept as fixtures: they must load for ever, and say the same.
//!
//! `QUOTAD_WRITE_FIXTURE=1 cargo test --test it formats` writes the fixture of the present format anew: only before the format
//! is released. What was released is never written again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quotad::config::plan_file;
use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::Excess;
use quotad::domain::rates::Cost;
use quotad::engine::answer::{Decision, Notice};
use quotad::engine::order::{Act, Actual, Charge, Commit, Extend, Id, Of, Reserve, Subject};
use quotad::engine::{Bounds, Engine};
use quotad::storage::{
    Durability, Options, RecoveryError, Storage, UsageGroup, UsageKey, UsageQuery,
};
use quotad::world::clock::ManualClock;
use quotad::world::disk::RealDisk;

/// 2026-11-21T00:00:00Z.
const START_NS: i64 = 1_795_219_200_000_000_000;
const HOUR: Duration = Duration::from_secs(3_600);

const PLAN: &str = "
organizations:
  acme:
    time_zone: Europe/Paris
    overage: {mode: grace, margin_percent: 20}
    thresholds: [50, 80, 100]
    grants:
      - {kind: contract, credits: 10000, rollover: 2}
      - {kind: license, license: power-apps-premium, count: 2, valid_from: 2026-01-01, valid_until: 2027-12-31}
    environments:
      production: {allocation: 4000, overage: {mode: soft, extra: 500}}
    users:
      ana: {limit: 1000, type: hard}
      bo: {limit: 500, type: soft}
  tried: {}
rate_card:
  tokens: {credits: 3, per: 1000, product: chat}
";

struct House {
    clock: Arc<ManualClock>,
    engine: Engine,
    storage: Storage,
}

impl House {
    fn open(folder: &Path, start: u64, now_ns: i64) -> Result<Self, RecoveryError> {
        let clock = Arc::new(ManualClock::at(now_ns));
        let options = Options {
            durability: Durability::Process,
            snapshot_interval: Duration::from_secs(60),
            fsync_interval: Duration::from_millis(100),
            journal_bytes_max: 1 << 20,
            retention: Duration::from_secs(395 * 86_400),
            drop_from: None,
        };
        let disk = RealDisk::open(folder).expect("a directory");
        let storage = Storage::new(Arc::new(disk), options, Arc::clone(&clock) as _);
        let engine = Engine::new(
            Bounds::default(),
            start,
            Arc::clone(&clock) as _,
            storage.recorder(),
        );
        storage.recover(&engine)?;
        Ok(Self {
            clock,
            engine,
            storage,
        })
    }

    fn reserve(&self, environment: &str, user: &str, credits: u64, id: Option<Id>) -> Id {
        let order = Reserve {
            subject: subject("acme", environment, user),
            cost: amount(credits),
            min: None,
            ttl: Some(HOUR),
            id,
        };
        granted(self.engine.reserve(&order).expect("a sound order")).id
    }

    fn commit(&self, id: Id, credits: u64) -> (u64, u64) {
        let order = Commit {
            id,
            actual: Actual::Amount(Credits::saturating(credits)),
            excess: Excess::Record,
        };
        let answer = granted(self.engine.commit(&order).expect("a known hold"));
        (answer.committed.get(), answer.returned.get())
    }

    fn charge(&self, organization: &str, user: &str, credits: u64, id: Option<Id>) {
        let order = Charge {
            subject: subject(organization, "sandbox", user),
            cost: amount(credits),
            id,
        };
        granted(self.engine.charge(&order).expect("a sound order"));
    }

    /// Used, held, and what there is in the first place.
    fn balance(&self, organization: &str, of: Of<'_>) -> (u64, u64, Option<u64>) {
        let balance = self
            .engine
            .balance(name(organization), of)
            .expect("an account");
        (balance.used, balance.held, balance.limit)
    }
}

fn name(text: &str) -> Name<'_> {
    Name::parse(text).expect("a name")
}

fn subject<'a>(organization: &'a str, environment: &'a str, user: &'a str) -> Subject<'a> {
    Subject::new(name(organization), name(environment), Some(name(user)))
}

fn amount(credits: u64) -> Cost<'static> {
    Cost::Credits {
        amount: Credits::saturating(credits),
        operation: None,
    }
}

fn granted<T>(decision: Decision<T>) -> T {
    match decision {
        Decision::Granted(answer) => answer,
        Decision::Denied(denial) => panic!("{denial:?}"),
    }
}

/// Something of every kind, part of it before the snapshot and part of it after.
fn live(folder: &Path) {
    let yesterday = START_NS - 86_400_000_000_000;
    let house = House::open(folder, 1, yesterday).expect("an empty directory");
    let plan = plan_file::parse(PLAN, "plan.yaml").expect("a plan");
    house.engine.apply_plan(plan).expect("a first plan");
    // A day that closes, and stands in a file.
    house.charge("acme", "eva", 100, None);
    house.clock.advance(24 * HOUR);
    house.engine.tick().expect("an open journal");
    assert!(house.storage.file_days(&house.engine).expect("a disk"));
    house
        .engine
        .start_trial(name("tried"), name("cy"), &Act::default())
        .expect("a first trial");
    let open = house.reserve("production", "ana", 300, Some([1; 16]));
    let settled = house.reserve("production", "bo", 200, Some([2; 16]));
    assert_eq!(house.commit(settled, 150), (150, 50));
    house.charge("acme", "dora", 700, Some([3; 16]));
    house
        .engine
        .request_extension(name("acme"), &Act::default())
        .expect("a first extension");
    assert!(house.storage.take_snapshot(&house.engine).expect("a disk"));
    house.charge("tried", "cy", 1_000, None);
    house.charge("acme", "ana", 500, None);
    let taken = house.engine.notices(name("acme")).expect("an organization");
    assert!(!taken.is_empty());
    house.charge("acme", "bo", 400, None);
    let released = house.reserve("sandbox", "bo", 10, Some([4; 16]));
    house.engine.release(&released).expect("a known hold");
    let extend = Extend {
        id: open,
        additional: Credits::saturating(100),
        ttl: Some(HOUR),
        request_id: Some([5; 16]),
    };
    granted(house.engine.extend(&extend).expect("a known hold"));
    house
        .engine
        .adjust(
            name("acme"),
            name("sandbox"),
            Some(name("dora")),
            -100,
            &Act {
                why: "an example",
                ..Act::default()
            },
        )
        .expect("a correction");
    house.clock.advance(HOUR / 12);
    house.engine.tick().expect("an open journal");
    house.storage.sync().expect("a disk");
    house.storage.seal().expect("a disk");
    house.storage.sync().expect("a disk");
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

/// Copies the files, except segments that were never used: they are zeros.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        if bytes.iter().any(|&byte| byte != 0) {
            fs::write(to.join(path.file_name().expect("a name")), bytes).expect("a file");
        }
    }
}

#[test]
fn format_1_loads_for_ever() {
    let folder = tempfile::tempdir().expect("a directory");
    if std::env::var_os("QUOTAD_WRITE_FIXTURE").is_some() {
        live(folder.path());
        fs::remove_dir_all(fixture()).ok();
        copy(folder.path(), &fixture());
    }
    let again = tempfile::tempdir().expect("a directory");
    copy(&fixture(), again.path());
    let now_ns = START_NS + 600_000_000_000;
    let house = House::open(again.path(), 2, now_ns).expect("the books of format 1");
    assert_eq!(
        house.balance("acme", Of::Organization),
        (1_750, 400, Some(11_000))
    );
    assert_eq!(
        house.balance("acme", Of::Environment(name("production"))),
        (150, 400, Some(4_000))
    );
    assert_eq!(
        house.balance("acme", Of::User(name("ana"))),
        (500, 400, Some(1_000))
    );
    assert_eq!(
        house.balance("acme", Of::User(name("bo"))),
        (550, 0, Some(500))
    );
    assert_eq!(
        house.balance("tried", Of::User(name("cy"))),
        (1_000, 0, Some(200_000))
    );
    let mut query = UsageQuery::of("acme");
    query.group_by = vec![UsageKey::Day, UsageKey::Operation];
    let usage = house.storage.usage(&house.engine, &query);
    let line = |it: UsageGroup| (it.day.expect("by day").to_string(), it.credits);
    let usage: Vec<_> = usage.expect("whole files").into_iter().map(line).collect();
    let days = ["2026-11-20", "2026-11-21", "2026-11-21"].map(str::to_owned);
    let expected: Vec<_> = days.into_iter().zip([100, 1_750, -100]).collect();
    assert_eq!(usage, expected);
    let notices = house.engine.notices(name("acme")).expect("an organization");
    let texts: Vec<_> = notices.iter().map(Notice::to_string).collect();
    assert_eq!(texts, ["users/bo 50", "users/bo 80", "users/bo 100"]);
    // Retries get the first answers; the open hold can be settled, also by a retry of its reservation.
    house.charge("acme", "dora", 700, Some([3; 16]));
    assert_eq!(house.commit([2; 16], 150), (150, 50));
    assert_eq!(
        house.engine.release(&[4; 16]).map(|it| it.returned.get()),
        Ok(10)
    );
    assert_eq!(
        house.reserve("production", "ana", 300, Some([1; 16])),
        [1; 16]
    );
    assert_eq!(house.commit([1; 16], 350), (350, 50));
    assert_eq!(
        house.balance("acme", Of::Organization),
        (2_100, 0, Some(11_000))
    );
    // The cycle ends, and what rolls over is known.
    house.clock.advance(15 * 24 * HOUR);
    house.engine.tick().expect("an open journal");
    assert_eq!(
        house.balance("acme", Of::Organization),
        (0, 0, Some(19_900))
    );
}
