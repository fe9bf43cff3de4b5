//! Commit and Release, and the way back of what expires: credits are given back in the hold's own cycle.

use crate::domain::charge;
use crate::domain::credits::Credits;
use crate::domain::fact::{Id, Place, Settled, Slot};
use crate::domain::plan::{Enforcement, Excess};
use crate::domain::rates::Class;
use crate::domain::time::Timestamp;

use super::Engine;
use super::answer::*;
use super::book::Book;
use super::denial::{Refusal, invalid, precondition};
use super::desk::Desk;
use super::holds::{Row, State, hex};
use super::order::{Act, Actual, Commit};
use super::reserve::history;
use super::seat::{Seat, Trial};
use super::shard::Shard;

impl Engine {
    /// Books what the work really used; the hold ends.
    pub fn commit(&self, order: &Commit) -> Result<Decision<Committed>, EngineError> {
        let slot = self.slot(&order.id)?;
        self.request(slot.shard, |desk| {
            let row = desk.remembered(slot, &order.id)?;
            let amount = actual(&row, &order.actual)?;
            match row.state {
                State::Open | State::Expired => desk.commit(slot, &row, amount, order.excess),
                State::Committed { committed, .. } if committed == amount => {
                    Ok(Decision::Granted(desk.committed(&row, row.state)?))
                }
                _ => Err(precondition(format!(
                    "reservation {}: {}",
                    hex(&order.id),
                    history(&row)
                ))),
            }
        })
    }

    /// Gives a hold up. One that expired is settled, with nothing to return.
    pub fn release(&self, id: &Id) -> Result<Released, EngineError> {
        self.release_as(id, &Act::default())
    }

    /// The same, by an administrator: who it was, if somebody says so, is audited.
    pub(super) fn release_as(&self, id: &Id, act: &Act<'_>) -> Result<Released, EngineError> {
        let slot = self.slot(id)?;
        self.request(slot.shard, |desk| {
            let row = desk.remembered(slot, id)?;
            match row.state {
                State::Open | State::Expired => {
                    let now = desk.now;
                    let returned = row.comes_back();
                    let share = desk.shard.share_after(&row, 0, returned, now.wall);
                    let (committed, overrun, late, at) = (0, 0, false, now.steady);
                    let settled = Settled {
                        slot,
                        committed,
                        overrun,
                        late,
                        at,
                        share,
                        label: None,
                    };
                    desk.shard.happen_settled(settled, &row, false);
                    if !act.who.is_empty() {
                        let before = format!("{} credits held", row.held);
                        let organization = row.place.organization;
                        desk.shard
                            .audit(organization, act, now.wall, [&before, "released"]);
                    }
                }
                State::Released { .. } => {}
                _ => {
                    return Err(precondition(format!(
                        "reservation {}: {}",
                        hex(id),
                        history(&row)
                    )));
                }
            }
            let returned = match row.state {
                State::Released { returned } => returned,
                _ => row.comes_back(),
            };
            let standing = desk.standing_of_hold(&row)?;
            Ok(Released {
                returned: Credits::saturating(returned),
                standing,
                receipt: Default::default(),
            })
        })
    }
}

/// What is to be booked, in credits; nothing for class `free`.
fn actual(row: &Row, actual: &Actual) -> Result<u64, EngineError> {
    let amount = match (actual, row.rate) {
        (Actual::Amount(amount), _) => *amount,
        (Actual::Quantity(quantity), Some(rate)) => rate.price(*quantity).ok_or_else(|| {
            invalid(
                "quantity",
                "costs more than 9,007,199,254,740,991 credits, the largest amount there is",
            )
        })?,
        (Actual::Quantity(_), None) => {
            let problem = "the reservation names no operation, so that a quantity has no price; send an amount";
            return Err(invalid("quantity", problem));
        }
    };
    Ok(if row.class == Class::Free {
        0
    } else {
        amount.get()
    })
}

