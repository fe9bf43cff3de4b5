//! What an organization bought and how it is shared out (sections 3 to 5 of the rule book): data, checked as a whole.
//!
//! `plan/entitlement.rs` says what is in force when; `plan/check.rs` refuses plans that contradict themselves;
//! `plan/change.rs` judges a change against what has been used. `plan/owned.rs` says what the plan file owns,
//! `plan/edit.rs` changes the rest entry by entry, `plan/diff.rs` and `plan/text.rs` tell people what has changed.

mod change;
mod check;
mod diff;
pub mod edit;
mod entitlement;
mod entry;
mod file_text;
mod owned;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

pub use change::{ChangeRefused, DrawnBy, Footing, judge};
pub use check::{PlanError, check};
pub use diff::{Difference, Ownership, diff};
pub use entitlement::{Purchased, Step, Timeline};
pub use entry::{Entry, Part, Setting};
pub use file_text::file_text;
pub use owned::{Owned, OwnedOrganization};
pub use text::{etag, plan_etag, settings_etag, text};

use super::credits::Credits;
use super::cycle::Calendar;
use super::rates::RateCard;

/// Everything that is declared: organizations and the rate card they share.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Plan {
    /// The organizations by name. A request for any other is answered `NOT_FOUND`.
    pub organizations: BTreeMap<Box<str>, Arc<OrganizationPlan>>,
    /// What operations cost, with the classes.
    pub rate_card: Arc<RateCard>,
    /// What licences and add-ons are worth.
    pub catalogue: Arc<Catalogue>,
    /// What the plan file names, so that nobody else changes it.
    pub owned: Arc<Owned>,
}

/// One organization's part of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct OrganizationPlan {
    /// For people; empty if none was given.
    pub display_name: String,
    /// When cycles begin, and in which zone days are counted. A change takes effect at the next boundary.
    pub calendar: Calendar,
    /// A power of ten: `1000` shows one credit as 0.001.
    pub scale: u64,
    /// Whether environments without an allocation draw from the pool.
    pub allow_unallocated: bool,
    /// How far the pool may be overdrawn.
    pub overage: Overage,
    /// What a commit above its hold does.
    pub excess: Excess,
    /// Whether denials are enforced, or only counted.
    pub enforcement: Enforcement,
    /// Shown against the number of users named; `None` if there is no seat limit.
    pub seats: Option<u64>,
    /// Marks in percent, ascending, of limit, allocation, pool base and entitlement.
    pub thresholds: Thresholds,
    /// The terms of extensions.
    pub extension: ExtensionTerms,
    /// The terms of trials.
    pub trial: TrialTerms,
    /// Where credits come from.
    pub grants: Vec<Grant>,
    /// The environments that the plan names.
    pub environments: BTreeMap<Box<str>, EnvironmentPlan>,
    /// The users that have a limit.
    pub users: BTreeMap<Box<str>, UserPlan>,
}

impl Default for OrganizationPlan {
    fn default() -> Self {
        Self {
            display_name: String::new(),
            calendar: Calendar::default(),
            scale: 1,
            allow_unallocated: true,
            overage: Overage::Hard,
            excess: Excess::Record,
            enforcement: Enforcement::Enforce,
            seats: None,
            thresholds: Thresholds::default(),
            extension: ExtensionTerms::default(),
            trial: TrialTerms::default(),
            grants: Vec::new(),
            environments: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }
}

impl OrganizationPlan {
    /// The sum of all allocations.
    pub fn allocated(&self) -> u64 {
        self.environments
            .values()
            .map(|environment| environment.allocation.get())
            .sum()
    }

    /// The sum of all limits.
    pub fn set_aside(&self) -> u64 {
        self.users.values().map(|user| user.limit.get()).sum()
    }

    /// The allocation of an environment; zero is none.
    pub fn allocation(&self, environment: &str) -> u64 {
        self.environments
            .get(environment)
            .map_or(0, |it| it.allocation.get())
    }

    /// The limit of a user, if there is one.
    pub fn user(&self, user: &str) -> Option<&UserPlan> {
        self.users.get(user)
    }
}

/// An environment that the plan names.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct EnvironmentPlan {
    /// Credits set aside for the environment. Zero is none: it then draws from the pool.
    pub allocation: Credits,
    /// How far the allocation may be overdrawn.
    pub overage: Overage,
    /// Marks of its own, instead of the organization's.
    pub thresholds: Option<Thresholds>,
}

/// A user with a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct UserPlan {
    /// Credits set aside for the user, and that user's cap.
    pub limit: Credits,
    /// Whether the cap blocks or warns.
    pub kind: LimitKind,
    /// Marks of the user's own, instead of the organization's.
    pub thresholds: Option<Thresholds>,
}

/// What happens at a user's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LimitKind {
    /// The user is blocked there, everywhere.
    #[default]
    Hard,
    /// The user is warned and goes on from the pool.
    Soft,
}

