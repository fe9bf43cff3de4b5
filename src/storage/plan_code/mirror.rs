//! What stands in a plan's file: the plan, key by key. Nothing has a default and nothing else is accepted, so that a file
//! means the same in every version that reads it; a new key comes with a feature bit.

mod checked;
mod convert;

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroU64};

use serde::{Deserialize, Serialize};

use checked::{Amount, AnchorDay, Day, Key, Marks, Zone};

type Named<T> = BTreeMap<Box<str>, T>;
type Names = BTreeSet<Box<str>>;

/// A whole plan.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    organizations: Named<Organization>,
    rate_card: Named<Operation>,
    catalogue: Catalogue,
    owned: Owned,
}

/// What the plan file names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owned {
    organizations: Named<OwnedOrganization>,
    rate_card: Names,
    add_on_credits: bool,
    licenses: Names,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnedOrganization {
    settings: BTreeSet<Key>,
    grants: bool,
    environments: Names,
    users: Names,
}

/// One organization's part.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Organization {
    display_name: String,
    time_zone: Zone,
    cycle: Cycle,
    scale: u64,
    allow_unallocated: bool,
    overage: Overage,
    excess: Excess,
    enforcement: Enforcement,
    #[serde(deserialize_with = "Option::deserialize")]
    seats: Option<u64>,
    thresholds: Marks,
    extension: Extension,
    trial: Trial,
    grants: Vec<Grant>,
    environments: Named<Environment>,
    users: Named<User>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Cycle {
    Month { anchor_day: AnchorDay },
    Days { days: NonZeroU32, from_ns: i64 },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Overage {
    Hard,
    SoftCredits(Amount),
    GracePercent(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Excess {
    Record,
    Reject,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Enforcement {
    Enforce,
    Shadow,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extension {
    credits: Amount,
    delay_ns: u64,
    per_cycle: u32,
    per_year: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trial {
    credits: Amount,
    days: NonZeroU32,
    renewals: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    bought: Bought,
    #[serde(deserialize_with = "Option::deserialize")]
    valid_from: Option<Day>,
    #[serde(deserialize_with = "Option::deserialize")]
    valid_until: Option<Day>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Bought {
    Contract {
        credits: Amount,
        #[serde(deserialize_with = "Option::deserialize")]
        rollover: Option<NonZeroU32>,
    },
    AddOn {
        count: u64,
    },
    License {
        license: Box<str>,
        count: u64,
        #[serde(deserialize_with = "Option::deserialize")]
        purchased: Option<Day>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Environment {
    allocation: Amount,
    overage: Overage,
    #[serde(deserialize_with = "Option::deserialize")]
    thresholds: Option<Marks>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    limit: Amount,
    kind: LimitKind,
    #[serde(deserialize_with = "Option::deserialize")]
    thresholds: Option<Marks>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LimitKind {
    Hard,
    Soft,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    credits: Amount,
    per: NonZeroU64,
    class: Class,
    #[serde(deserialize_with = "Option::deserialize")]
    product: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    Run,
    Maker,
    Free,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    add_on_credits: Amount,
    licenses: Named<License>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct License {
    credits: Amount,
    #[serde(deserialize_with = "Option::deserialize")]
    cap: Option<Amount>,
    cap_enforced: bool,
    #[serde(deserialize_with = "Option::deserialize")]
    counts_from: Option<Day>,
}
