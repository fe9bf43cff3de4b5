//! What the engine answers. A denial is an answer; an error is a request that cannot be done.

use crate::domain::credits::Credits;
use crate::domain::fact::Label;
use crate::domain::plan::{ChangeRefused, LimitKind};
use crate::domain::rates::RateError;
use crate::domain::standing::State;
use crate::domain::time::Timestamp;

use super::order::Id;
use super::recorder::Receipt;

pub use crate::domain::account::Account;
pub use crate::domain::charge::Reason;
pub use crate::domain::notice::Notice;

/// How the account that binds most stands. Small: it is on every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The worst of the user (if limited) and the payer.
    pub state: State,
    /// Committed credits of the account that binds most.
    pub used: u64,
    /// Credits in its open holds.
    pub held: u64,
    /// Its limit.
    pub limit: u64,
    /// What another request like this one would be granted.
    pub available: u64,
    /// When the cycle ends.
    pub cycle_end: Timestamp,
}

/// Granted, or denied with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<T> {
    /// As asked.
    Granted(T),
    /// Refused by the rules.
    Denied(Box<Denial>),
}

/// Why credits were refused (section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The rule.
    pub reason: Reason,
    /// The account with the least headroom.
    pub account: Account,
    /// What was asked of it.
    pub requested: u64,
    /// Its limit.
    pub limit: u64,
    /// Its committed credits.
    pub used: u64,
    /// Its credits in open holds.
    pub held: u64,
    /// Exactly this much would be granted; one more would not.
    pub available: u64,
    /// When the cycle ends and counters start at zero.
    pub reset: Timestamp,
    /// Local calendar days until then.
    pub days_until_reset: u32,
    /// The organization's scale, by which people read the figures.
    pub scale: u64,
    /// The worst state, as in [`Standing`].
    pub state: State,
}

/// A hold was opened or extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Names the hold from now on.
    pub id: Id,
    /// Credits it holds.
    pub granted: Credits,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// How things stand now.
    pub standing: Standing,
    /// How far the record must be safe before this answer leaves.
    pub receipt: Receipt,
}

/// A hold was committed, or a charge was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Credits booked.
    pub committed: Credits,
    /// Credits of the hold that came back.
    pub returned: Credits,
    /// Of the booked ones, those that nothing covered.
    pub overrun: Credits,
    /// Whether the hold had expired.
    pub late: bool,
    /// How things stand now.
    pub standing: Standing,
    /// How far the record must be safe before this answer leaves.
    pub receipt: Receipt,
}

/// A hold was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Credits that came back.
    pub returned: Credits,
    /// How things stand now.
    pub standing: Standing,
    /// How far the record must be safe before this answer leaves.
    pub receipt: Receipt,
}

/// What a Reserve would answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What would be granted, or why not.
    pub decision: Decision<Credits>,
    /// How things stand now.
    pub standing: Standing,
}

/// How an account stands (section 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Whose.
    pub account: Account,
    /// Purchased credits in force, by source; of the organization only.
    pub sources: Sources,
    /// Committed, without what trials paid unless a trial pays now.
    pub used: u64,
    /// In open holds.
    pub held: u64,
    /// Entitlement, allocation, pool base, limit or trial; `None` for a user or environment without one.
    pub limit: Option<u64>,
    /// Of `used`, what the base paid.
    pub base_used: u64,
    /// Of `used`, what the extension paid.
    pub extension_used: u64,
    /// The rest of `used`.
    pub overage_used: u64,
    /// What is drawn beyond the reach.
    pub overrun: u64,
    /// Committed credits that trials paid; they count against nothing that was bought.
    pub trial_used: u64,
    /// What a `run` request there would be granted.
    pub available: u64,
    /// `floor(100 used / limit)`; `None` without a limit, or with one of zero.
    pub percent: Option<u64>,
    /// The same, at most 100.
    pub base_percent: Option<u64>,
    /// In one word.
    pub state: State,
    /// Purchased credits in force and what rolled over.
    pub entitlement: u64,
    /// The sum of the allocations.
    pub allocated: u64,
    /// The sum of the limits.
    pub set_aside: u64,
    /// Entitlement without allocations and limits, never below zero.
    pub pool: u64,
    /// By how much the set-asides exceed the entitlement.
    pub over_allocated_by: u64,
    /// Local calendar days until the cycle ends.
    pub days_until_reset: u32,
    /// When the cycle ends.
    pub cycle_end: Timestamp,
    /// `X of Y credits used (Z%)`, without a limit `X credits used`; with advice where there is some.
    pub text: String,
    /// What the user should do, if anything.
    pub advice: Option<String>,
}

