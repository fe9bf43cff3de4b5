//! The plan file as typed -> the plan. Collects everything that is wrong, each with its path.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::credits::Credits;
use crate::domain::cycle::{Calendar, Rule};
use crate::domain::names::Name;
use crate::domain::nearest::nearest;
use crate::domain::plan::{
    Catalogue, Enforcement, EnvironmentPlan, Excess, ExtensionTerms, Grant, GrantKind, License,
    LimitKind, OrganizationPlan, Overage, Plan, PlanError, Thresholds, TrialTerms, UserPlan,
};
use crate::domain::rates::{Class, Operation, Rate, RateCard};

use super::plan_owned;
use super::plan_raw::*;
use super::scalar::Small;

/// The classes that are built in; a plan may declare more.
const CLASSES: [(&str, Class); 3] = [
    ("run", Class::Run),
    ("maker", Class::Maker),
    ("free", Class::Free),
];

/// What is wrong so far, and the path to what is being looked at.
#[derive(Default)]
struct Errors {
    path: Vec<String>,
    found: Vec<PlanError>,
}

impl Errors {
    fn inside<T>(&mut self, segment: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(segment.to_owned());
        let seen = look(self);
        self.path.pop();
        seen
    }

    /// A problem of what is being looked at, or of one of its keys.
    fn add(&mut self, key: Option<&str>, problem: impl Into<String>) {
        let segments = self.path.iter().cloned().chain(key.map(str::to_owned));
        self.found.push(PlanError::new(segments, problem));
    }

    /// A key that belongs to another kind.
    fn stray(&mut self, present: bool, key: &str, belongs_to: &str) {
        if present {
            self.add(
                Some(key),
                format!("`{key}` belongs to {belongs_to}; remove it"),
            );
        }
    }

    /// A value that this kind needs; a stand-in if it is missing, which is an error.
    fn needed<T: Default>(&mut self, value: Option<T>, key: &str, of: &str) -> T {
        value.unwrap_or_else(|| {
            self.add(None, format!("`{key}` is missing; {of} needs it: add it"));
            T::default()
        })
    }
}

/// The plan, or everything that is wrong with it as far as single entries tell.
pub(super) fn plan(raw: RawPlan) -> Result<Plan, Vec<PlanError>> {
    let mut errors = Errors::default();
    let owned = plan_owned::owned(&raw);
    let classes = errors.inside("classes", |errors| {
        classes(raw.classes.unwrap_or_default(), errors)
    });
    let rate_card = errors.inside("rate_card", |errors| {
        rate_card(raw.rate_card.unwrap_or_default(), &classes, errors)
    });
    let catalogue = errors.inside("catalogue", |errors| catalogue(raw.catalogue, errors));
    let organizations = errors.inside("organizations", |errors| {
        let named = raw.organizations.unwrap_or_default();
        if named.is_empty() {
            errors.add(
                None,
                "the plan names no organization; add one, such as organizations: {default: {}}",
            );
        }
        named
            .into_iter()
            .map(|(name, raw)| {
                let checked = errors.inside(&name, |errors| organization(raw, errors));
                (name.into(), Arc::new(checked))
            })
            .collect()
    });
    if errors.found.is_empty() {
        Ok(Plan {
            organizations,
            rate_card: Arc::new(rate_card),
            catalogue: Arc::new(catalogue),
            owned: Arc::new(owned),
        })
    } else {
        Err(errors.found)
    }
}

fn classes(raw: BTreeMap<String, RawClass>, errors: &mut Errors) -> BTreeMap<String, Class> {
    let built_in: BTreeMap<String, Class> = CLASSES
        .into_iter()
        .map(|(name, class)| (name.to_owned(), class))
        .collect();
    let mut classes = built_in.clone();
    for (name, raw) in raw {
        if let Err(error) = Name::parse(&name) {
            errors.add(Some(&name), format!("the name of this class {error}"));
        }
        let free = raw.free.is_some_and(|it| it.0);
        let class = match raw.reaches_allowance {
            Some(reaches) if free && reaches.0 => {
                errors.add(
                    Some(&name),
                    "a free class costs nothing and reaches nothing; keep one of the two keys",
                );
                continue;
            }
            _ if free => Class::Free,
            Some(reaches) if !reaches.0 => Class::Maker,
            Some(_) => Class::Run,
            None => {
                errors.add(
                    Some(&name),
                    "what this class reaches is missing; add reaches_allowance or free",
                );
                continue;
            }
        };
        if built_in.get(&name).is_some_and(|&meant| meant != class) {
            errors.add(
                Some(&name),
                format!("`{name}` is built in and means something else; choose another name"),
            );
        }
        classes.insert(name, class);
    }
    classes
}

