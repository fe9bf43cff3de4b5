//! What a step brings, as the fields that scenarios name.

use serde_json::{Map, Value, json};

use crate::engine::answer::{Balance, Committed, Decision, Denial, Reserved, Standing};

use super::expect::{Came, shown};

/// A step that was done and has nothing to tell.
pub(super) fn done() -> Came {
    Came::Answer(Map::new())
}

pub(super) fn came<T>(
    decision: Decision<T>,
    answer: impl FnOnce(&T) -> Map<String, Value>,
) -> Came {
    match decision {
        Decision::Granted(granted) => Came::Answer(answer(&granted)),
        Decision::Denied(denial) => Came::Denied(denied(&denial)),
    }
}

pub(super) fn reserved(reserved: &Reserved) -> Map<String, Value> {
    fields(
        &[("granted", json!(reserved.granted.get()))],
        &reserved.standing,
    )
}

pub(super) fn committed(committed: &Committed) -> Map<String, Value> {
    let first = [
        ("committed", json!(committed.committed.get())),
        ("returned", json!(committed.returned.get())),
        ("overrun", json!(committed.overrun.get())),
        ("late", json!(committed.late)),
    ];
    fields(&first, &committed.standing)
}

pub(super) fn fields(first: &[(&str, Value)], standing: &Standing) -> Map<String, Value> {
    let rest = [
        ("state", json!(standing.state.as_str())),
        ("used", json!(standing.used)),
        ("held", json!(standing.held)),
        ("limit", json!(standing.limit)),
        ("available", json!(standing.available)),
    ];
    first
        .iter()
        .chain(&rest)
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

pub(super) fn denied(denial: &Denial) -> Map<String, Value> {
    object(json!({
        "denied": denial.reason.as_str(),
        "account": denial.account.to_string(),
        "requested": denial.requested,
        "limit": denial.limit,
        "used": denial.used,
        "held": denial.held,
        "available": denial.available,
        "reset": shown(denial.reset),
        "state": denial.state.as_str(),
    }))
}

pub(super) fn balance(balance: &Balance) -> Map<String, Value> {
    object(json!({
        "used": balance.used,
        "held": balance.held,
        "limit": balance.limit,
        "base_used": balance.base_used,
        "extension_used": balance.extension_used,
        "overage_used": balance.overage_used,
        "overrun": balance.overrun,
        "available": balance.available,
        "percent": balance.percent,
        "base_percent": balance.base_percent,
        "state": balance.state.as_str(),
        "entitlement": balance.entitlement,
        "purchased": balance.sources.purchased(),
        "allocated": balance.allocated,
        "set_aside": balance.set_aside,
        "pool": balance.pool,
        "over_allocated_by": balance.over_allocated_by,
        "days_until_reset": balance.days_until_reset,
        "text": balance.text,
    }))
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
