//! What the books say about one environment and one user, and the route and standing that follow from it.

use crate::domain::charge::{self, Bound, Reason};
use crate::domain::plan::LimitKind;
use crate::domain::rates::Class;
use crate::domain::route::{Meter, Payer, Pots, Route, difference};
use crate::domain::standing::{self, State};
use crate::domain::time::Timestamp;
use crate::world::sabotage::{self, Fault};

use super::answer::Standing;
use super::book::{Book, terms};
use super::cell::{EnvironmentRow, UserRow};
use super::organization::{Organization, TrialPot};

/// The books as one request sees them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seat {
    /// The environment's row, if there is one.
    pub(super) environment: Option<u32>,
    /// The user's row, if there is one.
    pub(super) user: Option<u32>,
    /// Whether their cell exists.
    pub(super) has_cell: bool,
    pub(super) allocation: u64,
    pub(super) allowance: u64,
    pub(super) environment_used: u64,
    pub(super) environment_held: u64,
    pub(super) environment_share: u64,
    pub(super) limit: Option<(u64, LimitKind)>,
    pub(super) used: u64,
    pub(super) held: u64,
    pub(super) pool_used: u64,
    pub(super) pool_held: u64,
}

/// What a user's trial is to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// None, or none that matters: something was purchased.
    None,
    /// This period pays.
    Pays(u8, TrialPot),
    /// The last period is over.
    Ended(TrialPot),
}

/// A limit and what stands against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) limit: u64,
    pub(super) used: u64,
    pub(super) held: u64,
}

impl Seat {
    /// What a charge changes of the payer's share of the extension (section 5): nothing unless it changes the payer.
    pub(super) fn share_after(
        &self,
        book: &Book,
        used: i64,
        held: i64,
        trial: bool,
        at: Timestamp,
    ) -> u64 {
        if book.extensions.is_empty() {
            return 0;
        }
        let is_allocated = self.allocation > 0;
        let share = if is_allocated {
            self.environment_share
        } else {
            book.pool_share
        };
        if trial || (used == 0 && held == 0) || sabotage::is(Fault::NoPayDown) {
            return share;
        }
        let (base, drawn) = if is_allocated {
            let drawn =
                (self.environment_used + self.environment_held).saturating_add_signed(used + held);
            (self.allocation, drawn)
        } else {
            let limit = self.set_aside();
            let before = (self.pool_used, self.pool_used + self.pool_held);
            let after = (
                before.0.saturating_add_signed(used),
                before.1.saturating_add_signed(used + held),
            );
            let beyond = |(used, drawn): (u64, u64)| {
                (used.saturating_sub(limit), drawn.saturating_sub(limit))
            };
            if beyond(before) == beyond(after) {
                return share;
            }
            let drawn = book.totals.pool_drawn - beyond(before).1 + beyond(after).1;
            (book.figures.pool_base, drawn)
        };
        let extension_left = book.extension_left(at);
        Pots {
            base,
            share,
            extension_left,
            allowance: 0,
        }
        .share_at(drawn)
    }

    /// The rows of its cell, if that exists.
    pub(super) fn cell(&self) -> Option<(u32, u32)> {
        let rows = self.environment.zip(self.user);
        rows.filter(|_| self.has_cell)
    }

    pub(super) fn set_aside(&self) -> u64 {
        self.limit.map_or(0, |(limit, _)| limit)
    }

    fn take_environment(&mut self, number: u32, row: &EnvironmentRow) {
        self.environment = Some(number);
        (self.allocation, self.allowance) = (row.allocation, row.allowance);
        (self.environment_used, self.environment_held) = (row.used, row.held);
        self.environment_share = row.share;
    }

    fn take_user(&mut self, number: u32, row: &UserRow) {
        self.user = Some(number);
        self.limit = row.limit();
        (self.used, self.held) = (row.used, row.held);
        (self.pool_used, self.pool_held) = (row.pool_used, row.pool_held);
    }
}

impl Book {
    /// The seat of an environment and a user by name; rows need not exist.
    #[inline(always)]
    pub(super) fn seat(&self, environment: &str, user: &str) -> Seat {
        let mut seat = Seat::default();
        match self
            .environments
            .find(environment)
            .and_then(|it| Some((it, self.environments.get(it)?)))
        {
            Some((number, row)) => seat.take_environment(number, row),
            None => (seat.allocation, seat.allowance) = terms(&self.plan, environment),
        }
        match self
            .users
            .find(user)
            .and_then(|it| Some((it, self.users.get(it)?)))
        {
            Some((number, row)) => {
                seat.take_user(number, row);
                let environment = seat.environment;
                seat.has_cell = environment.is_some_and(|it| row.cell(it).is_some());
            }
            None => seat.limit = self.plan.user(user).map(|it| (it.limit.get(), it.kind)),
        }
        seat
    }

