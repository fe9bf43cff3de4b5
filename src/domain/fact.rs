//! What happened. The engine changes its books by nothing else: it decides, states the facts, and applies them; whoever
//! applies the same facts in the same order has the same books. No fact asks for a decision or a clock.

use std::sync::Arc;

use chrono::NaiveDate;

use super::account::Account;
use super::cycle::{Calendar, CycleSpan};
use super::notice::Audit;
use super::plan::Plan;
use super::rates::{Class, Rate};
use super::time::{Now, Timestamp};

/// An id of a hold or a request: 16 bytes.
pub type Id = [u8; 16];

/// An organization: the shard that keeps it, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId {
    /// The shard.
    pub shard: u8,
    /// Its place in the shard.
    pub index: u32,
}

/// A cell: where in an organization's books credits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The organization.
    pub organization: OrganizationId,
    /// The cycle's book, counted from the organization's first.
    pub book: u32,
    /// The environment's row in the book.
    pub environment: u32,
    /// The user's row in the book.
    pub user: u32,
    /// What the work is called in usage rows: a label of the book, counted from 1; 0 is no product, model and operation.
    pub label: u32,
}

/// Where a hold or a settled request is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The shard.
    pub shard: u8,
    /// The slot in the shard.
    pub index: u32,
    /// How often the slot was used before: tells a new hold from an old one.
    pub generation: u32,
}

/// What identifies a remembered request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Where it is remembered.
    pub slot: Slot,
    /// Its id.
    pub id: Id,
    /// Whether the caller chose the id.
    pub chosen: bool,
    /// A hash of what the request said, to tell a retry from another request with the same id.
    pub fingerprint: u64,
}

/// One trial period of a user (section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialPeriod {
    /// From here on it pays.
    pub from: Timestamp,
    /// Until just before.
    pub until: Timestamp,
    /// How much it gives.
    pub credits: u64,
    /// The caller's id: the same request again is the same period.
    pub id: Option<Id>,
}

/// An extension that was requested (section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// When it was requested.
    pub requested: Timestamp,
    /// From here on it counts, until the cycle ends.
    pub usable: Timestamp,
    /// How much it adds.
    pub credits: u64,
    /// The caller's id: the same request again is the same extension.
    pub id: Option<Id>,
}

/// How work is called in usage rows; an empty text is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The product.
    pub product: Box<str>,
    /// The model.
    pub model: Box<str>,
    /// The operation.
    pub operation: Box<str>,
}

/// A hold, as it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Names it.
    pub tag: Tag,
    /// Where it counts.
    pub place: Place,
    /// Credits held.
    pub amount: u64,
    /// When it was opened, in steady time.
    pub at: Timestamp,
    /// When it ends by itself, in steady time.
    pub expires: Timestamp,
    /// The order of reservation, by which simultaneous expiries are ordered.
    pub sequence: u64,
    /// What the operation reaches.
    pub class: Class,
    /// The price of a quantity committed later.
    pub rate: Option<Rate>,
    /// The user's trial period that admitted it, counted from 1; 0 is none.
    pub trial: u8,
    /// The payer's share of the extension from now on.
    pub share: u64,
}

/// How a hold ended with credits booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The hold.
    pub slot: Slot,
    /// Credits booked.
    pub committed: u64,
    /// Of these, what nothing covered.
    pub overrun: u64,
    /// Whether it had expired before.
    pub late: bool,
    /// When, in steady time: it is remembered from here on.
    pub at: Timestamp,
    /// The payer's share of the extension from now on.
    pub share: u64,
    /// The label of the usage row in which it is booked, where that is not the hold's: there were too many rows.
    pub label: Option<u32>,
}

/// A charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Names it, if the caller gave an id.
    pub tag: Option<Tag>,
    /// Where it counts.
    pub place: Place,
    /// Credits booked.
    pub amount: u64,
    /// Of these, what nothing covered (shadow mode).
    pub overrun: u64,
    /// The trial period that paid, counted from 1; 0 is none.
    pub trial: u8,
    /// When, in steady time.
    pub at: Timestamp,
    /// The payer's share of the extension from now on.
    pub share: u64,
}

