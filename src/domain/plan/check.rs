//! Whether a plan makes sense in itself: what can be said without knowing what was used.
//!
//! Whether its set-asides fit into the entitlement is judged where usage is known (`change.rs`, and the engine for the
//! first plan).

use std::fmt::Display;
use std::time::Duration;

use crate::domain::credits::{Credits, grouped};
use crate::domain::cycle::Rule;
use crate::domain::names::Name;
use crate::domain::nearest::nearest;
use crate::domain::rates::RateCard;

use super::{Catalogue, Grant, GrantKind, OrganizationPlan, Overage, Plan, Thresholds, Timeline};

/// Organizations of one plan at most: each keeps a book in memory.
const ORGANIZATIONS_MAX: usize = 10_000;
/// Environments that one organization names at most.
const ENVIRONMENTS_MAX: usize = 10_000;
/// Users with a limit in one organization at most.
const USERS_MAX: usize = 100_000;
/// Grants of one organization at most: what is in force is worked out for each day on which one begins or ends.
const GRANTS_MAX: usize = 1_000;
/// Lines of the rate card at most.
const OPERATIONS_MAX: usize = 10_000;
/// Licences of the catalogue at most.
const LICENSES_MAX: usize = 1_000;
/// Marks of one account at most: each is looked at on each commit.
const THRESHOLDS_MAX: usize = 16;
/// The highest mark, in percent.
const THRESHOLD_PERCENT_MAX: u32 = 1_000;
/// The largest grace margin, in percent.
const MARGIN_PERCENT_MAX: u32 = 1_000;
/// The longest cycle and the longest trial period, in days: 100 years.
const DAYS_MAX: u32 = 36_600;
/// The largest scale.
const SCALE_MAX: u64 = 1_000_000_000;
/// The longest display name, in bytes.
const DISPLAY_NAME_BYTES_MAX: usize = 256;
/// Extensions a cycle or a year, and renewals of a trial, at most.
const REQUESTS_MAX: u32 = 10_000;
/// The longest delay of an extension: a year.
const EXTENSION_DELAY_MAX: Duration = Duration::from_secs(366 * 86_400);

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct PlanError {
    /// Where in the plan, such as `organizations.acme.grants.0.license`: keys and indexes, joined by dots. A key that holds
    /// a dot stands as it is, so read it with `segments`.
    pub path: String,
    /// The same, in parts.
    pub segments: Vec<String>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl PlanError {
    /// A problem at this place.
    pub fn new(segments: impl IntoIterator<Item = String>, problem: impl Into<String>) -> Self {
        let segments: Vec<_> = segments.into_iter().collect();
        Self {
            path: segments.join("."),
            segments,
            problem: problem.into(),
        }
    }
}

/// Everything that is wrong with a plan, as far as it can be said without knowing what was used.
///
/// # Errors
/// All problems, in the order of the plan's parts; at least one.
pub fn check(plan: &Plan) -> Result<(), Vec<PlanError>> {
    let mut errors = Errors::default();
    errors.inside("organizations", |errors| {
        errors.count(plan.organizations.len(), ORGANIZATIONS_MAX);
        for (name, organization) in &plan.organizations {
            errors.inside(name, |errors| {
                errors.name(name);
                check_organization(organization, &plan.catalogue, errors);
            });
        }
    });
    errors.inside("rate_card", |errors| {
        check_rate_card(&plan.rate_card, errors)
    });
    errors.inside("catalogue", |errors| {
        check_catalogue(&plan.catalogue, errors)
    });
    if errors.found.is_empty() {
        Ok(())
    } else {
        Err(errors.found)
    }
}

/// What is wrong so far, and the path to what is being looked at.
#[derive(Default)]
struct Errors {
    path: Vec<String>,
    found: Vec<PlanError>,
}

impl Errors {
    fn inside(&mut self, segment: &str, look: impl FnOnce(&mut Self)) {
        self.path.push(segment.to_owned());
        look(self);
        self.path.pop();
    }

    /// A problem of a key of what is being looked at; of the thing itself if the key is empty.
    fn add(&mut self, key: &str, problem: impl Into<String>) {
        let key = (!key.is_empty()).then(|| key.to_owned());
        let segments = self.path.iter().cloned().chain(key);
        self.found.push(PlanError::new(segments, problem));
    }

    fn name(&mut self, name: &str) {
        if let Err(error) = Name::parse(name) {
            self.add("", format!("the name {error}"));
        }
    }

    fn count(&mut self, count: usize, max: usize) {
        if count > max {
            self.add(
                "",
                format!("{count} entries; at most {max} are allowed: remove some"),
            );
        }
    }

    fn range<N: PartialOrd + Display>(&mut self, key: &str, value: N, min: N, max: N) {
        if value < min || value > max {
            self.add(
                key,
                format!("{value} is out of range; choose {min} to {max}"),
            );
        }
    }
}

fn check_organization(organization: &OrganizationPlan, catalogue: &Catalogue, errors: &mut Errors) {
    let display_name = &organization.display_name;
    if display_name.len() > DISPLAY_NAME_BYTES_MAX || display_name.chars().any(char::is_control) {
        let limit = format!(
            "at most {DISPLAY_NAME_BYTES_MAX} bytes without control characters are allowed"
        );
        errors.add(
            "display_name",
            format!("{limit}; shorten it or remove them"),
        );
    }
    errors.inside("cycle", |errors| match organization.calendar.rule {
        Rule::Month { anchor_day } => errors.range("anchor_day", anchor_day, 1, 31),
        Rule::Days { days, .. } => errors.range("days", days, 1, DAYS_MAX),
    });
    let scale = organization.scale;
    if scale > SCALE_MAX
        || scale
            .checked_ilog10()
            .is_none_or(|digits| 10_u64.pow(digits) != scale)
    {
        errors.add(
            "scale",
            format!("{scale} is no power of ten up to 10^9; choose 1, 10, 100 and so on"),
        );
    }
    if organization
        .seats
        .is_some_and(|seats| seats > Credits::MAX.get())
    {
        errors.add("seats", format!("more than {}; choose fewer", Credits::MAX));
    }
    check_overage(organization.overage, errors);
    check_thresholds(&organization.thresholds, errors);
    errors.inside("extension", |errors| {
        let terms = &organization.extension;
        if terms.delay > EXTENSION_DELAY_MAX {
            errors.add("delay", "longer than 366 days; choose a shorter one");
        }
        errors.range("per_cycle", terms.per_cycle, 0, REQUESTS_MAX);
        errors.range("per_year", terms.per_year, 0, REQUESTS_MAX);
    });
    errors.inside("trial", |errors| {
        errors.range("days", organization.trial.days, 1, DAYS_MAX);
        errors.range("renewals", organization.trial.renewals, 0, REQUESTS_MAX);
    });
    errors.inside("grants", |errors| {
        errors.count(organization.grants.len(), GRANTS_MAX);
        for (index, grant) in organization.grants.iter().enumerate() {
            errors.inside(&index.to_string(), |errors| {
                check_grant(grant, catalogue, errors)
            });
        }
    });
    errors.inside("environments", |errors| {
        errors.count(organization.environments.len(), ENVIRONMENTS_MAX);
        for (name, environment) in &organization.environments {
            errors.inside(name, |errors| {
                errors.name(name);
                check_overage(environment.overage, errors);
                environment
                    .thresholds
                    .iter()
                    .for_each(|marks| check_thresholds(marks, errors));
            });
        }
    });
    errors.inside("users", |errors| {
        errors.count(organization.users.len(), USERS_MAX);
        for (name, user) in &organization.users {
            errors.inside(name, |errors| {
                errors.name(name);
                user.thresholds
                    .iter()
                    .for_each(|marks| check_thresholds(marks, errors));
            });
        }
    });
    check_sums(organization, catalogue, errors);
}

fn check_overage(overage: Overage, errors: &mut Errors) {
    if let Overage::Grace(percent) = overage {
        errors.inside("overage", |errors| {
            errors.range("margin_percent", percent, 0, MARGIN_PERCENT_MAX)
        });
    }
}

fn check_thresholds(Thresholds(marks): &Thresholds, errors: &mut Errors) {
    errors.inside("thresholds", |errors| {
        errors.count(marks.len(), THRESHOLDS_MAX);
        for (index, &mark) in marks.iter().enumerate() {
            errors.range(&index.to_string(), mark, 1, THRESHOLD_PERCENT_MAX);
        }
        if !marks.is_sorted_by(|a, b| a < b) {
            let mut sorted = marks.clone();
            sorted.sort_unstable();
            sorted.dedup();
            errors.add(
                "",
                format!("the marks must ascend, each once; write {sorted:?}"),
            );
        }
    });
}

fn check_grant(grant: &Grant, catalogue: &Catalogue, errors: &mut Errors) {
    if let Some((from, until)) = grant.valid_from.zip(grant.valid_until)
        && from > until
    {
        errors.add(
            "valid_until",
            format!("ends on {until}, before it begins on {from}; swap the days"),
        );
    }
    match &grant.kind {
        GrantKind::Contract {
            rollover: Some(0), ..
        } => {
            errors.add(
                "rollover",
                "0 would take credits away; choose at least 1, or remove the key for no rollover",
            );
        }
        GrantKind::Contract { .. } | GrantKind::AddOn { .. } => {}
        GrantKind::License { license, .. } => {
            if !catalogue.licenses.contains_key(license) {
                let names = || catalogue.licenses.keys().map(|name| &**name);
                let hint = nearest(license, names()).map_or_else(
                    || {
                        format!(
                            "known are {}; or add it under catalogue.licenses",
                            names().collect::<Vec<_>>().join(", ")
                        )
                    },
                    |near| format!("did you mean `{near}`?"),
                );
                errors.add(
                    "license",
                    format!("the licence `{license}` is not in the catalogue; {hint}"),
                );
            }
        }
    }
}

/// Every sum that is ever made must be an amount: so arithmetic on a checked plan cannot overflow.
fn check_sums(organization: &OrganizationPlan, catalogue: &Catalogue, errors: &mut Errors) {
    let timeline = Timeline::new(&organization.grants, catalogue, &organization.calendar);
    let entitlement_max = timeline
        .steps()
        .iter()
        .map(|step| step.purchased.total().saturating_add(step.rollover_max))
        .max()
        .unwrap_or(0);
    let allocations = sum(organization
        .environments
        .values()
        .map(|it| it.allocation.get()));
    let limits = sum(organization.users.values().map(|it| it.limit.get()));
    let extensions = organization
        .extension
        .credits
        .get()
        .saturating_mul(organization.extension.per_cycle.into());
    let mut sums_fit = true;
    for (key, what, total) in [
        (
            "grants",
            "what is granted at one time, with rollover,",
            entitlement_max,
        ),
        ("environments", "the sum of the allocations", allocations),
        ("users", "the sum of the limits", limits),
        ("extension", "credits x per_cycle", extensions),
    ] {
        if total > Credits::MAX.get() {
            sums_fit = false;
            errors.add(
                key,
                format!(
                    "{what} is more than {}, the largest amount there is; lower it",
                    Credits::MAX
                ),
            );
        }
    }
    let allowances = sum(organization
        .environments
        .values()
        .map(|it| it.overage.allowance(it.allocation.get()))
        .chain([organization.overage.allowance(entitlement_max)]));
    let reach = sum([entitlement_max.max(allocations), extensions, allowances]);
    // Named once: a part that is too large by itself was named above.
    if sums_fit && reach > Credits::MAX.get() {
        errors.add(
            "overage",
            format!(
                "entitlement, extensions and allowances together reach {}, more than {}, the largest amount there is; lower one",
                grouped(reach),
                Credits::MAX
            ),
        );
    }
}

fn sum(amounts: impl IntoIterator<Item = u64>) -> u64 {
    amounts.into_iter().fold(0, u64::saturating_add)
}

fn check_rate_card(card: &RateCard, errors: &mut Errors) {
    errors.count(card.operations.len(), OPERATIONS_MAX);
    for (name, operation) in &card.operations {
        errors.inside(name, |errors| {
            errors.name(name);
            errors.range("per", operation.rate.per, 1, Credits::MAX.get());
            if let Some(Err(error)) = operation.product.as_deref().map(Name::parse) {
                errors.add("product", format!("the name {error}"));
            }
        });
    }
}

fn check_catalogue(catalogue: &Catalogue, errors: &mut Errors) {
    if catalogue.add_on_credits == Credits::ZERO {
        errors.add(
            "add_on_credits",
            "an add-on of 0 covers nothing; choose at least 1",
        );
    }
    errors.inside("licenses", |errors| {
        errors.count(catalogue.licenses.len(), LICENSES_MAX);
        for (name, license) in &catalogue.licenses {
            errors.inside(name, |errors| {
                errors.name(name);
                if license.cap_enforced && license.cap.is_none() {
                    errors.add(
                        "cap_enforced",
                        "there is no cap to enforce; add cap, or set it to false",
                    );
                }
            });
        }
    });
}

#[cfg(test)]
mod tests;
