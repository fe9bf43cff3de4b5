//! The least `used` that fires the next threshold, kept beside each account: a commit compares a number, and looks at the
//! list of marks only when it is reached.

use crate::domain::account::Account;
use crate::domain::plan::OrganizationPlan;
use crate::domain::threshold;

use super::book::Book;
use super::cell::{EnvironmentRow, UserRow};
use super::fired::Fired;

impl Book {
    /// Finds again the least `used` that fires a threshold, for every account.
    pub(super) fn remark(&mut self) {
        let (plan, fired) = (&self.plan, &self.fired);
        for (_, row) in self.environments.iter_derived() {
            row.next_mark = environment_mark(plan, fired, row);
        }
        for (_, row) in self.users.iter_derived() {
            row.next_mark = user_mark(plan, fired, row);
        }
        self.remark_common();
    }

    /// The same for the pool and the organization only: those of the others do not depend on the grants.
    pub(super) fn remark_common(&mut self) {
        let (plan, fired) = (&self.plan, &self.fired);
        let percents = &plan.thresholds.0;
        let next = |account: Account, limit| {
            threshold::next_mark(limit, percents, |it| fired.contains(&(account.clone(), it)))
        };
        self.pool_mark = if self.has_set_asides() {
            next(Account::Pool, self.figures.pool_base)
        } else {
            u64::MAX
        };
        self.organization_mark = next(Account::Organization, self.figures.entitlement);
    }

    /// Finds again the least `used` that fires a threshold, for one account.
    pub(super) fn mark_again(&mut self, account: &Account) {
        let (plan, fired) = (&self.plan, &self.fired);
        let open = |limit, percents: &[u32]| {
            threshold::next_mark(limit, percents, |percent| {
                fired.contains(&(account.clone(), percent))
            })
        };
        match account {
            Account::User(name) => {
                let row = self
                    .users
                    .find(name)
                    .and_then(|row| self.users.get_derived(row));
                if let Some(row) = row {
                    row.next_mark = user_mark(plan, fired, row);
                }
            }
            Account::Environment(name) => {
                let row = self
                    .environments
                    .find(name)
                    .and_then(|row| self.environments.get_derived(row));
                if let Some(row) = row {
                    row.next_mark = environment_mark(plan, fired, row);
                }
            }
            Account::Pool => self.pool_mark = open(self.figures.pool_base, &plan.thresholds.0),
            Account::Organization => {
                self.organization_mark = open(self.figures.entitlement, &plan.thresholds.0);
            }
        }
    }
}

pub(super) fn environment_mark(
    plan: &OrganizationPlan,
    fired: &Fired,
    row: &EnvironmentRow,
) -> u64 {
    if row.allocation == 0 {
        return u64::MAX;
    }
    let account = Account::Environment(row.name.clone());
    threshold::next_mark(
        row.allocation,
        environment_percents(plan, &row.name),
        |percent| fired.contains(&(account.clone(), percent)),
    )
}

pub(super) fn user_mark(plan: &OrganizationPlan, fired: &Fired, row: &UserRow) -> u64 {
    let Some((limit, _)) = row.limit() else {
        return u64::MAX;
    };
    let account = Account::User(row.name.as_str().into());
    threshold::next_mark(limit, user_percents(plan, &row.name), |percent| {
        fired.contains(&(account.clone(), percent))
    })
}

/// The marks of an environment: its own, or the organization's.
pub(super) fn environment_percents<'a>(plan: &'a OrganizationPlan, name: &str) -> &'a [u32] {
    let own = plan
        .environments
        .get(name)
        .and_then(|it| it.thresholds.as_ref());
    &own.unwrap_or(&plan.thresholds).0
}

/// The marks of a user: the user's own, or the organization's.
pub(super) fn user_percents<'a>(plan: &'a OrganizationPlan, name: &str) -> &'a [u32] {
    let own = plan.user(name).and_then(|it| it.thresholds.as_ref());
    &own.unwrap_or(&plan.thresholds).0
}