/// Entitlement by source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sources {
    /// From contracts.
    pub contract: u64,
    /// From add-ons.
    pub add_on: u64,
    /// From licences.
    pub license: u64,
    /// Rolled over into this cycle.
    pub rolled_over: u64,
    /// Extensions that are usable now. Not purchased, and not part of the entitlement.
    pub extension: u64,
}

impl Sources {
    /// Contracts, add-ons and licences.
    pub fn purchased(&self) -> u64 {
        self.contract + self.add_on + self.license
    }
}

/// An administrator's change was made, or had been made before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed<T> {
    /// What it brought.
    pub value: T,
    /// How far the record must be safe before this answer leaves.
    pub receipt: Receipt,
}

/// A plan is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanChanged {
    /// Whether it is another than before.
    pub is_changed: bool,
    /// How far the record must be safe before this answer leaves.
    pub receipt: Receipt,
}

/// A hold that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// Names it.
    pub id: Id,
    /// Where the work runs.
    pub environment: Box<str>,
    /// Who it is done for; empty if the request named nobody, or shares a cell with others.
    pub user: Box<str>,
    /// What the work is called.
    pub label: Label,
    /// Credits it holds.
    pub held: u64,
    /// When it was made, or last extended.
    pub made: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
}

/// Some of an organization's open holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenHolds {
    /// In no order that means anything.
    pub holds: Vec<OpenHold>,
    /// Where to go on; `None` after the last.
    pub next: Option<u32>,
}

/// How one of several accounts stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountBalance {
    /// The account, and its figures.
    pub balance: Balance,
    /// What happens at a user's limit; `None` for other accounts, and for a user with a trial and no limit.
    pub kind: Option<LimitKind>,
}

/// Some of an organization's accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The organization, the pool, environments by name, users by name.
    pub accounts: Vec<AccountBalance>,
    /// The last of them, after which to go on; `None` if there are no more.
    pub next: Option<Account>,
}

/// A request that cannot be done. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// `INVALID_ARGUMENT`: a field is wrong.
    #[error("{field}: {problem}")]
    Invalid {
        /// Path of the field in the request, such as `cost.usage.operation`.
        field: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// `NOT_FOUND`: no such organization.
    #[error("organization {0:?} is not in the plan; add it, or send the name of one that is")]
    UnknownOrganization(Box<str>),
    /// `NOT_FOUND`: no such hold.
    #[error(
        "reservation {0} is unknown: it was never made here, or it was settled too long ago to be remembered"
    )]
    UnknownReservation(String),
    /// `FAILED_PRECONDITION`: it happened otherwise before, or the moment is wrong.
    #[error("{0}")]
    Precondition(String),
    /// `FAILED_PRECONDITION`: the plan cannot be changed so.
    #[error("{0}")]
    Refused(#[from] ChangeRefused),
    /// `RESOURCE_EXHAUSTED`, reason `RESOURCE_LIMIT`: an administrator's change has no room on the disk.
    #[error(
        "the disk has no room to record this change, so nothing was changed; free some, and send it again"
    )]
    NoRoom,
    /// `UNAVAILABLE`: what happened could not be recorded; the process is about to end.
    #[error("the journal failed; nothing more is acknowledged")]
    Unrecorded,
}

impl From<RateError> for EngineError {
    fn from(error: RateError) -> Self {
        let field = match error {
            RateError::UnknownOperation(_) => "cost.usage.operation",
            RateError::TooMuch => "cost.usage.quantity",
        };
        Self::Invalid {
            field,
            problem: error.to_string(),
        }
    }
}
