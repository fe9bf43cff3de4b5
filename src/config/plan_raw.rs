//! The plan file as typed: every key that there is, nothing checked that needs more than one value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{Amount, Day, Instant, Small, Span, Truth, Whole, Zone};

/// The whole file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlan {
    /// The organizations by name. Requests that name none are for `default`.
    pub(super) organizations: Option<BTreeMap<String, RawOrganization>>,
    /// What operations cost, by operation.
    pub(super) rate_card: Option<BTreeMap<String, RawOperation>>,
    /// Classes of operations beside the built-in `run`, `maker` and `free`.
    pub(super) classes: Option<BTreeMap<String, RawClass>>,
    /// What add-ons and licences are worth; what is not named keeps its built-in figures.
    pub(super) catalogue: Option<RawCatalogue>,
}

/// An organization: what it bought, how it is shared out, and which rules hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrganization {
    /// A name for people.
    pub(super) display_name: Option<String>,
    /// A zone of the IANA database, in which days and cycles are counted. Default: UTC. A change counts from the next cycle on.
    pub(super) time_zone: Option<Zone>,
    /// When counters begin anew. Default: on the first of each month. A change counts from the next cycle on.
    pub(super) cycle: Option<RawCycle>,
    /// A power of ten, for display: 1000 shows one credit as 0.001. Default: 1.
    #[schemars(extend("minimum" = 1))]
    pub(super) scale: Option<Whole>,
    /// Whether environments without an allocation draw from the pool. Default: true.
    pub(super) allow_unallocated: Option<Truth>,
    /// How far the pool may be overdrawn. Default: not at all.
    pub(super) overage: Option<RawOverage>,
    /// What a commit above its reservation does. Default: record.
    pub(super) excess: Option<RawExcess>,
    /// Whether denials are enforced. Default: enforce.
    pub(super) enforcement: Option<RawEnforcement>,
    /// How many users may have a limit, for display. Default: no seat limit.
    pub(super) seats: Option<Whole>,
    /// Marks in percent of each account, ascending, 1 to 1,000; administrators are notified once per cycle. Default: 80 and 100.
    pub(super) thresholds: Option<Vec<Small>>,
    /// The terms of extensions.
    pub(super) extension: Option<RawExtension>,
    /// The terms of trials.
    pub(super) trial: Option<RawTrial>,
    /// What was bought.
    pub(super) grants: Option<Vec<RawGrant>>,
    /// Environments with an allocation of their own, by name.
    pub(super) environments: Option<BTreeMap<String, RawEnvironment>>,
    /// Users with a limit of their own, by name.
    pub(super) users: Option<BTreeMap<String, RawUser>>,
}

/// When cycles begin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCycle {
    /// Which rule.
    pub(super) kind: RawCycleKind,
    /// Of kind month: they begin at local midnight of this day, 1 to 31; in shorter months on the last day. Default: 1.
    #[schemars(extend("minimum" = 1, "maximum" = 31))]
    pub(super) anchor_day: Option<Whole>,
    /// Of kind days: they last so many days of 24 hours, 1 to 36,500.
    #[schemars(extend("minimum" = 1, "maximum" = 36500))]
    pub(super) days: Option<Small>,
    /// Of kind days: a moment at which one begins, with its offset from UTC.
    pub(super) from: Option<Instant>,
}

/// How cycles are counted.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawCycleKind {
    /// Months of the calendar.
    Month,
    /// A fixed number of days.
    Days,
}

/// How far a payer may go beyond its base.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverage {
    /// Which policy.
    pub(super) mode: RawOverageMode,
    /// Of mode soft: so many credits more, counted apart.
    pub(super) extra: Option<Amount>,
    /// Of mode grace: this percentage of the base more, rounded down.
    pub(super) margin_percent: Option<Small>,
}

/// A policy of overage.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawOverageMode {
    /// Not beyond the base.
    Hard,
    /// A number of credits beyond it.
    Soft,
    /// A percentage beyond it.
    Grace,
}

/// What a commit above its reservation does.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawExcess {
    /// It is booked, because the work has happened; what nothing covers is overrun.
    Record,
    /// It fails as a whole; the reservation stays.
    Reject,
}

/// Whether denials are enforced.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawEnforcement {
    /// What the rules do not cover is denied.
    Enforce,
    /// It is allowed, booked as overrun and counted.
    Shadow,
}

