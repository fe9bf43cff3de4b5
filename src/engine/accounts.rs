//! Lists for administrators: the accounts of an organization, and its open holds. However long they are, a shard's lock is
//! held for a few accounts or a few thousand slots at a time.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use crate::domain::account::Account;
use crate::domain::charge;
use crate::domain::fact::OrganizationId;
use crate::domain::names::Name;
use crate::domain::plan::OrganizationPlan;
use crate::domain::rates::Class;
use crate::domain::time::Now;

use super::Engine;
use super::answer::{AccountBalance, Accounts, Balance, EngineError, OpenHold, OpenHolds};
use super::book::Book;
use super::cell::FOLDED;
use super::denial::{on_the_wall, unopened};
use super::desk::Desk;
use super::holds::{Row, State};
use super::organization::Organization;
use super::report::{Spent, assemble, environment_balance, organization_balance, user_balance};
use super::seat::{Trial, payer_state};

/// So many accounts, or open holds, one answer has at most.
pub const LISTED_MAX: usize = 1_000;

/// So many balances are told before others get a turn at the lock: some microseconds.
pub(super) const BALANCES_AT_ONCE: usize = 64;

/// So many slots are looked at before others get a turn at the lock: a few microseconds.
pub(super) const SLOTS_AT_ONCE: u32 = 4_096;

impl Engine {
    /// The accounts of an organization in the order organization, pool (where anything is set aside), environments with an
    /// allocation by name, users with a limit or a trial by name: those after `after`, at most `most`, and at most
    /// [`LISTED_MAX`].
    ///
    /// Balances of one answer are not all of the same instant.
    ///
    /// # Errors
    /// If there is no such organization.
    pub fn accounts(
        &self,
        organization: Name<'_>,
        after: Option<&Account>,
        most: usize,
    ) -> Result<Accounts, EngineError> {
        let id = self.find(organization)?;
        let most = most.clamp(1, LISTED_MAX);
        let tried = self.tried_users(id, organization, after, most)?;
        let (mut accounts, mut last) = (Vec::new(), after.cloned());
        loop {
            let count = BALANCES_AT_ONCE.min(most - accounts.len());
            let (mut more, _) = self.desk(id.shard, |desk| {
                let found = desk.organization(id, organization)?;
                let book = found.present().ok_or_else(|| unopened(&found.name))?;
                let next = accounts_after(found, book, last.as_ref(), &tried, count);
                Ok(balances(found, book, next, desk.now))
            })?;
            let is_last = more.len() < count;
            accounts.append(&mut more);
            last = accounts.last().map(|it| it.balance.account.clone());
            if is_last || accounts.len() == most {
                let next = last.filter(|_| !is_last);
                return Ok(Accounts { accounts, next });
            }
        }
    }

    /// The first users with a trial after an account, by name. Trials are in no order, so each answer looks at all of them.
    pub(super) fn tried_users(
        &self,
        id: OrganizationId,
        organization: Name<'_>,
        after: Option<&Account>,
        most: usize,
    ) -> Result<BTreeSet<Box<str>>, EngineError> {
        let after = match after {
            Some(Account::User(name)) => Some(&**name),
            _ => None,
        };
        let (mut first, mut next) = (BTreeSet::new(), Some(0));
        while let Some(from) = next {
            let (found, _) = self.desk(id.shard, |desk| {
                let trials = &desk.organization(id, organization)?.trials;
                let end = trials.slots().min(from + SLOTS_AT_ONCE);
                let users = (from..end).filter_map(|number| trials.get(number));
                for user in users.map(|trial| &trial.user) {
                    if after.is_none_or(|after| after < &**user) {
                        first.insert(user.clone());
                        if first.len() > most {
                            first.pop_last();
                        }
                    }
                }
                Ok((end < trials.slots()).then_some(end))
            })?;
            next = found;
        }
        Ok(first)
    }

    /// The open holds of an organization: those from slot `from` on (0 is the first), at most `most`, and at most
    /// [`LISTED_MAX`].
    ///
    /// A hold that is made meanwhile may be left out.
    ///
    /// # Errors
    /// If there is no such organization.
    pub fn reservations(
        &self,
        organization: Name<'_>,
        from: u32,
        most: usize,
    ) -> Result<OpenHolds, EngineError> {
        let id = self.find(organization)?;
        let most = most.clamp(1, LISTED_MAX);
        let (mut holds, mut next) = (Vec::new(), Some(from));
        while let Some(from) = next {
            if holds.len() == most {
                break;
            }
            let (found, _) = self.desk(id.shard, |desk| {
                desk.organization(id, organization)?;
                Ok(desk.open_holds(id, from, most, &mut holds))
            })?;
            next = found;
        }
        Ok(OpenHolds { holds, next })
    }
}