    /// The seat of rows that exist, and so does their cell: a remembered request refers to them.
    #[inline(always)]
    pub(super) fn seat_at(&self, environment: u32, user: u32) -> Seat {
        let mut seat = Seat {
            has_cell: true,
            ..Seat::default()
        };
        if let Some(row) = self.environments.get(environment) {
            seat.take_environment(environment, row);
        }
        if let Some(row) = self.users.get(user) {
            seat.take_user(user, row);
        }
        seat
    }

    /// Who pays for a request from this seat, and which caps bind it.
    #[inline(always)]
    pub(super) fn route(&self, seat: &Seat, trial: Trial, now: Timestamp) -> Route {
        let (totals, figures) = (&self.totals, &self.figures);
        let hard = seat
            .limit
            .filter(|&(_, kind)| kind == LimitKind::Hard && !sabotage::is(Fault::SkipUserCap));
        let user_cap = hard.map(|(limit, _)| Meter {
            drawn: seat.used + seat.held,
            reach: limit,
        });
        let mut route = Route {
            refused: None,
            payer: Payer::Environment,
            pots: Pots::default(),
            drawn: 0,
            set_aside_left: 0,
            user_cap,
            entitlement_cap: None,
        };
        if let Trial::Pays(_, period) = trial {
            route.payer = Payer::Trial;
            route.pots.base = period.credits;
            route.drawn = period.drawn();
            return route;
        }
        let extension_left = self.extension_left(now);
        if seat.allocation > 0 {
            let (base, share, allowance) =
                (seat.allocation, seat.environment_share, seat.allowance);
            route.pots = Pots {
                base,
                share,
                extension_left,
                allowance,
            };
            route.drawn = seat.environment_used + seat.environment_held;
        } else {
            let (base, allowance) = (figures.pool_base, figures.pool_allowance);
            route.payer = Payer::Pool;
            route.pots = Pots {
                base,
                share: self.pool_share,
                extension_left,
                allowance,
            };
            route.drawn = totals.pool_drawn;
            route.set_aside_left = difference(seat.set_aside(), seat.pool_used + seat.pool_held);
            if !self.plan.allow_unallocated {
                match seat.limit {
                    Some(_) => route.payer = Payer::SetAside,
                    None => route.refused = Some((Reason::EntitlementNotAvailable, Bound::Payer)),
                }
            }
        }
        if figures.allocated + figures.set_aside > figures.entitlement {
            let drawn = totals.allocation_drawn + totals.set_aside_drawn;
            route.entitlement_cap = Some(Meter {
                drawn,
                reach: figures.entitlement,
            });
        }
        if figures.entitlement == 0 {
            route.refused = Some(match trial {
                Trial::Ended(_) => (Reason::TrialExpired, Bound::User),
                _ => (Reason::EntitlementNotAvailable, Bound::Organization),
            });
        }
        route
    }

    /// The figures of the account that binds a route.
    pub(super) fn figure(&self, bound: Bound, seat: &Seat, route: &Route, trial: Trial) -> Figure {
        let user = Figure {
            limit: seat.set_aside(),
            used: seat.used,
            held: seat.held,
        };
        let of = |period: TrialPot| Figure {
            limit: period.credits,
            used: period.used,
            held: period.held,
        };
        match (bound, route.payer, trial) {
            (Bound::Organization, ..) => Figure {
                limit: self.figures.entitlement,
                used: self.totals.used,
                held: self.totals.held,
            },
            (Bound::User, _, Trial::Ended(period)) if is_expired(route) => of(period),
            (Bound::User, ..) | (Bound::Payer, Payer::SetAside, _) => user,
            (Bound::Payer, Payer::Trial, Trial::Pays(_, period)) => of(period),
            (Bound::Payer, Payer::Trial, _) => user,
            (Bound::Payer, Payer::Environment, _) => Figure {
                limit: seat.allocation,
                used: seat.environment_used,
                held: seat.environment_held,
            },
            (Bound::Payer, Payer::Pool, _) => self.pool_figure(),
        }
    }

