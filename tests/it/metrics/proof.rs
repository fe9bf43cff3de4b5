//! The audit of the counters, while requests, expiries, plan changes and copies go on. `tests/sabotage.sh` shows that it
//! objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quotad::config::plan_file;
use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::Excess;
use quotad::domain::rates::Cost;
use quotad::engine::answer::Decision;
use quotad::engine::order::{Actual, Charge, Commit, Reserve, Subject};
use quotad::engine::proof::{Proof, Proven};
use quotad::engine::recorder::Forgetful;
use quotad::engine::{Bounds, Engine};
use quotad::world::clock::SystemClock;

use crate::world::Chance;

const USERS: u64 = 3_000;

fn plan(extra: u64) -> quotad::domain::plan::Plan {
    let text = format!(
        "organizations:
  acme:
    grants: [{{kind: contract, credits: 90000000}}]
    overage: {{mode: soft, extra: {extra}}}
    environments: {{prod: {{allocation: 3000000, overage: {{mode: grace, margin_percent: 20}}}}}}
    users: {{u1: {{limit: 90}}, u2: {{limit: 70, type: soft}}, u3: {{limit: 10}}}}
"
    );
    plan_file::parse(&text, "plan.yaml").unwrap()
}

fn engine() -> Engine {
    let engine = Engine::new(
        Bounds::default(),
        1,
        Arc::new(SystemClock::new()),
        Arc::new(Forgetful),
    );
    engine.apply_plan(plan(500)).unwrap();
    engine
}

/// Some request; most holds are committed or left to expire.
fn ask(engine: &Engine, chance: &mut Chance) {
    let user = format!("u{}", chance.below(USERS));
    let environment = ["default", "prod", "dev"][usize::try_from(chance.below(3)).unwrap()];
    let name = |text| Name::parse(text).unwrap();
    let subject = Subject::new(name("acme"), name(environment), Some(name(&user)));
    let cost = Cost::Credits {
        amount: Credits::new(chance.below(9)).unwrap(),
        operation: None,
    };
    if chance.below(3) == 0 {
        let order = Charge {
            subject,
            cost,
            id: None,
        };
        engine.charge(&order).unwrap();
        return;
    }
    let ttl = Some(Duration::from_millis(1 + chance.below(50)));
    let order = Reserve {
        subject,
        cost,
        min: None,
        ttl,
        id: None,
    };
    if let Decision::Granted(held) = engine.reserve(&order).unwrap()
        && chance.below(3) > 0
    {
        let actual = Actual::Amount(Credits::new(chance.below(9)).unwrap());
        let excess = Excess::Record;
        engine
            .commit(&Commit {
                id: held.id,
                actual,
                excess,
            })
            .unwrap();
    }
}

/// A proof of the only organization; none while something else keeps it from its end.
fn prove(engine: &Engine) -> Option<Proof> {
    let id = engine.organization_after(None).unwrap();
    match engine.prove(id, &mut || {}) {
        Proven::Whole(proof) => Some(proof),
        Proven::Changed | Proven::Busy => None,
        Proven::Nobody => panic!("there is one"),
    }
}

/// Ends the threads, also when an assertion fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_audit_finds_nothing_while_the_books_change() {
    let engine = engine();
    let is_over = AtomicBool::new(false);
    let (mut proofs, mut accounts, mut longest) = (0, 0, Duration::ZERO);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (engine, is_over) = (&engine, &is_over);
            scope.spawn(move || {
                let mut chance = Chance(seed);
                while !is_over.load(Ordering::Relaxed) {
                    ask(engine, &mut chance);
                }
            });
        }
        scope.spawn(|| {
            // Now and then another plan, and a copy as snapshots take it.
            for turn in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(23));
                engine.apply_plan(plan(500 + turn % 2)).unwrap();
                if let Some(mut copy) = engine.copy().unwrap() {
                    while copy.step(64, &mut |_| {}) {}
                }
            }
        });
        let _end = End(&is_over);
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            let began = Instant::now();
            if let Some(proof) = prove(&engine) {
                assert_eq!((proof.difference, &proof.findings[..]), (0, &[][..]));
                (proofs, accounts) = (proofs + 1, accounts + proof.accounts);
                longest = longest.max(began.elapsed());
            }
        }
    });
    println!("{proofs} proofs of {accounts} accounts, differences 0; the longest took {longest:?}");
    assert!(proofs > 20 && accounts > 20 * 1_000, "{proofs} {accounts}");
}

#[test]
fn every_account_is_compared() {
    let engine = engine();
    let mut chance = Chance(1);
    while prove(&engine).unwrap().accounts < USERS / 2 {
        ask(&engine, &mut chance);
    }
    let books = engine.export(Name::parse("acme").unwrap()).unwrap();
    let cells = &books[0].cells;
    let users = books[0].users().len();
    let environments: std::collections::BTreeSet<_> = cells.keys().map(|(it, _)| it).collect();
    let proof = prove(&engine).unwrap();
    // Rows without cells that are still remembered count as well.
    let least = (users + environments.len() + 2) as u64;
    assert!(
        proof.accounts >= least && proof.accounts <= USERS + 3 + 2,
        "{} of {least}",
        proof.accounts
    );
}
