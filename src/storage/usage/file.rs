//! A file of closed days.
//!
//! ```text
//! header    magic (8), version (2), zero (2), features (4), checksum of these (4),
//!           length of the table (4), checksum of the file's number and the table (4)
//! table     number of sections, and of each: organization, day, book, cycle, date, rows, sum of credits, length, checksum
//! sections  each: names, each once; rows: places of environment, user, product, model, operation among the names, credits
//! ```

use std::io::{self, Read};

use chrono::NaiveDate;
use crc32c::{crc32c, crc32c_append};

use crate::domain::cycle::CycleSpan;
use crate::domain::time::Timestamp;
use crate::engine::usage::{ClosedDays, NamedRow, UsageDay};
use crate::storage::bytes::{
    Garbled, Problem, Reader, put_number, put_signed, put_text, put_u16, put_u32,
};
use crate::storage::error::{FEATURES_KNOWN, FORMAT_VERSION, FileError};
use crate::storage::files;
use crate::storage::parts::{self, Frame};
use crate::world::disk::Disk;

const MAGIC: [u8; 8] = *b"quotadU\n";

/// Up to the table.
const HEADER_BYTES: usize = 28;

/// Times stand as they are.
const FRAME: Frame = Frame {
    start: 0,
    base: Timestamp::from_nanos(0),
};

/// What a file says at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage) struct Table {
    pub(in crate::storage) number: u64,
    pub(in crate::storage) sections: Vec<Section>,
    /// Where the sections begin.
    first: u64,
}

/// A day of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage) struct Section {
    pub(in crate::storage) organization: Box<str>,
    pub(in crate::storage) day: u32,
    pub(in crate::storage) book: u32,
    pub(in crate::storage) span: CycleSpan,
    pub(in crate::storage) date: NaiveDate,
    pub(in crate::storage) rows: u64,
    credits: i64,
    length: u64,
    checksum: u32,
}

impl Table {
    /// The oldest and the newest date.
    pub(in crate::storage) fn dates(&self) -> Option<(NaiveDate, NaiveDate)> {
        let dates = || self.sections.iter().map(|it| it.date);
        Some((dates().min()?, dates().max()?))
    }

    /// How long the file is.
    pub(in crate::storage) fn bytes(&self) -> u64 {
        self.first + self.sections.iter().map(|it| it.length).sum::<u64>()
    }

    /// This problem with it as a whole.
    pub(in crate::storage) fn damaged(&self, problem: &str) -> FileError {
        damaged(self.number, 0, problem)
    }
}

fn damaged(number: u64, offset: u64, problem: impl ToString) -> FileError {
    FileError::Damaged {
        file: files::usage(number),
        offset,
        problem: problem.to_string(),
    }
}

/// The whole file, and what its table says.
///
/// # Errors
/// If there is more than a file can hold: 4 GiB in a section.
pub(super) fn encode<'a>(
    number: u64,
    closed: impl Iterator<Item = &'a ClosedDays>,
) -> io::Result<(Table, Vec<u8>)> {
    let (mut sections, mut bodies) = (Vec::new(), Vec::new());
    for of_one in closed {
        for day in &of_one.days {
            let begin = bodies.len();
            put_day(&mut bodies, day);
            let body = &bodies[begin..];
            let credits = day.rows.iter().map(|row| row.credits);
            sections.push(Section {
                organization: of_one.organization.clone(),
                day: day.number,
                book: day.book,
                span: day.span,
                date: day.date,
                rows: day.rows.len() as u64,
                credits: credits.fold(0, i64::saturating_add),
                length: body.len() as u64,
                checksum: crc32c(body),
            });
        }
    }
    let mut table = Vec::new();
    put_number(&mut table, sections.len() as u64);
    sections.iter().for_each(|it| put_section(&mut table, it));
    let mut out = MAGIC.to_vec();
    put_u16(&mut out, FORMAT_VERSION);
    put_u16(&mut out, 0);
    put_u32(&mut out, FEATURES_KNOWN);
    let kind = crc32c(&out);
    put_u32(&mut out, kind);
    let length = u32::try_from(table.len());
    let length = length.map_err(|_| io::Error::other("too many days for one file"))?;
    put_u32(&mut out, length);
    put_u32(&mut out, checksum_of(number, length, &table));
    out.extend_from_slice(&table);
    let first = out.len() as u64;
    out.append(&mut bodies);
    let table = Table {
        number,
        sections,
        first,
    };
    Ok((table, out))
}

fn checksum_of(number: u64, length: u32, table: &[u8]) -> u32 {
    let seed = crc32c(&number.to_le_bytes());
    crc32c_append(crc32c_append(seed, &length.to_le_bytes()), table)
}

fn put_section(out: &mut Vec<u8>, section: &Section) {
    put_text(out, &section.organization);
    put_number(out, section.day.into());
    put_number(out, section.book.into());
    parts::put_span(out, section.span, &FRAME);
    parts::put_date(out, section.date);
    put_number(out, section.rows);
    put_signed(out, section.credits);
    put_number(out, section.length);
    put_u32(out, section.checksum);
}

