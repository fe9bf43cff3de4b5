//! The step `usage`: what was used, added up, over what is in memory and what stands in files.

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::storage::{Storage, UsageCycle, UsageError, UsageGroup, UsageKey, UsageQuery};

use super::fields::Fields;
use super::node::{Fault, Node};

/// Reads what is asked.
pub(super) fn query(fields: &mut Fields<'_>) -> Result<UsageQuery, Fault> {
    let mut query = UsageQuery {
        from: fields.take("from").map(date).transpose()?,
        to: fields.take("to").map(date).transpose()?,
        ..UsageQuery::default()
    };
    query.cycle = match fields.take("cycle") {
        None if query.from.is_some() || query.to.is_some() => UsageCycle::Any,
        None => UsageCycle::Present,
        Some(node) => match node.text("cycle")?.as_str() {
            "present" => UsageCycle::Present,
            "previous" => UsageCycle::Previous,
            "any" => UsageCycle::Any,
            other => {
                let problem = format!("cycle is `present`, `previous` or `any`, not {other:?}");
                return Err(node.fault(problem));
            }
        },
    };
    let mut filter = |key| {
        fields
            .text(key)
            .map(|text| text.map(String::into_boxed_str))
    };
    query.environment = filter("environment")?;
    query.user = filter("user")?;
    query.product = filter("product")?;
    query.model = filter("model")?;
    query.operation = filter("operation")?;
    if let Some(node) = fields.take("group_by") {
        for word in node.items("group_by")? {
            let text = word.text("group_by")?;
            let key = UsageKey::parse(&text).ok_or_else(|| {
                let known = UsageKey::ALL.map(UsageKey::name).join(", ");
                word.fault(format!(
                    "there is no {text:?} to group by; there are {known}"
                ))
            })?;
            query.group_by.push(key);
        }
    }
    Ok(query)
}

fn date(node: &Node) -> Result<NaiveDate, Fault> {
    let text = node.text("a date")?;
    text.parse()
        .map_err(|_| node.fault(format!("{text:?} is no date such as 2026-11-01")))
}

/// Asks, and shows each sum with the keys that it is grouped by.
pub(super) fn ask(
    engine: &Engine,
    storage: Option<&Storage>,
    query: &UsageQuery,
) -> Result<Vec<Value>, UsageError> {
    let groups = match storage {
        Some(storage) => storage.usage(engine, query)?,
        None => engine.usage_in_memory(query)?,
    };
    Ok(groups.iter().map(shown).collect())
}

fn shown(group: &UsageGroup) -> Value {
    let mut map = Map::new();
    for key in UsageKey::ALL {
        if let Some(value) = group.key(key) {
            map.insert(key.name().to_owned(), value.into());
        }
    }
    map.insert("credits".to_owned(), json!(group.credits));
    Value::Object(map)
}
