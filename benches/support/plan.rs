//! An engine whose plan lets the loads through: an allocation, an overage policy, users with and without limits.

use std::sync::Arc;

use quotad::domain::credits::Credits;
use quotad::domain::plan::{
    EnvironmentPlan, Grant, GrantKind, LimitKind, OrganizationPlan, Overage, Plan, UserPlan,
};
use quotad::engine::recorder::Forgetful;
use quotad::engine::{Bounds, Engine};
use quotad::world::clock::Clock;

const fn credits(amount: u64) -> Credits {
    Credits::saturating(amount)
}

/// Organization `acme`: environment `production` with an allocation, every tenth of 1,000 users with a hard limit.
pub fn engine(clock: Arc<dyn Clock>) -> Engine {
    let engine = Engine::new(BOUNDS, 1, clock, Arc::new(Forgetful));
    engine
        .apply_plan(plan(["acme".to_owned()]))
        .expect("the plan is sound");
    engine
}

/// Enough for every load.
pub const BOUNDS: Bounds = Bounds {
    cells: 2_000_000,
    holds: 2_000_000,
    settled: 1_000_000,
    usage_rows: 100_000,
    labels: 10_000,
};

/// The organization that has nothing left but what [`SPENT`] credits take, in the environment `production`.
pub const NOTHING_LEFT: &str = "spent";

/// What [`NOTHING_LEFT`] may spend before it is denied.
pub const SPENT: u64 = 100;

/// The plan with one more organization, all of whose requests are denied once it has spent what it has.
pub fn with_nothing_left(mut plan: Plan) -> Plan {
    let usual = plan.organizations.values().next().expect("there is one");
    let mut spent = OrganizationPlan::clone(usual);
    for environment in spent.environments.values_mut() {
        environment.allocation = credits(SPENT);
        environment.overage = Overage::Hard;
    }
    plan.organizations
        .insert(NOTHING_LEFT.into(), Arc::new(spent));
    plan
}

/// Such organizations as [`engine`] has one of.
pub fn plan(names: impl IntoIterator<Item = String>) -> Plan {
    let contract = Grant {
        kind: GrantKind::Contract {
            credits: credits(8_000_000_000_000_000),
            rollover: Some(1),
        },
        valid_from: None,
        valid_until: None,
    };
    let production = EnvironmentPlan {
        allocation: credits(4_000_000_000_000_000),
        overage: Overage::Grace(20),
        thresholds: None,
    };
    let limited = |number: usize| {
        let plan = UserPlan {
            limit: credits(1_000_000_000_000),
            kind: LimitKind::Hard,
            thresholds: None,
        };
        (format!("user-{number:04}").into(), plan)
    };
    let organization = Arc::new(OrganizationPlan {
        grants: vec![contract],
        environments: [("production".into(), production)].into(),
        users: (0..1_000).step_by(10).map(limited).collect(),
        ..OrganizationPlan::default()
    });
    let organizations = names.into_iter();
    Plan {
        organizations: organizations
            .map(|name| (name.into(), Arc::clone(&organization)))
            .collect(),
        ..Plan::default()
    }
}
