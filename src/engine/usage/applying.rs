//! How facts change labels, days and rows. No decisions and no clock.

use std::sync::Arc;

use crate::domain::fact::{Fact, Place};

use super::super::cell::LastRow;
use super::super::gauges::count;
use super::super::shard::{Shard, shift};
use super::UsageRow;

impl Shard {
    /// Adds to the row of a place.
    pub(in super::super) fn add_usage(&mut self, place: &Place, credits: i64) {
        let Some(organization) = self.organization(place.organization) else {
            return;
        };
        let row = row_of(place, credits);
        let booked = organization.days.book(place.book, row, LastRow::default());
        if booked.is_some_and(|(_, is_new)| is_new) {
            count(&self.shared.stats.usage_rows);
        }
    }

    /// Facts about labels and days.
    pub(in super::super) fn turn_usage(&mut self, fact: &Fact) {
        let shared = Arc::clone(&self.shared);
        let stats = &shared.stats;
        match fact {
            Fact::Labelled {
                organization,
                book,
                label,
                names,
            } => self.with(*organization, |it| {
                let book = it.book_mut(*book);
                if book.is_some_and(|book| book.labels.insert(*label, (**names).clone())) {
                    count(&stats.labels);
                }
            }),
            Fact::DayOpened {
                organization,
                book,
                day,
                date,
            } => self.with(*organization, |it| {
                let Some(calendar) = it.book(*book).map(|book| book.calendar) else {
                    return;
                };
                if it.days.open(*day, *book, *date, &calendar)
                    && let Some(book) = it.book_mut(*book)
                {
                    book.references += 1;
                }
            }),
            Fact::DaysClosed { organization } => self.with(*organization, |it| {
                shift(&stats.days_to_file, 0, it.days.close());
            }),
            Fact::DaysFiled {
                organization,
                before,
            } => self.with(*organization, |it| {
                let mut filed = Vec::new();
                it.days
                    .file(*before, |day| filed.push((day.book, day.len())));
                for (book, rows) in filed {
                    shift(&stats.usage_rows, rows.into(), 0);
                    shift(&stats.days_to_file, 1, 0);
                    if let Some(book) = it.book_mut(book) {
                        book.references = book.references.saturating_sub(1);
                    }
                }
            }),
            _ => {}
        }
    }
}

/// What is booked in a place, as a usage row.
pub(in super::super) fn row_of(place: &Place, credits: i64) -> UsageRow {
    UsageRow {
        environment: place.environment,
        user: place.user,
        label: place.label,
        credits,
    }
}
