//! What can be asked of the log of events.

use std::sync::Arc;

use crate::domain::time::Timestamp;

use super::event::{Event, EventId, EventType};

/// Which events; every field that is given must fit. Audit entries are never among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Whose; `None` is everybody's.
    pub organization: Option<Box<str>>,
    /// What about; none is all that are told.
    pub types: Vec<EventType>,
}

impl EventFilter {
    /// Whether an event fits.
    pub fn fits(&self, event: &Event) -> bool {
        let kind = event.kind();
        let is_asked = self.types.is_empty() || self.types.contains(&kind);
        let is_theirs = self
            .organization
            .as_ref()
            .is_none_or(|it| *it == event.organization);
        kind != EventType::Audited && is_asked && is_theirs
    }
}

/// Which changes; every field that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The organization that the change concerns; those that concern all fit too.
    pub organization: Option<Box<str>>,
    /// Who did it.
    pub who: Option<Box<str>>,
    /// What was done, such as `SetUserLimit`.
    pub action: Option<Box<str>>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Until just before this instant.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether an event fits.
    pub fn fits(&self, event: &Event) -> bool {
        let Some(audit) = event.audit() else {
            return false;
        };
        let is =
            |asked: &Option<Box<str>>, said: &str| asked.as_deref().is_none_or(|it| it == said);
        (audit.organization.is_empty() || is(&self.organization, &audit.organization))
            && is(&self.who, &audit.who)
            && is(&self.action, &audit.action)
            && self.from.is_none_or(|from| from <= audit.at)
            && self.until.is_none_or(|until| audit.at < until)
    }
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they happened.
    #[default]
    OldestFirst,
    /// The last one first.
    NewestFirst,
}

/// Which part of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageOf {
    /// In which order.
    pub order: Order,
    /// Only events beyond this sequence number in that order: [`Page::next`] of the page before. `None` begins.
    pub beyond: Option<u64>,
    /// So many at most; at least 1 are given.
    pub most: usize,
}

/// A part of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order that was asked for.
    pub events: Vec<Arc<Event>>,
    /// Where the next page begins; `None` if this was the last. A page may be shorter than was asked for, even empty, and
    /// have a next one: no more than [`super::SCANNED_MAX`] events are looked at for one.
    pub next: Option<u64>,
}

/// From where on a watcher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// From now on.
    Now,
    /// From after this sequence number on; 0 is all that the log holds.
    Sequence(u64),
    /// From after this event on.
    Event(EventId),
}

/// An event that a sink did not take within the time there is for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The sink's name.
    pub sink: Box<str>,
    /// Where it stands in the log.
    pub sequence: u64,
    /// The event.
    pub id: EventId,
    /// What it is about.
    pub kind: EventType,
    /// Whose.
    pub organization: Box<str>,
    /// When it was given up.
    pub at: Timestamp,
    /// How often it was tried since the last start.
    pub attempts: u32,
    /// What went wrong last. Holds no secret.
    pub error: Box<str>,
}

/// Which dead letters of a sink are delivered once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// All of them, in order.
    All,
    /// These.
    Events(Vec<EventId>),
}

/// How a sink stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkStatus {
    /// Its name.
    pub name: Box<str>,
    /// `webhook`, `email` or `log`.
    pub kind: &'static str,
    /// Delivered since the start, replays too.
    pub delivered: u64,
    /// Attempts that failed since the start.
    pub failed_attempts: u64,
    /// Events that wait to be delivered.
    pub waiting: u64,
    /// When the oldest of them happened; where it stands in files only, when its file was begun.
    pub oldest: Option<Timestamp>,
    /// Given up since the start.
    pub given_up: u64,
    /// Dead letters.
    pub dead: u64,
    /// What went wrong last, until a delivery succeeds. Holds no secret.
    pub last_error: Option<Box<str>>,
    /// The last event that it was told of, or that was given up.
    pub cursor: u64,
}

/// Why the log could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotifyError {
    /// A file cannot be read.
    #[error("the log of events cannot be read: {file}: {problem}")]
    Read {
        /// The file.
        file: String,
        /// The system's answer.
        problem: String,
    },
    /// There is no such event in the log, or no longer.
    #[error("event {0} is not in the log, or no longer; begin without it")]
    UnknownEvent(EventId),
    /// There is no such sink.
    #[error("there is no sink {0:?}")]
    UnknownSink(Box<str>),
    /// Nothing more is told: the process is about to end.
    #[error("nothing more is told: the process is about to end")]
    Ended,
}
