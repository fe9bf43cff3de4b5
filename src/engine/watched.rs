//! How accounts stand, for whoever watches many of them: the figures that cost the same however large an organization is.
//!
//! Nothing changes here, and nothing that is due happens: the figures are those of the last request, or of the last tick.

use crate::domain::account::Account;
use crate::domain::charge;
use crate::domain::names::Name;
use crate::domain::rates::Class;
use crate::domain::time::{Now, Timestamp};

use super::Engine;
use super::book::Book;
use super::cell::FOLDED;
use super::organization::Organization;
use super::seat::{Figure, Trial};

/// So many accounts are looked at before others get a turn at the lock: about ten microseconds.
const ACCOUNTS_AT_ONCE: usize = 64;

/// How an account stands, in credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// What it has in this cycle, without extension and overage; what a trial gives, if one pays.
    pub limit: u64,
    /// Committed.
    pub used: u64,
    /// In open holds.
    pub held: u64,
    /// What a request of the class `run` could get there now.
    pub available: u64,
}

/// How an organization's present cycle stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedCycle {
    /// When it ends.
    pub end: Timestamp,
    /// By how much set-asides exceed the entitlement, in credits.
    pub over_allocated_by: u64,
    /// Whether anything is set aside, so that the pool is an account of its own.
    pub has_pool: bool,
}

impl Engine {
    /// How the present cycle of an organization stands; `None` if there is no such organization, or no cycle is open yet.
    pub fn watch_cycle(&self, organization: Name<'_>) -> Option<WatchedCycle> {
        let id = self.find(organization).ok()?;
        let shard = self.shards[usize::from(id.shard)].lock();
        let book = shard.organizations.get(id.index as usize)?.present()?;
        let figures = &book.figures;
        let set_asides = figures.allocated + figures.set_aside;
        Some(WatchedCycle {
            end: book.span.end,
            over_allocated_by: set_asides.saturating_sub(figures.entitlement),
            has_pool: book.has_set_asides(),
        })
    }

    /// How accounts of an organization stand, in their order: as `balance` says it, without what takes longer to find out.
    /// They are not all of the same instant. Nothing if there is no such organization, or no cycle is open yet.
    pub fn watch_accounts(&self, organization: Name<'_>, accounts: &[Account]) -> Vec<Watched> {
        let Ok(id) = self.find(organization) else {
            return Vec::new();
        };
        let mut all = Vec::with_capacity(accounts.len());
        for accounts in accounts.chunks(ACCOUNTS_AT_ONCE) {
            let shard = self.shards[usize::from(id.shard)].lock();
            let now = self.now();
            let found = shard.organizations.get(id.index as usize);
            let Some((found, book)) = found.and_then(|it| Some((it, it.present()?))) else {
                return all;
            };
            let watched = accounts.iter().map(|it| watched(found, book, it, now));
            all.extend(watched);
        }
        all
    }

    /// How many cells users without a limit share, because the bound on cells was reached.
    pub fn folded_cells(&self) -> u64 {
        let mut sum = 0;
        for shard in &self.shards {
            let mut from = 0;
            loop {
                let shard = shard.lock();
                let organizations = shard.organizations.iter().skip(from);
                let present = organizations.take(ACCOUNTS_AT_ONCE).map(|it| it.present());
                let (mut seen, mut folded) = (0, 0);
                for book in present {
                    seen += 1;
                    let row = book.and_then(|it| it.users.find_row(FOLDED));
                    folded += row.map_or(0, |row| row.cells.len() as u64);
                }
                sum += folded;
                from += seen;
                if seen < ACCOUNTS_AT_ONCE {
                    break;
                }
            }
        }
        sum
    }
}

fn watched(organization: &Organization, book: &Book, account: &Account, now: Now) -> Watched {
    // No environment has this name, so none of the plan's terms count.
    let (environment, user) = match account {
        Account::Environment(name) => (&**name, ""),
        Account::User(name) => (Name::DEFAULT.as_str(), &**name),
        Account::Organization => (Name::DEFAULT.as_str(), ""),
        Account::Pool => ("", ""),
    };
    let seat = book.seat(environment, user);
    let trial = match account {
        Account::User(name) => organization.trial(name, now.wall),
        _ => Trial::None,
    };
    let route = book.route(&seat, trial, now.wall);
    let figure = match (account, trial) {
        (Account::User(_), Trial::Pays(_, period)) => Figure {
            limit: period.credits,
            used: period.used,
            held: period.held,
        },
        (Account::User(_), _) => Figure {
            limit: seat.set_aside(),
            used: seat.used,
            held: seat.held,
        },
        (Account::Environment(_), _) => Figure {
            limit: seat.allocation,
            used: seat.environment_used,
            held: seat.environment_held,
        },
        (Account::Pool, _) => book.pool_figure(),
        (Account::Organization, _) => Figure {
            limit: book.figures.entitlement,
            used: book.totals.used,
            held: book.totals.held,
        },
    };
    Watched {
        limit: figure.limit,
        used: figure.used,
        held: figure.held,
        available: charge::available(&route, Class::Run),
    }
}