fn rate_card(
    raw: BTreeMap<String, RawOperation>,
    classes: &BTreeMap<String, Class>,
    errors: &mut Errors,
) -> RateCard {
    let mut card = RateCard::default();
    for (name, raw) in raw {
        let operation = errors.inside(&name, |errors| {
            let class = raw.class.as_deref().unwrap_or("run");
            let class = classes.get(class).copied().unwrap_or_else(|| {
                errors.add(
                    Some("class"),
                    unknown("class", class, classes.keys().map(String::as_str)),
                );
                Class::Run
            });
            let credits = match (raw.credits, class) {
                (None, Class::Free) => Credits::ZERO,
                (credits, _) => errors.needed(
                    credits.map(|it| it.0),
                    "credits",
                    "an operation that is not free",
                ),
            };
            let rate = Rate {
                credits,
                per: raw.per.map_or(1, |it| it.0),
            };
            Operation {
                rate,
                class,
                product: raw.product.map(Into::into),
            }
        });
        card.operations.insert(name.into(), operation);
    }
    card
}

fn catalogue(raw: Option<RawCatalogue>, errors: &mut Errors) -> Catalogue {
    let mut catalogue = Catalogue::default();
    let Some(raw) = raw else { return catalogue };
    if let Some(credits) = raw.add_on_credits {
        catalogue.add_on_credits = credits.0;
    }
    errors.inside("licenses", |errors| {
        for (name, raw) in raw.licenses.unwrap_or_default() {
            let known = catalogue.licenses.get(name.as_str()).copied();
            let credits = raw.credits.map(|it| it.0).or(known.map(|it| it.credits));
            let license = License {
                credits: errors.inside(&name, |errors| {
                    errors.needed(credits, "credits", "a new licence")
                }),
                cap: raw.cap.map(|it| it.0).or(known.and_then(|it| it.cap)),
                cap_enforced: raw.cap_enforced.map_or_else(
                    || known.map_or(raw.cap.is_some(), |it| it.cap_enforced),
                    |it| it.0,
                ),
                counts_from: raw
                    .counts_from
                    .map(|it| it.0)
                    .or(known.and_then(|it| it.counts_from)),
            };
            catalogue.licenses.insert(name.into(), license);
        }
    });
    catalogue
}

fn organization(raw: RawOrganization, errors: &mut Errors) -> OrganizationPlan {
    let unset = OrganizationPlan::default();
    let rule = raw
        .cycle
        .map(|raw| errors.inside("cycle", |errors| cycle(&raw, errors)));
    let environments = raw.environments.unwrap_or_default();
    OrganizationPlan {
        display_name: raw.display_name.unwrap_or_default(),
        calendar: Calendar {
            zone: raw.time_zone.map_or(unset.calendar.zone, |it| it.0),
            rule: rule.unwrap_or(unset.calendar.rule),
        },
        scale: raw.scale.map_or(unset.scale, |it| it.0),
        allow_unallocated: raw
            .allow_unallocated
            .map_or(unset.allow_unallocated, |it| it.0),
        overage: overage(raw.overage, errors),
        excess: raw.excess.map_or(unset.excess, |it| match it {
            RawExcess::Record => Excess::Record,
            RawExcess::Reject => Excess::Reject,
        }),
        enforcement: raw.enforcement.map_or(unset.enforcement, |it| match it {
            RawEnforcement::Enforce => Enforcement::Enforce,
            RawEnforcement::Shadow => Enforcement::Shadow,
        }),
        seats: raw.seats.map(|it| it.0),
        thresholds: thresholds(raw.thresholds).unwrap_or(unset.thresholds),
        extension: raw.extension.map_or(unset.extension, |raw| extension(&raw)),
        trial: raw.trial.map_or(unset.trial, |raw| trial(&raw)),
        grants: errors.inside("grants", |errors| {
            let grants = raw.grants.unwrap_or_default().into_iter().enumerate();
            grants
                .map(|(index, raw)| errors.inside(&index.to_string(), |errors| grant(raw, errors)))
                .collect()
        }),
        environments: errors.inside("environments", |errors| {
            environments
                .into_iter()
                .map(|(name, raw)| {
                    let checked = errors.inside(&name, |errors| environment(raw, errors));
                    (name.into(), checked)
                })
                .collect()
        }),
        users: raw
            .users
            .unwrap_or_default()
            .into_iter()
            .map(|(name, raw)| (name.into(), user(raw)))
            .collect(),
    }
}

fn cycle(raw: &RawCycle, errors: &mut Errors) -> Rule {
    match raw.kind {
        RawCycleKind::Month => {
            errors.stray(raw.days.is_some(), "days", "kind: days");
            errors.stray(raw.from.is_some(), "from", "kind: days");
            let day = raw.anchor_day.map_or(1, |it| it.0);
            let anchor_day = u8::try_from(day).unwrap_or(u8::MAX);
            Rule::Month { anchor_day }
        }
        RawCycleKind::Days => {
            errors.stray(raw.anchor_day.is_some(), "anchor_day", "kind: month");
            Rule::Days {
                days: errors.needed(raw.days.map(|it| it.0), "days", "kind: days"),
                from: errors.needed(raw.from.map(|it| it.0), "from", "kind: days"),
            }
        }
    }
}

