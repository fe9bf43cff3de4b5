//! Texts with units: durations, bytes, days, instants, whole numbers. Every error says what to write instead.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::time::Timestamp;

/// A whole number, digits with optional `_` between them: `1000`, `1_000`.
pub fn whole(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|&c| c != '_').collect();
    let written_well = digits.bytes().all(|b| b.is_ascii_digit())
        && !text.starts_with('_')
        && !text.ends_with('_');
    if digits.is_empty() || !written_well {
        return Err(format!(
            "{text:?} is no whole number; write digits only, such as 1000"
        ));
    }
    digits.parse().map_err(|_| {
        format!("{text} is too large; at most 18,446,744,073,709,551,615 can be written")
    })
}

/// A span of time: `250ms`, `60s`, `10m`, `1h`, `30d`, or several together, such as `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no duration; write a number and ms, s, m, h or d, such as 60s");
    let mut total = Duration::ZERO;
    let mut rest = text;
    loop {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len()
            - after
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (unit, after) = after.split_at(letters);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(millis))
            .ok_or_else(wrong)?;
        total = total
            .checked_add(Duration::from_millis(part))
            .ok_or_else(wrong)?;
        if after.is_empty() {
            return Ok(total);
        }
        rest = after;
    }
}

/// A number of bytes: `512KiB`, `256MiB`, `4GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is no size; write a whole number and KiB, MiB or GiB, such as 256MiB");
    let digits = text
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .len();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number = whole(number).map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

/// A day of the calendar: `2026-01-31`.
pub fn date(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|day| day.to_string() == text)
        .ok_or_else(|| {
            format!("{text:?} is no day of the calendar; write year-month-day, such as 2026-01-31")
        })
}

/// An instant with its offset from UTC (RFC 3339): `2026-01-05T00:00:00Z`.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    let parsed = DateTime::parse_from_rfc3339(text)
        .map_err(|_| format!("{text:?} is no instant; write it as 2026-01-05T00:00:00Z"))?;
    let utc = parsed.with_timezone(&Utc);
    match utc.timestamp_nanos_opt() {
        Some(_) => Ok(Timestamp::from_utc(utc)),
        None => Err(format!(
            "{text:?} is outside the years 1678 to 2261; write an instant between them"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in [
            ("250ms", Some(250)),
            ("60s", Some(60_000)),
            ("10m", Some(600_000)),
            ("1h30m", Some(5_400_000)),
            ("30d", Some(2_592_000_000)),
            ("0s", Some(0)),
            ("60", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1w", None),
            ("1M", None),
            ("99999999999999999999d", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(
                duration(text).ok().map(|it| it.as_millis()),
                millis,
                "{text:?}"
            );
        }
    }

    #[test]
    fn sizes_have_a_unit_of_powers_of_two() {
        for (text, bytes) in [
            ("1KiB", Some(1_024)),
            ("256MiB", Some(268_435_456)),
            ("4GiB", Some(4_294_967_296)),
            ("1_000KiB", Some(1_024_000)),
            ("0MiB", Some(0)),
            ("256", None),
            ("256MB", None),
            ("256M", None),
            ("256 MiB", None),
            ("MiB", None),
            ("", None),
            ("-1MiB", None),
            ("1.5GiB", None),
            ("18446744073709551615GiB", None),
        ] {
            assert_eq!(super::bytes(text).ok(), bytes, "{text:?}");
        }
    }

    #[test]
    fn numbers_days_and_instants_are_written_one_way() {
        for (text, number) in [
            ("0", Some(0)),
            ("1_000_000", Some(1_000_000)),
            ("007", Some(7)),
            ("", None),
            ("_1", None),
            ("-1", None),
            ("1,000", None),
            ("1e3", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(whole(text).ok(), number, "{text:?}");
        }
        for (text, good) in [
            ("2026-02-28", true),
            ("2026-02-29", false),
            ("2026-2-28", false),
            ("28.2.2026", false),
            ("+2026-02-2", false),
        ] {
            assert_eq!(date(text).is_ok(), good, "{text:?}");
        }
        for (text, good) in [
            ("2026-01-05T00:00:00Z", true),
            ("2026-01-05T00:00:00.5+02:00", true),
            ("2026-01-05", false),
            ("9999-01-01T00:00:00Z", false),
        ] {
            assert_eq!(instant(text).is_ok(), good, "{text:?}");
        }
    }
}
