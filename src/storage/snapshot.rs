//! A snapshot's file: a header, blocks of entries, a trailer; each with its checksum.
//!
//! ```text
//! header   0 magic 8 | version 2 | 0 2 | features 4 | crc of these 4 | crc of all that follows 4
//!         24 length of what follows 4
//!         28 journal id 8 | number 8 | start 8 | base time 8 | wall 8 | steady 8 | segment 8
//!         84 plan hash 32 | count of positions 1 | each 8 | version of the writer, a text
//! block    0 length 4 | crc 4 | kind 1 | entries (entry_code.rs)                          kind 1
//! trailer  a block of kind 2: how many organizations, books, cells, open holds, remembered requests, entries,
//!          and bytes before the trailer
//! ```
//!
//! All fixed numbers are little endian. Magic, version, features and their checksum stay where they are in every version, so
//! that a newer format is told from damage. A block's checksum is seeded with the journal's id, the snapshot's number and
//! the block's own number, so that no block passes for another. Nothing follows the trailer: a file without one was never
//! whole.

mod read;
mod write;

use crc32c::{crc32c, crc32c_append};

use crate::domain::time::Now;
use crate::engine::entry::{Entry, State};

use super::fact_code::Frame;
use super::plan_code::PlanHash;

#[cfg(test)]
pub(super) use read::read;
pub(super) use read::{About, Block, File, about, check, verify};
pub(super) use write::Writer;

const MAGIC: &[u8; 8] = b"quotadss";

/// Bytes of a header before those that its length counts.
const HEADER_FIXED_BYTES: usize = 28;

/// The longest header.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Bytes before a block's entries.
const BLOCK_HEADER_BYTES: usize = 9;

/// A block is closed before it would grow beyond this; an entry that is longer has one for itself.
const BLOCK_BYTES: usize = 64 * 1024;

/// The longest block: that of an organization whose part of a plan names as many users as a plan may.
const BLOCK_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// A block of entries.
const ENTRIES: u8 = 1;
/// The last block.
const TRAILER: u8 = 2;

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The journal's id.
    pub(super) journal: u64,
    /// Ascending, and that of the file's name.
    pub(super) number: u64,
    /// What the encoding of its entries leaves out.
    pub(super) frame: Frame,
    /// When it was begun.
    pub(super) now: Now,
    /// The first segment of the journal that it needs; 0 is none.
    pub(super) segment: u64,
    /// For each shard the position up to which it contains what happened. At most 255.
    pub(super) positions: Vec<u64>,
    /// The plan in force.
    pub(super) plan: PlanHash,
}

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) organizations: u64,
    pub(super) books: u64,
    pub(super) cells: u64,
    pub(super) holds_open: u64,
    pub(super) remembered: u64,
    pub(super) entries: u64,
    /// Before the trailer.
    pub(super) bytes: u64,
}

impl Counts {
    /// Counts one more entry.
    fn count(&mut self, entry: &Entry<'_>) {
        self.entries += 1;
        match entry {
            Entry::Organization { .. } => self.organizations += 1,
            Entry::Book(_) => self.books += 1,
            Entry::User { cells, .. } => self.cells += cells.len() as u64,
            Entry::Remembered { row, .. } => {
                self.remembered += 1;
                self.holds_open += u64::from(row.state == State::Open);
            }
            Entry::Shard { .. }
            | Entry::Notice { .. }
            | Entry::Trial { .. }
            | Entry::Environment { .. }
            | Entry::Fired { .. }
            | Entry::Label { .. }
            | Entry::Day { .. }
            | Entry::Usage { .. } => {}
        }
    }

    /// In the order in which the trailer has them.
    fn all(&self) -> [u64; 7] {
        let Self {
            organizations,
            books,
            cells,
            holds_open,
            remembered,
            entries,
            bytes,
        } = *self;
        [
            organizations,
            books,
            cells,
            holds_open,
            remembered,
            entries,
            bytes,
        ]
    }
}

/// What seeds the checksums of a snapshot's blocks, apart from their numbers.
#[derive(Clone, Copy, Debug)]
struct Seed(u32);

impl Seed {
    fn new(header: &Header) -> Self {
        let journal = crc32c(&header.journal.to_le_bytes());
        Self(crc32c_append(journal, &header.number.to_le_bytes()))
    }

    /// Of a block, counted from 0: of everything but the checksum.
    fn checksum(self, block: u64, length: [u8; 4], kind_and_entries: &[u8]) -> u32 {
        let seed = crc32c_append(self.0, &block.to_le_bytes());
        crc32c_append(crc32c_append(seed, &length), kind_and_entries)
    }
}

#[cfg(test)]
mod tests;
