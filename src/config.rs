//! Files as typed -> checked: `plan.yaml` and `quotad.yaml`.
//!
//! Every refusal shows `file:line:column: what happened; what to do`, the line of text and a caret under it.

mod error;
mod plan_checked;
pub mod plan_file;
mod plan_owned;
mod plan_raw;
mod scalar;
pub mod schema;
pub mod settings;
pub mod tokens;
pub mod units;
mod variables;
pub mod watch;
mod yaml;
pub mod yaml_position;

pub use error::{ConfigError, Problem};
pub use variables::Variables;

/// The plan of a sidecar that was given none: small, so that a newcomer soon meets a refusal.
pub const EXAMPLE_PLAN: &str = include_str!("config/example-plan.yaml");
