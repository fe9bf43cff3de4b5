//! The figures of the page are those of the balances, whatever the plan.

use std::sync::Arc;

use quotad::config::plan_file;
use quotad::domain::account::Account;
use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::rates::Cost;
use quotad::domain::time::Timestamp;
use quotad::engine::order::{Charge, Reserve, Subject};
use quotad::engine::recorder::Forgetful;
use quotad::engine::watched::Watched;
use quotad::engine::{Bounds, Engine, LISTED_MAX};

use crate::world::{Chance, SetClock};

const PLANS: [&str; 5] = [
    "grants: [{kind: contract, credits: 1000}]",
    "grants: [{kind: contract, credits: 1000}], overage: {mode: soft, extra: 50}, users: {u1: {limit: 100}, u2: {limit: 50, type: soft}}",
    "grants: [{kind: contract, credits: 1000}], allow_unallocated: false, environments: {e1: {allocation: 300, overage: {mode: grace, \
     margin_percent: 10}}, e2: {}}, users: {u1: {limit: 100}}",
    "grants: [], environments: {e1: {}}",
    "grants: [{kind: contract, credits: 1000, valid_until: 2026-01-01}], environments: {e1: {allocation: 300}}, users: {u1: {limit: 100}}",
];

#[test]
fn what_is_watched_is_what_the_balances_say() {
    let acme = Name::parse("acme").unwrap();
    let mut compared = 0;
    for (seed, organization) in (0..).zip(PLANS) {
        let noon = 1_767_268_800_000; // 2026-01-01T12:00:00Z
        let clock = Arc::new(SetClock::new(Timestamp::from_millis(noon)));
        let engine = Engine::new(
            Bounds::default(),
            1,
            Arc::clone(&clock) as _,
            Arc::new(Forgetful),
        );
        let text = format!("organizations: {{acme: {{{organization}}}}}\n");
        engine
            .apply_plan(plan_file::parse(&text, "plan.yaml").unwrap())
            .unwrap();
        let mut chance = Chance(seed);
        for turn in 0..400 {
            let (user, environment) = (
                format!("u{}", chance.below(4)),
                format!("e{}", chance.below(4)),
            );
            let name = |text| Name::parse(text).unwrap();
            let subject = Subject::new(acme, name(&environment), Some(name(&user)));
            let cost = Cost::Credits {
                amount: Credits::new(chance.below(30)).unwrap(),
                operation: None,
            };
            let asked = match chance.below(2) {
                0 => engine
                    .charge(&Charge {
                        subject,
                        cost,
                        id: None,
                    })
                    .map(drop),
                _ => engine
                    .reserve(&Reserve {
                        subject,
                        cost,
                        min: None,
                        ttl: None,
                        id: None,
                    })
                    .map(drop),
            };
            asked.unwrap();
            if turn == 200 {
                // A day later: grants have ended, holds have expired.
                clock.set(Timestamp::from_millis(noon + 86_400_000));
                engine.tick().unwrap();
            }
            let listed = engine.accounts(acme, None, LISTED_MAX).unwrap().accounts;
            let accounts: Vec<Account> =
                listed.iter().map(|it| it.balance.account.clone()).collect();
            let watched = engine.watch_accounts(acme, &accounts);
            assert_eq!(watched.len(), accounts.len());
            for (it, watched) in listed.iter().zip(watched) {
                let balance = &it.balance;
                let expected = Watched {
                    limit: balance.limit.unwrap_or(0),
                    used: balance.used,
                    held: balance.held,
                    available: balance.available,
                };
                assert_eq!(watched, expected, "{organization}: {}", balance.account);
                compared += 1;
            }
            let cycle = engine.watch_cycle(acme).unwrap();
            let whole = &listed[0].balance;
            assert_eq!(
                (cycle.end, cycle.over_allocated_by),
                (whole.cycle_end, whole.over_allocated_by)
            );
            let has_pool = accounts.contains(&Account::Pool);
            assert_eq!(cycle.has_pool, has_pool);
        }
    }
    println!("{compared} figures of accounts compared with their balances");
    assert!(compared > 4_000);
}
