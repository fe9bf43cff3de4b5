//! What a book says beside its rows.

use std::sync::Arc;

use crate::domain::fact::{Extension, OrganizationId};
use crate::domain::plan::{OrganizationPlan, Purchased, Step};
use crate::engine::entry::{BookEntry, Entry, Figures, Misfit};

use super::super::bytes::{Garbled, Reader, put_number};
use super::super::parts::{self, Frame, put_time, time};
use super::{EntryError, fill, plan, put_plan};

/// What books are read into, again and again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    steps: Vec<Step>,
    extensions: Vec<Extension>,
}

/// Everything after the organization.
pub(super) fn put(out: &mut Vec<u8>, entry: &BookEntry<'_>, frame: &Frame) {
    put_plan(out, entry.plan);
    put_number(out, entry.number.into());
    parts::put_span(out, entry.span, frame);
    parts::put_calendar(out, &entry.calendar, frame);
    put_number(out, entry.steps.len() as u64);
    for step in entry.steps {
        put_time(out, step.at, frame.base);
        put_purchased(out, &step.purchased);
        put_number(out, step.rollover_max);
    }
    put_time(out, entry.next_step, frame.base);
    put_number(out, entry.rolled_over);
    put_number(out, entry.extensions.len() as u64);
    for extension in entry.extensions {
        parts::put_extension(out, extension, frame);
    }
    let Figures {
        purchased,
        entitlement,
        allocated,
        set_aside,
        pool_base,
        pool_allowance,
    } = entry.figures;
    put_purchased(out, &purchased);
    for figure in [
        entitlement,
        allocated,
        set_aside,
        pool_base,
        pool_allowance,
        entry.pool_share,
    ] {
        put_number(out, figure);
    }
}

fn put_purchased(out: &mut Vec<u8>, purchased: &Purchased) {
    let Purchased {
        contract,
        add_on,
        license,
    } = *purchased;
    for credits in [contract, add_on, license] {
        put_number(out, credits);
    }
}

/// Reads everything after the organization, and tells the entry.
pub(super) fn read(
    reader: &mut Reader<'_>,
    organization: OrganizationId,
    frame: &Frame,
    scratch: &mut Scratch,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), Misfit>,
) -> Result<(), EntryError> {
    let plan: Option<Arc<OrganizationPlan>> = plan(reader)?;
    let number = reader.narrow("a book")?;
    let span = parts::span(reader, frame)?;
    let calendar = parts::calendar(reader, frame)?;
    fill(&mut scratch.steps, reader, |reader| {
        Ok(Step {
            at: time(reader, frame.base)?,
            purchased: purchased(reader)?,
            rollover_max: reader.number()?,
        })
    })?;
    let next_step = time(reader, frame.base)?;
    let rolled_over = reader.number()?;
    fill(&mut scratch.extensions, reader, |reader| {
        parts::extension(reader, frame)
    })?;
    each(Entry::Book(BookEntry {
        organization,
        number,
        span,
        calendar,
        plan: plan.as_ref(),
        steps: &scratch.steps,
        next_step,
        rolled_over,
        extensions: &scratch.extensions,
        figures: Figures {
            purchased: purchased(reader)?,
            entitlement: reader.number()?,
            allocated: reader.number()?,
            set_aside: reader.number()?,
            pool_base: reader.number()?,
            pool_allowance: reader.number()?,
        },
        pool_share: reader.number()?,
    }))?;
    Ok(())
}

fn purchased(reader: &mut Reader<'_>) -> Result<Purchased, Garbled> {
    Ok(Purchased {
        contract: reader.number()?,
        add_on: reader.number()?,
        license: reader.number()?,
    })
}
