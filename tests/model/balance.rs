//! How accounts stand, as people read it (section 11).

use quotad::domain::books::{Books, Cell, Payer};
use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::LimitKind;
use quotad::domain::rates::{Class, Cost};
use quotad::domain::standing::{self, State, state};
use quotad::engine::answer::Account;
use quotad::engine::answer::Decision;
use quotad::engine::order::{Check, Of, Subject};

use super::decide::{allowance, reach};
use super::{Answer, Organization, Place, Reference, u};

/// The figures of a balance that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    pub account: Account,
    pub purchased: u64,
    pub rolled_over: u64,
    pub extension: u64,
    pub used: u64,
    pub held: u64,
    pub limit: Option<u64>,
    pub base_used: u64,
    pub extension_used: u64,
    pub overage_used: u64,
    pub overrun: u64,
    pub trial_used: u64,
    pub available: u64,
    pub percent: Option<u64>,
    pub base_percent: Option<u64>,
    pub state: State,
    pub entitlement: u64,
    pub allocated: u64,
    pub set_aside: u64,
    pub pool: u64,
    pub over_allocated_by: u64,
    pub days_until_reset: u32,
    pub text: String,
    /// What the user and a stranger would get each, if what is left were shared out among the two.
    pub equal_share: Option<u64>,
}

/// Who has no row and no limit.
pub const STRANGER: &str = "stranger";

/// What of `used` was paid by what, and the rest of what differs between accounts.
struct Shown {
    used: i128,
    held: i128,
    limit: Option<i128>,
    base_used: i128,
    extension_used: i128,
    overrun: i128,
    trial_used: i128,
    state: State,
}

/// Section 10: what allocations, other users' limits and what others drew beyond theirs leave, halved.
fn equal_share(books: &Books, user: &str) -> u64 {
    let others = books.users().into_iter().filter(|it| *it != Some(user));
    let drawn = others.map(|it| (books.user_pool_drawn(it) - books.limit(it)).max(0));
    let limits = books.set_aside() - books.limit(Some(user));
    let left = books.entitlement() - books.allocated() - limits - drawn.sum::<i128>();
    u(left.max(0)) / 2
}

fn overrun(books: &Books, payer: &Payer) -> i128 {
    (books.drawn(payer) - reach(books, payer, Class::Run)).max(0)
}

fn base_used(books: &Books, payer: &Payer) -> i128 {
    books.paid(payer).min(books.base(payer))
}

fn extension_used(books: &Books, payer: &Payer) -> i128 {
    (books.paid(payer) - base_used(books, payer)).min(books.share_as_if(payer))
}

impl Organization {
    fn of_organization(&self, books: &Books) -> Shown {
        let payers = books.payers();
        let of_users = books
            .users()
            .into_iter()
            .map(|it| books.user_pool_used(it).min(books.limit(it)));
        let nothing_set_aside = books.allocated() + books.set_aside() == 0;
        let state = if nothing_set_aside {
            self.payer_state(books, &Payer::Pool)
        } else {
            let allowances: i128 = payers.iter().map(|it| allowance(books, it)).sum();
            let shares: i128 = payers.iter().map(|it| books.share_as_if(it)).sum();
            state(standing::Account {
                used: u(books.used()),
                limit: u(books.entitlement()),
                drawn: u(books.used() + books.held()),
                reach: Some(u(books.entitlement()
                    + allowances
                    + i128::from(books.extension))),
                covered: u(books.entitlement() + shares),
            })
        };
        Shown {
            used: books.used(),
            held: books.held(),
            limit: Some(books.entitlement()),
            base_used: payers.iter().map(|it| base_used(books, it)).sum::<i128>()
                + of_users.sum::<i128>(),
            extension_used: payers.iter().map(|it| extension_used(books, it)).sum(),
            overrun: payers.iter().map(|it| overrun(books, it)).sum(),
            trial_used: books.sum(|_, _| true, |cell| cell.trial_used.into()),
            state,
        }
    }

    fn of_environment(&self, books: &Books, place: &Place) -> Shown {
        let name = &*place.environment;
        // The state is that of a request there: blocked where nobody pays.
        let state = self.standing(place, Class::Run).state;
        let trial_used = books.sum(|it, _| it == name, |cell| cell.trial_used.into());
        let used = books.environment_used(name);
        let held = books.environment_drawn(name) - used;
        if books.pool_funds(name) {
            return Shown {
                used,
                held,
                limit: None,
                base_used: used,
                extension_used: 0,
                overrun: 0,
                trial_used,
                state,
            };
        }
        let payer = Payer::Environment(name.into());
        Shown {
            used,
            held,
            limit: Some(books.allocation(name)),
            base_used: base_used(books, &payer),
            extension_used: extension_used(books, &payer),
            overrun: overrun(books, &payer),
            trial_used,
            state,
        }
    }

