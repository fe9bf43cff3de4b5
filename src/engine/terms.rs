//! How a changed plan changes a book: what it does not touch is not looked at, for there may be a million cells.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::plan::{Catalogue, OrganizationPlan, Timeline, UserPlan};
use crate::domain::time::Timestamp;

use super::book::Book;
use super::cell::{Limit, UserRow};
use super::marks::{environment_mark, user_mark};
use super::totals::{enter, leave};

impl Book {
    /// Puts another plan in force; usage is attributed anew.
    pub(super) fn plan(
        &mut self,
        plan: Arc<OrganizationPlan>,
        catalogue: &Catalogue,
        at: Timestamp,
    ) {
        self.timeline = Timeline::new(&plan.grants, catalogue, &self.calendar);
        let before = std::mem::replace(&mut self.plan, plan);
        self.set_limits(&before);
        self.set_allocations();
        self.sum_up_plan();
        self.clamp_shares();
        self.step(at);
    }

    /// Gives every user whose terms have changed the new ones.
    fn set_limits(&mut self, before: &OrganizationPlan) {
        let (plan, fired, totals) = (&self.plan, &self.fired, &mut self.totals);
        let (old, new) = (&before.users, &plan.users);
        self.to_cross.clear();
        let mut set = |name: &str, users: &mut super::rows::Rows<UserRow>| {
            let Some(number) = users.find(name) else {
                return;
            };
            let Some(row) = users.get_derived(number) else {
                return;
            };
            leave(totals, row);
            let terms = plan.user(name);
            row.limit = Limit::new(terms.map(|it| (it.limit.get(), it.kind)));
            enter(totals, row);
            row.next_mark = user_mark(plan, fired, row);
            self.to_cross.push(number);
        };
        // Whoever has no marks of their own has the organization's.
        if before.thresholds == plan.thresholds {
            changed(old, new, |name, _| set(name, &mut self.users));
        } else {
            each(old, new, |name, _, _| set(name, &mut self.users));
        }
    }

    /// Gives every environment its new terms, and users' draws the payer that they have now.
    fn set_allocations(&mut self) {
        let mut other_payer = Vec::new();
        self.totals.allocation_drawn = 0;
        for (number, row) in self.environments.iter_derived() {
            let terms = self.plan.environments.get(&row.name);
            let allocation = terms.map_or(0, |it| it.allocation.get());
            if (allocation > 0) != (row.allocation > 0) {
                other_payer.push((number, allocation == 0));
            }
            row.allocation = allocation;
            row.allowance = terms.map_or(0, |it| it.overage.allowance(allocation));
            row.next_mark = environment_mark(&self.plan, &self.fired, row);
            self.totals.allocation_drawn += row.drawn().min(allocation);
        }
        if other_payer.is_empty() {
            return;
        }
        for (_, row) in self.users.iter_derived() {
            let (used, held, to_pool) = (row.pool_used, row.pool_held, &other_payer);
            let mut pool = (used, held);
            for cell in &row.cells {
                let (used, held) = (cell.used - cell.trial_used, cell.held - cell.trial_held);
                match to_pool
                    .iter()
                    .find(|(number, _)| *number == cell.environment)
                {
                    Some((_, true)) => pool = (pool.0 + used, pool.1 + held),
                    Some((_, false)) => pool = (pool.0 - used, pool.1 - held),
                    None => {}
                }
            }
            if pool != (used, held) {
                leave(&mut self.totals, row);
                (row.pool_used, row.pool_held) = pool;
                enter(&mut self.totals, row);
            }
        }
    }

    /// No environment has drawn more from the extension than its allocation left it to. Shares are not derived: each that
    /// changes is changed by itself.
    fn clamp_shares(&mut self) {
        let beyond = self.environments.iter().filter_map(|(number, row)| {
            let most = match row.allocation {
                0 => 0,
                allocation => row.drawn().saturating_sub(allocation),
            };
            (row.share > most).then_some((number, most))
        });
        for (number, most) in beyond.collect::<Vec<_>>() {
            if let Some(row) = self.environments.get_mut(number) {
                row.share = most;
            }
        }
    }

    /// What the pool would have paid beyond the limits, if the cycle had been under another plan.
    pub(super) fn pool_drawn_under(&self, plan: &OrganizationPlan) -> u64 {
        let mut limits = BTreeMap::new();
        changed(&self.plan.users, &plan.users, |name, terms| {
            if let Some(number) = self.users.find(name) {
                limits.insert(number, terms.map_or(0, |it| it.limit.get()));
            }
        });
        let rows = self.environments.iter();
        let has_other_payer = rows
            .map(|(number, row)| (number, plan.allocation(&row.name) > 0, row.allocation > 0))
            .filter(|(_, after, before)| after != before);
        let other_payer: BTreeMap<u32, bool> = has_other_payer
            .map(|(number, after, _)| (number, !after))
            .collect();
        let beyond = |number: u32, row: &UserRow, drawn: u64| {
            let limit = limits.get(&number).copied();
            drawn.saturating_sub(limit.unwrap_or(row.set_aside()))
        };
        if other_payer.is_empty() {
            let mut drawn = self.totals.pool_drawn;
            for &number in limits.keys() {
                if let Some(row) = self.users.get(number) {
                    drawn -= row.pool_drawn().saturating_sub(row.set_aside());
                    drawn += beyond(number, row, row.pool_drawn());
                }
            }
            return drawn;
        }
        let users = self.users.iter();
        let drawn = users.map(|(number, row)| {
            let mut drawn = row.pool_drawn();
            for cell in &row.cells {
                let by_cell = cell.used + cell.held - cell.trial_used - cell.trial_held;
                match other_payer.get(&cell.environment) {
                    Some(true) => drawn += by_cell,
                    Some(false) => drawn -= by_cell,
                    None => {}
                }
            }
            beyond(number, row, drawn)
        });
        drawn.sum()
    }
}

/// Users that either plan names, in order, with their terms before and after.
fn each<'a>(
    before: &'a BTreeMap<Box<str>, UserPlan>,
    after: &'a BTreeMap<Box<str>, UserPlan>,
    mut each: impl FnMut(&'a str, Option<&'a UserPlan>, Option<&'a UserPlan>),
) {
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let old = if order.is_le() { old.next() } else { None };
        let new = if order.is_ge() { new.next() } else { None };
        if let Some((name, _)) = old.or(new) {
            each(name, old.map(|it| it.1), new.map(|it| it.1));
        }
    }
}

/// Those whose terms are not the same, with what they are after.
fn changed<'a>(
    before: &'a BTreeMap<Box<str>, UserPlan>,
    after: &'a BTreeMap<Box<str>, UserPlan>,
    mut told: impl FnMut(&'a str, Option<&'a UserPlan>),
) {
    each(before, after, |name, old, new| {
        if old != new {
            told(name, new);
        }
    });
}
