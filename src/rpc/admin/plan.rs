//! Changes of the plan: read, changed and judged as one step, under the plan's lock.

use crate::domain::names::Name;
use crate::domain::plan::edit;
use crate::domain::plan::{Difference, LimitKind, Plan, diff, file_text, plan_etag};
use crate::engine::answer::EngineError;
use crate::engine::order::{Act, Planned};
use crate::rpc::convert::admin::{bad, credits, etag, mask, name, names, or_default, required};
use crate::rpc::convert::entries::{
    self, ALLOCATION_FIELDS, LIMIT_FIELDS, RATE_FIELDS, answered_allocation, answered_grants,
    answered_limit, answered_rate,
};
use crate::rpc::convert::settings::{answered_organization, settings, without_same};
use crate::rpc::operate::Answered;
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::{By, Parts};

/// Users in one AssignEqualLimits or DistributeEqually at most.
const USERS_MAX: usize = 10_000;

/// How often DistributeEqually shares out anew, where others draw between the sharing and the judgement.
const SHARINGS_MAX: u32 = 4;

type Done<A> = Result<Answered<A>, Refusal>;

/// Changes the plan as `edit` says; what is answered is told of exactly the plan that this change made.
fn change<A>(
    parts: &Parts,
    act: &Act<'_>,
    edit: impl FnOnce(&Plan) -> Result<Plan, Refusal>,
    answer: impl FnOnce(&Plan, &Plan) -> Result<A, Refusal>,
) -> Done<A> {
    let mut told = None;
    let changed = parts.engine.change_plan(|before| {
        let after = edit(before)?;
        told = Some(answer(before, &after)?);
        Ok::<_, Refusal>(Planned::new(before, after, act))
    })?;
    match told {
        Some(answer) => Ok(Answered::after(changed.receipt, answer)),
        None => Err(Refusal::Broken),
    }
}

fn there<T>(answer: Option<T>) -> Result<Option<T>, Refusal> {
    answer.map_or(Err(Refusal::Broken), |it| Ok(Some(it)))
}

