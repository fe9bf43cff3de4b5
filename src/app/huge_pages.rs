//! When this process takes its memory in huge pages: once there is much of it (`world/huge_pages.rs` says why).

use std::path::Path;

use crate::engine::gauges::Stats;
use crate::storage::is_snapshot;
use crate::world::huge_pages;

/// From so many rows on. Requests among 100,000 cost the same either way, among a million a fifth less.
const ROWS: u64 = 200_000;

/// A snapshot of about so many rows.
const SNAPSHOT_BYTES: u64 = 16 << 20;

/// Whether huge pages are allowed.
pub(super) struct HugePages {
    are_huge: bool,
}

impl HugePages {
    /// For books that are about to come back from this directory: as large as its snapshots say.
    pub(super) fn for_books(folder: &Path) -> Self {
        let are_huge = snapshot_bytes(folder) >= SNAPSHOT_BYTES;
        huge_pages::allow(are_huge);
        Self { are_huge }
    }

    /// Looks whether there is much by now. There is no way back: rows that are gone leave their pages to the next ones.
    pub(super) fn look(&mut self, stats: &Stats) {
        if !self.are_huge && stats.rows() >= ROWS {
            self.are_huge = true;
            huge_pages::allow(true);
        }
    }
}

/// The length of the largest snapshot. What cannot be read is none: recovery says what is wrong with it.
fn snapshot_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let snapshots = files.filter(|file| is_snapshot(&file.file_name().to_string_lossy()));
    let lengths = snapshots.filter_map(|file| Some(file.metadata().ok()?.len()));
    lengths.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_snapshots_tell_how_large_the_books_are() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(snapshot_bytes(folder.path()), 0);
        assert_eq!(snapshot_bytes(&folder.path().join("none")), 0);
        for (name, bytes) in [
            ("snapshot-0000000000000001", 3),
            ("snapshot-0000000000000002", 7),
            ("journal-0000000000000001", 100),
        ] {
            std::fs::write(folder.path().join(name), vec![0; bytes]).unwrap();
        }
        assert_eq!(snapshot_bytes(folder.path()), 7);
    }
}
