//! Reserve, Charge, Check and Extend: credits are asked for.

use std::sync::atomic::Ordering;

use crate::domain::charge::{self, Reason};
use crate::domain::credits::Credits;
use crate::domain::fact::{Charged, Extended, Fact, Held, OrganizationId, Place};
use crate::domain::names::Name;
use crate::domain::plan::Enforcement;
use crate::domain::rates::{Class, Cost, Rate};
use crate::domain::route::Route;
use crate::domain::time::Timestamp;
use crate::world::sabotage::{self, Fault};

use super::answer::*;
use super::book::FOLDED;
use super::denial::{Refusal, invalid, on_the_wall, precondition};
use super::desk::{Desk, Known};
use super::fingerprint;
use super::gauges::count;
use super::holds::{INDEX_MAX, Row, State};
use super::order::*;
use super::organization::Organization;
use super::seat::{Seat, Trial};
use super::{Engine, holds::hex};

/// So many cells beyond the bound are left for the shared cells of environments.
const FOLDED_CELLS_MAX: u64 = 1_024;

/// A request, priced and looked up.
struct Case<'a> {
    organization: OrganizationId,
    environment: &'a str,
    user: &'a str,
    amount: u64,
    class: Class,
    rate: Option<Rate>,
    seat: Seat,
    trial: Trial,
    route: Route,
}

/// What was decided.
struct Verdict {
    /// Credits that are granted.
    granted: u64,
    /// Of these, what the rules do not cover: shadow mode allows it.
    overrun: u64,
    /// Why it would have been denied.
    shadowed: Option<Reason>,
}

impl Engine {
    /// Keeps credits for work that begins now.
    pub fn reserve(&self, order: &Reserve<'_>) -> Result<Decision<Reserved>, EngineError> {
        let ttl = order.ttl.unwrap_or(HOLD_TTL_DEFAULT);
        check_ttl(ttl)?;
        let id = self.find(order.subject.organization)?;
        let (decision, receipt) = self.desk(id.shard, |desk| {
            let print = order.id.map_or(0, |_| fingerprint::of_reserve(order));
            if let Some(id) = &order.id {
                match desk.known(id, print)? {
                    Known::New => {}
                    Known::Same(slot) => {
                        let row = desk.remembered(slot, id)?;
                        return Ok(Decision::Granted(desk.reserved(
                            &row,
                            row.granted,
                            row.granted_expires,
                        )));
                    }
                    Known::Other => return Err(other_contents("reservation_id")),
                }
            }
            let case = desk.case(id, &order.subject, &order.cost)?;
            let min = order.min.map(Credits::get);
            check_min(min, &case)?;
            let verdict = match desk.decide(&case, min, true) {
                Ok(verdict) => verdict,
                Err(denial) => return Ok(Decision::Denied(denial)),
            };
            desk.hold(
                &case,
                &verdict,
                order.id.as_ref(),
                print,
                desk.now.steady.plus(ttl),
            )
        })?;
        Ok(stamped(decision, |reserved| reserved.receipt = receipt))
    }

    /// Reserves and commits in one step.
    pub fn charge(&self, order: &Charge<'_>) -> Result<Decision<Committed>, EngineError> {
        let id = self.find(order.subject.organization)?;
        let decided_before = sabotage::is(Fault::SplitCharge) && self.would_grant(order)?;
        let (decision, receipt) = self.desk(id.shard, |desk| {
            let print = order.id.map_or(0, |_| fingerprint::of_charge(order));
            if let Some(id) = &order.id {
                match desk.known(id, print)? {
                    Known::New => {}
                    Known::Same(slot) => return desk.charged_before(slot, id),
                    Known::Other => return Err(other_contents("request_id")),
                }
            }
            let case = desk.case(id, &order.subject, &order.cost)?;
            let verdict = if decided_before {
                Ok(Verdict {
                    granted: case.amount,
                    overrun: 0,
                    shadowed: None,
                })
            } else {
                desk.decide(&case, None, false)
            };
            match verdict {
                Ok(verdict) => desk.book(&case, &verdict, order.id.as_ref(), print),
                Err(denial) => Ok(Decision::Denied(denial)),
            }
        })?;
        Ok(stamped(decision, |committed| committed.receipt = receipt))
    }

