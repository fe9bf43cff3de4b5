//! The same facts give the same books and the same ids, whoever applies them and however far the threads run ahead of each
//! other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::domain::credits::Credits;
use crate::domain::names::Name;
use crate::domain::plan::{Excess, Grant, GrantKind, OrganizationPlan, Plan};
use crate::domain::rates::Cost;
use crate::engine::answer::Decision;
use crate::engine::order::{Actual, Charge, Commit, Reserve, Subject};
use crate::engine::recorder::{Forgetful, NotKept, Receipt, Recorder, Unrecorded};
use crate::engine::{Bounds, SHARDS};
use crate::world::clock::ManualClock;

/// 2026-11-21T00:00:00Z.
const START_NS: i64 = 1_795_219_200_000_000_000;

/// Organizations, each in a shard of its own: names that differ only at their end share one.
const ORGANIZATIONS: [&str; 5] = ["oslo", "berlin", "paris", "porto", "lima"];

/// So few settled requests are remembered that ids are forgotten, and chosen again elsewhere, all the time.
const SETTLED: usize = 3;

/// Keeps all facts.
#[derive(Default)]
struct Collecting(Mutex<Vec<Fact>>);

impl Recorder for Collecting {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        self.0.lock().extend_from_slice(facts);
        Ok(Receipt(0))
    }

    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _holds_open: u64) -> bool {
        true
    }
}

fn engine(recorder: Arc<dyn Recorder>) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(START_NS));
    let bounds = Bounds {
        settled: SETTLED,
        ..Bounds::default()
    };
    (Engine::new(bounds, 1, clock.clone(), recorder), clock)
}

fn plan(credits: u64) -> Plan {
    let mut plan = Plan::default();
    for name in ORGANIZATIONS {
        let mut organization = OrganizationPlan::default();
        organization.grants.push(Grant {
            kind: GrantKind::Contract {
                credits: Credits::saturating(credits),
                rollover: None,
            },
            valid_from: None,
            valid_until: None,
        });
        let organization = Arc::new(organization);
        plan.organizations.insert(name.into(), organization);
    }
    plan
}

#[derive(Clone, Debug)]
enum Deed {
    Charge(usize, Option<u8>),
    Reserve(usize, Option<u8>),
    Commit(usize),
    Wait(u64),
    Plan(u64),
    Resume,
}

fn deed() -> impl Strategy<Value = Deed> {
    let organization = 0..ORGANIZATIONS.len();
    let id = || proptest::option::weighted(0.8, 0_u8..4);
    prop_oneof![
        8 => (organization.clone(), id()).prop_map(|(at, id)| Deed::Charge(at, id)),
        4 => (organization, id()).prop_map(|(at, id)| Deed::Reserve(at, id)),
        4 => (0_usize..4).prop_map(Deed::Commit),
        1 => (1_u64..2_000).prop_map(Deed::Wait),
        1 => (1_000_u64..9_000).prop_map(Deed::Plan),
        1 => Just(Deed::Resume),
    ]
}

/// Does them; answers what was recorded.
fn history(deeds: &[Deed]) -> (Engine, Vec<Fact>) {
    let recorder = Arc::new(Collecting::default());
    let (engine, clock) = engine(recorder.clone());
    engine.apply_plan(plan(5_000)).unwrap();
    let subject = |at: usize| {
        let name = ORGANIZATIONS[at];
        Subject::new(Name::parse(name).unwrap(), Name::DEFAULT, None)
    };
    let cost = Cost::Credits {
        amount: Credits::saturating(7),
        operation: None,
    };
    let chosen = |id: Option<u8>| id.map(|id| [id; 16]);
    let mut holds = Vec::new();
    for deed in deeds {
        clock.advance(Duration::from_millis(1));
        match *deed {
            // What is refused, because the id is remembered elsewhere, is no fact.
            Deed::Charge(at, id) => drop(engine.charge(&Charge {
                subject: subject(at),
                cost,
                id: chosen(id),
            })),
            Deed::Reserve(at, id) => {
                let order = Reserve {
                    subject: subject(at),
                    cost,
                    min: None,
                    ttl: Some(Duration::from_secs(600)),
                    id: chosen(id),
                };
                if let Ok(Decision::Granted(reserved)) = engine.reserve(&order) {
                    holds.push(reserved.id);
                }
            }
            Deed::Commit(at) if at < holds.len() => {
                let order = Commit {
                    id: holds.remove(at),
                    actual: Actual::Amount(Credits::saturating(5)),
                    excess: Excess::Record,
                };
                drop(engine.commit(&order));
            }
            Deed::Commit(_) => {}
            Deed::Wait(seconds) => {
                clock.advance(Duration::from_secs(seconds));
                engine.tick().unwrap();
            }
            Deed::Plan(credits) => drop(engine.apply_plan(plan(credits))),
            Deed::Resume => engine.resume().unwrap(),
        }
    }
    let facts = std::mem::take(&mut *recorder.0.lock());
    (engine, facts)
}