fn overage(raw: Option<RawOverage>, errors: &mut Errors) -> Overage {
    let Some(raw) = raw else { return Overage::Hard };
    errors.inside("overage", |errors| {
        if !matches!(raw.mode, RawOverageMode::Soft) {
            errors.stray(raw.extra.is_some(), "extra", "mode: soft");
        }
        if !matches!(raw.mode, RawOverageMode::Grace) {
            errors.stray(
                raw.margin_percent.is_some(),
                "margin_percent",
                "mode: grace",
            );
        }
        match raw.mode {
            RawOverageMode::Hard => Overage::Hard,
            RawOverageMode::Soft => {
                Overage::Soft(errors.needed(raw.extra.map(|it| it.0), "extra", "mode: soft"))
            }
            RawOverageMode::Grace => {
                let percent = raw.margin_percent.map(|it| it.0);
                Overage::Grace(errors.needed(percent, "margin_percent", "mode: grace"))
            }
        }
    })
}

fn thresholds(raw: Option<Vec<Small>>) -> Option<Thresholds> {
    raw.map(|marks| Thresholds(marks.into_iter().map(|mark| mark.0).collect()))
}

fn extension(raw: &RawExtension) -> ExtensionTerms {
    let unset = ExtensionTerms::default();
    ExtensionTerms {
        credits: raw.credits.map_or(unset.credits, |it| it.0),
        delay: raw.delay.map_or(unset.delay, |it| it.0),
        per_cycle: raw.per_cycle.map_or(unset.per_cycle, |it| it.0),
        per_year: raw.per_year.map_or(unset.per_year, |it| it.0),
    }
}

fn trial(raw: &RawTrial) -> TrialTerms {
    let unset = TrialTerms::default();
    TrialTerms {
        credits: raw.credits.map_or(unset.credits, |it| it.0),
        days: raw.days.map_or(unset.days, |it| it.0),
        renewals: raw.renewals.map_or(unset.renewals, |it| it.0),
    }
}

fn grant(raw: RawGrant, errors: &mut Errors) -> Grant {
    if !matches!(raw.kind, RawGrantKind::Contract) {
        errors.stray(raw.credits.is_some(), "credits", "kind: contract");
        errors.stray(raw.rollover.is_some(), "rollover", "kind: contract");
    }
    if !matches!(raw.kind, RawGrantKind::License) {
        errors.stray(raw.license.is_some(), "license", "kind: license");
        errors.stray(raw.purchased.is_some(), "purchased", "kind: license");
    }
    if matches!(raw.kind, RawGrantKind::Contract) {
        errors.stray(
            raw.count.is_some(),
            "count",
            "kind: add_on and kind: license",
        );
    }
    let count = raw.count.map(|it| it.0);
    let kind = match raw.kind {
        RawGrantKind::Contract => GrantKind::Contract {
            credits: errors.needed(raw.credits.map(|it| it.0), "credits", "kind: contract"),
            rollover: raw.rollover.map(|it| it.0),
        },
        RawGrantKind::AddOn => GrantKind::AddOn {
            count: errors.needed(count, "count", "kind: add_on"),
        },
        RawGrantKind::License => GrantKind::License {
            license: errors
                .needed(raw.license, "license", "kind: license")
                .into(),
            count: errors.needed(count, "count", "kind: license"),
            purchased: raw.purchased.map(|it| it.0),
        },
    };
    Grant {
        kind,
        valid_from: raw.valid_from.map(|it| it.0),
        valid_until: raw.valid_until.map(|it| it.0),
    }
}

fn environment(raw: RawEnvironment, errors: &mut Errors) -> EnvironmentPlan {
    EnvironmentPlan {
        allocation: raw.allocation.map_or(Credits::ZERO, |it| it.0),
        overage: overage(raw.overage, errors),
        thresholds: thresholds(raw.thresholds),
    }
}

fn user(raw: RawUser) -> UserPlan {
    UserPlan {
        limit: raw.limit.0,
        kind: match raw.kind {
            None | Some(RawLimitKind::Hard) => LimitKind::Hard,
            Some(RawLimitKind::Soft) => LimitKind::Soft,
        },
        thresholds: thresholds(raw.thresholds),
    }
}

fn unknown<'a>(what: &str, word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    let near = nearest(word, known.iter().copied());
    let guess = near
        .map(|near| format!("did you mean `{near}`? "))
        .unwrap_or_default();
    format!(
        "the {what} `{word}` is not known; {guess}Known: {}",
        known.join(", ")
    )
}
