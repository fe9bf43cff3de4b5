//! The accounts of the page: the first by name, up to the bounds of the settings. The plan says which there are, without a
//! lock; their figures are read some at a time.

use std::fmt;

use crate::domain::account::Account;
use crate::domain::names::Name;
use crate::domain::plan::OrganizationPlan;
use crate::engine::watched::{Watched, WatchedCycle};

use super::Observed;
use super::families::{Families, credits, seconds};
use prometheus_client::registry::Unit;

/// An organization on the page.
struct Shown<'p> {
    name: &'p str,
    cycle: WatchedCycle,
    accounts: Vec<(String, Watched)>,
}

/// How many accounts of a kind are shown, and how many are not.
#[derive(Clone, Copy, Default)]
struct Count {
    shown: u64,
    folded: u64,
}

impl Count {
    /// Takes as many of those that there are as there is room for; answers how many that is.
    fn take(&mut self, there_are: usize, room: &mut usize) -> usize {
        let shown = there_are.min(*room);
        *room -= shown;
        self.shown += shown as u64;
        self.folded += (there_are - shown) as u64;
        shown
    }
}

impl Observed {
    /// The figures of accounts.
    pub(super) fn accounts(&self, families: &mut Families<'_>) -> fmt::Result {
        let plan = self.books.engine.plan();
        let (mut room, mut room_for_users) = (self.shown.accounts, self.shown.users);
        let mut counts = [Count::default(); 4];
        let mut all = Vec::new();
        for (name, organization) in &plan.organizations {
            let shown = self.organization(
                name,
                organization,
                &mut counts,
                (&mut room, &mut room_for_users),
            );
            all.extend(shown);
        }
        let each = || {
            all.iter().flat_map(|it| {
                let accounts = it.accounts.iter();
                accounts.map(|(account, watched)| {
                    let labels = [("organization", it.name), ("account", account.as_str())];
                    (labels, watched)
                })
            })
        };
        families.gauges(
            (
                "quotad_limit",
                credits(),
                "What the account has in this cycle, without extension and overage.",
            ),
            each().map(|(labels, it)| (labels, it.limit)),
        )?;
        families.gauges(
            ("quotad_used", credits(), "Committed in this cycle."),
            each().map(|(labels, it)| (labels, it.used)),
        )?;
        families.gauges(
            ("quotad_held", credits(), "In open holds."),
            each().map(|(labels, it)| (labels, it.held)),
        )?;
        families.gauges(
            (
                "quotad_available",
                credits(),
                "What a request of class run could get there now.",
            ),
            each().map(|(labels, it)| (labels, it.available)),
        )?;
        let organizations = || {
            let named = all.iter();
            named.map(|it| ([("organization", it.name)], it.cycle))
        };
        families.gauges(
            (
                "quotad_over_allocated",
                credits(),
                "By how much allocations and limits exceed the entitlement.",
            ),
            organizations().map(|(labels, it)| (labels, it.over_allocated_by)),
        )?;
        families.gauges(
            (
                "quotad_cycle_end_timestamp",
                Some(Unit::Seconds),
                "When the present cycle ends.",
            ),
            organizations().map(|(labels, it)| (labels, seconds(it.end))),
        )?;
        let kinds = ["organization", "pool", "environment", "user"];
        let kinds = || kinds.into_iter().zip(counts);
        families.gauges(
            ("quotad_accounts_shown", None, "Accounts on this page."),
            kinds().map(|(kind, count)| ([("kind", kind)], count.shown)),
        )?;
        families.gauges(
            (
                "quotad_accounts_folded",
                None,
                "Accounts of the plan that are not on this page, because of its bounds.",
            ),
            kinds().map(|(kind, count)| ([("kind", kind)], count.folded)),
        )
    }

    /// An organization with as many of its accounts as there is room for; `None` if there is none, or no cycle is open yet.
    fn organization<'p>(
        &self,
        name: &'p str,
        plan: &OrganizationPlan,
        counts: &mut [Count; 4],
        (room, room_for_users): (&mut usize, &mut usize),
    ) -> Option<Shown<'p>> {
        let [organizations, pools, environments, users] = counts;
        let allocated = || {
            let named = plan.environments.iter();
            named.filter(|(_, it)| it.allocation.get() > 0)
        };
        let (engine, parsed) = (&self.books.engine, Name::parse(name).ok()?);
        let is_shown = organizations.take(1, room) == 1;
        let cycle = engine.watch_cycle(parsed).filter(|_| is_shown);
        let has_pool = cycle.map_or_else(
            || allocated().next().is_some() || !plan.users.is_empty(),
            |it| it.has_pool,
        );
        let mut accounts = vec![Account::Organization];
        let shown = pools.take(has_pool.into(), room);
        accounts.extend((0..shown).map(|_| Account::Pool));
        let shown = environments.take(allocated().count(), room);
        let shown = allocated().take(shown);
        accounts.extend(shown.map(|(name, _)| Account::Environment(name.clone())));
        // Users of an organization that is not shown would stand there alone.
        let mut none = 0;
        let room = if is_shown { room_for_users } else { &mut none };
        let shown = users.take(plan.users.len(), room);
        let shown = plan.users.keys().take(shown);
        accounts.extend(shown.map(|name| Account::User(name.clone())));
        let cycle = cycle?;
        let watched = engine.watch_accounts(parsed, &accounts);
        let accounts = accounts.iter().map(ToString::to_string).zip(watched);
        Some(Shown {
            name,
            cycle,
            accounts: accounts.collect(),
        })
    }
}
