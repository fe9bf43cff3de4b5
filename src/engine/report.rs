//! Balances and estimates (sections 9 to 11): how accounts stand. Nothing in here changes the books.

use std::collections::BTreeSet;

use crate::domain::account::Account;
use crate::domain::charge;
use crate::domain::names::Name;
use crate::domain::plan::LimitKind;
use crate::domain::rates::{Class, Estimate, estimate};
use crate::domain::route::{Payer, Pots};
use crate::domain::standing::{self, State};
use crate::domain::time::Now;

use super::Engine;
use super::answer::{Balance, EngineError, Sources};
use super::book::Book;
use super::denial::{invalid, precondition};
use super::order::Of;
use super::organization::Organization;
use super::seat::{Trial, payer_state, user_state};

/// What an account has used, and who paid for it.
#[derive(Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) used: u64,
    pub(super) held: u64,
    pub(super) base_used: u64,
    pub(super) extension_used: u64,
    pub(super) overrun: u64,
    pub(super) trial_used: u64,
}

impl Engine {
    /// How an account stands.
    pub fn balance(&self, organization: Name<'_>, of: Of<'_>) -> Result<Balance, EngineError> {
        let id = self.find(organization)?;
        let (balance, _) = self.desk(id.shard, |desk| {
            let found = desk.organization(id, organization)?;
            let book = found
                .present()
                .ok_or_else(|| precondition("no cycle is open yet"))?;
            Ok(match of {
                Of::Organization => organization_balance(found, book, desk.now),
                Of::Environment(name) => environment_balance(book, name.as_str(), desk.now),
                Of::User(name) => user_balance(found, book, name.as_str(), desk.now),
            })
        })?;
        Ok(balance)
    }

    /// What planned quantities of operations would cost, and whether the entitlement covers it.
    pub fn estimate(
        &self,
        organization: Name<'_>,
        quantities: &[(&str, u64)],
    ) -> Result<Estimate, EngineError> {
        let id = self.find(organization)?;
        let (estimate, _) = self.desk(id.shard, |desk| {
            let found = desk.organization(id, organization)?;
            let entitlement = found.present().map_or(0, |book| book.figures.entitlement);
            let add_on = desk.shard.catalogue.add_on_credits;
            let quantities = quantities.iter().copied();
            Ok(estimate(
                &desk.shard.rate_card,
                quantities,
                entitlement,
                add_on,
            )?)
        })?;
        Ok(estimate)
    }

    /// What each of these users would get if what is left were shared out equally (section 10): entitlement less
    /// allocations, and less what others drew or have set aside, divided and rounded down; in credits. Who is named twice
    /// counts once.
    ///
    /// # Errors
    /// If nobody is named, if there is no such organization, or if no cycle of it is open.
    pub fn equal_share(&self, organization: Name<'_>, users: &[&str]) -> Result<u64, EngineError> {
        if users.is_empty() {
            return Err(invalid("users", "name at least one"));
        }
        let users: BTreeSet<&str> = users.iter().copied().collect();
        let id = self.find(organization)?;
        let (share, _) = self.desk(id.shard, |desk| {
            let found = desk.organization(id, organization)?;
            let book = found
                .present()
                .ok_or_else(|| precondition("no cycle is open yet"))?;
            // Of all users together, less these: nobody waits while a million others are gone through.
            let rows = users.iter().filter_map(|name| book.users.find_row(name));
            let by_them: u64 = rows
                .map(|row| row.pool_drawn().saturating_sub(row.set_aside()))
                .sum();
            let by_others = book.totals.pool_drawn.saturating_sub(by_them);
            // Limits of others are spoken for as well: without them the result could not be applied.
            let limits = users.iter().filter_map(|name| book.plan.user(name));
            let for_them: u64 = limits.map(|user| user.limit.get()).sum();
            let for_others = book.figures.set_aside.saturating_sub(for_them);
            let spoken_for = book.figures.allocated + by_others + for_others;
            Ok(book.figures.entitlement.saturating_sub(spoken_for) / users.len() as u64)
        })?;
        Ok(share)
    }
}

pub(super) fn organization_balance(organization: &Organization, book: &Book, now: Now) -> Balance {
    let (totals, figures) = (&book.totals, &book.figures);
    let left = book.extension_left(now.wall);
    let mut spent = Spent {
        used: totals.used,
        held: totals.held,
        base_used: set_aside_used(book),
        trial_used: totals.trial_used,
        ..Spent::default()
    };
    let mut shares = 0;
    let mut allowances = figures.pool_allowance;
    let pool = Pots {
        base: figures.pool_base,
        share: book.pool_share,
        extension_left: left,
        allowance: figures.pool_allowance,
    };
    let environments = book
        .environments
        .iter()
        .filter(|(_, row)| row.allocation > 0)
        .map(|(_, row)| {
            let (base, share, allowance) = (row.allocation, row.share, row.allowance);
            (
                Pots {
                    base,
                    share,
                    extension_left: left,
                    allowance,
                },
                row.used,
                row.drawn(),
            )
        });
    for (pots, used, drawn) in environments.chain([(pool, totals.pool_used, totals.pool_drawn)]) {
        let share = pots.share_at(drawn);
        let base_used = used.min(pots.base);
        spent.base_used += base_used;
        spent.extension_used += (used - base_used).min(share);
        spent.overrun += drawn.saturating_sub(pots.reach(Class::Run));
        shares += share;
    }
    // An environment without an allocation draws from the pool; its own policy adds nothing.
    for terms in organization.plan.environments.values() {
        let allocation = terms.allocation.get();
        if allocation > 0 {
            allowances += terms.overage.allowance(allocation);
        }
    }
    let state = standing::state(standing::Account {
        used: totals.used,
        limit: figures.entitlement,
        drawn: totals.used + totals.held,
        reach: Some(figures.entitlement + allowances + book.extension_usable(now.wall)),
        covered: figures.entitlement + shares,
    });
    let seat = book.seat(Name::DEFAULT.as_str(), "");
    let available = charge::available(&book.route(&seat, Trial::None, now.wall), Class::Run);
    let mut balance = assemble(
        book,
        now,
        Account::Organization,
        spent,
        Some(figures.entitlement),
        available,
        state,
    );
    balance.sources = Sources {
        contract: figures.purchased.contract,
        add_on: figures.purchased.add_on,
        license: figures.purchased.license,
        rolled_over: book.rolled_over,
        extension: book.extension_usable(now.wall),
    };
    balance
}

