//! Who pays, how far it reaches, and what is said when it does not (sections 4, 5 and 7).

use quotad::domain::books::{Books, Payer};
use quotad::domain::plan::LimitKind;
use quotad::domain::rates::Class;
use quotad::domain::standing::{self, State, state};
use quotad::domain::time::Timestamp;
use quotad::engine::answer::{Account, Denial, Reason, Standing};

use super::{Event, Organization, Place, Reference, Settle, u};

/// What people read of an account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub limit: i128,
    pub used: i128,
    pub held: i128,
}

/// An account that may stop a request.
#[derive(Clone, Debug)]
pub struct Cap {
    pub account: Account,
    pub headroom: i128,
    /// The same for class `run`.
    pub run: i128,
    pub trial: bool,
    pub figures: Figures,
}

/// What stands between a request and its credits.
#[derive(Clone, Debug)]
pub enum Route {
    /// The user's cap, the payer, the organization: those that bind, in this order.
    Paid(Vec<Cap>),
    /// Nobody pays, whatever is asked.
    Nobody(Reason, Account, Figures),
}

/// How much is granted.
#[derive(Clone, Debug)]
pub enum Verdict {
    Granted(i128),
    Denied(Box<Denial>),
}

pub fn allowance(books: &Books, payer: &Payer) -> i128 {
    let overage = match payer {
        Payer::Pool => books.plan.overage,
        Payer::Environment(name) => books.plan.environments[name].overage,
    };
    overage.allowance(u(books.base(payer))).into()
}

/// How far a payer reaches for a class.
pub fn reach(books: &Books, payer: &Payer, class: Class) -> i128 {
    let covered = books.base(payer) + books.share(payer) + books.extension_left();
    if class == Class::Maker {
        covered
    } else {
        covered + allowance(books, payer)
    }
}

pub fn figures(books: &Books, account: &Account) -> Figures {
    let (limit, used, drawn) = match account {
        Account::User(name) => (
            books.limit(Some(name)),
            books.user_used(Some(name)),
            books.user_drawn(Some(name)),
        ),
        Account::Environment(name) => (
            books.allocation(name),
            books.environment_used(name),
            books.environment_drawn(name),
        ),
        Account::Pool => (books.pool_base(), books.pool_used(), books.pool_drawn()),
        Account::Organization => (
            books.entitlement(),
            books.used(),
            books.used() + books.held(),
        ),
    };
    Figures {
        limit,
        used,
        held: drawn - used,
    }
}

fn account_of(payer: &Payer) -> Account {
    match payer {
        Payer::Pool => Account::Pool,
        Payer::Environment(name) => Account::Environment(name.clone()),
    }
}

/// The payer of what no trial pays.
fn payer_cap(books: &Books, place: &Place, class: Class) -> Cap {
    let user = place.user.as_deref();
    let payer = books.payer_of(&place.environment);
    let mut account = account_of(&payer);
    let beyond = |class| reach(books, &payer, class) - books.drawn(&payer);
    let set_aside_left = books.limit(user) - books.user_pool_drawn(user);
    let headroom = |class| match payer {
        Payer::Environment(_) => beyond(class),
        Payer::Pool if !books.plan.allow_unallocated => set_aside_left,
        Payer::Pool if set_aside_left > 0 => set_aside_left + beyond(class).max(0),
        Payer::Pool => beyond(class),
    };
    if payer == Payer::Pool && !books.plan.allow_unallocated {
        account = Account::User(place.user.clone().expect("without a limit nobody pays"));
    }
    let figures = figures(books, &account);
    Cap {
        account,
        headroom: headroom(class),
        run: headroom(Class::Run),
        trial: false,
        figures,
    }
}

/// The organization, where it is over-allocated and the request takes base credits.
fn organization_cap(books: &Books, place: &Place) -> Option<Cap> {
    if books.over_allocated_by() == 0 || books.entitlement() == 0 {
        return None;
    }
    let user = place.user.as_deref();
    let base_left = match books.payer_of(&place.environment) {
        Payer::Environment(name) => books.allocation(&name) - books.environment_drawn(&name),
        Payer::Pool => books.limit(user) - books.user_pool_drawn(user),
    };
    let left = books.entitlement() - books.base_drawn();
    let figures = figures(books, &Account::Organization);
    let headroom = left.max(0);
    (base_left > 0 && left < base_left).then_some(Cap {
        account: Account::Organization,
        headroom,
        run: headroom,
        trial: false,
        figures,
    })
}

