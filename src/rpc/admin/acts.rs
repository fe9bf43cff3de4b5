//! What administrators do to the books apart from the plan: extensions, trials, corrections, forgotten holds.

use crate::engine::order::Act;
use crate::rpc::convert::admin::{bad, name, optional, or_default, request_id};
use crate::rpc::convert::{answered_time, id_required};
use crate::rpc::operate::Answered;
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::{By, Parts};

type Done<A> = Result<Answered<A>, Refusal>;

pub(super) fn request_extension(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::RequestExtensionRequest,
) -> Done<pb::RequestExtensionResponse> {
    let organization = or_default("organization", &wire.organization)?;
    let act = Act {
        request_id: request_id(&wire.request_id)?,
        ..by.act(&wire.why)?
    };
    let done = parts.engine.request_extension(organization, &act)?;
    let plan = parts.engine.plan();
    let found = plan.organizations.get(organization.as_str());
    let answer = pb::RequestExtensionResponse {
        usable_time: Some(answered_time(done.value)),
        credits: found.map_or(0, |it| it.extension.credits.get()),
    };
    Ok(Answered::after(done.receipt, answer))
}

pub(super) fn start_trial(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::StartTrialRequest,
) -> Done<pb::StartTrialResponse> {
    let organization = or_default("organization", &wire.organization)?;
    let user = name("user", &wire.user)?;
    let target = format!("users/{}", user.as_str());
    let act = Act {
        target: &target,
        request_id: request_id(&wire.request_id)?,
        ..by.act(&wire.why)?
    };
    let done = parts.engine.start_trial(organization, user, &act)?;
    let end_time = Some(answered_time(done.value));
    Ok(Answered::after(
        done.receipt,
        pb::StartTrialResponse { end_time },
    ))
}

pub(super) fn renew_trial(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::RenewTrialRequest,
) -> Done<pb::RenewTrialResponse> {
    let organization = or_default("organization", &wire.organization)?;
    let user = name("user", &wire.user)?;
    let target = format!("users/{}", user.as_str());
    let act = Act {
        target: &target,
        request_id: request_id(&wire.request_id)?,
        ..by.act(&wire.why)?
    };
    let done = parts.engine.renew_trial(organization, user, &act)?;
    let end_time = Some(answered_time(done.value));
    Ok(Answered::after(
        done.receipt,
        pb::RenewTrialResponse { end_time },
    ))
}

pub(super) fn adjust_usage(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::AdjustUsageRequest,
) -> Done<pb::AdjustUsageResponse> {
    let organization = or_default("organization", &wire.organization)?;
    let environment = or_default("environment", &wire.environment)?;
    let user = optional("user", &wire.user)?;
    if wire.why.trim().is_empty() {
        return bad(
            "why",
            "is empty; a correction says why, in 1 to 1,024 bytes",
        );
    }
    let target = match user {
        Some(user) => format!(
            "environments/{}/users/{}",
            environment.as_str(),
            user.as_str()
        ),
        None => format!("environments/{}", environment.as_str()),
    };
    let act = Act {
        target: &target,
        request_id: request_id(&wire.request_id)?,
        ..by.act(&wire.why)?
    };
    let done = parts
        .engine
        .adjust(organization, environment, user, wire.credits, &act)?;
    Ok(Answered::after(done.receipt, pb::AdjustUsageResponse {}))
}

pub(super) fn release_reservation(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::ReleaseReservationRequest,
) -> Done<pb::ReleaseReservationResponse> {
    let id = id_required("reservation_id", &wire.reservation_id)?;
    let target = format!("reservations/{:032x}", u128::from_be_bytes(id));
    let act = Act {
        target: &target,
        ..by.act(&wire.why)?
    };
    let released = parts.engine.release_reservation(&id, &act)?;
    let returned = released.returned.get();
    Ok(Answered::after(
        released.receipt,
        pb::ReleaseReservationResponse { returned },
    ))
}
