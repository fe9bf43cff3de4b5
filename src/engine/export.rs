//! The books as plain state and plain counters, so that the derivation (`domain::books`) can be held against them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::books::{Books, Cell, Counters, Payer, Tally, UserTally};
use crate::domain::names::Name;
use crate::domain::time::Timestamp;

use super::Engine;
use super::answer::EngineError;
use super::book::Book;
use super::cell::UserRow;
use super::organization::Organization;

impl Engine {
    /// The state of an organization's open books, the oldest first: the present cycle's and those that holds still need.
    pub fn export(&self, organization: Name<'_>) -> Result<Vec<Books>, EngineError> {
        let now = self.now().wall;
        self.read(organization, |it| {
            it.books.iter().map(|book| state(book, now)).collect()
        })
    }

    /// The counters of the same books, as they are kept.
    pub fn counters(&self, organization: Name<'_>) -> Result<Vec<Counters>, EngineError> {
        self.read(organization, |it| it.books.iter().map(counters).collect())
    }

    /// Everything that facts change, as text: two engines with the same books show the same.
    pub fn fingerprint(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            for organization in shard.organizations.iter() {
                show_organization(organization, &mut lines);
            }
            lines.extend(shard.holds.iter().map(|row| format!("{row:?}")));
            lines.push(format!(
                "shard {} open {} sequence {} horizon {:?} calendar {:?}",
                shard.number, shard.holds_open, shard.sequence, shard.horizon, shard.calendar,
            ));
        }
        let ids = self.shared.ids.iter().map(|it| (*it.key(), *it.value()));
        lines.push(format!("ids {:?}", ids.collect::<BTreeMap<_, _>>()));
        lines
    }

    fn read<T>(
        &self,
        organization: Name<'_>,
        read: impl FnOnce(&Organization) -> T,
    ) -> Result<T, EngineError> {
        let id = self.find(organization)?;
        let shard = self.shards[usize::from(id.shard)].lock();
        let found = shard.organizations.get(id.index as usize);
        found
            .map(read)
            .ok_or_else(|| EngineError::UnknownOrganization(organization.as_str().into()))
    }
}

fn show_organization(organization: &Organization, lines: &mut Vec<String>) {
    let trials = organization.trials.iter().map(|(_, it)| (&it.user, it));
    lines.push(format!(
        "{:?} {} {} trials {:?} extensions {:?} notices {:?}",
        organization.id,
        organization.name,
        organization.is_planned,
        trials.collect::<BTreeMap<_, _>>(),
        organization.extension_requests,
        organization.notices.iter().collect::<Vec<_>>(),
    ));
    lines.push(format!("days filed {}", organization.days.filed()));
    for day in organization.days.iter() {
        lines.push(format!(
            "day {} of book {} {} closed {}",
            day.number, day.book, day.date, day.is_closed
        ));
        lines.extend(day.rows().map(|row| format!("{row:?}")));
    }
    // A finished book goes as soon as nobody copies it; until then it says nothing any more.
    for book in organization.books.iter().skip(organization.finished()) {
        lines.push(format!(
            "book {} {:?} {:?} {:?} {:?} {:?} steps {:?} next {:?} rolled over {} pool share {} marks {} {} references {} \
             cells {} fired {:?} plan {:?}",
            book.number,
            book.span,
            book.calendar,
            book.totals,
            book.figures,
            book.extensions,
            book.timeline.steps(),
            book.next_step,
            book.rolled_over,
            book.pool_share,
            book.pool_mark,
            book.organization_mark,
            book.references,
            book.cells,
            book.fired.iter().collect::<Vec<_>>(),
            book.plan,
        ));
        lines.extend(book.environments.iter().map(|row| format!("{row:?}")));
        lines.extend(book.users.iter().map(|row| format!("{row:?}")));
        lines.extend(book.labels.iter().map(|row| format!("{row:?}")));
    }
}

fn state(book: &Book, now: Timestamp) -> Books {
    let figures = &book.figures;
    let mut books = Books::new(
        Arc::clone(&book.plan),
        book.span,
        figures.purchased.total(),
        book.rolled_over,
    );
    books.extension = book.extension_usable(now);
    for (_, row) in book.users.iter() {
        for cell in &row.cells {
            let Some(environment) = book.environments.get(cell.environment) else {
                continue;
            };
            let figures = Cell {
                used: cell.used,
                held: cell.held,
                trial_used: cell.trial_used,
                trial_held: cell.trial_held,
            };
            if !figures.is_empty() {
                books
                    .cells
                    .insert((environment.name.clone(), user_name(row)), figures);
            }
        }
    }
    for (_, row) in book.environments.iter().filter(|(_, row)| row.share > 0) {
        books
            .shares
            .insert(Payer::Environment(row.name.clone()), row.share);
    }
    if book.pool_share > 0 {
        books.shares.insert(Payer::Pool, book.pool_share);
    }
    books
}

fn counters(book: &Book) -> Counters {
    let totals = &book.totals;
    let environments = book.environments.iter().map(|(_, row)| {
        let tally = Tally {
            used: row.used,
            held: row.held,
        };
        (row.name.clone(), tally)
    });
    let users = book.users.iter().map(|(_, row)| {
        let UserRow {
            used,
            held,
            pool_used,
            pool_held,
            ..
        } = *row;
        (
            user_name(row),
            UserTally {
                used,
                held,
                pool_used,
                pool_held,
            },
        )
    });
    Counters {
        organization: Tally {
            used: totals.used,
            held: totals.held,
        },
        trials: Tally {
            used: totals.trial_used,
            held: totals.trial_held,
        },
        environments: environments
            .filter(|(_, tally)| *tally != Tally::default())
            .collect(),
        users: users
            .filter(|(_, tally)| *tally != UserTally::default())
            .collect(),
        pool_used: totals.pool_used,
        pool_drawn: totals.pool_drawn,
        base_drawn: totals.allocation_drawn + totals.set_aside_drawn,
        shares_sum: totals.shares,
    }
}

fn user_name(row: &UserRow) -> Option<Box<str>> {
    (!row.name.is_empty()).then(|| row.name.as_str().into())
}
