//! Random entries, each by itself: they need not fit each other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use chrono::NaiveDate;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::domain::account::Account;
use crate::domain::cycle::{Calendar, CycleSpan};
use crate::domain::fact::{Extension, Label, OrganizationId, Slot, Tag};
use crate::domain::plan::{OrganizationPlan, Purchased, Step};
use crate::domain::time::Timestamp;
use crate::engine::entry::{BookEntry, Cell, Entry, Figures, Notice, Period, Row, State, UsageRow};
use crate::storage::parts::arbitrary::{
    account, calendar, class, date, extension, label, name, notice, number, organization, period,
    place_in, rate, slot, small, span, tag, time,
};
use crate::storage::plan_code::arbitrary::organization_plan;

type Plan = Option<Arc<OrganizationPlan>>;

/// What an entry borrows from.
#[derive(Clone, Debug)]
pub(in crate::storage) enum Owned {
    Shard(u8, u64, Timestamp),
    Organization(OrganizationId, Box<str>, Plan, Vec<Timestamp>, u32),
    Notice(OrganizationId, Notice),
    Trial(OrganizationId, u32, Box<str>, Vec<Period>),
    Book(Book),
    Environment(OrganizationId, [u32; 2], Box<str>, u64),
    User(OrganizationId, [u32; 2], Box<str>, Vec<Cell>),
    Fired(OrganizationId, u32, Account, u32),
    Remembered(Slot, Row),
    Label(OrganizationId, [u32; 2], Label),
    Day(OrganizationId, [u32; 2], NaiveDate, bool),
    Usage(OrganizationId, [u32; 2], UsageRow),
}

/// What a book's entry borrows from.
#[derive(Clone, Debug)]
pub(in crate::storage) struct Book {
    organization: OrganizationId,
    number: u32,
    plan: Plan,
    span: CycleSpan,
    calendar: Calendar,
    steps: Vec<Step>,
    next_step: Timestamp,
    extensions: Vec<Extension>,
    figures: Figures,
    rolled_over: u64,
    pool_share: u64,
}

impl Owned {
    pub(in crate::storage) fn entry(&self) -> Entry<'_> {
        match self {
            Self::Shard(shard, sequence, horizon) => Entry::Shard {
                shard: *shard,
                sequence: *sequence,
                horizon: *horizon,
            },
            Self::Organization(organization, name, plan, requests, filed) => Entry::Organization {
                organization: *organization,
                name,
                plan: plan.as_ref(),
                extension_requests: requests,
                days_filed: *filed,
            },
            Self::Notice(organization, notice) => Entry::Notice {
                organization: *organization,
                notice,
            },
            Self::Trial(organization, number, user, periods) => Entry::Trial {
                organization: *organization,
                number: *number,
                user,
                periods,
            },
            Self::Book(book) => Entry::Book(book.entry()),
            Self::Environment(organization, [book, number], name, share) => Entry::Environment {
                organization: *organization,
                book: *book,
                number: *number,
                name,
                share: *share,
            },
            Self::User(organization, [book, number], name, cells) => Entry::User {
                organization: *organization,
                book: *book,
                number: *number,
                name,
                cells,
            },
            Self::Fired(organization, book, account, percent) => Entry::Fired {
                organization: *organization,
                book: *book,
                account,
                percent: *percent,
            },
            Self::Remembered(slot, row) => Entry::Remembered { slot: *slot, row },
            Self::Label(organization, [book, number], names) => Entry::Label {
                organization: *organization,
                book: *book,
                number: *number,
                names,
            },
            Self::Day(organization, [number, book], date, is_closed) => Entry::Day {
                organization: *organization,
                number: *number,
                book: *book,
                date: *date,
                is_closed: *is_closed,
            },
            Self::Usage(organization, [day, number], row) => Entry::Usage {
                organization: *organization,
                day: *day,
                number: *number,
                row,
            },
        }
    }
}

impl Book {
    fn entry(&self) -> BookEntry<'_> {
        BookEntry {
            organization: self.organization,
            number: self.number,
            span: self.span,
            calendar: self.calendar,
            plan: self.plan.as_ref(),
            steps: &self.steps,
            next_step: self.next_step,
            rolled_over: self.rolled_over,
            extensions: &self.extensions,
            figures: self.figures,
            pool_share: self.pool_share,
        }
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    prop_oneof![9 => Just(None), 1 => organization_plan().prop_map(|plan| Some(Arc::new(plan)))]
}

fn purchased() -> impl Strategy<Value = Purchased> {
    [number(), number(), number()].prop_map(|[contract, add_on, license]| Purchased {
        contract,
        add_on,
        license,
    })
}

fn step() -> impl Strategy<Value = Step> {
    (time(), purchased(), number()).prop_map(|(at, purchased, rollover_max)| Step {
        at,
        purchased,
        rollover_max,
    })
}

