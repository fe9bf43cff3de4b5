//! Facts as bytes: what the records of the journal hold. One byte says the kind of a fact; the numbers stay for ever, and
//! a new kind, or a kind that says more, gets a new number and a feature bit. 0 is no kind, so zero bytes are no fact.
//!
//! ```text
//!  1 OrganizationNamed  organization name            10 Released            like Committed
//!  2 Planned            at hash                      11 Expired             shard+slot at share
//!  3 CycleOpened        organization book span ...   12 Charged             flags shard place amount at ...
//!  4 EntitlementChanged organization at              13 Adjusted            shard place credits reason share
//!  5 EnvironmentNamed   organization book row name   14 Crossed             organization book account percent
//!  6 UserNamed          organization book row name   15 ExtensionRequested  organization book extension
//!  7 Held               flags slot place amount ...  16 TrialStarted        organization user period
//!  8 Extended           flags slot additional ...    17 Told                organization count
//!  9 Committed          flags slot committed ...     18 Resumed             wall steady
//!                                                    19 Forgotten           shard count
//! ```
//!
//! Facts of requests have a byte of flags for what is usually absent. An id that follows from its slot and the frame is
//! left out: so what a plain request leaves fits into one slot of the journal.

use std::sync::Arc;

use crate::domain::fact::{Charged, Extended, Fact, Held, Id, OrganizationId, Settled, Slot, Tag};
use crate::domain::plan::Plan;
use crate::domain::time::Now;

use super::bytes::{Garbled, Problem, Reader, put_number, put_signed, put_text, put_u64};
use super::error::FileError;
pub(super) use super::parts::Frame;
use super::parts::{self, known_id, put_slot, put_time, time};
use super::plan_code::PlanHash;

/// The caller chose the id.
const CHOSEN: u8 = 1;
/// The id stands there, because it does not follow from the slot.
const ID: u8 = 1 << 1;
/// The second shard stands there, because it is not the first.
const ELSEWHERE: u8 = 1 << 2;
/// The share stands there, because it is not 0.
const SHARE: u8 = 1 << 3;
/// The trial period stands there, because it is not 0.
const TRIAL: u8 = 1 << 4;
/// Of a hold: the rate stands there.
const RATE: u8 = 1 << 5;
/// Of what books: the overrun stands there, because it is not 0.
const OVERRUN: u8 = 1 << 5;
/// Of a charge and of an extension: it is remembered.
const TAG: u8 = 1 << 6;
/// Of a commit: the hold had expired.
const LATE: u8 = 1 << 6;
/// Of a hold: its class stands in the highest two bits.
const CLASS_SHIFT: u32 = 6;

/// Why the facts of a record cannot be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum FactError {
    /// The bytes are none of ours.
    #[error("{0}")]
    Garbled(#[from] Garbled),
    /// The plan that they refer to cannot be had.
    #[error("{0}")]
    Plan(FileError),
}

/// Appends a fact. A plan is written as its hash: `plan`.
#[inline]
pub(super) fn encode(fact: &Fact, frame: &Frame, plan: &PlanHash, out: &mut Vec<u8>) {
    match fact {
        Fact::Held(held) => put_held(out, held, frame),
        Fact::Committed(settled) => put_settled(out, 9, settled, frame),
        Fact::Released(settled) => put_settled(out, 10, settled, frame),
        Fact::Charged(charged) => put_charged(out, charged, frame),
        Fact::Extended(extended) => put_extended(out, extended, frame),
        Fact::Expired { slot, at, share } => {
            out.push(11);
            put_slot(out, *slot);
            put_time(out, *at, frame.base);
            put_number(out, *share);
        }
        Fact::Forgotten { shard, count } => {
            out.extend_from_slice(&[19, *shard]);
            put_number(out, (*count).into());
        }
        _ => put_rare(out, fact, frame, plan),
    }
}

