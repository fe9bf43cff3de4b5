//! The races that matter: a few orders each, so that every serial order can be enumerated.

use std::sync::Arc;
use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::cycle::{Calendar, Rule};
use quotad::domain::plan::{
    EnvironmentPlan, Excess, ExtensionTerms, Grant, GrantKind, LimitKind, OrganizationPlan,
    Overage, Plan, UserPlan,
};
use quotad::domain::rates::Cost;
use quotad::domain::time::Timestamp;
use quotad::engine::order::{Actual, Id};

use crate::orders::deeds::Doing;
use crate::orders::{Deed, Order, Outcome, Who};

#[derive(Clone, Debug)]
pub enum Step {
    Do(Order),
    /// Sets the clock; everything due by then happens.
    Clock(Timestamp),
    /// Copies the engine in the smallest steps; what is restored from it and the facts since must be the engine in the end.
    Copy,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    pub start: Timestamp,
    pub organizations: Vec<&'static str>,
    pub before: Vec<Step>,
    pub threads: Vec<Vec<Step>>,
    /// Repeated answers may carry the standing of the moment; then it is not compared.
    pub repeats: bool,
}

const START: Timestamp = Timestamp::from_millis(1_793_491_200_000);
const A: Id = [0xA0; 16];
const B: Id = [0xB0; 16];
const C: Id = [0xC0; 16];

fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn credits(amount: u64) -> Credits {
    Credits::new(amount).unwrap()
}

fn who(environment: &'static str, user: &'static str) -> Who {
    Who {
        organization: "acme",
        environment,
        user: Some(user),
        ..Who::default()
    }
}

fn cost(amount: u64) -> Cost<'static> {
    Cost::Credits {
        amount: credits(amount),
        operation: None,
    }
}

fn reserve(who: Who, amount: u64, id: Id) -> Step {
    let (min, ttl) = (None, Some(Duration::from_secs(60)));
    Step::Do(Order::Reserve {
        who,
        cost: cost(amount),
        min,
        ttl,
        id: Some(id),
    })
}

fn reserve_some(who: Who, amount: u64, min: u64, id: Id) -> Step {
    let (min, ttl) = (Some(min), Some(Duration::from_secs(60)));
    Step::Do(Order::Reserve {
        who,
        cost: cost(amount),
        min,
        ttl,
        id: Some(id),
    })
}

fn charge(who: Who, amount: u64) -> Step {
    Step::Do(Order::Charge {
        who,
        cost: cost(amount),
        id: None,
    })
}

fn charge_once(who: Who, amount: u64, id: Id) -> Step {
    Step::Do(Order::Charge {
        who,
        cost: cost(amount),
        id: Some(id),
    })
}

fn commit(id: Id, amount: u64) -> Step {
    Step::Do(Order::Commit {
        id,
        actual: Actual::Amount(credits(amount)),
        excess: Excess::Record,
    })
}

fn release(id: Id) -> Step {
    Step::Do(Order::Release { id })
}

fn extend(id: Id, additional: u64, seconds: u64) -> Step {
    let ttl = Some(Duration::from_secs(seconds));
    Step::Do(Order::Extend {
        id,
        additional,
        ttl,
        request_id: None,
    })
}

/// A plan of one organization with 100 credits a day.
fn acme(bend: impl FnOnce(&mut OrganizationPlan)) -> OrganizationPlan {
    let mut plan = OrganizationPlan {
        calendar: Calendar {
            rule: Rule::Days {
                days: 1,
                from: START,
            },
            ..Calendar::default()
        },
        ..OrganizationPlan::default()
    };
    let kind = GrantKind::Contract {
        credits: credits(100),
        rollover: Some(2),
    };
    plan.grants.push(Grant {
        kind,
        valid_from: None,
        valid_until: None,
    });
    bend(&mut plan);
    plan
}

fn plan(bend: impl FnOnce(&mut OrganizationPlan)) -> Step {
    let mut plan = Plan::default();
    plan.organizations
        .insert("acme".into(), Arc::new(acme(bend)));
    Step::Do(Order::Plan(Arc::new(plan)))
}

fn limit(plan: &mut OrganizationPlan, user: &str, limit: u64, kind: LimitKind) {
    plan.users.insert(
        user.into(),
        UserPlan {
            limit: credits(limit),
            kind,
            thresholds: None,
        },
    );
}