impl Desk<'_> {
    fn commit(
        &mut self,
        slot: Slot,
        row: &Row,
        amount: u64,
        excess: Excess,
    ) -> Result<Decision<Committed>, EngineError> {
        let place = row.place;
        let beyond = amount.saturating_sub(row.held);
        let overrun = match beyond {
            0 => 0,
            _ => match self.judge_beyond(row, beyond, excess)? {
                Ok(overrun) => overrun,
                Err(denial) => return Ok(Decision::Denied(denial)),
            },
        };
        let share = self.shard.share_after(row, amount, row.held, self.now.wall);
        let (committed, late, at) = (amount, row.state == State::Expired, self.now.steady);
        let label = match amount {
            0 => None,
            _ => Some(self.row_label(&place)).filter(|label| *label != place.label),
        };
        let settled = Settled {
            slot,
            committed,
            overrun,
            late,
            at,
            share,
            label,
        };
        self.shard.happen_settled(settled, row, true);
        self.cross(&place);
        let state = row.committed(&settled);
        Ok(Decision::Granted(self.committed(row, state)?))
    }

    /// What nothing covers of an amount above a hold, unless that is rejected.
    fn judge_beyond(
        &self,
        row: &Row,
        beyond: u64,
        excess: Excess,
    ) -> Result<Result<u64, Box<Denial>>, EngineError> {
        let (book, seat, trial) = self.seat_of_hold(row).ok_or_else(|| lost(row))?;
        if beyond > book.room() {
            return Err(invalid(
                "amount",
                "the organization's credits in this cycle would pass 2^53 - 1",
            ));
        }
        let route = book.route(&seat, trial, self.now.wall);
        let overrun = beyond - charge::available(&route, row.class).min(beyond);
        // An expired hold is not rejected: the work happened, and there is nothing left to keep.
        let may_reject = row.state == State::Open && excess.max(book.plan.excess) == Excess::Reject;
        if overrun == 0 || !may_reject {
            return Ok(Ok(overrun));
        }
        let Err(shortfall) = charge::decide(&route, row.class, beyond, None) else {
            return Ok(Ok(overrun));
        };
        if book.plan.enforcement != Enforcement::Enforce {
            self.shard.count_would_be_denied(shortfall.reason);
            return Ok(Ok(overrun));
        }
        self.shard.count_denied(shortfall.reason);
        let place = &row.place;
        let user = book.users.get(place.user).map_or("", |it| &it.name);
        let environment = book.environments.get(place.environment);
        let refusal = Refusal {
            book,
            seat: &seat,
            route: &route,
            trial,
            environment: environment.map_or("", |it| &it.name),
            user,
            requested: beyond,
            now: self.now,
        };
        Ok(Err(Box::new(refusal.denial(&shortfall))))
    }

    /// The answer about a hold that is committed so, with how things stand now.
    fn committed(&self, row: &Row, state: State) -> Result<Committed, EngineError> {
        let (committed, returned, overrun, late) = match state {
            State::Committed {
                committed,
                returned,
                overrun,
                late,
            } => (committed, returned, overrun, late),
            _ => (0, 0, 0, false),
        };
        Ok(Committed {
            committed: Credits::saturating(committed),
            returned: Credits::saturating(returned),
            overrun: Credits::saturating(overrun),
            late,
            standing: self.standing_of_hold(row)?,
            receipt: Default::default(),
        })
    }

    /// The book that a hold counts in, its seat there, and the trial period that it belongs to.
    pub(super) fn seat_of_hold(&self, row: &Row) -> Option<(&Book, Seat, Trial)> {
        let place = &row.place;
        let organization = self
            .shard
            .organizations
            .get(place.organization.index as usize)?;
        let book = organization.book(place.book)?;
        let trial = organization.trial_of_hold(book, place.user, row.trial, self.now.wall);
        Some((book, book.seat_at(place.environment, place.user), trial))
    }

    /// How things stand for a hold, in its own cycle.
    pub(super) fn standing_of_hold(&self, row: &Row) -> Result<Standing, EngineError> {
        let standing = self.standing_at(&row.place, row.trial, row.class);
        standing.ok_or_else(|| lost(row))
    }

    /// How things stand in a place, for what a trial period or none pays.
    #[inline(always)]
    pub(super) fn standing_at(&self, place: &Place, trial: u8, class: Class) -> Option<Standing> {
        let organization = self
            .shard
            .organizations
            .get(place.organization.index as usize)?;
        let book = organization.book(place.book)?;
        let trial = organization.trial_of_hold(book, place.user, trial, self.now.wall);
        let seat = book.seat_at(place.environment, place.user);
        Some(book.standing(&seat, trial, class, self.now.wall))
    }
}

impl Row {
    /// Of what it holds, what comes back when it ends with nothing booked.
    pub(super) fn comes_back(&self) -> u64 {
        match self.state {
            State::Open => self.held,
            _ => 0,
        }
    }

    /// How it stands once it is committed so.
    pub(super) fn committed(&self, settled: &Settled) -> State {
        let Settled {
            committed,
            overrun,
            late,
            ..
        } = *settled;
        State::Committed {
            committed,
            returned: self.comes_back().saturating_sub(committed),
            overrun,
            late,
        }
    }
}

/// A remembered request keeps its book; this says so if that is ever broken.
pub(super) fn lost(row: &Row) -> EngineError {
    EngineError::UnknownReservation(hex(&row.id))
}

impl Shard {
    /// The payer's share of the extension after a request has used and given back credits.
    #[inline(always)]
    pub(super) fn share_after(&self, row: &Row, used: u64, given_back: u64, at: Timestamp) -> u64 {
        let organization = self
            .organizations
            .get(row.place.organization.index as usize);
        let book = organization.and_then(|it| it.book(row.place.book));
        let Some(book) = book.filter(|book| !book.extensions.is_empty()) else {
            return 0;
        };
        let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        let seat = book.seat_at(row.place.environment, row.place.user);
        seat.share_after(book, signed(used), -signed(given_back), row.trial > 0, at)
    }

    /// The same after a hold gives back all it holds.
    pub(super) fn share_after_return(&self, slot: Slot, at: Timestamp) -> u64 {
        let row = self.holds.get(slot);
        row.map_or(0, |row| self.share_after(&row, 0, row.held, at))
    }
}
