//! Random plans with small figures, so that every edge is met often, and random changes of them.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use quotad::domain::credits::Credits;
use quotad::domain::cycle::{Calendar, Rule};
use quotad::domain::plan::{
    Catalogue, Enforcement, EnvironmentPlan, Excess, ExtensionTerms, Grant, GrantKind, License,
    LimitKind, OrganizationPlan, Overage, Plan, Thresholds, TrialTerms, UserPlan,
};
use quotad::domain::rates::{Class, Operation, Rate, RateCard};
use quotad::domain::time::Timestamp;

use crate::generate::Theme;
use crate::world::Chance;

pub const ORGANIZATIONS: [&str; 3] = ["acme", "beta", "gamma"];
pub const ENVIRONMENTS: [&str; 4] = ["default", "dev", "prod", "test"];
pub const USERS: [&str; 4] = ["ana", "bo", "cy", "dee"];
/// Operations of the rate card, and whether a quantity makes a price.
pub const OPERATIONS: [&str; 4] = ["run", "edit", "tokens", "preview"];

/// Makes plans for a world that began at `around`.
#[derive(Clone, Debug)]
pub struct Planner {
    pub around: Timestamp,
    pub theme: Theme,
}

impl Planner {
    pub fn plan(&self, chance: &mut Chance, organizations: usize) -> Plan {
        let mut plan = Plan {
            catalogue: Arc::new(catalogue()),
            ..Plan::default()
        };
        plan.rate_card = Arc::new(rate_card(chance));
        for name in &ORGANIZATIONS[..organizations] {
            plan.organizations
                .insert((*name).into(), Arc::new(self.organization(chance)));
        }
        plan
    }

    pub fn organization(&self, chance: &mut Chance) -> OrganizationPlan {
        let mut plan = OrganizationPlan {
            calendar: self.calendar(chance),
            allow_unallocated: chance.percent(85),
            overage: overage(chance),
            excess: excess(chance),
            enforcement: if chance.percent(9) {
                Enforcement::Shadow
            } else {
                Enforcement::Enforce
            },
            thresholds: thresholds(chance),
            extension: extension(chance),
            trial: trial(chance),
            ..OrganizationPlan::default()
        };
        if self.theme != Theme::Trials {
            for _ in 0..chance.between(1, 3) {
                plan.grants.push(self.grant(chance));
            }
        }
        for name in ENVIRONMENTS {
            if chance.percent(40) {
                plan.environments.insert(name.into(), environment(chance));
            }
        }
        for name in &USERS[..3] {
            if chance.percent(45) {
                plan.users.insert((*name).into(), user(chance));
            }
        }
        self.bend(chance, &mut plan);
        plan
    }

    /// Bends a plan to what the world is about.
    fn bend(&self, chance: &mut Chance, plan: &mut OrganizationPlan) {
        match self.theme {
            Theme::Extensions => {
                plan.overage = lenient(chance);
                for environment in plan.environments.values_mut() {
                    environment.overage = lenient(chance);
                }
                plan.extension.credits = credits(chance.between(1, 15));
                plan.extension.delay = Duration::from_secs(chance.pick(&[0, 1, 60]));
                plan.extension.per_cycle = 3;
                plan.extension.per_year = 12;
                plan.excess = excess(chance).max(excess(chance));
            }
            Theme::Shadow if chance.percent(85) => plan.enforcement = Enforcement::Shadow,
            Theme::Trials => {
                plan.enforcement = Enforcement::Enforce;
                plan.trial.days = 1;
                plan.trial.renewals = 2;
                plan.trial.credits = credits(chance.between(3, 15));
            }
            Theme::Shrinking => {
                if plan.grants.len() > 1 && chance.percent(25) {
                    plan.grants.pop();
                }
                let kind = GrantKind::Contract {
                    credits: credits(chance.between(5, 20)),
                    rollover: None,
                };
                let always = Grant {
                    kind,
                    valid_from: None,
                    valid_until: None,
                };
                match plan.grants.first_mut() {
                    Some(first) => *first = always,
                    None => plan.grants.push(always),
                }
            }
            Theme::Boundaries => {
                plan.calendar.rule = Rule::Days {
                    days: 1,
                    from: self.around,
                }
            }
            _ => {}
        }
    }

