//! A book from its entries. Sums are checked as the rows come, so that what is derived from them cannot overflow.

use std::sync::Arc;

use crate::domain::credits::Credits;
use crate::domain::plan::{OrganizationPlan, Timeline};

use super::book::Book;
use super::cell::Cell;
use super::entry::{BookEntry, Misfit};

/// A number of credits, as one counter may have it.
pub(super) fn amount(credits: u64) -> Result<u64, Misfit> {
    let found = Credits::new(credits).map(Credits::get);
    found.ok_or(Misfit("an amount is above 2^53 - 1"))
}

/// The sum of two numbers of credits, as a counter may have it.
fn sum(a: u64, b: u64) -> Result<u64, Misfit> {
    amount(a.saturating_add(b))
}

/// A sum of a few amounts: far below the place where another sum would overflow.
pub(super) fn figure(credits: u64) -> Result<u64, Misfit> {
    let is_sane = credits < 1 << 60;
    is_sane
        .then_some(credits)
        .ok_or(Misfit("a figure is above 2^60"))
}

impl Book {
    /// A book without rows.
    pub(super) fn restore(
        entry: &BookEntry<'_>,
        plan: Arc<OrganizationPlan>,
    ) -> Result<Self, Misfit> {
        let timeline = Timeline::from_steps(entry.steps);
        let timeline = timeline.ok_or(Misfit("the steps of a book are not in order"))?;
        let figures = entry.figures;
        for step in entry.steps {
            figure(step.purchased.total())?;
            figure(step.rollover_max)?;
        }
        let extensions = entry.extensions.iter().map(|it| it.credits);
        for number in [
            entry.rolled_over,
            figures.purchased.total(),
            figures.entitlement,
            figures.allocated,
            figures.set_aside,
            figures.pool_base,
            figures.pool_allowance,
            extensions.fold(0, u64::saturating_add),
        ] {
            figure(number)?;
        }
        let mut book = Self::empty(
            entry.number,
            entry.span,
            entry.calendar,
            entry.rolled_over,
            plan,
            timeline,
        );
        book.next_step = entry.next_step;
        book.extensions = entry.extensions.into();
        book.figures = figures;
        book.pool_share = amount(entry.pool_share)?;
        book.totals.shares = book.pool_share;
        Ok(book)
    }

    pub(super) fn restore_environment(
        &mut self,
        number: u32,
        name: &str,
        share: u64,
    ) -> Result<(), Misfit> {
        if self.environments.find(name).is_some() {
            return Err(Misfit("an environment comes twice"));
        }
        let mut row = self.environment_row(name.into());
        row.share = share;
        self.totals.shares = sum(self.totals.shares, amount(share)?)?;
        self.environments.insert(number, row);
        Ok(())
    }

    pub(super) fn restore_user(
        &mut self,
        number: u32,
        name: &str,
        cells: &[Cell],
    ) -> Result<(), Misfit> {
        if self.users.find(name).is_some() {
            return Err(Misfit("a user comes twice"));
        }
        let mut row = self.user_row(name);
        for cell in cells {
            if row.cell(cell.environment).is_some() {
                return Err(Misfit("a cell comes twice"));
            }
            let Some(environment) = self.environments.get_derived(cell.environment) else {
                return Err(Misfit("a cell is in no environment"));
            };
            if cell.trial_used > cell.used || cell.trial_held > cell.held {
                return Err(Misfit("trials paid more than was used"));
            }
            // All counters of the book are parts of these two; they are counted again at the end.
            self.totals.used = sum(self.totals.used, cell.used)?;
            self.totals.held = sum(self.totals.held, cell.held)?;
            environment.cells += 1;
            self.cells += 1;
            let references = 0;
            row.cells.push(Cell {
                references,
                ..*cell
            });
        }
        self.users.insert(number, row);
        Ok(())
    }

    /// Derives what is derived, once all rows are there.
    pub(super) fn restored(&mut self) {
        self.environments.slab().find_free();
        self.users.slab().find_free();
        self.recount();
        self.remark();
    }
}