/// Facts that are not every request's.
fn put_rare(out: &mut Vec<u8>, fact: &Fact, frame: &Frame, hash: &PlanHash) {
    match fact {
        Fact::OrganizationNamed { organization, name } => {
            head(out, 1, *organization);
            put_text(out, name);
        }
        Fact::Planned { at, plan: _ } => {
            out.push(2);
            put_time(out, *at, frame.base);
            out.extend_from_slice(&hash.0);
        }
        Fact::CycleOpened {
            organization,
            book,
            span,
            calendar,
            rolled_over,
        } => {
            head(out, 3, *organization);
            put_number(out, (*book).into());
            parts::put_span(out, *span, frame);
            parts::put_calendar(out, calendar, frame);
            put_number(out, *rolled_over);
        }
        Fact::EntitlementChanged { organization, at } => {
            head(out, 4, *organization);
            put_time(out, *at, frame.base);
        }
        Fact::EnvironmentNamed {
            organization,
            book,
            environment: row,
            name,
        } => put_named(out, 5, *organization, [*book, *row], name),
        Fact::UserNamed {
            organization,
            book,
            user: row,
            name,
        } => put_named(out, 6, *organization, [*book, *row], name),
        Fact::Adjusted {
            place,
            credits,
            reason,
            share,
        } => {
            out.extend_from_slice(&[13, place.organization.shard]);
            parts::put_place(out, place);
            put_signed(out, *credits);
            put_text(out, reason);
            put_number(out, *share);
        }
        Fact::Crossed {
            organization,
            book,
            account,
            percent,
        } => {
            head(out, 14, *organization);
            put_number(out, (*book).into());
            parts::put_account(out, account);
            put_number(out, (*percent).into());
        }
        Fact::ExtensionRequested {
            organization,
            book,
            extension,
        } => {
            head(out, 15, *organization);
            put_number(out, (*book).into());
            parts::put_extension(out, extension, frame);
        }
        Fact::TrialStarted {
            organization,
            user,
            period,
        } => {
            head(out, 16, *organization);
            put_text(out, user);
            parts::put_period(out, period, frame);
        }
        Fact::Told {
            organization,
            count,
        } => {
            head(out, 17, *organization);
            put_number(out, (*count).into());
        }
        Fact::Resumed { at } => {
            out.push(18);
            put_time(out, at.wall, frame.base);
            put_time(out, at.steady, frame.base);
        }
        // `encode` has these. They are named so that a new kind is missed by the compiler, not by us.
        Fact::Held(_)
        | Fact::Extended(_)
        | Fact::Committed(_)
        | Fact::Released(_)
        | Fact::Expired { .. }
        | Fact::Charged(_)
        | Fact::Forgotten { .. } => {}
    }
}

/// The kind and the organization.
fn head(out: &mut Vec<u8>, kind: u8, organization: OrganizationId) {
    out.push(kind);
    parts::put_organization(out, organization);
}

fn put_named(
    out: &mut Vec<u8>,
    kind: u8,
    organization: OrganizationId,
    [book, row]: [u32; 2],
    name: &str,
) {
    head(out, kind, organization);
    put_number(out, book.into());
    put_number(out, row.into());
    put_text(out, name);
}

/// A flag, if it is so.
#[inline]
fn flag(flag: u8, is_so: bool) -> u8 {
    if is_so { flag } else { 0 }
}

/// 9 and 10: flags, slot, committed, at; then what the flags say: overrun, share.
#[inline]
fn put_settled(out: &mut Vec<u8>, kind: u8, settled: &Settled, frame: &Frame) {
    let flags = flag(LATE, settled.late)
        | flag(OVERRUN, settled.overrun != 0)
        | flag(SHARE, settled.share != 0);
    out.extend_from_slice(&[kind, flags]);
    put_slot(out, settled.slot);
    put_number(out, settled.committed);
    put_time(out, settled.at, frame.base);
    for part in [settled.overrun, settled.share] {
        if part != 0 {
            put_number(out, part);
        }
    }
}

