//! An engine restored from a copy: what holds go on to mean, what time and notices do meanwhile, and what it refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quotad::domain::account::Account;
use quotad::domain::credits::Credits;
use quotad::domain::fact::{Fact, OrganizationId, Slot};
use quotad::domain::names::Name;
use quotad::domain::plan::{Excess, Grant, GrantKind, OrganizationPlan, Plan};
use quotad::domain::rates::Cost;
use quotad::domain::time::Timestamp;
use quotad::engine::answer::{Decision, EngineError, Reserved};
use quotad::engine::entry::{Cell, Entry, LastRow, Misfit};
use quotad::engine::order::{Actual, Commit, Extend, Id, Of, Reserve, Subject};
use quotad::engine::recorder::{NotKept, Receipt, Recorder, Unrecorded};
use quotad::engine::{Bounds, Engine, REMEMBERED};
use quotad::world::clock::ManualClock;

/// 2026-11-21T00:00:00Z.
const START_NS: i64 = 1_795_219_200_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

/// Keeps nothing, and refuses when it is told to.
#[derive(Default)]
struct Refusing(AtomicBool);

impl Recorder for Refusing {
    fn record(&self, _facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(Unrecorded),
            false => Ok(Receipt(7)),
        }
    }

    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), NotKept> {
        let recorded = self.record(&[]);
        recorded.map(drop).map_err(|_| NotKept::Unrecorded)
    }

    fn has_room(&self, _holds_open: u64) -> bool {
        true
    }
}

struct Process {
    engine: Engine,
    clock: Arc<ManualClock>,
    recorder: Arc<Refusing>,
}

impl Process {
    fn new(start: u64, now_ns: i64) -> Self {
        let clock = Arc::new(ManualClock::at(now_ns));
        let recorder = Arc::new(Refusing::default());
        let engine = Engine::new(
            Bounds::default(),
            start,
            Arc::clone(&clock) as _,
            Arc::clone(&recorder) as _,
        );
        Self {
            engine,
            clock,
            recorder,
        }
    }

    /// One organization, `default`, with 1,000 credits a month.
    fn planned() -> Self {
        let process = Self::new(1, START_NS);
        assert_eq!(process.engine.apply_plan(plan()), Ok(true));
        process
    }

    /// Another process takes over: from a copy, at its own time.
    fn taken_over(&self, now_ns: i64) -> Self {
        let next = Self::new(2, now_ns);
        let mut copying = self.engine.copy().unwrap().unwrap();
        next.engine.restore_plan(copying.plan());
        while copying.step(1, &mut |entry| next.engine.restore(entry).unwrap()) {}
        next.engine.restored();
        assert_eq!(self.engine.fingerprint(), next.engine.fingerprint());
        next.engine.resume().unwrap();
        next
    }

    fn reserve(&self, amount: u64, id: Option<Id>) -> Result<Reserved, EngineError> {
        let subject = Subject::new(Name::DEFAULT, Name::DEFAULT, None);
        let amount = Credits::new(amount).unwrap();
        let cost = Cost::Credits {
            amount,
            operation: None,
        };
        let (min, ttl) = (None, Some(60 * SECOND));
        let decision = self.engine.reserve(&Reserve {
            subject,
            cost,
            min,
            ttl,
            id,
        })?;
        Ok(granted(decision))
    }

    fn commit(&self, id: Id, amount: u64) -> Result<bool, EngineError> {
        let (actual, excess) = (
            Actual::Amount(Credits::new(amount).unwrap()),
            Excess::Record,
        );
        let decision = self.engine.commit(&Commit { id, actual, excess })?;
        Ok(granted(decision).late)
    }

    fn balance(&self) -> (u64, u64) {
        let balance = self.engine.balance(Name::DEFAULT, Of::Organization);
        balance.map(|it| (it.used, it.held)).unwrap()
    }
}

fn plan() -> Plan {
    let mut organization = OrganizationPlan::default();
    let credits = Credits::saturating(1_000);
    organization.grants.push(Grant {
        kind: GrantKind::Contract {
            credits,
            rollover: None,
        },
        valid_from: None,
        valid_until: None,
    });
    let mut plan = Plan::default();
    plan.organizations
        .insert("default".into(), Arc::new(organization));
    plan
}

