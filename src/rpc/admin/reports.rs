//! How things stand: estimates, balances, members, open holds.

use crate::domain::account::Account;
use crate::domain::plan::LimitKind;
use crate::domain::rates::RateError;
use crate::domain::time::Timestamp;
use crate::engine::answer::{AccountBalance, EngineError, OpenHold};
use crate::engine::order::Of;
use crate::rpc::convert::admin::{bad, name, or_default};
use crate::rpc::convert::{answered_balance, answered_state, answered_time};
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::Parts;
use super::page::Asked;

/// Operations in one estimate at most.
const QUANTITIES_MAX: usize = 1_000;

pub(super) fn estimate(
    parts: &Parts,
    wire: &pb::EstimateRequest,
) -> Result<pb::EstimateResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?;
    let count = wire.quantities.len();
    if count == 0 || count > QUANTITIES_MAX {
        let problem = format!("has {count} items; give 1 to {QUANTITIES_MAX}");
        return bad("quantities", problem);
    }
    let quantities = wire.quantities.iter().enumerate().map(|(index, usage)| {
        let operation = name(&format!("quantities[{index}].operation"), &usage.operation)?;
        Ok((operation.as_str(), usage.quantity))
    });
    let quantities = quantities.collect::<Result<Vec<_>, Refusal>>()?;
    let estimate = parts.engine.estimate(organization, &quantities);
    let estimate = estimate.map_err(|error| of_quantities(error, &quantities))?;
    Ok(pb::EstimateResponse {
        credits: estimate.credits,
        covered: estimate.covered,
        spare: estimate.spare,
        missing: estimate.missing,
        add_ons: estimate.add_ons,
        tier: estimate.tier.unwrap_or_default().to_owned(),
    })
}

/// The engine names the field of a request that costs; here it is one of the quantities.
fn of_quantities(error: EngineError, quantities: &[(&str, u64)]) -> Refusal {
    let EngineError::Invalid { field, problem } = error else {
        return error.into();
    };
    let is_unknown = |(operation, _): &(&str, u64)| {
        problem == RateError::UnknownOperation((*operation).into()).to_string()
    };
    let field = match quantities.iter().position(is_unknown) {
        Some(index) => format!("quantities[{index}].operation"),
        None if field.starts_with("cost.") => "quantities".to_owned(),
        None => field.to_owned(),
    };
    Refusal::BadField { field, problem }
}

/// The instant at which a report was taken.
fn read_time(parts: &Parts) -> Option<prost_types::Timestamp> {
    let now = Timestamp::from_nanos(parts.clock.read().wall_ns);
    Some(answered_time(now))
}

pub(super) fn list_balances(
    parts: &Parts,
    wire: &pb::ListBalancesRequest,
) -> Result<pb::ListBalancesResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?;
    let asked = Asked::new("ListBalances", wire.page_size, &wire.page_token)?;
    let after = asked.after.as_deref().map(account).transpose()?;
    let read_time = read_time(parts);
    let found = parts
        .engine
        .accounts(organization, after.as_ref(), asked.most)?;
    let next_page_token = found
        .next
        .map_or_else(String::new, |it| asked.token(&it.to_string()));
    let accounts = found.accounts.into_iter();
    Ok(pb::ListBalancesResponse {
        balances: accounts.map(|it| answered_balance(it.balance)).collect(),
        next_page_token,
        read_time,
    })
}

pub(super) fn list_members(
    parts: &Parts,
    wire: &pb::ListMembersRequest,
) -> Result<pb::ListMembersResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?;
    let asked = Asked::new("ListMembers", wire.page_size, &wire.page_token)?;
    let read_time = read_time(parts);
    let whole = parts.engine.balance(organization, Of::Organization)?;
    let after = asked.after.as_deref();
    let found = parts.engine.members(organization, after, asked.most)?;
    let next = found.next.and_then(|it| match it {
        Account::User(name) => Some(asked.token(&name)),
        _ => None,
    });
    let plan = parts.engine.plan();
    let plan = plan.organizations.get(organization.as_str());
    Ok(pb::ListMembersResponse {
        members: found.accounts.into_iter().filter_map(member).collect(),
        next_page_token: next.unwrap_or_default(),
        seats_used: plan.map_or(0, |it| it.users.len() as u64),
        seats: plan.and_then(|it| it.seats),
        purchased: whole.sources.purchased(),
        allocated: whole.allocated,
        used: whole.used,
        read_time,
    })
}

fn member(AccountBalance { balance, kind }: AccountBalance) -> Option<pb::Member> {
    let Account::User(user) = balance.account else {
        return None;
    };
    let limit_type = match (kind, balance.limit) {
        (_, None) => pb::MemberLimitType::Unspecified,
        (Some(LimitKind::Hard), _) => pb::MemberLimitType::Hard,
        (Some(LimitKind::Soft), _) => pb::MemberLimitType::Soft,
        (None, Some(_)) => pb::MemberLimitType::Trial,
    };
    Some(pb::Member {
        user: user.into(),
        used: balance.used,
        held: balance.held,
        limit: balance.limit,
        limit_type: limit_type.into(),
        percent: balance.percent,
        state: answered_state(balance.state).into(),
        text: balance.text,
    })
}

/// The account that a page token names.
fn account(text: &str) -> Result<Account, Refusal> {
    match text.split_once('/') {
        Some(("users", name)) => Ok(Account::User(name.into())),
        Some(("environments", name)) => Ok(Account::Environment(name.into())),
        None if text == "pool" => Ok(Account::Pool),
        None if text == "organization" => Ok(Account::Organization),
        _ => bad("page_token", "is none of this list's; begin without one"),
    }
}

pub(super) fn list_reservations(
    parts: &Parts,
    wire: &pb::ListReservationsRequest,
) -> Result<pb::ListReservationsResponse, Refusal> {
    let organization = or_default("organization", &wire.organization)?;
    let asked = Asked::new("ListReservations", wire.page_size, &wire.page_token)?;
    let from = match asked.after.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(from)) => from,
        Some(Err(_)) => return bad("page_token", "is none of this list's; begin without one"),
    };
    let found = parts.engine.reservations(organization, from, asked.most)?;
    let shown = |hold: OpenHold| pb::OpenReservation {
        id: hold.id.to_vec(),
        subject: Some(pb::Subject {
            organization: organization.as_str().to_owned(),
            environment: hold.environment.into(),
            user: hold.user.into(),
            product: hold.label.product.into(),
            model: hold.label.model.into(),
        }),
        held: hold.held,
        update_time: Some(answered_time(hold.made)),
        expire_time: Some(answered_time(hold.expires)),
    };
    Ok(pb::ListReservationsResponse {
        reservations: found.holds.into_iter().map(shown).collect(),
        next_page_token: found
            .next
            .map_or_else(String::new, |it| asked.token(&it.to_string())),
    })
}
