//! Questions about usage: wire types, and what stands behind a question mark, to questions; sums to rows.

use std::collections::BTreeSet;

use crate::engine::usage::{UsageCycle, UsageGroup, UsageKey, UsageQuery};
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::admin::{bad, day, known, optional, or_default};

/// The columns of the consumption report, in their order.
pub const COLUMNS: [UsageKey; 6] = [
    UsageKey::Day,
    UsageKey::User,
    UsageKey::Environment,
    UsageKey::Product,
    UsageKey::Model,
    UsageKey::Operation,
];

/// Values of one filter at most.
const VALUES_MAX: usize = 1_000;

/// A question, with the filters that name several values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What the books are asked; filters with one value are in it.
    pub query: UsageQuery,
    /// What is shown, in this order; the books may be asked for more.
    pub shown: Vec<UsageKey>,
    /// Only these values of a key, where there are several.
    pub among: Vec<(UsageKey, BTreeSet<Box<str>>)>,
}

impl Question {
    /// Whether a sum is one that is asked for.
    pub fn wants(&self, sum: &UsageGroup) -> bool {
        self.among.iter().all(|(key, values)| {
            let value = sum.key(*key).unwrap_or_default();
            values.contains(value.as_str())
        })
    }

    /// What is shown of a sum, as texts in the order asked for.
    pub fn texts(&self, sum: &UsageGroup) -> Vec<String> {
        let shown = self.shown.iter();
        shown.map(|&key| sum.key(key).unwrap_or_default()).collect()
    }

    /// Whether the books answer more than is shown, so that sums must be added up.
    pub fn adds_up(&self) -> bool {
        self.query.group_by.len() > self.shown.len()
    }
}

/// A question: filters, and what the sums are apart by.
pub fn question(
    filter: Option<&pb::UsageFilter>,
    shown: Vec<UsageKey>,
) -> Result<Question, Refusal> {
    let none = pb::UsageFilter::default();
    let filter = filter.unwrap_or(&none);
    let organization = or_default("filter.organization", &filter.organization)?;
    let mut question = Question {
        query: UsageQuery::of(organization.as_str()),
        shown,
        among: Vec::new(),
    };
    question.query.from = day("filter.from_day", &filter.from_day)?;
    question.query.to = day("filter.to_day", &filter.to_day)?;
    question.query.cycle = match known("filter.cycle", filter.cycle)? {
        pb::CycleChoice::Unspecified => UsageCycle::Any,
        pb::CycleChoice::Present => UsageCycle::Present,
        pb::CycleChoice::Previous => UsageCycle::Previous,
    };
    for (field, key, values) in [
        (
            "filter.environments",
            UsageKey::Environment,
            &filter.environments,
        ),
        ("filter.users", UsageKey::User, &filter.users),
        ("filter.products", UsageKey::Product, &filter.products),
        ("filter.models", UsageKey::Model, &filter.models),
        ("filter.operations", UsageKey::Operation, &filter.operations),
    ] {
        among(&mut question, field, key, values)?;
    }
    question.query.group_by = question.shown.clone();
    for (key, _) in &question.among {
        if !question.shown.contains(key) {
            question.query.group_by.push(*key);
        }
    }
    Ok(question)
}

fn among(
    question: &mut Question,
    field: &str,
    key: UsageKey,
    values: &[String],
) -> Result<(), Refusal> {
    if values.len() > VALUES_MAX {
        let count = values.len();
        return bad(
            field,
            format!("has {count} items; give at most {VALUES_MAX}"),
        );
    }
    for (index, value) in values.iter().enumerate() {
        optional(&format!("{field}[{index}]"), value)?;
    }
    let query = &mut question.query;
    let only = match (values, key) {
        ([], _) => return Ok(()),
        ([one], UsageKey::Environment) => (&mut query.environment, one),
        ([one], UsageKey::User) => (&mut query.user, one),
        ([one], UsageKey::Product) => (&mut query.product, one),
        ([one], UsageKey::Model) => (&mut query.model, one),
        ([one], UsageKey::Operation) => (&mut query.operation, one),
        (several, _) => {
            let values = several.iter().map(|it| it.as_str().into()).collect();
            question.among.push((key, values));
            return Ok(());
        }
    };
    *only.0 = Some(only.1.as_str().into());
    Ok(())
}

/// What sums are apart by; each key at most once.
pub fn keys(wire: &[i32]) -> Result<Vec<UsageKey>, Refusal> {
    let mut keys = Vec::new();
    for (index, &value) in wire.iter().enumerate() {
        let field = || format!("group_by[{index}]");
        let key = match known(&field(), value)? {
            pb::UsageKey::Day => UsageKey::Day,
            pb::UsageKey::Environment => UsageKey::Environment,
            pb::UsageKey::User => UsageKey::User,
            pb::UsageKey::Product => UsageKey::Product,
            pb::UsageKey::Model => UsageKey::Model,
            pb::UsageKey::Operation => UsageKey::Operation,
            pb::UsageKey::Unspecified => return bad(field(), "is missing; name a key"),
        };
        if keys.contains(&key) {
            return bad(
                field(),
                format!("{} stands there twice; keep one", key.name()),
            );
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The filter, and what the sums are apart by (all, if nothing is said), that stand behind the question mark of an address.
pub fn in_address(
    organization: &str,
    query: Vec<(String, String)>,
) -> Result<(pb::UsageFilter, Vec<UsageKey>), Refusal> {
    let mut filter = pb::UsageFilter {
        organization: organization.to_owned(),
        ..pb::UsageFilter::default()
    };
    let mut keys = Vec::new();
    for (name, value) in query {
        match name.as_str() {
            "from" => filter.from_day = value,
            "to" => filter.to_day = value,
            "cycle" => {
                filter.cycle = match value.as_str() {
                    "present" => pb::CycleChoice::Present,
                    "previous" => pb::CycleChoice::Previous,
                    _ => return bad("cycle", "write present or previous"),
                }
                .into();
            }
            "environment" => filter.environments.push(value),
            "user" => filter.users.push(value),
            "product" => filter.products.push(value),
            "model" => filter.models.push(value),
            "operation" => filter.operations.push(value),
            "group" => match UsageKey::parse(&value) {
                Some(key) if !keys.contains(&key) => keys.push(key),
                Some(_) => {}
                None => {
                    let known = UsageKey::ALL.map(UsageKey::name).join(", ");
                    return bad("group", format!("write one of {known}"));
                }
            },
            other => {
                return bad(
                    other,
                    "is not known; write from, to, cycle, environment, user, product, model, operation or group",
                );
            }
        }
    }
    // The columns stand in the order of the report, however they were asked for.
    let mut columns = COLUMNS.to_vec();
    columns.retain(|key| keys.is_empty() || keys.contains(key));
    Ok((filter, columns))
}

/// A sum as a row: `texts` in the order of `shown`.
pub fn answered_row(shown: &[UsageKey], texts: Vec<String>, credits: i64) -> pb::UsageRow {
    let mut row = pb::UsageRow {
        credits,
        ..pb::UsageRow::default()
    };
    for (key, text) in shown.iter().zip(texts) {
        let place = match key {
            UsageKey::Day => &mut row.day,
            UsageKey::Environment => &mut row.environment,
            UsageKey::User => &mut row.user,
            UsageKey::Product => &mut row.product,
            UsageKey::Model => &mut row.model,
            UsageKey::Operation => &mut row.operation,
        };
        *place = text;
    }
    row
}
