//! Answers to wire types.

use crate::domain::charge::Reason;
use crate::domain::standing::State;
use crate::domain::time::Timestamp;
use crate::engine::answer::{
    Balance, Checked, Committed, Decision, Denial, Released, Reserved, Sources, Standing,
};
use crate::rpc::operate::Done;
use crate::rpc::{pb, sentence};

/// A hold was opened.
pub fn answered_reserve(answer: &Reserved) -> pb::ReserveResponse {
    pb::ReserveResponse {
        reservation: Some(reservation(answer)),
        standing: Some(standing(&answer.standing)),
    }
}

/// A hold was extended.
pub fn answered_extend(answer: &Reserved) -> pb::ExtendResponse {
    pb::ExtendResponse {
        reservation: Some(reservation(answer)),
        standing: Some(standing(&answer.standing)),
    }
}

/// A hold was committed.
pub fn answered_commit(answer: &Committed) -> pb::CommitResponse {
    pb::CommitResponse {
        committed: answer.committed.get(),
        returned: answer.returned.get(),
        overrun: answer.overrun.get(),
        late: answer.late,
        standing: Some(standing(&answer.standing)),
    }
}

/// A charge was booked.
pub fn answered_charge(answer: &Committed) -> pb::ChargeResponse {
    pb::ChargeResponse {
        committed: answer.committed.get(),
        overrun: answer.overrun.get(),
        standing: Some(standing(&answer.standing)),
    }
}

/// A hold was given up.
pub fn answered_release(answer: &Released) -> pb::ReleaseResponse {
    pb::ReleaseResponse {
        returned: answer.returned.get(),
        standing: Some(standing(&answer.standing)),
    }
}

/// What a Reserve would answer.
pub fn answered_check(answer: &Checked) -> pb::CheckResponse {
    let decision = match &answer.decision {
        Decision::Granted(granted) => pb::Decision {
            allowed: true,
            granted: granted.get(),
            denial: None,
        },
        Decision::Denied(denial) => pb::Decision {
            allowed: false,
            granted: 0,
            denial: Some(answered_denial(denial)),
        },
    };
    pb::CheckResponse {
        decision: Some(decision),
        standing: Some(standing(&answer.standing)),
    }
}

/// What became of one operation of a batch.
pub(in crate::rpc) fn answered_outcome(done: &Done) -> pb::Outcome {
    use pb::outcome::Result;
    let result = match done {
        Done::Reserve(answer) => Result::Reserve(answered_reserve(answer)),
        Done::Commit(answer) => Result::Commit(answered_commit(answer)),
        Done::Release(answer) => Result::Release(answered_release(answer)),
        Done::Extend(answer) => Result::Extend(answered_extend(answer)),
        Done::Charge(answer) => Result::Charge(answered_charge(answer)),
        Done::Check(answer) => Result::Check(answered_check(answer)),
        Done::Denied(denial) => Result::Denial(answered_denial(denial)),
        Done::Failed(failure) => Result::Failure(failure.clone()),
    };
    pb::Outcome {
        result: Some(result),
    }
}

/// A denial as data.
pub fn answered_denial(denial: &Denial) -> pb::Denial {
    pb::Denial {
        reason: reason(denial.reason).into(),
        account: denial.account.to_string(),
        limit: denial.limit,
        used: denial.used,
        held: denial.held,
        available: denial.available,
        requested: denial.requested,
        reset_time: Some(answered_time(denial.reset)),
        days_until_reset: denial.days_until_reset,
        state: answered_state(denial.state).into(),
        message: sentence::denial(denial),
    }
}

