//! One cycle's books of an organization: cells, the totals that are kept beside them, and how they change together.
//!
//! Every total equals what `domain::books` derives from the cells and the plan.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::account::Account;
use crate::domain::credits::Credits;
use crate::domain::cycle::{Calendar, CycleSpan};
use crate::domain::fact::Extension;
use crate::domain::plan::{Catalogue, OrganizationPlan, Overage, Purchased, Timeline};
use crate::domain::time::Timestamp;
use crate::world::sabotage::{self, Fault};

use super::cell::{Cell, EnvironmentRow, LastRow, Limit, UserRow};
use super::fired::Fired;
use super::labels::Labels;
use super::marks::{environment_mark, user_mark};
use super::rows::Rows;
use super::totals::{Totals, add, enter, leave};

/// What the plan gives in this cycle, as of the last change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// By source, in credits, like all that follows.
    pub purchased: Purchased,
    /// Purchased and rolled over.
    pub entitlement: u64,
    /// The sum of the allocations.
    pub allocated: u64,
    /// The sum of the limits.
    pub set_aside: u64,
    /// What is neither allocated nor set aside.
    pub pool_base: u64,
    /// How far the pool may be overdrawn.
    pub pool_allowance: u64,
}

/// One cycle's books.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) number: u32,
    pub(super) span: CycleSpan,
    /// The calendar in effect; the plan's counts from the next boundary on.
    pub(super) calendar: Calendar,
    pub(super) plan: Arc<OrganizationPlan>,
    pub(super) timeline: Timeline,
    /// When a grant begins or ends next.
    pub(super) next_step: Timestamp,
    pub(super) rolled_over: u64,
    pub(super) extensions: SmallVec<[Extension; 2]>,
    pub(super) environments: Rows<EnvironmentRow>,
    pub(super) users: Rows<UserRow>,
    pub(super) totals: Totals,
    pub(super) figures: Figures,
    /// What the pool has drawn from the extension.
    pub(super) pool_share: u64,
    pub(super) fired: Fired,
    /// What the work of its requests is called.
    pub(super) labels: Labels,
    /// The least `used` of the pool that fires a threshold.
    pub(super) pool_mark: u64,
    /// The least `used` of the organization that fires a threshold.
    pub(super) organization_mark: u64,
    /// Remembered holds and charges that count here, and days of it that stand in no file; a closed book stays while there
    /// are any.
    pub(super) references: u64,
    /// How many cells there are.
    pub(super) cells: u64,
    /// Users whose limit or marks the last change of the plan has changed, until it was looked at what they have reached.
    pub(super) to_cross: Vec<u32>,
    /// Whether a copy of it is under way: it stays until that has ended.
    pub(super) is_copied: bool,
    /// What [`Self::days_left`] answered last.
    days_left: std::cell::Cell<DaysLeft>,
}

/// Local days until the cycle ends, as of a span of time in which no local day can begin.
#[derive(Clone, Copy, Debug)]
struct DaysLeft {
    span: i64,
    days: u32,
}

impl DaysLeft {
    const UNKNOWN: Self = Self {
        span: i64::MIN,
        days: 0,
    };
}

/// Since 1970 every zone's offset is a whole number of these: 30 s.
const DAYS_LEFT_SPAN_NS: i64 = 30_000_000_000;

impl Book {
    /// An empty book; `before` is the one of the cycle before.
    pub(super) fn new(
        number: u32,
        span: CycleSpan,
        calendar: Calendar,
        rolled_over: u64,
        plan: Arc<OrganizationPlan>,
        catalogue: &Catalogue,
        before: Option<&Self>,
    ) -> Self {
        let timeline = Timeline::new(&plan.grants, catalogue, &calendar);
        let mut book = Self::empty(number, span, calendar, rolled_over, plan, timeline);
        match before.filter(|before| Arc::ptr_eq(&before.plan, &book.plan)) {
            Some(before) => book.figures = before.figures,
            None => book.sum_up_plan(),
        }
        book.step(span.start);
        book
    }

    /// A book in which no step of its timeline was taken yet.
    pub(super) fn empty(
        number: u32,
        span: CycleSpan,
        calendar: Calendar,
        rolled_over: u64,
        plan: Arc<OrganizationPlan>,
        timeline: Timeline,
    ) -> Self {
        Self {
            number,
            span,
            calendar,
            plan,
            timeline,
            next_step: Timestamp::MAX,
            rolled_over,
            extensions: SmallVec::new(),
            environments: Rows::default(),
            users: Rows::default(),
            totals: Totals::default(),
            figures: Figures::default(),
            pool_share: 0,
            fired: Fired::default(),
            labels: Labels::default(),
            pool_mark: u64::MAX,
            organization_mark: u64::MAX,
            references: 0,
            cells: 0,
            to_cross: Vec::new(),
            is_copied: false,
            days_left: std::cell::Cell::new(DaysLeft::UNKNOWN),
        }
    }

