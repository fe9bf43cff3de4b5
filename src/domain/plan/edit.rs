//! Changes of a plan entry by entry, as administrators make them (section 10). Pure: each takes a plan and gives another one,
//! or says why not.
//!
//! What the plan file owns is refused, naming it; so is a change of something that is no longer as it was when whoever
//! changes it looked (`etag`: see [`super::etag()`]). What comes out has passed [`super::check`]; whether usage allows it is
//! judged where usage is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono_tz::Tz;

use crate::domain::credits::Credits;
use crate::domain::cycle::Rule;
use crate::domain::rates::Operation;

use super::{
    Enforcement, Entry, EnvironmentPlan, Excess, ExtensionTerms, Grant, LimitKind,
    OrganizationPlan, Overage, Plan, PlanError, Setting, Thresholds, TrialTerms, UserPlan, check,
    etag, settings_etag,
};

/// Why a change of a plan was refused. Then nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// `FAILED_PRECONDITION`: the plan file owns these; at least one.
    #[error("{}", owned_text(.0))]
    Owned(Vec<Entry>),
    /// `NOT_FOUND`: the plan has no such entry.
    #[error("{0} is not in the plan")]
    NotFound(Entry),
    /// `ABORTED`: somebody has changed it meanwhile.
    #[error(
        "{entry} has changed: its etag is {found}, not {expected}; read it again, and try again if the change is still right"
    )]
    Stale {
        /// Which.
        entry: Entry,
        /// The etag that came with the change.
        expected: String,
        /// The etag now.
        found: String,
    },
    /// `INVALID_ARGUMENT`: everything that is wrong with the plan as it would be; at least one.
    #[error("{}", invalid_text(.0))]
    Invalid(Vec<PlanError>),
}

/// So many problems or entries are named in a text; the rest is counted.
const NAMED_MAX: usize = 10;

fn owned_text(entries: &[Entry]) -> String {
    let named = listed(entries, ", ");
    format!("the plan file owns {named}; change it there, or take it out of the file first")
}

fn invalid_text(errors: &[PlanError]) -> String {
    listed(errors, "; ")
}

fn listed<T: ToString>(items: &[T], separator: &str) -> String {
    let mut named: Vec<_> = items.iter().take(NAMED_MAX).map(T::to_string).collect();
    if items.len() > NAMED_MAX {
        named.push(format!("and {} more", items.len() - NAMED_MAX));
    }
    named.join(separator)
}

/// New values of an organization's settings. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// For people.
    pub display_name: Option<String>,
    /// In which zone days are counted.
    pub time_zone: Option<Tz>,
    /// When cycles begin.
    pub cycle: Option<Rule>,
    /// A power of ten.
    pub scale: Option<u64>,
    /// Whether environments without an allocation draw from the pool.
    pub allow_unallocated: Option<bool>,
    /// Of the pool.
    pub overage: Option<Overage>,
    /// What a commit above its hold does.
    pub excess: Option<Excess>,
    /// Whether denials are enforced.
    pub enforcement: Option<Enforcement>,
    /// The seat limit; to take it away, reset it.
    pub seats: Option<u64>,
    /// Marks in percent.
    pub thresholds: Option<Thresholds>,
    /// The terms of extensions.
    pub extension: Option<ExtensionTerms>,
    /// The terms of trials.
    pub trial: Option<TrialTerms>,
    /// Settings that become as if nobody had set them; after the others.
    pub reset: BTreeSet<Setting>,
}

impl Settings {
    fn put(&self, plan: &mut OrganizationPlan) {
        fn set<T: Clone>(value: &Option<T>, to: &mut T) {
            if let Some(value) = value {
                to.clone_from(value);
            }
        }
        set(&self.display_name, &mut plan.display_name);
        set(&self.time_zone, &mut plan.calendar.zone);
        set(&self.cycle, &mut plan.calendar.rule);
        set(&self.scale, &mut plan.scale);
        set(&self.allow_unallocated, &mut plan.allow_unallocated);
        set(&self.overage, &mut plan.overage);
        set(&self.excess, &mut plan.excess);
        set(&self.enforcement, &mut plan.enforcement);
        plan.seats = self.seats.or(plan.seats);
        set(&self.thresholds, &mut plan.thresholds);
        set(&self.extension, &mut plan.extension);
        set(&self.trial, &mut plan.trial);
        let unset = OrganizationPlan::default();
        self.reset
            .iter()
            .for_each(|setting| setting.copy(&unset, plan));
    }
}

/// Sets some of an organization's settings; one that is not there yet is made. `etag` is that of all its settings together
/// ([`settings_etag`]).
///
/// # Errors
/// If the plan file owns one of them and says something else, if they have changed, or if the result is no valid plan.
pub fn set_settings(
    plan: &Plan,
    organization: &str,
    settings: &Settings,
    etag: Option<&str>,
) -> Result<Plan, EditError> {
    let mut result = plan.clone();
    let found = result.organizations.entry(organization.into());
    settings.put(Arc::make_mut(found.or_default()));
    let entries = Setting::ALL.map(|it| Entry::setting(organization, it));
    let changed = |entry: &Entry| super::text(plan, entry) != super::text(&result, entry);
    refuse_owned(plan, entries.into_iter().filter(changed))?;
    refuse_stale_settings(plan, organization, etag)?;
    checked(result)
}

