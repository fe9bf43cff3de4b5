//! Bounded everything: what is answered when a bound is reached, and that nothing is lost by it. Also what survives a
//! clock that somebody sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quotad::domain::credits::Credits;
use quotad::domain::fact::Fact;
use quotad::domain::names::Name;
use quotad::domain::plan::{Excess, Grant, GrantKind, LimitKind, OrganizationPlan, Plan, UserPlan};
use quotad::domain::rates::Cost;
use quotad::engine::answer::{Committed, Decision, Denial, EngineError, Reason, Reserved};
use quotad::engine::order::{Actual, Charge, Commit, Extend, Id, Of, Reserve, Subject};
use quotad::engine::recorder::{Forgetful, NotKept, Receipt, Recorder, Unrecorded};
use quotad::engine::{Bounds, Engine, REMEMBERED};
use quotad::world::clock::ManualClock;

/// 2026-11-21T00:00:00Z.
const START_NS: i64 = 1_795_219_200_000_000_000;

struct Books {
    engine: Engine,
    clock: Arc<ManualClock>,
}

/// One organization, `default`, with 1,000 credits, of which `ana` has 100 set aside.
fn books(bounds: Bounds) -> Books {
    books_with(bounds, Arc::new(Forgetful))
}

fn books_with(bounds: Bounds, recorder: Arc<dyn Recorder>) -> Books {
    let clock = Arc::new(ManualClock::at(START_NS));
    let engine = Engine::new(bounds, 7, Arc::clone(&clock) as _, recorder);
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
    let ana = UserPlan {
        limit: Credits::saturating(100),
        kind: LimitKind::Hard,
        thresholds: None,
    };
    organization.users.insert("ana".into(), ana);
    let mut plan = Plan::default();
    plan.organizations
        .insert("default".into(), Arc::new(organization));
    assert_eq!(engine.apply_plan(plan), Ok(true));
    Books { engine, clock }
}

fn subject(user: &str) -> Subject<'_> {
    Subject::new(
        Name::DEFAULT,
        Name::DEFAULT,
        Name::parse_optional(user).unwrap(),
    )
}

fn credits(amount: u64) -> Cost<'static> {
    Cost::Credits {
        amount: Credits::new(amount).unwrap(),
        operation: None,
    }
}

impl Books {
    fn reserve(
        &self,
        user: &str,
        amount: u64,
        id: Option<Id>,
    ) -> Result<Decision<Reserved>, EngineError> {
        let (subject, cost, min, ttl) = (subject(user), credits(amount), None, None);
        self.engine.reserve(&Reserve {
            subject,
            cost,
            min,
            ttl,
            id,
        })
    }

    fn charge(
        &self,
        user: &str,
        amount: u64,
        id: Option<Id>,
    ) -> Result<Decision<Committed>, EngineError> {
        let (subject, cost) = (subject(user), credits(amount));
        self.engine.charge(&Charge { subject, cost, id })
    }

    fn commit(&self, id: Id, amount: u64) -> Result<Decision<Committed>, EngineError> {
        let actual = Actual::Amount(Credits::new(amount).unwrap());
        self.engine.commit(&Commit {
            id,
            actual,
            excess: Excess::Record,
        })
    }

    fn used(&self, of: Of<'_>) -> u64 {
        self.engine.balance(Name::DEFAULT, of).unwrap().used
    }

    fn cells(&self) -> u64 {
        self.engine.stats().cells.load(Ordering::Relaxed)
    }
}

fn granted<T>(answer: Result<Decision<T>, EngineError>) -> T {
    match answer.unwrap() {
        Decision::Granted(granted) => granted,
        Decision::Denied(denial) => panic!("denied: {denial:?}"),
    }
}

fn denied<T: std::fmt::Debug>(answer: Result<Decision<T>, EngineError>) -> Denial {
    match answer.unwrap() {
        Decision::Denied(denial) => *denial,
        Decision::Granted(granted) => panic!("granted: {granted:?}"),
    }
}

#[test]
fn beyond_the_bound_users_without_a_limit_share_a_cell_and_nothing_is_lost() {
    let books = books(Bounds {
        cells: 3,
        ..Bounds::default()
    });
    for user in 0..50 {
        granted(books.charge(&format!("user-{user}"), 10, None));
    }
    granted(books.charge("ana", 60, None));
    assert_eq!(
        books.cells(),
        5,
        "three of their own, a shared one, and ana's"
    );
    assert_eq!(books.used(Of::Organization), 560);
    assert_eq!(
        books.used(Of::User(Name::parse("user-0").unwrap())),
        10,
        "known users are unharmed"
    );
    let ana = Name::parse("ana").unwrap();
    assert_eq!(
        books.used(Of::User(ana)),
        60,
        "a user with a limit always has a cell"
    );
    let available = denied(books.charge("stranger", 401, None)).available;
    assert_eq!(
        available, 400,
        "900 of the pool less 500; ana's set-aside paid for ana"
    );
}