    /// For [`Fault::SplitCharge`]: the decision, taken under a lock that is then let go.
    fn would_grant(&self, order: &Charge<'_>) -> Result<bool, EngineError> {
        let (subject, cost, min) = (order.subject, order.cost, None);
        let checked = self.check(&Check { subject, cost, min })?;
        Ok(matches!(checked.decision, Decision::Granted(_)))
    }

    /// What a Reserve would answer; changes nothing.
    pub fn check(&self, order: &Check<'_>) -> Result<Checked, EngineError> {
        let id = self.find(order.subject.organization)?;
        let (checked, _) = self.desk(id.shard, |desk| {
            let case = desk.case(id, &order.subject, &order.cost)?;
            let min = order.min.map(Credits::get);
            check_min(min, &case)?;
            let decision = match desk.judge(&case, min, true) {
                Ok(verdict) => Decision::Granted(Credits::saturating(verdict.granted)),
                Err(denial) => Decision::Denied(denial),
            };
            let book = desk.organization(id, order.subject.organization)?.present();
            let book = book.ok_or_else(|| unopened(order.subject.organization.as_str()))?;
            let standing = book.standing(&case.seat, case.trial, case.class, desk.now.wall);
            Ok(Checked { decision, standing })
        })?;
        Ok(checked)
    }

    /// Holds more, or longer.
    pub fn extend(&self, order: &Extend) -> Result<Decision<Reserved>, EngineError> {
        if let Some(ttl) = order.ttl {
            check_ttl(ttl)?;
        }
        let slot = self.slot(&order.id)?;
        let (decision, receipt) = self.desk(slot.shard, |desk| {
            let print = order
                .request_id
                .map_or(0, |_| fingerprint::of_extend(order));
            if let Some(id) = &order.request_id {
                match desk.known(id, print)? {
                    Known::New => {}
                    Known::Same(slot) => {
                        let told = desk.remembered(slot, id)?;
                        let mut reserved = desk.reserved(&told, told.granted, told.granted_expires);
                        reserved.id = order.id;
                        return Ok(Decision::Granted(reserved));
                    }
                    Known::Other => return Err(other_contents("request_id")),
                }
            }
            let row = desk.remembered(slot, &order.id)?;
            if row.state != State::Open {
                return Err(precondition(format!(
                    "reservation {}: {}",
                    hex(&order.id),
                    history(&row)
                )));
            }
            desk.extend(&row, slot, order, print)
        })?;
        Ok(stamped(decision, |reserved| reserved.receipt = receipt))
    }
}