    /// Local calendar days until the cycle ends. The calendar is asked every 30 s: denials come by the thousand.
    pub(super) fn days_left(&self, now: Timestamp) -> u32 {
        let span = now.nanos().div_euclid(DAYS_LEFT_SPAN_NS);
        let known = self.days_left.get();
        if known.span == span {
            return known.days;
        }
        let days = self.calendar.days_until(now, self.span.end);
        self.days_left.set(DaysLeft { span, days });
        days
    }

    /// Sums up what the plan sets aside: there may be many users with limits, so that this is done once for a plan.
    pub(super) fn sum_up_plan(&mut self) {
        self.figures.allocated = self.plan.allocated();
        self.figures.set_aside = self.plan.set_aside();
    }

    /// Puts the grants of an instant in force.
    pub(super) fn step(&mut self, at: Timestamp) {
        let at = self.span.clamp(at);
        let purchased = self.timeline.at(at).purchased;
        let entitlement = purchased.total() + self.rolled_over;
        let Figures {
            allocated,
            set_aside,
            ..
        } = self.figures;
        let pool_base = entitlement.saturating_sub(allocated + set_aside);
        let pool_allowance = self.plan.overage.allowance(pool_base);
        self.figures = Figures {
            purchased,
            entitlement,
            allocated,
            set_aside,
            pool_base,
            pool_allowance,
        };
        self.next_step = self.timeline.next_after(at);
        self.pool_share = self
            .pool_share
            .min(self.totals.pool_drawn.saturating_sub(pool_base));
        self.totals.shares = self
            .environments
            .iter()
            .map(|(_, row)| row.share)
            .sum::<u64>()
            + self.pool_share;
        self.remark_common();
    }

    /// When something is due by the calendar: the end of the cycle, or a grant that begins or ends.
    pub(super) fn due(&self) -> Timestamp {
        self.span.end.min(self.next_step)
    }

    /// Extensions that count at an instant.
    pub(super) fn extension_usable(&self, now: Timestamp) -> u64 {
        if self.extensions.is_empty() {
            return 0;
        }
        let now = self.span.clamp(now);
        self.extensions
            .iter()
            .filter(|it| it.usable <= now)
            .map(|it| it.credits)
            .sum()
    }

    /// What of them nobody has drawn.
    pub(super) fn extension_left(&self, now: Timestamp) -> u64 {
        self.extension_usable(now)
            .saturating_sub(self.totals.shares)
    }

    /// How many credits can be added before a counter would pass [`Credits::MAX`].
    pub(super) fn room(&self) -> u64 {
        let Totals {
            used,
            held,
            trial_used,
            trial_held,
            ..
        } = self.totals;
        Credits::MAX
            .get()
            .saturating_sub(used + held + trial_used + trial_held)
    }

    /// Whether anything is set aside, so that the pool is an account of its own.
    pub(super) fn has_set_asides(&self) -> bool {
        self.figures.allocated + self.figures.set_aside > 0
    }

    /// A new environment's row, with the plan's terms.
    pub(super) fn environment_row(&self, name: Box<str>) -> EnvironmentRow {
        let terms = self.plan.environments.get(&name);
        let allocation = terms.map_or(0, |it| it.allocation.get());
        let allowance = terms.map_or(0, |it| it.overage.allowance(allocation));
        let mut row = EnvironmentRow {
            name,
            allocation,
            allowance,
            ..EnvironmentRow::default()
        };
        row.next_mark = environment_mark(&self.plan, &self.fired, &row);
        row
    }

    /// A new user's row, with the plan's terms.
    pub(super) fn user_row(&self, name: &str) -> UserRow {
        let limit = self.plan.user(name).map(|it| (it.limit.get(), it.kind));
        let mut row = UserRow {
            name: name.into(),
            limit: Limit::new(limit),
            ..UserRow::default()
        };
        row.next_mark = user_mark(&self.plan, &self.fired, &row);
        row
    }

    /// Changes a cell and every total that it belongs to, together; with `refers`, one more request counts there. Answers
    /// where the cell booked last.
    #[inline(always)]
    pub(super) fn shift(
        &mut self,
        environment: u32,
        user: u32,
        (used, held): (i64, i64),
        trial: bool,
        refers: bool,
    ) -> LastRow {
        let Some(row) = self.users.get_mut(user) else {
            return LastRow::default();
        };
        let Some(environment_row) = self.environments.get_mut(environment) else {
            return LastRow::default();
        };
        let place = match row
            .cells
            .iter()
            .position(|it| it.environment == environment)
        {
            Some(place) => place,
            None => {
                row.cells.push(Cell {
                    environment,
                    ..Cell::default()
                });
                environment_row.cells += 1;
                self.cells += 1;
                row.cells.len() - 1
            }
        };
        let (cell, totals) = (&mut row.cells[place], &mut self.totals);
        if refers {
            cell.references += 1;
            self.references += 1;
        }
        add(&mut cell.used, used);
        add(&mut cell.held, held);
        cell.is_booked |= used != 0;
        let last_row = cell.last_row;
        if trial {
            add(&mut cell.trial_used, used);
            add(&mut cell.trial_held, held);
            add(&mut environment_row.trial_used, used);
            add(&mut totals.trial_used, used);
            add(&mut totals.trial_held, held);
            return last_row;
        }
        add(&mut totals.used, used);
        add(&mut totals.held, held);
        if used > 0 && sabotage::is(Fault::Drift) {
            add(&mut totals.used, 1);
        }
        add(&mut row.used, used);
        add(&mut row.held, held);
        let (allocation, drawn_before) = (environment_row.allocation, environment_row.drawn());
        add(&mut environment_row.used, used);
        add(&mut environment_row.held, held);
        if allocation == 0 {
            leave(totals, row);
            add(&mut row.pool_used, used);
            add(&mut row.pool_held, held);
            enter(totals, row);
        } else {
            totals.allocation_drawn -= drawn_before.min(allocation);
            totals.allocation_drawn += environment_row.drawn().min(allocation);
        }
        last_row
    }