/// A hold was given more credits or a longer life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The hold.
    pub slot: Slot,
    /// Credits added.
    pub additional: u64,
    /// When the hold ends by itself now, in steady time.
    pub expires: Timestamp,
    /// Names the request, if the caller gave an id for it.
    pub tag: Option<Tag>,
    /// When, in steady time.
    pub at: Timestamp,
    /// The payer's share of the extension from now on.
    pub share: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// An organization got its place.
    OrganizationNamed {
        /// Its place.
        organization: OrganizationId,
        /// Its name.
        name: Box<str>,
    },
    /// The plan changed; every organization's present book counts by it from `at` on.
    Planned {
        /// The wall clock.
        at: Timestamp,
        /// The whole plan.
        plan: Arc<Plan>,
    },
    /// A cycle began, with an empty book.
    CycleOpened {
        /// Whose.
        organization: OrganizationId,
        /// Counted from the organization's first book.
        book: u32,
        /// From when until when.
        span: CycleSpan,
        /// The calendar that counts for it.
        calendar: Calendar,
        /// What rolled over from the cycle before.
        rolled_over: u64,
    },
    /// A grant began or ended within the cycle.
    EntitlementChanged {
        /// Whose.
        organization: OrganizationId,
        /// The wall clock.
        at: Timestamp,
    },
    /// An environment got a row in a book.
    EnvironmentNamed {
        /// Whose.
        organization: OrganizationId,
        /// Which book.
        book: u32,
        /// The row.
        environment: u32,
        /// The name.
        name: Box<str>,
    },
    /// A user got a row in a book. The empty name is requests without a user.
    UserNamed {
        /// Whose.
        organization: OrganizationId,
        /// Which book.
        book: u32,
        /// The row.
        user: u32,
        /// The name.
        name: Box<str>,
    },
    /// A book got a label: how the work of some requests is called in usage rows.
    Labelled {
        /// Whose.
        organization: OrganizationId,
        /// Which book.
        book: u32,
        /// The label, counted from 1.
        label: u32,
        /// How the work is called.
        names: Box<Label>,
    },
    /// A day of usage rows began in a book, with its first row.
    DayOpened {
        /// Whose.
        organization: OrganizationId,
        /// The book in which its rows count.
        book: u32,
        /// Counted from the organization's first.
        day: u32,
        /// The local day. The same may come several times: rows add up.
        date: NaiveDate,
    },
    /// The open days of an organization ended: their rows change no more.
    DaysClosed {
        /// Whose.
        organization: OrganizationId,
    },
    /// Closed days stand in files; their rows leave the memory.
    DaysFiled {
        /// Whose.
        organization: OrganizationId,
        /// All days before this one.
        before: u32,
    },
    /// A hold was opened.
    Held(Held),
    /// A hold was extended.
    Extended(Extended),
    /// A hold was committed.
    Committed(Settled),
    /// A hold was released: `committed` and `overrun` are 0.
    Released(Settled),
    /// A hold expired: its credits are back, a late commit still finds it.
    Expired {
        /// The hold.
        slot: Slot,
        /// When, in steady time: it is remembered from here on.
        at: Timestamp,
        /// The payer's share of the extension from now on.
        share: u64,
    },
    /// Credits were charged in one step.
    Charged(Charged),
    /// An administrator corrected the books.
    Adjusted {
        /// Where it counts.
        place: Place,
        /// Added to what is used.
        credits: i64,
        /// Why.
        reason: Box<str>,
        /// When, in steady time.
        at: Timestamp,
        /// The payer's share of the extension from now on.
        share: u64,
        /// Names it, if the caller gave an id.
        tag: Option<Tag>,
    },
    /// A threshold fired: once per threshold, account and cycle.
    Crossed {
        /// Whose.
        organization: OrganizationId,
        /// Which book.
        book: u32,
        /// The account.
        account: Account,
        /// The mark.
        percent: u32,
        /// The wall clock.
        at: Timestamp,
        /// What the account had used.
        used: u64,
        /// Of how much.
        limit: u64,
    },
    /// An extension was requested.
    ExtensionRequested {
        /// Whose.
        organization: OrganizationId,
        /// In which book.
        book: u32,
        /// The request.
        extension: Extension,
        /// Who asked for it; empty if nobody said.
        by: Box<str>,
    },
    /// A user's trial started or was renewed.
    TrialStarted {
        /// Whose.
        organization: OrganizationId,
        /// The user.
        user: Box<str>,
        /// The new period.
        period: TrialPeriod,
    },
    /// Somebody changed something: what the audit log says of it.
    Audited {
        /// In whose queue it waits for the log.
        organization: OrganizationId,
        /// Who, what, and why.
        audit: Box<Audit>,
    },
    /// The oldest notices of an organization were taken by whoever delivers them.
    Told {
        /// Whose.
        organization: OrganizationId,
        /// How many.
        count: u32,
    },
    /// A process took over the books of the one before: no hold lives longer than its full time from here on.
    Resumed {
        /// Its first reading of the clock.
        at: Now,
    },
    /// The oldest settled requests of a shard are no longer remembered: those that settled first.
    Forgotten {
        /// The shard.
        shard: u8,
        /// How many requests.
        count: u32,
    },
}

impl Fact {
    /// The shard that it changes; `None` is all of them.
    pub fn shard(&self) -> Option<u8> {
        match self {
            Self::Planned { .. } | Self::Resumed { .. } => None,
            Self::OrganizationNamed { organization, .. }
            | Self::CycleOpened { organization, .. }
            | Self::EntitlementChanged { organization, .. }
            | Self::EnvironmentNamed { organization, .. }
            | Self::UserNamed { organization, .. }
            | Self::Labelled { organization, .. }
            | Self::DayOpened { organization, .. }
            | Self::DaysClosed { organization }
            | Self::DaysFiled { organization, .. }
            | Self::Audited { organization, .. }
            | Self::Crossed { organization, .. }
            | Self::ExtensionRequested { organization, .. }
            | Self::TrialStarted { organization, .. }
            | Self::Told { organization, .. } => Some(organization.shard),
            Self::Held(held) => Some(held.tag.slot.shard),
            Self::Extended(extended) => Some(extended.slot.shard),
            Self::Committed(settled) | Self::Released(settled) => Some(settled.slot.shard),
            Self::Expired { slot, .. } => Some(slot.shard),
            Self::Charged(charged) => Some(charged.place.organization.shard),
            Self::Adjusted { place, .. } => Some(place.organization.shard),
            Self::Forgotten { shard, .. } => Some(*shard),
        }
    }
}