/// Takes an organization out of the plan, with all that it says of it. Its books are kept. `etag` as for [`set_settings`].
///
/// # Errors
/// If there is none, if the plan file names it, if its settings have changed, or if it is the last one.
pub fn delete_organization(
    plan: &Plan,
    organization: &str,
    etag: Option<&str>,
) -> Result<Plan, EditError> {
    the_organization(plan, organization)?;
    refuse_owned(plan, [Entry::organization(organization)])?;
    refuse_stale_settings(plan, organization, etag)?;
    let mut plan = plan.clone();
    plan.organizations.remove(organization);
    if plan.organizations.is_empty() {
        let problem = "the plan would name no organization; make another one first";
        return Err(invalid(["organizations".to_owned()], problem));
    }
    checked(plan)
}

/// Sets the whole list of an organization's grants; an empty one takes it away.
///
/// # Errors
/// If there is no such organization, if the plan file owns the list, if it has changed, or if the result is no valid plan.
pub fn set_grants(
    plan: &Plan,
    organization: &str,
    grants: Vec<Grant>,
    etag: Option<&str>,
) -> Result<Plan, EditError> {
    the_organization(plan, organization)?;
    let entry = Entry::grants(organization);
    change(plan, entry, etag, |plan| {
        organization_mut(plan, organization).grants = grants;
    })
}

/// Sets what the plan says of an environment: its allocation, overage and thresholds.
///
/// # Errors
/// If there is no such organization, if the plan file owns the environment, if it has changed, or if the result is no valid
/// plan.
pub fn set_environment(
    plan: &Plan,
    organization: &str,
    environment: &str,
    says: EnvironmentPlan,
    etag: Option<&str>,
) -> Result<Plan, EditError> {
    the_organization(plan, organization)?;
    let entry = Entry::environment(organization, environment);
    change(plan, entry, etag, |plan| {
        let environments = &mut organization_mut(plan, organization).environments;
        environments.insert(environment.into(), says);
    })
}

/// Takes an environment out of the plan: from then on it draws from the pool.
///
/// # Errors
/// If there is no such entry, if the plan file owns it, or if it has changed.
pub fn delete_environment(
    plan: &Plan,
    organization: &str,
    environment: &str,
    etag: Option<&str>,
) -> Result<Plan, EditError> {
    let entry = Entry::environment(organization, environment);
    let found = the_organization(plan, organization)?;
    if !found.environments.contains_key(environment) {
        return Err(EditError::NotFound(entry));
    }
    change(plan, entry, etag, |plan| {
        let environments = &mut organization_mut(plan, organization).environments;
        environments.remove(environment);
    })
}

/// Sets a user's limit.
///
/// # Errors
/// If there is no such organization, if the plan file owns the user, if the limit has changed, or if the result is no valid
/// plan.
pub fn set_user(
    plan: &Plan,
    organization: &str,
    user: &str,
    says: UserPlan,
    etag: Option<&str>,
) -> Result<Plan, EditError> {
    the_organization(plan, organization)?;
    let entry = Entry::user(organization, user);
    change(plan, entry, etag, |plan| {
        let users = &mut organization_mut(plan, organization).users;
        users.insert(user.into(), says);
    })
}

/// Removes a user from the plan: the set-aside is back at once, the usage stays in the books, and it is no ban.
///
/// # Errors
/// If the plan does not name the user, if the plan file owns the entry, or if it has changed.
pub fn remove_user(
    plan: &Plan,
    organization: &str,
    user: &str,
    etag: Option<&str>,
) -> Result<Plan, EditError> {
    let entry = Entry::user(organization, user);
    if the_organization(plan, organization)?.user(user).is_none() {
        return Err(EditError::NotFound(entry));
    }
    change(plan, entry, etag, |plan| {
        organization_mut(plan, organization).users.remove(user);
    })
}

/// Sets a line of the rate card.
///
/// # Errors
/// If the plan file owns it, if it has changed, or if the result is no valid plan.
pub fn set_rate(
    plan: &Plan,
    operation: &str,
    says: Operation,
    etag: Option<&str>,
) -> Result<Plan, EditError> {
    change(plan, Entry::Rate(operation.into()), etag, |plan| {
        let operations = &mut Arc::make_mut(&mut plan.rate_card).operations;
        operations.insert(operation.into(), says);
    })
}

/// Takes a line out of the rate card: requests that name the operation are refused from then on.
///
/// # Errors
/// If there is no such line, if the plan file owns it, or if it has changed.
pub fn delete_rate(plan: &Plan, operation: &str, etag: Option<&str>) -> Result<Plan, EditError> {
    let entry = Entry::Rate(operation.into());
    if !plan.rate_card.operations.contains_key(operation) {
        return Err(EditError::NotFound(entry));
    }
    change(plan, entry, etag, |plan| {
        let operations = &mut Arc::make_mut(&mut plan.rate_card).operations;
        operations.remove(operation);
    })
}

