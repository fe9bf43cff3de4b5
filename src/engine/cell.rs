//! Cells, and the rows of environments and users that count over them.

use std::fmt;

use smallvec::SmallVec;
use smol_str::SmolStr;

use crate::domain::plan::LimitKind;

use super::rows::Named;

/// A name that nobody can have (names hold no control characters): beyond the bound on cells, the users without a limit
/// share one cell per environment under it.
pub(super) const FOLDED: &str = "\u{1}folded";

/// The finest counter: (environment, user) in one cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The environment's row.
    pub environment: u32,
    /// Remembered holds and charges that count here; the cell stays while there are any.
    pub references: u32,
    /// Committed.
    pub used: u64,
    /// In open holds.
    pub held: u64,
    /// Of `used`, what trials paid.
    pub trial_used: u64,
    /// Of `held`, what trials pay.
    pub trial_held: u64,
    /// Whether anything was ever booked in it: usage rows may name it, so that it stays as long as its book.
    pub is_booked: bool,
    /// Where to look first for its usage row.
    pub last_row: LastRow,
}

/// The number of the usage row in which a cell booked last: mostly it books there again. Nothing depends on it, so that cells
/// are the same whatever it is, and show the same.
#[derive(Clone, Copy, Default)]
pub struct LastRow(pub u32);

impl fmt::Debug for LastRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastRow")
    }
}

impl PartialEq for LastRow {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LastRow {}

impl Cell {
    pub(super) fn is_unused(&self) -> bool {
        self.references == 0 && self.used == 0 && self.held == 0 && !self.is_booked
    }
}

/// An environment's row. Counters are without what trials paid, but for that itself.
#[derive(Clone, Debug, Default)]
pub(super) struct EnvironmentRow {
    pub(super) name: Box<str>,
    /// How many cells refer to it.
    pub(super) cells: u32,
    pub(super) used: u64,
    pub(super) held: u64,
    /// What trials paid in it.
    pub(super) trial_used: u64,
    /// What it has drawn from the extension.
    pub(super) share: u64,
    /// From the plan; 0 is none.
    pub(super) allocation: u64,
    /// From the plan, on the allocation.
    pub(super) allowance: u64,
    /// The least `used` that fires a threshold.
    pub(super) next_mark: u64,
}

impl EnvironmentRow {
    pub(super) fn drawn(&self) -> u64 {
        self.used + self.held
    }
}

/// A user's limit, or none, in eight bytes: amounts end at 2^53 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit(u64);

/// Beside the amount: the limit is a soft one.
const SOFT: u64 = 1 << 63;

impl Limit {
    pub(super) fn new(limit: Option<(u64, LimitKind)>) -> Self {
        Self(match limit {
            None => u64::MAX,
            Some((limit, LimitKind::Hard)) => limit,
            Some((limit, LimitKind::Soft)) => limit | SOFT,
        })
    }

    #[inline]
    fn get(self) -> Option<(u64, LimitKind)> {
        match self.0 {
            u64::MAX => None,
            soft if soft & SOFT != 0 => Some((soft & !SOFT, LimitKind::Soft)),
            hard => Some((hard, LimitKind::Hard)),
        }
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::new(None)
    }
}

/// A user's row: a pair of cache lines, which are fetched together. Counters are without what trials paid.
#[derive(Clone, Debug, Default)]
#[repr(align(128))]
pub(super) struct UserRow {
    /// Empty for requests without a user. Most are short enough to lie in the row.
    pub(super) name: SmolStr,
    pub(super) cells: SmallVec<[Cell; 1]>,
    pub(super) used: u64,
    pub(super) held: u64,
    /// Of `used`, what was used where the pool pays.
    pub(super) pool_used: u64,
    /// Of `held`, the same.
    pub(super) pool_held: u64,
    /// From the plan.
    pub(super) limit: Limit,
    /// The least `used` that fires a threshold.
    pub(super) next_mark: u64,
}

impl UserRow {
    pub(super) fn set_aside(&self) -> u64 {
        self.limit().map_or(0, |(limit, _)| limit)
    }

    #[inline]
    pub(super) fn limit(&self) -> Option<(u64, LimitKind)> {
        self.limit.get()
    }

    pub(super) fn pool_drawn(&self) -> u64 {
        self.pool_used + self.pool_held
    }

    pub(super) fn cell(&self, environment: u32) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| cell.environment == environment)
    }
}

impl Named for EnvironmentRow {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for UserRow {
    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_grows_unnoticed() {
        assert_eq!(size_of::<Option<UserRow>>(), 128);
        assert_eq!(size_of::<Cell>(), 48);
    }

    #[test]
    fn a_limit_is_what_it_was() {
        let most = crate::domain::credits::Credits::MAX.get();
        for limit in [
            None,
            Some((0, LimitKind::Hard)),
            Some((0, LimitKind::Soft)),
            Some((most, LimitKind::Hard)),
            Some((most, LimitKind::Soft)),
        ] {
            assert_eq!(Limit::new(limit).get(), limit);
        }
    }
}
