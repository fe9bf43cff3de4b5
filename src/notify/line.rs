//! A line of the log: 8 hexadecimal digits of CRC-32C, a blank, JSON.
//!
//! ```text
//! {"head":{...}}    the first line of a segment: how everything but the events stands, so that older segments can go
//! {"event":{...}}   an event
//! {"sink":{...}}    how far a sink has come
//! {"dead":{...}}    an event that a sink did not take
//! {"alive":{...}}   a dead letter was delivered after all
//! ```

use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::account::Account;
use crate::domain::cycle::CycleSpan;
use crate::domain::notice::{Audit, Notice};
use crate::domain::time::Timestamp;

use super::event::{Event, EventId, EventType};
use super::query::DeadLetter;

/// The version of what stands in the lines.
pub(super) const FORMAT: u32 = 1;

/// The checksum and the blank before the JSON.
const PREFIX_BYTES: usize = 9;

/// A line that was written and is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Damaged(String);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Head(Head),
    Event(EventLine),
    Sink(SinkLine),
    Dead(DeadLine),
    Alive(AliveLine),
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format: u32,
    /// The segment's own number.
    pub(super) number: u64,
    /// The least sequence number that an event in it can have.
    pub(super) next: u64,
    /// When it was begun: events of the segments before are older.
    pub(super) at: Moment,
    pub(super) sinks: Vec<SinkLine>,
    pub(super) dead: Vec<DeadLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SinkLine {
    pub(super) name: Box<str>,
    /// Everything up to here was delivered or given up.
    pub(super) after: u64,
    /// Since when the first one after it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failing_since: Option<Moment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeadLine {
    pub(super) sink: Box<str>,
    pub(super) sequence: u64,
    pub(super) id: Hex,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) organization: Box<str>,
    pub(super) at: Moment,
    pub(super) attempts: u32,
    pub(super) error: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AliveLine {
    pub(super) sink: Box<str>,
    pub(super) sequence: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EventLine {
    sequence: u64,
    id: Hex,
    organization: Box<str>,
    scale: u64,
    zone: Box<str>,
    what: What,
}

/// A notice, spelled out.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Threshold {
        account: AccountName,
        percent: u32,
        at: Moment,
        used: u64,
        limit: u64,
        cycle: Cycle,
    },
    Extension {
        at: Moment,
        usable: Moment,
        credits: u64,
        by: Box<str>,
        cycle: Cycle,
    },
    CycleClosed {
        cycle: Cycle,
        used: u64,
        trial_used: u64,
        entitlement: u64,
        rolled_over: u64,
    },
    Audit {
        at: Moment,
        who: Box<str>,
        action: Box<str>,
        organization: Box<str>,
        target: Box<str>,
        before: Box<str>,
        after: Box<str>,
        why: Box<str>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cycle {
    start: Moment,
    end: Moment,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AccountName {
    User(Box<str>),
    Environment(Box<str>),
    Pool,
    Organization,
}

/// An instant, as RFC 3339 with nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.to_utc().to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let instant = DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(Timestamp::from_utc(instant.to_utc())))
    }
}

/// An id in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hex(pub(super) EventId);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let id = String::deserialize(from)?.parse();
        id.map(Self).map_err(serde::de::Error::custom)
    }
}

impl Line {
    /// Appends it, with the end of the line.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        // Texts and numbers only: nothing in it can fail to be JSON.
        let json = serde_json::to_vec(self).unwrap_or_default();
        out.extend_from_slice(format!("{:08x} ", crc32c::crc32c(&json)).as_bytes());
        out.extend_from_slice(&json);
        out.push(b'\n');
    }

    /// Reads one, without the end of the line.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let damaged = |problem: &str| Damaged(problem.to_owned());
        let (prefix, json) = bytes
            .split_at_checked(PREFIX_BYTES)
            .ok_or_else(|| damaged("it is too short"))?;
        if prefix != format!("{:08x} ", crc32c::crc32c(json)).as_bytes() {
            return Err(damaged("its checksum is wrong"));
        }
        serde_json::from_slice(json)
            .map_err(|error| Damaged(format!("it says what is not known: {error}")))
    }
}