impl Desk<'_> {
    /// Adds open holds of an organization, from a slot on; answers where to go on.
    fn open_holds(
        &self,
        id: OrganizationId,
        from: u32,
        most: usize,
        holds: &mut Vec<OpenHold>,
    ) -> Option<u32> {
        let slots = self.shard.holds.slots();
        let end = slots.min(from.saturating_add(SLOTS_AT_ONCE));
        for number in from..end {
            let row = self.shard.holds.at(number);
            let is_meant = |row: &Row| row.state == State::Open && row.place.organization == id;
            if let Some(row) = row.filter(is_meant) {
                holds.push(self.open_hold(&row));
                if holds.len() == most {
                    return Some(number + 1);
                }
            }
        }
        (end < slots).then_some(end)
    }

    fn open_hold(&self, row: &Row) -> OpenHold {
        let place = &row.place;
        let found = self
            .shard
            .organizations
            .get(place.organization.index as usize);
        let book = found.and_then(|it| it.book(place.book));
        let environment = book.and_then(|it| it.environments.get(place.environment));
        let user = book.and_then(|it| it.users.get(place.user));
        let user = user
            .map(|it| &it.name)
            .filter(|name| name.as_str() != FOLDED);
        let label = book.and_then(|it| it.labels.get(place.label));
        OpenHold {
            label: label.cloned().unwrap_or_default(),
            id: row.id,
            environment: environment.map(|it| it.name.clone()).unwrap_or_default(),
            user: user.map(|name| name.as_str().into()).unwrap_or_default(),
            held: row.held,
            made: on_the_wall(row.settled, self.now),
            expires: on_the_wall(row.expires, self.now),
        }
    }
}

/// The next accounts of an organization after one of them, at most so many.
fn accounts_after(
    organization: &Organization,
    book: &Book,
    after: Option<&Account>,
    tried: &BTreeSet<Box<str>>,
    count: usize,
) -> Vec<Account> {
    let plan = &organization.plan;
    let common = [Account::Organization, Account::Pool].into_iter();
    let common = common.skip(match after {
        None => 0,
        Some(Account::Organization) => 1,
        Some(_) => 2,
    });
    let common = common.filter(|it| *it == Account::Organization || book.has_set_asides());
    let environments = match after {
        Some(Account::User(_)) => Vec::new(),
        Some(Account::Environment(name)) => environments_after(plan, name, count),
        _ => environments_after(plan, "", count),
    };
    let user = match after {
        Some(Account::User(name)) => &**name,
        _ => "",
    };
    let range = (Excluded(user), Unbounded);
    let limited = plan.users.range::<str, _>(range).map(|(name, _)| name);
    let users: BTreeSet<_> = limited
        .take(count)
        .chain(tried.range::<str, _>(range).take(count))
        .collect();
    let users = users.into_iter().cloned().map(Account::User);
    common
        .chain(environments)
        .chain(users)
        .take(count)
        .collect()
}

fn environments_after(plan: &OrganizationPlan, after: &str, count: usize) -> Vec<Account> {
    let range = (Excluded(after), Unbounded);
    let named = plan.environments.range::<str, _>(range);
    let allocated = named.filter(|(_, it)| it.allocation.get() > 0);
    let accounts = allocated.map(|(name, _)| Account::Environment(name.clone()));
    accounts.take(count).collect()
}

pub(super) fn balances(
    organization: &Organization,
    book: &Book,
    accounts: Vec<Account>,
    now: Now,
) -> Vec<AccountBalance> {
    let balance = |account| match account {
        Account::Organization => organization_balance(organization, book, now),
        Account::Pool => pool_balance(book, now),
        Account::Environment(name) => environment_balance(book, &name, now),
        Account::User(name) => user_balance(organization, book, &name, now),
    };
    let kind = |account: &Account| match account {
        Account::User(name) => organization.plan.user(name).map(|it| it.kind),
        _ => None,
    };
    let balances = accounts.into_iter().map(|account| AccountBalance {
        kind: kind(&account),
        balance: balance(account),
    });
    balances.collect()
}

/// How what is not set aside stands: what was drawn beyond limits where no allocation pays.
fn pool_balance(book: &Book, now: Now) -> Balance {
    // No environment has this name, so none of the plan's terms count.
    let seat = book.seat("", "");
    let route = book.route(&seat, Trial::None, now.wall);
    let figure = book.pool_figure();
    let base_used = figure.used.min(figure.limit);
    let share = route.pots.share_at(route.drawn);
    let spent = Spent {
        used: figure.used,
        held: figure.held,
        base_used,
        extension_used: (figure.used - base_used).min(share),
        overrun: route.drawn.saturating_sub(route.pots.reach(Class::Run)),
        trial_used: 0,
    };
    let state = payer_state(&figure, &route);
    let available = charge::available(&route, Class::Run);
    let limit = Some(figure.limit);
    assemble(book, now, Account::Pool, spent, limit, available, state)
}