fn granted<T>(decision: Decision<T>) -> T {
    match decision {
        Decision::Granted(granted) => granted,
        Decision::Denied(denial) => panic!("denied: {denial:?}"),
    }
}

#[test]
fn holds_of_the_process_before_are_committed_extended_released_and_retried_by_their_ids() {
    let before = Process::planned();
    let own = before.reserve(10, None).unwrap();
    let chosen = before.reserve(20, Some([9; 16])).unwrap();
    let released = before.reserve(30, None).unwrap();
    let settled = before.reserve(40, None).unwrap();
    assert_eq!(before.commit(settled.id, 35), Ok(false));
    let after = before.taken_over(START_NS);
    assert_eq!(after.balance(), (35, 60));

    let retried = after.reserve(20, Some([9; 16])).unwrap();
    assert_eq!(
        (retried.id, retried.granted, retried.expires),
        (chosen.id, chosen.granted, chosen.expires)
    );
    let more = Extend {
        id: own.id,
        additional: Credits::new(5).unwrap(),
        ttl: Some(120 * SECOND),
        request_id: None,
    };
    let extended = granted(after.engine.extend(&more).unwrap());
    assert_eq!((extended.id, extended.granted.get()), (own.id, 15));
    assert_eq!(after.commit(own.id, 12), Ok(false));
    assert_eq!(after.commit(chosen.id, 20), Ok(false));
    let returned = after.engine.release(&released.id).unwrap().returned;
    assert_eq!(returned.get(), 30);
    assert_eq!(after.commit(settled.id, 35), Ok(false), "a retry");
    assert_eq!(after.balance(), (35 + 12 + 20, 0));

    // The slots are given out again, with ids of this start: nobody meets a stranger's hold.
    let fresh = after.reserve(1, None).unwrap();
    assert_ne!(fresh.id[8..], own.id[8..]);
    after.clock.advance(REMEMBERED + 60 * SECOND);
    after.engine.tick().unwrap();
    assert!(matches!(
        after.commit(own.id, 12),
        Err(EngineError::UnknownReservation(_))
    ));
}

#[test]
fn what_came_due_between_two_processes_happens_when_the_second_takes_over() {
    let before = Process::planned();
    let hold = before.reserve(10, None).unwrap();
    let day = 86_400_000_000_000;
    let after = before.taken_over(START_NS + 80 * day);
    let books = after.engine.export(Name::DEFAULT).unwrap();
    assert!(
        books.len() <= 2,
        "the cycles between hold nothing: {books:#?}"
    );
    assert_eq!(after.balance(), (0, 0));
    assert!(
        after
            .commit(hold.id, 10)
            .is_err_and(|error| matches!(error, EngineError::UnknownReservation(_)))
    );
}

#[test]
fn no_hold_lives_longer_than_its_full_time_after_the_clock_was_set_back() {
    let before = Process::planned();
    before.clock.advance(Duration::from_secs(3_600));
    let settled = before.reserve(1, None).unwrap();
    assert_eq!(before.commit(settled.id, 1), Ok(false));
    before.clock.advance(10 * SECOND);
    let hold = before.reserve(10, None).unwrap();
    before.clock.advance(10 * SECOND);
    let after = before.taken_over(START_NS);
    after.clock.advance(59 * SECOND);
    assert_eq!(after.balance().1, 10);
    after.clock.advance(SECOND);
    assert_eq!(after.balance().1, 0, "its 60 seconds are over");
    assert_eq!(after.commit(hold.id, 10), Ok(true));
    after.clock.advance(REMEMBERED - 60 * SECOND);
    after.engine.tick().unwrap();
    let again = after.commit(settled.id, 1);
    assert!(matches!(again, Err(EngineError::UnknownReservation(_))));
    assert_eq!(after.commit(hold.id, 10), Ok(true), "settled later");
}

