//! Between the plan and what stands in its file. Every struct is taken apart without `..`, so that the compiler misses a
//! field that is new.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::cycle::{Calendar, Rule};
use crate::domain::plan;
use crate::domain::rates::{self, Rate, RateCard};
use crate::domain::time::Timestamp;

use super::checked::{Amount, AnchorDay, Day, Key, Marks, Zone};
use super::*;

fn each<'a, T, U: From<&'a T>>(map: &'a Named<T>) -> Named<U> {
    let named = map.iter().map(|(name, it)| (name.clone(), it.into()));
    named.collect()
}

fn all<T, U: From<T>>(map: Named<T>) -> Named<U> {
    map.into_iter()
        .map(|(name, it)| (name, it.into()))
        .collect()
}

/// What must be at least 1 is.
fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

impl From<&plan::Plan> for Plan {
    fn from(plan: &plan::Plan) -> Self {
        let plan::Plan {
            organizations,
            rate_card,
            catalogue,
            owned,
        } = plan;
        let RateCard { operations } = &**rate_card;
        let plan::Catalogue {
            add_on_credits,
            licenses,
        } = &**catalogue;
        Self {
            organizations: organizations
                .iter()
                .map(|(name, it)| (name.clone(), (&**it).into()))
                .collect(),
            rate_card: each(operations),
            catalogue: Catalogue {
                add_on_credits: Amount(*add_on_credits),
                licenses: each(licenses),
            },
            owned: (&**owned).into(),
        }
    }
}

impl From<Plan> for plan::Plan {
    fn from(plan: Plan) -> Self {
        let organizations = plan.organizations.into_iter();
        Self {
            organizations: organizations
                .map(|(name, it)| (name, Arc::new(it.into())))
                .collect(),
            rate_card: Arc::new(RateCard {
                operations: all(plan.rate_card),
            }),
            catalogue: Arc::new(plan::Catalogue {
                add_on_credits: plan.catalogue.add_on_credits.0,
                licenses: all(plan.catalogue.licenses),
            }),
            owned: Arc::new(plan.owned.into()),
        }
    }
}

impl From<&plan::Owned> for Owned {
    fn from(owned: &plan::Owned) -> Self {
        let plan::Owned {
            organizations,
            rates,
            add_on_credits,
            licenses,
        } = owned;
        Self {
            organizations: each(organizations),
            rate_card: rates.clone(),
            add_on_credits: *add_on_credits,
            licenses: licenses.clone(),
        }
    }
}

impl From<Owned> for plan::Owned {
    fn from(owned: Owned) -> Self {
        Self {
            organizations: all(owned.organizations),
            rates: owned.rate_card,
            add_on_credits: owned.add_on_credits,
            licenses: owned.licenses,
        }
    }
}

impl From<&plan::OwnedOrganization> for OwnedOrganization {
    fn from(owned: &plan::OwnedOrganization) -> Self {
        let plan::OwnedOrganization {
            settings,
            grants,
            environments,
            users,
        } = owned;
        Self {
            settings: settings.iter().copied().map(Key).collect(),
            grants: *grants,
            environments: environments.clone(),
            users: users.clone(),
        }
    }
}

impl From<OwnedOrganization> for plan::OwnedOrganization {
    fn from(owned: OwnedOrganization) -> Self {
        Self {
            settings: owned.settings.into_iter().map(|key| key.0).collect(),
            grants: owned.grants,
            environments: owned.environments,
            users: owned.users,
        }
    }
}

impl From<&plan::OrganizationPlan> for Organization {
    fn from(plan: &plan::OrganizationPlan) -> Self {
        let plan::OrganizationPlan {
            display_name,
            calendar: Calendar { zone, rule },
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
        } = plan;
        Self {
            display_name: display_name.clone(),
            time_zone: Zone(*zone),
            cycle: (*rule).into(),
            scale: *scale,
            allow_unallocated: *allow_unallocated,
            overage: (*overage).into(),
            excess: match excess {
                plan::Excess::Record => Excess::Record,
                plan::Excess::Reject => Excess::Reject,
            },
            enforcement: match enforcement {
                plan::Enforcement::Enforce => Enforcement::Enforce,
                plan::Enforcement::Shadow => Enforcement::Shadow,
            },
            seats: *seats,
            thresholds: Marks(thresholds.clone()),
            extension: extension.into(),
            trial: trial.into(),
            grants: grants.iter().map(Into::into).collect(),
            environments: each(environments),
            users: each(users),
        }
    }
}

