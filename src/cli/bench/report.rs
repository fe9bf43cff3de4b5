//! What was measured, as it is printed.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::work::Measured;
use super::{Args, Output};

/// The shares that are printed, with their names for programs and for people.
const SHARES: [(&str, &str, f64); 5] = [
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p99", "p99", 0.99),
    ("p999", "p99.9", 0.999),
    ("p9999", "p99.99", 0.9999),
];

/// Names and values: what was asked for, how much was answered, how long it took.
pub(super) fn fields(args: &Args, measured: &Measured, output: Output) -> Map<String, Value> {
    let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    let (denied, failed) = (sum(&measured.denied), sum(&measured.failed));
    let operations = measured.granted + denied;
    let seconds = measured.lasted.as_secs_f64();
    let per_second = |count: u64| (seconds > 0.0).then(|| tenths(count as f64 / seconds));
    let calls = measured.latencies.len();
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("operation", json!(name(args.operation)));
    put("over", json!(name(args.over)));
    put("connections", json!(args.connections));
    put("in_flight", json!(args.in_flight));
    put("operations_per_call", json!(args.operations()));
    put("rate", json!(args.rate));
    put("seconds", json!(tenths(seconds)));
    put("calls", json!(calls));
    put("calls_per_second", json!(per_second(calls)));
    put("operations", json!(operations));
    put("operations_per_second", json!(per_second(operations)));
    put("granted", json!(measured.granted));
    put("denied", json!(denied));
    for (reason, count) in &measured.denied {
        put(&format!("denied_{}", reason.to_lowercase()), json!(count));
    }
    put("failed", json!(failed));
    if args.rate.is_some() {
        put("unsent", json!(measured.unsent));
    }
    for (short, long, value) in SHARES {
        let share = if output == Output::Table { long } else { short };
        let latency = measured.latencies.value_at_quantile(value);
        put(&format!("latency_{share}_us"), micros(calls, latency));
    }
    put("latency_max_us", micros(calls, measured.latencies.max()));
    fields
}

/// As it is typed.
fn name(value: impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|it| it.get_name().to_owned())
}

/// Nothing was measured if nothing was answered.
fn micros(calls: u64, nanos: u64) -> Value {
    if calls == 0 {
        return Value::Null;
    }
    json!(tenths(nanos as f64 / 1e3))
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