impl Desk<'_> {
    /// Prices a request and looks up where it would count.
    fn case<'a>(
        &self,
        id: OrganizationId,
        subject: &Subject<'a>,
        cost: &Cost<'_>,
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
        let route = book.route(&seat, trial, self.now.wall);
        let (amount, class, rate) = (price.amount.get(), price.class, price.rate);
        Ok(Case {
            organization: id,
            environment,
            user,
            amount,
            class,
            rate,
            seat,
            trial,
            route,
        })
    }

    /// Grants or denies, and counts it.
    fn decide(
        &self,
        case: &Case<'_>,
        min: Option<u64>,
        holds: bool,
    ) -> Result<Verdict, Box<Denial>> {
        let verdict = self.judge(case, min, holds);
        match &verdict {
            Ok(verdict) => {
                count(&self.shared.stats.granted);
                if let Some(reason) = verdict.shadowed {
                    count(self.shared.stats.would_be_denied(reason));
                }
            }
            Err(denial) => count(self.shared.stats.denied(denial.reason)),
        }
        verdict
    }

    /// What a request would be answered.
    fn judge(
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
        let refusal = Refusal {
            book,
            seat: &case.seat,
            route: &case.route,
            trial: case.trial,
            environment: case.environment,
            user: case.user,
            requested: case.amount,
            now: self.now,
        };
        let verdict = match charge::decide(&case.route, case.class, case.amount, min) {
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
        let has_room = !holds || self.has_room_for_hold();
        let fits = book.room() >= verdict.granted;
        let is_new = !case.seat.has_cell && (holds || verdict.granted > 0);
        if !has_room || !fits || (is_new && self.seat_for(organization, case).is_none()) {
            return Err(Box::new(refusal.bound_reached()));
        }
        Ok(verdict)
    }

    /// Opens a hold.
    fn hold(
        &mut self,
        case: &Case<'_>,
        verdict: &Verdict,
        id: Option<&Id>,
        print: u64,
        expires: Timestamp,
    ) -> Result<Decision<Reserved>, EngineError> {
        let Some(tag) = self.tag(id, print) else {
            return Err(other_contents("reservation_id"));
        };
        let amount = verdict.granted;
        let share = self.share_of(case, 0, amount);
        let place = self.place(case)?;
        let sequence = self.shard.sequence;
        let (class, rate, trial) = (case.class, case.rate, case.trial.number());
        self.shard.happen(Fact::Held(Held {
            tag,
            place,
            amount,
            expires,
            sequence,
            class,
            rate,
            trial,
            share,
        }));
        let row = self.remembered(tag.slot, &tag.id)?;
        Ok(Decision::Granted(self.reserved(&row, amount, expires)))
    }

    /// Books a charge.
    fn book(
        &mut self,
        case: &Case<'_>,
        verdict: &Verdict,
        id: Option<&Id>,
        print: u64,
    ) -> Result<Decision<Committed>, EngineError> {
        let amount = verdict.granted;
        let (mut place, mut trial) = (None, case.trial);
        if amount > 0 || id.is_some() {
            let tag = match id {
                Some(_) => Some(
                    self.tag(id, print)
                        .ok_or_else(|| other_contents("request_id"))?,
                ),
                None => None,
            };
            let share = self.share_of(case, amount, 0);
            let at = self.place(case)?;
            let (number, overrun) = (case.trial.number(), verdict.overrun);
            let now = self.now.steady;
            self.shard.happen(Fact::Charged(Charged {
                tag,
                place: at,
                amount,
                overrun,
                trial: number,
                at: now,
                share,
            }));
            self.cross(&at);
            trial = self.trial_again(case);
            place = Some(at);
        }
        let standing = self.standing_of(case, place, trial)?;
        Ok(Decision::Granted(Committed {
            committed: Credits::saturating(amount),
            returned: Credits::ZERO,
            overrun: Credits::saturating(verdict.overrun),
            late: false,
            standing,
            receipt: Default::default(),
        }))
    }

    fn extend(
        &mut self,
        row: &Row,
        slot: crate::domain::fact::Slot,
        order: &Extend,
        print: u64,
    ) -> Result<Decision<Reserved>, EngineError> {
        let place = row.place;
        let additional = if row.class == Class::Free {
            0
        } else {
            order.additional.get()
        };
        let Some(organization) = self
            .shard
            .organizations
            .get(place.organization.index as usize)
        else {
            return Err(EngineError::UnknownReservation(hex(&order.id)));
        };
        let Some(book) = organization.book(place.book) else {
            return Err(EngineError::UnknownReservation(hex(&order.id)));
        };
        let is_present = organization
            .present()
            .is_some_and(|present| present.number == place.book);
        if additional > 0 && !is_present {
            return Err(precondition(
                "the reservation belongs to a cycle that is over: it may live longer, but hold no more",
            ));
        }
        let (seat, mut trial, mut route) = self.route_of_hold(row);
        if let Trial::Pays(_, period) = trial
            && self.now.wall >= period.terms.until
        {
            trial = Trial::Ended(period);
            route.refused = Some((Reason::TrialExpired, charge::Bound::User));
        }
        let mut share = seat.share_after(book, 0, 0, false, self.now.wall);
        if additional > 0 {
            let user = book.users.get(place.user).map_or("", |it| &it.name);
            let environment = book
                .environments
                .get(place.environment)
                .map_or("", |it| &it.name);
            let (requested, now) = (additional, self.now);
            let refusal = Refusal {
                book,
                seat: &seat,
                route: &route,
                trial,
                environment,
                user,
                requested,
                now,
            };
            match charge::decide(&route, row.class, additional, None) {
                Ok(_) => {}
                Err(shortfall) if organization.plan.enforcement == Enforcement::Shadow => {
                    count(self.shared.stats.would_be_denied(shortfall.reason));
                }
                Err(shortfall) => {
                    count(self.shared.stats.denied(shortfall.reason));
                    return Ok(Decision::Denied(Box::new(refusal.denial(&shortfall))));
                }
            }
            if book.room() < additional {
                count(self.shared.stats.denied(Reason::ResourceLimit));
                return Ok(Decision::Denied(Box::new(refusal.bound_reached())));
            }
            let held = i64::try_from(additional).unwrap_or(i64::MAX);
            share = seat.share_after(book, 0, held, row.trial > 0, self.now.wall);
            count(&self.shared.stats.granted);
        }
        let now = self.now.steady;
        let expires = order
            .ttl
            .map_or(row.expires, |ttl| row.expires.max(now.plus(ttl)));
        let tag = match &order.request_id {
            Some(id) => Some(
                self.tag(Some(id), print)
                    .ok_or_else(|| other_contents("request_id"))?,
            ),
            None => None,
        };
        self.shard.happen(Fact::Extended(Extended {
            slot,
            additional,
            expires,
            tag,
            at: now,
            share,
        }));
        let row = self.remembered(slot, &order.id)?;
        Ok(Decision::Granted(self.reserved(
            &row,
            row.held,
            row.expires,
        )))
    }

    /// The answer about a hold, with how things stand now.
    fn reserved(&self, row: &Row, granted: u64, expires: Timestamp) -> Reserved {
        Reserved {
            id: row.id,
            granted: Credits::saturating(granted),
            expires: on_the_wall(expires, self.now),
            standing: self.standing_of_hold(row),
            receipt: Default::default(),
        }
    }

    fn charged_before(
        &self,
        slot: crate::domain::fact::Slot,
        id: &Id,
    ) -> Result<Decision<Committed>, EngineError> {
        let row = self.remembered(slot, id)?;
        let State::Charged { overrun } = row.state else {
            return Err(other_contents("request_id"));
        };
        Ok(Decision::Granted(Committed {
            committed: Credits::saturating(row.granted),
            returned: Credits::ZERO,
            overrun: Credits::saturating(overrun),
            late: false,
            standing: self.standing_of_hold(&row),
            receipt: Default::default(),
        }))
    }

    /// The payer's share of the extension after a request is granted.
    fn share_of(&self, case: &Case<'_>, used: u64, held: u64) -> u64 {
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        organization
            .and_then(Organization::present)
            .map_or(0, |book| {
                let is_trial = case.trial.number() > 0;
                case.seat
                    .share_after(book, signed(used), signed(held), is_trial, self.now.wall)
            })
    }

    /// The cell in which a request counts; rows are named where there are none yet.
    fn place(&mut self, case: &Case<'_>) -> Result<Place, EngineError> {
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        let (seat, is_folded) = organization
            .and_then(|it| self.seat_for(it, case))
            .ok_or_else(|| unopened(case.environment))?;
        let user = if is_folded { FOLDED } else { case.user };
        let rows = self.name_rows(case.organization, &seat, case.environment, user);
        let (book, environment, user) = rows.ok_or_else(|| unopened(case.environment))?;
        Ok(Place {
            organization: case.organization,
            book,
            environment,
            user,
        })
    }

    /// The seat that a request takes: its own, or, beyond the bound on cells, the shared one of its environment. `None` if
    /// there is no room for that either.
    fn seat_for(&self, organization: &Organization, case: &Case<'_>) -> Option<(Seat, bool)> {
        let bound = self.shared.bounds.cells as u64;
        let cells = self.shared.stats.cells.load(Ordering::Relaxed);
        let keeps_its_own =
            case.seat.limit.is_some() || organization.trials.contains_key(case.user);
        if case.seat.has_cell || cells < bound || keeps_its_own {
            return Some((case.seat, false));
        }
        let seat = organization.present()?.seat(case.environment, FOLDED);
        (seat.has_cell || cells < bound + FOLDED_CELLS_MAX).then_some((seat, true))
    }

    fn has_room_for_hold(&self) -> bool {
        let open = self.shared.stats.holds_open.load(Ordering::Relaxed);
        let slot = self.shard.holds.next(self.shard.number);
        open < self.shared.bounds.holds as u64 && slot.index <= INDEX_MAX
    }

    /// How things stand after a request was booked.
    fn standing_of(
        &self,
        case: &Case<'_>,
        place: Option<Place>,
        trial: Trial,
    ) -> Result<Standing, EngineError> {
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        let book = organization
            .and_then(Organization::present)
            .ok_or_else(|| unopened(case.environment))?;
        let seat = place.map_or(case.seat, |place| {
            book.seat_at(place.environment, place.user)
        });
        Ok(book.standing(&seat, trial, case.class, self.now.wall))
    }

    fn trial_again(&self, case: &Case<'_>) -> Trial {
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        organization.map_or(Trial::None, |it| it.trial(case.user, self.now.wall))
    }
}