/// How far a payer may go beyond its base (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overage {
    /// Not at all.
    #[default]
    Hard,
    /// By this many credits, counted apart.
    Soft(Credits),
    /// By this percentage of the base, rounded down.
    Grace(u32),
}

impl Overage {
    /// The allowance on this base, in credits.
    pub fn allowance(self, base: u64) -> u64 {
        match self {
            Self::Hard => 0,
            Self::Soft(extra) => extra.get(),
            Self::Grace(percent) => {
                let margin = u128::from(base) * u128::from(percent) / 100;
                u64::try_from(margin)
                    .unwrap_or(u64::MAX)
                    .min(Credits::MAX.get())
            }
        }
    }
}

/// What a commit above its hold does with what nothing covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Excess {
    /// Books it as overrun: the work happened.
    #[default]
    Record,
    /// Fails as a whole; the hold stays.
    Reject,
}

/// Whether the plan is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Enforcement {
    /// What the rules do not cover is denied.
    #[default]
    Enforce,
    /// What would be denied is allowed, booked as overrun and counted.
    Shadow,
}

/// Marks in percent, ascending, without repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds(pub Vec<u32>);

impl Default for Thresholds {
    fn default() -> Self {
        Self(vec![80, 100])
    }
}

/// The terms of extensions (section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionTerms {
    /// How much one request adds.
    pub credits: Credits,
    /// How long after the request it becomes usable.
    pub delay: Duration,
    /// Requests at most in a cycle.
    pub per_cycle: u32,
    /// Requests at most in a calendar year of the organization's zone.
    pub per_year: u32,
}

impl Default for ExtensionTerms {
    fn default() -> Self {
        Self {
            credits: Credits::saturating(200_000),
            delay: Duration::from_secs(600),
            per_cycle: 3,
            per_year: 12,
        }
    }
}

/// The terms of trials (section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialTerms {
    /// How much one period gives.
    pub credits: Credits,
    /// How many days of 24 hours a period lasts.
    pub days: u32,
    /// How often it may be renewed.
    pub renewals: u32,
}

impl Default for TrialTerms {
    fn default() -> Self {
        Self {
            credits: Credits::saturating(200_000),
            days: 30,
            renewals: 2,
        }
    }
}

/// A source of purchased credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What was bought.
    pub kind: GrantKind,
    /// The first local day on which it counts; `None`: always has.
    pub valid_from: Option<NaiveDate>,
    /// The last local day on which it counts, whole; `None`: without end.
    pub valid_until: Option<NaiveDate>,
}

/// What was bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// So many credits a cycle; with rollover `k`, unused ones may bring the total to `k` times as much.
    Contract {
        /// Credits a cycle.
        credits: Credits,
        /// At least 1; `None` is no rollover.
        rollover: Option<u32>,
    },
    /// So many times the catalogue's add-on.
    AddOn {
        /// How many were bought.
        count: u64,
    },
    /// So many seats of a licence of the catalogue.
    License {
        /// Its name in the catalogue.
        license: Box<str>,
        /// How many were bought.
        count: u64,
        /// The day they were bought; some licences count only from a day on.
        purchased: Option<NaiveDate>,
    },
}

/// What licences and add-ons are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Credits of one add-on a cycle.
    pub add_on_credits: Credits,
    /// Licences by name.
    pub licenses: BTreeMap<Box<str>, License>,
}

/// What one licence is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct License {
    /// Credits of one seat a cycle.
    pub credits: Credits,
    /// At most so many for all seats of an organization together.
    pub cap: Option<Credits>,
    /// Whether the cap is enforced, or only known.
    pub cap_enforced: bool,
    /// Seats bought before this day count nothing.
    pub counts_from: Option<NaiveDate>,
}

impl Default for Catalogue {
    /// The figures of section 3 of the rule book.
    fn default() -> Self {
        const MILLION: u64 = 1_000_000;
        let mut licenses = BTreeMap::new();
        for (name, credits, cap, cap_enforced) in [
            ("power-apps-premium", 500, MILLION, true),
            ("power-apps-per-app", 250, MILLION, true),
            ("power-automate-premium", 5_000, MILLION, false),
            ("power-automate-process", 5_000, MILLION, true),
            ("power-automate-hosted-rpa", 5_000, MILLION, false),
            ("power-automate-unattended-rpa", 5_000, MILLION, false),
            ("dynamics-365-fo", 20_000, 20_000, true),
        ] {
            let counts_from = match name {
                "power-apps-per-app" => NaiveDate::from_ymd_opt(2022, 11, 1),
                _ => None,
            };
            licenses.insert(
                name.into(),
                License {
                    credits: Credits::saturating(credits),
                    cap: Some(Credits::saturating(cap)),
                    cap_enforced,
                    counts_from,
                },
            );
        }
        Self {
            add_on_credits: Credits::saturating(MILLION),
            licenses,
        }
    }
}