    fn calendar(&self, chance: &mut Chance) -> Calendar {
        let zone = chance.pick(&[
            Tz::UTC,
            Tz::UTC,
            Tz::America__New_York,
            Tz::Asia__Kathmandu,
            Tz::America__Havana,
        ]);
        let rule = if chance.percent(70) {
            let offset = Duration::from_secs(chance.between(0, 48) * 1_800);
            Rule::Days {
                days: chance.pick(&[1, 1, 2, 3]),
                from: self.around.minus(offset),
            }
        } else {
            Rule::Month {
                anchor_day: chance.pick(&[1, 2, 15, 31]),
            }
        };
        Calendar { zone, rule }
    }

    fn day(&self, chance: &mut Chance) -> NaiveDate {
        let date = self.around.to_utc().date_naive();
        match self.theme {
            Theme::Shrinking => date + Days::new(chance.between(0, 6)),
            _ => date - Days::new(2) + Days::new(chance.between(0, 10)),
        }
    }

    pub fn grant(&self, chance: &mut Chance) -> Grant {
        let kind = match chance.below(10) {
            0..6 => GrantKind::Contract {
                credits: credits(chance.between(5, 120)),
                rollover: chance.pick(&[None, Some(1), Some(2), Some(2), Some(3)]),
            },
            6..8 => GrantKind::AddOn {
                count: chance.between(0, 2),
            },
            _ => GrantKind::License {
                license: chance.pick(&["capped", "known", "dated"]).into(),
                count: chance.between(0, 6),
                purchased: chance.percent(60).then(|| self.day(chance)),
            },
        };
        let (from, until) = if self.theme == Theme::Shrinking {
            (20, 60)
        } else {
            (25, 35)
        };
        let valid_from = chance.percent(from).then(|| self.day(chance));
        let valid_until = chance
            .percent(until)
            .then(|| self.day(chance))
            .map(|day| valid_from.map_or(day, |it| it.max(day)));
        Grant {
            kind,
            valid_from,
            valid_until,
        }
    }

    /// Changes one or a few things.
    pub fn change(&self, chance: &mut Chance, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        if chance.percent(5) {
            plan.rate_card = Arc::new(rate_card(chance));
        }
        if chance.percent(3)
            && let Some(name) = ORGANIZATIONS.get(plan.organizations.len())
        {
            plan.organizations
                .insert((*name).into(), Arc::new(self.organization(chance)));
        }
        let names: Vec<_> = plan.organizations.keys().cloned().collect();
        let name = &names[usize::try_from(chance.below(names.len() as u64)).expect("few")];
        let mut terms = (*plan.organizations[name]).clone();
        for _ in 0..chance.pick(&[1, 1, 1, 2, 4]) {
            self.change_one(chance, &mut terms);
        }
        if chance.percent(50) && self.theme != Theme::Boundaries {
            self.bend(chance, &mut terms);
        }
        plan.organizations.insert(name.clone(), Arc::new(terms));
        plan
    }

    fn change_one(&self, chance: &mut Chance, terms: &mut OrganizationPlan) {
        match chance.below(24) {
            0..3 => {
                let mut allocated = terms.environments.values_mut();
                if let Some(environment) = allocated.find(|it| it.allocation.get() > 1) {
                    let allocation = environment.allocation.get();
                    let rises = self.theme == Theme::Extensions && chance.percent(85);
                    environment.allocation = credits(match rises {
                        true => allocation + chance.between(1, 5),
                        false => chance.between(1, allocation - 1),
                    });
                }
            }
            3..5 => {
                terms
                    .environments
                    .insert(chance.pick(&ENVIRONMENTS).into(), environment(chance));
            }
            5 => {
                terms.environments.remove(chance.pick(&ENVIRONMENTS));
            }
            6..11 => {
                terms
                    .users
                    .insert(chance.pick(&USERS[..3]).into(), user(chance));
            }
            11 => {
                terms.users.remove(chance.pick(&USERS));
            }
            12..14 if self.theme != Theme::Trials || chance.percent(30) => {
                terms.grants.push(self.grant(chance))
            }
            14..16 => {
                if !terms.grants.is_empty() {
                    let last = terms.grants.len() as u64;
                    terms
                        .grants
                        .remove(usize::try_from(chance.below(last)).expect("few"));
                }
            }
            16 => terms.overage = overage(chance),
            17 => terms.allow_unallocated = chance.percent(80),
            18 => terms.excess = excess(chance),
            19 => {
                terms.enforcement = if chance.percent(15) {
                    Enforcement::Shadow
                } else {
                    Enforcement::Enforce
                }
            }
            20 => terms.thresholds = thresholds(chance),
            21 => terms.extension = extension(chance),
            22 => terms.trial = trial(chance),
            _ => terms.calendar = self.calendar(chance),
        }
        if self.theme == Theme::Boundaries && chance.percent(20) {
            terms.calendar = self.calendar(chance);
        }
    }
}