#[test]
fn notices_that_wait_survive_and_those_that_were_taken_do_not_come_back() {
    let before = Process::planned();
    let hold = before.reserve(850, None).unwrap();
    assert_eq!(before.commit(hold.id, 850), Ok(false));
    let after = before.taken_over(START_NS);
    let told = |engine: &Engine| -> Vec<_> {
        let notices = engine.take_notices().into_iter();
        notices.map(|(name, it)| (name, it.to_string())).collect()
    };
    let eighty = "organization 80".to_owned();
    assert_eq!(told(&after.engine), [("default".into(), eighty)]);
    let third = after.taken_over(START_NS);
    assert_eq!(third.engine.take_notices(), []);

    let hold = third.reserve(150, None).unwrap();
    assert_eq!(third.commit(hold.id, 150), Ok(false));
    third.recorder.0.store(true, Ordering::SeqCst);
    assert_eq!(third.engine.take_notices(), [], "it cannot be recorded");
    assert!(third.engine.has_failed());
    assert_eq!(
        third.engine.notices(Name::DEFAULT),
        Err(EngineError::Unrecorded)
    );
    assert!(matches!(third.engine.copy(), Err(EngineError::Unrecorded)));
    assert_eq!(third.engine.resume(), Err(EngineError::Unrecorded));
}

#[test]
fn a_plan_that_cannot_be_kept_is_not_put_in_force() {
    let process = Process::new(1, START_NS);
    process.recorder.0.store(true, Ordering::SeqCst);
    assert_eq!(
        process.engine.apply_plan(plan()),
        Err(EngineError::Unrecorded)
    );
    assert!(process.engine.has_failed());
    assert_eq!(*process.engine.plan(), Plan::default());
}

#[test]
fn one_copy_at_a_time_and_a_dropped_one_ends_everywhere() {
    let process = Process::planned();
    let hold = process.reserve(10, None).unwrap();
    let mut copying = process.engine.copy().unwrap().unwrap();
    assert!(process.engine.copy().unwrap().is_none());
    assert!(copying.receipts().iter().all(|it| *it == Receipt(7)));
    assert!(copying.step(3, &mut |_| ()));
    // The book of the hold's cycle is closed and forgotten meanwhile; it stays until the copy has ended.
    let cells = || process.engine.stats().cells.load(Ordering::Relaxed);
    process.clock.advance(Duration::from_secs(40 * 86_400));
    process.engine.tick().unwrap();
    process.engine.tick().unwrap();
    assert!(process.commit(hold.id, 10).is_err());
    assert_eq!(cells(), 0, "its only cell is back at nothing");
    assert_eq!(process.engine.export(Name::DEFAULT).unwrap().len(), 2);
    drop(copying);
    assert_eq!(process.engine.export(Name::DEFAULT).unwrap().len(), 1);
    process.taken_over(START_NS + 40 * 86_400_000_000_000);
}

/// Entries of a real copy, of which one is bent.
fn bent(bend: &dyn Fn(&Entry<'_>) -> Vec<Entry<'static>>) -> Result<(), Misfit> {
    let before = Process::planned();
    // Two places in the order, and one slot.
    let hold = before.reserve(10, None).unwrap();
    before.commit(hold.id, 10).unwrap();
    let next = Process::new(2, START_NS);
    let mut copying = before.engine.copy().unwrap().unwrap();
    next.engine.restore_plan(copying.plan());
    let mut came = Ok(());
    let mut take = |entry: &Entry<'_>| {
        came = came.and_then(|()| next.engine.restore(entry));
        for bent in bend(entry) {
            came = came.and_then(|()| next.engine.restore(&bent));
        }
    };
    while copying.step(100, &mut take) {}
    came
}

