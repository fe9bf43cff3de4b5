//! Facts as bytes: what the records of the journal hold. One byte says the kind of a fact; the numbers stay for ever, and
//! a new kind, or a kind that says more, gets a new number and a feature bit. 0 is no kind, so zero bytes are no fact.
//!
//! ```text
//!  1 OrganizationNamed  organization name            10 Released            like Committed
//!  2 Planned            at hash                      11 Expired             shard+slot at share
//!  3 CycleOpened        organization book span ...   12 Charged             flags shard place amount at ...
//!  4 EntitlementChanged organization at              13 Adjusted            flags shard place ...
//!  5 EnvironmentNamed   organization book row name   14 Crossed             organization book account percent
//!  6 UserNamed          organization book row name   15 ExtensionRequested  organization book extension
//!  7 Held               flags slot place amount ...  16 TrialStarted        organization user period
//!  8 Extended           flags slot additional ...    17 Told                organization count
//!  9 Committed          flags slot committed ...     18 Resumed             wall steady
//! 19 Forgotten          shard count                  20 Labelled            organization book label names
//! 21 DayOpened          organization book day date   22 DaysClosed          organization
//! 23 DaysFiled          organization before          24 Audited             organization at, texts
//! ```
//!
//! Facts of requests have a byte of flags for what is usually absent. An id that follows from its slot and the frame is
//! left out: so what a plain request leaves fits into one slot of the journal.

mod read;
mod write;

use super::bytes::Garbled;
use super::error::FileError;

pub(super) use super::parts::Frame;
pub(super) use read::decode;
pub(super) use write::encode;

/// The caller chose the id.
const CHOSEN: u8 = 1;
/// The id stands there, because it does not follow from the slot.
const ID: u8 = 1 << 1;
/// The second shard stands there, because it is not the first.
const ELSEWHERE: u8 = 1 << 2;
/// The share stands there, because it is not 0.
const SHARE: u8 = 1 << 3;
/// The trial period stands there, because it is not 0.
const TRIAL: u8 = 1 << 4;
/// Of a hold: the rate stands there.
const RATE: u8 = 1 << 5;
/// Of what books: the overrun stands there, because it is not 0.
const OVERRUN: u8 = 1 << 5;
/// Of a charge and of an extension: it is remembered.
const TAG: u8 = 1 << 6;
/// Of a commit: the label stands there, because it is not the hold's.
const LABEL: u8 = 1;
/// Of a commit: the hold had expired.
const LATE: u8 = 1 << 6;
/// Of a hold: its class stands in the highest two bits.
const CLASS_SHIFT: u32 = 6;

/// Why the facts of a record cannot be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum FactError {
    /// The bytes are none of ours.
    #[error("{0}")]
    Garbled(#[from] Garbled),
    /// The plan that they refer to cannot be had.
    #[error("{0}")]
    Plan(FileError),
}

#[cfg(test)]
mod tests;
