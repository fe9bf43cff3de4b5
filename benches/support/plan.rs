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