impl EventLine {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            sequence: event.sequence,
            id: Hex(event.id),
            organization: event.organization.clone(),
            scale: event.scale,
            zone: event.zone.name().into(),
            what: What::of(&event.notice),
        }
    }

    pub(super) fn event(self) -> Event {
        Event {
            sequence: self.sequence,
            id: self.id.0,
            organization: self.organization,
            scale: self.scale,
            // A zone that a later database of zones no longer has is read as UTC: it is for people only.
            zone: self.zone.parse().unwrap_or(Tz::UTC),
            notice: self.what.notice(),
        }
    }
}

impl What {
    fn of(notice: &Notice) -> Self {
        let cycle = |it: &CycleSpan| Cycle {
            start: Moment(it.start),
            end: Moment(it.end),
        };
        match notice.clone() {
            Notice::Threshold {
                account,
                percent,
                at,
                used,
                limit,
                cycle: span,
            } => Self::Threshold {
                account: AccountName::of(account),
                percent,
                at: Moment(at),
                used,
                limit,
                cycle: cycle(&span),
            },
            Notice::Extension {
                at,
                usable,
                credits,
                by,
                cycle: span,
            } => Self::Extension {
                at: Moment(at),
                usable: Moment(usable),
                credits,
                by,
                cycle: cycle(&span),
            },
            Notice::CycleClosed {
                cycle: span,
                used,
                trial_used,
                entitlement,
                rolled_over,
            } => Self::CycleClosed {
                cycle: cycle(&span),
                used,
                trial_used,
                entitlement,
                rolled_over,
            },
            Notice::Audit(audit) => {
                let Audit {
                    at,
                    who,
                    action,
                    organization,
                    target,
                    before,
                    after,
                    why,
                } = *audit;
                Self::Audit {
                    at: Moment(at),
                    who,
                    action,
                    organization,
                    target,
                    before,
                    after,
                    why,
                }
            }
        }
    }

    fn notice(self) -> Notice {
        let span = |it: Cycle| CycleSpan {
            start: it.start.0,
            end: it.end.0,
        };
        match self {
            Self::Threshold {
                account,
                percent,
                at,
                used,
                limit,
                cycle,
            } => Notice::Threshold {
                account: account.account(),
                percent,
                at: at.0,
                used,
                limit,
                cycle: span(cycle),
            },
            Self::Extension {
                at,
                usable,
                credits,
                by,
                cycle,
            } => Notice::Extension {
                at: at.0,
                usable: usable.0,
                credits,
                by,
                cycle: span(cycle),
            },
            Self::CycleClosed {
                cycle,
                used,
                trial_used,
                entitlement,
                rolled_over,
            } => Notice::CycleClosed {
                cycle: span(cycle),
                used,
                trial_used,
                entitlement,
                rolled_over,
            },
            Self::Audit {
                at,
                who,
                action,
                organization,
                target,
                before,
                after,
                why,
            } => {
                let at = at.0;
                Notice::Audit(Box::new(Audit {
                    at,
                    who,
                    action,
                    organization,
                    target,
                    before,
                    after,
                    why,
                }))
            }
        }
    }
}

impl AccountName {
    fn of(account: Account) -> Self {
        match account {
            Account::User(name) => Self::User(name),
            Account::Environment(name) => Self::Environment(name),
            Account::Pool => Self::Pool,
            Account::Organization => Self::Organization,
        }
    }

    fn account(self) -> Account {
        match self {
            Self::User(name) => Account::User(name),
            Self::Environment(name) => Account::Environment(name),
            Self::Pool => Account::Pool,
            Self::Organization => Account::Organization,
        }
    }
}

impl DeadLine {
    pub(super) fn of(letter: &DeadLetter) -> Self {
        Self {
            sink: letter.sink.clone(),
            sequence: letter.sequence,
            id: Hex(letter.id),
            kind: letter.kind.as_str().to_owned(),
            organization: letter.organization.clone(),
            at: Moment(letter.at),
            attempts: letter.attempts,
            error: letter.error.clone(),
        }
    }

    pub(super) fn letter(self) -> DeadLetter {
        DeadLetter {
            sink: self.sink,
            sequence: self.sequence,
            id: self.id.0,
            kind: self.kind.parse().unwrap_or(EventType::ThresholdReached),
            organization: self.organization,
            at: self.at.0,
            attempts: self.attempts,
            error: self.error,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