fn credits(amount: u64) -> Credits {
    Credits::new(amount).expect("small")
}

fn overage(chance: &mut Chance) -> Overage {
    match chance.below(10) {
        0..4 => Overage::Hard,
        4..7 => Overage::Soft(credits(chance.between(0, 25))),
        _ => Overage::Grace(u32::try_from(chance.between(0, 60)).expect("small")),
    }
}

fn lenient(chance: &mut Chance) -> Overage {
    match chance.percent(50) {
        true => Overage::Soft(credits(chance.between(5, 40))),
        false => Overage::Grace(u32::try_from(chance.between(40, 200)).expect("small")),
    }
}

fn excess(chance: &mut Chance) -> Excess {
    if chance.percent(30) {
        Excess::Reject
    } else {
        Excess::Record
    }
}

fn thresholds(chance: &mut Chance) -> Thresholds {
    Thresholds(match chance.below(8) {
        0..5 => vec![80, 100],
        5 => vec![50],
        6 => vec![25, 50, 75, 100, 150],
        _ => vec![1, 100, 200],
    })
}

fn own_thresholds(chance: &mut Chance) -> Option<Thresholds> {
    chance.percent(20).then(|| thresholds(chance))
}

fn extension(chance: &mut Chance) -> ExtensionTerms {
    ExtensionTerms {
        credits: credits(chance.between(1, 40)),
        delay: Duration::from_secs(chance.pick(&[0, 1, 60, 600])),
        per_cycle: chance.pick(&[0, 1, 2, 3]),
        per_year: chance.pick(&[2, 4, 12]),
    }
}

fn trial(chance: &mut Chance) -> TrialTerms {
    TrialTerms {
        credits: credits(chance.between(5, 60)),
        days: chance.pick(&[1, 1, 2, 3]),
        renewals: chance.pick(&[0, 1, 2, 2]),
    }
}

fn environment(chance: &mut Chance) -> EnvironmentPlan {
    let allocation = if chance.percent(20) {
        0
    } else {
        chance.between(1, 35)
    };
    let overage = overage(chance);
    EnvironmentPlan {
        allocation: credits(allocation),
        overage,
        thresholds: own_thresholds(chance),
    }
}

fn user(chance: &mut Chance) -> UserPlan {
    let kind = if chance.percent(55) {
        LimitKind::Hard
    } else {
        LimitKind::Soft
    };
    let limit = if chance.percent(8) {
        0
    } else {
        chance.between(1, 30)
    };
    UserPlan {
        limit: credits(limit),
        kind,
        thresholds: own_thresholds(chance),
    }
}

fn rate_card(chance: &mut Chance) -> RateCard {
    let mut card = RateCard::default();
    for (name, rate, per, class, product) in [
        ("run", chance.between(1, 3), 1, Class::Run, Some("suite")),
        ("edit", chance.between(0, 3), 1, Class::Maker, None),
        ("tokens", 3, chance.between(1, 10), Class::Run, Some("chat")),
        ("preview", 5, 1, Class::Free, None),
    ] {
        let rate = Rate {
            credits: credits(rate),
            per,
        };
        card.operations.insert(
            name.into(),
            Operation {
                rate,
                class,
                product: product.map(Into::into),
            },
        );
    }
    card
}

fn catalogue() -> Catalogue {
    let day = NaiveDate::from_ymd_opt(2026, 10, 30);
    let license = |credits_each, cap, cap_enforced, counts_from| License {
        credits: credits(credits_each),
        cap: Some(credits(cap)),
        cap_enforced,
        counts_from,
    };
    let licenses: BTreeMap<Box<str>, License> = [
        ("capped".into(), license(10, 25, true, None)),
        ("known".into(), license(10, 25, false, None)),
        ("dated".into(), license(7, 1_000, true, day)),
    ]
    .into();
    Catalogue {
        add_on_credits: credits(40),
        licenses,
    }
}
