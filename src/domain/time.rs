//! Instants and spans as the rules use them. Nothing in this module reads a clock.

use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};

/// An instant: nanoseconds since 1970-01-01T00:00:00Z, from the year 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before every other instant.
    pub const MIN: Self = Self(i64::MIN);
    /// After every other instant: "never".
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the epoch, cut to the range.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Later by `span`, cut to the range.
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// Earlier by `span`, cut to the range.
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// The time from `earlier` until this instant; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The instant just before this one.
    pub const fn just_before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// As chrono's type, in UTC.
    pub fn to_utc(self) -> DateTime<Utc> {
        Utc.timestamp_nanos(self.0)
    }

    /// From chrono's type, cut to the range.
    pub fn from_utc(instant: DateTime<Utc>) -> Self {
        let edge = if instant.timestamp() < 0 {
            i64::MIN
        } else {
            i64::MAX
        };
        Self(instant.timestamp_nanos_opt().unwrap_or(edge))
    }
}

/// One reading of the clock.
///
/// `steady` only moves forward, at the speed of time, and counts for holds; `wall` is the calendar's time and counts for
/// cycles, grants, extensions and trials. Both are the same unless somebody sets the machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The calendar's time; never goes backwards.
    pub wall: Timestamp,
    /// Time that nobody can set.
    pub steady: Timestamp,
}

impl Now {
    /// Both readings the same: the usual case, and that of tests.
    pub const fn at(instant: Timestamp) -> Self {
        Self {
            wall: instant,
            steady: instant,
        }
    }
}
