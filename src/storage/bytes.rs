//! Numbers and texts as bytes, and back. What is read was perhaps not written by us: whatever the bytes are, reading them
//! ends, allocates nothing, and says where it found something wrong.
//!
//! ```text
//! number   1 to 10 bytes, 7 bits each, the lowest first; the highest bit says that more follow (LEB128)
//! signed   the same, zigzag: 0, -1, 1, -2, ...
//! fixed    2, 4 or 8 bytes, the lowest first
//! text     a number that is the length in bytes, then UTF-8
//! ```

use std::fmt;

pub(super) use crate::varint::put as put_number;

/// What is wrong with bytes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled {
    /// In bytes from the beginning of what was read.
    pub(super) offset: usize,
    /// What is wrong there.
    pub(super) problem: Problem,
}

/// What is wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// They end before what they say is complete.
    Short,
    /// This does not fit its range.
    Range(&'static str),
    /// A text is not UTF-8.
    Text,
    /// There is no such kind of this.
    Kind(&'static str, u8),
    /// More follows where nothing should.
    Rest,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("ends too early"),
            Self::Range(what) => write!(f, "{what} is out of range"),
            Self::Text => f.write_str("a text is not UTF-8"),
            Self::Kind(what, kind) => write!(f, "{kind} is no kind of {what}"),
            Self::Rest => f.write_str("more follows where nothing should"),
        }
    }
}

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.problem, self.offset)
    }
}

impl std::error::Error for Garbled {}

/// Appends a signed number.
#[inline]
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends two bytes.
#[inline]
pub(super) fn put_u16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends four bytes.
#[inline]
pub(super) fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends eight bytes.
#[inline]
pub(super) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends bytes after their length.
#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a text after its length.
#[inline]
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Reads from bytes, from their beginning to their end.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    left: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of these bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            left: bytes,
            length: bytes.len(),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// How many bytes have been read.
    pub(super) fn offset(&self) -> usize {
        self.length - self.left.len()
    }

    /// This problem, here.
    #[cold]
    pub(super) fn garbled(&self, problem: Problem) -> Garbled {
        Garbled {
            offset: self.offset(),
            problem,
        }
    }

    /// The end: nothing more may follow.
    pub(super) fn end(&self) -> Result<(), Garbled> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.garbled(Problem::Rest))
        }
    }

    /// One byte.
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Garbled> {
        let Some((&byte, left)) = self.left.split_first() else {
            return Err(self.garbled(Problem::Short));
        };
        self.left = left;
        Ok(byte)
    }

    /// So many bytes, as they are.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        let Some((&bytes, left)) = self.left.split_first_chunk() else {
            return Err(self.garbled(Problem::Short));
        };
        self.left = left;
        Ok(bytes)
    }

    /// So many bytes, borrowed.
    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], Garbled> {
        let Some((bytes, left)) = self.left.split_at_checked(length) else {
            return Err(self.garbled(Problem::Short));
        };
        self.left = left;
        Ok(bytes)
    }

    /// A number.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, Garbled> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut number = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.garbled(Problem::Range("a number")))
    }

    /// A number of a narrower type; `what` names it if it does not fit.
    #[inline]
    pub(super) fn narrow<N: TryFrom<u64>>(&mut self, what: &'static str) -> Result<N, Garbled> {
        let number = self.number()?;
        N::try_from(number).map_err(|_| self.garbled(Problem::Range(what)))
    }

    /// A signed number.
    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, Garbled> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Two bytes.
    pub(super) fn u16(&mut self) -> Result<u16, Garbled> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    pub(super) fn u32(&mut self) -> Result<u32, Garbled> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub(super) fn u64(&mut self) -> Result<u64, Garbled> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// How many things of at least one byte each follow: never more than there are bytes.
    pub(super) fn count(&mut self) -> Result<usize, Garbled> {
        let count = self.narrow("a count")?;
        if count > self.left.len() {
            return Err(self.garbled(Problem::Short));
        }
        Ok(count)
    }

    /// Bytes after their length.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Garbled> {
        let length = self.narrow("a length")?;
        self.slice(length)
    }

    /// A text after its length.
    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, Garbled> {
        let bytes = self.bytes()?;
        str::from_utf8(bytes).map_err(|_| self.garbled(Problem::Text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn number(number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, number);
        out
    }

    #[test]
    fn a_number_is_as_long_as_it_must_be() {
        for (value, length) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (16_383, 2),
            (16_384, 3),
            ((1 << 56) - 1, 8),
            (1 << 63, 10),
            (u64::MAX, 10),
        ] {
            let bytes = number(value);
            assert_eq!(bytes.len(), length, "{value}");
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.number(), Ok(value));
            assert_eq!(reader.end(), Ok(()));
            for cut in 0..bytes.len() {
                let short = Reader::new(&bytes[..cut]).number().unwrap_err();
                assert_eq!(short.problem, Problem::Short, "{value} cut to {cut}");
            }
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        let ones = [0xFF; 20];
        let long = Problem::Range("a number");
        assert_eq!(Reader::new(&ones).number().unwrap_err().problem, long);
        let bit_64 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2];
        assert_eq!(Reader::new(&bit_64).number().unwrap_err().problem, long);
    }

    #[test]
    fn signed_numbers_near_zero_are_short() {
        for (value, length) in [
            (0, 1),
            (-64, 1),
            (63, 1),
            (64, 2),
            (i64::MIN, 10),
            (i64::MAX, 10),
        ] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            assert_eq!(bytes.len(), length, "{value}");
            assert_eq!(Reader::new(&bytes).signed(), Ok(value));
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_before_anything_is_taken() {
        for claimed in [4, 1 << 32, u64::MAX] {
            let mut bytes = number(claimed);
            let offset = bytes.len();
            bytes.extend_from_slice(b"abc");
            let refused = Garbled {
                offset,
                problem: Problem::Short,
            };
            assert_eq!(Reader::new(&bytes).text(), Err(refused));
            assert_eq!(Reader::new(&bytes).count(), Err(refused));
        }
        let mut bytes = Vec::new();
        put_text(&mut bytes, "añb");
        assert_eq!(Reader::new(&bytes).text(), Ok("añb"));
        bytes[0] -= 2;
        let cut = Reader::new(&bytes).text().unwrap_err();
        assert_eq!(cut.problem, Problem::Text);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let bytes = number(256);
        let problem = Reader::new(&bytes)
            .narrow::<u8>("a shard")
            .unwrap_err()
            .problem;
        assert_eq!(problem.to_string(), "a shard is out of range");
    }
}
