//! Billing cycles (section 8): calendar arithmetic, always from the anchor, never from the previous start.

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use super::time::Timestamp;

const NANOS_A_DAY: i64 = 86_400_000_000_000;

/// When cycles begin, and in which zone days are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The organization's zone.
    pub zone: Tz,
    /// The rule that gives the boundaries.
    pub rule: Rule,
}

/// The rule that gives the boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// At local midnight of this day of each month, 1 to 31; in shorter months at that of their last day.
    Month {
        /// 1 to 31.
        anchor_day: u8,
    },
    /// Every so many days of 24 hours, counted from an instant, backwards too.
    Days {
        /// At least 1.
        days: u32,
        /// A boundary.
        from: Timestamp,
    },
}

impl Default for Calendar {
    /// UTC, day 1.
    fn default() -> Self {
        Self {
            zone: Tz::UTC,
            rule: Rule::Month { anchor_day: 1 },
        }
    }
}

/// One cycle: from `start` until just before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleSpan {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant of the next cycle.
    pub end: Timestamp,
}

impl CycleSpan {
    /// The last instant at which anything about this cycle is decided.
    pub fn clamp(&self, now: Timestamp) -> Timestamp {
        now.min(self.end.just_before()).max(self.start)
    }
}

impl Calendar {
    /// The cycle that holds an instant.
    pub fn cycle_at(&self, now: Timestamp) -> CycleSpan {
        match self.rule {
            Rule::Days { days, from } => {
                let length = i64::from(days.max(1)).saturating_mul(NANOS_A_DAY);
                let count = now.nanos().saturating_sub(from.nanos()).div_euclid(length);
                let start = from.nanos().saturating_add(count.saturating_mul(length));
                CycleSpan {
                    start: Timestamp::from_nanos(start),
                    end: Timestamp::from_nanos(start.saturating_add(length)),
                }
            }
            Rule::Month { anchor_day } => {
                let today = self.date(now);
                let mut month = month_number(today) + 1;
                let mut end = self.month_start(month + 1, anchor_day);
                let mut start = self.month_start(month, anchor_day);
                while start > now {
                    month -= 1;
                    (start, end) = (self.month_start(month, anchor_day), start);
                }
                CycleSpan { start, end }
            }
        }
    }

    /// The first boundary after an instant.
    pub fn boundary_after(&self, now: Timestamp) -> Timestamp {
        self.cycle_at(now).end
    }

    /// The local day of an instant.
    pub fn date(&self, now: Timestamp) -> NaiveDate {
        now.to_utc().with_timezone(&self.zone).date_naive()
    }

    /// The first instant of a local day. A missing midnight shifts forward, a double one takes the first.
    pub fn day_start(&self, date: NaiveDate) -> Timestamp {
        let midnight = date.and_time(NaiveTime::MIN);
        let instant = match self.zone.from_local_datetime(&midnight) {
            LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant.to_utc(),
            LocalResult::None => GapInfo::new(&midnight, &self.zone)
                .and_then(|gap| gap.end)
                .map_or_else(
                    || DateTime::<Utc>::from_naive_utc_and_offset(midnight, Utc),
                    |end| end.to_utc(),
                ),
        };
        Timestamp::from_utc(instant)
    }

    /// Local calendar days from `now` until the day of `reset`.
    pub fn days_until(&self, now: Timestamp, reset: Timestamp) -> u32 {
        let days = (self.date(reset) - self.date(now)).num_days();
        u32::try_from(days).unwrap_or(0)
    }

    /// The instants from which and until which a grant of these local days counts; the last day counts whole.
    pub fn days_span(&self, from: Option<NaiveDate>, until: Option<NaiveDate>) -> CycleSpan {
        CycleSpan {
            start: from.map_or(Timestamp::MIN, |day| self.day_start(day)),
            end: until
                .and_then(|day| day.checked_add_days(Days::new(1)))
                .map_or(Timestamp::MAX, |day| self.day_start(day)),
        }
    }

    fn month_start(&self, month: i32, anchor_day: u8) -> Timestamp {
        let (year, month) = (
            month.div_euclid(12),
            month.rem_euclid(12).unsigned_abs() + 1,
        );
        let date = (28..=u32::from(anchor_day.clamp(1, 31)))
            .rev()
            .chain([u32::from(anchor_day.clamp(1, 31))])
            .find_map(|day| NaiveDate::from_ymd_opt(year, month, day))
            .unwrap_or_default();
        self.day_start(date)
    }
}

/// Months since the year 0, so that the next month is one more.
fn month_number(date: NaiveDate) -> i32 {
    date.year() * 12 + i32::try_from(date.month0()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
