//! Files mapped for storing. The one file where the disk needs `unsafe`: to map, and to ask the processor for memory ahead.
//!
//! A mapped file that somebody shortens ends the process with a signal, and one that somebody writes to changes under a
//! reader's hands. Neither happens here: the directory is locked for this process, nothing in this crate shortens a file or
//! writes to one that is mapped (`RealDisk::create` unlinks the old one), and a mapping is stored to, never read.
//! Somebody else who shortens the file of a running quotad ends it; what was synced is safe from that. Miri maps no files, so
//! that it cannot look at this; the tests over a real disk do.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::MmapMut;

use super::{Mapped, Region, Syncer};

/// What a processor fetches at once.
#[cfg(target_arch = "x86_64")]
const LINE_BYTES: usize = 64;

/// Four records of the usual size: some microseconds.
#[cfg(target_arch = "x86_64")]
const AHEAD_BYTES: usize = 4 * LINE_BYTES;

struct Mapping(MmapMut);

/// The same open file as the mapping's, so that it learns of every write that failed since.
struct Descriptor(File);

/// Maps a whole file.
pub(super) fn map(file: File) -> io::Result<Mapped> {
    // SAFETY: the file is neither shortened nor written to by other means while it is mapped (see above), and no reference
    // into the mapping outlives a call of `store`.
    let mapping = unsafe { MmapMut::map_mut(&file)? };
    Ok(Mapped {
        region: Box::new(Mapping(mapping)),
        syncer: Arc::new(Descriptor(file)),
    })
}

impl Region for Mapping {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn store(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len());
        let place = end.and_then(|end| self.0.get_mut(offset..end));
        place
            .ok_or_else(|| super::beyond_end(offset, bytes.len()))?
            .copy_from_slice(bytes);
        self.fetch_ahead(offset, bytes.len());
        Ok(())
    }
}

impl Mapping {
    /// Asks the processor for the lines that the records after the next few will be stored to. Whoever stores lets go of a
    /// lock right afterwards, and that waits until the line has come from memory: 42 % of what encoding and appending a
    /// record takes was there, 21 % is with this.
    #[cfg(target_arch = "x86_64")]
    fn fetch_ahead(&self, offset: usize, bytes: usize) {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        let from = offset + AHEAD_BYTES;
        for line in (from..from + bytes).step_by(LINE_BYTES) {
            if let Some(byte) = self.0.get(line) {
                // SAFETY: it is a hint, which neither reads nor writes, and the place is within the mapping.
                unsafe { _mm_prefetch::<_MM_HINT_ET0>(std::ptr::from_ref(byte).cast()) };
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn fetch_ahead(&self, _offset: usize, _bytes: usize) {}
}

impl Syncer for Descriptor {
    /// fdatasync writes the pages that were changed through a shared mapping too; msync would do no more.
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
