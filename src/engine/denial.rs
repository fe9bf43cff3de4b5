//! A denial: the account that binds, its figures, and the reason.

use crate::domain::account::Account;
use crate::domain::charge::{Bound, Reason, Shortfall};
use crate::domain::route::{Payer, Route};
use crate::domain::time::{Now, Timestamp};

use super::answer::{Denial, EngineError};
use super::book::Book;
use super::seat::{Seat, Trial};

/// Everything that a denial is made of.
pub(super) struct Refusal<'a> {
    pub(super) book: &'a Book,
    pub(super) seat: &'a Seat,
    pub(super) route: &'a Route,
    pub(super) trial: Trial,
    pub(super) environment: &'a str,
    pub(super) user: &'a str,
    pub(super) requested: u64,
    pub(super) now: Now,
}

impl Refusal<'_> {
    /// The answer for people and programs.
    pub(super) fn denial(&self, shortfall: &Shortfall) -> Denial {
        let figure = self
            .book
            .figure(shortfall.bound, self.seat, self.route, self.trial);
        let account = match (shortfall.bound, self.route.payer) {
            (Bound::Organization, _) => Account::Organization,
            (Bound::User, _) | (Bound::Payer, Payer::Trial | Payer::SetAside) => {
                Account::User(self.user.into())
            }
            (Bound::Payer, Payer::Environment) => Account::Environment(self.environment.into()),
            (Bound::Payer, Payer::Pool) => Account::Pool,
        };
        let reset = self.book.span.end;
        Denial {
            reason: shortfall.reason,
            account,
            requested: self.requested,
            limit: figure.limit,
            used: figure.used,
            held: figure.held,
            available: shortfall.available,
            reset,
            days_until_reset: self.book.days_left(self.now.wall),
            scale: self.book.plan.scale,
            state: self.book.state(self.seat, self.route, self.trial),
        }
    }

    /// The same, where a bound of the sidecar itself is reached.
    pub(super) fn bound_reached(&self) -> Denial {
        let reason = Reason::ResourceLimit;
        self.denial(&Shortfall {
            reason,
            bound: Bound::Organization,
            available: 0,
        })
    }
}

/// `INVALID_ARGUMENT` on a field.
pub(super) fn invalid(field: &'static str, problem: impl Into<String>) -> EngineError {
    EngineError::Invalid {
        field,
        problem: problem.into(),
    }
}

/// `FAILED_PRECONDITION`.
pub(super) fn precondition(problem: impl Into<String>) -> EngineError {
    EngineError::Precondition(problem.into())
}

/// A steady instant as the wall clock will show it.
pub(super) fn on_the_wall(instant: Timestamp, now: Now) -> Timestamp {
    Timestamp::from_nanos(
        instant
            .nanos()
            .saturating_sub(now.steady.nanos())
            .saturating_add(now.wall.nanos()),
    )
}

/// Every planned organization has an open book; this says so if that is ever broken.
pub(super) fn unopened(name: &str) -> EngineError {
    EngineError::Precondition(format!("the books of {name:?} are not open yet; try again"))
}
