//! The derivation of section 2 of the rule book: plan + cells -> every counter. The oracle of the tests.
//!
//! Written for the reader, not for speed: every figure is a sum over the cells, in `i128`, where nothing overflows. The
//! engine keeps the same figures as running counters; [`derive()`] says what they have to be. Nothing here decides
//! anything, and nothing here is used on the hot path.

mod counters;
mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use counters::{Counters, Tally, UserTally, derive};
pub use running::{EnvironmentSums, Running, Sums};

use super::cycle::CycleSpan;
use super::plan::OrganizationPlan;

/// The finest counter: one user in one environment in one cycle. In credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cell {
    /// Committed, with what trials paid.
    pub used: u64,
    /// In open holds, with what trials admitted.
    pub held: u64,
    /// Of `used`, what trials paid.
    pub trial_used: u64,
    /// Of `held`, what trials admitted.
    pub trial_held: u64,
}

impl Cell {
    /// Whether nothing is in it; such a cell is not kept.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Committed, without what trials paid.
    pub fn own_used(&self) -> i128 {
        i128::from(self.used) - i128::from(self.trial_used)
    }

    /// In open holds, without what trials admitted.
    pub fn own_held(&self) -> i128 {
        i128::from(self.held) - i128::from(self.trial_held)
    }

    /// Both together, without trials.
    pub fn own_drawn(&self) -> i128 {
        self.own_used() + self.own_held()
    }
}

/// Who pays for what no trial pays: an environment with an allocation, or the pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payer {
    /// Entitlement that is set aside for nobody, with the set-asides of users.
    Pool,
    /// An environment with an allocation.
    Environment(Box<str>),
}

/// Where a cell stands: the environment, and the user if one was named.
pub type CellKey = (Box<str>, Option<Box<str>>);

/// The state of one cycle of one organization, from which every counter follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Books {
    /// The organization's plan as this cycle sees it; a closed cycle keeps the one that it closed with.
    pub plan: Arc<OrganizationPlan>,
    /// From when until when.
    pub span: CycleSpan,
    /// Purchased credits in force; of a closed cycle those just before its end.
    pub purchased: u64,
    /// What rolled over into this cycle.
    pub rolled_over: u64,
    /// Extensions that are usable now; of a closed cycle those just before its end.
    pub extension: u64,
    /// The cells in which something is.
    pub cells: BTreeMap<CellKey, Cell>,
    /// How much of the shared extension each payer has drawn; only those that have.
    pub shares: BTreeMap<Payer, u64>,
}

