//! Entries of a plan, grants, allocations, limits and rates: wire types to what the plan says, and back.

use crate::domain::plan::{
    Entry, EnvironmentPlan, Grant, GrantKind, LimitKind, Plan, UserPlan, etag,
};
use crate::domain::rates::{Class, Operation, Rate};
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::admin::{Fields, bad, credits, day, known, name, optional};
use super::settings::{answered_overage, overage, thresholds};

/// The fields of an allocation that may be changed one by one.
pub const ALLOCATION_FIELDS: &[&str] = &["credits", "overage", "thresholds"];

/// The fields of a limit that may be changed one by one.
pub const LIMIT_FIELDS: &[&str] = &["credits", "type", "thresholds"];

/// The fields of a rate that may be changed one by one.
pub const RATE_FIELDS: &[&str] = &["credits", "per", "class", "product"];

/// The whole list of an organization's grants.
pub fn grants(wire: &pb::Grants) -> Result<Vec<Grant>, Refusal> {
    let each = wire.grants.iter().enumerate();
    each.map(|(index, grant)| one_grant(&format!("grants.grants[{index}]"), grant))
        .collect()
}

fn one_grant(at: &str, wire: &pb::Grant) -> Result<Grant, Refusal> {
    let kind = match &wire.kind {
        Some(pb::grant::Kind::Contract(it)) => GrantKind::Contract {
            credits: credits(&format!("{at}.contract.credits"), it.credits)?,
            rollover: (it.rollover > 1).then_some(it.rollover),
        },
        Some(pb::grant::Kind::AddOn(it)) => GrantKind::AddOn { count: it.count },
        Some(pb::grant::Kind::License(it)) => GrantKind::License {
            license: name(&format!("{at}.license.license"), &it.license)?
                .as_str()
                .into(),
            count: it.count,
            purchased: day(&format!("{at}.license.purchased"), &it.purchased)?,
        },
        None => {
            return bad(
                format!("{at}.kind"),
                "is missing; give `contract`, `add_on` or `license`",
            );
        }
    };
    Ok(Grant {
        kind,
        valid_from: day(&format!("{at}.valid_from"), &wire.valid_from)?,
        valid_until: day(&format!("{at}.valid_until"), &wire.valid_until)?,
    })
}

/// What a plan is to say of an environment: the fields that are named, the rest as it was.
pub fn allocation(
    wire: &pb::Allocation,
    fields: &Fields,
    before: Option<&EnvironmentPlan>,
) -> Result<EnvironmentPlan, Refusal> {
    let mut says = before.cloned().unwrap_or_default();
    for &field in fields {
        match field {
            "credits" => says.allocation = credits("allocation.credits", wire.credits)?,
            "overage" => {
                let given = wire.overage.as_ref();
                says.overage = given
                    .map(|it| overage("allocation.overage", it))
                    .transpose()?
                    .unwrap_or_default();
            }
            _ => says.thresholds = thresholds(&wire.thresholds),
        }
    }
    Ok(says)
}

