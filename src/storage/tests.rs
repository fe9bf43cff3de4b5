//! From operations to files and back. The suites that crash, tear and flip are in `tests/survival`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod starts;

use super::*;
use crate::domain::credits::Credits;
use crate::domain::cycle::Calendar;
use crate::domain::names::Name;
use crate::domain::plan::{Excess, Grant, GrantKind, OrganizationPlan, Plan};
use crate::domain::rates::Cost;
use crate::engine::Bounds;
use crate::engine::answer::Decision;
use crate::engine::order::{Actual, Commit, Id, Reserve, Subject};
use crate::world::clock::ManualClock;
use crate::world::disk::{Crash, SimulatedDisk};

fn options(durability: Durability) -> Options {
    Options {
        durability,
        snapshot_interval: Duration::from_secs(60),
        fsync_interval: Duration::from_millis(100),
        journal_bytes_max: 1 << 20,
        retention: Duration::from_secs(395 * 86_400),
        drop_from: None,
    }
}

fn plan(credits: u64) -> Plan {
    let grant = Grant {
        kind: GrantKind::Contract {
            credits: Credits::saturating(credits),
            rollover: None,
        },
        valid_from: None,
        valid_until: None,
    };
    let organization = OrganizationPlan {
        calendar: Calendar::default(),
        grants: vec![grant],
        ..OrganizationPlan::default()
    };
    let mut plan = Plan::default();
    plan.organizations
        .insert("acme".into(), Arc::new(organization));
    plan
}

struct House {
    disk: SimulatedDisk,
    clock: Arc<ManualClock>,
    storage: Storage,
    engine: Arc<Engine>,
    recovered: Recovered,
}

impl House {
    fn open(
        disk: SimulatedDisk,
        clock: Arc<ManualClock>,
        durability: Durability,
        start: u64,
    ) -> Result<Self, RecoveryError> {
        Self::open_with(disk, clock, options(durability), start)
    }

    fn open_with(
        disk: SimulatedDisk,
        clock: Arc<ManualClock>,
        options: Options,
        start: u64,
    ) -> Result<Self, RecoveryError> {
        let storage = Storage::new(Arc::new(disk.clone()), options, Arc::clone(&clock) as _);
        let engine = Engine::new(
            Bounds::default(),
            start,
            Arc::clone(&clock) as _,
            storage.recorder(),
        );
        let recovered = storage.recover(&engine)?;
        Ok(Self {
            disk,
            clock,
            storage,
            engine: Arc::new(engine),
            recovered,
        })
    }

    fn new(durability: Durability) -> Self {
        let clock = Arc::new(ManualClock::at(1_800_000_000_000_000_000));
        let house = Self::open(SimulatedDisk::new(), clock, durability, 1).unwrap();
        assert!(house.recovered.is_new);
        house.engine.apply_plan(plan(1_000_000)).unwrap();
        house
    }

    /// The process dies; another one takes over.
    fn crash(self, start: u64) -> Self {
        let options = self.storage.journal.options.clone();
        self.crash_into(options, start)
    }

    /// The same with other settings.
    fn crash_into(self, options: Options, start: u64) -> Self {
        let disk = self.disk.after(Crash::Process);
        Self::open_with(disk, self.clock, options, start).unwrap()
    }

    fn reserve(&self, user: &str, amount: u64) -> Id {
        let name = |text| Name::parse(text).unwrap();
        let order = Reserve {
            subject: Subject::new(name("acme"), name("production"), Some(name(user))),
            cost: Cost::Credits {
                amount: Credits::saturating(amount),
                operation: None,
            },
            min: None,
            ttl: None,
            id: None,
        };
        match self.engine.reserve(&order).unwrap() {
            Decision::Granted(reserved) => reserved.id,
            Decision::Denied(denial) => panic!("{denial:?}"),
        }
    }

    fn commit(&self, id: Id, amount: u64) {
        let order = Commit {
            id,
            actual: Actual::Amount(Credits::saturating(amount)),
            excess: Excess::Record,
        };
        assert!(matches!(
            self.engine.commit(&order).unwrap(),
            Decision::Granted(_)
        ));
    }

    fn snapshot(&self) -> bool {
        self.storage.take_snapshot(&self.engine).unwrap()
    }

    fn used(&self) -> (u64, u64) {
        let totals = &self.engine.counters(Name::parse("acme").unwrap()).unwrap()[0];
        (totals.organization.used, totals.organization.held)
    }
}

#[test]
fn a_process_that_dies_leaves_everything_to_the_next() {
    for snapshots in 0..3 {
        let mut house = House::new(Durability::Process);
        let mut held = Vec::new();
        for number in 0..3_000_u64 {
            let user = format!("user-{}", number % 97);
            assert!(house.storage.make_room().unwrap());
            let id = house.reserve(&user, 10);
            if number % 3 == 0 {
                held.push(id);
            } else {
                house.commit(id, 7);
            }
            if snapshots > 0 && number % (2_000 / snapshots) == 500 {
                assert!(house.snapshot());
            }
        }
        assert_eq!(house.used(), (14_000, 10_000));
        let before = house.engine.fingerprint();
        house = house.crash(2);
        assert_eq!(
            house.engine.fingerprint(),
            before,
            "{snapshots} snapshots: {:?}",
            house.recovered
        );
        assert_eq!(house.recovered.snapshot.is_some(), snapshots > 0);
        for id in held {
            house.commit(id, 10);
        }
        house = house.crash(3);
        assert_eq!(house.used(), (24_000, 0));
    }
}

