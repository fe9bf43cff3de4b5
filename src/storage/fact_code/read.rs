//! Bytes to facts.

use std::sync::Arc;

use crate::domain::fact::{Charged, Extended, Fact, Held, Id, Settled, Slot, Tag};
use crate::domain::plan::Plan;
use crate::domain::time::Now;
use crate::storage::bytes::{Garbled, Problem, Reader};
use crate::storage::error::FileError;
use crate::storage::parts::{self, Frame, known_id, time};
use crate::storage::plan_code::PlanHash;

use super::{
    CHOSEN, CLASS_SHIFT, ELSEWHERE, FactError, ID, LABEL, LATE, OVERRUN, RATE, SHARE, TAG, TRIAL,
};

/// Tells the facts of a whole group, in order. `plans` finds the plan of a hash.
///
/// # Errors
/// At the first byte that no fact begins or goes on with. Facts before it have been told.
pub(in crate::storage) fn decode(
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
            kind @ (1 | 3..=6 | 14..=17 | 20..=24) => of_organization(&mut reader, kind, frame)?,
            13 => adjusted(&mut reader, frame)?,
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
        1 | 4 | 16 | 17 | 22..=24 => 0,
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
            at: time(reader, frame.base)?,
            used: reader.number()?,
            limit: reader.number()?,
        },
        15 => Fact::ExtensionRequested {
            organization,
            book,
            extension: parts::extension(reader, frame)?,
            by: reader.text()?.into(),
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
        20 => Fact::Labelled {
            organization,
            book,
            label: reader.narrow("a label")?,
            names: Box::new(parts::label(reader)?),
        },
        21 => Fact::DayOpened {
            organization,
            book,
            day: reader.narrow("a day")?,
            date: parts::date(reader)?,
        },
        22 => Fact::DaysClosed { organization },
        23 => Fact::DaysFiled {
            organization,
            before: reader.narrow("a day")?,
        },
        24 => Fact::Audited {
            organization,
            audit: Box::new(parts::audit(reader, frame)?),
        },
        other => return Err(reader.garbled(Problem::Kind("fact", other))),
    })
}

fn adjusted(reader: &mut Reader<'_>, frame: &Frame) -> Result<Fact, Garbled> {
    let flags = flags(reader, CHOSEN | ID | ELSEWHERE | TAG)?;
    let shard = reader.byte()?;
    Ok(Fact::Adjusted {
        place: parts::place(reader, shard)?,
        credits: reader.signed()?,
        reason: reader.text()?.into(),
        at: time(reader, frame.base)?,
        share: reader.number()?,
        tag: tag(reader, flags, shard, frame)?,
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
    let flags = flags(reader, LATE | OVERRUN | SHARE | LABEL)?;
    Ok(Settled {
        slot: parts::slot(reader)?,
        committed: reader.number()?,
        at: time(reader, frame.base)?,
        overrun: number_if(reader, flags & OVERRUN != 0)?,
        late: flags & LATE != 0,
        share: number_if(reader, flags & SHARE != 0)?,
        label: (flags & LABEL != 0)
            .then(|| reader.narrow("a label"))
            .transpose()?,
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