    fn of_user(&self, books: &Books, name: &str, place: &Place) -> Shown {
        let trial_used = books.sum(|_, it| it == Some(name), |cell| cell.trial_used.into());
        let extension_used = 0;
        if let Some(index) = place.period {
            let period = &self.trials[name][index];
            return Shown {
                used: period.used,
                held: period.held,
                limit: Some(period.credits),
                base_used: period.used.min(period.credits),
                extension_used,
                overrun: (period.used + period.held - period.credits).max(0),
                trial_used,
                state: self.trial_state(name, index),
            };
        }
        let used = books.user_used(Some(name));
        let held = books.sum(|_, it| it == Some(name), Cell::own_held);
        let Some(terms) = books.plan.users.get(name) else {
            let state = self.standing(place, Class::Run).state;
            return Shown {
                used,
                held,
                limit: None,
                base_used: used,
                extension_used,
                overrun: 0,
                trial_used,
                state,
            };
        };
        let limit = i128::from(terms.limit.get());
        let overrun = if terms.kind == LimitKind::Hard {
            (used + held - limit).max(0)
        } else {
            0
        };
        let state = self.user_state(books, name);
        Shown {
            used,
            held,
            limit: Some(limit),
            base_used: used.min(limit),
            extension_used,
            overrun,
            trial_used,
            state,
        }
    }
}

impl Reference {
    pub fn balance(&mut self, name: &str, of: Of<'_>) -> Answer<Figures> {
        self.organization(name)?;
        self.settle(name, self.now);
        let (account, environment, user) = match of {
            Of::Organization => (Account::Organization, "default", None),
            Of::Environment(it) => (Account::Environment(it.as_str().into()), it.as_str(), None),
            Of::User(it) => (
                Account::User(it.as_str().into()),
                "default",
                Some(it.as_str()),
            ),
        };
        let available = self.available(name, environment, user)?;
        let place = self.place(name, environment, user);
        let organization = &self.organizations[name];
        let books = &organization.current().books;
        let shown = match &account {
            Account::Organization => organization.of_organization(books),
            Account::Environment(_) => organization.of_environment(books, &place),
            Account::User(it) => organization.of_user(books, it, &place),
            Account::Pool => unreachable!("nobody asks for the pool's"),
        };
        let limit = shown.limit.map(u);
        let percent = standing::percent(u(shown.used), limit);
        Ok(Figures {
            purchased: if account == Account::Organization {
                books.purchased
            } else {
                0
            },
            rolled_over: if account == Account::Organization {
                books.rolled_over
            } else {
                0
            },
            extension: if account == Account::Organization {
                books.extension
            } else {
                0
            },
            account,
            used: u(shown.used),
            held: u(shown.held),
            limit,
            base_used: u(shown.base_used),
            extension_used: u(shown.extension_used),
            overage_used: u(shown.used - shown.base_used - shown.extension_used),
            overrun: u(shown.overrun),
            trial_used: u(shown.trial_used),
            available,
            percent,
            base_percent: percent.map(|it| it.min(100)),
            state: shown.state,
            entitlement: u(books.entitlement()),
            allocated: u(books.allocated()),
            set_aside: u(books.set_aside()),
            pool: u(books.pool_base()),
            over_allocated_by: u(books.over_allocated_by()),
            days_until_reset: organization.calendar.days_until(self.now, books.span.end),
            text: standing::text(u(shown.used), limit, books.plan.scale),
            equal_share: user.map(|it| equal_share(books, it)),
        })
    }

    /// What a `run` request there would be granted: the largest amount that Check allows, found by its own answer.
    fn available(
        &mut self,
        organization: &str,
        environment: &str,
        user: Option<&str>,
    ) -> Answer<u64> {
        let parse = |text| Name::parse(text).expect("a valid name");
        let subject = Subject::new(parse(organization), parse(environment), user.map(parse));
        let cost = Cost::Credits {
            amount: Credits::ZERO,
            operation: None,
        };
        let checked = self.check(&Check {
            subject,
            cost,
            min: None,
        })?;
        Ok(match checked.decision {
            Decision::Granted(_) => checked.standing.available,
            Decision::Denied(_) => 0,
        })
    }
}
