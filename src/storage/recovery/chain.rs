//! The journal's segments in the order of their positions, and where the journal ends.
//!
//! A segment ends where the next one begins: at its last slot, or earlier where a start cut its torn tail off. The journal
//! ends at the first record that is not whole. That is a torn tail, unless a record that still can be read was written when
//! the journal was known to be safe beyond it: then something acknowledged is damaged, and a start refuses.

use std::io;

use crate::storage::error::{FileError, RecoveryError};
use crate::storage::fact_code::Frame;
use crate::storage::files::{self, File};
use crate::storage::segment::{Header, Kind, Record, Segment};
use crate::world::disk::{Contents, Disk};

/// A segment whose header can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) first: u64,
    pub(super) frame: Frame,
    /// Of the whole file; 0 while it was not read.
    pub(super) bytes: u64,
}

/// A segment whose header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nameless {
    pub(super) number: u64,
    /// It was never used: its header is made of zeros.
    is_blank: bool,
}

/// The segments of a directory.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) journal: u64,
    /// In the order of their positions.
    pub(super) links: Vec<Link>,
    /// Files whose header is none: prepared and never used, torn, or damaged.
    pub(super) nameless: Vec<Nameless>,
    /// The highest number of any.
    pub(super) number_last: u64,
}

/// A group of records: the facts of one operation.
pub(super) struct Group<'a> {
    pub(super) position: u64,
    pub(super) frame: Frame,
    pub(super) body: &'a [u8],
    pub(super) file: &'a str,
    pub(super) offset: u64,
}

/// Where the journal ends, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The position after the last whole group.
    pub(super) position: u64,
    /// The link that it is in; the number of links if it is none.
    pub(super) link: usize,
    /// Where the first record that is not whole stands, in its file.
    pub(super) offset: u64,
    /// Records behind it that can still be read.
    pub(super) behind: u64,
    /// The highest position that one of them knows to be safe.
    pub(super) safe: u64,
    /// A segment is missing there.
    pub(super) is_missing: bool,
    /// Bytes from there to the last record that can be read.
    pub(super) bytes_behind: u64,
}

impl Chain {
    /// Looks at the headers of all segments. `journal` is the id that they must have, if it is known.
    pub(super) fn find(disk: &dyn Disk, journal: Option<u64>) -> Result<Self, RecoveryError> {
        let mut chain = Self::default();
        let mut id = journal;
        for name in disk
            .list()
            .map_err(|source| failed("listing the directory", source))?
        {
            let File::Journal(number) = File::of(&name) else {
                continue;
            };
            chain.number_last = chain.number_last.max(number);
            let mut head = Vec::new();
            let mut source = disk
                .read(&name)
                .map_err(|source| unreadable(&name, source))?;
            io::copy(&mut io::Read::take(&mut source, 64), &mut head)
                .map_err(|source| unreadable(&name, source))?;
            let is_blank = head.iter().all(|&byte| byte == 0);
            let nameless = Nameless { number, is_blank };
            match Header::decode(&head, &name)? {
                // The number of another use: renamed, and not yet written.
                Some(header) if header.number != number => chain.nameless.push(nameless),
                Some(header) if *id.get_or_insert(header.journal) != header.journal => {
                    return Err(RecoveryError::File(FileError::Damaged {
                        file: name,
                        offset: 24,
                        problem: "it belongs to another journal".to_owned(),
                    }));
                }
                Some(header) => chain.links.push(Link {
                    number,
                    first: header.first,
                    frame: header.frame,
                    bytes: 0,
                }),
                None => chain.nameless.push(nameless),
            }
        }
        chain.journal = id.unwrap_or(0);
        chain.links.sort_by_key(|link| (link.first, link.number));
        Ok(chain)
    }

