//! What callers ask of the engine: names already checked, texts borrowed from the message.

use std::time::Duration;

use crate::domain::credits::Credits;
use crate::domain::names::Name;
use crate::domain::notice::Audit;
use crate::domain::plan::{Excess, Plan};
use crate::domain::rates::Cost;

pub use crate::domain::fact::Id;

/// A hold lives this long where the request says nothing.
pub const HOLD_TTL_DEFAULT: Duration = Duration::from_secs(60);

/// The longest time to live, from now on.
pub const HOLD_TTL_MAX: Duration = Duration::from_secs(3_600);

/// Who asks, and for what work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject<'a> {
    /// The tenant.
    pub organization: Name<'a>,
    /// Where the work runs.
    pub environment: Name<'a>,
    /// Who it is done for.
    pub user: Option<Name<'a>>,
    /// Reported on.
    pub product: Option<Name<'a>>,
    /// Reported on.
    pub model: Option<Name<'a>>,
}

impl<'a> Subject<'a> {
    /// A subject without product and model.
    pub fn new(organization: Name<'a>, environment: Name<'a>, user: Option<Name<'a>>) -> Self {
        Self {
            organization,
            environment,
            user,
            product: None,
            model: None,
        }
    }
}

/// Keep credits for work that begins now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve<'a> {
    /// Who asks.
    pub subject: Subject<'a>,
    /// How much is wanted.
    pub cost: Cost<'a>,
    /// If given, less will do, down to the greater of this and 1.
    pub min: Option<Credits>,
    /// From 1 ns to [`HOLD_TTL_MAX`]; `None` is [`HOLD_TTL_DEFAULT`].
    pub ttl: Option<Duration>,
    /// The caller's own id, which makes a retry safe.
    pub id: Option<Id>,
}

/// What the work really used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actual {
    /// So many credits.
    Amount(Credits),
    /// So much of the operation that was reserved, at the rate of the reservation.
    Quantity(u64),
}

/// Book what the work really used; the hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The hold.
    pub id: Id,
    /// What was used.
    pub actual: Actual,
    /// What to do above the hold; the stricter of this and the plan's counts.
    pub excess: Excess,
}

/// Hold more, or longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extend {
    /// The hold.
    pub id: Id,
    /// Credits to add.
    pub additional: Credits,
    /// The new time to live from now on; the hold never lives shorter than before. `None` leaves it.
    pub ttl: Option<Duration>,
    /// An extension repeated with the same id adds once.
    pub request_id: Option<Id>,
}

/// Reserve and commit in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge<'a> {
    /// Who asks.
    pub subject: Subject<'a>,
    /// How much was used.
    pub cost: Cost<'a>,
    /// The same request is charged once.
    pub id: Option<Id>,
}

/// Ask what a Reserve would answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check<'a> {
    /// Who asks.
    pub subject: Subject<'a>,
    /// How much is wanted.
    pub cost: Cost<'a>,
    /// As in [`Reserve`].
    pub min: Option<Credits>,
}

/// Who changes something, and why: goes with every administrator's call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Act<'a> {
    /// The name of the credential, or `plan file`. Empty: then nothing is audited.
    pub who: &'a str,
    /// What is done: the name of the RPC, or `PlanFile`.
    pub action: &'a str,
    /// To what, such as `users/ana`; empty if it is the organization itself. Changes of the plan name their entries instead.
    pub target: &'a str,
    /// Why, in the words of who does it; at most [`WHY_BYTES_MAX`].
    pub why: &'a str,
    /// The caller's id: the same request again is answered as before, and nothing is done twice. Changes of the plan need
    /// none: done again, they change nothing.
    pub request_id: Option<Id>,
}

/// The longest reason for a change, in bytes.
pub const WHY_BYTES_MAX: usize = 1_024;

/// A plan that is to be put in force, and what the audit log says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The whole plan. Must have passed `domain::plan::check`.
    pub plan: Plan,
    /// One for each change; when it happens (`at`) is filled in.
    pub audits: Vec<Audit>,
}

/// Which balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// The organization.
    Organization,
    /// One environment.
    Environment(Name<'a>),
    /// One user.
    User(Name<'a>),
}
