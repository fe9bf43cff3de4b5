//! The members of an organization for administrators: users with a limit or a trial, and those that used something.

use std::collections::BTreeSet;

use crate::domain::account::Account;
use crate::domain::fact::OrganizationId;
use crate::domain::names::Name;

use super::Engine;
use super::accounts::{BALANCES_AT_ONCE, LISTED_MAX, SLOTS_AT_ONCE, balances};
use super::answer::{Accounts, EngineError};
use super::cell::FOLDED;
use super::denial::unopened;

impl Engine {
    /// How the users of an organization stand that have a limit or a trial, or used something in this cycle, by name: those
    /// after `after`, at most `most`, and at most [`LISTED_MAX`].
    ///
    /// Balances of one answer are not all of the same instant. Rows of users are in no order, so each answer looks at all of
    /// them, a few thousand at a time.
    ///
    /// # Errors
    /// If there is no such organization.
    pub fn members(
        &self,
        organization: Name<'_>,
        after: Option<&str>,
        most: usize,
    ) -> Result<Accounts, EngineError> {
        let id = self.find(organization)?;
        let most = most.clamp(1, LISTED_MAX);
        let last = after.map(|name| Account::User(name.into()));
        let mut names = self.tried_users(id, organization, last.as_ref(), most + 1)?;
        self.add_users(id, organization, after, most + 1, &mut names)?;
        let is_more = names.len() > most;
        let names: Vec<_> = names.into_iter().take(most).collect();
        let mut accounts = Vec::new();
        for names in names.chunks(BALANCES_AT_ONCE) {
            let users = names.iter().cloned().map(Account::User).collect();
            let (mut more, _) = self.desk(id.shard, |desk| {
                let found = desk.organization(id, organization)?;
                let book = found.present().ok_or_else(|| unopened(&found.name))?;
                Ok(balances(found, book, users, desk.now))
            })?;
            accounts.append(&mut more);
        }
        let next = accounts.last().map(|it| it.balance.account.clone());
        let next = next.filter(|_| is_more);
        Ok(Accounts { accounts, next })
    }

    /// Adds the first users after a name that the plan gives a limit, or that used something.
    fn add_users(
        &self,
        id: OrganizationId,
        organization: Name<'_>,
        after: Option<&str>,
        most: usize,
        first: &mut BTreeSet<Box<str>>,
    ) -> Result<(), EngineError> {
        let mut add = |name: &str| {
            let is_before = |last: &str| first.len() < most || name < last;
            if after.is_none_or(|after| after < name)
                && first.last().map(|last| &**last).is_none_or(is_before)
            {
                first.insert(name.into());
                if first.len() > most {
                    first.pop_last();
                }
            }
        };
        if let Some(plan) = self.plan().organizations.get(organization.as_str()) {
            plan.users.keys().for_each(|name| add(name));
        }
        let mut next = Some(0);
        while let Some(from) = next {
            let (found, _) = self.desk(id.shard, |desk| {
                let found = desk.organization(id, organization)?;
                let book = found.present().ok_or_else(|| unopened(&found.name))?;
                let end = book.users.slots().min(from + SLOTS_AT_ONCE);
                for row in (from..end).filter_map(|number| book.users.get(number)) {
                    if row.used > 0 && !row.name.is_empty() && *row.name != *FOLDED {
                        add(&row.name);
                    }
                }
                Ok((end < book.users.slots()).then_some(end))
            })?;
            next = found;
        }
        Ok(())
    }
}
