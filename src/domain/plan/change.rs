//! Whether a change of the plan is allowed, judged on its result (section 4, "Changing the plan").

use crate::domain::credits::grouped;

use super::OrganizationPlan;

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ChangeRefused {
    /// Where in the plan, such as `organizations.acme.users.z.limit`.
    pub path: String,
    /// The same, in parts: names may hold dots.
    pub segments: Vec<String>,
    /// What is wrong, with the figure that is possible.
    pub problem: String,
}

/// What a plan stands on at the moment of the change: usage is attributed as that plan attributes it.
#[derive(Clone, Copy, Debug)]
pub struct Footing<'a> {
    /// The plan.
    pub plan: &'a OrganizationPlan,
    /// Purchased and rolled over, under that plan.
    pub entitlement: u64,
    /// Sum over users of what they drew where the pool pays, beyond their limits.
    pub pool_drawn: u64,
}

impl Footing<'_> {
    /// Allocations and the sum of max(limit, pool drawn): what is spoken for.
    fn spoken_for(&self) -> u64 {
        self.plan.allocated() + self.plan.set_aside() + self.pool_drawn
    }
}

/// What one environment or user has drawn, by name.
pub type DrawnBy<'a> = &'a dyn Fn(&str) -> u64;

/// Judges a change of one organization. `drawn` says what an environment has drawn, `pool_drawn` what a user drew where
/// the pool pays under the new plan.
pub fn judge(
    organization: &str,
    before: Footing<'_>,
    after: Footing<'_>,
    drawn: DrawnBy<'_>,
    pool_drawn: DrawnBy<'_>,
) -> Result<(), ChangeRefused> {
    for (name, environment) in &after.plan.environments {
        let allocation = environment.allocation.get();
        let floor = drawn(name).min(before.plan.allocation(name));
        if allocation > 0 && allocation < floor {
            let problem = format!(
                "an allocation of {} is below the {} that the environment has drawn; set at least {}, or take it away",
                grouped(allocation),
                grouped(drawn(name)),
                grouped(floor),
            );
            return Err(refused(
                organization,
                "environments",
                name,
                "allocation",
                problem,
            ));
        }
    }
    let room = after.entitlement.max(before.spoken_for());
    let Some(excess) = after
        .spoken_for()
        .checked_sub(room)
        .filter(|&excess| excess > 0)
    else {
        return Ok(());
    };
    for (name, environment) in &after.plan.environments {
        let (old, new) = (before.plan.allocation(name), environment.allocation.get());
        if new > old {
            let possible = new.saturating_sub(excess).max(old);
            let problem = too_much("an allocation", new, possible);
            return Err(refused(
                organization,
                "environments",
                name,
                "allocation",
                problem,
            ));
        }
    }
    for (name, user) in &after.plan.users {
        let old = before.plan.user(name).map_or(0, |it| it.limit.get());
        let new = user.limit.get();
        if new > old {
            // Up to what the user drew already, a limit sets nothing aside that is not spoken for.
            let spoken_for = new.max(pool_drawn(name));
            let possible = spoken_for.saturating_sub(excess).max(old).min(new);
            return Err(refused(
                organization,
                "users",
                name,
                "limit",
                too_much("a limit", new, possible),
            ));
        }
    }
    Ok(())
}

fn too_much(what: &str, asked: u64, possible: u64) -> String {
    let (asked, possible) = (grouped(asked), grouped(possible));
    format!("{what} of {asked} exceeds the {possible} available; lower it or add a grant")
}

fn refused(
    organization: &str,
    kind: &str,
    name: &str,
    key: &str,
    problem: String,
) -> ChangeRefused {
    let segments: Vec<_> = ["organizations", organization, kind, name, key]
        .map(str::to_owned)
        .into();
    ChangeRefused {
        path: segments.join("."),
        segments,
        problem,
    }
}
