//! An open hold as it lies in memory, and what a request keeps that has an id of its own.

use crate::domain::credits::Credits;
use crate::domain::fact::{Held, Id, OrganizationId, Place, Slot, Tag};
use crate::domain::rates::{Class, Rate};
use crate::domain::time::Timestamp;

use super::{Row, State, id_of};

/// An open hold. What can be told from its slot is left out, and so is what only a retry of its reservation asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) sequence: u64,
    pub(super) held: u64,
    pub(super) expires: Timestamp,
    /// When it was opened or last extended.
    pub(super) made: Timestamp,
    credits: Credits,
    /// Of the rate; 0 is no rate.
    per: u64,
    organization: u32,
    book: u32,
    environment: u32,
    user: u32,
    label: u32,
    /// The place of its id, counted from 1; 0 where the id follows from the slot.
    pub(super) named: u32,
    class: Class,
    trial: u8,
}

/// What a request keeps whose id the caller chose, or another start gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: Id,
    pub(super) chosen: bool,
    pub(super) fingerprint: u64,
    pub(super) granted: u64,
    pub(super) granted_expires: Timestamp,
}

/// A rate, or none, in two words.
fn packed(rate: Option<Rate>) -> (Credits, u64) {
    match rate {
        // Nothing is priced by 0: it counts as 1 (`Rate::price`).
        Some(rate) => (rate.credits, rate.per.max(1)),
        None => (Credits::ZERO, 0),
    }
}

impl Named {
    /// The same of a hold that is opened.
    #[inline]
    pub(super) fn held(held: &Held, start: u64) -> Option<Self> {
        let Tag {
            slot,
            id,
            chosen,
            fingerprint,
        } = held.tag;
        (chosen || id != id_of(slot, start)).then_some(Self {
            id,
            chosen,
            fingerprint,
            granted: held.amount,
            granted_expires: held.expires,
        })
    }

    /// What a row keeps of its id, unless that follows from the slot.
    pub(super) fn of(row: &Row, slot: Slot, start: u64) -> Option<Self> {
        (row.chosen || row.id != id_of(slot, start)).then_some(Self {
            id: row.id,
            chosen: row.chosen,
            fingerprint: row.fingerprint,
            granted: row.granted,
            granted_expires: row.granted_expires,
        })
    }
}

impl Open {
    /// Of a row that is open; it has no name yet.
    pub(super) fn of(row: &Row) -> Self {
        let (credits, per) = packed(row.rate);
        let Place {
            organization,
            book,
            environment,
            user,
            label,
        } = row.place;
        Self {
            sequence: row.sequence,
            held: row.held,
            expires: row.expires,
            made: row.settled,
            credits,
            per,
            organization: organization.index,
            book,
            environment,
            user,
            label,
            named: 0,
            class: row.class,
            trial: row.trial,
        }
    }

    /// As it was opened; it has no name yet.
    #[inline]
    pub(super) fn held(held: &Held) -> Self {
        let (credits, per) = packed(held.rate);
        let Place {
            organization,
            book,
            environment,
            user,
            label,
        } = held.place;
        Self {
            sequence: held.sequence,
            held: held.amount,
            expires: held.expires,
            made: held.at,
            credits,
            per,
            organization: organization.index,
            book,
            environment,
            user,
            label,
            named: 0,
            class: held.class,
            trial: held.trial,
        }
    }

    /// The whole row.
    #[inline]
    pub(super) fn row(&self, slot: Slot, start: u64, named: Option<&Named>) -> Row {
        let organization = OrganizationId {
            shard: slot.shard,
            index: self.organization,
        };
        let mut row = Row {
            generation: slot.generation,
            state: State::Open,
            place: Place {
                organization,
                book: self.book,
                environment: self.environment,
                user: self.user,
                label: self.label,
            },
            id: id_of(slot, start),
            chosen: false,
            fingerprint: 0,
            granted: self.held,
            granted_expires: self.expires,
            held: self.held,
            expires: self.expires,
            sequence: self.sequence,
            class: self.class,
            rate: (self.per > 0).then_some(Rate {
                credits: self.credits,
                per: self.per,
            }),
            trial: self.trial,
            settled: self.made,
        };
        if let Some(named) = named {
            row.name(named);
        }
        row
    }
}

impl Row {
    /// Takes what was kept of its id.
    pub(super) fn name(&mut self, named: &Named) {
        (self.id, self.chosen) = (named.id, named.chosen);
        if named.chosen {
            (self.fingerprint, self.granted) = (named.fingerprint, named.granted);
            self.granted_expires = named.granted_expires;
        }
    }
}
