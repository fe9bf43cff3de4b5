//! A disk without room: what is open can still be settled, nothing is lost, and once there is room it goes on by itself.
//! Once on the simulated disk, once on a real file system of a few megabytes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::{Excess, Grant, GrantKind, OrganizationPlan, Plan};
use quotad::domain::rates::Cost;
use quotad::engine::answer::{Decision, EngineError, Reason};
use quotad::engine::order::{Act, Actual, Charge, Commit, Extend, Id, Reserve, Subject};
use quotad::engine::recorder::Recorder;
use quotad::engine::{Bounds, Engine};
use quotad::storage::{Durability, Options, Storage};
use quotad::world::clock::{Clock, ManualClock};
use quotad::world::disk::{Crash, Disk, Kind, RealDisk, SimulatedDisk};

use crate::machine::options;

/// So much that the disk is full before the journal may grow no more.
const JOURNAL_BYTES_MAX: u64 = 4 << 20;

const ENOSPC: i32 = 28;

/// After a start so many allocations follow, each of which is refused once.
const ALLOCATIONS: u64 = 3;

/// Enough that so many segments are needed.
const CHARGES: usize = 12_000;

/// Holds that are open while the disk is full.
const HOLDS: usize = 300;

fn plan() -> Plan {
    let mut acme = OrganizationPlan::default();
    acme.grants.push(Grant {
        kind: GrantKind::Contract {
            credits: Credits::new(1_000_000_000).unwrap(),
            rollover: None,
        },
        valid_from: None,
        valid_until: None,
    });
    let mut plan = Plan::default();
    plan.organizations.insert("acme".into(), Arc::new(acme));
    plan
}

fn subject() -> Subject<'static> {
    let name = |text| Name::parse(text).unwrap();
    Subject::new(name("acme"), name("default"), Some(name("ana")))
}

fn cost() -> Cost<'static> {
    Cost::Credits {
        amount: Credits::new(10).unwrap(),
        operation: None,
    }
}

/// quotad's engine and storage on some disk, driven step by step.
struct Quotad {
    engine: Engine,
    storage: Storage,
}

/// Whether a request was granted, or denied for want of room; anything else is wrong.
fn granted<T>(answer: Result<Decision<T>, EngineError>) -> Option<T> {
    match answer.unwrap() {
        Decision::Granted(it) => Some(it),
        Decision::Denied(denial) => {
            assert_eq!(denial.reason, Reason::ResourceLimit);
            None
        }
    }
}

