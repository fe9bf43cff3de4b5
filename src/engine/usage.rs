//! Usage rows of the days that stand in no file yet: what was booked, by whom and for what.

pub mod query;
pub use query::{UsageCycle, UsageGroup, UsageKey, UsageQuery};
/// What was booked in one cell under one label on one day. Its rows are those of the day's book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// The environment's row.
    pub environment: u32,
    /// The user's row.
    pub user: u32,
    /// The label; 0 is none.
    pub label: u32,
    /// Credits, what trials paid with them. Corrections may bring a row below zero.
    pub credits: i64,
}
