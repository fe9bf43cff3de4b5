//! Entries of a snapshot as bytes. One byte says the kind of an entry; the numbers stay for ever, and a new kind, or a kind
//! that says more, gets a new number and a feature bit. 0 is no kind.
//!
//! ```text
//!  1 Shard         shard sequence horizon
//!  2 Organization  organization flags [plan] name, count and times of extension requests, days filed
//!  3 Notice        organization notice
//!  5 Trial         organization number user, count and periods
//!  6 Book          organization flags number span calendar [plan] steps next_step rolled_over extensions figures share
//!  7 Environment   organization book number name share
//!  8 User          organization book number name, count and cells
//!  9 Fired         organization book account percent
//! 10 Remembered    flags slot state place ... (entry_code/row.rs)
//! 11 Label         organization book number names
//! 12 Day           organization number book date is_closed
//! 13 Usage         organization day number environment user label credits
//! ```
//!
//! An organization's part of a plan is JSON (`plan_code.rs`), and there only where it is not that of the plan in force.

mod book;
mod row;

use std::sync::Arc;

use crate::domain::plan::OrganizationPlan;
use crate::domain::time::Timestamp;
use crate::engine::entry::{Cell, Entry, Misfit, Period, UsageRow};

use super::bytes::{Garbled, Problem, Reader, put_bytes, put_number, put_signed, put_text};
use super::parts::{self, Frame, put_time, time};
use super::plan_code;

/// The entry holds a plan.
const PLAN: u8 = 1;

/// Of a cell: something is held.
const HELD: u8 = 1;
/// Of a cell: a trial has paid or pays.
const TRIAL: u8 = 2;
/// Of a cell: something was booked in it.
const BOOKED: u8 = 4;

