//! Whether a plan makes sense in itself: what can be said without knowing what was used.

use super::Plan;

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct PlanError {
    /// Where in the plan, such as `organizations.acme.grants.0.license`: keys and indexes, joined by dots. A key that holds
    /// a dot stands as it is, so read it with `segments`.
    pub path: String,
    /// The same, in parts.
    pub segments: Vec<String>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl PlanError {
    /// A problem at this place.
    pub fn new(segments: impl IntoIterator<Item = String>, problem: impl Into<String>) -> Self {
        let segments: Vec<_> = segments.into_iter().collect();
        Self {
            path: segments.join("."),
            segments,
            problem: problem.into(),
        }
    }
}

/// Everything that is wrong with a plan, as far as it can be said without knowing what was used.
pub fn check(plan: &Plan) -> Result<(), Vec<PlanError>> {
    let _ = plan;
    Ok(())
}
