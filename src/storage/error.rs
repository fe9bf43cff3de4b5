//! What goes wrong with the books on disk. Each says what, where, and what to do.

use std::io;

use crate::engine::entry::Misfit;

/// The format that this version writes, and the newest that it reads.
pub const FORMAT_VERSION: u16 = 1;

/// The feature bits that this version knows; none so far.
pub const FEATURES_KNOWN: u32 = 0;

/// Why a file of the books cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused to read it.
    #[error("{file}: cannot be read: {source}")]
    Io {
        /// Its name.
        file: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Its bytes are not what was written.
    #[error("{file}: damaged at byte {offset}: {problem}")]
    Damaged {
        /// Its name.
        file: String,
        /// Where the damage was noticed, in bytes from its beginning.
        offset: u64,
        /// What is wrong there.
        problem: String,
    },
    /// A newer quotad wrote it.
    #[error(
        "{file}: written in format {version} with features {features:#x}; this quotad reads up to format \
         {FORMAT_VERSION}; start the version that wrote it, or restore an older copy of the directory"
    )]
    Newer {
        /// Its name.
        file: String,
        /// Its format.
        version: u16,
        /// The feature bits that are not known here.
        features: u32,
    },
    /// It is whole, but says what cannot be.
    #[error("{file}: {misfit}; this is a defect: keep the directory and report it")]
    Misfit {
        /// Its name.
        file: String,
        /// What does not fit.
        misfit: Misfit,
    },
}

/// Why the books could not be brought back. Nothing on the disk was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A file cannot be used, and no other makes up for it.
    #[error("the books cannot be brought back whole: {0}")]
    File(#[from] FileError),
    /// The journal is damaged before the position up to which it was known to be safe.
    #[error(
        "{file}: damaged at byte {offset} (position {position}), although what follows it was written after it was safe; \
         {lost} later records would be lost. Restore the file from a copy, or start once with --drop-from {position} to \
         go on without them"
    )]
    Lost {
        /// The segment's file.
        file: String,
        /// Where, in bytes from its beginning.
        offset: u64,
        /// The same as a position of the journal.
        position: u64,
        /// How many records after it can still be read.
        lost: u64,
    },
    /// A segment between others is missing.
    #[error(
        "the journal's segment that begins at position {position} is missing; restore it from a copy, or start once with \
         --drop-from {position} to go on without it and what follows it ({lost} records)"
    )]
    Missing {
        /// Where the missing part begins.
        position: u64,
        /// How many records after it can still be read.
        lost: u64,
    },
    /// `--drop-from` names another place than the damage.
    #[error("--drop-from {asked}: {found}; start without it")]
    NothingToDrop {
        /// What was asked.
        asked: u64,
        /// What is there.
        found: String,
    },
    /// The books could not be opened for what comes.
    #[error("{0}")]
    Storage(#[from] StorageError),
}

/// Why nothing can be recorded any more. Nothing is acknowledged after it, and the process ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// A store or a sync failed. It is never tried again: what was stored before may be lost.
    #[error("{what} failed: {problem}; nothing is acknowledged any more")]
    Failed {
        /// What was to be done.
        what: String,
        /// The system's answer.
        problem: String,
    },
    /// The journal is not open: before recovery, or after the end.
    #[error("the journal is not open")]
    Closed,
}
