//! What administrators are told of, and what the audit log keeps: waits in the books until it stands in the log of events.

use std::fmt;

use super::account::Account;
use super::cycle::CycleSpan;
use super::time::Timestamp;

/// Something that happened in an organization and that somebody outside hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A mark was reached: once per mark, account and cycle (section 7).
    Threshold {
        /// The account.
        account: Account,
        /// The mark in percent.
        percent: u32,
        /// When, by the wall clock.
        at: Timestamp,
        /// What the account had used, in credits.
        used: u64,
        /// Of how much.
        limit: u64,
        /// In which cycle.
        cycle: CycleSpan,
    },
    /// An extension was requested (section 3).
    Extension {
        /// When, by the wall clock.
        at: Timestamp,
        /// From when on it counts.
        usable: Timestamp,
        /// How much it adds.
        credits: u64,
        /// Who asked for it; empty if nobody said.
        by: Box<str>,
        /// For which cycle.
        cycle: CycleSpan,
    },
    /// A cycle ended, at its own end. What its open holds commit later is not in these figures.
    CycleClosed {
        /// Which.
        cycle: CycleSpan,
        /// Committed credits, without what trials paid.
        used: u64,
        /// Committed credits that trials paid.
        trial_used: u64,
        /// What there was to use.
        entitlement: u64,
        /// What rolls over into the next.
        rolled_over: u64,
    },
    /// Somebody changed something. For the audit log only: no sink is told.
    Audit(Box<Audit>),
}

/// One change, as the audit log keeps it. Never holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// Who: the name of the credential, or `plan file`.
    pub who: Box<str>,
    /// What was done: the name of the RPC, or `PlanFile`.
    pub action: Box<str>,
    /// The organization that it concerns; empty if it concerns all.
    pub organization: Box<str>,
    /// To what, such as `users/ana` or `rates/chat`; empty if it was the organization itself.
    pub target: Box<str>,
    /// How it was before, as it would stand in a plan file; empty if it was not there.
    pub before: Box<str>,
    /// How it is now; empty if it is gone.
    pub after: Box<str>,
    /// Why, in the words of who did it.
    pub why: Box<str>,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threshold {
                account, percent, ..
            } => write!(f, "{account} {percent}"),
            Self::Extension { .. } => f.write_str("extension"),
            Self::CycleClosed { .. } => f.write_str("cycle closed"),
            Self::Audit(audit) => write!(f, "{} by {}", audit.action, audit.who),
        }
    }
}
