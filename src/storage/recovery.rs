//! From the files back to the books.

/// What recovery found and did.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Recovered {
    /// The directory was new: the books begin empty.
    pub is_new: bool,
    /// The snapshot that was loaded.
    pub snapshot: Option<u64>,
    /// Newer snapshots that were damaged, with what is wrong with them.
    pub snapshots_damaged: Vec<String>,
    /// Entries loaded from the snapshot.
    pub entries: u64,
    /// Records replayed from the journal.
    pub records: u64,
    /// Bytes of a torn tail that were cut off.
    pub tail_bytes_cut: u64,
    /// Records that were dropped because `drop_from` said so.
    pub records_dropped: u64,
}
