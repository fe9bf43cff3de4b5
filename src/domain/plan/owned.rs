//! What the plan file owns (section 10): each entry that it names. The API owns the rest, and refuses to touch these.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Catalogue, Entry, OrganizationPlan, Part, Plan, Setting};

/// What the plan file names of one organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedOrganization {
    /// Settings.
    pub settings: BTreeSet<Setting>,
    /// Whether it names the list of grants.
    pub grants: bool,
    /// Environments.
    pub environments: BTreeSet<Box<str>>,
    /// Users.
    pub users: BTreeSet<Box<str>>,
}

/// What the plan file names. Empty while there is none: then the API owns everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// The organizations that it names at all.
    pub organizations: BTreeMap<Box<str>, OwnedOrganization>,
    /// Lines of the rate card.
    pub rates: BTreeSet<Box<str>>,
    /// Whether it names `catalogue.add_on_credits`.
    pub add_on_credits: bool,
    /// Licences of the catalogue.
    pub licenses: BTreeSet<Box<str>>,
}

impl Owned {
    /// Whether the plan file names an entry.
    pub fn owns(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Organization(organization, part) => {
                let found = self.organizations.get(organization);
                found.is_some_and(|found| match part {
                    Part::Itself => true,
                    Part::Setting(setting) => found.settings.contains(setting),
                    Part::Grants => found.grants,
                    Part::Environment(name) => found.environments.contains(name),
                    Part::User(name) => found.users.contains(name),
                })
            }
            Entry::Rate(name) => self.rates.contains(name),
            Entry::AddOnCredits => self.add_on_credits,
            Entry::License(name) => self.licenses.contains(name),
        }
    }

    /// Whether the plan file names nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All entries that the plan file names, in their order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let organizations = self.organizations.iter().flat_map(|(name, it)| {
            let parts = [Part::Itself].into_iter();
            let parts = parts.chain(it.settings.iter().map(|&setting| Part::Setting(setting)));
            let parts = parts.chain(it.grants.then_some(Part::Grants));
            let parts = parts.chain(it.environments.iter().cloned().map(Part::Environment));
            let parts = parts.chain(it.users.iter().cloned().map(Part::User));
            parts.map(|part| Entry::Organization(name.clone(), part))
        });
        organizations
            .chain(self.rates.iter().cloned().map(Entry::Rate))
            .chain(self.add_on_credits.then_some(Entry::AddOnCredits))
            .chain(self.licenses.iter().cloned().map(Entry::License))
    }

    /// The plan file names another entry, with the organization that it belongs to.
    pub fn insert(&mut self, entry: Entry) {
        match entry {
            Entry::Organization(organization, part) => {
                let found = self.organizations.entry(organization).or_default();
                match part {
                    Part::Itself => {}
                    Part::Setting(setting) => {
                        found.settings.insert(setting);
                    }
                    Part::Grants => found.grants = true,
                    Part::Environment(name) => {
                        found.environments.insert(name);
                    }
                    Part::User(name) => {
                        found.users.insert(name);
                    }
                }
            }
            Entry::Rate(name) => {
                self.rates.insert(name);
            }
            Entry::AddOnCredits => self.add_on_credits = true,
            Entry::License(name) => {
                self.licenses.insert(name);
            }
        }
    }
}

impl FromIterator<Entry> for Owned {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut owned = Self::default();
        entries.into_iter().for_each(|entry| owned.insert(entry));
        owned
    }
}

impl Plan {
    /// This plan with another text of the plan file: what the former text named and the new one does not is taken away, what
    /// the new one names is put in, and what the API made stays. An organization of which nothing is left goes with the
    /// former text that named it.
    ///
    /// `file` says what the new text says: `file.owned` is what it names. The result must still pass [`super::check`].
    pub fn with_file(&self, file: &Self) -> Self {
        let mut plan = self.clone();
        let dropped = |entry: &Entry| !file.owned.owns(entry);
        for entry in self.owned.entries().filter(dropped) {
            plan.reset(&entry);
        }
        for entry in file.owned.entries() {
            plan.take(&entry, file);
        }
        for name in self.owned.organizations.keys() {
            let is_bare = plan.organizations.get(name).is_some_and(|it| it.is_bare());
            if is_bare && !file.owned.organizations.contains_key(name) {
                plan.organizations.remove(name);
            }
        }
        plan.owned = Arc::clone(&file.owned);
        plan
    }

    /// Takes away what an entry says: a setting is as if nobody had set it. That the organization is there stays as it is.
    pub(super) fn reset(&mut self, entry: &Entry) {
        match entry {
            Entry::Organization(organization, part) => {
                let unset = OrganizationPlan::default();
                if let Some(found) = self.organizations.get_mut(organization) {
                    copy_part(part, &unset, Arc::make_mut(found));
                }
            }
            Entry::Rate(name) => drop(Arc::make_mut(&mut self.rate_card).operations.remove(name)),
            Entry::AddOnCredits => {
                Arc::make_mut(&mut self.catalogue).add_on_credits =
                    Catalogue::default().add_on_credits;
            }
            Entry::License(name) => {
                let built_in = Catalogue::default().licenses.get(name).copied();
                let licenses = &mut Arc::make_mut(&mut self.catalogue).licenses;
                match built_in {
                    Some(license) => licenses.insert(name.clone(), license),
                    None => licenses.remove(name),
                };
            }
        }
    }

    /// Says of an entry what another plan says of it.
    pub(super) fn take(&mut self, entry: &Entry, from: &Self) {
        match entry {
            Entry::Organization(organization, part) => {
                if let Some(says) = from.organizations.get(organization) {
                    let found = self.organizations.entry(organization.clone()).or_default();
                    copy_part(part, says, Arc::make_mut(found));
                }
            }
            Entry::Rate(name) => {
                if let Some(operation) = from.rate_card.operations.get(name) {
                    let operations = &mut Arc::make_mut(&mut self.rate_card).operations;
                    operations.insert(name.clone(), operation.clone());
                }
            }
            Entry::AddOnCredits => {
                Arc::make_mut(&mut self.catalogue).add_on_credits = from.catalogue.add_on_credits;
            }
            Entry::License(name) => {
                if let Some(license) = from.catalogue.licenses.get(name) {
                    let licenses = &mut Arc::make_mut(&mut self.catalogue).licenses;
                    licenses.insert(name.clone(), *license);
                }
            }
        }
    }
}

impl OrganizationPlan {
    /// Whether it says nothing that it would not say without any entry.
    pub(super) fn is_bare(&self) -> bool {
        *self == Self::default()
    }
}

/// Gives an organization the part that another has, or takes it away where that one has none.
fn copy_part(part: &Part, from: &OrganizationPlan, to: &mut OrganizationPlan) {
    match part {
        Part::Itself => {}
        Part::Setting(setting) => setting.copy(from, to),
        Part::Grants => to.grants.clone_from(&from.grants),
        Part::Environment(name) => match from.environments.get(name) {
            Some(says) => drop(to.environments.insert(name.clone(), says.clone())),
            None => drop(to.environments.remove(name)),
        },
        Part::User(name) => match from.users.get(name) {
            Some(says) => drop(to.users.insert(name.clone(), says.clone())),
            None => drop(to.users.remove(name)),
        },
    }
}

#[cfg(test)]
mod tests;
