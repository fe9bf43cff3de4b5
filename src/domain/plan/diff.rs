//! What has changed between two plans, entry by entry: for people, and for the audit log.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, OrganizationPlan, Part, Plan, Setting, text};

/// Whether the plan file owns an entry from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// As before.
    Same,
    /// The plan file owns it now.
    Taken,
    /// It no longer does.
    Given,
}

/// What has changed of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The entry.
    pub entry: Entry,
    /// What the plan said before, as [`text`] has it.
    pub before: Option<String>,
    /// What it says now.
    pub after: Option<String>,
    /// Whether the plan file has taken it over, or given it up.
    pub ownership: Ownership,
}

/// Every entry of which two plans say something else, or which the plan file owns in only one of them, in the order of the
/// entries. Empty if and only if the plans are equal.
pub fn diff(before: &Plan, after: &Plan) -> Vec<Difference> {
    let mut entries = BTreeSet::new();
    differing_organizations(before, after, &mut entries);
    let names = |plan: &Plan| -> Vec<_> { plan.rate_card.operations.keys().cloned().collect() };
    if before.rate_card != after.rate_card {
        let names = names(before).into_iter().chain(names(after));
        entries.extend(names.map(Entry::Rate));
    }
    if before.catalogue != after.catalogue {
        entries.insert(Entry::AddOnCredits);
        let licenses =
            |plan: &Plan| -> Vec<_> { plan.catalogue.licenses.keys().cloned().collect() };
        let names = licenses(before).into_iter().chain(licenses(after));
        entries.extend(names.map(Entry::License));
    }
    if before.owned != after.owned {
        entries.extend(before.owned.entries());
        entries.extend(after.owned.entries());
    }
    let differences = entries
        .into_iter()
        .map(|entry| difference(before, after, entry));
    differences.filter(Difference::is_one).collect()
}

impl Difference {
    /// Whether the plan file has taken over what somebody else had made.
    pub fn is_takeover(&self) -> bool {
        self.ownership == Ownership::Taken && self.before.is_some()
    }

    fn is_one(&self) -> bool {
        self.before != self.after || self.ownership != Ownership::Same
    }
}

fn difference(before: &Plan, after: &Plan, entry: Entry) -> Difference {
    let ownership = match (before.owned.owns(&entry), after.owned.owns(&entry)) {
        (false, true) => Ownership::Taken,
        (true, false) => Ownership::Given,
        _ => Ownership::Same,
    };
    let (before, after) = (text(before, &entry), text(after, &entry));
    Difference {
        entry,
        before,
        after,
        ownership,
    }
}

/// Entries of organizations that are not the same.
fn differing_organizations(before: &Plan, after: &Plan, entries: &mut BTreeSet<Entry>) {
    let names = before
        .organizations
        .keys()
        .chain(after.organizations.keys());
    let nothing = OrganizationPlan::default();
    for name in names.collect::<BTreeSet<_>>() {
        let [old, new] = [before, after].map(|plan| plan.organizations.get(name));
        if old == new {
            continue;
        }
        let mut add = |part| {
            entries.insert(Entry::Organization(name.clone(), part));
        };
        add(Part::Itself);
        add(Part::Grants);
        Setting::ALL
            .into_iter()
            .for_each(|it| add(Part::Setting(it)));
        let [old, new] = [old, new].map(|it| it.map_or(&nothing, |it| it));
        differing(&old.environments, &new.environments, |it| {
            add(Part::Environment(it))
        });
        differing(&old.users, &new.users, |it| add(Part::User(it)));
    }
}

/// Names under which two maps do not say the same; some of them twice.
fn differing<T: PartialEq>(
    old: &BTreeMap<Box<str>, T>,
    new: &BTreeMap<Box<str>, T>,
    mut add: impl FnMut(Box<str>),
) {
    for name in old.keys().chain(new.keys()) {
        if old.get(name) != new.get(name) {
            add(name.clone());
        }
    }
}
