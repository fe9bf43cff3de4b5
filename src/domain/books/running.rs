//! The same derivation, one user after the other: linear, and without the cells in memory together, so that books with a
//! million cells can be audited while they are used.

use super::{Cell, Tally, UserTally};

/// What is derived so far.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// The allocation of each environment, by number; 0 is none.
    allocations: Vec<u64>,
    environments: Vec<EnvironmentSums>,
    sums: Sums,
}

/// The counters of an environment, in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EnvironmentSums {
    /// Without what trials paid.
    pub tally: Tally,
    /// What trials paid, of what is committed.
    pub trial_used: u64,
}

/// The counters of an organization that are not by environment or user, in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sums {
    /// The organization, without what trials paid.
    pub organization: Tally,
    /// What trials paid.
    pub trials: Tally,
    /// Over users, what is committed from the pool beyond their limits.
    pub pool_used: u64,
    /// Over users, what is committed or held from the pool beyond their limits.
    pub pool_drawn: u64,
    /// What limits have paid and promised.
    pub set_aside_drawn: u64,
    /// What allocations have paid and promised.
    pub allocation_drawn: u64,
}

impl Running {
    /// Nothing yet, of environments with these allocations, by number.
    pub fn new(allocations: Vec<u64>) -> Self {
        Self {
            environments: vec![EnvironmentSums::default(); allocations.len()],
            allocations,
            sums: Sums::default(),
        }
    }

    /// Adds all cells of a user, each with the number of its environment; answers what the user's counters have to be.
    /// A cell of an environment that there is not counts nowhere.
    pub fn user(
        &mut self,
        limit: u64,
        cells: impl IntoIterator<Item = (usize, Cell)>,
    ) -> UserTally {
        let mut tally = UserTally::default();
        for (number, cell) in cells {
            let known = self.environments.get_mut(number);
            let Some((environment, allocation)) = known.zip(self.allocations.get(number)) else {
                continue;
            };
            let used = cell.used.saturating_sub(cell.trial_used);
            let held = cell.held.saturating_sub(cell.trial_held);
            environment.tally.used = environment.tally.used.saturating_add(used);
            environment.tally.held = environment.tally.held.saturating_add(held);
            environment.trial_used = environment.trial_used.saturating_add(cell.trial_used);
            tally.used = tally.used.saturating_add(used);
            tally.held = tally.held.saturating_add(held);
            if *allocation == 0 {
                tally.pool_used = tally.pool_used.saturating_add(used);
                tally.pool_held = tally.pool_held.saturating_add(held);
            }
            let trials = &mut self.sums.trials;
            trials.used = trials.used.saturating_add(cell.trial_used);
            trials.held = trials.held.saturating_add(cell.trial_held);
        }
        let drawn = tally.pool_used.saturating_add(tally.pool_held);
        let sums = &mut self.sums;
        for (sum, more) in [
            (&mut sums.organization.used, tally.used),
            (&mut sums.organization.held, tally.held),
            (&mut sums.pool_used, tally.pool_used.saturating_sub(limit)),
            (&mut sums.pool_drawn, drawn.saturating_sub(limit)),
            (&mut sums.set_aside_drawn, drawn.min(limit)),
        ] {
            *sum = sum.saturating_add(more);
        }
        tally
    }

    /// What the counters of the environments have to be, by number, and the others.
    pub fn finish(self) -> (Vec<EnvironmentSums>, Sums) {
        let mut sums = self.sums;
        for (environment, allocation) in self.environments.iter().zip(&self.allocations) {
            let tally = environment.tally;
            let drawn = tally.used.saturating_add(tally.held).min(*allocation);
            sums.allocation_drawn = sums.allocation_drawn.saturating_add(drawn);
        }
        (self.environments, sums)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{Books, derive};
    use super::*;
    use crate::domain::credits::Credits;
    use crate::domain::cycle::Calendar;
    use crate::domain::plan::{EnvironmentPlan, OrganizationPlan, UserPlan};
    use crate::domain::time::Timestamp;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    fn cell() -> impl Strategy<Value = Cell> {
        (0..100_u64, 0..100_u64, 0..100_u64, 0..100_u64).prop_map(
            |(used, held, trial_used, trial_held)| Cell {
                used: used + trial_used,
                held: held + trial_held,
                trial_used,
                trial_held,
            },
        )
    }

    proptest! {
        #[test]
        fn it_comes_to_what_the_oracle_says(
            allocations in proptest::collection::vec(0..150_u64, 4),
            limits in proptest::collection::vec(0..150_u64, 4),
            cells in proptest::collection::btree_map((0..4_usize, 0..4_usize), cell(), 0..16),
        ) {
            let credits = |amount: u64| Credits::new(amount).unwrap_or_default();
            let mut plan = OrganizationPlan::default();
            for (name, &allocation) in NAMES.iter().zip(&allocations) {
                let allocation = credits(allocation);
                let terms = EnvironmentPlan { allocation, ..EnvironmentPlan::default() };
                plan.environments.insert((*name).into(), terms);
            }
            for (name, &limit) in NAMES.iter().zip(&limits) {
                let limit = UserPlan { limit: credits(limit), kind: Default::default(), thresholds: None };
                plan.users.insert((*name).into(), limit);
            }
            let span = Calendar::default().cycle_at(Timestamp::from_nanos(0));
            let mut books = Books::new(Arc::new(plan), span, 1_000, 0);
            let mut running = Running::new(allocations);
            let mut users = BTreeMap::new();
            for (user, &limit) in limits.iter().enumerate() {
                let own = cells.iter().filter(|((of, _), _)| *of == user);
                let tally = running.user(limit, own.clone().map(|((_, at), cell)| (*at, *cell)));
                if tally != UserTally::default() {
                    users.insert(Some(NAMES[user].into()), tally);
                }
                for ((_, at), cell) in own {
                    books.cells.insert((NAMES[*at].into(), Some(NAMES[user].into())), *cell);
                }
            }
            let (environments, sums) = running.finish();
            let derived = derive(&books);
            for (at, environment) in environments.iter().enumerate() {
                let paid = cells.iter().filter(|((_, of), _)| *of == at).map(|(_, cell)| cell.trial_used);
                prop_assert_eq!(environment.trial_used, paid.sum::<u64>());
            }
            let named = NAMES.iter().zip(environments.iter().map(|it| it.tally));
            let some = named.filter(|(_, tally)| *tally != Tally::default());
            let environments: BTreeMap<Box<str>, Tally> = some.map(|(name, it)| ((*name).into(), it)).collect();
            prop_assert_eq!(&environments, &derived.environments);
            prop_assert_eq!(&users, &derived.users);
            prop_assert_eq!(sums.organization, derived.organization);
            prop_assert_eq!(sums.trials, derived.trials);
            prop_assert_eq!((sums.pool_used, sums.pool_drawn), (derived.pool_used, derived.pool_drawn));
            prop_assert_eq!(sums.set_aside_drawn + sums.allocation_drawn, derived.base_drawn);
        }
    }
}