/// The terms of extensions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExtension {
    /// What one adds, in credits. Default: 200,000.
    pub(super) credits: Option<Amount>,
    /// How long after the request it is usable. Default: 10m.
    pub(super) delay: Option<Span>,
    /// Requests at most in a cycle. Default: 3.
    pub(super) per_cycle: Option<Small>,
    /// Requests at most in a calendar year of the organization's zone. Default: 12.
    pub(super) per_year: Option<Small>,
}

/// The terms of trials.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrial {
    /// What a period gives, in credits. Default: 200,000.
    pub(super) credits: Option<Amount>,
    /// Days of 24 hours that a period lasts. Default: 30.
    pub(super) days: Option<Small>,
    /// How often it may be renewed. Default: 2.
    pub(super) renewals: Option<Small>,
}

/// A grant. Which keys it has depends on its kind.
// One struct for all kinds, because a tagged enum would lose the positions of its fields.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGrant {
    /// What was bought.
    pub(super) kind: RawGrantKind,
    /// Of kind contract: credits a cycle.
    pub(super) credits: Option<Amount>,
    /// Of kind contract: unused credits may bring the total of the next cycle to so many times as much. Default: nothing rolls over.
    pub(super) rollover: Option<Small>,
    /// Of kind add_on and license: how many.
    pub(super) count: Option<Whole>,
    /// Of kind license: its name in the catalogue.
    pub(super) license: Option<String>,
    /// Of kind license: the local day on which it was bought.
    pub(super) purchased: Option<Day>,
    /// The first local day on which it counts. Default: it always has.
    pub(super) valid_from: Option<Day>,
    /// The last local day on which it counts, whole. Default: without end.
    pub(super) valid_until: Option<Day>,
}

/// What was bought.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawGrantKind {
    /// A number of credits a cycle.
    Contract,
    /// Add-ons of the catalogue.
    AddOn,
    /// Licences of the catalogue.
    License,
}

/// An environment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEnvironment {
    /// Credits set aside for it, a cycle. It then pays for everything in it and never falls back to the pool. Default: 0, none.
    pub(super) allocation: Option<Amount>,
    /// How far its allocation may be overdrawn. Default: not at all.
    pub(super) overage: Option<RawOverage>,
    /// Marks in percent of its own, ascending, 1 to 1,000. Default: the organization's.
    pub(super) thresholds: Option<Vec<Small>>,
}

/// A user.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUser {
    /// Credits set aside for the user, a cycle, and the user's cap.
    pub(super) limit: Amount,
    /// What happens at the limit. Default: hard.
    #[serde(rename = "type")]
    pub(super) kind: Option<RawLimitKind>,
    /// Marks in percent of the user's own, ascending, 1 to 1,000. Default: the organization's.
    pub(super) thresholds: Option<Vec<Small>>,
}

/// What happens at a user's limit.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawLimitKind {
    /// The user is blocked.
    Hard,
    /// The user is warned, and goes on from the pool.
    Soft,
}

/// What an operation costs: ceil(quantity x credits / per).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperation {
    /// Credits for each `per`. Needed unless the class is free.
    pub(super) credits: Option<Amount>,
    /// How much of the operation these credits are for. Default: 1.
    #[schemars(extend("minimum" = 1))]
    pub(super) per: Option<Whole>,
    /// `run`, `maker`, `free` or a declared class. Default: run.
    pub(super) class: Option<String>,
    /// The product that it is reported under where a request names none.
    pub(super) product: Option<String>,
}

/// A class of operations: one of the two keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClass {
    /// Whether it may use overage.
    pub(super) reaches_allowance: Option<Truth>,
    /// Whether it costs nothing and is never refused.
    pub(super) free: Option<Truth>,
}

/// What add-ons and licences are worth.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCatalogue {
    /// Credits of one add-on, a cycle. Default: 1,000,000.
    pub(super) add_on_credits: Option<Amount>,
    /// Licences by name; of a built-in one, what is not named keeps its figure.
    pub(super) licenses: Option<BTreeMap<String, RawLicense>>,
}

/// A licence.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLicense {
    /// Credits of one, a cycle.
    pub(super) credits: Option<Amount>,
    /// Credits of all together at most, in an organization.
    pub(super) cap: Option<Amount>,
    /// Whether the cap counts. Default: if a cap is given.
    pub(super) cap_enforced: Option<Truth>,
    /// Those that were bought before this day count 0.
    pub(super) counts_from: Option<Day>,
}
