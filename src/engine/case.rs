//! A request, priced and looked up, and what is decided about it. Nothing here changes the books.

use std::sync::atomic::Ordering;

use crate::domain::charge::{self, Reason};
use crate::domain::fact::OrganizationId;
use crate::domain::names::Name;
use crate::domain::plan::Enforcement;
use crate::domain::rates::{Class, Cost, Rate};

use super::answer::{Denial, EngineError};
use super::cell::FOLDED;
use super::denial::{Refusal, invalid, unopened};
use super::desk::Desk;
use super::holds::INDEX_MAX;
use super::labels::Work;
use super::order::Subject;
use super::organization::Organization;
use super::seat::{Seat, Trial};

/// So many cells beyond the bound are left for the shared cells of environments.
const FOLDED_CELLS_MAX: u64 = 1_024;

/// A request, priced and looked up.
pub(super) struct Case<'a> {
    pub(super) organization: OrganizationId,
    /// The present cycle's book.
    pub(super) book: u32,
    pub(super) environment: &'a str,
    pub(super) user: &'a str,
    pub(super) amount: u64,
    pub(super) class: Class,
    pub(super) rate: Option<Rate>,
    /// What the request itself calls the work.
    pub(super) work: Work<'a>,
    /// The label of that and of the rate card's product, if there is one already.
    pub(super) label: Option<u32>,
    pub(super) seat: Seat,
    pub(super) trial: Trial,
}

/// What was decided.
pub(super) struct Verdict {
    /// Credits that are granted.
    pub(super) granted: u64,
    /// Of these, what the rules do not cover: shadow mode allows it.
    pub(super) overrun: u64,
    /// Why it would have been denied.
    pub(super) shadowed: Option<Reason>,
}
impl Case<'_> {
    /// A minimum above what is asked for is a mistake of the caller.
    pub(super) fn check_min(&self, min: Option<u64>) -> Result<(), EngineError> {
        match min {
            Some(min) if min > self.amount && self.class != Class::Free => {
                let problem = format!(
                    "is {min}, more than the {} asked for; lower it",
                    self.amount
                );
                Err(invalid("min_amount", problem))
            }
            _ => Ok(()),
        }
    }
}

/// What a request calls the work.
fn work<'a>(subject: &Subject<'a>, cost: &Cost<'a>) -> Work<'a> {
    let operation = match *cost {
        Cost::Credits { operation, .. } => operation,
        Cost::Usage { operation, .. } => Some(operation),
    };
    Work {
        product: subject.product.map_or("", Name::as_str),
        model: subject.model.map_or("", Name::as_str),
        operation: operation.unwrap_or(""),
    }
}

