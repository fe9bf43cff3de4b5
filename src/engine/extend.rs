//! Extend: a hold is given more credits or a longer life.

use crate::domain::charge::{self, Bound, Reason};
use crate::domain::fact::{Extended, Fact, Slot};
use crate::domain::plan::Enforcement;
use crate::domain::rates::Class;

use super::Engine;
use super::answer::{Decision, EngineError, Reserved};
use super::denial::{Refusal, precondition};
use super::desk::{Desk, Known};
use super::fingerprint;
use super::gauges::count;
use super::holds::{Row, State, hex};
use super::order::Extend;
use super::reserve::{check_ttl, history, other_contents, stamped};
use super::seat::Trial;

impl Engine {
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
    fn extend(
        &mut self,
        row: &Row,
        slot: Slot,
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
            route.refused = Some((Reason::TrialExpired, Bound::User));
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
}