#[test]
fn a_denial_makes_no_cell_and_one_back_at_nothing_is_freed() {
    let books = books(Bounds::default());
    denied(books.charge("greedy", 5_000, None));
    assert_eq!(books.cells(), 0);
    let hold = granted(books.reserve("bo", 10, None));
    assert_eq!(books.cells(), 1);
    books.engine.release(&hold.id).unwrap();
    assert_eq!(books.cells(), 1, "a repeated release still finds it");
    books.clock.advance(REMEMBERED);
    books.engine.tick().unwrap();
    assert_eq!(books.cells(), 0);
    assert!(matches!(
        books.engine.release(&hold.id),
        Err(EngineError::UnknownReservation(_))
    ));
}

#[test]
fn beyond_the_bound_on_holds_reserve_is_denied_and_commit_goes_on() {
    let books = books(Bounds {
        holds: 2,
        ..Bounds::default()
    });
    let first = granted(books.reserve("a", 1, None));
    granted(books.reserve("b", 1, None));
    assert_eq!(
        denied(books.reserve("c", 1, None)).reason,
        Reason::ResourceLimit
    );
    granted(books.charge("c", 1, None));
    granted(books.commit(first.id, 1));
    granted(books.reserve("c", 1, None));
}

/// Has room until it is told otherwise.
struct Full(AtomicBool);

impl Recorder for Full {
    fn record(&self, _facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        Ok(Receipt(0))
    }

    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _holds_open: u64) -> bool {
        !self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn without_room_to_record_nothing_new_begins_and_commit_and_release_go_on() {
    let full = Arc::new(Full(AtomicBool::new(false)));
    let books = books_with(Bounds::default(), Arc::clone(&full) as _);
    let first = granted(books.reserve("a", 10, Some([1; 16])));
    let second = granted(books.reserve("a", 10, None));
    let charged = granted(books.charge("a", 5, Some([2; 16])));
    full.0.store(true, Ordering::SeqCst);
    let extend = |additional| {
        let (additional, ttl) = (
            Credits::saturating(additional),
            Some(Duration::from_secs(90)),
        );
        let (id, request_id) = (second.id, None);
        books.engine.extend(&Extend {
            id,
            additional,
            ttl,
            request_id,
        })
    };
    let limit = Reason::ResourceLimit;
    assert_eq!(denied(books.reserve("a", 1, None)).reason, limit);
    assert_eq!(denied(books.charge("a", 1, None)).reason, limit);
    assert_eq!(denied(extend(1)).reason, limit);
    granted(extend(0));
    let again = granted(books.reserve("a", 10, Some([1; 16])));
    assert_eq!((again.id, again.granted), (first.id, first.granted));
    let again = granted(books.charge("a", 5, Some([2; 16])));
    assert_eq!(again.committed, charged.committed);
    granted(books.commit(first.id, 30));
    books.engine.release(&second.id).unwrap();
    full.0.store(false, Ordering::SeqCst);
    granted(books.reserve("a", 1, None));
    granted(books.charge("a", 1, None));
}

#[test]
fn the_oldest_settled_requests_are_forgotten_first_and_old_uuids_are_then_refused() {
    let books = books(Bounds {
        settled: 4,
        ..Bounds::default()
    });
    let mut ids = Vec::new();
    for _ in 0..10 {
        books.clock.advance(Duration::from_millis(5));
        let id = uuid_v7(books.clock.as_ref());
        granted(books.charge("a", 1, Some(id)));
        ids.push(id);
    }
    books.engine.tick().unwrap();
    assert_eq!(books.engine.stats().settled(), 4);
    granted(books.charge("a", 1, Some(ids[9])));
    assert!(matches!(
        books.charge("a", 1, Some(ids[0])),
        Err(EngineError::Precondition(_))
    ));
    assert_eq!(books.used(Of::Organization), 10, "neither was booked twice");
}

/// Remembers what was forgotten in one go.
#[derive(Default)]
struct Forgotten(Mutex<Vec<u32>>);

impl Recorder for Forgotten {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        let counts = facts.iter().filter_map(|fact| match fact {
            Fact::Forgotten { count, .. } => Some(*count),
            _ => None,
        });
        self.0.lock().extend(counts);
        Ok(Receipt(0))
    }

    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _holds_open: u64) -> bool {
        true
    }
}