/// 7: flags, slot, place, amount, at, how much later it expires, sequence, fingerprint; then what the flags say: the
/// place's shard, the id, trial, rate, share.
#[inline]
fn put_held(out: &mut Vec<u8>, held: &Held, frame: &Frame) {
    let (tag, place) = (&held.tag, &held.place);
    let flags = tag_flags(tag, place.organization.shard, frame)
        | flag(TRIAL, held.trial != 0)
        | flag(RATE, held.rate.is_some())
        | flag(SHARE, held.share != 0)
        | (parts::class_bits(held.class) << CLASS_SHIFT);
    out.extend_from_slice(&[7, flags]);
    put_slot(out, tag.slot);
    parts::put_place(out, place);
    put_number(out, held.amount);
    put_time(out, held.at, frame.base);
    put_time(out, held.expires, held.at);
    put_number(out, held.sequence);
    put_u64(out, tag.fingerprint);
    if flags & ELSEWHERE != 0 {
        out.push(place.organization.shard);
    }
    if flags & ID != 0 {
        out.extend_from_slice(&tag.id);
    }
    if held.trial != 0 {
        out.push(held.trial);
    }
    if let Some(rate) = held.rate {
        parts::put_rate(out, rate);
    }
    if held.share != 0 {
        put_number(out, held.share);
    }
}

/// 12: flags, shard, place, amount, at; then what the flags say: overrun, trial, share, and the tag.
#[inline]
fn put_charged(out: &mut Vec<u8>, charged: &Charged, frame: &Frame) {
    let place = &charged.place;
    let shard = place.organization.shard;
    let tagged = charged.tag.as_ref();
    let flags = tagged.map_or(0, |tag| TAG | tag_flags(tag, shard, frame))
        | flag(OVERRUN, charged.overrun != 0)
        | flag(TRIAL, charged.trial != 0)
        | flag(SHARE, charged.share != 0);
    out.extend_from_slice(&[12, flags, shard]);
    parts::put_place(out, place);
    put_number(out, charged.amount);
    put_time(out, charged.at, frame.base);
    if charged.overrun != 0 {
        put_number(out, charged.overrun);
    }
    if charged.trial != 0 {
        out.push(charged.trial);
    }
    if charged.share != 0 {
        put_number(out, charged.share);
    }
    if let Some(tag) = tagged {
        put_tag(out, tag, flags);
    }
}

/// 8: flags, slot, additional, at, how much later it expires; then what the flags say: share, and the tag.
fn put_extended(out: &mut Vec<u8>, extended: &Extended, frame: &Frame) {
    let tagged = extended.tag.as_ref();
    let flags = tagged.map_or(0, |tag| TAG | tag_flags(tag, extended.slot.shard, frame))
        | flag(SHARE, extended.share != 0);
    out.extend_from_slice(&[8, flags]);
    put_slot(out, extended.slot);
    put_number(out, extended.additional);
    put_time(out, extended.at, frame.base);
    put_time(out, extended.expires, extended.at);
    if extended.share != 0 {
        put_number(out, extended.share);
    }
    if let Some(tag) = tagged {
        put_tag(out, tag, flags);
    }
}

/// What there is to say of a tag in a fact whose other part is in this shard.
#[inline]
fn tag_flags(tag: &Tag, shard: u8, frame: &Frame) -> u8 {
    flag(CHOSEN, tag.chosen)
        | flag(ID, !parts::is_known(&tag.id, tag.slot, frame))
        | flag(ELSEWHERE, tag.slot.shard != shard)
}

/// A tag: index, generation, fingerprint; then what the flags say: shard, id.
fn put_tag(out: &mut Vec<u8>, tag: &Tag, flags: u8) {
    put_number(out, tag.slot.index.into());
    put_number(out, tag.slot.generation.into());
    put_u64(out, tag.fingerprint);
    if flags & ELSEWHERE != 0 {
        out.push(tag.slot.shard);
    }
    if flags & ID != 0 {
        out.extend_from_slice(&tag.id);
    }
}

