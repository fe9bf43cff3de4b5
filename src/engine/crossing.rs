//! Thresholds (section 7): what a commit or a change has reached fires, once per threshold, account and cycle.

use crate::domain::account::Account;
use crate::domain::fact::{Fact, OrganizationId, Place};
use crate::domain::threshold::reached;
use crate::domain::time::Timestamp;

use super::book::Book;
use super::cell::{EnvironmentRow, UserRow};
use super::desk::Desk;
use super::marks::{environment_percents, user_percents};
use super::shard::Shard;

/// An account, the mark that it has reached, what it has used, and its limit.
type Crossing = (Account, u32, u64, u64);

impl Desk<'_> {
    /// Fires what a commit in this cell has reached.
    pub(super) fn cross(&mut self, place: &Place) {
        let at = self.now.wall;
        self.shard.cross(place, at);
    }
}

impl Shard {
    /// Fires what a commit in this cell has reached: the user's, the environment's or the pool's, the organization's.
    #[inline(always)]
    pub(super) fn cross(&mut self, place: &Place, at: Timestamp) {
        let organization = self.organizations.get(place.organization.index as usize);
        let Some(book) = organization.and_then(|it| it.book(place.book)) else {
            return;
        };
        if let Some(reached) = book.reached_at(place) {
            self.fire(place.organization, place.book, reached, at);
        }
    }

    /// Fires what a change of the plan or the entitlement has reached, on any account of the present cycle.
    pub(super) fn cross_all(&mut self, id: OrganizationId, at: Timestamp) {
        let organization = self.organizations.get_mut(id.index as usize);
        let Some(book) = organization.and_then(|it| it.books.last_mut()) else {
            return;
        };
        // What other users have reached fired when they reached it.
        let users = std::mem::take(&mut book.to_cross);
        let (book, number, mut crossed) = (&*book, book.number, Vec::new());
        let rows = users.iter().filter_map(|&row| book.users.get(row));
        for row in rows.filter(|row| row.used >= row.next_mark) {
            book.collect_user(row, &mut crossed);
        }
        for (_, row) in book
            .environments
            .iter()
            .filter(|(_, row)| row.used >= row.next_mark)
        {
            book.collect_environment(row, &mut crossed);
        }
        book.collect_common(true, &mut crossed);
        self.fire(id, number, crossed, at);
    }

    fn fire(
        &mut self,
        organization: OrganizationId,
        book: u32,
        mut crossed: Vec<Crossing>,
        at: Timestamp,
    ) {
        crossed.sort();
        for (account, percent, used, limit) in crossed {
            self.happen(Fact::Crossed {
                organization,
                book,
                account,
                percent,
                at,
                used,
                limit,
            });
        }
    }
}

impl Book {
    /// What the accounts of a cell have reached and not fired; `None` almost always.
    fn reached_at(&self, place: &Place) -> Option<Vec<Crossing>> {
        let user = self.users.get(place.user)?;
        let environment = self.environments.get(place.environment)?;
        let is_pool = environment.allocation == 0;
        let nothing = user.used < user.next_mark
            && environment.used < environment.next_mark
            && (!is_pool || self.totals.pool_used < self.pool_mark)
            && self.totals.used < self.organization_mark;
        if nothing {
            return None;
        }
        let mut crossed = Vec::new();
        self.collect_user(user, &mut crossed);
        self.collect_environment(environment, &mut crossed);
        self.collect_common(is_pool, &mut crossed);
        Some(crossed)
    }

    fn collect_user(&self, row: &UserRow, crossed: &mut Vec<Crossing>) {
        if let Some((limit, _)) = row.limit() {
            let account = Account::User(row.name.as_str().into());
            self.collect(
                account,
                row.used,
                limit,
                user_percents(&self.plan, &row.name),
                crossed,
            );
        }
    }

    fn collect_environment(&self, row: &EnvironmentRow, crossed: &mut Vec<Crossing>) {
        if row.allocation > 0 {
            let account = Account::Environment(row.name.clone());
            let percents = environment_percents(&self.plan, &row.name);
            self.collect(account, row.used, row.allocation, percents, crossed);
        }
    }

    fn collect_common(&self, with_pool: bool, crossed: &mut Vec<Crossing>) {
        let percents = &self.plan.thresholds.0;
        if with_pool && self.has_set_asides() {
            let (used, limit) = (self.totals.pool_used, self.figures.pool_base);
            self.collect(Account::Pool, used, limit, percents, crossed);
        }
        self.collect(
            Account::Organization,
            self.totals.used,
            self.figures.entitlement,
            percents,
            crossed,
        );
    }

    fn collect(
        &self,
        account: Account,
        used: u64,
        limit: u64,
        percents: &[u32],
        crossed: &mut Vec<Crossing>,
    ) {
        for &percent in percents
            .iter()
            .filter(|&&percent| reached(used, limit, percent))
        {
            let mark = (account.clone(), percent);
            if !self.fired.contains(&mark) {
                crossed.push((mark.0, percent, used, limit));
            }
        }
    }
}