fn figures() -> impl Strategy<Value = Figures> {
    (purchased(), vec(number(), 5)).prop_map(|(purchased, numbers)| Figures {
        purchased,
        entitlement: numbers[0],
        allocated: numbers[1],
        set_aside: numbers[2],
        pool_base: numbers[3],
        pool_allowance: numbers[4],
    })
}

fn book() -> impl Strategy<Value = Book> {
    let of = (organization(), small(), plan(), span(), calendar());
    let lists = (vec(step(), 0..3), vec(extension(), 0..3));
    (of, lists, time(), figures(), [number(), number()]).prop_map(
        |(of, (steps, extensions), next_step, figures, [rolled_over, pool_share])| Book {
            organization: of.0,
            number: of.1,
            plan: of.2,
            span: of.3,
            calendar: of.4,
            steps,
            next_step,
            extensions,
            figures,
            rolled_over,
            pool_share,
        },
    )
}

fn cell() -> impl Strategy<Value = Cell> {
    let numbers = [number(), number(), number(), number()];
    (small(), numbers, any::<bool>()).prop_map(|(environment, numbers, is_booked)| {
        let [used, held, trial_used, trial_held] = numbers;
        Cell {
            environment,
            used,
            held,
            trial_used,
            trial_held,
            is_booked,
            ..Cell::default()
        }
    })
}

fn state() -> impl Strategy<Value = State> {
    let numbers = [number(), number(), number()];
    prop_oneof![
        3 => Just(State::Open),
        1 => Just(State::Expired),
        3 => (numbers, any::<bool>()).prop_map(|([committed, returned, overrun], late)| {
            State::Committed { committed, returned, overrun, late }
        }),
        1 => number().prop_map(|returned| State::Released { returned }),
        1 => number().prop_map(|overrun| State::Charged { overrun }),
        1 => slot().prop_map(|hold| State::Extension { hold }),
        1 => Just(State::Adjusted),
    ]
}

fn remembered() -> impl Strategy<Value = Owned> {
    let tagged = tag().prop_flat_map(|tag| (Just(tag), place_in(tag.slot.shard)));
    let numbers = [number(), number(), number()];
    let rest = (class(), option::of(rate()), 0..3_u8, any::<bool>(), small());
    (tagged, state(), numbers, [time(), time(), time()], rest).prop_map(
        |((tag, place), state, [granted, held, sequence], times, rest)| {
            let Tag {
                slot,
                id,
                chosen,
                fingerprint,
            } = tag;
            let [granted_expires, expires, settled] = times;
            let (class, rate, trial, is_same, generation) = rest;
            let row = Row {
                generation: if is_same { slot.generation } else { generation },
                state,
                place,
                id,
                chosen,
                fingerprint,
                granted,
                granted_expires,
                held,
                expires,
                sequence,
                class,
                rate,
                trial,
                settled,
            };
            Owned::Remembered(slot, row)
        },
    )
}

fn trial() -> impl Strategy<Value = Owned> {
    let period =
        (period(), number(), number()).prop_map(|(terms, used, held)| Period { terms, used, held });
    (organization(), small(), name(), vec(period, 0..3)).prop_map(
        |(organization, number, user, periods)| Owned::Trial(organization, number, user, periods),
    )
}

/// Any entry.
pub(in crate::storage) fn entry() -> impl Strategy<Value = Owned> {
    let of = organization;
    let rows = || [small(), small()];
    let usage_row =
        (rows(), small(), any::<i64>()).prop_map(|([environment, user], label, credits)| {
            UsageRow {
                environment,
                user,
                label,
                credits,
            }
        });
    prop_oneof![
        1 => (any::<u8>(), number(), time()).prop_map(|it| Owned::Shard(it.0, it.1, it.2)),
        1 => (of(), name(), plan(), vec(time(), 0..3), small())
            .prop_map(|it| Owned::Organization(it.0, it.1, it.2, it.3, it.4)),
        1 => (of(), notice()).prop_map(|it| Owned::Notice(it.0, it.1)),
        1 => (of(), rows(), label()).prop_map(|it| Owned::Label(it.0, it.1, it.2)),
        1 => (of(), rows(), date(), any::<bool>())
            .prop_map(|it| Owned::Day(it.0, it.1, it.2, it.3)),
        1 => (of(), rows(), usage_row).prop_map(|it| Owned::Usage(it.0, it.1, it.2)),
        1 => trial(),
        1 => book().prop_map(Owned::Book),
        1 => (of(), rows(), name(), number())
            .prop_map(|it| Owned::Environment(it.0, it.1, it.2, it.3)),
        3 => (of(), rows(), name(), vec(cell(), 0..4))
            .prop_map(|it| Owned::User(it.0, it.1, it.2, it.3)),
        1 => (of(), small(), account(), small())
            .prop_map(|it| Owned::Fired(it.0, it.1, it.2, it.3)),
        3 => remembered(),
    ]
}