fn section(reader: &mut Reader<'_>) -> Result<Section, Garbled> {
    Ok(Section {
        organization: reader.text()?.into(),
        day: reader.narrow("a day")?,
        book: reader.narrow("a book")?,
        span: parts::span(reader, &FRAME)?,
        date: parts::date(reader)?,
        rows: reader.number()?,
        credits: reader.signed()?,
        length: reader.narrow::<u32>("a length")?.into(),
        checksum: u32::from_le_bytes(reader.array()?),
    })
}

fn put_day(out: &mut Vec<u8>, day: &UsageDay) {
    put_number(out, day.names.len() as u64);
    day.names.iter().for_each(|name| put_text(out, name));
    put_number(out, day.rows.len() as u64);
    for row in &day.rows {
        for name in row.names {
            put_number(out, name.into());
        }
        put_signed(out, row.credits);
    }
}

fn day(reader: &mut Reader<'_>, section: &Section) -> Result<UsageDay, Garbled> {
    let mut names: Vec<Box<str>> = Vec::new();
    for _ in 0..reader.count()? {
        names.push(reader.text()?.into());
    }
    let mut rows = Vec::new();
    for _ in 0..reader.count()? {
        let mut row = NamedRow::new([0; 5], 0);
        for name in &mut row.names {
            *name = reader.narrow("a name")?;
            if *name as usize >= names.len() {
                return Err(reader.garbled(Problem::Range("a name")));
            }
        }
        row.credits = reader.signed()?;
        rows.push(row);
    }
    reader.end()?;
    let credits = rows.iter().map(|row| row.credits);
    if (rows.len() as u64, credits.fold(0, i64::saturating_add)) != (section.rows, section.credits)
    {
        return Err(reader.garbled(Problem::Range("the number of rows, or their sum,")));
    }
    Ok(UsageDay {
        number: section.day,
        book: section.book,
        span: section.span,
        date: section.date,
        names,
        rows,
    })
}

fn open(disk: &dyn Disk, number: u64) -> Result<Box<dyn Read + Send>, FileError> {
    let opened = disk.read(&files::usage(number));
    opened.map_err(|source| unreadable(number, source))
}

fn unreadable(number: u64, source: io::Error) -> FileError {
    FileError::Io {
        file: files::usage(number),
        source,
    }
}

/// So many bytes of a file, which begin at an offset; too few are damage.
fn read_some(
    source: &mut dyn Read,
    number: u64,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = source.take(length).read_to_end(&mut bytes);
    read.map_err(|source| unreadable(number, source))?;
    if (bytes.len() as u64) < length {
        let end = offset + bytes.len() as u64;
        return Err(damaged(number, end, "it ends too early"));
    }
    Ok(bytes)
}

/// Reads what a file says at its beginning.
pub(super) fn read_table(disk: &dyn Disk, number: u64) -> Result<Table, FileError> {
    let mut source = open(disk, number)?;
    let header = read_some(&mut *source, number, 0, HEADER_BYTES as u64)?;
    let field = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|it| it.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    };
    if header[..8] != MAGIC || field(16) != crc32c(&header[..16]) {
        return Err(damaged(
            number,
            0,
            "it does not begin as a file of usage rows",
        ));
    }
    let version = u16::from_le_bytes([header[8], header[9]]);
    let features = field(12) & !FEATURES_KNOWN;
    if version > FORMAT_VERSION || features != 0 {
        return Err(FileError::Newer {
            file: files::usage(number),
            version,
            features,
        });
    }
    let length = field(20);
    let bytes = read_some(&mut *source, number, HEADER_BYTES as u64, length.into())?;
    if field(24) != checksum_of(number, length, &bytes) {
        let problem = "the checksum of its table is wrong";
        return Err(damaged(number, HEADER_BYTES as u64, problem));
    }
    let mut reader = Reader::new(&bytes);
    let sections = (|| {
        let mut sections = Vec::new();
        for _ in 0..reader.count()? {
            sections.push(section(&mut reader)?);
        }
        reader.end().map(|()| sections)
    })();
    let offset = |garbled: Garbled| (HEADER_BYTES + garbled.offset) as u64;
    Ok(Table {
        number,
        sections: sections.map_err(|error| damaged(number, offset(error), error.problem))?,
        first: HEADER_BYTES as u64 + u64::from(length),
    })
}

/// Reads one of its days.
pub(super) fn read_day(
    disk: &dyn Disk,
    table: &Table,
    place: usize,
) -> Result<UsageDay, FileError> {
    let number = table.number;
    let Some(section) = table.sections.get(place) else {
        return Err(table.damaged("it has no such day"));
    };
    let before = table.sections.iter().take(place).map(|it| it.length);
    let offset = table.first + before.sum::<u64>();
    let mut source = open(disk, number)?;
    let skipped = io::copy(&mut (&mut source).take(offset), &mut io::sink());
    let skipped = skipped.map_err(|source| unreadable(number, source))?;
    if skipped < offset {
        return Err(damaged(number, skipped, "it ends too early"));
    }
    let bytes = read_some(&mut *source, number, offset, section.length)?;
    if crc32c(&bytes) != section.checksum {
        let problem = format!(
            "the checksum of {} of {} is wrong",
            section.date, section.organization
        );
        return Err(damaged(number, offset, problem));
    }
    let mut reader = Reader::new(&bytes);
    day(&mut reader, section)
        .map_err(|error| damaged(number, offset + error.offset as u64, error.problem))
}
