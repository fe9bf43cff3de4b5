//! Extend: a hold is given more credits or a longer life.

use crate::domain::charge::{self, Bound, Reason};
use crate::domain::fact::{Extended, Fact, Slot};
use crate::domain::plan::Enforcement;
use crate::domain::rates::Class;

use super::Engine;
use super::answer::{Decision, Denial, EngineError, Reserved};
use super::denial::{Refusal, precondition};
use super::desk::{Desk, Known};
use super::fingerprint;
use super::holds::{Row, State, hex};
use super::order::Extend;
use super::reserve::{check_ttl, history, other_contents};
use super::seat::Trial;
use super::settle::lost;

impl Engine {
    /// Holds more, or longer.
    pub fn extend(&self, order: &Extend) -> Result<Decision<Reserved>, EngineError> {
        if let Some(ttl) = order.ttl {
            check_ttl(ttl)?;
        }
        let slot = self.slot(&order.id)?;
        self.request(slot.shard, |desk| {
            let print = order
                .request_id
                .map_or(0, |_| fingerprint::of_extend(order));
            if let Some(id) = &order.request_id {
                match desk.known(id, print)? {
                    Known::New => {}
                    Known::Same(slot) => {
                        let told = desk.remembered(slot, id)?;
                        let mut reserved =
                            desk.reserved(&told, told.granted, told.granted_expires)?;
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
        })
    }
}

impl Desk<'_> {
    fn extend(
        &mut self,
        row: &Row,
        slot: Slot,
        order: &Extend,
        print: u64,
    ) -> Result<Decision<Reserved>, EngineError> {
        let additional = match row.class {
            Class::Free => 0,
            _ => order.additional.get(),
        };
        let share = match self.judge_more(row, additional)? {
            Ok(share) => share,
            Err(denial) => return Ok(Decision::Denied(denial)),
        };
        let at = self.now.steady;
        let expires = order
            .ttl
            .map_or(row.expires, |ttl| row.expires.max(at.plus(ttl)));
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
            at,
            share,
        }));
        let row = self.remembered(slot, &order.id)?;
        let reserved = self.reserved(&row, row.held, row.expires)?;
        Ok(Decision::Granted(reserved))
    }

    /// Whether a hold may hold more; answers the payer's share of the extension from then on.
    fn judge_more(&self, row: &Row, more: u64) -> Result<Result<u64, Box<Denial>>, EngineError> {
        let (book, seat, mut trial) = self.seat_of_hold(row).ok_or_else(|| lost(row))?;
        if more == 0 {
            return Ok(Ok(seat.share_after(book, 0, 0, false, self.now.wall)));
        }
        if self.now.wall >= book.span.end {
            return Err(precondition(
                "the reservation belongs to a cycle that is over: it may live longer, but hold no more",
            ));
        }
        let mut route = book.route(&seat, trial, self.now.wall);
        if let Trial::Pays(_, period) = trial
            && self.now.wall >= period.until
        {
            trial = Trial::Ended(period);
            route.refused = Some((Reason::TrialExpired, Bound::User));
        }
        let user = book.users.get(row.place.user).map_or("", |it| &it.name);
        let environment = book
            .environments
            .get(row.place.environment)
            .map_or("", |it| &it.name);
        let (seat, route, requested, now) = (&seat, &route, more, self.now);
        let refusal = Refusal {
            book,
            seat,
            route,
            trial,
            environment,
            user,
            requested,
            now,
        };
        match charge::decide(route, row.class, more, None) {
            Ok(_) => {}
            Err(shortfall) if book.plan.enforcement == Enforcement::Shadow => {
                self.shard.count_would_be_denied(shortfall.reason);
            }
            Err(shortfall) => {
                self.shard.count_denied(shortfall.reason);
                return Ok(Err(Box::new(refusal.denial(&shortfall))));
            }
        }
        if book.room() < more || !self.can_record() {
            self.shard.count_denied(Reason::ResourceLimit);
            return Ok(Err(Box::new(refusal.bound_reached())));
        }
        self.shard.count_granted();
        let held = i64::try_from(more).unwrap_or(i64::MAX);
        Ok(Ok(seat.share_after(
            book,
            0,
            held,
            row.trial > 0,
            self.now.wall,
        )))
    }
}