impl Organization {
    /// The route of a place: of a fresh request, or of a hold that remembers who admitted it.
    pub fn route(&self, place: &Place, class: Class) -> Route {
        let books = &self.cycles[place.cycle].books;
        let user = place.user.as_deref();
        let mut caps = Vec::new();
        if let Some(terms) = user.and_then(|user| books.plan.users.get(user))
            && terms.kind == LimitKind::Hard
        {
            let account = Account::User(user.expect("has terms").into());
            let headroom = books.limit(user) - books.user_drawn(user);
            let figures = figures(books, &account);
            caps.push(Cap {
                account,
                headroom,
                run: headroom,
                trial: false,
                figures,
            });
        }
        if let Some(period) = place.period {
            caps.push(self.trial_cap(place, period));
            return Route::Paid(caps);
        }
        if books.entitlement() == 0 {
            return self.nobody(place);
        }
        let limited = user.is_some_and(|user| books.plan.users.contains_key(user));
        if books.pool_funds(&place.environment) && !books.plan.allow_unallocated && !limited {
            return Route::Nobody(
                Reason::EntitlementNotAvailable,
                Account::Pool,
                figures(books, &Account::Pool),
            );
        }
        caps.push(payer_cap(books, place, class));
        caps.extend(organization_cap(books, place));
        Route::Paid(caps)
    }

    fn trial_cap(&self, place: &Place, period: usize) -> Cap {
        let user = place.user.clone().expect("trials are of users");
        let period = &self.trials[&user][period];
        let headroom = period.credits - period.used - period.held;
        let figures = Figures {
            limit: period.credits,
            used: period.used,
            held: period.held,
        };
        Cap {
            account: Account::User(user),
            headroom,
            run: headroom,
            trial: true,
            figures,
        }
    }

    /// Nothing is purchased and nothing rolled over.
    fn nobody(&self, place: &Place) -> Route {
        let books = &self.cycles[place.cycle].books;
        let periods = place
            .user
            .as_ref()
            .and_then(|user| Some((user, self.trials.get(user)?.last()?)));
        match periods {
            Some((user, last)) if last.until <= self.seen => {
                let figures = Figures {
                    limit: last.credits,
                    used: last.used,
                    held: last.held,
                };
                Route::Nobody(Reason::TrialExpired, Account::User(user.clone()), figures)
            }
            _ => {
                let account = Account::Organization;
                let figures = figures(books, &account);
                Route::Nobody(Reason::EntitlementNotAvailable, account, figures)
            }
        }
    }

    /// The state of a payer, of the pool too.
    pub fn payer_state(&self, books: &Books, payer: &Payer) -> State {
        state(standing::Account {
            used: u(books.paid(payer)),
            limit: u(books.base(payer)),
            drawn: u(books.drawn(payer)),
            reach: Some(u(reach(books, payer, Class::Run))),
            covered: u(books.base(payer) + books.share_as_if(payer)),
        })
    }

    /// The state of a user with a limit.
    pub fn user_state(&self, books: &Books, user: &str) -> State {
        let limit = u(books.limit(Some(user)));
        let kind = books.plan.users[user].kind;
        state(standing::Account {
            used: u(books.user_used(Some(user))),
            limit,
            drawn: u(books.user_drawn(Some(user))),
            reach: (kind == LimitKind::Hard).then_some(limit),
            covered: limit,
        })
    }

    /// The state of a trial's period.
    pub fn trial_state(&self, user: &str, period: usize) -> State {
        let period = &self.trials[user][period];
        let limit = u(period.credits);
        let drawn = u(period.used + period.held);
        state(standing::Account {
            used: u(period.used),
            limit,
            drawn,
            reach: Some(limit),
            covered: limit,
        })
    }

    /// The worst of the user, if limited, and the payer.
    fn worst(&self, place: &Place, route: &Route) -> State {
        let books = &self.cycles[place.cycle].books;
        let Route::Paid(_) = route else {
            return State::Blocked;
        };
        let user = place.user.as_deref();
        let limited = user.filter(|user| books.plan.users.contains_key(*user));
        let of_user = limited.map(|user| self.user_state(books, user));
        let of_payer = match (place.period, books.payer_of(&place.environment)) {
            (Some(period), _) => Some(self.trial_state(user.expect("trials are of users"), period)),
            (None, payer @ Payer::Environment(_)) => Some(self.payer_state(books, &payer)),
            (None, Payer::Pool) if !books.plan.allow_unallocated => None,
            (None, Payer::Pool) if books.limit(user) > books.user_pool_drawn(user) => None,
            (None, Payer::Pool) => Some(self.payer_state(books, &Payer::Pool)),
        };
        of_user.max(of_payer).unwrap_or_default()
    }

