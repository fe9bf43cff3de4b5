//! The settings of an organization: wire types to a change of them, and back.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::cycle::Rule;
use crate::domain::plan::edit::Settings;
use crate::domain::plan::{
    Enforcement, Excess, ExtensionTerms, OrganizationPlan, Overage, Plan, Setting, Thresholds,
    TrialTerms, settings_etag,
};
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::admin::{bad, credits, instant, known, mask};
use super::answered_time;

/// The settings that a message changes: those that its mask names, what is left out becoming as if nobody had set it.
pub fn settings(
    wire: &pb::Organization,
    update_mask: Option<&prost_types::FieldMask>,
) -> Result<Settings, Refusal> {
    let keys = Setting::ALL.map(Setting::key);
    let named = mask(update_mask, &keys)?;
    let mut says = Settings::default();
    for setting in Setting::ALL {
        if named.contains(setting.key()) && !set(setting, wire, &mut says)? {
            says.reset.insert(setting);
        }
    }
    Ok(says)
}

/// Reads one setting; answers whether the message says anything of it.
fn set(setting: Setting, wire: &pb::Organization, says: &mut Settings) -> Result<bool, Refusal> {
    match setting {
        Setting::DisplayName => {
            let given = &wire.display_name;
            says.display_name = (!given.is_empty()).then(|| given.clone());
            Ok(says.display_name.is_some())
        }
        Setting::TimeZone => {
            says.time_zone = zone(&wire.time_zone)?;
            Ok(says.time_zone.is_some())
        }
        Setting::Cycle => {
            says.cycle = wire.cycle.as_ref().map(rule).transpose()?;
            Ok(says.cycle.is_some())
        }
        Setting::Scale => {
            says.scale = (wire.scale != 0).then_some(wire.scale);
            Ok(says.scale.is_some())
        }
        Setting::AllowUnallocated => {
            says.allow_unallocated = wire.allow_unallocated;
            Ok(says.allow_unallocated.is_some())
        }
        Setting::Overage => {
            let given = wire.overage.as_ref();
            says.overage = given
                .map(|it| overage("organization.overage", it))
                .transpose()?;
            Ok(says.overage.is_some())
        }
        Setting::Excess => {
            says.excess = match known("organization.excess", wire.excess)? {
                pb::Excess::Unspecified => None,
                pb::Excess::Record => Some(Excess::Record),
                pb::Excess::Reject => Some(Excess::Reject),
            };
            Ok(says.excess.is_some())
        }
        Setting::Enforcement => {
            says.enforcement = match known("organization.enforcement", wire.enforcement)? {
                pb::Enforcement::Unspecified => None,
                pb::Enforcement::Enforce => Some(Enforcement::Enforce),
                pb::Enforcement::Shadow => Some(Enforcement::Shadow),
            };
            Ok(says.enforcement.is_some())
        }
        Setting::Seats => {
            says.seats = wire.seats;
            Ok(says.seats.is_some())
        }
        Setting::Thresholds => {
            says.thresholds = thresholds(&wire.thresholds);
            Ok(says.thresholds.is_some())
        }
        Setting::Extension => {
            says.extension = wire.extension.as_ref().map(extension).transpose()?;
            Ok(says.extension.is_some())
        }
        Setting::Trial => {
            says.trial = wire.trial.as_ref().map(trial).transpose()?;
            Ok(says.trial.is_some())
        }
    }
}

fn zone(text: &str) -> Result<Option<chrono_tz::Tz>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).or_else(|_| {
        bad(
            "organization.time_zone",
            format!("{text:?} is no zone of the IANA database; write it as Europe/Paris"),
        )
    })
}

fn rule(wire: &pb::Cycle) -> Result<Rule, Refusal> {
    match &wire.rule {
        Some(pb::cycle::Rule::AnchorDay(day)) => match u8::try_from(*day) {
            Ok(anchor_day) => Ok(Rule::Month { anchor_day }),
            Err(_) => bad(
                "organization.cycle.anchor_day",
                format!("{day} is out of range; choose 1 to 31"),
            ),
        },
        Some(pb::cycle::Rule::FixedDays(fixed)) => {
            const FROM: &str = "organization.cycle.fixed_days.from_time";
            let Some(from) = &fixed.from_time else {
                return bad(FROM, "is missing; give an instant at which a cycle begins");
            };
            let from = instant(FROM, from)?;
            let days = fixed.days;
            Ok(Rule::Days { days, from })
        }
        None => bad(
            "organization.cycle.rule",
            "is missing; give `anchor_day` or `fixed_days`",
        ),
    }
}

/// How far a payer may go beyond its base.
pub(super) fn overage(field: &str, wire: &pb::Overage) -> Result<Overage, Refusal> {
    match &wire.policy {
        Some(pb::overage::Policy::Hard(_)) => Ok(Overage::Hard),
        Some(pb::overage::Policy::SoftExtra(extra)) => {
            credits(&format!("{field}.soft_extra"), *extra).map(Overage::Soft)
        }
        Some(pb::overage::Policy::GraceMarginPercent(percent)) => Ok(Overage::Grace(*percent)),
        None => bad(
            format!("{field}.policy"),
            "is missing; give `hard`, `soft_extra` or `grace_margin_percent`",
        ),
    }
}

/// Marks; none are as if nobody had set them.
pub(super) fn thresholds(wire: &[u32]) -> Option<Thresholds> {
    (!wire.is_empty()).then(|| Thresholds(wire.to_vec()))
}