impl Quotad {
    fn start(disk: Arc<dyn Disk>, ids: u64) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(1_792_454_400_000_000_000));
        let options = Options {
            journal_bytes_max: JOURNAL_BYTES_MAX,
            ..options(Durability::Process)
        };
        let storage = Storage::new(disk, options, Arc::clone(&clock));
        let recorder: Arc<dyn Recorder> = storage.recorder();
        let engine = Engine::new(Bounds::default(), ids, clock, recorder);
        storage.recover(&engine).unwrap();
        // Books that are back have the plan that was changed meanwhile.
        if *engine.plan() == Plan::default() {
            engine.apply_plan(plan()).unwrap();
        }
        Self { engine, storage }
    }

    fn reserve(&self) -> Option<Id> {
        let order = Reserve {
            subject: subject(),
            cost: cost(),
            min: None,
            ttl: Some(Duration::from_secs(3_600)),
            id: None,
        };
        granted(self.engine.reserve(&order)).map(|it| it.id)
    }

    fn charge(&self) -> bool {
        let order = Charge {
            subject: subject(),
            cost: cost(),
            id: None,
        };
        granted(self.engine.charge(&order)).is_some()
    }

    fn extend(&self, id: Id) -> bool {
        let order = Extend {
            id,
            additional: Credits::new(1).unwrap(),
            ttl: None,
            request_id: None,
        };
        granted(self.engine.extend(&order)).is_some()
    }

    fn commit(&self, id: Id) -> bool {
        let order = Commit {
            id,
            actual: Actual::Amount(Credits::new(7).unwrap()),
            excess: Excess::Record,
        };
        granted(self.engine.commit(&order)).is_some()
    }

    /// Uses up what is prepared until nothing new is admitted; answers the holds that are open then.
    fn until_full(&self) -> Vec<Id> {
        let mut open = Vec::new();
        for _ in 0..1_000_000 {
            // Nobody is told that there is no room: the storage only finds none.
            self.storage.make_room().unwrap();
            let Some(id) = self.reserve() else {
                return open;
            };
            open.push(id);
            if open.len() > HOLDS {
                assert!(self.commit(open.remove(0)));
            }
        }
        panic!("the disk is never full");
    }

    /// With the disk full: nothing new, everything open is settled, half committed and half released.
    fn settle_while_full(&self, open: &[Id]) {
        assert!(open.len() >= HOLDS, "{} open holds", open.len());
        assert!(!self.charge(), "Charge goes on");
        assert!(!self.extend(open[0]), "Extend goes on");
        // What administrators change would take the room of the open holds.
        assert_eq!(self.change_plan(), Err(EngineError::NoRoom));
        assert_eq!(self.adjust(), Err(EngineError::NoRoom));
        for (nth, &id) in open.iter().enumerate() {
            if nth % 2 == 0 {
                assert!(self.commit(id), "Commit does not go on");
            } else {
                self.engine.release(&id).unwrap();
            }
        }
        assert!(self.storage.failure().is_none());
    }

    fn change_plan(&self) -> Result<bool, EngineError> {
        let mut plan = Plan::clone(&self.engine.plan());
        for organization in plan.organizations.values_mut() {
            Arc::make_mut(organization).display_name.push('x');
        }
        self.engine.apply_plan(plan)
    }

    fn adjust(&self) -> Result<(), EngineError> {
        let Subject {
            organization,
            environment,
            user,
            ..
        } = subject();
        let act = Act {
            why: "a correction",
            ..Act::default()
        };
        let adjusted = self.engine.adjust(organization, environment, user, 1, &act);
        adjusted.map(drop)
    }

    fn goes_on(&self) {
        assert!(self.storage.make_room().unwrap(), "there is room again");
        let id = self.reserve().expect("Reserve goes on");
        assert!(self.charge() && self.extend(id) && self.commit(id));
        assert_eq!(self.change_plan(), Ok(true));
        assert_eq!(self.adjust(), Ok(()));
        self.storage.sync().unwrap();
    }
}

fn names(disk: &dyn Disk, kind: &str) -> Vec<String> {
    let mut names = disk.list().unwrap();
    names.retain(|name| name.starts_with(kind));
    names
}

#[test]
fn a_full_disk_refuses_what_is_new_and_settles_what_is_open() {
    let disk = SimulatedDisk::new();
    let quotad = Quotad::start(Arc::new(disk.clone()), 1);
    assert!(quotad.storage.take_snapshot(&quotad.engine).unwrap());
    assert!(quotad.charge() && quotad.storage.take_snapshot(&quotad.engine).unwrap());
    disk.set_capacity(Some(disk.bytes()));
    let open = quotad.until_full();
    quotad.settle_while_full(&open);
    disk.set_capacity(None);
    quotad.goes_on();

    // Full again, with two snapshots as large as the next one: it needs the older one's place.
    for _ in 0..2 {
        assert!(quotad.charge() && quotad.storage.take_snapshot(&quotad.engine).unwrap());
    }
    let before = names(&disk, "snapshot");
    let length = |name: &String| disk.contents(name).unwrap().len() as u64;
    disk.set_capacity(Some(
        disk.bytes() + before.iter().map(length).min().unwrap() / 2,
    ));
    assert!(quotad.charge() && quotad.storage.take_snapshot(&quotad.engine).unwrap());
    let after = names(&disk, "snapshot");
    println!(
        "full disk: {} holds settled, then it went on; a snapshot in the older one's place: {before:?}, then {after:?}",
        open.len(),
    );
    assert!(before.len() == 2 && after.len() == 2 && before[1] == after[0]);
    // Without room for any: the books go on, and say so.
    disk.set_capacity(Some(0));
    assert!(quotad.charge() && !quotad.storage.take_snapshot(&quotad.engine).unwrap());
    // There is room for records, but none for the file of another plan: that change is refused, and nothing has failed.
    assert_eq!(quotad.change_plan(), Err(EngineError::NoRoom));
    assert!(quotad.charge() && !quotad.engine.has_failed());
    assert!(quotad.storage.failure().is_none());
    disk.set_capacity(None);
    quotad.goes_on();
    for crash in [Crash::Process, Crash::Power(0), Crash::Power(9)] {
        let again = Quotad::start(Arc::new(disk.after(crash)), 2);
        let (expected, found) = (quotad.engine.fingerprint(), again.engine.fingerprint());
        assert_eq!(found, expected, "{crash:?}");
    }
}

