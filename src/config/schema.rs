//! JSON Schemas of the files, generated from what is read: editors complete by them, and checks before a rollout use them.
//!
//! They say what a single value may be; what needs more than one value (a limit above the entitlement) only `quotad check`
//! finds. A key without a value is refused by them, although it is read as if it were not there: it is usually forgotten.

mod scalars;

use schemars::Schema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::plan_raw::RawPlan;
use super::{settings as settings_file, tokens as tokens_file};
use scalars::Variable;

/// Of the plan file.
pub fn plan() -> Value {
    let schema = generator().into_root_schema_for::<RawPlan>();
    let about = "What organizations bought and how it is shared out (quotad, plan.yaml).";
    finished(schema, "quotad plan", about)
}

/// Of `quotad.yaml`.
pub fn settings() -> Value {
    let schema = settings_file::schema(generator());
    let about = "How the sidecar itself runs (quotad.yaml). Paths are relative to the file.";
    finished(schema, "quotad settings", about)
}

/// Of the tokens file.
pub fn tokens() -> Value {
    let schema = tokens_file::schema(generator());
    let about = "Who may administer the sidecar (management.tokens_file). Keep this file secret.";
    finished(schema, "quotad tokens", about)
}

fn generator() -> SchemaGenerator {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    // Words such as `hard` may be variables too; see `with_variables`.
    generator.subschema_for::<Variable>();
    generator
}

fn finished(schema: Schema, title: &str, about: &str) -> Value {
    let mut value = schema.to_value();
    tidied(&mut value);
    if let Value::Object(object) = &mut value {
        object.insert("title".to_owned(), json!(title));
        object.insert("description".to_owned(), json!(about));
        if let Some(Value::Object(definitions)) = object.get_mut("$defs") {
            let named = std::mem::take(definitions);
            definitions.extend(named.into_iter().map(|(name, it)| (short(&name), it)));
        }
    }
    value
}

/// Without what only the types of this program need: values that are absent, and the names of types as they are typed.
fn tidied(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidied),
        Value::Object(object) => {
            object.values_mut().for_each(tidied);
            without_null(object);
            without_width(object);
            with_variables(object);
            if let Some(Value::String(reference)) = object.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/$defs/{}", short(name));
            }
        }
        _ => {}
    }
}

fn short(name: &str) -> String {
    name.strip_prefix("Raw").unwrap_or(name).to_owned()
}

/// A key that may be left out is one thing, a key without a value another.
fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(any)) = object.get_mut("anyOf") else {
        return;
    };
    any.retain(|it| *it != json!({"type": "null"}));
    if let [Value::Object(only)] = &any[..] {
        let only = only.clone();
        object.remove("anyOf");
        object.extend(only);
    }
}

/// How many bits a number has here is nobody's concern; its bounds are said.
fn without_width(object: &mut Map<String, Value>) {
    if object.get("type").is_some_and(|it| it == "integer") {
        object.remove("format");
    }
}

/// A choice of words may also be a variable.
fn with_variables(object: &mut Map<String, Value>) {
    let variable = json!({"$ref": "#/$defs/Variable"});
    if let Some(Value::Array(words)) = object.get_mut("oneOf") {
        words.push(variable);
    } else if let Some(words) = object.remove("enum") {
        object.remove("type");
        object.insert("anyOf".to_owned(), json!([{"enum": words}, variable]));
    }
}
