//! A remembered request.
//!
//! ```text
//! 10  flags  slot  state  place  fingerprint  granted  granted_expires  held  expires  sequence  settled
//!     then what the flags say: the place's shard, the id, trial, rate
//! state  1 open  2 expired  3 committed, on time: committed returned overrun  4 the same, late
//!        5 released: returned  6 charged: overrun  7 extension: the hold's slot  8 adjusted
//! ```

use crate::domain::fact::Slot;
use crate::engine::entry::{Row, State};

use super::super::bytes::{Garbled, Problem, Reader, put_number, put_u64};
use super::super::parts::{self, Frame, put_slot, put_time, time};

/// The caller chose the id.
const CHOSEN: u8 = 1;
/// The id stands there, because it does not follow from the slot.
const ID: u8 = 1 << 1;
/// The place's shard stands there, because it is not the slot's.
const ELSEWHERE: u8 = 1 << 2;
/// The row's generation stands there, because it is not the slot's.
const GENERATION: u8 = 1 << 3;
/// The trial period stands there, because it is not 0.
const TRIAL: u8 = 1 << 4;
/// The rate stands there.
const RATE: u8 = 1 << 5;
/// The class stands in the highest two bits.
const CLASS_SHIFT: u32 = 6;

/// The whole entry.
pub(super) fn put(out: &mut Vec<u8>, slot: Slot, row: &Row, frame: &Frame) {
    let flag = |flag: u8, is_so: bool| if is_so { flag } else { 0 };
    let shard = row.place.organization.shard;
    let flags = flag(CHOSEN, row.chosen)
        | flag(ID, !parts::is_known(&row.id, slot, frame))
        | flag(ELSEWHERE, shard != slot.shard)
        | flag(GENERATION, row.generation != slot.generation)
        | flag(TRIAL, row.trial != 0)
        | flag(RATE, row.rate.is_some())
        | (parts::class_bits(row.class) << CLASS_SHIFT);
    out.extend_from_slice(&[10, flags]);
    put_slot(out, slot);
    put_state(out, &row.state);
    parts::put_place(out, &row.place);
    put_u64(out, row.fingerprint);
    put_number(out, row.granted);
    put_time(out, row.granted_expires, frame.base);
    put_number(out, row.held);
    put_time(out, row.expires, row.granted_expires);
    put_number(out, row.sequence);
    put_time(out, row.settled, row.granted_expires);
    if flags & ELSEWHERE != 0 {
        out.push(shard);
    }
    if flags & ID != 0 {
        out.extend_from_slice(&row.id);
    }
    if flags & GENERATION != 0 {
        put_number(out, row.generation.into());
    }
    if row.trial != 0 {
        out.push(row.trial);
    }
    if let Some(rate) = row.rate {
        parts::put_rate(out, rate);
    }
}

fn put_state(out: &mut Vec<u8>, state: &State) {
    match *state {
        State::Open => out.push(1),
        State::Expired => out.push(2),
        State::Committed {
            committed,
            returned,
            overrun,
            late,
        } => {
            out.push(if late { 4 } else { 3 });
            for credits in [committed, returned, overrun] {
                put_number(out, credits);
            }
        }
        State::Released { returned } => {
            out.push(5);
            put_number(out, returned);
        }
        State::Charged { overrun } => {
            out.push(6);
            put_number(out, overrun);
        }
        State::Extension { hold } => {
            out.push(7);
            put_slot(out, hold);
        }
        State::Adjusted => out.push(8),
    }
}

/// Everything after the kind.
pub(super) fn read(reader: &mut Reader<'_>, frame: &Frame) -> Result<(Slot, Row), Garbled> {
    let flags = reader.byte()?;
    let class = parts::class(reader, flags >> CLASS_SHIFT)?;
    let slot = parts::slot(reader)?;
    let state = state(reader)?;
    let place = parts::place(reader, slot.shard)?;
    let fingerprint = reader.u64()?;
    let granted = reader.number()?;
    let granted_expires = time(reader, frame.base)?;
    let mut row = Row {
        generation: slot.generation,
        state,
        place,
        id: parts::known_id(slot, frame),
        chosen: flags & CHOSEN != 0,
        fingerprint,
        granted,
        granted_expires,
        held: reader.number()?,
        expires: time(reader, granted_expires)?,
        sequence: reader.number()?,
        class,
        rate: None,
        trial: 0,
        settled: time(reader, granted_expires)?,
    };
    if flags & ELSEWHERE != 0 {
        row.place.organization.shard = reader.byte()?;
    }
    if flags & ID != 0 {
        row.id = reader.array()?;
    }
    if flags & GENERATION != 0 {
        row.generation = reader.narrow("a generation")?;
    }
    if flags & TRIAL != 0 {
        row.trial = reader.byte()?;
    }
    if flags & RATE != 0 {
        row.rate = Some(parts::rate(reader)?);
    }
    Ok((slot, row))
}

fn state(reader: &mut Reader<'_>) -> Result<State, Garbled> {
    Ok(match reader.byte()? {
        1 => State::Open,
        2 => State::Expired,
        kind @ (3 | 4) => State::Committed {
            committed: reader.number()?,
            returned: reader.number()?,
            overrun: reader.number()?,
            late: kind == 4,
        },
        5 => State::Released {
            returned: reader.number()?,
        },
        6 => State::Charged {
            overrun: reader.number()?,
        },
        7 => State::Extension {
            hold: parts::slot(reader)?,
        },
        8 => State::Adjusted,
        other => return Err(reader.garbled(Problem::Kind("state", other))),
    })
}