#[test]
fn an_allocation_without_room_is_no_failure() {
    let mut charges = 0;
    for nth in 0..ALLOCATIONS {
        let disk = SimulatedDisk::new();
        let quotad = Quotad::start(Arc::new(disk.clone()), 1);
        disk.fail_kind(Kind::Allocate, nth, ENOSPC);
        for _ in 0..CHARGES {
            quotad.storage.make_room().unwrap();
            assert!(quotad.charge(), "the next try found room");
            charges += 1;
        }
        let allocated = disk
            .kinds()
            .into_iter()
            .filter(|kind| *kind == Kind::Allocate);
        assert!(quotad.storage.failure().is_none());
        assert!(allocated.count() as u64 > nth, "this one was met");
        quotad.storage.sync().unwrap();
        let again = Quotad::start(Arc::new(disk.after(Crash::Power(0))), 2);
        assert_eq!(again.engine.fingerprint(), quotad.engine.fingerprint());
    }
    println!(
        "full disk: each of {ALLOCATIONS} allocations refused once, {charges} charges went on"
    );
}

/// Set in the process that has the small file system.
const INSIDE: &str = "QUOTAD_SURVIVAL_MOUNTED";

#[test]
fn a_real_file_system_that_is_full() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return on_a_small_file_system(&PathBuf::from(folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap();
    // The mount is seen by that process only, and goes with it.
    for namespace in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        let mut inside = Command::new("unshare");
        inside.args(namespace).arg("sh").arg("-c");
        inside.arg(
            "mount -t tmpfs -o size=3m tmpfs \"$1\" || exit 77; \
             exec \"$2\" --exact full::a_real_file_system_that_is_full --nocapture",
        );
        let output = inside
            .arg("sh")
            .args([folder.path(), test.as_path()])
            .env(INSIDE, folder.path())
            .output();
        match output {
            Ok(output) if output.status.code() == Some(77) => {}
            Ok(output) if output.stdout.is_empty() => {}
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout);
                let figures = text
                    .lines()
                    .filter(|line| line.starts_with("full file system"));
                figures.for_each(|line| println!("{line}"));
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{text}{errors}");
                return;
            }
            Err(_) => {}
        }
    }
    println!(
        "full file system: NOT RUN, because this process may not mount one (it needs `unshare`, `mount` and the right to)"
    );
}

fn on_a_small_file_system(folder: &Path) {
    let disk = || Arc::new(RealDisk::open(&folder.join("data")).unwrap());
    let quotad = Quotad::start(disk(), 1);
    // Something else takes what is left.
    let ballast = folder.join("ballast");
    let taken = fill(&ballast);
    let open = quotad.until_full();
    quotad.settle_while_full(&open);
    let without_room = quotad.storage.take_snapshot(&quotad.engine).unwrap();
    assert!(!without_room, "a snapshot found room where there is none");
    std::fs::remove_file(&ballast).unwrap();
    quotad.goes_on();
    let taken_now = quotad.storage.take_snapshot(&quotad.engine).unwrap();
    assert!(taken_now, "a snapshot finds room again");
    // Nothing is closed, as if it had been killed.
    let again = Quotad::start(disk(), 2);
    assert_eq!(again.engine.fingerprint(), quotad.engine.fingerprint());
    println!(
        "full file system: {taken} bytes taken by something else, {} holds settled while it was full, then it went on; a \
         second process found the same books",
        open.len()
    );
}

/// Writes zeros until there is no room; answers how many.
fn fill(path: &Path) -> u64 {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    let mut written = 0;
    loop {
        match file.write(&[0; 4_096]) {
            Ok(bytes) => written += bytes as u64,
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(ENOSPC));
                return written;
            }
        }
    }
}
