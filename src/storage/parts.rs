//! What facts and entries are made of, as bytes. The order of the bytes of each is its function's order, and stays.

use chrono::{Datelike, NaiveDate};

use crate::domain::account::Account;
use crate::domain::credits::Credits;
use crate::domain::cycle::{Calendar, CycleSpan, Rule};
use crate::domain::fact::{Extension, Id, Label, OrganizationId, Place, Slot, TrialPeriod};
use crate::domain::notice::{Audit, Notice};
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

/// A place without its shard: organization, book, environment, user, label.
#[inline]
pub(super) fn put_place(out: &mut Vec<u8>, place: &Place) {
    put_number(out, place.organization.index.into());
    put_number(out, place.book.into());
    put_number(out, place.environment.into());
    put_number(out, place.user.into());
    put_number(out, place.label.into());
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
        label: reader.narrow("a label")?,
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

/// An extension: when requested, how much later usable, credits, the id if there is one.
pub(super) fn put_extension(out: &mut Vec<u8>, extension: &Extension, frame: &Frame) {
    put_time(out, extension.requested, frame.base);
    put_time(out, extension.usable, extension.requested);
    put_number(out, extension.credits);
    put_id(out, extension.id.as_ref());
}

/// Whether there is an id, and the id.
pub(super) fn put_id(out: &mut Vec<u8>, id: Option<&Id>) {
    out.push(u8::from(id.is_some()));
    if let Some(id) = id {
        out.extend_from_slice(id);
    }
}

pub(super) fn id(reader: &mut Reader<'_>) -> Result<Option<Id>, Garbled> {
    match reader.byte()? {
        0 => Ok(None),
        1 => reader.array().map(Some),
        other => Err(reader.garbled(Problem::Kind("flags", other))),
    }
}

/// A local day, counted from the first of the year 1.
pub(super) fn put_date(out: &mut Vec<u8>, date: NaiveDate) {
    put_signed(out, date.num_days_from_ce().into());
}

pub(super) fn date(reader: &mut Reader<'_>) -> Result<NaiveDate, Garbled> {
    let days = i32::try_from(reader.signed()?).ok();
    let date = days.and_then(NaiveDate::from_num_days_from_ce_opt);
    date.ok_or_else(|| reader.garbled(Problem::Range("a date")))
}

/// A label: product, model, operation.
pub(super) fn put_label(out: &mut Vec<u8>, label: &Label) {
    for name in [&label.product, &label.model, &label.operation] {
        put_text(out, name);
    }
}

pub(super) fn label(reader: &mut Reader<'_>) -> Result<Label, Garbled> {
    Ok(Label {
        product: reader.text()?.into(),
        model: reader.text()?.into(),
        operation: reader.text()?.into(),
    })
}

/// A notice: 1 threshold, 2 extension, 3 cycle closed, 4 audit; then what it says.
pub(super) fn put_notice(out: &mut Vec<u8>, notice: &Notice, frame: &Frame) {
    match notice {
        Notice::Threshold {
            account,
            percent,
            at,
            used,
            limit,
            cycle,
        } => {
            out.push(1);
            put_account(out, account);
            put_number(out, (*percent).into());
            put_time(out, *at, frame.base);
            put_number(out, *used);
            put_number(out, *limit);
            put_span(out, *cycle, frame);
        }
        Notice::Extension {
            at,
            usable,
            credits,
            by,
            cycle,
        } => {
            out.push(2);
            put_time(out, *at, frame.base);
            put_time(out, *usable, *at);
            put_number(out, *credits);
            put_text(out, by);
            put_span(out, *cycle, frame);
        }
        Notice::CycleClosed {
            cycle,
            used,
            trial_used,
            entitlement,
            rolled_over,
        } => {
            out.push(3);
            put_span(out, *cycle, frame);
            for credits in [used, trial_used, entitlement, rolled_over] {
                put_number(out, *credits);
            }
        }
        Notice::Audit(audit) => {
            out.push(4);
            put_audit(out, audit, frame);
        }
    }
}

pub(super) fn notice(reader: &mut Reader<'_>, frame: &Frame) -> Result<Notice, Garbled> {
    Ok(match reader.byte()? {
        1 => Notice::Threshold {
            account: account(reader)?,
            percent: reader.narrow("a percentage")?,
            at: time(reader, frame.base)?,
            used: reader.number()?,
            limit: reader.number()?,
            cycle: span(reader, frame)?,
        },
        2 => {
            let at = time(reader, frame.base)?;
            Notice::Extension {
                at,
                usable: time(reader, at)?,
                credits: reader.number()?,
                by: reader.text()?.into(),
                cycle: span(reader, frame)?,
            }
        }
        3 => Notice::CycleClosed {
            cycle: span(reader, frame)?,
            used: reader.number()?,
            trial_used: reader.number()?,
            entitlement: reader.number()?,
            rolled_over: reader.number()?,
        },
        4 => Notice::Audit(Box::new(audit(reader, frame)?)),
        other => return Err(reader.garbled(Problem::Kind("notice", other))),
    })
}

/// An audit entry: when, then its texts.
pub(super) fn put_audit(out: &mut Vec<u8>, audit: &Audit, frame: &Frame) {
    let Audit {
        at,
        who,
        action,
        organization,
        target,
        before,
        after,
        why,
    } = audit;
    put_time(out, *at, frame.base);
    for text in [who, action, organization, target, before, after, why] {
        put_text(out, text);
    }
}

pub(super) fn audit(reader: &mut Reader<'_>, frame: &Frame) -> Result<Audit, Garbled> {
    Ok(Audit {
        at: time(reader, frame.base)?,
        who: reader.text()?.into(),
        action: reader.text()?.into(),
        organization: reader.text()?.into(),
        target: reader.text()?.into(),
        before: reader.text()?.into(),
        after: reader.text()?.into(),
        why: reader.text()?.into(),
    })
}

pub(super) fn extension(reader: &mut Reader<'_>, frame: &Frame) -> Result<Extension, Garbled> {
    let requested = time(reader, frame.base)?;
    Ok(Extension {
        requested,
        usable: time(reader, requested)?,
        credits: reader.number()?,
        id: id(reader)?,
    })
}

/// A trial period: from, how much later until, credits, the id if there is one.
pub(super) fn put_period(out: &mut Vec<u8>, period: &TrialPeriod, frame: &Frame) {
    put_time(out, period.from, frame.base);
    put_time(out, period.until, period.from);
    put_number(out, period.credits);
    put_id(out, period.id.as_ref());
}

pub(super) fn period(reader: &mut Reader<'_>, frame: &Frame) -> Result<TrialPeriod, Garbled> {
    let from = time(reader, frame.base)?;
    Ok(TrialPeriod {
        from,
        until: time(reader, from)?,
        credits: reader.number()?,
        id: id(reader)?,
    })
}

#[cfg(test)]
pub(super) mod arbitrary;