/// What a plan is to say of a user: the fields that are named, the rest as it was.
pub fn limit(
    wire: &pb::Limit,
    fields: &Fields,
    before: Option<&UserPlan>,
) -> Result<UserPlan, Refusal> {
    let mut says = before.cloned().unwrap_or(UserPlan {
        limit: credits("limit.credits", 0)?,
        kind: LimitKind::default(),
        thresholds: None,
    });
    for &field in fields {
        match field {
            "credits" => says.limit = credits("limit.credits", wire.credits)?,
            "type" => says.kind = limit_kind("limit.type", wire.r#type)?,
            _ => says.thresholds = thresholds(&wire.thresholds),
        }
    }
    Ok(says)
}

/// What happens at a limit.
pub fn limit_kind(field: &str, wire: i32) -> Result<LimitKind, Refusal> {
    Ok(match known(field, wire)? {
        pb::LimitType::Unspecified | pb::LimitType::Hard => LimitKind::Hard,
        pb::LimitType::Soft => LimitKind::Soft,
    })
}

/// A line of the rate card: the fields that are named, the rest as it was.
pub fn rate(
    wire: &pb::Rate,
    fields: &Fields,
    before: Option<&Operation>,
) -> Result<Operation, Refusal> {
    let mut says = before.cloned().unwrap_or(Operation {
        rate: Rate {
            credits: credits("rate.credits", 0)?,
            per: 1,
        },
        class: Class::default(),
        product: None,
    });
    for &field in fields {
        match field {
            "credits" => says.rate.credits = credits("rate.credits", wire.credits)?,
            "per" => says.rate.per = wire.per.max(1),
            "class" => says.class = class(&wire.class)?,
            _ => {
                let product = optional("rate.product", &wire.product)?;
                says.product = product.map(|it| it.as_str().into());
            }
        }
    }
    Ok(says)
}

fn class(text: &str) -> Result<Class, Refusal> {
    match text {
        "" | "run" => Ok(Class::Run),
        "maker" => Ok(Class::Maker),
        "free" => Ok(Class::Free),
        _ => bad(
            "rate.class",
            format!("{text:?} is no class; write run, maker or free"),
        ),
    }
}

/// The grants of an organization, as they are in a plan; `None` if it is not in it.
pub fn answered_grants(plan: &Plan, organization: &str) -> Option<pb::Grants> {
    let found = plan.organizations.get(organization)?;
    let entry = Entry::grants(organization);
    Some(pb::Grants {
        organization: organization.to_owned(),
        grants: found.grants.iter().map(answered_grant).collect(),
        etag: etag(plan, &entry),
        file_owned: plan.owned.owns(&entry),
    })
}

fn answered_grant(grant: &Grant) -> pb::Grant {
    let shown = |day: Option<chrono::NaiveDate>| day.map_or_else(String::new, |it| it.to_string());
    let kind = match &grant.kind {
        GrantKind::Contract { credits, rollover } => pb::grant::Kind::Contract(pb::Contract {
            credits: credits.get(),
            rollover: rollover.unwrap_or(0),
        }),
        GrantKind::AddOn { count } => pb::grant::Kind::AddOn(pb::AddOn { count: *count }),
        GrantKind::License {
            license,
            count,
            purchased,
        } => pb::grant::Kind::License(pb::License {
            license: license.to_string(),
            count: *count,
            purchased: shown(*purchased),
        }),
    };
    pb::Grant {
        kind: Some(kind),
        valid_from: shown(grant.valid_from),
        valid_until: shown(grant.valid_until),
    }
}

/// What is set aside for an environment, as it is in a plan; `None` if the plan does not name it.
pub fn answered_allocation(
    plan: &Plan,
    organization: &str,
    environment: &str,
) -> Option<pb::Allocation> {
    let found = plan.organizations.get(organization)?;
    let it = found.environments.get(environment)?;
    let entry = Entry::environment(organization, environment);
    Some(pb::Allocation {
        organization: organization.to_owned(),
        environment: environment.to_owned(),
        credits: it.allocation.get(),
        overage: Some(answered_overage(it.overage)),
        thresholds: it
            .thresholds
            .as_ref()
            .map_or_else(Vec::new, |it| it.0.clone()),
        etag: etag(plan, &entry),
        file_owned: plan.owned.owns(&entry),
    })
}

/// A user's limit, as it is in a plan; `None` if the user has none.
pub fn answered_limit(plan: &Plan, organization: &str, user: &str) -> Option<pb::Limit> {
    let found = plan.organizations.get(organization)?;
    let it = found.user(user)?;
    let entry = Entry::user(organization, user);
    let kind = match it.kind {
        LimitKind::Hard => pb::LimitType::Hard,
        LimitKind::Soft => pb::LimitType::Soft,
    };
    Some(pb::Limit {
        organization: organization.to_owned(),
        user: user.to_owned(),
        credits: it.limit.get(),
        r#type: kind.into(),
        thresholds: it
            .thresholds
            .as_ref()
            .map_or_else(Vec::new, |it| it.0.clone()),
        etag: etag(plan, &entry),
        file_owned: plan.owned.owns(&entry),
    })
}

/// What an operation costs, as it is in a plan; `None` if it is not on the rate card.
pub fn answered_rate(plan: &Plan, operation: &str) -> Option<pb::Rate> {
    let it = plan.rate_card.operations.get(operation)?;
    let entry = Entry::Rate(operation.into());
    let class = match it.class {
        Class::Run => "run",
        Class::Maker => "maker",
        Class::Free => "free",
    };
    Some(pb::Rate {
        operation: operation.to_owned(),
        credits: it.rate.credits.get(),
        per: it.rate.per,
        class: class.to_owned(),
        product: it.product.as_deref().unwrap_or_default().to_owned(),
        etag: etag(plan, &entry),
        file_owned: plan.owned.owns(&entry),
    })
}
