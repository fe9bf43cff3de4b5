//! The vectors of the design, and cycles without gaps over all zones.

use chrono::DateTime;

use super::*;

fn instant(text: &str) -> Timestamp {
    let utc = DateTime::parse_from_rfc3339(text).map(|it| it.to_utc());
    assert!(utc.is_ok(), "{text}");
    Timestamp::from_utc(utc.unwrap_or_default())
}

fn month(zone: Tz, anchor_day: u8) -> Calendar {
    Calendar {
        zone,
        rule: Rule::Month { anchor_day },
    }
}

#[test]
fn cycles_start_where_the_vectors_say() {
    for (anchor_day, zone, starts, hours) in [
        (
            31,
            "UTC",
            &[
                "2027-01-31T00:00",
                "2027-02-28T00:00",
                "2027-03-31T00:00",
                "2027-04-30T00:00",
            ][..],
            &[672, 744, 720][..],
        ),
        (
            31,
            "UTC",
            &["2028-01-31T00:00", "2028-02-29T00:00", "2028-03-31T00:00"],
            &[696, 744],
        ),
        (
            29,
            "UTC",
            &["2100-01-29T00:00", "2100-02-28T00:00", "2100-03-29T00:00"],
            &[720, 696],
        ),
        (
            1,
            "America/New_York",
            &["2027-03-01T05:00", "2027-04-01T04:00"],
            &[743],
        ),
        (
            1,
            "America/New_York",
            &["2027-11-01T04:00", "2027-12-01T05:00"],
            &[721],
        ),
        // Midnight is missing.
        (
            4,
            "America/Sao_Paulo",
            &["2018-11-04T03:00", "2018-12-04T02:00"],
            &[719],
        ),
        // Midnight comes twice.
        (
            1,
            "America/Havana",
            &["2026-11-01T04:00", "2026-12-01T05:00"],
            &[721],
        ),
        // A gap.
        (
            26,
            "Asia/Beirut",
            &["2023-03-25T22:00", "2023-04-25T21:00"],
            &[743],
        ),
        // The local day 2011-12-30 does not exist: what begins on it begins when it would have ended.
        (
            30,
            "Pacific/Apia",
            &["2011-11-30T10:00", "2011-12-30T10:00", "2012-01-29T10:00"],
            &[720, 720],
        ),
        (
            1,
            "Asia/Kathmandu",
            &["2026-12-31T18:15", "2027-01-31T18:15"],
            &[744],
        ),
    ] {
        check_vector(zone, anchor_day, starts, hours);
    }
}

fn check_vector(zone: &str, anchor_day: u8, starts: &[&str], hours: &[i64]) {
    let zone: Tz = zone.parse().unwrap_or_default();
    let calendar = month(zone, anchor_day);
    let starts: Vec<_> = starts
        .iter()
        .map(|start| instant(&format!("{start}:00Z")))
        .collect();
    for (pair, &hours) in starts.windows(2).zip(hours) {
        let span = CycleSpan {
            start: pair[0],
            end: pair[1],
        };
        for now in [span.start, span.end.just_before()] {
            assert_eq!(
                calendar.cycle_at(now),
                span,
                "{zone} {anchor_day} {:?}",
                now.to_utc()
            );
        }
        assert_eq!(
            (span.end.nanos() - span.start.nanos()) / 3_600_000_000_000,
            hours,
            "{zone} {anchor_day}"
        );
    }
}

#[test]
fn cycles_of_days_count_from_their_instant_in_both_directions() {
    let rule = Rule::Days {
        days: 28,
        from: instant("2026-01-05T06:00:00Z"),
    };
    let calendar = Calendar {
        zone: Tz::Europe__Paris,
        rule,
    };
    for (now, start, end) in [
        (
            "2026-01-05T06:00:00Z",
            "2026-01-05T06:00:00Z",
            "2026-02-02T06:00:00Z",
        ),
        (
            "2026-02-02T05:59:59Z",
            "2026-01-05T06:00:00Z",
            "2026-02-02T06:00:00Z",
        ),
        (
            "2026-01-05T05:59:59Z",
            "2025-12-08T06:00:00Z",
            "2026-01-05T06:00:00Z",
        ),
        // The change to summer time does not shift a cycle of days of 24 hours.
        (
            "2026-04-01T00:00:00Z",
            "2026-03-30T06:00:00Z",
            "2026-04-27T06:00:00Z",
        ),
    ] {
        assert_eq!(
            calendar.cycle_at(instant(now)),
            CycleSpan {
                start: instant(start),
                end: instant(end)
            },
            "{now}"
        );
    }
}

#[test]
fn days_until_the_reset_are_local_calendar_days() {
    for (zone, now, days) in [
        (Tz::UTC, "2026-11-10T09:00:00Z", 21),
        (Tz::UTC, "2026-11-30T23:59:59Z", 1),
        (Tz::UTC, "2026-12-01T00:00:00Z", 31),
        (Tz::Europe__Paris, "2026-11-30T22:59:59Z", 1),
        (Tz::Europe__Paris, "2026-11-30T23:00:00Z", 31),
    ] {
        let calendar = month(zone, 1);
        let now = instant(now);
        assert_eq!(
            calendar.days_until(now, calendar.boundary_after(now)),
            days,
            "{zone} {:?}",
            now.to_utc()
        );
    }
}

#[test]
#[allow(clippy::print_stdout)]
fn cycles_follow_each_other_without_gap_or_overlap_in_every_zone() {
    const ANCHORS: [u8; 6] = [1, 15, 28, 29, 30, 31];
    let first = instant("1970-01-01T00:00:00Z");
    let last = instant("2100-12-31T00:00:00Z");
    let (mut cycles, mut gaps) = (0_u64, 0_u64);
    for &zone in &chrono_tz::TZ_VARIANTS {
        for anchor_day in ANCHORS {
            let calendar = month(zone, anchor_day);
            let mut span = calendar.cycle_at(first);
            while span.start < last {
                let next = calendar.cycle_at(span.end);
                let days = (next.end.nanos() - next.start.nanos()) / NANOS_A_DAY;
                let follows = next.start == span.end && (26..=32).contains(&days);
                cycles += 1;
                if !follows || calendar.cycle_at(next.end.just_before()) != next {
                    println!("{zone}, day {anchor_day}: {span:?} is followed by {next:?}");
                    gaps += 1;
                    break;
                }
                span = next;
            }
        }
    }
    println!(
        "zones x anchors {} x {}, 1970 to 2100, cycles {cycles}, gaps {gaps}",
        chrono_tz::TZ_VARIANTS.len(),
        ANCHORS.len()
    );
    assert_eq!(gaps, 0);
}
