//! The plan that is served: limits of many sizes, so that thresholds are reached all through the run, and versions of it
//! that only ever raise them.

use std::fmt::Write;
use std::path::Path;

use chrono::Datelike;

pub const ORGANIZATIONS: usize = 3;

pub const USERS: usize = 16;

/// These have limits, each three times that of the one before, so that marks are reached early and late.
const LIMITED: usize = 9;

/// From this one on, requests carry no id of their own: what is in doubt of them cannot be asked again.
pub const NAMELESS_FROM: usize = 13;

/// Versions from this one on say the same: what is promised stays below what was bought.
const VERSION_LAST: u64 = 100;

pub const PERCENTS: [u64; 3] = [50, 80, 100];

/// What the last organization has bought: little enough that its own marks are reached. Its plan never changes, for a change
/// that promises what is drawn already would be refused.
const ENTITLEMENT_SMALL: u64 = 400_000;

/// What the others have bought: more than any run can draw.
const ENTITLEMENT_LARGE: u64 = 1_000_000_000_000;

/// Who a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    pub organization: usize,
    pub user: usize,
}

impl Who {
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ORGANIZATIONS)
            .flat_map(|organization| (0..USERS).map(move |user| Self { organization, user }))
    }

    pub fn organization_name(self) -> String {
        organization_name(self.organization)
    }

    /// Every second one works where there is an allocation.
    pub fn environment(self) -> &'static str {
        if self.works_in_production() {
            "production"
        } else {
            "staging"
        }
    }

    pub fn works_in_production(self) -> bool {
        self.user.is_multiple_of(2) && self.has_ids()
    }

    pub fn user_name(self) -> String {
        format!("user-{:02}", self.user)
    }

    pub fn has_ids(self) -> bool {
        self.user < NAMELESS_FROM
    }

    /// What a version of the plan lets this one use; a third of those limited may go beyond it.
    pub fn limit(self, version: u64) -> Option<u64> {
        let version = version_of(self.organization, version);
        let steps = u32::try_from(self.user).unwrap();
        (self.user < LIMITED).then(|| 30 * 3_u64.pow(steps) + 10 * version)
    }
}

pub fn organization_name(number: usize) -> String {
    format!("organization-{number}")
}

/// What production has in a version.
pub fn allocation(organization: usize, version: u64) -> u64 {
    20_000 + 500 * version_of(organization, version)
}

fn version_of(organization: usize, version: u64) -> u64 {
    if organization == ORGANIZATIONS - 1 {
        0
    } else {
        version.min(VERSION_LAST)
    }
}

/// Replaces the file as one change, as deployments do.
pub fn write(path: &Path, version: u64) {
    let unfinished = path.with_extension("tmp");
    std::fs::write(&unfinished, text(version)).unwrap();
    std::fs::rename(unfinished, path).unwrap();
}

fn text(version: u64) -> String {
    // A cycle that does not end while this runs.
    let day = match chrono::Utc::now().day() {
        8..=21 => 1,
        _ => 15,
    };
    let mut text = "organizations:\n".to_owned();
    for number in 0..ORGANIZATIONS {
        let (name, allocation) = (organization_name(number), allocation(number, version));
        let entitlement = if number == ORGANIZATIONS - 1 {
            ENTITLEMENT_SMALL
        } else {
            ENTITLEMENT_LARGE
        };
        write!(
            text,
            "  {name}:
    cycle: {{kind: month, anchor_day: {day}}}
    thresholds: {PERCENTS:?}
    overage: {{mode: soft, extra: 1000000000}}
    grants: [{{kind: contract, credits: {entitlement}}}]
    environments:
      production: {{allocation: {allocation}, overage: {{mode: soft, extra: 1000000000}}, thresholds: {PERCENTS:?}}}
      staging: {{}}
    users:
"
        )
        .unwrap();
        for user in 0..USERS {
            let who = Who {
                organization: number,
                user,
            };
            let kind = if user % 3 == 2 { "soft" } else { "hard" };
            if let Some(limit) = who.limit(version) {
                let name = who.user_name();
                writeln!(
                    text,
                    "      {name}: {{limit: {limit}, type: {kind}, thresholds: {PERCENTS:?}}}"
                )
                .unwrap();
            }
        }
    }
    text
}