#[test]
fn what_was_prepared_serves_the_next_start() {
    use crate::world::disk::Kind;
    let journals = |disk: &SimulatedDisk| {
        let names = disk.list().unwrap();
        names.iter().filter(|it| it.starts_with("journal-")).count()
    };
    let house = House::new(Durability::Process);
    assert!(house.storage.make_room().unwrap());
    let id = house.reserve("ana", 10);
    let before = journals(&house.disk);
    assert!(before > 2, "{before} segments");
    // Prepared anew, and used before: none of them is zeroed again.
    let mut house = house.crash(2);
    assert!(house.storage.make_room().unwrap());
    house.commit(id, 7);
    for start in 3..6 {
        let kinds = house.disk.kinds();
        let allocated = kinds.iter().filter(|it| **it == Kind::Allocate).count();
        assert_eq!(
            allocated, 1,
            "one segment has become the last start's: {kinds:?}"
        );
        let before = house.engine.fingerprint();
        house = house.crash(start);
        assert_eq!(house.engine.fingerprint(), before);
        assert!(house.storage.make_room().unwrap());
    }
    // A start that keeps no journal has no use for them.
    let disk = house.disk.after(Crash::Process);
    let house = House::open(disk, house.clock, Durability::Memory, 6).unwrap();
    assert_eq!(journals(&house.disk), 5, "what the five before recorded");
}

#[test]
fn without_a_journal_a_snapshot_is_what_comes_back() {
    let house = House::new(Durability::Memory);
    let id = house.reserve("ana", 10);
    house.commit(id, 10);
    assert!(house.snapshot());
    assert!(!house.snapshot(), "nothing has happened");
    house.reserve("ana", 10);
    let house = house.crash(2);
    assert_eq!(house.used(), (10, 0));
    house.storage.close(&house.engine).unwrap();
    assert_eq!(house.crash(3).used(), (10, 0));
}

#[test]
fn a_graceful_end_leaves_a_snapshot_and_nothing_to_replay() {
    let house = House::new(Durability::Process);
    house.storage.run(&house.engine).unwrap();
    let id = house.reserve("ana", 10);
    house.commit(id, 10);
    house.storage.close(&house.engine).unwrap();
    let house = house.crash(2);
    assert_eq!((house.used(), house.recovered.groups), ((10, 0), 0));
}

#[test]
fn a_damaged_snapshot_falls_back_and_damage_without_another_way_refuses() {
    let mut house = House::new(Durability::Process);
    for _ in 0..3 {
        let id = house.reserve("ana", 10);
        house.commit(id, 10);
        assert!(house.snapshot());
    }
    let names = house.disk.list().unwrap();
    let snapshots: Vec<_> = names
        .iter()
        .filter(|name| name.starts_with("snapshot"))
        .collect();
    assert_eq!(snapshots.len(), 2, "{names:?}");
    house.disk.flip(snapshots[1], 300, 1).unwrap();
    house = house.crash(2);
    assert_eq!(house.used(), (30, 0));
    assert_eq!(
        house.recovered.snapshots_damaged.len(),
        1,
        "{:?}",
        house.recovered
    );
    house.disk.flip(snapshots[0], 300, 1).unwrap();
    let clock = Arc::clone(&house.clock);
    let opened = House::open(
        house.disk.after(Crash::Process),
        clock,
        Durability::Process,
        3,
    );
    // The journal is still there from its very beginning.
    assert_eq!(opened.unwrap().used(), (30, 0));
}

#[test]
fn damage_before_the_synced_mark_refuses_and_can_be_dropped() {
    let house = House::new(Durability::Process);
    for _ in 0..3 {
        let id = house.reserve("ana", 10);
        house.commit(id, 10);
    }
    house.storage.sync().unwrap();
    house.reserve("ana", 10);
    let names = house.disk.list().unwrap();
    let Receipt(position) = house.storage.synced();
    let offset = usize::try_from(position - 1).unwrap() * 64 + 17;
    house.disk.flip(&names[0], offset, 1).unwrap();
    let open = |drop_from| {
        let disk = house.disk.after(Crash::Process);
        let options = Options {
            drop_from,
            ..options(Durability::Process)
        };
        let clock = Arc::clone(&house.clock);
        let storage = Storage::new(Arc::new(disk), options, Arc::clone(&clock) as _);
        let engine = Engine::new(Bounds::default(), 2, clock as _, storage.recorder());
        storage.recover(&engine)
    };
    let error = open(None).unwrap_err().to_string();
    assert!(
        error.contains(&names[0]) && error.contains(&format!("--drop-from {}", position - 1)),
        "{error}"
    );
    assert!(open(Some(position)).is_err());
    assert_eq!(open(Some(position - 1)).unwrap().records_dropped, 1);
}
