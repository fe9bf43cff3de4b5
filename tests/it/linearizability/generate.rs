//! Small scenes: a plan with few credits, two to four clients, a few orders each.

use std::sync::Arc;
use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::cycle::{Calendar, Rule};
use quotad::domain::plan::{
    EnvironmentPlan, Excess, Grant, GrantKind, LimitKind, OrganizationPlan, Overage, Plan, UserPlan,
};
use quotad::domain::rates::Cost;
use quotad::domain::time::Timestamp;
use quotad::engine::order::{Actual, Id};

use super::limits::Limits;
use crate::orders::{Order, Who};
use crate::world::Chance;

pub const START: Timestamp = Timestamp::from_millis(1_793_491_200_000);

#[derive(Clone, Debug)]
pub enum Step {
    /// Over gRPC, or for plan changes by the administrator.
    Do(Order),
    /// An administrator, over gRPC.
    Limits(Limits),
    /// The clock is set; everything due by then happens.
    Clock(Timestamp),
}

#[derive(Clone, Debug)]
pub struct Scene {
    pub start: Timestamp,
    pub plan: Arc<Plan>,
    pub clients: Vec<Vec<Step>>,
}

pub fn scene(chance: &mut Chance) -> Scene {
    let plan = plan(chance);
    // In one scene of three the cycle ends while the clients are at work.
    let start = match chance.below(3) {
        0 => START.plus(Duration::from_secs(24 * 3_600 - 5)),
        _ => START,
    };
    let ids: Vec<Id> = (0..4).map(|_| chance.id()).collect();
    let clients = chance.between(2, 3);
    let mut clients: Vec<Vec<Step>> = (0..clients)
        .map(|_| {
            (0..chance.between(3, 5))
                .map(|_| Step::Do(order(chance, &ids)))
                .collect()
        })
        .collect();
    let changes = (0..chance.between(0, 3))
        .map(|_| change(chance, start, &plan))
        .collect();
    clients.push(changes);
    // In half of the scenes administrators set limits meanwhile.
    for _ in 0..chance.pick(&[0, 0, 2, 3]) {
        let calls = (0..chance.between(2, 4)).map(|_| Step::Limits(Limits::any(chance)));
        clients.push(calls.collect());
    }
    Scene {
        start,
        plan,
        clients,
    }
}

fn credits(amount: u64) -> Credits {
    Credits::new(amount).expect("small")
}

fn plan(chance: &mut Chance) -> Arc<Plan> {
    let mut terms = OrganizationPlan::default();
    terms.calendar = Calendar {
        rule: Rule::Days {
            days: 1,
            from: START,
        },
        ..terms.calendar
    };
    let rollover = chance.percent(50).then_some(2);
    let kind = GrantKind::Contract {
        credits: credits(chance.between(10, 40)),
        rollover,
    };
    terms.grants.push(Grant {
        kind,
        valid_from: None,
        valid_until: None,
    });
    set_aside(chance, &mut terms);
    let mut plan = Plan::default();
    plan.organizations.insert("acme".into(), Arc::new(terms));
    Arc::new(plan)
}

/// Other set-asides and overage policies, within the ten credits that there always are.
fn set_aside(chance: &mut Chance, terms: &mut OrganizationPlan) {
    terms.environments.clear();
    terms.users.clear();
    terms.overage = overage(chance);
    if chance.percent(50) {
        let environment = EnvironmentPlan {
            allocation: credits(chance.between(1, 5)),
            overage: overage(chance),
            thresholds: None,
        };
        terms.environments.insert("prod".into(), environment);
    }
    if chance.percent(60) {
        let kind = if chance.percent(60) {
            LimitKind::Hard
        } else {
            LimitKind::Soft
        };
        let user = UserPlan {
            limit: credits(chance.between(1, 5)),
            kind,
            thresholds: None,
        };
        terms.users.insert("ana".into(), user);
    }
}

fn overage(chance: &mut Chance) -> Overage {
    if chance.percent(60) {
        Overage::Hard
    } else {
        Overage::Soft(credits(chance.between(1, 8)))
    }
}

fn order(chance: &mut Chance, ids: &[Id]) -> Order {
    let user = chance.pick(&[Some("ana"), Some("bo"), None]);
    let who = Who {
        organization: "acme",
        environment: chance.pick(&["dev", "prod"]),
        user,
        ..Who::default()
    };
    let cost = Cost::Credits {
        amount: credits(chance.between(0, 14)),
        operation: None,
    };
    let id = chance.pick(ids);
    match chance.below(20) {
        0..7 => Order::Charge {
            who,
            cost,
            id: None,
        },
        7..13 => {
            // The same id always with the same contents by chance only: others are refused.
            let (min, ttl) = (None, Some(Duration::from_secs(chance.pick(&[3, 60]))));
            Order::Reserve {
                who,
                cost,
                min,
                ttl,
                id: Some(id),
            }
        }
        13..17 => {
            let actual = Actual::Amount(credits(chance.between(0, 16)));
            let excess = if chance.percent(30) {
                Excess::Reject
            } else {
                Excess::Record
            };
            Order::Commit { id, actual, excess }
        }
        17 => Order::Release { id },
        18 => Order::Extend {
            id,
            additional: chance.between(1, 5),
            ttl: None,
            request_id: None,
        },
        _ => Order::Check {
            who,
            cost,
            min: None,
        },
    }
}

fn change(chance: &mut Chance, start: Timestamp, plan: &Arc<Plan>) -> Step {
    if chance.percent(45) {
        return Step::Clock(start.plus(Duration::from_secs(chance.pick(&[3, 5, 60]))));
    }
    let mut plan = (**plan).clone();
    let mut terms = (*plan.organizations["acme"]).clone();
    set_aside(chance, &mut terms);
    plan.organizations.insert("acme".into(), Arc::new(terms));
    Step::Do(Order::Plan(Arc::new(plan)))
}