impl Books {
    /// The books of a cycle that just opened.
    pub fn new(
        plan: Arc<OrganizationPlan>,
        span: CycleSpan,
        purchased: u64,
        rolled_over: u64,
    ) -> Self {
        Self {
            plan,
            span,
            purchased,
            rolled_over,
            extension: 0,
            cells: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// Purchased credits in force and what rolled over.
    pub fn entitlement(&self) -> i128 {
        i128::from(self.purchased) + i128::from(self.rolled_over)
    }

    /// Credits set aside for one environment; 0 is none.
    pub fn allocation(&self, environment: &str) -> i128 {
        self.plan
            .environments
            .get(environment)
            .map_or(0, |it| it.allocation.get().into())
    }

    /// Whether the pool funds what happens in an environment.
    pub fn pool_funds(&self, environment: &str) -> bool {
        self.allocation(environment) == 0
    }

    /// Credits set aside for one user; 0 for a user without a limit, and for no user.
    pub fn limit(&self, user: Option<&str>) -> i128 {
        user.and_then(|user| self.plan.users.get(user))
            .map_or(0, |it| it.limit.get().into())
    }

    /// The sum of the allocations.
    pub fn allocated(&self) -> i128 {
        self.plan
            .environments
            .values()
            .map(|it| i128::from(it.allocation.get()))
            .sum()
    }

    /// The sum of the limits.
    pub fn set_aside(&self) -> i128 {
        self.plan
            .users
            .values()
            .map(|it| i128::from(it.limit.get()))
            .sum()
    }

    /// Entitlement without allocations and limits, never below 0.
    pub fn pool_base(&self) -> i128 {
        (self.entitlement() - self.allocated() - self.set_aside()).max(0)
    }

    /// By how much the set-asides exceed the entitlement.
    pub fn over_allocated_by(&self) -> i128 {
        (self.allocated() + self.set_aside() - self.entitlement()).max(0)
    }

    /// What one figure of the cells comes to, over those that are meant.
    pub fn sum(
        &self,
        meant: impl Fn(&str, Option<&str>) -> bool,
        figure: impl Fn(&Cell) -> i128,
    ) -> i128 {
        let meant = self
            .cells
            .iter()
            .filter(|((environment, user), _)| meant(environment, user.as_deref()));
        meant.map(|(_, cell)| figure(cell)).sum()
    }

    /// Committed in one environment, without trials.
    pub fn environment_used(&self, environment: &str) -> i128 {
        self.sum(|of, _| of == environment, Cell::own_used)
    }

    /// Committed and held in one environment, without trials.
    pub fn environment_drawn(&self, environment: &str) -> i128 {
        self.sum(|of, _| of == environment, Cell::own_drawn)
    }

    /// Committed for one user (`None`: for nobody) in all environments, without trials.
    pub fn user_used(&self, user: Option<&str>) -> i128 {
        self.sum(|_, of| of == user, Cell::own_used)
    }

    /// Committed and held for one user in all environments, without trials.
    pub fn user_drawn(&self, user: Option<&str>) -> i128 {
        self.sum(|_, of| of == user, Cell::own_drawn)
    }

    /// Committed for one user where the pool funds.
    pub fn user_pool_used(&self, user: Option<&str>) -> i128 {
        self.sum(
            |environment, of| of == user && self.pool_funds(environment),
            Cell::own_used,
        )
    }

    /// Committed and held for one user where the pool funds.
    pub fn user_pool_drawn(&self, user: Option<&str>) -> i128 {
        self.sum(
            |environment, of| of == user && self.pool_funds(environment),
            Cell::own_drawn,
        )
    }

    /// Every user that has a cell, and `None` if work was done for nobody.
    pub fn users(&self) -> BTreeSet<Option<&str>> {
        self.cells.keys().map(|(_, user)| user.as_deref()).collect()
    }

    /// Of the pool, what is committed: over users, what exceeds their limits.
    pub fn pool_used(&self) -> i128 {
        self.users()
            .into_iter()
            .map(|user| (self.user_pool_used(user) - self.limit(user)).max(0))
            .sum()
    }

    /// Of the pool, what is committed or held.
    pub fn pool_drawn(&self) -> i128 {
        self.users()
            .into_iter()
            .map(|user| (self.user_pool_drawn(user) - self.limit(user)).max(0))
            .sum()
    }

    /// Committed by the whole organization, without trials.
    pub fn used(&self) -> i128 {
        self.sum(|_, _| true, Cell::own_used)
    }

    /// In open holds of the whole organization, without trials.
    pub fn held(&self) -> i128 {
        self.sum(|_, _| true, Cell::own_held)
    }

    /// What allocations and limits have paid: together limited to the entitlement while that is over-allocated.
    pub fn base_drawn(&self) -> i128 {
        let environments = self
            .plan
            .environments
            .keys()
            .map(|it| self.environment_drawn(it).min(self.allocation(it)));
        let users = self
            .users()
            .into_iter()
            .map(|it| self.user_pool_drawn(it).min(self.limit(it)));
        environments.chain(users).sum()
    }

    /// What all payers have drawn of the shared extension.
    pub fn shares_sum(&self) -> i128 {
        self.shares.values().copied().map(i128::from).sum()
    }

    /// The base of a payer.
    pub fn base(&self, payer: &Payer) -> i128 {
        match payer {
            Payer::Pool => self.pool_base(),
            Payer::Environment(environment) => self.allocation(environment),
        }
    }

    /// What a payer has paid and promised.
    pub fn drawn(&self, payer: &Payer) -> i128 {
        match payer {
            Payer::Pool => self.pool_drawn(),
            Payer::Environment(environment) => self.environment_drawn(environment),
        }
    }

    /// What a payer has paid.
    pub fn paid(&self, payer: &Payer) -> i128 {
        match payer {
            Payer::Pool => self.pool_used(),
            Payer::Environment(environment) => self.environment_used(environment),
        }
    }

    /// What a payer has drawn of the shared extension, as it is stored.
    pub fn share(&self, payer: &Payer) -> i128 {
        self.shares.get(payer).copied().unwrap_or(0).into()
    }

    /// What nobody has drawn of the shared extension.
    pub fn extension_left(&self) -> i128 {
        i128::from(self.extension) - self.shares_sum()
    }

    /// What a payer's share would be if it were settled now: it pays down its overage from what is left.
    pub fn share_as_if(&self, payer: &Payer) -> i128 {
        let beyond_base = (self.drawn(payer) - self.base(payer)).max(0);
        beyond_base.min(self.share(payer) + self.extension_left())
    }

    /// All payers: the pool, and the environments with an allocation.
    pub fn payers(&self) -> Vec<Payer> {
        let environments = self
            .plan
            .environments
            .iter()
            .filter(|(_, it)| it.allocation.get() > 0);
        let environments = environments.map(|(name, _)| Payer::Environment(name.clone()));
        [Payer::Pool].into_iter().chain(environments).collect()
    }
}