/// Why the entries of a block cannot be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    /// The bytes are none of ours.
    #[error("{0}")]
    Garbled(#[from] Garbled),
    /// Whoever takes them cannot.
    #[error("{0}")]
    Misfit(#[from] Misfit),
}

/// Appends an entry.
pub(super) fn encode(entry: &Entry<'_>, frame: &Frame, out: &mut Vec<u8>) {
    match entry {
        Entry::Shard {
            shard,
            sequence,
            horizon,
        } => {
            out.extend_from_slice(&[1, *shard]);
            put_number(out, *sequence);
            put_time(out, *horizon, frame.base);
        }
        Entry::Organization {
            organization,
            name,
            plan,
            extension_requests,
            days_filed,
        } => {
            parts::put_head(out, 2, *organization);
            put_plan(out, *plan);
            put_text(out, name);
            put_number(out, extension_requests.len() as u64);
            for request in *extension_requests {
                put_time(out, *request, frame.base);
            }
            put_number(out, (*days_filed).into());
        }
        Entry::Notice {
            organization,
            notice,
        } => {
            parts::put_head(out, 3, *organization);
            parts::put_notice(out, notice, frame);
        }
        Entry::Trial {
            organization,
            number,
            user,
            periods,
        } => {
            parts::put_head(out, 5, *organization);
            put_number(out, (*number).into());
            put_text(out, user);
            put_number(out, periods.len() as u64);
            for period in *periods {
                parts::put_period(out, &period.terms, frame);
                put_number(out, period.used);
                put_number(out, period.held);
            }
        }
        Entry::Book(entry) => {
            parts::put_head(out, 6, entry.organization);
            book::put(out, entry, frame);
        }
        Entry::Environment {
            organization,
            book,
            number,
            name,
            share,
        } => {
            parts::put_named(out, 7, *organization, [*book, *number], name);
            put_number(out, *share);
        }
        Entry::User {
            organization,
            book,
            number,
            name,
            cells,
        } => {
            parts::put_named(out, 8, *organization, [*book, *number], name);
            put_number(out, cells.len() as u64);
            cells.iter().for_each(|cell| put_cell(out, cell));
        }
        Entry::Fired {
            organization,
            book,
            account,
            percent,
        } => {
            parts::put_head(out, 9, *organization);
            put_number(out, (*book).into());
            parts::put_account(out, account);
            put_number(out, (*percent).into());
        }
        Entry::Remembered { slot, row } => row::put(out, *slot, row, frame),
        Entry::Label {
            organization,
            book,
            number,
            names,
        } => {
            parts::put_head(out, 11, *organization);
            put_number(out, (*book).into());
            put_number(out, (*number).into());
            parts::put_label(out, names);
        }
        Entry::Day {
            organization,
            number,
            book,
            date,
            is_closed,
        } => {
            parts::put_head(out, 12, *organization);
            put_number(out, (*number).into());
            put_number(out, (*book).into());
            parts::put_date(out, *date);
            out.push(u8::from(*is_closed));
        }
        Entry::Usage {
            organization,
            day,
            number,
            row,
        } => {
            parts::put_head(out, 13, *organization);
            let UsageRow {
                environment,
                user,
                label,
                credits,
            } = **row;
            for part in [*day, *number, environment, user, label] {
                put_number(out, part.into());
            }
            put_signed(out, credits);
        }
    }
}

/// A byte of flags, then the plan if there is one.
fn put_plan(out: &mut Vec<u8>, plan: Option<&Arc<OrganizationPlan>>) {
    match plan {
        Some(plan) => {
            out.push(PLAN);
            put_bytes(out, &plan_code::organization_to_json(plan));
        }
        None => out.push(0),
    }
}

/// A cell: environment and flags in one number, used; then held, or what trials paid, if the flags say so.
fn put_cell(out: &mut Vec<u8>, cell: &Cell) {
    // What is derived is not written.
    let Cell {
        environment,
        references: _,
        last_row: _,
        used,
        held,
        trial_used,
        trial_held,
        is_booked,
    } = *cell;
    let flags = if held != 0 { HELD } else { 0 }
        | if trial_used != 0 || trial_held != 0 {
            TRIAL
        } else {
            0
        }
        | if is_booked { BOOKED } else { 0 };
    put_number(out, u64::from(environment) << 3 | u64::from(flags));
    put_number(out, used);
    if flags & HELD != 0 {
        put_number(out, held);
    }
    if flags & TRIAL != 0 {
        put_number(out, trial_used);
        put_number(out, trial_held);
    }
}

/// What entries are read into, again and again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    times: Vec<Timestamp>,
    periods: Vec<Period>,
    cells: Vec<Cell>,
    book: book::Scratch,
}

/// Tells the entries of a block, in order.
///
/// # Errors
/// At the first byte that no entry begins or goes on with, and as soon as an entry is not taken. Entries before it have
/// been told.
pub(super) fn decode(
    bytes: &[u8],
    frame: &Frame,
    scratch: &mut Scratch,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), Misfit>,
) -> Result<(), EntryError> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let begin = reader.clone();
        match reader.byte()? {
            1 => each(Entry::Shard {
                shard: reader.byte()?,
                sequence: reader.number()?,
                horizon: time(&mut reader, frame.base)?,
            })?,
            10 => {
                let (slot, row) = row::read(&mut reader, frame)?;
                each(Entry::Remembered { slot, row: &row })?;
            }
            kind @ (2..=3 | 5..=9 | 11..=13) => {
                of_organization(&mut reader, kind, frame, scratch, each)?
            }
            kind => return Err(begin.garbled(Problem::Kind("entry", kind)).into()),
        }
    }
    Ok(())
}