#[test]
fn entries_that_do_not_fit_are_refused_without_a_panic_and_without_asking_for_all_memory() {
    assert_eq!(bent(&|_| Vec::new()), Ok(()));
    let nobody = OrganizationId {
        shard: 200,
        index: 9,
    };
    let stranger = OrganizationId { shard: 3, index: 9 };
    let user = |organization, book, number, cells: &'static [Cell]| Entry::User {
        organization,
        book,
        number,
        name: "x",
        cells,
    };
    static MUCH: [Cell; 1] = [Cell {
        environment: 0,
        references: 0,
        used: u64::MAX,
        held: u64::MAX,
        trial_used: 0,
        trial_held: 0,
        is_booked: false,
        last_row: LastRow(0),
    }];
    static NOWHERE: [Cell; 1] = [Cell {
        environment: 77,
        references: 0,
        used: 1,
        held: 0,
        trial_used: 0,
        trial_held: 0,
        is_booked: false,
        last_row: LastRow(0),
    }];
    type Bend<'a> = Box<dyn Fn(&Entry<'_>) -> Vec<Entry<'static>> + 'a>;
    // What follows the user's row of the copy.
    let after_user = |make: fn(OrganizationId) -> Entry<'static>| -> Bend<'_> {
        Box::new(move |entry: &Entry<'_>| match entry {
            Entry::User { organization, .. } => vec![make(*organization)],
            _ => Vec::new(),
        })
    };
    let remembered = |change: fn(&mut Slot, &mut quotad::engine::entry::Row)| -> Bend<'_> {
        Box::new(move |entry: &Entry<'_>| match entry {
            Entry::Remembered { slot, row } => {
                let (mut slot, mut row) = (*slot, **row);
                change(&mut slot, &mut row);
                let row = Box::leak(Box::new(row));
                vec![Entry::Remembered { slot, row }]
            }
            _ => Vec::new(),
        })
    };
    let cases: Vec<(&str, Bend<'_>)> = vec![
        (
            "no such shard",
            Box::new(move |_| vec![user(nobody, 0, 0, &[])]),
        ),
        (
            "no such organization",
            Box::new(move |_| vec![user(stranger, 0, 0, &[])]),
        ),
        (
            "no such book",
            after_user(|it| Entry::Fired {
                organization: it,
                book: 8,
                account: &Account::Pool,
                percent: 1,
            }),
        ),
        (
            "far apart",
            after_user(|organization| Entry::User {
                organization,
                book: 0,
                number: u32::MAX,
                name: "x",
                cells: &[],
            }),
        ),
        (
            "out of order",
            after_user(|organization| Entry::User {
                organization,
                book: 0,
                number: 0,
                name: "x",
                cells: &[],
            }),
        ),
        (
            "twice",
            after_user(|organization| Entry::User {
                organization,
                book: 0,
                number: 1,
                name: "",
                cells: &[],
            }),
        ),
        (
            "too much",
            after_user(|organization| Entry::User {
                organization,
                book: 0,
                number: 1,
                name: "x",
                cells: &MUCH,
            }),
        ),
        (
            "in no environment",
            after_user(|organization| Entry::User {
                organization,
                book: 0,
                number: 1,
                name: "x",
                cells: &NOWHERE,
            }),
        ),
        (
            "a share too much",
            after_user(|organization| Entry::Environment {
                organization,
                book: 0,
                number: 1,
                name: "x",
                share: u64::MAX,
            }),
        ),
        (
            "an organization that the plan does not name",
            after_user(|organization| Entry::Organization {
                organization: OrganizationId {
                    index: 1,
                    ..organization
                },
                name: "x",
                plan: None,
                extension_requests: &[],
                days_filed: 0,
            }),
        ),
        (
            "a shard twice",
            after_user(|organization| Entry::Shard {
                shard: organization.shard,
                sequence: 0,
                horizon: Timestamp::MIN,
            }),
        ),
        ("a slot twice", remembered(|_, _| ())),
        (
            "a slot far away",
            remembered(|slot, _| slot.index = u32::MAX),
        ),
        (
            "a slot that no request can have had",
            remembered(|slot, _| slot.index = 2),
        ),
        (
            "another generation",
            remembered(|slot, _| (slot.index, slot.generation) = (1, 4)),
        ),
        (
            "of the future",
            remembered(|slot, row| (slot.index, row.sequence) = (1, u64::MAX)),
        ),
        (
            "in no cell",
            remembered(|slot, row| (slot.index, row.place.user) = (1, 5)),
        ),
        (
            "an amount too much",
            remembered(|slot, row| (slot.index, row.held) = (1, u64::MAX)),
        ),
    ];
    for (what, bend) in &cases {
        assert!(bent(bend).is_err(), "{what}");
    }
}
