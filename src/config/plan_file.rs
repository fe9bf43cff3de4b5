//! `plan.yaml`: what organizations bought and how it is shared out.

use std::borrow::Borrow;
use std::path::Path;

use serde_json::Value;

use crate::domain::plan::{self, ChangeRefused, Plan, PlanError};

use super::error::ConfigError;
use super::variables::Variables;
use super::yaml_position::{Tree, locate};
use super::{plan_checked, yaml};

/// The largest plan file, in bytes: 100,000 users take about 5 MB.
pub const PLAN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How a plan that stands in no file of its own is named in errors.
const INLINE: &str = "plan";

/// Reads and checks a plan file; `${VAR}` in values stands for this process's environment.
pub fn load(path: &Path) -> Result<Plan, ConfigError> {
    parse(&read_text(path)?, &path.display().to_string())
}

/// The text of a plan file.
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        ConfigError::of_file(
            &name,
            format!("cannot be read: {error}; check the path and its rights"),
        )
    })?;
    if bytes.len() > PLAN_BYTES_MAX {
        return Err(ConfigError::of_file(
            &name,
            "is larger than 64 MiB, the most that is read; split the organizations",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        ConfigError::of_file(
            &name,
            format!("is not UTF-8 (byte {at} is wrong); save it as UTF-8"),
        )
    })
}

/// Checks the text of a plan; `${VAR}` in values stands for this process's environment.
pub fn parse(text: &str, file_name: &str) -> Result<Plan, ConfigError> {
    parse_with(text, file_name, &Variables::of_process())
}

/// Checks the text of a plan; `${VAR}` in values stands for what `variables` say.
pub fn parse_with(text: &str, file_name: &str, variables: &Variables) -> Result<Plan, ConfigError> {
    let raw = yaml::read(text, file_name, variables, |_| None)?;
    plan_checked::plan(raw)
        .and_then(|plan| plan::check(&plan).map(|()| plan))
        .map_err(|errors| located(text, file_name, errors))
}

/// Checks what becomes of the plan in force with the text of a plan file: by itself the text was found to be right.
pub fn check_with(text: &str, file_name: &str, plan: &Plan) -> Result<(), ConfigError> {
    plan::check(plan).map_err(|errors| located(text, file_name, errors))
}

/// Checks a plan that stands inside another document, such as a scenario. Errors show it as it is after merging.
pub fn from_value(value: impl Borrow<Value>) -> Result<Plan, ConfigError> {
    // JSON is YAML: so a merged plan is checked, and shown in errors, just as a file is.
    parse_with(&format!("{:#}", value.borrow()), INLINE, &Variables::off())
}

/// Merges a partial plan into a plan (RFC 7386): mappings merge, `null` removes, everything else replaces; and a mapping
/// whose `mode` or `kind` changes starts anew.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() || becomes_another(target, changes) {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(entries) = target else {
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            entries.shift_remove(key);
        } else {
            merge_patch(entries.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Whether a change makes something of another kind: `overage` of another `mode`, `cycle` of another `kind`. What the
/// old kind was told means nothing to the new one, so it goes; RFC 7386 by itself would keep it.
fn becomes_another(target: &Value, changes: &serde_json::Map<String, Value>) -> bool {
    let differs = |tag: &&str| match (target.get(tag), changes.get(*tag)) {
        (Some(old), Some(new)) => old != new,
        _ => false,
    };
    ["mode", "kind"].iter().any(differs)
}

/// Why a plan that is well-formed was not accepted, with its place in the text.
pub fn refused(text: &str, file_name: &str, refusal: &ChangeRefused) -> ConfigError {
    let position = locate(text, &refusal.segments);
    ConfigError::in_text(
        file_name,
        text,
        [(position, format!("{}: {}", refusal.path, refusal.problem))],
    )
}

fn located(text: &str, file_name: &str, errors: Vec<PlanError>) -> ConfigError {
    let tree = Tree::parse(text);
    let mut problems: Vec<_> = errors
        .into_iter()
        .map(|error| {
            let position = tree.as_ref().and_then(|tree| tree.locate(&error.segments));
            (position, error.to_string())
        })
        .collect();
    problems.sort_by_key(|&(position, _)| position);
    ConfigError::in_text(file_name, text, problems)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
