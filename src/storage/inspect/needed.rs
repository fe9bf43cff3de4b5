//! Which part of the journal a start may need: from where the oldest whole snapshot begins to replay it. A start falls back
//! from the newest to the older ones, never behind the oldest; segments before it wait for another use, in any state.

use super::{SnapshotHeader, SnapshotReport};

/// Where what is needed begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needed {
    /// The first position that is replayed; without a whole snapshot the journal's very beginning.
    pub(super) from: u64,
    /// The snapshot's file, if it cannot do without a segment that holds this position.
    pub(super) by: Option<String>,
}

impl Needed {
    /// By these snapshots, the oldest first, and the directory's names as they were after the segments had been read. A
    /// snapshot is removed before its segments are: while it is there, so are they. One that went meanwhile asks for nothing.
    pub(super) fn of(snapshots: &[SnapshotReport], names: &[String]) -> Self {
        let is_whole = |it: &&SnapshotReport| it.damage.is_none();
        let mut whole = snapshots.iter().filter(is_whole);
        let newest = whole.clone().next_back();
        let oldest = whole.find(|it| names.contains(&it.file));
        let found = oldest.or(newest);
        found
            .and_then(|it| Some(Self::by(&it.file, it.header.as_ref()?)))
            .unwrap_or_default()
    }

    fn by(file: &str, header: &SnapshotHeader) -> Self {
        Self {
            from: header.position,
            by: (header.segment > 0).then(|| file.to_owned()),
        }
    }
}
