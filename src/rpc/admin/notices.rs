//! What administrators are notified of, who else is, and who changed what.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::order::Act;
use crate::notify::{
    AuditFilter, DeadLetter, Event, EventFilter, EventId, Order, Page, PageOf, Replay,
};
use crate::rpc::convert::admin::{bad, instant, name, names, optional};
use crate::rpc::convert::notice::{
    answered_audit, answered_dead_letter, answered_event, answered_sink,
};
use crate::rpc::operate::Answered;
use crate::rpc::pb;
use crate::rpc::status::Refusal;

use super::page::Asked;
use super::{By, Parts};

/// What has happened stands in the log soon after: so long, at most, is waited for it, so that whoever changed something
/// finds that in the audit. Longer, and the disk is full or slow: then the log says what it has.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(1);

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Events in one replay at most.
const REPLAYED_MAX: usize = 1_000;

/// Waits until what has happened before stands in the log of events. On a thread that may block.
fn catch_up(parts: &Parts) {
    let mut waited = Duration::ZERO;
    while parts.engine.notices_waiting() > 0 && waited < CAUGHT_UP_WITHIN {
        std::thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
}

/// The part of the log that a page is.
fn part(asked: &Asked) -> Result<PageOf, Refusal> {
    let beyond = asked.after.as_deref().map(number).transpose()?;
    Ok(PageOf {
        order: Order::NewestFirst,
        beyond,
        most: asked.most,
    })
}

fn number(token: &str) -> Result<u64, Refusal> {
    token
        .parse()
        .or_else(|_| bad("page_token", "is none of this list's; begin without one"))
}

/// A page of the log as messages, and the token of the next one.
fn shown<T: prost::Message>(
    asked: &Asked,
    page: &Page,
    make: impl Fn(&Event) -> Option<T>,
) -> (Vec<T>, String) {
    let items = page.events.iter();
    let items = items.filter_map(|event| Some((event.sequence.to_string(), make(event)?)));
    match asked.fill(items) {
        (messages, token) if token.is_empty() => {
            let next = page.next.map(|next| asked.token(&next.to_string()));
            (messages, next.unwrap_or_default())
        }
        cut_short => cut_short,
    }
}

/// Only events of this organization; an empty text is all.
pub(super) fn filter(organization: &str) -> Result<EventFilter, Refusal> {
    let organization = optional("organization", organization)?;
    Ok(EventFilter {
        organization: organization.map(|it| it.as_str().into()),
        ..EventFilter::default()
    })
}

pub(super) fn list_notifications(
    parts: &Parts,
    wire: &pb::ListNotificationsRequest,
) -> Result<pb::ListNotificationsResponse, Refusal> {
    let asked = Asked::new("ListNotifications", wire.page_size, &wire.page_token)?;
    let filter = filter(&wire.organization)?;
    let part = part(&asked)?;
    catch_up(parts);
    let page = parts.notifications.events(&filter, part)?;
    let (notifications, next_page_token) = shown(&asked, &page, |it| Some(answered_event(it)));
    Ok(pb::ListNotificationsResponse {
        notifications,
        next_page_token,
    })
}

pub(super) fn list_audit(
    parts: &Parts,
    wire: &pb::ListAuditRequest,
) -> Result<pb::ListAuditResponse, Refusal> {
    let asked = Asked::new("ListAudit", wire.page_size, &wire.page_token)?;
    let text = |field, text| -> Result<Option<Box<str>>, Refusal> {
        Ok(optional(field, text)?.map(|it| it.as_str().into()))
    };
    let from = wire.from_time.as_ref();
    let until = wire.to_time.as_ref();
    let filter = AuditFilter {
        organization: text("organization", &wire.organization)?,
        who: text("who", &wire.who)?,
        action: text("action", &wire.action)?,
        from: from.map(|it| instant("from_time", it)).transpose()?,
        until: until.map(|it| instant("to_time", it)).transpose()?,
    };
    let part = part(&asked)?;
    catch_up(parts);
    let page = parts.notifications.audits(&filter, part)?;
    let (entries, next_page_token) = shown(&asked, &page, answered_audit);
    Ok(pb::ListAuditResponse {
        entries,
        next_page_token,
    })
}

pub(super) fn list_sinks(
    parts: &Parts,
    _wire: &pb::ListSinksRequest,
) -> Result<pb::ListSinksResponse, Refusal> {
    let sinks = parts.notifications.sinks().into_iter();
    let sinks = sinks.map(answered_sink).collect();
    Ok(pb::ListSinksResponse { sinks })
}

pub(super) fn list_dead_letters(
    parts: &Parts,
    wire: &pb::ListDeadLettersRequest,
) -> Result<pb::ListDeadLettersResponse, Refusal> {
    let asked = Asked::new("ListDeadLetters", wire.page_size, &wire.page_token)?;
    let sink = optional("sink", &wire.sink)?;
    if let Some(sink) = sink {
        known_sink(parts, sink.as_str())?;
    }
    let after = asked.after.as_deref().map(key_of).transpose()?;
    let key = |letter: &DeadLetter| (letter.sequence, letter.sink.clone());
    let mut letters = parts.notifications.dead_letters();
    letters.retain(|letter| {
        let is_meant = sink.is_none_or(|sink| *letter.sink == *sink.as_str());
        is_meant && after.as_ref().is_none_or(|after| key(letter) > *after)
    });
    letters.sort_by_key(key);
    let mut items = Vec::new();
    // One more than fits, so that it is known whether there is a next page.
    for letter in letters.iter().take(asked.most + 1) {
        let event = event_at(parts, letter)?;
        let message = answered_dead_letter(letter, event.as_deref());
        items.push((format!("{}/{}", letter.sequence, letter.sink), message));
    }
    let (dead_letters, next_page_token) = asked.fill(items);
    Ok(pb::ListDeadLettersResponse {
        dead_letters,
        next_page_token,
    })
}

fn key_of(token: &str) -> Result<(u64, Box<str>), Refusal> {
    match token.split_once('/') {
        Some((sequence, sink)) => Ok((number(sequence)?, sink.into())),
        None => bad("page_token", "is none of this list's; begin without one"),
    }
}

/// The event of a dead letter, if the log still has it.
fn event_at(parts: &Parts, letter: &DeadLetter) -> Result<Option<Arc<Event>>, Refusal> {
    let part = PageOf {
        order: Order::OldestFirst,
        beyond: Some(letter.sequence.saturating_sub(1)),
        most: 1,
    };
    let page = parts.notifications.events(&EventFilter::default(), part)?;
    let found = page.events.into_iter().next();
    Ok(found.filter(|event| event.sequence == letter.sequence))
}

fn known_sink(parts: &Parts, sink: &str) -> Result<(), Refusal> {
    let sinks = parts.notifications.sinks();
    if sinks.iter().any(|it| *it.name == *sink) {
        return Ok(());
    }
    Err(crate::notify::NotifyError::UnknownSink(sink.into()).into())
}

pub(super) fn replay_dead_letters(
    parts: &Parts,
    by: By<'_>,
    wire: &pb::ReplayDeadLettersRequest,
) -> Result<Answered<pb::ReplayDeadLettersResponse>, Refusal> {
    let sink = name("sink", &wire.sink)?.as_str();
    let which = if wire.ids.is_empty() {
        Replay::All
    } else {
        let ids = names("ids", &wire.ids, REPLAYED_MAX)?
            .into_iter()
            .enumerate();
        let ids = ids.map(|(index, text)| event_id(&format!("ids[{index}]"), text));
        Replay::Events(ids.collect::<Result<_, _>>()?)
    };
    let target = format!("sinks/{sink}");
    let act = Act {
        target: &target,
        ..by.act(&wire.why)?
    };
    known_sink(parts, sink)?;
    // Said before it is done: what cannot be undone is never done unseen.
    let receipt = parts.engine.note(&act)?;
    let replayed = parts.notifications.replay(sink, &which)?;
    let replayed = u32::try_from(replayed).unwrap_or(u32::MAX);
    Ok(Answered::after(
        receipt,
        pb::ReplayDeadLettersResponse { replayed },
    ))
}

/// The id of an event.
pub(super) fn event_id(field: &str, text: &str) -> Result<EventId, Refusal> {
    text.parse()
        .or_else(|error: crate::notify::NotAnId| bad(field, error.to_string()))
}