    /// The figures of the pool.
    pub(super) fn pool_figure(&self) -> Figure {
        let (used, drawn) = (self.totals.pool_used, self.totals.pool_drawn);
        Figure {
            limit: self.figures.pool_base,
            used,
            held: drawn.saturating_sub(used),
        }
    }

    /// The worst state of the user (if limited) and the payer (the pool only where no set-aside is left).
    pub(super) fn state(&self, seat: &Seat, route: &Route, trial: Trial) -> State {
        let user = seat
            .limit
            .map_or(State::Ok, |limit| user_state(seat, limit));
        if route.refused.is_some() {
            return State::Blocked;
        }
        let payer = match route.payer {
            Payer::SetAside => State::Ok,
            Payer::Pool if route.set_aside_left > 0 => State::Ok,
            _ => payer_state(&self.figure(Bound::Payer, seat, route, trial), route),
        };
        user.max(payer)
    }

    /// How things stand for a seat, by the class of the request.
    #[inline(always)]
    pub(super) fn standing(
        &self,
        seat: &Seat,
        trial: Trial,
        class: Class,
        now: Timestamp,
    ) -> Standing {
        let route = self.route(seat, trial, now);
        let is_set_aside =
            seat.limit.is_some() && route.payer == Payer::Pool && route.set_aside_left > 0;
        let (bound, room) = match route.refused {
            Some((_, bound)) => (bound, 0),
            None => charge::headroom(&route, class),
        };
        // While a set-aside pays, the user's figures tell more than the pool's.
        let bound = match bound {
            Bound::Payer if is_set_aside && route.refused.is_none() => Bound::User,
            bound => bound,
        };
        let figure = self.figure(bound, seat, &route, trial);
        Standing {
            state: self.state(seat, &route, trial),
            used: figure.used,
            held: figure.held,
            limit: figure.limit,
            available: u64::try_from(room).unwrap_or(0),
            cycle_end: self.span.end,
        }
    }
}

impl Organization {
    /// What a user's trial is to a new request.
    pub(super) fn trial(&self, user: &str, now: Timestamp) -> Trial {
        let Some(book) = self.present() else {
            return Trial::None;
        };
        if book.figures.purchased.total() > 0 || self.trials.is_empty() {
            return Trial::None;
        }
        let Some(trial) = self.trials.find_row(user) else {
            return Trial::None;
        };
        match (trial.running(now), trial.periods.last()) {
            (Some(number), Some(period)) => Trial::Pays(number, period.pot()),
            (None, Some(period)) => Trial::Ended(period.pot()),
            (_, None) => Trial::None,
        }
    }

    /// What it is to a hold that a period admitted, or none.
    pub(super) fn trial_of_hold(
        &self,
        book: &Book,
        user: u32,
        number: u8,
        now: Timestamp,
    ) -> Trial {
        if self.trials.is_empty() {
            return Trial::None;
        }
        let user = book.users.get(user).map_or("", |it| &it.name);
        let Some(trial) = self.trials.find_row(user) else {
            return Trial::None;
        };
        match (trial.period(number), trial.periods.last()) {
            (Some(period), _) => Trial::Pays(number, period.pot()),
            (None, Some(period)) if period.terms.until <= now => Trial::Ended(period.pot()),
            (None, _) => Trial::None,
        }
    }
}

impl Trial {
    /// The number that facts carry; 0 is none.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Pays(number, _) => number,
            Self::None | Self::Ended(_) => 0,
        }
    }
}

fn is_expired(route: &Route) -> bool {
    route
        .refused
        .is_some_and(|(reason, _)| reason == Reason::TrialExpired)
}

/// The state of a user with a limit.
pub(super) fn user_state(seat: &Seat, (limit, kind): (u64, LimitKind)) -> State {
    standing::state(standing::Account {
        used: seat.used,
        limit,
        drawn: seat.used + seat.held,
        reach: (kind == LimitKind::Hard).then_some(limit),
        covered: limit,
    })
}

/// The state of a payer with pots.
pub(super) fn payer_state(figure: &Figure, route: &Route) -> State {
    standing::state(standing::Account {
        used: figure.used,
        limit: figure.limit,
        drawn: route.drawn,
        reach: Some(route.pots.reach(Class::Run)),
        covered: route.pots.base + route.pots.share_at(route.drawn),
    })
}
