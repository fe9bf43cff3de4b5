//! Days of usage rows in files: what a damaged, missing or full disk does, and what is kept.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::credits::Credits;
use crate::domain::plan::{Grant, GrantKind, OrganizationPlan, Plan};
use crate::domain::rates::Cost;
use crate::engine::Bounds;
use crate::engine::answer::Decision;
use crate::engine::order::{Charge, Subject};
use crate::storage::{Durability, Options, RecoveryError, Storage};
use crate::world::clock::ManualClock;
use crate::world::disk::SimulatedDisk;

/// 2026-11-21T00:00:00Z.
const START_NS: i64 = 1_795_219_200_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

struct House {
    clock: Arc<ManualClock>,
    engine: Engine,
    storage: Storage,
}

impl House {
    fn open(
        disk: &Arc<SimulatedDisk>,
        start: u64,
        clock: Arc<ManualClock>,
    ) -> Result<Self, RecoveryError> {
        let options = Options {
            durability: Durability::Process,
            snapshot_interval: Duration::from_secs(60),
            fsync_interval: Duration::from_millis(100),
            journal_bytes_max: 1 << 20,
            retention: 30 * DAY,
            drop_from: None,
        };
        let storage = Storage::new(Arc::clone(disk) as _, options, Arc::clone(&clock) as _);
        let bounds = Bounds::default();
        let engine = Engine::new(bounds, start, Arc::clone(&clock) as _, storage.recorder());
        storage.recover(&engine)?;
        Ok(Self {
            clock,
            engine,
            storage,
        })
    }

    /// Organizations `a` and `b`, with days of rows: all but the last are filed, two in a file each.
    fn with_files(disk: &Arc<SimulatedDisk>) -> Self {
        let house = Self::open(disk, 1, Arc::new(ManualClock::at(START_NS))).unwrap();
        let mut plan = Plan::default();
        for name in ["a", "b"] {
            let mut organization = OrganizationPlan::default();
            let (credits, rollover) = (Credits::saturating(1_000_000), None);
            organization.grants.push(Grant {
                kind: GrantKind::Contract { credits, rollover },
                valid_from: None,
                valid_until: None,
            });
            plan.organizations
                .insert(name.into(), Arc::new(organization));
        }
        house.engine.apply_plan(plan).unwrap();
        for day in 0..3 {
            house.charge("a", "ana", "p", 100 + day);
            house.charge("a", "bo", "q", 1);
            house.charge("b", "ana", "p", 7);
            house.next_day();
        }
        house.charge("a", "ana", "p", 5);
        house
    }

    fn charge(&self, organization: &str, user: &str, product: &str, credits: u64) {
        let name = |text| Name::parse(text).unwrap();
        let mut subject = Subject::new(name(organization), Name::DEFAULT, Some(name(user)));
        subject.product = Some(name(product));
        let cost = Cost::Credits {
            amount: Credits::saturating(credits),
            operation: None,
        };
        let charged = self.engine.charge(&Charge {
            subject,
            cost,
            id: None,
        });
        assert!(matches!(charged, Ok(Decision::Granted(_))), "{charged:?}");
    }

    fn next_day(&self) {
        self.clock.advance(DAY);
        self.engine.tick().unwrap();
        self.storage.make_room().unwrap();
        assert!(self.storage.file_days(&self.engine).unwrap());
        assert!(!self.storage.file_days(&self.engine).unwrap());
    }

    fn usage(&self, organization: &str, group_by: &[UsageKey]) -> Result<Vec<String>, UsageError> {
        let mut query = UsageQuery::of(organization);
        query.group_by = group_by.to_vec();
        let groups = self.storage.usage(&self.engine, &query)?;
        let line = |group: &UsageGroup| {
            let keys = UsageKey::ALL.into_iter().filter_map(|key| group.key(key));
            let keys: Vec<_> = keys.collect();
            format!("{} {}", keys.join(" "), group.credits)
        };
        Ok(groups.iter().map(line).collect())
    }
}

const BY_DAY: &[UsageKey] = &[UsageKey::Day, UsageKey::User];

const DAYS_OF_A: [&str; 7] = [
    "2026-11-21 ana 100",
    "2026-11-21 bo 1",
    "2026-11-22 ana 101",
    "2026-11-22 bo 1",
    "2026-11-23 ana 102",
    "2026-11-23 bo 1",
    "2026-11-24 ana 5",
];

fn store(disk: &SimulatedDisk, name: &str, bytes: &[u8]) {
    let mut output = disk.create(name).unwrap();
    output.write_all(bytes).unwrap();
    output.sync().unwrap();
    disk.sync_directory().unwrap();
}

#[test]
fn filed_days_and_those_in_memory_are_told_together_and_after_a_restart_too() {
    let disk = Arc::new(SimulatedDisk::new());
    let house = House::with_files(&disk);
    let rows = || {
        house
            .engine
            .stats()
            .usage_rows
            .load(std::sync::atomic::Ordering::Relaxed)
    };
    assert_eq!(rows(), 1, "the others stand in files");
    assert_eq!(house.usage("a", BY_DAY).unwrap(), DAYS_OF_A);
    assert_eq!(house.usage("a", &[]).unwrap(), [" 311"]);
    assert_eq!(house.usage("b", &[UsageKey::Product]).unwrap(), ["p 21"]);
    let mut told = 0;
    let query = UsageQuery {
        group_by: BY_DAY.to_vec(),
        ..UsageQuery::of("a")
    };
    let stop_at_three = &mut |_| {
        told += 1;
        told < 3
    };
    house
        .storage
        .usage_each(&house.engine, &query, stop_at_three)
        .unwrap();
    assert_eq!(told, 3);
    let clock = Arc::clone(&house.clock);
    drop(house);
    let house = House::open(&disk, 2, clock).unwrap();
    assert_eq!(house.usage("a", BY_DAY).unwrap(), DAYS_OF_A);
    assert!(house.usage("c", BY_DAY).is_err());
}

