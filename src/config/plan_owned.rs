//! What a plan file names: it owns that, and the API does not touch it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::plan::{Owned, OwnedOrganization, Setting};

use super::plan_raw::{RawOrganization, RawPlan};

/// Every entry that the file names, whatever it says there. Declared classes are words of the file alone: a plan knows only
/// what they mean.
pub(super) fn owned(raw: &RawPlan) -> Owned {
    let organizations = raw.organizations.iter().flatten();
    let catalogue = raw.catalogue.as_ref();
    let licenses = catalogue.and_then(|it| it.licenses.as_ref());
    Owned {
        organizations: organizations
            .map(|(name, raw)| (name.as_str().into(), owned_of(raw)))
            .collect(),
        rates: keys(raw.rate_card.as_ref()),
        add_on_credits: catalogue.is_some_and(|it| it.add_on_credits.is_some()),
        licenses: keys(licenses),
    }
}

fn owned_of(raw: &RawOrganization) -> OwnedOrganization {
    // Taken apart without `..`, so that the compiler misses a key that is new.
    let RawOrganization {
        display_name,
        time_zone,
        cycle,
        scale,
        allow_unallocated,
        overage,
        excess,
        enforcement,
        seats,
        thresholds,
        extension,
        trial,
        grants,
        environments,
        users,
    } = raw;
    let named = [
        (Setting::DisplayName, display_name.is_some()),
        (Setting::TimeZone, time_zone.is_some()),
        (Setting::Cycle, cycle.is_some()),
        (Setting::Scale, scale.is_some()),
        (Setting::AllowUnallocated, allow_unallocated.is_some()),
        (Setting::Overage, overage.is_some()),
        (Setting::Excess, excess.is_some()),
        (Setting::Enforcement, enforcement.is_some()),
        (Setting::Seats, seats.is_some()),
        (Setting::Thresholds, thresholds.is_some()),
        (Setting::Extension, extension.is_some()),
        (Setting::Trial, trial.is_some()),
    ];
    let named = named.into_iter().filter(|(_, is_named)| *is_named);
    OwnedOrganization {
        settings: named.map(|(setting, _)| setting).collect(),
        grants: grants.is_some(),
        environments: keys(environments.as_ref()),
        users: keys(users.as_ref()),
    }
}

fn keys<T>(map: Option<&BTreeMap<String, T>>) -> BTreeSet<Box<str>> {
    let names = map.into_iter().flat_map(BTreeMap::keys);
    names.map(|name| name.as_str().into()).collect()
}