fn extension(wire: &pb::ExtensionTerms) -> Result<ExtensionTerms, Refusal> {
    let delay = match &wire.delay {
        None => ExtensionTerms::default().delay,
        Some(delay) => Duration::try_from(*delay).or_else(|_| {
            bad(
                "organization.extension.delay",
                "is negative; give 0 s or more",
            )
        })?,
    };
    Ok(ExtensionTerms {
        credits: credits("organization.extension.credits", wire.credits)?,
        delay,
        per_cycle: wire.per_cycle,
        per_year: wire.per_year,
    })
}

fn trial(wire: &pb::TrialTerms) -> Result<TrialTerms, Refusal> {
    Ok(TrialTerms {
        credits: credits("organization.trial.credits", wire.credits)?,
        days: wire.days,
        renewals: wire.renewals,
    })
}

/// Leaves out what would stay as it is: so a whole message that was read may be sent back although the plan file owns some of
/// it.
pub fn without_same(mut says: Settings, present: Option<&OrganizationPlan>) -> Settings {
    fn drop_same<T: PartialEq>(wanted: &mut Option<T>, present: &T) {
        if wanted.as_ref() == Some(present) {
            *wanted = None;
        }
    }
    let Some(it) = present else { return says };
    drop_same(&mut says.display_name, &it.display_name);
    drop_same(&mut says.time_zone, &it.calendar.zone);
    drop_same(&mut says.cycle, &it.calendar.rule);
    drop_same(&mut says.scale, &it.scale);
    drop_same(&mut says.allow_unallocated, &it.allow_unallocated);
    drop_same(&mut says.overage, &it.overage);
    drop_same(&mut says.excess, &it.excess);
    drop_same(&mut says.enforcement, &it.enforcement);
    drop_same(&mut says.thresholds, &it.thresholds);
    drop_same(&mut says.extension, &it.extension);
    drop_same(&mut says.trial, &it.trial);
    if says.seats.is_some() && says.seats == it.seats {
        says.seats = None;
    }
    let unset = OrganizationPlan::default();
    says.reset.retain(|&setting| !is_same(setting, it, &unset));
    says
}

fn is_same(setting: Setting, one: &OrganizationPlan, other: &OrganizationPlan) -> bool {
    match setting {
        Setting::DisplayName => one.display_name == other.display_name,
        Setting::TimeZone => one.calendar.zone == other.calendar.zone,
        Setting::Cycle => one.calendar.rule == other.calendar.rule,
        Setting::Scale => one.scale == other.scale,
        Setting::AllowUnallocated => one.allow_unallocated == other.allow_unallocated,
        Setting::Overage => one.overage == other.overage,
        Setting::Excess => one.excess == other.excess,
        Setting::Enforcement => one.enforcement == other.enforcement,
        Setting::Seats => one.seats == other.seats,
        Setting::Thresholds => one.thresholds == other.thresholds,
        Setting::Extension => one.extension == other.extension,
        Setting::Trial => one.trial == other.trial,
    }
}

/// An organization's settings as they are in a plan; `None` if it is not in it.
pub fn answered_organization(plan: &Plan, name: &str) -> Option<pb::Organization> {
    let it = plan.organizations.get(name)?;
    let owned = plan.owned.organizations.get(name);
    let none = BTreeSet::new();
    let owned = owned.map_or(&none, |it| &it.settings);
    Some(pb::Organization {
        name: name.to_owned(),
        display_name: it.display_name.clone(),
        time_zone: it.calendar.zone.name().to_owned(),
        cycle: Some(answered_rule(&it.calendar.rule)),
        scale: it.scale,
        allow_unallocated: Some(it.allow_unallocated),
        overage: Some(answered_overage(it.overage)),
        excess: match it.excess {
            Excess::Record => pb::Excess::Record,
            Excess::Reject => pb::Excess::Reject,
        }
        .into(),
        enforcement: match it.enforcement {
            Enforcement::Enforce => pb::Enforcement::Enforce,
            Enforcement::Shadow => pb::Enforcement::Shadow,
        }
        .into(),
        seats: it.seats,
        thresholds: it.thresholds.0.clone(),
        extension: Some(pb::ExtensionTerms {
            credits: it.extension.credits.get(),
            delay: it.extension.delay.try_into().ok(),
            per_cycle: it.extension.per_cycle,
            per_year: it.extension.per_year,
        }),
        trial: Some(pb::TrialTerms {
            credits: it.trial.credits.get(),
            days: it.trial.days,
            renewals: it.trial.renewals,
        }),
        etag: settings_etag(plan, name),
        file_owned: owned.iter().map(|it| it.key().to_owned()).collect(),
    })
}

fn answered_rule(rule: &Rule) -> pb::Cycle {
    let rule = match *rule {
        Rule::Month { anchor_day } => pb::cycle::Rule::AnchorDay(anchor_day.into()),
        Rule::Days { days, from } => pb::cycle::Rule::FixedDays(pb::FixedDays {
            days,
            from_time: Some(answered_time(from)),
        }),
    };
    pb::Cycle { rule: Some(rule) }
}

/// How far a payer may go beyond its base.
pub(super) fn answered_overage(overage: Overage) -> pb::Overage {
    let policy = match overage {
        Overage::Hard => pb::overage::Policy::Hard(true),
        Overage::Soft(extra) => pb::overage::Policy::SoftExtra(extra.get()),
        Overage::Grace(percent) => pb::overage::Policy::GraceMarginPercent(percent),
    };
    pb::Overage {
        policy: Some(policy),
    }
}
