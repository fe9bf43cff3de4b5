//! What the plan in force says, entry by entry.

use crate::domain::plan::edit::EditError;
use crate::domain::plan::{Entry, OrganizationPlan, Plan};
use crate::rpc::convert::admin::{name, or_default};
use crate::rpc::convert::entries::{
    answered_allocation, answered_grants, answered_limit, answered_rate,
};
use crate::rpc::convert::settings::answered_organization;
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::Parts;
use super::page::Asked;

/// An answer about an entry, or that there is none.
pub(super) fn found<T>(answer: Option<T>, entry: impl FnOnce() -> Entry) -> Result<T, Refusal> {
    answer.ok_or_else(|| EditError::NotFound(entry()).into())
}

fn the_organization<'p>(
    plan: &'p Plan,
    organization: &str,
) -> Result<&'p OrganizationPlan, Refusal> {
    let it = plan.organizations.get(organization);
    found(it.map(|it| &**it), || Entry::organization(organization))
}

pub(super) fn get_organization(
    parts: &Parts,
    wire: &pb::GetOrganizationRequest,
) -> Result<pb::GetOrganizationResponse, Refusal> {
    let organization = or_default("name", &wire.name)?.as_str();
    let answer = answered_organization(&parts.engine.plan(), organization);
    let organization = Some(found(answer, || Entry::organization(organization))?);
    Ok(pb::GetOrganizationResponse { organization })
}

pub(super) fn list_organizations(
    parts: &Parts,
    wire: &pb::ListOrganizationsRequest,
) -> Result<pb::ListOrganizationsResponse, Refusal> {
    let asked = Asked::new("ListOrganizations", wire.page_size, &wire.page_token)?;
    let plan = parts.engine.plan();
    let answer = |name: &str| answered_organization(&plan, name);
    let (organizations, next_page_token) = asked.of_map(&plan.organizations, answer);
    Ok(pb::ListOrganizationsResponse {
        organizations,
        next_page_token,
    })
}

pub(super) fn list_grants(
    parts: &Parts,
    wire: &pb::ListGrantsRequest,
) -> Result<pb::ListGrantsResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let answer = answered_grants(&parts.engine.plan(), organization);
    let grants = Some(found(answer, || Entry::organization(organization))?);
    Ok(pb::ListGrantsResponse { grants })
}

pub(super) fn get_allocation(
    parts: &Parts,
    wire: &pb::GetAllocationRequest,
) -> Result<pb::GetAllocationResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let environment = or_default("environment", &wire.environment)?.as_str();
    let answer = answered_allocation(&parts.engine.plan(), organization, environment);
    let entry = || Entry::environment(organization, environment);
    let allocation = Some(found(answer, entry)?);
    Ok(pb::GetAllocationResponse { allocation })
}

pub(super) fn list_allocations(
    parts: &Parts,
    wire: &pb::ListAllocationsRequest,
) -> Result<pb::ListAllocationsResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let asked = Asked::new("ListAllocations", wire.page_size, &wire.page_token)?;
    let plan = parts.engine.plan();
    let environments = &the_organization(&plan, organization)?.environments;
    let answer = |name: &str| answered_allocation(&plan, organization, name);
    let (allocations, next_page_token) = asked.of_map(environments, answer);
    Ok(pb::ListAllocationsResponse {
        allocations,
        next_page_token,
    })
}

pub(super) fn get_limit(
    parts: &Parts,
    wire: &pb::GetLimitRequest,
) -> Result<pb::GetLimitResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let user = name("user", &wire.user)?.as_str();
    let answer = answered_limit(&parts.engine.plan(), organization, user);
    let limit = Some(found(answer, || Entry::user(organization, user))?);
    Ok(pb::GetLimitResponse { limit })
}

pub(super) fn list_limits(
    parts: &Parts,
    wire: &pb::ListLimitsRequest,
) -> Result<pb::ListLimitsResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?.as_str();
    let asked = Asked::new("ListLimits", wire.page_size, &wire.page_token)?;
    let plan = parts.engine.plan();
    let users = &the_organization(&plan, organization)?.users;
    let answer = |name: &str| answered_limit(&plan, organization, name);
    let (limits, next_page_token) = asked.of_map(users, answer);
    Ok(pb::ListLimitsResponse {
        limits,
        next_page_token,
    })
}

pub(super) fn get_rate(
    parts: &Parts,
    wire: &pb::GetRateRequest,
) -> Result<pb::GetRateResponse, Refusal> {
    let operation = name("operation", &wire.operation)?.as_str();
    let answer = answered_rate(&parts.engine.plan(), operation);
    let rate = Some(found(answer, || Entry::Rate(operation.into()))?);
    Ok(pb::GetRateResponse { rate })
}

pub(super) fn list_rates(
    parts: &Parts,
    wire: &pb::ListRatesRequest,
) -> Result<pb::ListRatesResponse, Refusal> {
    let asked = Asked::new("ListRates", wire.page_size, &wire.page_token)?;
    let plan = parts.engine.plan();
    let answer = |name: &str| answered_rate(&plan, name);
    let (rates, next_page_token) = asked.of_map(&plan.rate_card.operations, answer);
    Ok(pb::ListRatesResponse {
        rates,
        next_page_token,
    })
}
