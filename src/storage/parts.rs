//! What facts and entries are made of, as bytes. The order of the bytes of each is its function's order, and stays.

use crate::domain::account::Account;
use crate::domain::credits::Credits;
use crate::domain::cycle::{Calendar, CycleSpan, Rule};
use crate::domain::fact::{Extension, Id, OrganizationId, Place, Slot, TrialPeriod};
use crate::domain::rates::{Class, Rate};
use crate::domain::time::Timestamp;
use crate::engine::entry::{id_of, slot_of};

use super::bytes::{Garbled, Problem, Reader, put_number, put_signed, put_text};

/// What is the same for all facts of a segment and all entries of a snapshot, so that they need not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The random half of the ids that the engine gave out.
    pub(super) start: u64,
    /// Times are differences from here.
    pub(super) base: Timestamp,
}

/// What the frame knows of an id.
pub(super) fn is_known(id: &Id, slot: Slot, frame: &Frame) -> bool {
    slot_of(id) == (slot, frame.start)
}

/// The id of which the frame knows everything.
pub(super) fn known_id(slot: Slot, frame: &Frame) -> Id {
    id_of(slot, frame.start)
}

/// A time as its difference from another: short if they are near each other, exact for any two.
#[inline]
pub(super) fn put_time(out: &mut Vec<u8>, time: Timestamp, from: Timestamp) {
    put_signed(out, time.nanos().wrapping_sub(from.nanos()));
}

#[inline]
pub(super) fn time(reader: &mut Reader<'_>, from: Timestamp) -> Result<Timestamp, Garbled> {
    let difference = reader.signed()?;
    Ok(Timestamp::from_nanos(from.nanos().wrapping_add(difference)))
}

/// A slot: the shard's byte, the index, the generation.
#[inline]
pub(super) fn put_slot(out: &mut Vec<u8>, slot: Slot) {
    out.push(slot.shard);
    put_number(out, slot.index.into());
    put_number(out, slot.generation.into());
}

#[inline]
pub(super) fn slot(reader: &mut Reader<'_>) -> Result<Slot, Garbled> {
    Ok(Slot {
        shard: reader.byte()?,
        index: reader.narrow("a slot")?,
        generation: reader.narrow("a generation")?,
    })
}

/// What a fact or an entry about an organization begins with: its kind, and the organization.
pub(super) fn put_head(out: &mut Vec<u8>, kind: u8, organization: OrganizationId) {
    out.push(kind);
    put_organization(out, organization);
}

/// The same of a row in a book, with its name.
pub(super) fn put_named(
    out: &mut Vec<u8>,
    kind: u8,
    organization: OrganizationId,
    [book, row]: [u32; 2],
    name: &str,
) {
    put_head(out, kind, organization);
    put_number(out, book.into());
    put_number(out, row.into());
    put_text(out, name);
}

/// An organization: the shard's byte, the index.
pub(super) fn put_organization(out: &mut Vec<u8>, organization: OrganizationId) {
    out.push(organization.shard);
    put_number(out, organization.index.into());
}

pub(super) fn organization(reader: &mut Reader<'_>) -> Result<OrganizationId, Garbled> {
    Ok(OrganizationId {
        shard: reader.byte()?,
        index: reader.narrow("an organization")?,
    })
}

/// A place without its shard: organization, book, environment, user.
#[inline]
pub(super) fn put_place(out: &mut Vec<u8>, place: &Place) {
    put_number(out, place.organization.index.into());
    put_number(out, place.book.into());
    put_number(out, place.environment.into());
    put_number(out, place.user.into());
}

#[inline]
pub(super) fn place(reader: &mut Reader<'_>, shard: u8) -> Result<Place, Garbled> {
    Ok(Place {
        organization: OrganizationId {
            shard,
            index: reader.narrow("an organization")?,
        },
        book: reader.narrow("a book")?,
        environment: reader.narrow("an environment")?,
        user: reader.narrow("a user")?,
    })
}

/// A class as two bits.
#[inline]
pub(super) fn class_bits(class: Class) -> u8 {
    match class {
        Class::Run => 0,
        Class::Maker => 1,
        Class::Free => 2,
    }
}

pub(super) fn class(reader: &Reader<'_>, bits: u8) -> Result<Class, Garbled> {
    match bits & 0b11 {
        0 => Ok(Class::Run),
        1 => Ok(Class::Maker),
        2 => Ok(Class::Free),
        other => Err(reader.garbled(Problem::Kind("class", other))),
    }
}

