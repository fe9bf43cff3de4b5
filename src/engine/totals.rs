//! The totals of a book, and how a user counts in them.

use super::cell::UserRow;

/// Totals of a book. Apart from the trials', all without what trials paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) used: u64,
    pub(super) held: u64,
    pub(super) trial_used: u64,
    pub(super) trial_held: u64,
    /// Sum over users of what they used where the pool pays, beyond their limits.
    pub(super) pool_used: u64,
    /// The same of what they drew.
    pub(super) pool_drawn: u64,
    /// Sum over users of what they drew of their set-asides.
    pub(super) set_aside_drawn: u64,
    /// Sum over environments of what they drew of their allocations.
    pub(super) allocation_drawn: u64,
    /// What payers have drawn from the extension.
    pub(super) shares: u64,
}

/// Takes a user's part out of the totals of the pool, before it changes.
pub(super) fn leave(totals: &mut Totals, row: &UserRow) {
    let limit = row.set_aside();
    totals.pool_used -= row.pool_used.saturating_sub(limit);
    totals.pool_drawn -= row.pool_drawn().saturating_sub(limit);
    totals.set_aside_drawn -= row.pool_drawn().min(limit);
}

/// Puts it back in.
pub(super) fn enter(totals: &mut Totals, row: &UserRow) {
    let limit = row.set_aside();
    totals.pool_used += row.pool_used.saturating_sub(limit);
    totals.pool_drawn += row.pool_drawn().saturating_sub(limit);
    totals.set_aside_drawn += row.pool_drawn().min(limit);
}

/// Adds a signed change to a counter. What comes back was counted before, and amounts end far below the edge of the type.
pub(super) fn add(counter: &mut u64, by: i64) {
    debug_assert!(
        counter.checked_add_signed(by).is_some(),
        "{counter} and {by}"
    );
    *counter = counter.wrapping_add_signed(by);
}