    /// A cell has booked in another row than before.
    pub(super) fn note_row(&mut self, environment: u32, user: u32, row: LastRow) {
        if let Some(cell) = self.cell_mut(environment, user) {
            cell.last_row = row;
        }
    }

    /// A threshold fired.
    pub(super) fn fire(&mut self, account: &Account, percent: u32) {
        self.fired.insert((account.clone(), percent));
        self.mark_again(account);
    }

    /// A remembered hold or charge counts in this cell from now on.
    pub(super) fn refer(&mut self, environment: u32, user: u32) {
        self.references += 1;
        if let Some(cell) = self.cell_mut(environment, user) {
            cell.references += 1;
        }
    }

    /// It no longer does.
    pub(super) fn unrefer(&mut self, environment: u32, user: u32) {
        self.references = self.references.saturating_sub(1);
        if let Some(cell) = self.cell_mut(environment, user) {
            cell.references = cell.references.saturating_sub(1);
        }
        self.tidy(environment, user);
    }

    /// Frees a cell that is back at 0 / 0 and that nothing refers to, with rows that then have none.
    pub(super) fn tidy(&mut self, environment: u32, user: u32) {
        let Some(row) = self.users.get_mut(user) else {
            return;
        };
        let Some(place) = row
            .cells
            .iter()
            .position(|it| it.environment == environment)
        else {
            return;
        };
        if !row.cells[place].is_unused() {
            return;
        }
        row.cells.swap_remove(place);
        self.cells -= 1;
        if row.cells.is_empty() {
            self.users.remove(user);
        }
        let Some(row) = self.environments.get_mut(environment) else {
            return;
        };
        row.cells = row.cells.saturating_sub(1);
        if row.cells == 0 && row.share == 0 {
            self.environments.remove(environment);
        }
    }

    /// Stores the payer's share of the extension: of the environment if it has an allocation, else of the pool.
    pub(super) fn set_share(&mut self, environment: u32, share: u64) {
        if share == 0 && self.totals.shares == 0 {
            return;
        }
        let stored = match self.environments.get_mut(environment) {
            Some(row) if row.allocation > 0 => &mut row.share,
            _ => &mut self.pool_share,
        };
        self.totals.shares = self.totals.shares - *stored + share;
        *stored = share;
    }

    /// Rebuilds every total from the cells.
    pub(super) fn recount(&mut self) {
        let shares = self.totals.shares;
        self.totals = Totals {
            shares,
            ..Totals::default()
        };
        for (_, row) in self.environments.iter_derived() {
            (row.used, row.held, row.trial_used) = (0, 0, 0);
        }
        for (_, row) in self.users.iter_derived() {
            (row.used, row.held, row.pool_used, row.pool_held) = (0, 0, 0, 0);
            for cell in &row.cells {
                let Some(environment) = self.environments.get_derived(cell.environment) else {
                    continue;
                };
                let (used, held) = (cell.used - cell.trial_used, cell.held - cell.trial_held);
                environment.used += used;
                environment.held += held;
                environment.trial_used += cell.trial_used;
                row.used += used;
                row.held += held;
                if environment.allocation == 0 {
                    row.pool_used += used;
                    row.pool_held += held;
                }
                self.totals.trial_used += cell.trial_used;
                self.totals.trial_held += cell.trial_held;
            }
            self.totals.used += row.used;
            self.totals.held += row.held;
            enter(&mut self.totals, row);
        }
        for (_, row) in self.environments.iter() {
            self.totals.allocation_drawn += row.drawn().min(row.allocation);
        }
    }

    /// A cell, to change how many requests refer to it: that is derived from them.
    fn cell_mut(&mut self, environment: u32, user: u32) -> Option<&mut Cell> {
        self.users
            .get_derived(user)?
            .cells
            .iter_mut()
            .find(|cell| cell.environment == environment)
    }
}

/// The allowance of an environment that no row exists for.
pub(super) fn terms(plan: &OrganizationPlan, environment: &str) -> (u64, u64) {
    let Some(terms) = plan.environments.get(environment) else {
        return (0, 0);
    };
    let allocation = terms.allocation.get();
    let overage: Overage = terms.overage;
    (allocation, overage.allowance(allocation))
}
