//! Days of usage rows: what adds up, what stays, which day an instant belongs to.
#![allow(clippy::unwrap_used)]

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::*;
use crate::domain::cycle::Rule;

fn calendar(zone: Tz) -> Calendar {
    let rule = Rule::Month { anchor_day: 1 };
    Calendar { zone, rule }
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn row(user: u32, label: u32, credits: i64) -> UsageRow {
    UsageRow {
        environment: 1,
        user,
        label,
        credits,
    }
}

fn rows(day: &Day) -> Vec<(u32, u32, i64)> {
    let rows = day.rows();
    rows.map(|(_, row)| (row.user, row.label, row.credits))
        .collect()
}

/// Books without knowing the last row; answers whether the row is new.
fn book(days: &mut Days, book: u32, row: UsageRow) -> bool {
    let booked = days.book(book, row, LastRow(u32::MAX));
    booked.is_some_and(|(_, is_new)| is_new)
}

#[test]
fn wherever_it_looks_first_a_booking_comes_into_its_own_row() {
    let utc = calendar(Tz::UTC);
    let mut days = Days::default();
    assert!(days.open(0, 3, date("2026-11-21"), &utc));
    for last in [0, 1, 2, 7, u32::MAX] {
        for (user, number) in [(1, 0), (2, 1)] {
            let (row, is_new) = days.book(3, row(user, 0, 5), LastRow(last)).unwrap();
            assert_eq!((row.0, is_new), (number, last == 0), "{last} {user}");
        }
    }
    assert_eq!(rows(days.get(0).unwrap()), [(1, 0, 25), (2, 0, 25)]);
}

#[test]
fn rows_of_an_open_day_add_up_and_closed_ones_stay_as_they_are() {
    let utc = calendar(Tz::UTC);
    let mut days = Days::default();
    assert!(!book(&mut days, 3, row(1, 0, 5)), "no day is open");
    assert!(days.open(0, 3, date("2026-11-21"), &utc));
    assert!(book(&mut days, 3, row(1, 0, 5)));
    assert!(book(&mut days, 3, row(1, 2, 7)));
    assert!(!book(&mut days, 3, row(1, 0, -6)));
    assert!(
        !book(&mut days, 4, row(1, 0, 9)),
        "another book has no open day"
    );
    assert_eq!(rows(days.get(0).unwrap()), [(1, 0, -1), (1, 2, 7)]);
    assert_eq!(days.close(), 1);
    assert_eq!(days.close(), 0);
    assert!(!book(&mut days, 3, row(1, 0, 1)));
    assert!(!days.open(0, 3, date("2026-11-22"), &utc), "not the next");
    assert!(
        days.open(1, 3, date("2026-11-21"), &utc),
        "the same date again"
    );
    assert!(book(&mut days, 3, row(1, 0, 1)));
    assert_eq!(rows(days.get(0).unwrap()), [(1, 0, -1), (1, 2, 7)]);
}

#[test]
fn days_leave_the_memory_from_the_oldest_on_and_only_when_they_are_closed() {
    let utc = calendar(Tz::UTC);
    let mut days = Days::default();
    for number in 0..4 {
        days.open(number, 1, date("2026-11-21"), &utc);
        book(&mut days, 1, row(1, 0, 1));
        if number < 3 {
            days.close();
        }
    }
    let mut filed = Vec::new();
    days.file(2, |day| filed.push(day.number));
    days.file(2, |day| filed.push(day.number));
    assert_eq!(filed, [0, 1]);
    days.begin_copy();
    days.file(9, |day| filed.push(day.number));
    assert_eq!((filed, days.filed()), (vec![0, 1, 2], 3));
    assert!(days.get(2).is_none() && days.kept_mut(2).is_some());
    assert!(days.take_filed().is_none(), "it is being copied");
    days.end_copy();
    let taken: Vec<_> = std::iter::from_fn(|| days.take_filed()).collect();
    assert_eq!(taken.len(), 3);
    assert_eq!((days.iter().count(), days.next()), (1, 4));
}

#[test]
fn an_instant_belongs_to_the_last_day_that_has_begun() {
    for (zone, instant, expected) in [
        (Tz::UTC, "2026-11-21T00:00:00Z", "2026-11-21"),
        (Tz::UTC, "2026-11-20T23:59:59Z", "2026-11-20"),
        (Tz::Europe__Paris, "2026-11-20T23:00:00Z", "2026-11-21"),
        // Midnight came twice: 00:30 of the 1st belongs to the 1st both times.
        (Tz::America__Havana, "2026-11-01T04:30:00Z", "2026-11-01"),
        (Tz::America__Havana, "2026-11-01T05:30:00Z", "2026-11-01"),
        // From 00:01 back to 23:01: the day that had begun goes on.
        (Tz::America__St_Johns, "2010-11-07T02:30:30Z", "2010-11-07"),
        (Tz::America__St_Johns, "2010-11-07T03:00:00Z", "2010-11-07"),
        (Tz::America__St_Johns, "2010-11-07T02:29:00Z", "2010-11-06"),
    ] {
        let now = instant.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        let calendar = calendar(zone);
        let day = day_of(Timestamp::from_utc(now), &calendar);
        assert_eq!(day, date(expected), "{zone} {instant}");
        assert!(end_of(day, &calendar) > Timestamp::from_utc(now));
    }
}

#[test]
fn a_day_of_a_snapshot_takes_rows_in_order_and_each_once() {
    let utc = calendar(Tz::UTC);
    let mut days = Days::default();
    days.restore_filed(5);
    assert!(!days.restore(4, 1, date("2026-11-21"), true, &utc));
    assert!(days.restore(5, 1, date("2026-11-21"), true, &utc));
    assert!(days.restore(6, 1, date("2026-11-22"), false, &utc));
    assert!(
        !days.restore(7, 1, date("2026-11-22"), true, &utc),
        "closed after an open one"
    );
    let day = days.kept_mut(6).unwrap();
    assert!(day.restore(0, row(1, 0, 1)));
    assert!(!day.restore(2, row(2, 0, 1)));
    assert!(!day.restore(1, row(1, 0, 1)));
    assert!(!book(&mut days, 1, row(1, 0, 1)), "the row is known");
    assert_eq!(rows(days.get(6).unwrap()), [(1, 0, 2)]);
}