pub(super) fn environment_balance(book: &Book, name: &str, now: Now) -> Balance {
    let seat = book.seat(name, "");
    let row = seat.environment.and_then(|it| book.environments.get(it));
    let route = book.route(&seat, Trial::None, now.wall);
    let (used, held) = (seat.environment_used, seat.environment_held);
    let mut spent = Spent {
        used,
        held,
        base_used: used,
        trial_used: row.map_or(0, |row| row.trial_used),
        ..Spent::default()
    };
    let is_allocated = seat.allocation > 0;
    if is_allocated {
        spent.base_used = used.min(seat.allocation);
        let share = route.pots.share_at(route.drawn);
        spent.extension_used = (used - spent.base_used).min(share);
        spent.overrun = route.drawn.saturating_sub(route.pots.reach(Class::Run));
    }
    let limit = is_allocated.then_some(seat.allocation);
    let available = charge::available(&route, Class::Run);
    let state = book.state(&seat, &route, Trial::None);
    assemble(
        book,
        now,
        Account::Environment(name.into()),
        spent,
        limit,
        available,
        state,
    )
}

pub(super) fn user_balance(
    organization: &Organization,
    book: &Book,
    name: &str,
    now: Now,
) -> Balance {
    let seat = book.seat(Name::DEFAULT.as_str(), name);
    let trial = organization.trial(name, now.wall);
    let route = book.route(&seat, trial, now.wall);
    let available = charge::available(&route, Class::Run);
    let account = Account::User(name.into());
    let row = seat.user.and_then(|user| book.users.get(user));
    let cells = row.into_iter().flat_map(|row| &row.cells);
    let trial_used = cells.map(|cell| cell.trial_used).sum();
    if let Trial::Pays(_, period) = trial {
        let (used, held) = (period.used, period.held);
        let overrun = period.drawn().saturating_sub(period.credits);
        let base_used = used.min(period.credits);
        let spent = Spent {
            used,
            held,
            base_used,
            overrun,
            trial_used,
            ..Spent::default()
        };
        let figure = book.figure(charge::Bound::Payer, &seat, &route, trial);
        let state = payer_state(&figure, &route);
        return assemble(
            book,
            now,
            account,
            spent,
            Some(period.credits),
            available,
            state,
        );
    }
    let (used, held) = (seat.used, seat.held);
    let mut spent = Spent {
        used,
        held,
        base_used: used,
        trial_used,
        ..Spent::default()
    };
    let Some((limit, kind)) = seat.limit else {
        let state = book.state(&seat, &route, trial);
        return assemble(book, now, account, spent, None, available, state);
    };
    spent.base_used = used.min(limit);
    if kind == LimitKind::Hard {
        spent.overrun = (used + held).saturating_sub(limit);
    }
    let state = user_state(&seat, (limit, kind));
    let mut balance = assemble(book, now, account, spent, Some(limit), available, state);
    if kind == LimitKind::Soft && used > limit && route.payer == Payer::Pool {
        balance.advice = Some("Beyond the limit: contact the administrator for more.".to_owned());
    }
    balance
}

/// What users have used of their set-asides: neither an allocation nor the rest of the pool paid it. Users are not gone
/// through: there may be a million, and requests wait.
fn set_aside_used(book: &Book) -> u64 {
    let rows = book.environments.iter();
    let allocated = rows.filter(|(_, row)| row.allocation > 0);
    let by_allocations: u64 = allocated.map(|(_, row)| row.used).sum();
    let totals = &book.totals;
    totals
        .used
        .saturating_sub(by_allocations + totals.pool_used)
}

pub(super) fn assemble(
    book: &Book,
    now: Now,
    account: Account,
    spent: Spent,
    limit: Option<u64>,
    available: u64,
    state: State,
) -> Balance {
    let figures = &book.figures;
    let percent = standing::percent(spent.used, limit);
    let set_asides = figures.allocated + figures.set_aside;
    Balance {
        account,
        sources: Sources::default(),
        used: spent.used,
        held: spent.held,
        limit,
        base_used: spent.base_used,
        extension_used: spent.extension_used,
        overage_used: spent
            .used
            .saturating_sub(spent.base_used + spent.extension_used),
        overrun: spent.overrun,
        trial_used: spent.trial_used,
        available,
        percent,
        base_percent: percent.map(|percent| percent.min(100)),
        state,
        entitlement: figures.entitlement,
        allocated: figures.allocated,
        set_aside: figures.set_aside,
        pool: figures.pool_base,
        over_allocated_by: set_asides.saturating_sub(figures.entitlement),
        days_until_reset: book.calendar.days_until(now.wall, book.span.end),
        cycle_end: book.span.end,
        text: standing::text(spent.used, limit, book.plan.scale),
        advice: None,
    }
}