/// Tells the facts of a whole group, in order. `plans` finds the plan of a hash.
///
/// # Errors
/// At the first byte that no fact begins or goes on with. Facts before it have been told.
pub(super) fn decode(
    bytes: &[u8],
    frame: &Frame,
    plans: &mut dyn FnMut(&PlanHash) -> Result<Arc<Plan>, FileError>,
    each: &mut dyn FnMut(Fact),
) -> Result<(), FactError> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let begin = reader.clone();
        let fact = match reader.byte()? {
            2 => planned(&mut reader, frame, plans)?,
            7 => Fact::Held(held(&mut reader, frame)?),
            8 => Fact::Extended(extended(&mut reader, frame)?),
            9 => Fact::Committed(settled(&mut reader, frame)?),
            10 => Fact::Released(settled(&mut reader, frame)?),
            11 => Fact::Expired {
                slot: parts::slot(&mut reader)?,
                at: time(&mut reader, frame.base)?,
                share: reader.number()?,
            },
            12 => Fact::Charged(charged(&mut reader, frame)?),
            kind @ (1 | 3..=6 | 14..=17) => of_organization(&mut reader, kind, frame)?,
            13 => adjusted(&mut reader)?,
            18 => Fact::Resumed {
                at: Now {
                    wall: time(&mut reader, frame.base)?,
                    steady: time(&mut reader, frame.base)?,
                },
            },
            19 => Fact::Forgotten {
                shard: reader.byte()?,
                count: reader.narrow("a count")?,
            },
            kind => return Err(begin.garbled(Problem::Kind("fact", kind)).into()),
        };
        each(fact);
    }
    Ok(())
}

fn planned(
    reader: &mut Reader<'_>,
    frame: &Frame,
    plans: &mut dyn FnMut(&PlanHash) -> Result<Arc<Plan>, FileError>,
) -> Result<Fact, FactError> {
    let at = time(reader, frame.base)?;
    let hash = PlanHash(reader.array()?);
    let plan = plans(&hash).map_err(FactError::Plan)?;
    Ok(Fact::Planned { at, plan })
}

/// The kinds that begin with their organization.
fn of_organization(reader: &mut Reader<'_>, kind: u8, frame: &Frame) -> Result<Fact, Garbled> {
    let organization = parts::organization(reader)?;
    let book = match kind {
        1 | 4 | 16 | 17 => 0,
        _ => reader.narrow("a book")?,
    };
    Ok(match kind {
        1 => Fact::OrganizationNamed {
            organization,
            name: reader.text()?.into(),
        },
        3 => Fact::CycleOpened {
            organization,
            book,
            span: parts::span(reader, frame)?,
            calendar: parts::calendar(reader, frame)?,
            rolled_over: reader.number()?,
        },
        4 => Fact::EntitlementChanged {
            organization,
            at: time(reader, frame.base)?,
        },
        5 => Fact::EnvironmentNamed {
            organization,
            book,
            environment: reader.narrow("an environment")?,
            name: reader.text()?.into(),
        },
        6 => Fact::UserNamed {
            organization,
            book,
            user: reader.narrow("a user")?,
            name: reader.text()?.into(),
        },
        14 => Fact::Crossed {
            organization,
            book,
            account: parts::account(reader)?,
            percent: reader.narrow("a percentage")?,
        },
        15 => Fact::ExtensionRequested {
            organization,
            book,
            extension: parts::extension(reader, frame)?,
        },
        16 => Fact::TrialStarted {
            organization,
            user: reader.text()?.into(),
            period: parts::period(reader, frame)?,
        },
        17 => Fact::Told {
            organization,
            count: reader.narrow("a count")?,
        },
        other => return Err(reader.garbled(Problem::Kind("fact", other))),
    })
}

fn adjusted(reader: &mut Reader<'_>) -> Result<Fact, Garbled> {
    let shard = reader.byte()?;
    Ok(Fact::Adjusted {
        place: parts::place(reader, shard)?,
        credits: reader.signed()?,
        reason: reader.text()?.into(),
        share: reader.number()?,
    })
}

/// A fact's flags, of which only these may be set.
fn flags(reader: &mut Reader<'_>, known: u8) -> Result<u8, Garbled> {
    let flags = reader.byte()?;
    if flags & !known != 0 {
        return Err(reader.garbled(Problem::Kind("flags", flags)));
    }
    Ok(flags)
}

/// A number that stands there only if its flag is set.
#[inline]
fn number_if(reader: &mut Reader<'_>, is_there: bool) -> Result<u64, Garbled> {
    if is_there { reader.number() } else { Ok(0) }
}

