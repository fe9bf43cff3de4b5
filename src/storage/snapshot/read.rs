//! Reading a snapshot, of which every byte may be wrong: what is wrong is told with its place, and memory is taken for what
//! was read, not for what is said to follow.

use std::io::{self, Read};

use crc32c::crc32c;

use crate::domain::time::{Now, Timestamp};
use crate::engine::entry::{Entry, Misfit};
use crate::storage::bytes::{Garbled, Problem, Reader};
use crate::storage::entry_code::{self, EntryError, Scratch};
use crate::storage::error::{FEATURES_KNOWN, FORMAT_VERSION, FileError};
use crate::storage::fact_code::Frame;
use crate::storage::plan_code::PlanHash;

use super::{
    BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, Counts, ENTRIES, HEADER_BYTES_MAX, HEADER_FIXED_BYTES,
    Header, MAGIC, Seed, TRAILER,
};

/// What a snapshot's header says, with what only people ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage) struct About {
    pub(in crate::storage) header: Header,
    pub(in crate::storage) version: u16,
    pub(in crate::storage) features: u32,
    /// The version of the quotad that wrote it.
    pub(in crate::storage) written_by: String,
}

/// Reads the header only.
///
/// # Errors
/// If it is damaged, or a newer quotad wrote it.
pub(in crate::storage) fn about(source: &mut dyn Read, file: &str) -> Result<About, FileError> {
    File::new(source, file).about()
}

/// Reads all of it, and tells the entries in their order.
///
/// # Errors
/// If it is damaged anywhere, a newer quotad wrote it, or an entry is not taken. Entries before the place have been told.
pub(in crate::storage) fn read(
    source: &mut dyn Read,
    file: &str,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), Misfit>,
) -> Result<(Header, Counts), FileError> {
    let (mut file, name) = (File::new(source, file), file);
    let header = file.about()?.header;
    let (mut scratch, mut counts) = (Scratch::default(), Counts::default());
    let mut told = Ok(());
    let trailer = file.blocks(&header, &mut |block| {
        told = block.tell(name, &header.frame, &mut scratch, &mut counts, each);
        told.is_ok()
    });
    told?;
    let counts = file.trailer(trailer?, counts)?;
    Ok((header, counts))
}

/// Whether every byte of it is as it was written; what the entries say is not looked at.
///
/// # Errors
/// If it is damaged anywhere, or a newer quotad wrote it.
pub(in crate::storage) fn check(source: &mut dyn Read, file: &str) -> Result<Header, FileError> {
    let mut file = File::new(source, file);
    let header = file.about()?.header;
    let seed = Seed::new(&header);
    for number in 0.. {
        if file.block(seed, number)? == TRAILER {
            file.nothing_more()?;
            break;
        }
    }
    Ok(header)
}

/// Reads all of it, and tells nothing.
///
/// # Errors
/// As [`read`].
pub(in crate::storage) fn verify(
    source: &mut dyn Read,
    file: &str,
) -> Result<(Header, Counts), FileError> {
    read(source, file, &mut |_| Ok(()))
}

/// A block of entries, as it was read.
pub(in crate::storage) struct Block {
    /// Where it stands in the file.
    begin: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// Tells its entries in their order, and counts them.
    ///
    /// # Errors
    /// If they make no sense, or one is not taken. Entries before it have been told.
    pub(in crate::storage) fn tell(
        &self,
        file: &str,
        frame: &Frame,
        scratch: &mut Scratch,
        counts: &mut Counts,
        each: &mut dyn FnMut(Entry<'_>) -> Result<(), Misfit>,
    ) -> Result<(), FileError> {
        let entries = &self.bytes[BLOCK_HEADER_BYTES..];
        let told = entry_code::decode(entries, frame, scratch, &mut |entry| {
            counts.count(&entry);
            each(entry)
        });
        told.map_err(|error| match error {
            EntryError::Garbled(garbled) => senseless(file, self.begin, garbled),
            EntryError::Misfit(misfit) => FileError::Misfit {
                file: file.to_owned(),
                misfit,
            },
        })
    }
}

/// Where the trailer begins, unless somebody stopped before.
pub(in crate::storage) struct Trailer(Option<u64>);

/// A file that is being read.
pub(in crate::storage) struct File<'a> {
    source: &'a mut dyn Read,
    name: &'a str,
    /// How many bytes of it were read.
    offset: u64,
    /// What was read last.
    buffer: Vec<u8>,
}