fn allocate(plan: &mut OrganizationPlan, environment: &str, allocation: u64, overage: Overage) {
    let allocation = credits(allocation);
    plan.environments.insert(
        environment.into(),
        EnvironmentPlan {
            allocation,
            overage,
            thresholds: None,
        },
    );
}

impl Case {
    fn new(name: &'static str, before: Vec<Step>, threads: Vec<Vec<Step>>) -> Self {
        Self {
            name,
            start: START,
            organizations: vec!["acme"],
            before,
            threads,
            repeats: false,
        }
    }

    pub fn comparable(&self, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        let plain = |it: Outcome| {
            if self.repeats {
                it.without_standing()
            } else {
                it
            }
        };
        outcomes.into_iter().map(plain).collect()
    }

    pub fn last_instant(&self) -> Timestamp {
        let steps = self.before.iter().chain(self.threads.iter().flatten());
        let clocks = steps.filter_map(|step| match step {
            Step::Clock(at) => Some(*at),
            Step::Do(_) | Step::Copy => None,
        });
        clocks.max().unwrap_or(self.start)
    }

    pub fn expiry_against_commit() -> Self {
        let before = vec![
            plan(|_| {}),
            reserve(who("dev", "a"), 70, A),
            Step::Clock(after(59)),
        ];
        let threads = vec![
            vec![Step::Clock(after(60))],
            vec![commit(A, 65)],
            vec![reserve(who("dev", "b"), 50, B)],
        ];
        Self::new("expiry against commit", before, threads)
    }

    pub fn expiry_against_extend_and_release() -> Self {
        let before = vec![
            plan(|_| {}),
            reserve(who("dev", "a"), 70, A),
            Step::Clock(after(59)),
        ];
        let threads = vec![
            vec![Step::Clock(after(60))],
            vec![extend(A, 10, 60), charge(who("dev", "b"), 25)],
            vec![release(A)],
        ];
        Self::new("expiry against extend and release", before, threads)
    }

    pub fn commit_against_release() -> Self {
        let before = vec![plan(|_| {}), reserve(who("dev", "a"), 70, A)];
        let threads = vec![
            vec![commit(A, 90)],
            vec![release(A)],
            vec![charge(who("dev", "b"), 20)],
        ];
        Self::new("commit against release", before, threads)
    }

    pub fn plan_swap_against_reserve_and_charge() -> Self {
        let before = vec![
            plan(|it| limit(it, "a", 10, LimitKind::Hard)),
            charge(who("dev", "a"), 10),
        ];
        let threads = vec![
            vec![plan(|it| limit(it, "a", 40, LimitKind::Hard))],
            vec![
                reserve_some(who("dev", "a"), 30, 5, A),
                charge(who("dev", "a"), 1),
            ],
            vec![charge(who("dev", "b"), 70)],
        ];
        Self::new("plan swap against reserve and charge", before, threads)
    }

    pub fn plan_swap_against_two_accounts() -> Self {
        let before = vec![
            plan(|_| {}),
            charge(who("prod", "a"), 30),
            reserve(who("prod", "b"), 10, A),
        ];
        let threads = vec![
            vec![plan(|it| allocate(it, "prod", 50, Overage::Hard))],
            vec![charge(who("prod", "a"), 15), commit(A, 20)],
            vec![charge(who("dev", "c"), 50)],
        ];
        Self::new("plan swap against two accounts", before, threads)
    }

    pub fn plan_swap_against_plan_swap() -> Self {
        let before = vec![plan(|_| {}), charge(who("dev", "c"), 20)];
        let threads = vec![
            vec![plan(|it| limit(it, "a", 60, LimitKind::Soft))],
            vec![plan(|it| {
                allocate(it, "prod", 70, Overage::Soft(credits(5)))
            })],
            vec![charge(who("dev", "c"), 30), charge(who("prod", "a"), 75)],
        ];
        Self::new("plan swap against plan swap", before, threads)
    }

