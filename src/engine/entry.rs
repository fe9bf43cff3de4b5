//! One entry of the books as a snapshot keeps it: what cannot be derived from the plan and from other entries.

use std::sync::Arc;

use chrono::NaiveDate;

use crate::domain::account::Account;
use crate::domain::cycle::{Calendar, CycleSpan};
use crate::domain::fact::{Extension, Label, OrganizationId, Slot};
use crate::domain::plan::{OrganizationPlan, Step};
use crate::domain::time::Timestamp;

pub use super::book::Figures;
pub use super::cell::{Cell, LastRow};
pub use super::holds::{Row, State};
pub(crate) use super::holds::{id_of, slot_of};
pub use super::organization::Period;
pub use super::usage::UsageRow;
pub use crate::domain::notice::Notice;

/// An entry. They come in an order in which each finds what it refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'a> {
    /// A shard: always its first entry.
    Shard {
        /// Which.
        shard: u8,
        /// The next number in the order of reservation.
        sequence: u64,
        /// Settled requests from before this instant may have been forgotten for want of room.
        horizon: Timestamp,
    },
    /// An organization; its books, trials and notices follow.
    Organization {
        /// Its place. Places of a shard are consecutive.
        organization: OrganizationId,
        /// Its name.
        name: &'a str,
        /// Its part of a plan that no longer names it; `None`: that of the present plan.
        plan: Option<&'a Arc<OrganizationPlan>>,
        /// When extensions were requested in the last year.
        extension_requests: &'a [Timestamp],
        /// Days of usage rows before this one stand in files.
        days_filed: u32,
    },
    /// A notice that nobody has taken yet, the oldest first.
    Notice {
        /// Whose.
        organization: OrganizationId,
        /// What fired.
        notice: &'a Notice,
    },
    /// A user's trial.
    Trial {
        /// Whose.
        organization: OrganizationId,
        /// Its row.
        number: u32,
        /// The user.
        user: &'a str,
        /// The periods, the last one last, with what each has paid and holds.
        periods: &'a [Period],
    },
    /// A cycle's book, the oldest first.
    Book(BookEntry<'a>),
    /// An environment's row in a book.
    Environment {
        /// Whose.
        organization: OrganizationId,
        /// The book.
        book: u32,
        /// The row.
        number: u32,
        /// The name.
        name: &'a str,
        /// What it has drawn from the extension, in credits.
        share: u64,
    },
    /// A user's row in a book. The empty name is requests without a user.
    User {
        /// Whose.
        organization: OrganizationId,
        /// The book.
        book: u32,
        /// The row.
        number: u32,
        /// The name.
        name: &'a str,
        /// The user's cells. `references` is derived from the remembered requests.
        cells: &'a [Cell],
    },
    /// A threshold that fired in a book.
    Fired {
        /// Whose.
        organization: OrganizationId,
        /// The book.
        book: u32,
        /// The account.
        account: &'a Account,
        /// The mark.
        percent: u32,
    },
    /// How the work of some requests of a book is called.
    Label {
        /// Whose.
        organization: OrganizationId,
        /// The book.
        book: u32,
        /// The label, counted from 1.
        number: u32,
        /// How it is called.
        names: &'a Label,
    },
    /// A day of usage rows that stands in no file yet; the oldest first, its rows follow.
    Day {
        /// Whose.
        organization: OrganizationId,
        /// Consecutive.
        number: u32,
        /// The book in which its rows count.
        book: u32,
        /// The local day.
        date: NaiveDate,
        /// Whether its rows change no more.
        is_closed: bool,
    },
    /// A usage row of a day.
    Usage {
        /// Whose.
        organization: OrganizationId,
        /// The day.
        day: u32,
        /// The row.
        number: u32,
        /// What was used, and by whom.
        row: &'a UsageRow,
    },
    /// A hold or a settled request.
    Remembered {
        /// Where.
        slot: Slot,
        /// What is known of it.
        row: &'a Row,
    },
}

impl Entry<'_> {
    /// The shard that it is of.
    pub fn shard(&self) -> u8 {
        match self {
            Self::Shard { shard, .. } => *shard,
            Self::Organization { organization, .. }
            | Self::Notice { organization, .. }
            | Self::Trial { organization, .. }
            | Self::Environment { organization, .. }
            | Self::User { organization, .. }
            | Self::Fired { organization, .. }
            | Self::Label { organization, .. }
            | Self::Day { organization, .. }
            | Self::Usage { organization, .. } => organization.shard,
            Self::Book(book) => book.organization.shard,
            Self::Remembered { slot, .. } => slot.shard,
        }
    }
}

/// What a book says beside its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct BookEntry<'a> {
    /// Whose.
    pub organization: OrganizationId,
    /// Counted from the organization's first; consecutive.
    pub number: u32,
    /// From when until when.
    pub span: CycleSpan,
    /// The calendar that counts for it.
    pub calendar: Calendar,
    /// The plan it counts by, where that is not the organization's.
    pub plan: Option<&'a Arc<OrganizationPlan>>,
    /// What its grants are worth, and when.
    pub steps: &'a [Step],
    /// When a grant begins or ends next.
    pub next_step: Timestamp,
    /// What rolled over from the cycle before, in credits.
    pub rolled_over: u64,
    /// Extensions that were requested.
    pub extensions: &'a [Extension],
    /// What the plan gives, as of the last change.
    pub figures: Figures,
    /// What the pool has drawn from the extension, in credits.
    pub pool_share: u64,
}

/// An entry that does not fit what came before it: the snapshot was not written by this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry does not fit what came before it: {0}")]
pub struct Misfit(pub &'static str);