fn check_ttl(ttl: std::time::Duration) -> Result<(), EngineError> {
    if ttl.is_zero() || ttl > HOLD_TTL_MAX {
        let problem =
            format!("is {ttl:?}; give more than 0 and at most 1 h, or leave it out for 60 s");
        return Err(invalid("ttl", problem));
    }
    Ok(())
}

fn check_min(min: Option<u64>, case: &Case<'_>) -> Result<(), EngineError> {
    match min {
        Some(min) if min > case.amount && case.class != Class::Free => {
            let problem = format!(
                "is {min}, more than the {} asked for; lower it",
                case.amount
            );
            Err(invalid("min_amount", problem))
        }
        _ => Ok(()),
    }
}

fn other_contents(field: &'static str) -> EngineError {
    invalid(
        field,
        "was sent before with other contents; a retry repeats the request, new work needs a new id",
    )
}

/// Every planned organization has an open book; this says so if that is ever broken.
fn unopened(name: &str) -> EngineError {
    EngineError::Precondition(format!("the books of {name:?} are not open yet; try again"))
}

/// What became of a request, for a caller that asks for something else.
pub(super) fn history(row: &Row) -> String {
    match row.state {
        State::Open => "it is open".to_owned(),
        State::Expired => "it expired; a commit is still booked, nothing can be added".to_owned(),
        State::Committed { committed, .. } => format!("it was committed with {committed} credits"),
        State::Released { .. } => "it was released".to_owned(),
        State::Charged { .. } => {
            format!("it is a charge of {} credits, booked already", row.granted)
        }
        State::Extension { .. } => "it is an extension of another reservation".to_owned(),
    }
}

/// Puts the receipt on a granted answer.
pub(super) fn stamped<T>(decision: Decision<T>, stamp: impl FnOnce(&mut T)) -> Decision<T> {
    match decision {
        Decision::Granted(mut answer) => {
            stamp(&mut answer);
            Decision::Granted(answer)
        }
        denied @ Decision::Denied(_) => denied,
    }
}
