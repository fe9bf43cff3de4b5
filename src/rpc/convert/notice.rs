//! Events, audit entries, sinks and dead letters to wire types.

use crate::domain::notice::Notice;
use crate::notify::{DeadLetter, Event, SinkStatus};
use crate::rpc::pb;

use super::answered_time;

/// An event that administrators hear of.
pub fn answered_event(event: &Event) -> pb::Notification {
    use pb::notification::Event as Told;
    let whose = &event.organization;
    let figures = event.text();
    let (text, told) = match &event.notice {
        Notice::Threshold {
            account,
            percent,
            used,
            limit,
            cycle,
            ..
        } => (
            format!("{account} of {whose} has reached {percent} %: {figures}."),
            Some(Told::ThresholdReached(pb::ThresholdReached {
                account: account.to_string(),
                percent: *percent,
                used: *used,
                limit: *limit,
                cycle_start_time: Some(answered_time(cycle.start)),
                cycle_end_time: Some(answered_time(cycle.end)),
            })),
        ),
        Notice::Extension {
            usable,
            credits,
            by,
            cycle,
            ..
        } => {
            let somebody = if by.is_empty() { "Somebody" } else { by };
            (
                format!("{somebody} requested an extension of {whose}: {figures}."),
                Some(Told::ExtensionRequested(pb::ExtensionRequested {
                    requested_by: by.to_string(),
                    credits: *credits,
                    usable_time: Some(answered_time(*usable)),
                    cycle_end_time: Some(answered_time(cycle.end)),
                })),
            )
        }
        Notice::CycleClosed {
            cycle,
            used,
            trial_used,
            entitlement,
            rolled_over,
        } => (
            format!("A cycle of {whose} has ended: {figures}."),
            Some(Told::CycleClosed(pb::CycleClosed {
                cycle_start_time: Some(answered_time(cycle.start)),
                cycle_end_time: Some(answered_time(cycle.end)),
                used: *used,
                trial_used: *trial_used,
                entitlement: *entitlement,
                rolled_over: *rolled_over,
            })),
        ),
        Notice::Audit(_) => (figures, None),
    };
    pb::Notification {
        id: event.id.to_string(),
        sequence: event.sequence,
        organization: whose.to_string(),
        time: Some(answered_time(event.at())),
        text,
        event: told,
    }
}

/// A change, if the event is one.
pub fn answered_audit(event: &Event) -> Option<pb::AuditEntry> {
    let audit = event.audit()?;
    Some(pb::AuditEntry {
        sequence: event.sequence,
        time: Some(answered_time(audit.at)),
        who: audit.who.to_string(),
        action: audit.action.to_string(),
        organization: audit.organization.to_string(),
        target: audit.target.to_string(),
        before: audit.before.to_string(),
        after: audit.after.to_string(),
        why: audit.why.to_string(),
    })
}

/// How a sink stands.
pub fn answered_sink(sink: SinkStatus) -> pb::Sink {
    pb::Sink {
        name: sink.name.into(),
        kind: sink.kind.to_owned(),
        delivered: sink.delivered,
        waiting: sink.waiting,
        attempts_failed: sink.failed_attempts,
        dead: sink.dead,
        last_error: sink.last_error.map_or_else(String::new, Into::into),
    }
}

/// A dead letter, with its event if the log still has it.
pub fn answered_dead_letter(letter: &DeadLetter, event: Option<&Event>) -> pb::DeadLetter {
    let known = || pb::Notification {
        id: letter.id.to_string(),
        sequence: letter.sequence,
        organization: letter.organization.to_string(),
        ..pb::Notification::default()
    };
    pb::DeadLetter {
        sink: letter.sink.to_string(),
        notification: Some(event.map_or_else(known, answered_event)),
        attempts: letter.attempts,
        time: Some(answered_time(letter.at)),
        error: letter.error.to_string(),
    }
}
