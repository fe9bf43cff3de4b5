//! The log of the process: where people hear of it when nobody else is told.

use crate::domain::notice::Notice;
use crate::notify::event::Event;

/// Logs an event. Nothing can go wrong.
pub(super) fn deliver(event: &Event) {
    let (organization, id, text) = (&event.organization, event.id, event.text());
    match &event.notice {
        Notice::Threshold {
            account,
            percent,
            used,
            limit,
            ..
        } => {
            let account = account.to_string();
            tracing::warn!(%organization, account, percent, used, limit, %id, text, "a threshold is reached");
        }
        Notice::Extension { credits, by, .. } => {
            tracing::warn!(%organization, credits, %by, %id, text, "an extension was requested");
        }
        Notice::CycleClosed {
            used,
            entitlement,
            rolled_over,
            ..
        } => {
            tracing::warn!(%organization, used, entitlement, rolled_over, %id, text, "a cycle has ended");
        }
        // Nobody is told of these.
        Notice::Audit(_) => {}
    }
}
