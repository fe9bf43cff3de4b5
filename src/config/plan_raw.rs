//! The plan file as typed: every key that there is, nothing checked that needs more than one value.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::scalar::{Amount, Day, Instant, Small, Span, Truth, Whole, Zone};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlan {
    pub(super) organizations: Option<BTreeMap<String, RawOrganization>>,
    pub(super) rate_card: Option<BTreeMap<String, RawOperation>>,
    pub(super) classes: Option<BTreeMap<String, RawClass>>,
    pub(super) catalogue: Option<RawCatalogue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrganization {
    pub(super) display_name: Option<String>,
    pub(super) time_zone: Option<Zone>,
    pub(super) cycle: Option<RawCycle>,
    pub(super) scale: Option<Whole>,
    pub(super) allow_unallocated: Option<Truth>,
    pub(super) overage: Option<RawOverage>,
    pub(super) excess: Option<RawExcess>,
    pub(super) enforcement: Option<RawEnforcement>,
    pub(super) seats: Option<Whole>,
    pub(super) thresholds: Option<Vec<Small>>,
    pub(super) extension: Option<RawExtension>,
    pub(super) trial: Option<RawTrial>,
    pub(super) grants: Option<Vec<RawGrant>>,
    pub(super) environments: Option<BTreeMap<String, RawEnvironment>>,
    pub(super) users: Option<BTreeMap<String, RawUser>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCycle {
    pub(super) kind: RawCycleKind,
    pub(super) anchor_day: Option<Whole>,
    pub(super) days: Option<Small>,
    pub(super) from: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawCycleKind {
    Month,
    Days,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverage {
    pub(super) mode: RawOverageMode,
    pub(super) extra: Option<Amount>,
    pub(super) margin_percent: Option<Small>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawOverageMode {
    Hard,
    Soft,
    Grace,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawExcess {
    Record,
    Reject,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawEnforcement {
    Enforce,
    Shadow,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExtension {
    pub(super) credits: Option<Amount>,
    pub(super) delay: Option<Span>,
    pub(super) per_cycle: Option<Small>,
    pub(super) per_year: Option<Small>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrial {
    pub(super) credits: Option<Amount>,
    pub(super) days: Option<Small>,
    pub(super) renewals: Option<Small>,
}

/// One struct for all kinds, because a tagged enum would lose the positions of its fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGrant {
    pub(super) kind: RawGrantKind,
    pub(super) credits: Option<Amount>,
    pub(super) rollover: Option<Small>,
    pub(super) count: Option<Whole>,
    pub(super) license: Option<String>,
    pub(super) purchased: Option<Day>,
    pub(super) valid_from: Option<Day>,
    pub(super) valid_until: Option<Day>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawGrantKind {
    Contract,
    AddOn,
    License,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEnvironment {
    pub(super) allocation: Option<Amount>,
    pub(super) overage: Option<RawOverage>,
    pub(super) thresholds: Option<Vec<Small>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUser {
    pub(super) limit: Amount,
    #[serde(rename = "type")]
    pub(super) kind: Option<RawLimitKind>,
    pub(super) thresholds: Option<Vec<Small>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawLimitKind {
    Hard,
    Soft,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperation {
    pub(super) credits: Option<Amount>,
    pub(super) per: Option<Whole>,
    pub(super) class: Option<String>,
    pub(super) product: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClass {
    pub(super) reaches_allowance: Option<Truth>,
    pub(super) free: Option<Truth>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCatalogue {
    pub(super) add_on_credits: Option<Amount>,
    pub(super) licenses: Option<BTreeMap<String, RawLicense>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLicense {
    pub(super) credits: Option<Amount>,
    pub(super) cap: Option<Amount>,
    pub(super) cap_enforced: Option<Truth>,
    pub(super) counts_from: Option<Day>,
}