impl<'a> File<'a> {
    /// At its beginning.
    pub(in crate::storage) fn new(source: &'a mut dyn Read, name: &'a str) -> Self {
        Self {
            source,
            name,
            offset: 0,
            buffer: Vec::new(),
        }
    }

    fn damaged(&self, offset: u64, problem: impl Into<String>) -> FileError {
        damaged(self.name, offset, problem.into())
    }

    /// Reads so many bytes behind what is in the buffer already; fewer at the end of the file.
    fn more(&mut self, bytes: u64) -> Result<u64, FileError> {
        let read = self.source.take(bytes).read_to_end(&mut self.buffer);
        let read = read.map_err(|source| self.unreadable(source))? as u64;
        self.offset += read;
        Ok(read)
    }

    fn unreadable(&self, source: io::Error) -> FileError {
        FileError::Io {
            file: self.name.to_owned(),
            source,
        }
    }

    /// The same, of which not one may be missing.
    fn exactly(&mut self, bytes: u64, what: &str) -> Result<(), FileError> {
        if self.more(bytes)? < bytes {
            return Err(self.damaged(self.offset, format!("ends within {what}")));
        }
        Ok(())
    }

    /// What its header says.
    ///
    /// # Errors
    /// If it is damaged, or a newer quotad wrote it.
    pub(in crate::storage) fn about(&mut self) -> Result<About, FileError> {
        self.buffer.clear();
        self.exactly(HEADER_FIXED_BYTES as u64, "its header")?;
        let (version, features, checksum, length) = self.fixed()?;
        if length > HEADER_BYTES_MAX {
            return Err(self.damaged(24, "its header has an impossible length"));
        }
        self.exactly(length as u64, "its header")?;
        if crc32c(&self.buffer[24..]) != checksum {
            return Err(self.damaged(20, "its header does not match its checksum"));
        }
        let told = header(&self.buffer[HEADER_FIXED_BYTES..]);
        let (header, written_by) = told.map_err(|garbled| {
            let offset = (HEADER_FIXED_BYTES + garbled.offset) as u64;
            self.damaged(
                offset,
                format!("a whole header that makes no sense: {}", garbled.problem),
            )
        })?;
        Ok(About {
            header,
            version,
            features,
            written_by,
        })
    }

    /// What stands at the same place in every version; then the checksum and the length of the rest.
    fn fixed(&self) -> Result<(u16, u32, u32, usize), FileError> {
        let garbled = |_: Garbled| self.damaged(0, "ends within its header");
        let mut reader = Reader::new(&self.buffer);
        if reader.slice(MAGIC.len()).map_err(garbled)? != MAGIC {
            return Err(self.damaged(0, "is no snapshot"));
        }
        let version = reader.u16().map_err(garbled)?;
        let reserved = reader.u16().map_err(garbled)?;
        let features = reader.u32().map_err(garbled)?;
        let end = reader.offset();
        if reader.u32().map_err(garbled)? != crc32c(&self.buffer[..end]) {
            return Err(self.damaged(16, "its first bytes do not match their checksum"));
        }
        let unknown = features & !FEATURES_KNOWN;
        if version > FORMAT_VERSION || unknown != 0 {
            return Err(FileError::Newer {
                file: self.name.to_owned(),
                version,
                features: unknown,
            });
        }
        if version == 0 || reserved != 0 {
            return Err(self.damaged(8, "its format has never been written"));
        }
        let checksum = reader.u32().map_err(garbled)?;
        let length = reader.u32().map_err(garbled)?;
        Ok((
            version,
            features,
            checksum,
            usize::try_from(length).unwrap_or(usize::MAX),
        ))
    }

