//! Writing a snapshot: entries are put into memory, with the lock of a shard held; what is complete is written outside.

use std::io;

use crc32c::crc32c;

use crate::engine::entry::Entry;
use crate::storage::bytes::{put_number, put_text, put_u16, put_u32, put_u64};
use crate::storage::entry_code;
use crate::storage::error::{FEATURES_KNOWN, FORMAT_VERSION};
use crate::storage::fact_code::Frame;
use crate::world::disk::Output;

use super::{
    BLOCK_BYTES, BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, Counts, ENTRIES, HEADER_FIXED_BYTES, Header,
    MAGIC, Seed, TRAILER,
};

/// Writes a snapshot.
pub(in crate::storage) struct Writer {
    output: Box<dyn Output>,
    frame: Frame,
    seed: Seed,
    /// Blocks that are complete, and the one that is not; each with room for its header.
    buffer: Vec<u8>,
    /// Where the complete ones end.
    ends: Vec<usize>,
    /// Where the incomplete one begins.
    begin: usize,
    /// How many blocks were written.
    blocks: u64,
    counts: Counts,
}

impl Writer {
    /// Writes the header.
    ///
    /// # Errors
    /// The system's.
    pub(in crate::storage) fn new(
        mut output: Box<dyn Output>,
        header: &Header,
    ) -> io::Result<Self> {
        let bytes = encode_header(header, env!("CARGO_PKG_VERSION"));
        output.write_all(&bytes)?;
        Ok(Self {
            output,
            frame: header.frame,
            seed: Seed::new(header),
            buffer: vec![0; BLOCK_HEADER_BYTES],
            ends: Vec::new(),
            begin: 0,
            blocks: 0,
            counts: Counts {
                bytes: bytes.len() as u64,
                ..Counts::default()
            },
        })
    }

    /// Puts an entry into memory; nothing is written.
    pub(in crate::storage) fn entry(&mut self, entry: &Entry<'_>) {
        self.counts.count(entry);
        let at = self.buffer.len();
        entry_code::encode(entry, &self.frame, &mut self.buffer);
        let is_first = at == self.begin + BLOCK_HEADER_BYTES;
        if !is_first && self.buffer.len() - self.begin > BLOCK_BYTES {
            // The entry begins another block: it moves up by the room for the header.
            self.ends.push(at);
            self.begin = at;
            let header = [0; BLOCK_HEADER_BYTES];
            self.buffer.splice(at..at, header);
        }
    }

    /// Writes the blocks that are complete.
    ///
    /// # Errors
    /// The system's.
    pub(in crate::storage) fn flush(&mut self) -> io::Result<()> {
        let mut begin = 0;
        for end in std::mem::take(&mut self.ends) {
            self.block(begin, end, ENTRIES)?;
            begin = end;
        }
        self.buffer.drain(..begin);
        self.begin -= begin;
        Ok(())
    }

    /// Writes the rest and the trailer, and makes all of it safe.
    ///
    /// # Errors
    /// The system's.
    pub(in crate::storage) fn finish(mut self) -> io::Result<Counts> {
        if self.buffer.len() > self.begin + BLOCK_HEADER_BYTES {
            self.ends.push(self.buffer.len());
            self.begin = self.buffer.len();
        }
        self.flush()?;
        self.buffer.clear();
        self.buffer.resize(BLOCK_HEADER_BYTES, 0);
        let counts = self.counts;
        for count in counts.all() {
            put_number(&mut self.buffer, count);
        }
        self.block(0, self.buffer.len(), TRAILER)?;
        self.output.sync()?;
        Ok(counts)
    }

    /// Writes what stands in the buffer as a block.
    fn block(&mut self, begin: usize, end: usize, kind: u8) -> io::Result<()> {
        let block = &mut self.buffer[begin..end];
        let length = u32::try_from(block.len() - BLOCK_HEADER_BYTES);
        let length = length.ok().filter(|length| *length <= BLOCK_BYTES_MAX);
        let length =
            length.ok_or_else(|| io::Error::other("an entry is too long for a snapshot"))?;
        let length = length.to_le_bytes();
        block[BLOCK_HEADER_BYTES - 1] = kind;
        let checksum = self
            .seed
            .checksum(self.blocks, length, &block[BLOCK_HEADER_BYTES - 1..]);
        block[..4].copy_from_slice(&length);
        block[4..8].copy_from_slice(&checksum.to_le_bytes());
        self.output.write_all(block)?;
        self.blocks += 1;
        self.counts.bytes += (end - begin) as u64;
        Ok(())
    }
}

/// A header as it stands in the file.
pub(super) fn encode_header(header: &Header, version: &str) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_u16(&mut out, FORMAT_VERSION);
    put_u16(&mut out, 0);
    put_u32(&mut out, FEATURES_KNOWN);
    let kind = crc32c(&out);
    put_u32(&mut out, kind);
    // Two that are known later: the checksum of what follows, and its length.
    put_u64(&mut out, 0);
    let nanos = |time: crate::domain::time::Timestamp| time.nanos().cast_unsigned();
    for number in [
        header.journal,
        header.number,
        header.frame.start,
        nanos(header.frame.base),
        nanos(header.now.wall),
        nanos(header.now.steady),
        header.segment,
    ] {
        put_u64(&mut out, number);
    }
    out.extend_from_slice(&header.plan.0);
    let count = u8::try_from(header.positions.len()).unwrap_or(u8::MAX);
    out.push(count);
    for position in header.positions.iter().take(count.into()) {
        put_u64(&mut out, *position);
    }
    put_text(&mut out, version);
    let length = u32::try_from(out.len() - HEADER_FIXED_BYTES).unwrap_or(u32::MAX);
    out[24..28].copy_from_slice(&length.to_le_bytes());
    let rest = crc32c(&out[24..]);
    out[20..24].copy_from_slice(&rest.to_le_bytes());
    out
}