    pub fn cycle_change_against_commit_and_reserve() -> Self {
        let day = 24 * 3_600;
        let before = vec![
            plan(|_| {}),
            Step::Clock(after(day - 30)),
            reserve(who("dev", "a"), 60, A),
        ];
        let threads = vec![
            vec![Step::Clock(after(day))],
            vec![commit(A, 80)],
            vec![
                reserve(who("dev", "b"), 110, B),
                charge(who("dev", "b"), 30),
            ],
        ];
        Self::new("cycle change against commit and reserve", before, threads)
    }

    pub fn cycle_change_against_plan_swap() -> Self {
        let day = 24 * 3_600;
        let before = vec![
            plan(|_| {}),
            Step::Clock(after(day - 30)),
            reserve(who("dev", "a"), 60, A),
        ];
        let threads = vec![
            vec![Step::Clock(after(day))],
            vec![plan(|it| limit(it, "a", 70, LimitKind::Hard))],
            vec![commit(A, 75), charge(who("dev", "a"), 71)],
        ];
        Self::new("cycle change against plan swap", before, threads)
    }

    pub fn extension_against_overage() -> Self {
        let lenient = |it: &mut OrganizationPlan| {
            allocate(it, "prod", 30, Overage::Soft(credits(20)));
            it.overage = Overage::Soft(credits(20));
            let delay = Duration::from_secs(10);
            it.extension = ExtensionTerms {
                credits: credits(25),
                delay,
                ..ExtensionTerms::default()
            };
        };
        let before = vec![
            plan(lenient),
            charge(who("prod", "a"), 40),
            charge(who("dev", "a"), 75),
            Step::Do(Order::Deed(Deed {
                organization: "acme",
                doing: Doing::Extension,
                id: None,
            })),
        ];
        let threads = vec![
            vec![Step::Clock(after(10))],
            vec![charge(who("prod", "a"), 30)],
            vec![charge(who("dev", "a"), 25)],
        ];
        Self::new("extension against overage", before, threads)
    }

    pub fn duplicate_ids() -> Self {
        let threads = vec![
            vec![
                reserve(who("dev", "a"), 60, A),
                charge_once(who("dev", "b"), 10, C),
            ],
            vec![reserve(who("dev", "a"), 60, A), commit(A, 60)],
            vec![charge_once(who("dev", "b"), 10, C), commit(A, 60)],
        ];
        Self {
            repeats: true,
            ..Self::new("duplicate ids", vec![plan(|_| {})], threads)
        }
    }

    pub fn duplicate_ids_of_two_organizations() -> Self {
        let mut both = Plan::default();
        for name in ["acme", "beta"] {
            both.organizations
                .insert(name.into(), Arc::new(acme(|_| {})));
        }
        let before = vec![Step::Do(Order::Plan(Arc::new(both)))];
        let beta = Who {
            organization: "beta",
            environment: "dev",
            user: Some("a"),
            ..Who::default()
        };
        let threads = vec![
            vec![reserve(who("dev", "a"), 60, A), release(A)],
            vec![reserve(beta, 60, A), charge(beta, 60)],
            vec![charge_once(who("dev", "a"), 60, A)],
        ];
        let organizations = vec!["acme", "beta"];
        Self {
            repeats: true,
            organizations,
            ..Self::new("duplicate ids of two organizations", before, threads)
        }
    }

    pub fn copy_against_commit_expiry_and_plan_swap() -> Self {
        let before = vec![
            plan(|it| limit(it, "a", 40, LimitKind::Soft)),
            reserve(who("dev", "a"), 60, A),
            reserve(who("prod", "b"), 10, B),
            charge(who("prod", "c"), 5),
            Step::Clock(after(59)),
        ];
        let threads = vec![
            vec![Step::Copy],
            vec![commit(A, 65), charge_once(who("dev", "d"), 5, C)],
            vec![
                Step::Clock(after(60)),
                plan(|it| allocate(it, "prod", 20, Overage::Hard)),
            ],
        ];
        Self::new("copy against commit, expiry and plan swap", before, threads)
    }

    pub fn the_last_credits() -> Self {
        let before = vec![plan(|it| limit(it, "a", 50, LimitKind::Soft))];
        let threads = vec![
            vec![charge(who("dev", "a"), 60), charge(who("dev", "b"), 1)],
            vec![reserve_some(who("dev", "b"), 45, 1, A), commit(A, 45)],
            vec![charge(who("dev", "c"), 45)],
        ];
        Self::new("the last credits", before, threads)
    }
}
