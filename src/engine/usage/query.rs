//! Which usage rows somebody asks for, and how they are added up.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hashbrown::HashMap;

use super::view::{NamedRow, UsageDay};

/// What rows can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsageKey {
    /// The local day.
    Day,
    /// The environment.
    Environment,
    /// The user.
    User,
    /// The product.
    Product,
    /// The model.
    Model,
    /// The operation.
    Operation,
}

impl UsageKey {
    /// All, in the order in which groups are sorted.
    pub const ALL: [Self; 6] = [
        Self::Day,
        Self::Environment,
        Self::User,
        Self::Product,
        Self::Model,
        Self::Operation,
    ];

    /// The word for it: `day`, `environment` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Environment => "environment",
            Self::User => "user",
            Self::Product => "product",
            Self::Model => "model",
            Self::Operation => "operation",
        }
    }

    /// The key that a word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == word)
    }
}

/// Which cycle's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageCycle {
    /// Of every cycle.
    #[default]
    Any,
    /// Of the present one.
    Present,
    /// Of the one before.
    Previous,
}

/// A question about usage. By default: everything, in one sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Whose usage.
    pub organization: Box<str>,
    /// The first local day; `None` is the oldest that is kept.
    pub from: Option<NaiveDate>,
    /// The last local day, itself included; `None` is today.
    pub to: Option<NaiveDate>,
    /// Which cycle's rows. Where a cycle ends in mid-day, that day has rows of two.
    pub cycle: UsageCycle,
    /// Only this environment.
    pub environment: Option<Box<str>>,
    /// Only this user; the empty name is work for nobody in particular.
    pub user: Option<Box<str>>,
    /// Only this product; the empty name is none.
    pub product: Option<Box<str>>,
    /// Only this model; the empty name is none.
    pub model: Option<Box<str>>,
    /// Only this operation; the empty name is none.
    pub operation: Option<Box<str>>,
    /// What the sums are apart by; in any order.
    pub group_by: Vec<UsageKey>,
}

/// One sum. A key that was not grouped by is `None`; an empty name is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageGroup {
    /// The local day.
    pub day: Option<NaiveDate>,
    /// The environment.
    pub environment: Option<Box<str>>,
    /// The user; users that share a cell beyond the bound are `(folded)`.
    pub user: Option<Box<str>>,
    /// The product.
    pub product: Option<Box<str>>,
    /// The model.
    pub model: Option<Box<str>>,
    /// The operation; corrections are `(adjustment)`.
    pub operation: Option<Box<str>>,
    /// Credits, what trials paid with them. Below zero where corrections took back more than was used.
    pub credits: i64,
}

impl UsageGroup {
    /// What it has of a key; `None` if it was not grouped by it.
    pub fn key(&self, key: UsageKey) -> Option<String> {
        match key {
            UsageKey::Day => return self.day.map(|day| day.to_string()),
            UsageKey::Environment => &self.environment,
            UsageKey::User => &self.user,
            UsageKey::Product => &self.product,
            UsageKey::Model => &self.model,
            UsageKey::Operation => &self.operation,
        }
        .as_deref()
        .map(str::to_owned)
    }
}

impl UsageQuery {
    /// Everything of an organization, in one sum.
    pub fn of(organization: &str) -> Self {
        Self {
            organization: organization.into(),
            ..Self::default()
        }
    }

    /// Whether a day can have rows that are asked for, while this book is the present one.
    pub fn wants(&self, date: NaiveDate, book: u32, present: u32) -> bool {
        let is_in_cycle = match self.cycle {
            UsageCycle::Any => true,
            UsageCycle::Present => book == present,
            UsageCycle::Previous => book.checked_add(1) == Some(present),
        };
        is_in_cycle
            && self.from.is_none_or(|from| from <= date)
            && self.to.is_none_or(|to| date <= to)
    }

    /// The parts of a row's name that are filtered and grouped by, in the order of `NamedRow::names`.
    fn parts(&self) -> [(Option<&str>, bool); 5] {
        let groups = |key| self.group_by.contains(&key);
        [
            (self.environment.as_deref(), groups(UsageKey::Environment)),
            (self.user.as_deref(), groups(UsageKey::User)),
            (self.product.as_deref(), groups(UsageKey::Product)),
            (self.model.as_deref(), groups(UsageKey::Model)),
            (self.operation.as_deref(), groups(UsageKey::Operation)),
        ]
    }
}

/// A key with the parts that were grouped by.
type Key = (Option<NaiveDate>, [Option<Box<str>>; 5]);

/// No number of a name: this part was not grouped by.
const APART_BY_NOTHING: u32 = u32::MAX;

/// Sums of a question, as they grow.
#[derive(Debug, Default)]
pub struct Groups {
    sums: BTreeMap<Key, i64>,
}

impl Groups {
    /// Adds what is asked for of a day.
    pub fn add(&mut self, query: &UsageQuery, day: &UsageDay) {
        let parts = query.parts();
        let mut wanted = [None; 5];
        for (wanted, (filter, _)) in wanted.iter_mut().zip(parts) {
            let Some(filter) = filter else { continue };
            let Some(name) = day.names.iter().position(|name| **name == *filter) else {
                return;
            };
            *wanted = Some(super::super::slab::position(name));
        }
        let mut sums: HashMap<[u32; 5], i64> = HashMap::new();
        for row in &day.rows {
            let is_wanted =
                |(wanted, name): (&Option<u32>, &u32)| wanted.is_none_or(|it| it == *name);
            if !wanted.iter().zip(&row.names).all(is_wanted) {
                continue;
            }
            let mut key = row.names;
            for (part, (_, is_apart)) in key.iter_mut().zip(parts) {
                if !is_apart {
                    *part = APART_BY_NOTHING;
                }
            }
            add(sums.entry(key).or_default(), row.credits);
        }
        let date = query.group_by.contains(&UsageKey::Day).then_some(day.date);
        for (key, credits) in sums {
            let name = |part: u32| {
                let name = day.names.get(part as usize).cloned();
                (part != APART_BY_NOTHING).then(|| name.unwrap_or_default())
            };
            add(self.sums.entry((date, key.map(name))).or_default(), credits);
        }
    }

    /// The sums so far, sorted by their keys; goes on with none.
    pub fn take(&mut self) -> Vec<UsageGroup> {
        let sums = std::mem::take(&mut self.sums).into_iter();
        sums.map(|((day, names), credits)| {
            let [environment, user, product, model, operation] = names;
            UsageGroup {
                day,
                environment,
                user,
                product,
                model,
                operation,
                credits,
            }
        })
        .collect()
    }
}

/// Adds to a sum. Sums of whole books fit; those of damaged ones stay at the end of the range.
fn add(sum: &mut i64, credits: i64) {
    *sum = sum.saturating_add(credits);
}

impl NamedRow {
    /// A row of these names, as places in the day's list of names.
    pub fn new(names: [u32; 5], credits: i64) -> Self {
        Self { names, credits }
    }
}