fn settled(reader: &mut Reader<'_>, frame: &Frame) -> Result<Settled, Garbled> {
    let flags = flags(reader, LATE | OVERRUN | SHARE)?;
    Ok(Settled {
        slot: parts::slot(reader)?,
        committed: reader.number()?,
        at: time(reader, frame.base)?,
        overrun: number_if(reader, flags & OVERRUN != 0)?,
        late: flags & LATE != 0,
        share: number_if(reader, flags & SHARE != 0)?,
    })
}

fn held(reader: &mut Reader<'_>, frame: &Frame) -> Result<Held, Garbled> {
    let flags = reader.byte()?;
    let class = parts::class(reader, flags >> CLASS_SHIFT)?;
    let slot = parts::slot(reader)?;
    let mut place = parts::place(reader, slot.shard)?;
    let amount = reader.number()?;
    let at = time(reader, frame.base)?;
    let expires = time(reader, at)?;
    let sequence = reader.number()?;
    let fingerprint = reader.u64()?;
    if flags & ELSEWHERE != 0 {
        place.organization.shard = reader.byte()?;
    }
    let tag = Tag {
        slot,
        id: id(reader, flags, slot, frame)?,
        chosen: flags & CHOSEN != 0,
        fingerprint,
    };
    let trial = if flags & TRIAL != 0 {
        reader.byte()?
    } else {
        0
    };
    let rate = (flags & RATE != 0)
        .then(|| parts::rate(reader))
        .transpose()?;
    Ok(Held {
        tag,
        place,
        amount,
        at,
        expires,
        sequence,
        class,
        rate,
        trial,
        share: number_if(reader, flags & SHARE != 0)?,
    })
}

fn charged(reader: &mut Reader<'_>, frame: &Frame) -> Result<Charged, Garbled> {
    let known = CHOSEN | ID | ELSEWHERE | SHARE | TRIAL | OVERRUN | TAG;
    let flags = flags(reader, known)?;
    let shard = reader.byte()?;
    Ok(Charged {
        place: parts::place(reader, shard)?,
        amount: reader.number()?,
        at: time(reader, frame.base)?,
        overrun: number_if(reader, flags & OVERRUN != 0)?,
        trial: if flags & TRIAL != 0 {
            reader.byte()?
        } else {
            0
        },
        share: number_if(reader, flags & SHARE != 0)?,
        tag: tag(reader, flags, shard, frame)?,
    })
}

fn extended(reader: &mut Reader<'_>, frame: &Frame) -> Result<Extended, Garbled> {
    let flags = flags(reader, CHOSEN | ID | ELSEWHERE | SHARE | TAG)?;
    let slot = parts::slot(reader)?;
    let additional = reader.number()?;
    let at = time(reader, frame.base)?;
    Ok(Extended {
        slot,
        additional,
        at,
        expires: time(reader, at)?,
        share: number_if(reader, flags & SHARE != 0)?,
        tag: tag(reader, flags, slot.shard, frame)?,
    })
}

fn tag(
    reader: &mut Reader<'_>,
    flags: u8,
    shard: u8,
    frame: &Frame,
) -> Result<Option<Tag>, Garbled> {
    if flags & TAG == 0 {
        return Ok(None);
    }
    let mut slot = Slot {
        shard,
        index: reader.narrow("a slot")?,
        generation: reader.narrow("a generation")?,
    };
    let fingerprint = reader.u64()?;
    if flags & ELSEWHERE != 0 {
        slot.shard = reader.byte()?;
    }
    Ok(Some(Tag {
        slot,
        id: id(reader, flags, slot, frame)?,
        chosen: flags & CHOSEN != 0,
        fingerprint,
    }))
}

/// The id that stands there, or else the one that follows from the slot.
fn id(reader: &mut Reader<'_>, flags: u8, slot: Slot, frame: &Frame) -> Result<Id, Garbled> {
    if flags & ID != 0 {
        return reader.array();
    }
    Ok(known_id(slot, frame))
}

#[cfg(test)]
mod tests;
