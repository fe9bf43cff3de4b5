//! What the grants of a plan are worth, and when (section 3).

use std::collections::BTreeMap;

use crate::domain::credits::Credits;
use crate::domain::cycle::Calendar;
use crate::domain::time::Timestamp;

use super::{Catalogue, Grant, GrantKind};

/// Purchased credits a cycle, by source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Purchased {
    /// From contracts.
    pub contract: u64,
    /// From add-ons.
    pub add_on: u64,
    /// From licences, after the caps that are enforced.
    pub license: u64,
}

impl Purchased {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.contract
            .saturating_add(self.add_on)
            .saturating_add(self.license)
    }
}

/// What is in force from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// From here on, until the next step.
    pub at: Timestamp,
    /// Purchased credits in force.
    pub purchased: Purchased,
    /// How much may roll over while this is in force: the sum of (k - 1) x credits over contracts.
    pub rollover_max: u64,
}

/// What is in force when: the steps of an organization's grants, in order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    steps: Vec<Step>,
}

impl Timeline {
    /// The steps of these grants, whose days are those of the calendar's zone.
    pub fn new(grants: &[Grant], catalogue: &Catalogue, calendar: &Calendar) -> Self {
        let spans: Vec<_> = grants
            .iter()
            .map(|grant| {
                (
                    calendar.days_span(grant.valid_from, grant.valid_until),
                    grant,
                )
            })
            .collect();
        let mut instants: Vec<_> = spans
            .iter()
            .flat_map(|(span, _)| [span.start, span.end])
            .collect();
        instants.push(Timestamp::MIN);
        instants.sort_unstable();
        instants.dedup();
        let steps = instants
            .into_iter()
            .map(|at| {
                let in_force = spans
                    .iter()
                    .filter(|(span, _)| span.start <= at && at < span.end)
                    .map(|&(_, grant)| grant);
                let (purchased, rollover_max) = worth(in_force, catalogue);
                Step {
                    at,
                    purchased,
                    rollover_max,
                }
            })
            .collect();
        Self { steps }
    }

    /// A timeline of steps that another one had. `None` unless they begin at [`Timestamp::MIN`] and ascend.
    pub fn from_steps(steps: &[Step]) -> Option<Self> {
        let begins = steps.first().is_some_and(|step| step.at == Timestamp::MIN);
        let ascends = steps.is_sorted_by(|a, b| a.at < b.at);
        (begins && ascends).then(|| Self {
            steps: steps.to_vec(),
        })
    }

    /// What is in force at an instant.
    pub fn at(&self, now: Timestamp) -> Step {
        let later = self.steps.partition_point(|step| step.at <= now);
        self.steps[later.saturating_sub(1)]
    }

    /// When something changes next after an instant; [`Timestamp::MAX`] if never.
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        let later = self.steps.partition_point(|step| step.at <= now);
        self.steps.get(later).map_or(Timestamp::MAX, |step| step.at)
    }

    /// All steps, the first from [`Timestamp::MIN`] on.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// What these grants are worth together, and how much of it may roll over. Sums stop at [`Credits::MAX`]; plans that
/// would exceed it are refused.
fn worth<'a>(
    grants: impl Iterator<Item = &'a Grant>,
    catalogue: &'a Catalogue,
) -> (Purchased, u64) {
    let mut purchased = Purchased::default();
    let mut rollover_max = 0_u64;
    let mut licenses: BTreeMap<&str, u64> = BTreeMap::new();
    for grant in grants {
        match &grant.kind {
            GrantKind::Contract { credits, rollover } => {
                purchased.contract = purchased.contract.saturating_add(credits.get());
                let times = u64::from(rollover.unwrap_or(1).saturating_sub(1));
                rollover_max = rollover_max.saturating_add(credits.get().saturating_mul(times));
            }
            GrantKind::AddOn { count } => {
                let worth = catalogue.add_on_credits.get().saturating_mul(*count);
                purchased.add_on = purchased.add_on.saturating_add(worth);
            }
            GrantKind::License {
                license,
                count,
                purchased,
            } => {
                let Some(terms) = catalogue.licenses.get(license) else {
                    continue;
                };
                if terms
                    .counts_from
                    .zip(*purchased)
                    .is_some_and(|(from, bought)| bought < from)
                {
                    continue;
                }
                let sum = licenses.entry(license).or_default();
                *sum = sum.saturating_add(terms.credits.get().saturating_mul(*count));
            }
        }
    }
    for (license, sum) in licenses {
        let cap = catalogue
            .licenses
            .get(license)
            .filter(|terms| terms.cap_enforced)
            .and_then(|terms| terms.cap);
        let worth = cap.map_or(sum, |cap| sum.min(cap.get()));
        purchased.license = purchased.license.saturating_add(worth);
    }
    (purchased, rollover_max.min(Credits::MAX.get()))
}

#[cfg(test)]
mod tests;