#[test]
fn of_many_settled_requests_some_are_forgotten_together_and_the_bound_holds_to_within_a_256th() {
    let forgotten = Arc::new(Forgotten::default());
    let bounds = Bounds {
        settled: 1_024,
        ..Bounds::default()
    };
    let books = books_with(bounds, Arc::clone(&forgotten) as _);
    for number in 0..2_000_u32 {
        let id = [&number.to_le_bytes()[..], &[1; 12]].concat();
        granted(books.charge("a", 0, Some(id.try_into().unwrap())));
        assert!(books.engine.stats().settled() <= 1_024 + 4 + 1, "{number}");
    }
    let forgotten = forgotten.0.lock();
    assert!(forgotten.iter().all(|&count| count == 5), "{forgotten:?}");
    assert!(
        (190..=196).contains(&forgotten.len()),
        "{}",
        forgotten.len()
    );
}

#[test]
fn those_whose_time_is_over_are_forgotten_a_few_with_each_request_and_many_with_the_tick() {
    let books = books(Bounds::default());
    for _ in 0..2_000 {
        let hold = granted(books.reserve("a", 0, None));
        books.engine.release(&hold.id).unwrap();
    }
    books.clock.advance(REMEMBERED);
    let settled = || books.engine.stats().settled();
    granted(books.reserve("a", 0, None));
    assert_eq!(settled(), 2_000 - 64, "a request does not wait for more");
    books.engine.tick().unwrap();
    assert_eq!(settled(), 2_000 - 2 * 64 - 1_024);
}

#[test]
fn the_same_id_with_other_contents_is_refused_and_with_the_same_is_answered_again() {
    let books = books(Bounds::default());
    let id = Some([9; 16]);
    let first = granted(books.reserve("a", 10, id));
    let again = granted(books.reserve("a", 10, id));
    assert_eq!(
        (first.id, first.granted, first.expires),
        (again.id, again.granted, again.expires)
    );
    for other in [books.reserve("a", 11, id), books.reserve("b", 10, id)] {
        assert!(matches!(
            other,
            Err(EngineError::Invalid {
                field: "reservation_id",
                ..
            })
        ));
    }
    assert!(matches!(
        books.charge("a", 10, id),
        Err(EngineError::Invalid {
            field: "request_id",
            ..
        })
    ));
    assert_eq!(books.engine.stats().holds_open(), 1);
}

#[test]
fn amounts_beyond_what_counters_can_hold_are_refused() {
    let books = books(Bounds::default());
    let most = Credits::MAX.get();
    let hold = granted(books.reserve("a", 1, None));
    assert_eq!(granted(books.commit(hold.id, most)).committed, Credits::MAX);
    let hold = granted(books.reserve("ana", 0, None));
    assert!(matches!(
        books.commit(hold.id, most),
        Err(EngineError::Invalid {
            field: "amount",
            ..
        })
    ));
    assert_eq!(books.used(Of::Organization), most);
    granted(books.commit(hold.id, 0));
}

#[test]
fn setting_the_clock_neither_lengthens_a_hold_nor_reopens_a_cycle() {
    let books = books(Bounds::default());
    let hold = granted(books.reserve("a", 10, None));
    // Steady time goes on; the calendar is set back by a day, which the clock shows as standing still.
    books.clock.advance(Duration::from_secs(60));
    books.clock.set_wall(START_NS);
    books.engine.tick().unwrap();
    assert_eq!(
        books
            .engine
            .balance(Name::DEFAULT, Of::Organization)
            .unwrap()
            .held,
        0
    );
    assert!(granted(books.commit(hold.id, 10)).late);
    let end = books
        .engine
        .balance(Name::DEFAULT, Of::Organization)
        .unwrap()
        .cycle_end;
    books.clock.set_wall(end.nanos());
    assert_eq!(books.used(Of::Organization), 0, "a new cycle");
    books.clock.set_wall(START_NS);
    assert_eq!(books.used(Of::Organization), 0, "and it stays");
}

fn uuid_v7(clock: &ManualClock) -> Id {
    use quotad::world::clock::Clock;
    let millis = clock.read().wall_ns / 1_000_000;
    let mut id = [0; 16];
    id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8] = 0x80;
    id
}