/// How an account stands.
pub fn answered_balance(balance: Balance) -> pb::Balance {
    pb::Balance {
        account: balance.account.to_string(),
        used: balance.used,
        held: balance.held,
        limit: balance.limit,
        base_used: balance.base_used,
        extension_used: balance.extension_used,
        overage_used: balance.overage_used,
        overrun: balance.overrun,
        trial_used: balance.trial_used,
        available: balance.available,
        percent: balance.percent,
        base_percent: balance.base_percent,
        state: answered_state(balance.state).into(),
        entitlement: balance.entitlement,
        entitlement_sources: Some(sources(&balance.sources)),
        purchased: balance.sources.purchased(),
        allocated: balance.allocated,
        set_aside: balance.set_aside,
        pool: balance.pool,
        over_allocated_by: balance.over_allocated_by,
        days_until_reset: balance.days_until_reset,
        cycle_end_time: Some(answered_time(balance.cycle_end)),
        text: balance.text,
        advice: balance.advice.unwrap_or_default(),
    }
}

/// An instant.
pub fn answered_time(instant: Timestamp) -> prost_types::Timestamp {
    const NANOS_A_SECOND: i64 = 1_000_000_000;
    prost_types::Timestamp {
        seconds: instant.nanos().div_euclid(NANOS_A_SECOND),
        nanos: i32::try_from(instant.nanos().rem_euclid(NANOS_A_SECOND)).unwrap_or(0),
    }
}

fn reservation(answer: &Reserved) -> pb::Reservation {
    pb::Reservation {
        id: answer.id.to_vec(),
        granted: answer.granted.get(),
        expire_time: Some(answered_time(answer.expires)),
    }
}

fn standing(standing: &Standing) -> pb::Standing {
    pb::Standing {
        state: answered_state(standing.state).into(),
        used: standing.used,
        held: standing.held,
        limit: standing.limit,
        available: standing.available,
        cycle_end_time: Some(answered_time(standing.cycle_end)),
    }
}

fn sources(sources: &Sources) -> pb::EntitlementSources {
    pb::EntitlementSources {
        contract: sources.contract,
        add_on: sources.add_on,
        license: sources.license,
        rolled_over: sources.rolled_over,
        extension: sources.extension,
    }
}

/// How an account stands, in one word.
pub fn answered_state(state: State) -> pb::State {
    match state {
        State::Ok => pb::State::Ok,
        State::Warning => pb::State::Warning,
        State::Exhausted => pb::State::Exhausted,
        State::Overage => pb::State::Overage,
        State::Blocked => pb::State::Blocked,
    }
}

fn reason(reason: Reason) -> pb::DenialReason {
    match reason {
        Reason::QuotaExceeded => pb::DenialReason::QuotaExceeded,
        Reason::OverageBlocked => pb::DenialReason::OverageBlocked,
        Reason::EntitlementNotAvailable => pb::DenialReason::EntitlementNotAvailable,
        Reason::TrialExhausted => pb::DenialReason::TrialExhausted,
        Reason::TrialExpired => pb::DenialReason::TrialExpired,
        Reason::ResourceLimit => pb::DenialReason::ResourceLimit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_before_1970_keep_their_nanoseconds_positive() {
        for (nanos, expected) in [
            (0, (0, 0)),
            (1_500_000_001, (1, 500_000_001)),
            (-1, (-1, 999_999_999)),
            (i64::MIN, (-9_223_372_037, 145_224_192)),
            (i64::MAX, (9_223_372_036, 854_775_807)),
        ] {
            let time = answered_time(Timestamp::from_nanos(nanos));
            assert_eq!((time.seconds, time.nanos), expected);
        }
    }

    #[test]
    fn reasons_and_states_are_spelled_alike_on_the_wire_and_in_texts() {
        for domain in [
            Reason::QuotaExceeded,
            Reason::OverageBlocked,
            Reason::EntitlementNotAvailable,
            Reason::TrialExhausted,
            Reason::TrialExpired,
            Reason::ResourceLimit,
        ] {
            let wire = format!("DENIAL_REASON_{}", domain.as_str());
            assert_eq!(reason(domain).as_str_name(), wire);
        }
        for domain in [
            State::Ok,
            State::Warning,
            State::Exhausted,
            State::Overage,
            State::Blocked,
        ] {
            assert_eq!(
                answered_state(domain).as_str_name(),
                format!("STATE_{}", domain.as_str())
            );
        }
    }
}