/// An engine that so many threads would have filled, one of which runs as far ahead as `turns` says.
fn partitioned(facts: &[Fact], count: usize, batch: usize, turns: &[usize]) -> Engine {
    let (engine, _) = engine(Arc::new(Forgetful));
    let partitions = engine.partitions(count);
    let mut waiting: Vec<_> = partitions
        .all()
        .map(|partition| (partition, facts.chunks(batch)))
        .collect();
    let turns = turns.iter().copied().chain(0..);
    for turn in turns {
        if waiting.is_empty() {
            break;
        }
        let at = turn % waiting.len();
        let (partition, batches) = &mut waiting[at];
        let Some(batch) = batches.next() else {
            drop(waiting.remove(at));
            continue;
        };
        let ordered: Vec<_> = (0..).zip(batch.iter().cloned()).collect();
        partition.apply(&ordered);
    }
    drop(partitions);
    engine
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_books_do_not_depend_on_how_many_threads_apply(
        deeds in vec(deed(), 1..120),
        count in 1..9_usize,
        batch in 1..20_usize,
        turns in vec(0..8_usize, 0..200),
    ) {
        let (live, facts) = history(&deeds);
        let (serial, _) = engine(Arc::new(Forgetful));
        for fact in &facts {
            serial.apply(fact);
        }
        let parallel = partitioned(&facts, count, batch, &turns);
        prop_assert_eq!(serial.fingerprint(), live.fingerprint());
        prop_assert_eq!(parallel.fingerprint(), serial.fingerprint());
        prop_assert_eq!(parallel.plan(), serial.plan());
        prop_assert_eq!(parallel.holds_open(), serial.holds_open());
        prop_assert_eq!(parallel.stats().settled(), serial.stats().settled());
    }

    #[test]
    fn a_copy_comes_back_on_any_number_of_threads(
        deeds in vec(deed(), 1..120),
        count in 1..9_usize,
        batch in 1..20_usize,
    ) {
        let (live, _) = history(&deeds);
        let (back, _) = engine(Arc::new(Forgetful));
        let mut copying = live.copy().unwrap().unwrap();
        back.restore_plan(copying.plan());
        let partitions = back.partitions(count);
        let mut each: Vec<_> = partitions.all().collect();
        let mut goes_on = true;
        while goes_on {
            let mut order = 0;
            goes_on = copying.step(batch, &mut |entry| {
                for partition in &mut each {
                    partition.restore(order, entry).unwrap();
                }
                order += 1;
            });
            each.iter_mut().for_each(Partition::end_batch);
        }
        each.iter_mut().for_each(Partition::restored);
        drop(partitions);
        prop_assert_eq!(back.fingerprint(), live.fingerprint());
    }
}

#[test]
fn an_id_is_where_it_was_chosen_last_though_that_shard_was_ahead() {
    let deeds = [Deed::Charge(0, Some(1))]
        .into_iter()
        .chain((0..8).map(|_| Deed::Charge(0, None)))
        .chain((0..4).map(|_| Deed::Charge(0, Some(2))))
        .chain([
            Deed::Charge(0, Some(3)),
            Deed::Charge(0, Some(0)),
            Deed::Wait(1_000),
            Deed::Charge(1, Some(1)),
        ]);
    let deeds: Vec<_> = deeds.collect();
    let (live, facts) = history(&deeds);
    let kept = *live.shared.ids.get(&[1; 16]).unwrap();
    let first = live.shard_for(ORGANIZATIONS[0]);
    assert_ne!(kept.shard, first, "it was chosen again elsewhere");
    for ahead in 0..usize::from(SHARDS) {
        // One is through with everything before the others begin.
        let turns = vec![ahead; 4 * facts.len()];
        let engine = partitioned(&facts, SHARDS.into(), 4, &turns);
        assert_eq!(engine.shared.ids.get(&[1; 16]).map(|it| *it), Some(kept));
        assert_eq!(engine.fingerprint(), live.fingerprint());
    }
}