    /// Reads everything after the header, as long as the blocks are taken. What the trailer says is left to
    /// [`Self::trailer`].
    ///
    /// # Errors
    /// At the first block that is not as it was written. Blocks before it have been handed on.
    pub(in crate::storage) fn blocks(
        &mut self,
        header: &Header,
        each: &mut dyn FnMut(Block) -> bool,
    ) -> Result<Trailer, FileError> {
        let seed = Seed::new(header);
        for number in 0.. {
            let begin = self.offset;
            if self.block(seed, number)? == TRAILER {
                return Ok(Trailer(Some(begin)));
            }
            let bytes = std::mem::take(&mut self.buffer);
            if !each(Block { begin, bytes }) {
                break;
            }
        }
        Ok(Trailer(None))
    }

    /// Reads the next block into the buffer; answers its kind.
    fn block(&mut self, seed: Seed, number: u64) -> Result<u8, FileError> {
        let begin = self.offset;
        self.buffer.clear();
        if self.more(BLOCK_HEADER_BYTES as u64)? == 0 {
            return Err(self.damaged(begin, "ends without its trailer"));
        }
        let Some(&[a, b, c, d, e, f, g, h, kind]) = self.buffer.first_chunk() else {
            return Err(self.damaged(self.offset, "ends within a block"));
        };
        let length = [a, b, c, d];
        let bytes = u32::from_le_bytes(length);
        if bytes == 0 || bytes > BLOCK_BYTES_MAX {
            return Err(self.damaged(begin, "a block has an impossible length"));
        }
        self.exactly(bytes.into(), "a block")?;
        let checksum = seed.checksum(number, length, &self.buffer[BLOCK_HEADER_BYTES - 1..]);
        if checksum != u32::from_le_bytes([e, f, g, h]) {
            return Err(self.damaged(begin, format!("block {number} does not match its checksum")));
        }
        match kind {
            ENTRIES | TRAILER => Ok(kind),
            _ => Err(self.damaged(begin, format!("{kind} is no kind of block"))),
        }
    }

    /// Checks that the trailer says what was read, and that nothing follows; answers what was read.
    ///
    /// # Errors
    /// If it says something else, or is not the end.
    pub(in crate::storage) fn trailer(
        &mut self,
        trailer: Trailer,
        counts: Counts,
    ) -> Result<Counts, FileError> {
        let Some(begin) = trailer.0 else {
            return Ok(counts);
        };
        let counts = Counts {
            bytes: begin,
            ..counts
        };
        let senseless = |garbled| senseless(self.name, begin, garbled);
        let mut reader = Reader::new(&self.buffer[BLOCK_HEADER_BYTES..]);
        for count in counts.all() {
            if reader.number().map_err(senseless)? != count {
                return Err(self.damaged(begin, "its trailer tells of other entries"));
            }
        }
        reader.end().map_err(senseless)?;
        self.nothing_more()?;
        Ok(counts)
    }

    fn nothing_more(&mut self) -> Result<(), FileError> {
        let end = self.offset;
        if self.more(1)? != 0 {
            return Err(self.damaged(end, "more follows after its trailer"));
        }
        Ok(())
    }
}

fn damaged(file: &str, offset: u64, problem: String) -> FileError {
    FileError::Damaged {
        file: file.to_owned(),
        offset,
        problem,
    }
}

#[cold]
fn senseless(file: &str, begin: u64, garbled: Garbled) -> FileError {
    damaged(
        file,
        begin + (BLOCK_HEADER_BYTES + garbled.offset) as u64,
        format!("a whole block that makes no sense: {}", garbled.problem),
    )
}

/// What stands in a header after its length.
fn header(bytes: &[u8]) -> Result<(Header, String), Garbled> {
    let mut reader = Reader::new(bytes);
    let (journal, number, start) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let mut time =
        || -> Result<Timestamp, Garbled> { Ok(Timestamp::from_nanos(reader.u64()?.cast_signed())) };
    let (base, wall, steady) = (time()?, time()?, time()?);
    let segment = reader.u64()?;
    let plan = PlanHash(reader.array()?);
    let count = reader.byte()?;
    let positions: Result<Vec<u64>, Garbled> = (0..count).map(|_| reader.u64()).collect();
    let header = Header {
        journal,
        number,
        frame: Frame { start, base },
        now: Now { wall, steady },
        segment,
        positions: positions?,
        plan,
    };
    let version = reader.text()?.to_owned();
    if version.chars().any(char::is_control) {
        return Err(reader.garbled(Problem::Text));
    }
    reader.end()?;
    Ok((header, version))
}
