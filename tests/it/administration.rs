//! Administrators: an id does a thing once, also after a restart; each change is audited in its own group; the plan file owns
//! what it names; lists come page by page.

mod lists;

use std::sync::Arc;
use std::time::Duration;

use quotad::app::apply_text;
use quotad::domain::account::Account;
use quotad::domain::credits::Credits;
use quotad::domain::fact::Fact;
use quotad::domain::names::Name;
use quotad::domain::notice::Audit;
use quotad::domain::plan::edit::{self, EditError};
use quotad::domain::plan::{Entry, LimitKind, Plan, UserPlan, text};
use quotad::domain::rates::Cost;
use quotad::engine::answer::{Decision, EngineError};
use quotad::engine::order::{Act, Charge, Id, Of, Planned, Reserve, Subject};
use quotad::engine::{Bounds, Engine, REMEMBERED};
use quotad::world::clock::ManualClock;

use crate::world::Collecting;

/// 2026-11-21T00:00:00Z.
const START_NS: i64 = 1_795_219_200_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

const PLAN: &str = "
organizations:
  acme:
    grants: [{kind: contract, credits: 10000}]
    environments: {prod: {allocation: 1000}, dev: {}}
    users: {ana: {limit: 100}, bo: {limit: 200, type: soft}}
  tried: {trial: {credits: 50, days: 2}}
";

