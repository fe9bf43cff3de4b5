//! A file's bytes, in memory that goes back to the system with them: an allocator keeps what it gave out, and a segment of the
//! journal is larger than everything else that an idle process has.

use std::io::{self, Read};
use std::ops::Deref;

use memmap2::MmapMut;

/// A little more than 1 MiB: doubled, it takes files of 16 MiB and their like without one more copy.
const BYTES_FIRST: usize = (1 << 20) + (64 << 10);

/// All bytes of a file.
#[derive(Debug)]
pub struct Contents {
    memory: MmapMut,
    length: usize,
}

impl Contents {
    /// Those of an empty file.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn empty() -> io::Result<Self> {
        let memory = MmapMut::map_anon(BYTES_FIRST)?;
        Ok(Self { memory, length: 0 })
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// If the source or the memory fails.
    pub fn of(source: &mut dyn Read) -> io::Result<Self> {
        let mut contents = Self::empty()?;
        contents.refill(source)?;
        Ok(contents)
    }

    /// Reads another file to its end, into the memory of this one: fresh memory costs more than what is read into it.
    ///
    /// # Errors
    /// If the source or the memory fails; of what was read there is a part then.
    pub fn refill(&mut self, source: &mut dyn Read) -> io::Result<()> {
        self.length = 0;
        loop {
            if self.length == self.memory.len() {
                let mut larger = MmapMut::map_anon(2 * self.length)?;
                larger[..self.length].copy_from_slice(&self.memory);
                self.memory = larger;
            }
            match source.read(&mut self.memory[self.length..]) {
                Ok(0) => return Ok(()),
                Ok(read) => self.length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn it_is_what_was_read_whatever_its_length() {
        for length in [0, 1, BYTES_FIRST - 1, BYTES_FIRST, 2 * BYTES_FIRST + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
            let contents = Contents::of(&mut bytes.as_slice()).unwrap();
            assert!(*contents == *bytes, "{length}");
        }
    }

    #[test]
    fn of_the_file_before_nothing_is_left() {
        let mut contents = Contents::of(&mut b"a longer one".as_slice()).unwrap();
        contents.refill(&mut b"short".as_slice()).unwrap();
        assert_eq!(*contents, *b"short");
    }

    #[test]
    fn a_source_that_fails_is_an_error() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("no"))
            }
        }
        assert!(Contents::of(&mut b"abc".chain(Failing)).is_err());
    }
}
