//! Files mapped for storing. The one place where the disk needs `unsafe`.
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
        Ok(())
    }
}

impl Syncer for Descriptor {
    /// fdatasync writes the pages that were changed through a shared mapping too; msync would do no more.
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
