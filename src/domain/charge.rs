//! Pots and an amount: draws, or a denial that says why; and the way back (section 5).

/// Why credits were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The reach is used up.
    QuotaExceeded,
    /// The class stopped it: `run` would have been granted the same amount there.
    OverageBlocked,
    /// Entitlement 0 and no trial; or unallocated use is off and the user has no limit.
    EntitlementNotAvailable,
    /// The user's trial has nothing left.
    TrialExhausted,
    /// The user's trial is over.
    TrialExpired,
    /// The sidecar's own bounds.
    ResourceLimit,
}

impl Reason {
    /// As the interface spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::OverageBlocked => "OVERAGE_BLOCKED",
            Self::EntitlementNotAvailable => "ENTITLEMENT_NOT_AVAILABLE",
            Self::TrialExhausted => "TRIAL_EXHAUSTED",
            Self::TrialExpired => "TRIAL_EXPIRED",
            Self::ResourceLimit => "RESOURCE_LIMIT",
        }
    }
}
