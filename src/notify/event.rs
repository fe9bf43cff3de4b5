//! An event: a notice with its number and its stable id.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;
use sha2::{Digest, Sha256};

use crate::domain::notice::{Audit, Notice};
use crate::domain::standing;
use crate::domain::time::Timestamp;

/// Names an event for ever: a hash of what it is about, so that a restart, a replica and a second delivery give it the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// The id of an organization's notice.
    pub fn of(organization: &str, notice: &Notice) -> Self {
        let mut fields = Fields(Sha256::new());
        match notice {
            Notice::Threshold {
                account,
                percent,
                cycle,
                ..
            } => {
                fields
                    .text("threshold")
                    .text(organization)
                    .text(&account.to_string());
                fields
                    .number(cycle.start.nanos())
                    .number(i64::from(*percent));
            }
            Notice::Extension { at, cycle, .. } => {
                fields.text("extension").text(organization);
                fields.number(at.nanos()).number(cycle.start.nanos());
            }
            Notice::CycleClosed { cycle, .. } => {
                fields
                    .text("cycle closed")
                    .text(organization)
                    .number(cycle.start.nanos());
            }
            Notice::Audit(audit) => {
                let Audit {
                    at,
                    who,
                    action,
                    organization: concerns,
                    target,
                    before,
                    after,
                    why,
                } = &**audit;
                fields.text("audit").text(organization).number(at.nanos());
                for text in [who, action, concerns, target, before, after, why] {
                    fields.text(text);
                }
            }
        }
        let digest = fields.0.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

/// What is hashed: each field with its length, so that no two lists of fields are the same bytes.
struct Fields(Sha256);

impl Fields {
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
        self
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.0.update(number.to_be_bytes());
        self
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no id of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no id of an event; write its 32 hexadecimal digits")]
pub struct NotAnId;

impl FromStr for EventId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let are_digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = are_digits
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten();
        number
            .map(|number| Self(number.to_be_bytes()))
            .ok_or(NotAnId)
    }
}

/// What an event is about, as CloudEvents names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// `dev.quotad.threshold.reached`
    ThresholdReached,
    /// `dev.quotad.extension.requested`
    ExtensionRequested,
    /// `dev.quotad.cycle.closed`
    CycleClosed,
    /// A change, for the audit query only: no sink and no watcher sees it.
    Audited,
}

impl EventType {
    /// What sinks and watchers are told of.
    pub const TOLD: [Self; 3] = [
        Self::ThresholdReached,
        Self::ExtensionRequested,
        Self::CycleClosed,
    ];

    /// As CloudEvents names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ThresholdReached => "dev.quotad.threshold.reached",
            Self::ExtensionRequested => "dev.quotad.extension.requested",
            Self::CycleClosed => "dev.quotad.cycle.closed",
            Self::Audited => "dev.quotad.audited",
        }
    }
}

impl FromStr for EventType {
    type Err = ();

    /// The type that a CloudEvents name stands for, of those that are told.
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::TOLD
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or(())
    }
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Ascending, with gaps; the first is 1.
    pub sequence: u64,
    /// Stable: the same event has it on every delivery, start and replica.
    pub id: EventId,
    /// Whose.
    pub organization: Box<str>,
    /// By which people read the organization's figures: so many credits are shown as 1.
    pub scale: u64,
    /// In which people read the organization's times.
    pub zone: Tz,
    /// What happened.
    pub notice: Notice,
}

impl Event {
    /// What it is about.
    pub fn kind(&self) -> EventType {
        match &self.notice {
            Notice::Threshold { .. } => EventType::ThresholdReached,
            Notice::Extension { .. } => EventType::ExtensionRequested,
            Notice::CycleClosed { .. } => EventType::CycleClosed,
            Notice::Audit(_) => EventType::Audited,
        }
    }

    /// When it happened, by the wall clock. A cycle closes when it ends.
    pub fn at(&self) -> Timestamp {
        match &self.notice {
            Notice::Threshold { at, .. } | Notice::Extension { at, .. } => *at,
            Notice::CycleClosed { cycle, .. } => cycle.end,
            Notice::Audit(audit) => audit.at,
        }
    }

    /// The account, as `users/ana`; of what concerns all of them, `organization`.
    pub fn account(&self) -> String {
        match &self.notice {
            Notice::Threshold { account, .. } => account.to_string(),
            _ => "organization".to_owned(),
        }
    }

    /// What there is to audit, if it is a change.
    pub fn audit(&self) -> Option<&Audit> {
        match &self.notice {
            Notice::Audit(audit) => Some(audit),
            _ => None,
        }
    }

    /// How much of how much, as people read it: `800 of 1,000 credits used (80%)`.
    pub fn text(&self) -> String {
        use crate::domain::credits::shown;
        match &self.notice {
            Notice::Threshold { used, limit, .. } => {
                standing::text(*used, Some(*limit), self.scale)
            }
            Notice::Extension { credits, .. } => {
                format!(
                    "{} credits for the rest of the cycle",
                    shown(*credits, self.scale)
                )
            }
            Notice::CycleClosed {
                used, entitlement, ..
            } => standing::text(*used, Some(*entitlement), self.scale),
            Notice::Audit(audit) => format!("{} by {}", audit.action, audit.who),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::account::Account;
    use crate::domain::cycle::CycleSpan;

    fn threshold(account: Account, percent: u32, start: i64, used: u64) -> Notice {
        let cycle = CycleSpan {
            start: Timestamp::from_nanos(start),
            end: Timestamp::from_nanos(start + 9),
        };
        Notice::Threshold {
            account,
            percent,
            at: Timestamp::from_nanos(5),
            used,
            limit: 10,
            cycle,
        }
    }

    #[test]
    fn an_id_says_what_the_event_is_about_and_nothing_else() {
        let ana = || Account::User("ana".into());
        let id = EventId::of("acme", &threshold(ana(), 80, 1, 8));
        assert_eq!(
            id,
            EventId::of("acme", &threshold(ana(), 80, 1, 9)),
            "the same mark in the same cycle"
        );
        for (organization, other) in [
            ("acme", threshold(ana(), 100, 1, 8)),
            ("acme", threshold(ana(), 80, 2, 8)),
            (
                "acme",
                threshold(Account::Environment("ana".into()), 80, 1, 8),
            ),
            ("acm", threshold(Account::User("eana".into()), 80, 1, 8)),
        ] {
            assert_ne!(id, EventId::of(organization, &other), "{other:?}");
        }
        // Kept for ever: receivers remember ids.
        assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        for wrong in [
            "",
            "x",
            "+0000000000000000000000000000001",
            "g0000000000000000000000000000000",
        ] {
            assert_eq!(wrong.parse::<EventId>(), Err(NotAnId));
        }
    }
}
