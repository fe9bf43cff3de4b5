//! Files as typed -> checked: `plan.yaml` and `quotad.yaml`.
//!
//! Every refusal shows `file:line:column: what happened; what to do`, the line of text and a caret under it.

mod error;
mod plan_checked;
pub mod plan_file;
mod plan_raw;
mod scalar;
pub mod units;
mod variables;
mod yaml;
pub mod yaml_position;

pub use error::{ConfigError, Problem};
pub use variables::Variables;
