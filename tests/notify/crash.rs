//! A crash at each step of the disk, of the process and of the power: what fired stands in the log once, and nothing is
//! missing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quotad::engine::Engine;
use quotad::notify::{Keeper, Notifications};
use quotad::storage::{Durability, Options, Storage};
use quotad::world::clock::{Clock, ManualClock};
use quotad::world::disk::{Crash, SimulatedDisk};

use super::house::{all, apply, charge, engine, fast, open, plan, shown};
use super::log::START_NS;

const USERS: usize = 6;

/// A process: books, journal, log of events.
struct Process {
    storage: Storage,
    engine: Arc<Engine>,
    keeper: Keeper,
    log: Notifications,
}

impl Process {
    /// `None` if the machine stopped meanwhile.
    fn start(disk: &SimulatedDisk, clock: &Arc<dyn Clock>) -> Option<Self> {
        let options = Options {
            durability: Durability::Process,
            snapshot_interval: Duration::from_secs(3_600),
            fsync_interval: Duration::from_millis(100),
            journal_bytes_max: 1 << 20,
            retention: Duration::from_secs(395 * 86_400),
            drop_from: None,
        };
        let storage = Storage::new(Arc::new(disk.clone()), options, Arc::clone(clock));
        let engine = engine(Arc::clone(clock), storage.recorder());
        let recovered = storage.recover(&engine);
        if disk.has_stopped() {
            return None;
        }
        recovered.unwrap();
        if engine.plan().organizations.is_empty() {
            let plan = quotad::config::plan_file::parse(&plan(USERS), "plan.yaml").unwrap();
            drop(engine.apply_plan(plan));
        }
        if disk.has_stopped() {
            return None;
        }
        let (log, keeper) = open(disk, clock, fast(), Vec::new());
        Some(Self {
            storage,
            engine,
            keeper,
            log,
        })
    }

    fn pass(&mut self) -> bool {
        let storage = &self.storage;
        self.keeper
            .pass(&self.engine, |upto| storage.synced() >= upto)
            .is_ok()
    }

    /// Charges, syncs and passes, so that what fires is in every state; ends where the machine stops.
    fn work(&mut self, disk: &SimulatedDisk, charged: &mut BTreeMap<usize, u64>) {
        for (at, user) in (0..USERS).chain(0..USERS).enumerate() {
            if disk.has_stopped() {
                return;
            }
            let credits = if at < USERS { 80 } else { 20 };
            if charge(&self.engine, user, credits) {
                *charged.entry(user).or_default() += credits;
            }
            if at % 2 == 0 {
                drop(self.storage.sync());
            }
            if at % 3 != 0 {
                self.pass();
            }
            if at == USERS {
                drop(self.storage.take_snapshot(&self.engine));
            }
        }
    }

    /// Brings everybody to 100 %, and everything that waits into the log.
    fn finish(&mut self) -> Vec<String> {
        for user in 0..USERS {
            while charge(&self.engine, user, 20) && used(&self.engine, user) < 100 {}
        }
        self.storage.sync().unwrap();
        while self.engine.notices_waiting() > 0 {
            assert!(self.pass());
        }
        shown(&all(&self.log))
    }
}

fn used(engine: &Engine, user: usize) -> u64 {
    use quotad::domain::names::Name;
    use quotad::engine::order::Of;
    let user = format!("u{user:05}");
    let balance = engine.balance(
        Name::parse("acme").unwrap(),
        Of::User(Name::parse(&user).unwrap()),
    );
    balance.unwrap().used
}

#[test]
fn after_a_crash_at_any_step_each_threshold_stands_in_the_log_once() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(START_NS));
    let whole = SimulatedDisk::new();
    let mut process = Process::start(&whole, &clock).unwrap();
    process.work(&whole, &mut BTreeMap::new());
    let mut expected = process.finish();
    expected.sort();
    assert_eq!(expected.len(), 2 * USERS);
    let steps = whole.steps();
    let (mut crashes, mut missing, mut twice, mut recognized) = (0, 0, 0, 0);
    for step in 0..steps {
        for crash in [
            Crash::Process,
            Crash::Power(0),
            Crash::Power(1),
            Crash::Power(step + 2),
        ] {
            let disk = SimulatedDisk::new();
            disk.stop_at(step);
            if let Some(mut process) = Process::start(&disk, &clock) {
                process.work(&disk, &mut BTreeMap::new());
            }
            let disk = disk.after(crash);
            let mut process = Process::start(&disk, &clock).unwrap();
            if process.engine.notices_waiting() > 0 {
                process.storage.sync().unwrap();
                let storage = &process.storage;
                let passed = process
                    .keeper
                    .pass(&process.engine, |upto| storage.synced() >= upto);
                recognized += passed.unwrap().recognized;
            }
            let mut told = process.finish();
            told.sort();
            let mut once = told.clone();
            once.dedup();
            twice += told.len() - once.len();
            missing += expected.iter().filter(|it| !once.contains(it)).count();
            crashes += 1;
        }
    }
    println!(
        "crash: {crashes} crashes at each of {steps} steps (process, power); {recognized} notices came again and were \
         recognized; emitted twice {twice}, missing {missing}"
    );
    assert!(recognized > 0, "no crash came between writing and taking");
    assert_eq!((twice, missing), (0, 0));
}

#[test]
fn a_limit_lowered_raised_and_lowered_again_with_restarts_between_fires_once() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(START_NS));
    let mut disk = SimulatedDisk::new();
    let with = |limit: u64| {
        plan(USERS).replace(
            "u00000: {limit: 100}",
            &format!("u00000: {{limit: {limit}}}"),
        )
    };
    let mut expected: Vec<&str> = Vec::new();
    for (at, (limit, charged, fires)) in [
        (1_000, 100, &[][..]),
        (120, 0, &["users/u00000 80"][..]),
        (1_000, 0, &[]),
        (120, 0, &[]),
        (100, 0, &["users/u00000 100"]),
        (1_000, 0, &[]),
        (100, 0, &[]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut process = Process::start(&disk, &clock).unwrap();
        apply(&process.engine, &with(limit));
        if charged > 0 {
            assert!(charge(&process.engine, 0, charged));
        }
        process.storage.sync().unwrap();
        // Every second time it dies before anything is written.
        if at % 2 == 1 {
            process.pass();
        }
        expected.extend(fires);
        disk = disk.after(Crash::Process);
        let mut process = Process::start(&disk, &clock).unwrap();
        process.storage.sync().unwrap();
        process.pass();
        assert_eq!(shown(&all(&process.log)), expected, "limit {limit}");
        disk = disk.after(Crash::Power(0));
    }
    // Exactly 80 %, and not one credit before; a jump from 10 % to 100 %.
    let mut process = Process::start(&disk, &clock).unwrap();
    for (user, credits, fires) in [
        (1, 79, 0),
        (1, 1, 1),
        (1, 19, 0),
        (1, 1, 1),
        (2, 10, 0),
        (2, 90, 2),
    ] {
        let before = all(&process.log).len();
        charge(&process.engine, user, credits);
        process.storage.sync().unwrap();
        process.pass();
        assert_eq!(
            all(&process.log).len() - before,
            fires,
            "{user}: {credits} more"
        );
    }
}
