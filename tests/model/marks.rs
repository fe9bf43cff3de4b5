//! Thresholds (section 7): what a commit looks at, what a change looks at.

use std::collections::BTreeSet;

use quotad::domain::books::Books;
use quotad::domain::plan::Thresholds;
use quotad::domain::time::Timestamp;
use quotad::engine::answer::{Account, Notice};

use super::decide::figures;
use super::{Event, Place, Reference, u};

/// Every account of a cycle, in the order of notifications.
pub fn accounts(books: &Books) -> BTreeSet<Account> {
    let users = books
        .plan
        .users
        .keys()
        .map(|name| Account::User(name.clone()));
    let allocated = books
        .plan
        .environments
        .keys()
        .filter(|name| !books.pool_funds(name));
    let environments = allocated.map(|name| Account::Environment(name.clone()));
    let pool = (books.allocated() + books.set_aside() > 0).then_some(Account::Pool);
    users
        .chain(environments)
        .chain(pool)
        .chain([Account::Organization])
        .collect()
}

fn marks<'a>(books: &'a Books, account: &Account) -> &'a Thresholds {
    let own = match account {
        Account::User(name) => books.plan.users[name].thresholds.as_ref(),
        Account::Environment(name) => books.plan.environments[name].thresholds.as_ref(),
        Account::Pool | Account::Organization => None,
    };
    own.unwrap_or(&books.plan.thresholds)
}

impl Reference {
    /// A commit looks at its user, its environment or else the pool, and the organization.
    pub fn look_after_commit(&mut self, place: &Place) {
        let books = &self.organizations[&place.organization].cycles[place.cycle].books;
        let payer = if books.pool_funds(&place.environment) {
            Account::Pool
        } else {
            Account::Environment(place.environment.clone())
        };
        let user = place.user.clone().map(Account::User);
        let looked_at = user
            .into_iter()
            .chain([payer, Account::Organization])
            .collect();
        let exist = accounts(books);
        let looked_at: BTreeSet<Account> = exist.intersection(&looked_at).cloned().collect();
        self.look(&place.organization, place.cycle, &looked_at, self.now);
    }

    /// A change of the plan or of the entitlement looks at all accounts of the current cycle.
    pub fn look_after_change(&mut self, organization: &str, at: Timestamp) {
        let it = &self.organizations[organization];
        let accounts = accounts(&it.current().books);
        let cycle = it.cycles.len() - 1;
        let before = it.notices.len();
        self.look(organization, cycle, &accounts, at);
        if self.organizations[organization].notices.len() > before {
            self.events.push(Event::MarkByChange);
        }
    }

    fn look(
        &mut self,
        organization: &str,
        cycle: usize,
        looked_at: &BTreeSet<Account>,
        at: Timestamp,
    ) {
        let organization = self.organization_mut(organization);
        let cycle = &mut organization.cycles[cycle];
        for account in looked_at {
            let figures = figures(&cycle.books, account);
            for &percent in &marks(&cycle.books, account).0 {
                let reached =
                    figures.used > 0 && figures.used * 100 >= i128::from(percent) * figures.limit;
                if reached && cycle.fired.insert((account.clone(), percent)) {
                    organization.notices.push(Notice::Threshold {
                        account: account.clone(),
                        percent,
                        at,
                        used: u(figures.used),
                        limit: u(figures.limit),
                        cycle: cycle.books.span,
                    });
                }
            }
        }
    }
}
