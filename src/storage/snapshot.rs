//! A snapshot's file: a header, blocks of entries, a trailer; each with its checksum.