impl From<Organization> for plan::OrganizationPlan {
    fn from(plan: Organization) -> Self {
        Self {
            display_name: plan.display_name,
            calendar: Calendar {
                zone: plan.time_zone.0,
                rule: plan.cycle.into(),
            },
            scale: plan.scale,
            allow_unallocated: plan.allow_unallocated,
            overage: plan.overage.into(),
            excess: match plan.excess {
                Excess::Record => plan::Excess::Record,
                Excess::Reject => plan::Excess::Reject,
            },
            enforcement: match plan.enforcement {
                Enforcement::Enforce => plan::Enforcement::Enforce,
                Enforcement::Shadow => plan::Enforcement::Shadow,
            },
            seats: plan.seats,
            thresholds: plan.thresholds.0,
            extension: plan.extension.into(),
            trial: plan.trial.into(),
            grants: plan.grants.into_iter().map(Into::into).collect(),
            environments: all(plan.environments),
            users: all(plan.users),
        }
    }
}

impl From<Rule> for Cycle {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Month { anchor_day } => Self::Month {
                anchor_day: AnchorDay(anchor_day.clamp(1, 31)),
            },
            Rule::Days { days, from } => Self::Days {
                days: at_least_one(days),
                from_ns: from.nanos(),
            },
        }
    }
}

impl From<Cycle> for Rule {
    fn from(cycle: Cycle) -> Self {
        match cycle {
            Cycle::Month { anchor_day } => Self::Month {
                anchor_day: anchor_day.0,
            },
            Cycle::Days { days, from_ns } => Self::Days {
                days: days.get(),
                from: Timestamp::from_nanos(from_ns),
            },
        }
    }
}

impl From<plan::Overage> for Overage {
    fn from(overage: plan::Overage) -> Self {
        match overage {
            plan::Overage::Hard => Self::Hard,
            plan::Overage::Soft(credits) => Self::SoftCredits(Amount(credits)),
            plan::Overage::Grace(percent) => Self::GracePercent(percent),
        }
    }
}

impl From<Overage> for plan::Overage {
    fn from(overage: Overage) -> Self {
        match overage {
            Overage::Hard => Self::Hard,
            Overage::SoftCredits(credits) => Self::Soft(credits.0),
            Overage::GracePercent(percent) => Self::Grace(percent),
        }
    }
}

impl From<&plan::ExtensionTerms> for Extension {
    fn from(terms: &plan::ExtensionTerms) -> Self {
        let plan::ExtensionTerms {
            credits,
            delay,
            per_cycle,
            per_year,
        } = terms;
        Self {
            credits: Amount(*credits),
            delay_ns: u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX),
            per_cycle: *per_cycle,
            per_year: *per_year,
        }
    }
}

impl From<Extension> for plan::ExtensionTerms {
    fn from(terms: Extension) -> Self {
        Self {
            credits: terms.credits.0,
            delay: Duration::from_nanos(terms.delay_ns),
            per_cycle: terms.per_cycle,
            per_year: terms.per_year,
        }
    }
}

impl From<&plan::TrialTerms> for Trial {
    fn from(terms: &plan::TrialTerms) -> Self {
        let plan::TrialTerms {
            credits,
            days,
            renewals,
        } = terms;
        Self {
            credits: Amount(*credits),
            days: at_least_one(*days),
            renewals: *renewals,
        }
    }
}

impl From<Trial> for plan::TrialTerms {
    fn from(terms: Trial) -> Self {
        Self {
            credits: terms.credits.0,
            days: terms.days.get(),
            renewals: terms.renewals,
        }
    }
}