/// The kinds that begin with their organization.
fn of_organization(
    reader: &mut Reader<'_>,
    kind: u8,
    frame: &Frame,
    scratch: &mut Scratch,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), Misfit>,
) -> Result<(), EntryError> {
    let organization = parts::organization(reader)?;
    match kind {
        2 => {
            let plan = plan(reader)?;
            let name = reader.text()?;
            fill(&mut scratch.times, reader, |reader| {
                time(reader, frame.base)
            })?;
            each(Entry::Organization {
                organization,
                name,
                plan: plan.as_ref(),
                extension_requests: &scratch.times,
                days_filed: reader.narrow("a day")?,
            })?;
        }
        3 => each(Entry::Notice {
            organization,
            notice: &parts::notice(reader, frame)?,
        })?,
        11 => each(Entry::Label {
            organization,
            book: reader.narrow("a book")?,
            number: reader.narrow("a label")?,
            names: &parts::label(reader)?,
        })?,
        12 => each(Entry::Day {
            organization,
            number: reader.narrow("a day")?,
            book: reader.narrow("a book")?,
            date: parts::date(reader)?,
            is_closed: match reader.byte()? {
                0 => false,
                1 => true,
                other => return Err(reader.garbled(Problem::Kind("flags", other)).into()),
            },
        })?,
        13 => each(Entry::Usage {
            organization,
            day: reader.narrow("a day")?,
            number: reader.narrow("a row")?,
            row: &UsageRow {
                environment: reader.narrow("an environment")?,
                user: reader.narrow("a user")?,
                label: reader.narrow("a label")?,
                credits: reader.signed()?,
            },
        })?,
        5 => {
            let number = reader.narrow("a trial")?;
            let user = reader.text()?;
            fill(&mut scratch.periods, reader, |reader| {
                Ok(Period {
                    terms: parts::period(reader, frame)?,
                    used: reader.number()?,
                    held: reader.number()?,
                })
            })?;
            each(Entry::Trial {
                organization,
                number,
                user,
                periods: &scratch.periods,
            })?;
        }
        6 => book::read(reader, organization, frame, &mut scratch.book, each)?,
        9 => {
            let (book, account) = (reader.narrow("a book")?, parts::account(reader)?);
            each(Entry::Fired {
                organization,
                book,
                account: &account,
                percent: reader.narrow("a percentage")?,
            })?;
        }
        _ => {
            let (book, number) = (reader.narrow("a book")?, reader.narrow("a row")?);
            let name = reader.text()?;
            if kind == 7 {
                let share = reader.number()?;
                each(Entry::Environment {
                    organization,
                    book,
                    number,
                    name,
                    share,
                })?;
            } else {
                fill(&mut scratch.cells, reader, cell)?;
                each(Entry::User {
                    organization,
                    book,
                    number,
                    name,
                    cells: &scratch.cells,
                })?;
            }
        }
    }
    Ok(())
}

/// Reads a count and as many things. Grows with what was read, never by what is said to follow.
fn fill<'a, T>(
    into: &mut Vec<T>,
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, Garbled>,
) -> Result<(), Garbled> {
    into.clear();
    for _ in 0..reader.count()? {
        into.push(read(reader)?);
    }
    Ok(())
}

/// A byte of flags, then the plan if they say so.
fn plan(reader: &mut Reader<'_>) -> Result<Option<Arc<OrganizationPlan>>, Garbled> {
    match reader.byte()? {
        0 => Ok(None),
        PLAN => {
            let json = reader.bytes()?;
            let plan = plan_code::organization_from_json(json);
            Ok(Some(
                plan.map_err(|_| reader.garbled(Problem::Range("a plan")))?,
            ))
        }
        other => Err(reader.garbled(Problem::Kind("flags", other))),
    }
}

fn cell(reader: &mut Reader<'_>) -> Result<Cell, Garbled> {
    let first = reader.number()?;
    let environment = u32::try_from(first >> 3);
    let environment = environment.map_err(|_| reader.garbled(Problem::Range("an environment")))?;
    let mut cell = Cell {
        environment,
        used: reader.number()?,
        is_booked: first & u64::from(BOOKED) != 0,
        ..Cell::default()
    };
    if first & u64::from(HELD) != 0 {
        cell.held = reader.number()?;
    }
    if first & u64::from(TRIAL) != 0 {
        cell.trial_used = reader.number()?;
        cell.trial_held = reader.number()?;
    }
    Ok(cell)
}

#[cfg(test)]
pub(super) mod arbitrary;
#[cfg(test)]
mod tests;
