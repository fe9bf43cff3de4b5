//! Whether a change of the plan is allowed, judged on its result (section 4, "Changing the plan").

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ChangeRefused {
    /// Where in the plan, such as `organizations.acme.users.z.limit`.
    pub path: String,
    /// What is wrong, with the figure that is possible.
    pub problem: String,
}