/// A rate: credits, per.
pub(super) fn put_rate(out: &mut Vec<u8>, rate: Rate) {
    put_number(out, rate.credits.get());
    put_number(out, rate.per);
}

pub(super) fn rate(reader: &mut Reader<'_>) -> Result<Rate, Garbled> {
    let credits = Credits::new(reader.number()?);
    Ok(Rate {
        credits: credits.ok_or_else(|| reader.garbled(Problem::Range("a rate")))?,
        per: reader.number()?,
    })
}

/// A cycle: its start, then its length.
pub(super) fn put_span(out: &mut Vec<u8>, span: CycleSpan, frame: &Frame) {
    put_time(out, span.start, frame.base);
    put_time(out, span.end, span.start);
}

pub(super) fn span(reader: &mut Reader<'_>, frame: &Frame) -> Result<CycleSpan, Garbled> {
    let start = time(reader, frame.base)?;
    let end = time(reader, start)?;
    Ok(CycleSpan { start, end })
}

/// A calendar: the zone's name, then 1 and the anchor day, or 2, the days and the instant.
pub(super) fn put_calendar(out: &mut Vec<u8>, calendar: &Calendar, frame: &Frame) {
    put_text(out, calendar.zone.name());
    match calendar.rule {
        Rule::Month { anchor_day } => out.extend_from_slice(&[1, anchor_day]),
        Rule::Days { days, from } => {
            out.push(2);
            put_number(out, days.into());
            put_time(out, from, frame.base);
        }
    }
}

pub(super) fn calendar(reader: &mut Reader<'_>, frame: &Frame) -> Result<Calendar, Garbled> {
    let zone = reader.text()?.parse();
    let zone = zone.map_err(|_| reader.garbled(Problem::Range("a time zone")))?;
    let rule = match reader.byte()? {
        1 => Rule::Month {
            anchor_day: reader.byte()?,
        },
        2 => Rule::Days {
            days: reader.narrow("a number of days")?,
            from: time(reader, frame.base)?,
        },
        other => return Err(reader.garbled(Problem::Kind("calendar", other))),
    };
    Ok(Calendar { zone, rule })
}

/// An account: 1 and the user, 2 and the environment, 3 the pool, 4 the organization.
pub(super) fn put_account(out: &mut Vec<u8>, account: &Account) {
    match account {
        Account::User(name) => {
            out.push(1);
            put_text(out, name);
        }
        Account::Environment(name) => {
            out.push(2);
            put_text(out, name);
        }
        Account::Pool => out.push(3),
        Account::Organization => out.push(4),
    }
}

pub(super) fn account(reader: &mut Reader<'_>) -> Result<Account, Garbled> {
    match reader.byte()? {
        1 => Ok(Account::User(reader.text()?.into())),
        2 => Ok(Account::Environment(reader.text()?.into())),
        3 => Ok(Account::Pool),
        4 => Ok(Account::Organization),
        other => Err(reader.garbled(Problem::Kind("account", other))),
    }
}

/// An extension: when requested, how much later usable, credits.
pub(super) fn put_extension(out: &mut Vec<u8>, extension: &Extension, frame: &Frame) {
    put_time(out, extension.requested, frame.base);
    put_time(out, extension.usable, extension.requested);
    put_number(out, extension.credits);
}

pub(super) fn extension(reader: &mut Reader<'_>, frame: &Frame) -> Result<Extension, Garbled> {
    let requested = time(reader, frame.base)?;
    Ok(Extension {
        requested,
        usable: time(reader, requested)?,
        credits: reader.number()?,
    })
}

/// A trial period: from, how much later until, credits.
pub(super) fn put_period(out: &mut Vec<u8>, period: &TrialPeriod, frame: &Frame) {
    put_time(out, period.from, frame.base);
    put_time(out, period.until, period.from);
    put_number(out, period.credits);
}

pub(super) fn period(reader: &mut Reader<'_>, frame: &Frame) -> Result<TrialPeriod, Garbled> {
    let from = time(reader, frame.base)?;
    Ok(TrialPeriod {
        from,
        until: time(reader, from)?,
        credits: reader.number()?,
    })
}

#[cfg(test)]
pub(super) mod arbitrary;