pub(super) fn set_organization(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::SetOrganizationRequest,
) -> Done<pb::SetOrganizationResponse> {
    let given = required("organization", wire.organization.as_ref())?;
    let organization = name("organization.name", &given.name)?.as_str();
    let says = settings(given, wire.update_mask.as_ref())?;
    let change_it = |plan: &Plan| {
        let present = plan.organizations.get(organization);
        let says = without_same(says, present.map(|it| &**it));
        Ok(edit::set_settings(
            plan,
            organization,
            &says,
            etag(&wire.etag),
        )?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, plan| {
        let organization = there(answered_organization(plan, organization))?;
        Ok(pb::SetOrganizationResponse { organization })
    })
}

pub(super) fn delete_organization(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::DeleteOrganizationRequest,
) -> Done<pb::DeleteOrganizationResponse> {
    let organization = or_default("name", &wire.name)?.as_str();
    let change_it = |plan: &Plan| {
        Ok(edit::delete_organization(
            plan,
            organization,
            etag(&wire.etag),
        )?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, _| {
        Ok(pb::DeleteOrganizationResponse {})
    })
}

pub(super) fn set_grants(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::SetGrantsRequest,
) -> Done<pb::SetGrantsResponse> {
    let given = required("grants", wire.grants.as_ref())?;
    let organization = or_default("grants.organization", &given.organization)?.as_str();
    let says = entries::grants(given)?;
    let change_it = |plan: &Plan| {
        Ok(edit::set_grants(
            plan,
            organization,
            says,
            etag(&wire.etag),
        )?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, plan| {
        let grants = there(answered_grants(plan, organization))?;
        Ok(pb::SetGrantsResponse { grants })
    })
}

pub(super) fn delete_grants(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::DeleteGrantsRequest,
) -> Done<pb::DeleteGrantsResponse> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let none = Vec::new();
    let change_it = |plan: &Plan| {
        Ok(edit::set_grants(
            plan,
            organization,
            none,
            etag(&wire.etag),
        )?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, _| {
        Ok(pb::DeleteGrantsResponse {})
    })
}

pub(super) fn set_allocation(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::SetAllocationRequest,
) -> Done<pb::SetAllocationResponse> {
    let given = required("allocation", wire.allocation.as_ref())?;
    let organization = or_default("allocation.organization", &given.organization)?.as_str();
    let environment = or_default("allocation.environment", &given.environment)?.as_str();
    let fields = mask(wire.update_mask.as_ref(), ALLOCATION_FIELDS)?;
    let change_it = |plan: &Plan| {
        let present = plan.organizations.get(organization);
        let present = present.and_then(|it| it.environments.get(environment));
        let says = entries::allocation(given, &fields, present)?;
        let etag = etag(&wire.etag);
        Ok(edit::set_environment(
            plan,
            organization,
            environment,
            says,
            etag,
        )?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, plan| {
        let allocation = there(answered_allocation(plan, organization, environment))?;
        Ok(pb::SetAllocationResponse { allocation })
    })
}

pub(super) fn delete_allocation(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::DeleteAllocationRequest,
) -> Done<pb::DeleteAllocationResponse> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let environment = or_default("environment", &wire.environment)?.as_str();
    let change_it = |plan: &Plan| {
        let etag = etag(&wire.etag);
        Ok(edit::delete_environment(
            plan,
            organization,
            environment,
            etag,
        )?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, _| {
        Ok(pb::DeleteAllocationResponse {})
    })
}

pub(super) fn set_limit(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::SetLimitRequest,
) -> Done<pb::SetLimitResponse> {
    let given = required("limit", wire.limit.as_ref())?;
    let organization = or_default("limit.organization", &given.organization)?.as_str();
    let user = name("limit.user", &given.user)?.as_str();
    let fields = mask(wire.update_mask.as_ref(), LIMIT_FIELDS)?;
    let change_it = |plan: &Plan| {
        let present = plan.organizations.get(organization);
        let present = present.and_then(|it| it.user(user));
        let says = entries::limit(given, &fields, present)?;
        Ok(edit::set_user(
            plan,
            organization,
            user,
            says,
            etag(&wire.etag),
        )?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, plan| {
        let limit = there(answered_limit(plan, organization, user))?;
        Ok(pb::SetLimitResponse { limit })
    })
}

pub(super) fn delete_limit(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::DeleteLimitRequest,
) -> Done<pb::DeleteLimitResponse> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let user = name("user", &wire.user)?.as_str();
    let change_it = |plan: &Plan| {
        Ok(edit::remove_user(
            plan,
            organization,
            user,
            etag(&wire.etag),
        )?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, _| {
        Ok(pb::DeleteLimitResponse {})
    })
}

pub(super) fn remove_user(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::RemoveUserRequest,
) -> Done<pb::RemoveUserResponse> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let user = name("user", &wire.user)?.as_str();
    let change_it = |plan: &Plan| Ok(edit::remove_user(plan, organization, user, None)?);
    change(parts, &by.act(&wire.why)?, change_it, |before, _| {
        let was = before.organizations.get(organization);
        let was = was.and_then(|it| it.user(user));
        let returned = was.map_or(0, |it| it.limit.get());
        Ok(pb::RemoveUserResponse { returned })
    })
}

pub(super) fn set_rate(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::SetRateRequest,
) -> Done<pb::SetRateResponse> {
    let given = required("rate", wire.rate.as_ref())?;
    let operation = name("rate.operation", &given.operation)?.as_str();
    let fields = mask(wire.update_mask.as_ref(), RATE_FIELDS)?;
    let change_it = |plan: &Plan| {
        let present = plan.rate_card.operations.get(operation);
        let says = entries::rate(given, &fields, present)?;
        Ok(edit::set_rate(plan, operation, says, etag(&wire.etag))?)
    };
    change(parts, &by.act(&wire.why)?, change_it, |_, plan| {
        let rate = there(answered_rate(plan, operation))?;
        Ok(pb::SetRateResponse { rate })
    })
}

pub(super) fn delete_rate(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::DeleteRateRequest,
) -> Done<pb::DeleteRateResponse> {
    let operation = name("operation", &wire.operation)?.as_str();
    let change_it = |plan: &Plan| Ok(edit::delete_rate(plan, operation, etag(&wire.etag))?);
    change(parts, &by.act(&wire.why)?, change_it, |_, _| {
        Ok(pb::DeleteRateResponse {})
    })
}

pub(super) fn assign_equal_limits(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::AssignEqualLimitsRequest,
) -> Done<pb::AssignEqualLimitsResponse> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let users = names("users", &wire.users, USERS_MAX)?;
    let limit = credits("credits", wire.credits)?;
    let kind = entries::limit_kind("type", wire.r#type)?;
    let change_it = |plan: &Plan| Ok(edit::assign_equal(plan, organization, &users, limit, kind)?);
    change(parts, &by.act(&wire.why)?, change_it, |_, plan| {
        let each = users.iter();
        let limits = each.filter_map(|user| answered_limit(plan, organization, user));
        let limits = limits.collect();
        Ok(pb::AssignEqualLimitsResponse { limits })
    })
}

pub(super) fn distribute_equally(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::DistributeEquallyRequest,
) -> Done<pb::DistributeEquallyResponse> {
    let organization = or_default("organization", &wire.organization)?;
    let users = names("users", &wire.users, USERS_MAX)?;
    let kind = entries::limit_kind("type", wire.r#type)?;
    let act = by.act(&wire.why)?;
    let mut sharing = 1;
    loop {
        match distribute(parts, &act, organization, &users, kind) {
            // Between the sharing and the judgement somebody drew from what was shared out.
            Err(Refusal::Failed(EngineError::Refused(_))) if sharing < SHARINGS_MAX => sharing += 1,
            done => return done,
        }
    }
}

fn distribute(
    parts: &Parts,
    act: &Act<'_>,
    organization: Name<'_>,
    users: &[&str],
    kind: LimitKind,
) -> Done<pb::DistributeEquallyResponse> {
    let mut share = 0;
    let change_it = |plan: &Plan| {
        edit::named_once(users)?;
        share = parts.engine.equal_share(organization, users)?;
        let limit = credits("credits", share)?;
        Ok(edit::assign_equal(
            plan,
            organization.as_str(),
            users,
            limit,
            kind,
        )?)
    };
    let done = change(parts, act, change_it, |_, _| Ok(()))?;
    Ok(done.map(|()| pb::DistributeEquallyResponse { credits: share }))
}

pub(super) fn get_plan(
    parts: &Parts,
    _wire: &pb::GetPlanRequest,
) -> Result<pb::GetPlanResponse, Refusal> {
    let plan = parts.engine.plan();
    Ok(pb::GetPlanResponse {
        plan: file_text(&plan),
        etag: plan_etag(&plan),
    })
}

pub(super) fn apply_plan(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::ApplyPlanRequest,
) -> Done<pb::ApplyPlanResponse> {
    let act = by.act(&wire.why)?;
    let wanted = (parts.read_plan)(&wire.plan).or_else(|problem| bad("plan", problem))?;
    let mut found = None;
    let change_it = |plan: &Plan| {
        refuse_stale(plan, &wire.etag)?;
        let after = edit::replace(plan, &wanted)?;
        if wire.validate_only {
            parts.engine.judge_plan(&after)?;
            found = Some(applied(plan, &after));
            // What is only looked at changes nothing.
            return Ok(plan.clone());
        }
        Ok(after)
    };
    let done = change(parts, &act, change_it, |before, after| {
        Ok(applied(before, after))
    })?;
    let of_this = found.map(|it| pb::ApplyPlanResponse {
        etag: done.answer.etag.clone(),
        ..it
    });
    Ok(done.map(|answer| of_this.unwrap_or(answer)))
}

fn refuse_stale(plan: &Plan, expected: &str) -> Result<(), Refusal> {
    let Some(expected) = etag(expected) else {
        return Ok(());
    };
    let found = plan_etag(plan);
    if found == expected {
        return Ok(());
    }
    Err(Refusal::StalePlan { found })
}

fn applied(before: &Plan, after: &Plan) -> pb::ApplyPlanResponse {
    let shown = |it: Difference| pb::PlanDifference {
        path: it.entry.to_string(),
        before: it.before.unwrap_or_default(),
        after: it.after.unwrap_or_default(),
    };
    pb::ApplyPlanResponse {
        differences: diff(before, after).into_iter().map(shown).collect(),
        etag: plan_etag(after),
    }
}
