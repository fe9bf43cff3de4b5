//! A remembered request, as everybody sees it who does not keep it.

use crate::domain::fact::{Id, Place, Slot, Tag};
use crate::domain::rates::{Class, Rate};
use crate::domain::time::Timestamp;

/// How a remembered request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Credits are held.
    Open,
    /// The time to live is over; a late commit is still booked.
    Expired,
    /// Committed.
    Committed {
        /// Credits booked.
        committed: u64,
        /// Of the hold.
        returned: u64,
        /// Of the booked ones, what nothing covered.
        overrun: u64,
        /// Whether it had expired.
        late: bool,
    },
    /// Released.
    Released {
        /// Of the hold.
        returned: u64,
    },
    /// A charge.
    Charged {
        /// Of the booked ones, what nothing covered.
        overrun: u64,
    },
    /// An extension of a hold, remembered for its own id. `granted` and `expires` are what it answered.
    Extension {
        /// The hold.
        hold: Slot,
    },
    /// A correction of the books, remembered for its own id.
    Adjusted,
}

/// A remembered request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The slot's generation.
    pub generation: u32,
    /// How it stands.
    pub state: State,
    /// Where it counts.
    pub place: Place,
    /// Its id.
    pub id: Id,
    /// Whether the caller chose the id.
    pub chosen: bool,
    /// A hash of what the request said. Like the two that follow it is kept where the caller chose the id, for only then the
    /// request can be repeated.
    pub fingerprint: u64,
    /// What the first answer granted or booked.
    pub granted: u64,
    /// When the first answer said that it ends by itself.
    pub granted_expires: Timestamp,
    /// Held now.
    pub held: u64,
    /// When it ends by itself, while it is open.
    pub expires: Timestamp,
    /// The order of reservation while it is open, of settling afterwards.
    pub sequence: u64,
    /// What its operation reaches.
    pub class: Class,
    /// The price of a quantity committed later.
    pub rate: Option<Rate>,
    /// The user's trial period that pays, counted from 1; 0 is none.
    pub trial: u8,
    /// From when on it is only remembered; while it is open, when it was opened or last extended. In steady time.
    pub settled: Timestamp,
}

/// How and when a request has ended: what settling changes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct End {
    /// How it stands from now on.
    pub state: State,
    /// From when on it is only remembered, in steady time.
    pub settled: Timestamp,
    /// Its place in the order of settling.
    pub sequence: u64,
}

impl End {
    /// Of a row that has ended.
    pub(super) fn of(row: &Row) -> Self {
        let (state, settled, sequence) = (row.state, row.settled, row.sequence);
        Self {
            state,
            settled,
            sequence,
        }
    }
}

impl Row {
    /// A row without anything held: of a charge or an extension.
    pub(in super::super) fn settled(
        tag: Tag,
        state: State,
        place: Place,
        granted: u64,
        at: Timestamp,
    ) -> Self {
        Self {
            generation: tag.slot.generation,
            state,
            place,
            id: tag.id,
            chosen: tag.chosen,
            fingerprint: tag.fingerprint,
            granted,
            granted_expires: at,
            held: 0,
            expires: at,
            sequence: 0,
            class: Class::Run,
            rate: None,
            trial: 0,
            settled: at,
        }
    }
}