impl Desk<'_> {
    /// Prices a request and looks up where it would count.
    #[inline(always)]
    pub(super) fn case<'a>(
        &self,
        id: OrganizationId,
        subject: &Subject<'a>,
        cost: &Cost<'a>,
    ) -> Result<Case<'a>, EngineError> {
        let organization = self.organization(id, subject.organization)?;
        let price = self.shard.rate_card.price(cost)?;
        let (environment, user) = (
            subject.environment.as_str(),
            subject.user.map_or("", Name::as_str),
        );
        let book = organization
            .present()
            .ok_or_else(|| unopened(&organization.name))?;
        let seat = book.seat(environment, user);
        let trial = organization.trial(user, self.now.wall);
        let (amount, class, rate) = (price.amount.get(), price.class, price.rate);
        let work = work(subject, cost);
        let product = subject.product.map(Name::as_str).or(price.product);
        let label = book.labels.find(Work {
            product: product.unwrap_or(""),
            ..work
        });
        Ok(Case {
            organization: id,
            book: book.number,
            environment,
            user,
            amount,
            class,
            rate,
            work,
            label,
            seat,
            trial,
        })
    }

    /// Grants or denies, and counts it.
    #[inline(always)]
    pub(super) fn decide(
        &self,
        case: &Case<'_>,
        min: Option<u64>,
        holds: bool,
    ) -> Result<Verdict, Box<Denial>> {
        let verdict = self.judge(case, min, holds);
        match &verdict {
            Ok(verdict) => {
                self.shard.count_granted();
                if let Some(reason) = verdict.shadowed {
                    self.shard.count_would_be_denied(reason);
                }
            }
            Err(denial) => self.shard.count_denied(denial.reason),
        }
        verdict
    }

    /// What a request would be answered.
    #[inline(always)]
    pub(super) fn judge(
        &self,
        case: &Case<'_>,
        min: Option<u64>,
        holds: bool,
    ) -> Result<Verdict, Box<Denial>> {
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        let Some((organization, book)) = organization.and_then(|it| Some((it, it.present()?)))
        else {
            // `case` found both under the same lock.
            return Ok(Verdict {
                granted: 0,
                overrun: case.amount,
                shadowed: None,
            });
        };
        let route = book.route(&case.seat, case.trial, self.now.wall);
        let refusal = Refusal {
            book,
            seat: &case.seat,
            route: &route,
            trial: case.trial,
            environment: case.environment,
            user: case.user,
            requested: case.amount,
            now: self.now,
        };
        let verdict = match charge::decide(&route, case.class, case.amount, min) {
            Ok(granted) => Verdict {
                granted,
                overrun: 0,
                shadowed: None,
            },
            Err(shortfall) if organization.plan.enforcement == Enforcement::Shadow => {
                let overrun = case.amount - shortfall.available.min(case.amount);
                Verdict {
                    granted: case.amount,
                    overrun,
                    shadowed: Some(shortfall.reason),
                }
            }
            Err(shortfall) => return Err(Box::new(refusal.denial(&shortfall))),
        };
        let has_room =
            self.can_record() && self.has_room_for_row() && (!holds || self.has_room_for_hold());
        let fits = book.room() >= verdict.granted;
        let is_new = !case.seat.has_cell && (holds || verdict.granted > 0);
        if !has_room || !fits || (is_new && self.seat_for(organization, case).is_none()) {
            return Err(Box::new(refusal.bound_reached()));
        }
        Ok(verdict)
    }

    /// The seat that a request takes: its own, or, beyond the bound on cells, the shared one of its environment. `None` if
    /// there is no room for that either.
    pub(super) fn seat_for(
        &self,
        organization: &Organization,
        case: &Case<'_>,
    ) -> Option<(Seat, bool)> {
        let bound = self.shared.bounds.cells as u64;
        let cells = self.shared.stats.cells.load(Ordering::Relaxed);
        let keeps_its_own =
            case.seat.limit.is_some() || organization.trials.find(case.user).is_some();
        if case.seat.has_cell || cells < bound || keeps_its_own {
            return Some((case.seat, false));
        }
        let seat = organization.present()?.seat(case.environment, FOLDED);
        (seat.has_cell || cells < bound + FOLDED_CELLS_MAX).then_some((seat, true))
    }

    /// Whether another request can be recorded, so that every open hold can still be settled after it.
    pub(super) fn can_record(&self) -> bool {
        let (recorder, stats) = (&self.shared.recorder, &self.shared.stats);
        // The shards are counted one by one only where room is scarce.
        recorder.has_room(stats.holds_open_at_most()) || recorder.has_room(stats.holds_open())
    }

    /// An administrator's change takes room as a request does: not that of open holds.
    pub(super) fn room_to_change(&self) -> Result<(), EngineError> {
        if self.can_record() {
            Ok(())
        } else {
            Err(EngineError::NoRoom)
        }
    }

    fn has_room_for_hold(&self) -> bool {
        let open = self.shared.stats.holds_open_about();
        let slot = self.shard.holds.next(self.shard.number);
        open < self.shared.bounds.holds as u64 && slot.index <= INDEX_MAX
    }
}