    /// Reads all groups from the segment that holds a position on; answers where the journal ends. `from` is where a
    /// snapshot ends, or the beginning.
    pub(super) fn read(
        &mut self,
        disk: &dyn Disk,
        from: u64,
        each: &mut dyn FnMut(&Group<'_>) -> Result<(), RecoveryError>,
    ) -> Result<End, RecoveryError> {
        let holding = self.links.partition_point(|link| link.first <= from);
        let Some(begin) = holding.checked_sub(1) else {
            return self.end(disk, None, from, from);
        };
        let mut pending = Pending {
            start: None,
            frame: self.links[begin].frame,
            body: Vec::new(),
        };
        let mut position = from;
        let mut bytes =
            Contents::empty().map_err(|source| failed("making room for a segment", source))?;
        for at in begin..self.links.len() {
            let link = self.links[at];
            let name = files::journal(link.number);
            let read = disk
                .read(&name)
                .and_then(|mut source| bytes.refill(&mut source));
            read.map_err(|source| unreadable(&name, source))?;
            self.links[at].bytes = bytes.len() as u64;
            let segment = Segment::new(&bytes, self.journal, link.number, link.first);
            let next = self.links.get(at + 1).map_or(u64::MAX, |next| next.first);
            position = from.max(link.first + 1);
            for record in segment.records_from(position) {
                if record.position >= next {
                    break;
                }
                position = record.end();
                if let Some(start) = pending.take(&record, link.frame) {
                    each(&Group {
                        position: start,
                        frame: pending.frame,
                        body: &pending.body,
                        file: &name,
                        offset: segment.offset(start.max(link.first)),
                    })?;
                    pending.start = None;
                }
            }
            if position < next.min(segment.end()) || next > segment.end() {
                let whole = pending.start.unwrap_or(position);
                return self.end(disk, Some((at, segment)), whole, position);
            }
            if next < segment.end() {
                // What a start cut off there is nobody's any more.
                pending.start = None;
            }
        }
        self.end(disk, None, position, position)
    }

    /// The journal ends at `position`; looks at what stands from `broken` on.
    fn end(
        &self,
        disk: &dyn Disk,
        at: Option<(usize, Segment<'_>)>,
        position: u64,
        broken: u64,
    ) -> Result<End, RecoveryError> {
        let (link, offset) = at.map_or((self.links.len(), 0), |(at, segment)| {
            (at, segment.offset(broken))
        });
        let mut end = End {
            position,
            link,
            offset,
            behind: 0,
            safe: 0,
            is_missing: at.is_none_or(|(_, segment)| broken == segment.end()),
            bytes_behind: 0,
        };
        if let Some((_, segment)) = at {
            end.count(segment.survivors_from(broken), broken);
        }
        let later = at.map_or_else(
            || {
                self.links
                    .iter()
                    .filter(|link| link.first >= position)
                    .collect::<Vec<_>>()
            },
            |(at, _)| self.links[at + 1..].iter().collect(),
        );
        for link in later {
            let bytes = read_whole(disk, &files::journal(link.number))?;
            let segment = Segment::new(&bytes, self.journal, link.number, link.first);
            end.count(segment.survivors_from(0), broken);
        }
        // Where a segment without a header would begin: behind the last one, or where a start cut it off.
        let mut firsts = vec![position];
        firsts.extend(at.map(|(_, segment)| segment.end()));
        firsts.dedup();
        for &Nameless { number, .. } in self.nameless.iter().filter(|it| !it.is_blank) {
            let bytes = read_whole(disk, &files::journal(number))?;
            for &first in &firsts {
                let segment = Segment::new(&bytes, self.journal, number, first);
                end.count(segment.survivors_from(0), broken);
            }
        }
        Ok(end)
    }
}

impl End {
    fn count<'a>(&mut self, records: impl Iterator<Item = Record<'a>>, from: u64) {
        for record in records {
            self.behind += 1;
            self.safe = self.safe.max(record.synced);
            let distance = record.end().saturating_sub(from);
            self.bytes_behind = self.bytes_behind.max(distance.saturating_mul(64));
        }
    }
}

/// A group whose records are being put together.
struct Pending {
    start: Option<u64>,
    frame: Frame,
    body: Vec<u8>,
}

impl Pending {
    /// Takes the next record; answers where the group began if this was its last.
    fn take(&mut self, record: &Record<'_>, frame: Frame) -> Option<u64> {
        if record.kind == Kind::Seal {
            return None;
        }
        if self.start.is_none() {
            self.body.clear();
            (self.start, self.frame) = (Some(record.position), frame);
        }
        self.body.extend_from_slice(record.body);
        self.start.filter(|_| record.kind == Kind::Last)
    }
}

/// All bytes of a file.
pub(super) fn read_whole(disk: &dyn Disk, name: &str) -> Result<Contents, RecoveryError> {
    let contents = disk
        .read(name)
        .and_then(|mut source| Contents::of(&mut source));
    contents.map_err(|source| unreadable(name, source))
}

pub(super) fn unreadable(name: &str, source: io::Error) -> RecoveryError {
    RecoveryError::File(FileError::Io {
        file: name.to_owned(),
        source,
    })
}

pub(super) fn failed(what: &str, source: io::Error) -> RecoveryError {
    RecoveryError::Io {
        what: what.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