struct House {
    engine: Engine,
    clock: Arc<ManualClock>,
    facts: Arc<Collecting>,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(START_NS));
        let facts = Arc::new(Collecting::default());
        let engine = Engine::new(Bounds::default(), 7, clock.clone(), facts.clone());
        let house = Self {
            engine,
            clock,
            facts,
        };
        assert_eq!(house.file(PLAN), Ok(true));
        house.facts.take();
        house
    }

    fn file(&self, text: &str) -> Result<bool, String> {
        apply_text(&self.engine, text, "plan.yaml").map_err(|error| error.to_string())
    }

    /// Another process, with the books of this one.
    fn restarted(self) -> Self {
        let Self {
            engine,
            clock,
            facts,
        } = self;
        let next = Engine::new(Bounds::default(), 8, clock.clone(), facts.clone());
        let mut copying = engine.copy().unwrap().unwrap();
        next.restore_plan(copying.plan());
        while copying.step(64, &mut |entry| next.restore(entry).unwrap()) {}
        drop(copying);
        next.restored();
        next.resume().unwrap();
        facts.take();
        Self {
            engine: next,
            clock,
            facts,
        }
    }

    /// What was audited since the last call. Each audit has come in one group with what it tells of.
    fn audits(&self) -> Vec<Audit> {
        let facts = self.facts.take();
        let mut audits = Vec::new();
        for (group, fact) in &facts {
            let Fact::Audited { audit, .. } = fact else {
                continue;
            };
            let is_change = |fact: &Fact| {
                matches!(
                    fact,
                    Fact::Planned { .. }
                        | Fact::ExtensionRequested { .. }
                        | Fact::TrialStarted { .. }
                        | Fact::Adjusted { .. }
                        | Fact::Released(_)
                )
            };
            let mut changes = facts.iter().filter(|(_, fact)| is_change(fact));
            assert!(changes.any(|(at, _)| at == group), "{audit:?}");
            audits.push((**audit).clone());
        }
        audits
    }

    fn told(&self) -> Vec<String> {
        let line = |it: Audit| {
            let [who, action, target] = [it.who, it.action, it.target];
            let [before, after, why] = [it.before, it.after, it.why];
            format!(
                "{who} {action} {}/{target}: {before} -> {after} ({why})",
                it.organization
            )
        };
        self.audits().into_iter().map(line).collect()
    }

    fn change(
        &self,
        act: &Act<'_>,
        make: impl FnOnce(&Plan) -> Result<Plan, EditError>,
    ) -> Result<bool, Unchanged> {
        let changed = self.engine.change_plan(|present| {
            let plan = make(present).map_err(Unchanged::Edit)?;
            Ok::<_, Unchanged>(Planned::new(present, plan, act))
        })?;
        Ok(changed.is_changed)
    }

    fn used(&self, organization: &str) -> u64 {
        let balance = self.engine.balance(name(organization), Of::Organization);
        balance.unwrap().used
    }

    fn charge(&self, organization: &str, user: &str, credits: u64) {
        let order = Charge {
            subject: subject(organization, user),
            cost: amount(credits),
            id: None,
        };
        assert!(matches!(
            self.engine.charge(&order),
            Ok(Decision::Granted(_))
        ));
    }

    fn reserve(&self, organization: &str, user: &str, credits: u64) -> Id {
        let order = Reserve {
            subject: subject(organization, user),
            cost: amount(credits),
            min: None,
            ttl: None,
            id: None,
        };
        match self.engine.reserve(&order) {
            Ok(Decision::Granted(reserved)) => reserved.id,
            other => panic!("{other:?}"),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Unchanged {
    Edit(EditError),
    Engine(EngineError),
}

impl From<EngineError> for Unchanged {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

fn name(text: &str) -> Name<'_> {
    Name::parse(text).unwrap()
}

fn subject<'a>(organization: &'a str, user: &'a str) -> Subject<'a> {
    let user = Name::parse_optional(user).unwrap();
    Subject::new(name(organization), Name::DEFAULT, user)
}

fn amount(credits: u64) -> Cost<'static> {
    Cost::Credits {
        amount: Credits::new(credits).unwrap(),
        operation: None,
    }
}

fn act(action: &'static str, id: Option<Id>) -> Act<'static> {
    Act {
        who: "root",
        action,
        target: "",
        why: "because",
        request_id: id,
    }
}

fn user(limit: u64) -> UserPlan {
    UserPlan {
        limit: Credits::saturating(limit),
        kind: LimitKind::Hard,
        thresholds: None,
    }
}

fn is_other_contents<T>(answer: &Result<T, EngineError>) -> bool {
    matches!(
        answer,
        Err(EngineError::Invalid {
            field: "request_id",
            ..
        })
    )
}

#[test]
fn an_extension_is_requested_once_whatever_is_sent_again_and_audited_once() {
    let house = House::new();
    let (acme, act) = (name("acme"), act("RequestExtension", Some([1; 16])));
    let first = house.engine.request_extension(acme, &act).unwrap();
    house.clock.advance(Duration::from_secs(900));
    assert_eq!(
        house.engine.request_extension(acme, &act).unwrap().value,
        first.value
    );
    let usable = "1 in this cycle, 200000 credits from 2026-11-21T00:10:00Z on";
    assert_eq!(
        house.told(),
        [format!(
            "root RequestExtension acme/: 0 in this cycle -> {usable} (because)"
        )]
    );
    let house = house.restarted();
    assert_eq!(
        house.engine.request_extension(acme, &act).unwrap().value,
        first.value
    );
    assert_eq!(house.told(), [""; 0]);
    let balance = house.engine.balance(acme, Of::Organization).unwrap();
    assert_eq!(balance.sources.extension, 200_000);
    // The id stands for the extension; for nothing else.
    assert!(is_other_contents(&house.engine.start_trial(
        acme,
        name("ana"),
        &act
    )));
    let adjusted = house.engine.adjust(acme, Name::DEFAULT, None, 1, &act);
    assert!(is_other_contents(&adjusted));
}

#[test]
fn an_id_from_before_the_cycle_requests_no_second_extension() {
    let house = House::new();
    // A UUIDv7 of now.
    let millis = START_NS / 1_000_000;
    let mut id = [0x80; 16];
    id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    id[6] = 0x70;
    let (acme, act) = (name("acme"), act("RequestExtension", Some(id)));
    house.engine.request_extension(acme, &act).unwrap();
    house.clock.advance(11 * DAY);
    let late = house.engine.request_extension(acme, &act);
    assert!(
        matches!(late, Err(EngineError::Precondition(_))),
        "{late:?}"
    );
    let balance = house.engine.balance(acme, Of::Organization).unwrap();
    assert_eq!(balance.sources.extension, 0);
}

#[test]
fn a_trial_is_started_and_renewed_once_and_its_ids_are_never_forgotten() {
    let house = House::new();
    let (tried, tom) = (name("tried"), name("tom"));
    let (start, renew) = (
        act("StartTrial", Some([1; 16])),
        act("RenewTrial", Some([2; 16])),
    );
    let first = house.engine.start_trial(tried, tom, &start).unwrap();
    assert_eq!(
        house.engine.start_trial(tried, tom, &start).unwrap().value,
        first.value
    );
    house.charge("tried", "tom", 20);
    house.clock.advance(2 * DAY);
    let second = house.engine.renew_trial(tried, tom, &renew).unwrap();
    house.clock.advance(20 * DAY);
    let house = house.restarted();
    assert_eq!(
        house.engine.renew_trial(tried, tom, &renew).unwrap().value,
        second.value
    );
    assert_eq!(
        house.engine.start_trial(tried, tom, &start).unwrap().value,
        first.value
    );
    assert!(is_other_contents(
        &house.engine.renew_trial(tried, tom, &start)
    ));
    assert!(is_other_contents(&house.engine.start_trial(
        tried,
        name("ann"),
        &start
    )));
    assert!(is_other_contents(
        &house.engine.request_extension(tried, &start)
    ));
}

#[test]
fn trials_are_audited_with_how_they_were() {
    let house = House::new();
    let (tried, tom) = (name("tried"), name("tom"));
    house
        .engine
        .start_trial(tried, tom, &act("StartTrial", None))
        .unwrap();
    house.charge("tried", "tom", 20);
    house.clock.advance(2 * DAY);
    house
        .engine
        .renew_trial(tried, tom, &act("RenewTrial", None))
        .unwrap();
    assert_eq!(
        house.told(),
        [
            "root StartTrial tried/:  -> 50 credits until 2026-11-23T00:00:00Z (because)",
            "root RenewTrial tried/: ended 2026-11-23T00:00:00Z, 20 credits used -> \
             50 credits until 2026-11-25T00:00:00Z (because)",
        ]
    );
}

#[test]
fn a_correction_is_booked_once_as_long_as_requests_are_remembered() {
    let house = House::new();
    let (acme, ana) = (name("acme"), Some(name("ana")));
    let act = act("AdjustUsage", Some([1; 16]));
    let adjust =
        |house: &House, credits| house.engine.adjust(acme, Name::DEFAULT, ana, credits, &act);
    adjust(&house, 7).unwrap();
    adjust(&house, 7).unwrap();
    assert_eq!(
        house.told(),
        ["root AdjustUsage acme/: used 0 -> used 7 (because)"]
    );
    let house = house.restarted();
    adjust(&house, 7).unwrap();
    assert_eq!((house.used("acme"), house.told().len()), (7, 0));
    assert!(is_other_contents(&adjust(&house, 8)));
    // Nor does a charge take the id, nor a hold.
    let order = Charge {
        subject: subject("acme", "ana"),
        cost: amount(7),
        id: act.request_id,
    };
    assert!(is_other_contents(&house.engine.charge(&order)));
    assert!(house.engine.release(&[1; 16]).is_err());
    // Taken back to nothing, the cell stays until the corrections are forgotten.
    let back = Act {
        request_id: Some([2; 16]),
        ..act
    };
    house
        .engine
        .adjust(acme, Name::DEFAULT, ana, -7, &back)
        .unwrap();
    let house = house.restarted();
    house
        .engine
        .adjust(acme, Name::DEFAULT, ana, -7, &back)
        .unwrap();
    house.clock.advance(REMEMBERED + Duration::from_secs(1));
    house.engine.tick().unwrap();
    assert_eq!(house.used("acme"), 0);
    adjust(&house, 8).unwrap();
    assert_eq!(house.used("acme"), 8);
}

#[test]
fn nothing_is_audited_that_nobody_did_or_that_was_refused() {
    let house = House::new();
    let (acme, silent) = (
        name("acme"),
        Act {
            why: "why",
            ..Act::default()
        },
    );
    house.engine.request_extension(acme, &silent).unwrap();
    house
        .engine
        .adjust(acme, Name::DEFAULT, None, 5, &silent)
        .unwrap();
    let loud = act("AdjustUsage", None);
    house
        .engine
        .adjust(acme, Name::DEFAULT, None, -6, &loud)
        .unwrap_err();
    house
        .engine
        .start_trial(acme, name("ana"), &loud)
        .unwrap_err();
    let long = "x".repeat(1_025);
    let act = Act { why: &long, ..loud };
    house.engine.request_extension(acme, &act).unwrap_err();
    assert_eq!(house.told(), [""; 0]);
}

#[test]
fn a_forgotten_hold_is_released_once_by_name() {
    let house = House::new();
    let hold = house.reserve("acme", "ana", 60);
    let act = Act {
        target: "reservations/1",
        ..act("ReleaseReservation", None)
    };
    for _ in 0..2 {
        let released = house.engine.release_reservation(&hold, &act).unwrap();
        assert_eq!(released.returned.get(), 60);
    }
    assert_eq!(
        house.told(),
        ["root ReleaseReservation acme/reservations/1: 60 credits held -> released (because)"]
    );
}