#[test]
fn files_older_than_the_retention_go_the_oldest_first() {
    let disk = Arc::new(SimulatedDisk::new());
    let house = House::with_files(&disk);
    assert_eq!(house.storage.drop_old_days().unwrap(), 0);
    house.clock.advance(28 * DAY);
    house.engine.tick().unwrap();
    assert_eq!(
        house.storage.drop_old_days().unwrap(),
        1,
        "30 days and a day ago"
    );
    assert_eq!(house.usage("a", BY_DAY).unwrap(), &DAYS_OF_A[2..]);
    let clock = Arc::clone(&house.clock);
    drop(house);
    let house = House::open(&disk, 2, clock).unwrap();
    assert_eq!(house.usage("a", BY_DAY).unwrap(), &DAYS_OF_A[2..]);
}

#[test]
fn every_damaged_byte_is_an_error_at_the_start_or_when_it_is_asked_for() {
    let disk = Arc::new(SimulatedDisk::new());
    let house = House::with_files(&disk);
    let clock = Arc::clone(&house.clock);
    drop(house);
    let name = files::usage(2);
    let whole = disk.contents(&name).unwrap();
    let (mut at_start, mut when_asked, mut of_others) = (0, 0, 0);
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        disk.set_contents(&name, bytes).unwrap();
        match House::open(&disk, 2, Arc::clone(&clock)) {
            Err(error) => {
                assert!(error.to_string().contains(&name), "{error}");
                at_start += 1;
            }
            Ok(house) => match house.usage("a", BY_DAY) {
                Err(error) => {
                    assert!(error.to_string().contains(&name), "{error}");
                    when_asked += 1;
                }
                Ok(told) => {
                    assert_eq!(told, DAYS_OF_A);
                    assert!(house.usage("b", BY_DAY).is_err(), "byte {place}");
                    of_others += 1;
                }
            },
        }
    }
    println!(
        "{} bytes of a usage file flipped: {at_start} refused at the start, {when_asked} when asked, {of_others} when the \
         other organization asked",
        whole.len()
    );
    assert!(at_start > 0 && when_asked > 0 && of_others > 0);
    disk.set_contents(&name, whole[..whole.len() - 1].to_vec())
        .unwrap();
    let house = House::open(&disk, 2, Arc::clone(&clock)).unwrap();
    assert!(house.usage("a", BY_DAY).is_err() || house.usage("b", BY_DAY).is_err());
    disk.set_contents(&name, whole).unwrap();
    let house = House::open(&disk, 3, clock).unwrap();
    assert_eq!(house.usage("a", BY_DAY).unwrap(), DAYS_OF_A);
}

#[test]
fn a_missing_file_is_no_reason_to_tell_fewer_credits() {
    for number in [2, 3] {
        let disk = Arc::new(SimulatedDisk::new());
        let house = House::with_files(&disk);
        let clock = Arc::clone(&house.clock);
        drop(house);
        disk.remove(&files::usage(number)).unwrap();
        let refused = House::open(&disk, 2, clock).err().unwrap();
        assert!(refused.to_string().contains("missing"), "{refused}");
    }
}

#[test]
fn a_file_that_nobody_knows_of_is_removed_and_its_days_are_written_again() {
    let disk = Arc::new(SimulatedDisk::new());
    let house = House::with_files(&disk);
    let clock = Arc::clone(&house.clock);
    drop(house);
    // As if the process had ended between the file and the record that its days are filed.
    let third = file::read_table(&*disk, 3).unwrap();
    let mut day = file::read_day(&*disk, &third, 0).unwrap();
    (day.number, day.date) = (3, day.date.succ_opt().unwrap());
    let closed = crate::engine::usage::ClosedDays {
        organization: "a".into(),
        days: vec![day],
        receipt: Default::default(),
    };
    let (_, bytes) = file::encode(4, [closed].iter()).unwrap();
    store(&disk, &files::usage(4), &bytes);
    let house = House::open(&disk, 2, clock).unwrap();
    assert!(!disk.list().unwrap().contains(&files::usage(4)));
    assert_eq!(house.usage("a", BY_DAY).unwrap(), DAYS_OF_A);
    house.next_day();
    assert!(disk.list().unwrap().contains(&files::usage(4)));
    assert_eq!(house.usage("a", BY_DAY).unwrap(), DAYS_OF_A);
}

#[test]
fn without_room_the_days_stay_in_memory_until_there_is() {
    let disk = Arc::new(SimulatedDisk::new());
    let house = House::with_files(&disk);
    house.clock.advance(DAY);
    house.engine.tick().unwrap();
    disk.set_capacity(Some(disk.bytes()));
    assert!(!house.storage.file_days(&house.engine).unwrap());
    assert_eq!(house.usage("a", BY_DAY).unwrap(), DAYS_OF_A);
    disk.set_capacity(None);
    assert!(house.storage.file_days(&house.engine).unwrap());
    assert_eq!(house.usage("a", BY_DAY).unwrap(), DAYS_OF_A);
    let names = disk.list().unwrap();
    assert!(
        names.iter().all(|name| File::of(name) != File::Unfinished),
        "{names:?}"
    );
}