    /// The user whose set-aside pays at a place, while some of it is left.
    fn set_aside_pays<'a>(&self, place: &'a Place) -> Option<&'a str> {
        let books = &self.cycles[place.cycle].books;
        let user = place.user.as_deref()?;
        let left = books.limit(Some(user)) - books.user_pool_drawn(Some(user));
        let pool_pays_next = books.plan.allow_unallocated && books.pool_funds(&place.environment);
        (place.period.is_none() && pool_pays_next && left > 0).then_some(user)
    }

    /// How the account that binds most stands: the user while the set-aside pays, else the one with the least headroom.
    pub fn standing(&self, place: &Place, class: Class) -> Standing {
        let cycle = &self.cycles[place.cycle];
        let books = &cycle.books;
        let route = self.route(place, class);
        let (figures, available) = match &route {
            Route::Nobody(_, _, figures) => (*figures, 0),
            Route::Paid(caps) => {
                let least = caps
                    .iter()
                    .min_by_key(|cap| cap.headroom)
                    .expect("somebody pays");
                // Where the set-aside is the payer's next pot, the user's figures stand for the pool's.
                let figures = match (self.set_aside_pays(place), &least.account) {
                    (Some(user), Account::Pool) => figures(books, &Account::User(user.into())),
                    _ => least.figures,
                };
                (figures, least.headroom.max(0))
            }
        };
        Standing {
            state: self.worst(place, &route),
            used: u(figures.used),
            held: u(figures.held),
            limit: u(figures.limit),
            available: u(available),
            cycle_end: books.span.end,
        }
    }

    /// What is granted of `asked`, of which at least `needed` has to be.
    pub fn verdict(
        &self,
        place: &Place,
        class: Class,
        asked: i128,
        needed: i128,
        now: Timestamp,
    ) -> Verdict {
        let route = self.route(place, class);
        let (reason, account, figures, headroom) = match &route {
            Route::Nobody(reason, account, figures) => (*reason, account, *figures, 0),
            Route::Paid(caps) => {
                let least = caps
                    .iter()
                    .min_by_key(|cap| cap.headroom)
                    .expect("somebody pays");
                if needed <= least.headroom {
                    return Verdict::Granted(asked.min(least.headroom));
                }
                let reason = match () {
                    () if least.trial => Reason::TrialExhausted,
                    () if class == Class::Maker && least.run >= needed => Reason::OverageBlocked,
                    () => Reason::QuotaExceeded,
                };
                (reason, &least.account, least.figures, least.headroom)
            }
        };
        let span = self.cycles[place.cycle].books.span;
        Verdict::Denied(Box::new(Denial {
            reason,
            account: account.clone(),
            requested: u(asked),
            limit: u(figures.limit),
            used: u(figures.used),
            held: u(figures.held),
            available: u(headroom.max(0)),
            reset: span.end,
            days_until_reset: self.calendar.days_until(now, span.end),
            scale: self.cycles[place.cycle].books.plan.scale,
            state: self.worst(place, &route),
        }))
    }

    /// Beyond the largest amount there is: the sidecar's own bound. Only the reason matters.
    pub fn denial_of_too_much(&self, place: &Place, asked: i128) -> Box<Denial> {
        let books = &self.cycles[place.cycle].books;
        Box::new(Denial {
            reason: Reason::ResourceLimit,
            account: Account::Organization,
            requested: u(asked),
            limit: 0,
            used: 0,
            held: 0,
            available: 0,
            reset: books.span.end,
            days_until_reset: 0,
            scale: books.plan.scale,
            state: State::Ok,
        })
    }

    /// How much more fits at a place.
    pub fn headroom(&self, place: &Place, class: Class) -> i128 {
        match self.route(place, class) {
            Route::Nobody(..) => 0,
            Route::Paid(caps) => caps
                .iter()
                .map(|cap| cap.headroom)
                .min()
                .expect("somebody pays")
                .max(0),
        }
    }
}

impl Reference {
    /// Where a fresh request is booked.
    pub fn place(&self, organization: &str, environment: &str, user: Option<&str>) -> Place {
        let it = &self.organizations[organization];
        let period = it
            .running(user, self.now)
            .filter(|_| it.current().books.purchased == 0);
        Place {
            organization: organization.into(),
            cycle: it.cycles.len() - 1,
            environment: environment.into(),
            user: user.map(Into::into),
            period,
        }
    }

    /// Brings what depends on the time up to it.
    pub fn settle(&mut self, organization: &str, at: Timestamp) {
        let organization = self.organization_mut(organization);
        organization.seen = at;
        for cycle in &mut organization.cycles {
            cycle.settle_extension(at);
        }
    }

    pub fn note_verdict(&mut self, verdict: &Verdict) {
        if let Verdict::Denied(denial) = verdict
            && denial.account == Account::Organization
            && denial.reason == Reason::QuotaExceeded
        {
            self.events.push(Event::OverAllocatedCapBinds);
        }
    }
}