/// Gives each of the named users the same limit, in one step. A user's own thresholds stay. For "distribute", `credits` is the
/// share that the books say (section 10: `Engine::equal_share`).
///
/// # Errors
/// If there is no such organization, if nobody is named or somebody twice, if the plan file owns one of the users, or if the
/// result is no valid plan.
pub fn assign_equal(
    plan: &Plan,
    organization: &str,
    users: &[&str],
    credits: Credits,
    kind: LimitKind,
) -> Result<Plan, EditError> {
    the_organization(plan, organization)?;
    named_once(users)?;
    refuse_owned(
        plan,
        users.iter().map(|user| Entry::user(organization, user)),
    )?;
    let mut plan = plan.clone();
    let limits = &mut organization_mut(&mut plan, organization).users;
    for &user in users {
        let thresholds = limits.get(user).and_then(|it| it.thresholds.clone());
        let says = UserPlan {
            limit: credits,
            kind,
            thresholds,
        };
        limits.insert(user.into(), says);
    }
    checked(plan)
}

/// Users that share something out equally: at least one, each once.
///
/// # Errors
/// With the place in the list.
pub fn named_once(users: &[&str]) -> Result<(), EditError> {
    if users.is_empty() {
        return Err(invalid(["users".to_owned()], "name at least one"));
    }
    let mut seen = BTreeSet::new();
    for (index, user) in users.iter().enumerate() {
        if !seen.insert(user) {
            let place = ["users".to_owned(), index.to_string()];
            return Err(invalid(
                place,
                format!("{user:?} is named twice; name each once"),
            ));
        }
    }
    Ok(())
}

/// Puts a whole plan in place of what the plan file does not own. `wanted.owned` says nothing here.
///
/// # Errors
/// If it says something else than the plan file of what that owns, naming the entries, or if the result is no valid plan. An
/// entry that the plan file owns may be left out: then it stays as it is.
pub fn replace(plan: &Plan, wanted: &Plan) -> Result<Plan, EditError> {
    let mut result = Plan {
        owned: Arc::clone(&plan.owned),
        ..wanted.clone()
    };
    let mut contradicted = Vec::new();
    for entry in plan.owned.entries() {
        let (owned, said) = (super::text(plan, &entry), super::text(wanted, &entry));
        if said.is_some() && said != owned {
            contradicted.push(entry);
        } else {
            result.take(&entry, plan);
        }
    }
    if !contradicted.is_empty() {
        return Err(EditError::Owned(contradicted));
    }
    if result.organizations.is_empty() {
        let problem = "the plan names no organization; add one";
        return Err(invalid(["organizations".to_owned()], problem));
    }
    checked(result)
}

/// Changes one entry, if it may be changed.
fn change(
    plan: &Plan,
    entry: Entry,
    expected: Option<&str>,
    make: impl FnOnce(&mut Plan),
) -> Result<Plan, EditError> {
    refuse_owned(plan, [entry.clone()])?;
    refuse_stale(expected, || etag(plan, &entry), &entry)?;
    let mut plan = plan.clone();
    make(&mut plan);
    checked(plan)
}

fn checked(plan: Plan) -> Result<Plan, EditError> {
    check(&plan).map_err(EditError::Invalid)?;
    Ok(plan)
}

fn invalid<const N: usize>(segments: [String; N], problem: impl Into<String>) -> EditError {
    EditError::Invalid(vec![PlanError::new(segments, problem)])
}

fn the_organization<'p>(
    plan: &'p Plan,
    organization: &str,
) -> Result<&'p OrganizationPlan, EditError> {
    let found = plan.organizations.get(organization);
    let found = found.ok_or_else(|| EditError::NotFound(Entry::organization(organization)))?;
    Ok(found)
}

/// An organization that was looked up before.
fn organization_mut<'p>(plan: &'p mut Plan, organization: &str) -> &'p mut OrganizationPlan {
    Arc::make_mut(plan.organizations.entry(organization.into()).or_default())
}

fn refuse_owned(plan: &Plan, entries: impl IntoIterator<Item = Entry>) -> Result<(), EditError> {
    let entries = entries.into_iter();
    let owned: Vec<_> = entries.filter(|entry| plan.owned.owns(entry)).collect();
    if owned.is_empty() {
        Ok(())
    } else {
        Err(EditError::Owned(owned))
    }
}

fn refuse_stale(
    expected: Option<&str>,
    found: impl FnOnce() -> String,
    entry: &Entry,
) -> Result<(), EditError> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let found = found();
    if found == expected {
        return Ok(());
    }
    Err(EditError::Stale {
        entry: entry.clone(),
        expected: expected.to_owned(),
        found,
    })
}

fn refuse_stale_settings(
    plan: &Plan,
    organization: &str,
    etag: Option<&str>,
) -> Result<(), EditError> {
    let found = || settings_etag(plan, organization);
    refuse_stale(etag, found, &Entry::organization(organization))
}

#[cfg(test)]
mod tests;