impl From<&plan::Grant> for Grant {
    fn from(grant: &plan::Grant) -> Self {
        let plan::Grant {
            kind,
            valid_from,
            valid_until,
        } = grant;
        let bought = match kind {
            plan::GrantKind::Contract { credits, rollover } => Bought::Contract {
                credits: Amount(*credits),
                rollover: rollover.map(at_least_one),
            },
            plan::GrantKind::AddOn { count } => Bought::AddOn { count: *count },
            plan::GrantKind::License {
                license,
                count,
                purchased,
            } => Bought::License {
                license: license.clone(),
                count: *count,
                purchased: purchased.map(Day),
            },
        };
        Self {
            bought,
            valid_from: valid_from.map(Day),
            valid_until: valid_until.map(Day),
        }
    }
}

impl From<Grant> for plan::Grant {
    fn from(grant: Grant) -> Self {
        let kind = match grant.bought {
            Bought::Contract { credits, rollover } => plan::GrantKind::Contract {
                credits: credits.0,
                rollover: rollover.map(NonZeroU32::get),
            },
            Bought::AddOn { count } => plan::GrantKind::AddOn { count },
            Bought::License {
                license,
                count,
                purchased,
            } => plan::GrantKind::License {
                license,
                count,
                purchased: purchased.map(|day| day.0),
            },
        };
        Self {
            kind,
            valid_from: grant.valid_from.map(|day| day.0),
            valid_until: grant.valid_until.map(|day| day.0),
        }
    }
}

impl From<&plan::EnvironmentPlan> for Environment {
    fn from(plan: &plan::EnvironmentPlan) -> Self {
        let plan::EnvironmentPlan {
            allocation,
            overage,
            thresholds,
        } = plan;
        Self {
            allocation: Amount(*allocation),
            overage: (*overage).into(),
            thresholds: thresholds.clone().map(Marks),
        }
    }
}

impl From<Environment> for plan::EnvironmentPlan {
    fn from(plan: Environment) -> Self {
        Self {
            allocation: plan.allocation.0,
            overage: plan.overage.into(),
            thresholds: plan.thresholds.map(|marks| marks.0),
        }
    }
}

impl From<&plan::UserPlan> for User {
    fn from(plan: &plan::UserPlan) -> Self {
        let plan::UserPlan {
            limit,
            kind,
            thresholds,
        } = plan;
        Self {
            limit: Amount(*limit),
            kind: match kind {
                plan::LimitKind::Hard => LimitKind::Hard,
                plan::LimitKind::Soft => LimitKind::Soft,
            },
            thresholds: thresholds.clone().map(Marks),
        }
    }
}

impl From<User> for plan::UserPlan {
    fn from(plan: User) -> Self {
        Self {
            limit: plan.limit.0,
            kind: match plan.kind {
                LimitKind::Hard => plan::LimitKind::Hard,
                LimitKind::Soft => plan::LimitKind::Soft,
            },
            thresholds: plan.thresholds.map(|marks| marks.0),
        }
    }
}

impl From<&rates::Operation> for Operation {
    fn from(operation: &rates::Operation) -> Self {
        let rates::Operation {
            rate: Rate { credits, per },
            class,
            product,
        } = operation;
        Self {
            credits: Amount(*credits),
            per: NonZeroU64::new(*per).unwrap_or(NonZeroU64::MIN),
            class: match class {
                rates::Class::Run => Class::Run,
                rates::Class::Maker => Class::Maker,
                rates::Class::Free => Class::Free,
            },
            product: product.clone(),
        }
    }
}

impl From<Operation> for rates::Operation {
    fn from(operation: Operation) -> Self {
        Self {
            rate: Rate {
                credits: operation.credits.0,
                per: operation.per.get(),
            },
            class: match operation.class {
                Class::Run => rates::Class::Run,
                Class::Maker => rates::Class::Maker,
                Class::Free => rates::Class::Free,
            },
            product: operation.product,
        }
    }
}

impl From<&plan::License> for License {
    fn from(license: &plan::License) -> Self {
        let plan::License {
            credits,
            cap,
            cap_enforced,
            counts_from,
        } = license;
        Self {
            credits: Amount(*credits),
            cap: cap.map(Amount),
            cap_enforced: *cap_enforced,
            counts_from: counts_from.map(Day),
        }
    }
}

impl From<License> for plan::License {
    fn from(license: License) -> Self {
        Self {
            credits: license.credits.0,
            cap: license.cap.map(|cap| cap.0),
            cap_enforced: license.cap_enforced,
            counts_from: license.counts_from.map(|day| day.0),
        }
    }
}
