//! Whether a plan makes sense in itself: what can be said without knowing what was used.

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
