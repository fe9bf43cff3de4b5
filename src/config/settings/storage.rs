//! Where and how the books are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::storage::{Durability, Options};

use super::super::error::ConfigError;
use super::super::scalar::{Bytes, Durable, Span, Whole};
use super::file::RawSettings;
use super::{Overrides, read};

/// Where the books are kept by default, in the working directory.
pub const DATA_DIR_DEFAULT: &str = "quotad-data";
/// The longest time between two snapshots while something happens, by default.
pub const SNAPSHOT_INTERVAL_DEFAULT: Duration = Duration::from_secs(60);
/// The longest time that what happened is not synced in the mode `process`, by default.
pub const FSYNC_INTERVAL_DEFAULT: Duration = Duration::from_millis(100);
/// The most that the journal takes on the disk by default: 256 MiB.
pub const JOURNAL_BYTES_MAX_DEFAULT: u64 = 256 << 20;
/// The least that it can do with: 4 MiB. A few segments must fit, or nothing could be let go of.
pub const JOURNAL_BYTES_MAX_LEAST: u64 = 4 << 20;
/// The most that it may be allowed: 1 TiB. Recovery reads all of it.
const JOURNAL_BYTES_MAX_MOST: u64 = 1 << 40;
/// How long closed days of usage rows are kept by default: 395 days, so that each month can be held against the year before.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(395 * 86_400);
/// Reports of the present cycle and the one before need a while.
const RETENTION_LEAST: Duration = Duration::from_secs(86_400);
/// A hundred years.
const RETENTION_MOST: Duration = Duration::from_secs(36_525 * 86_400);
/// Snapshots more often than this would do nothing else.
const SNAPSHOT_INTERVAL_LEAST: Duration = Duration::from_secs(1);
/// Longer would only make restarts slower.
const SNAPSHOT_INTERVAL_MOST: Duration = Duration::from_secs(86_400);
/// Syncs more often than this would do nothing else.
const FSYNC_INTERVAL_LEAST: Duration = Duration::from_millis(1);
/// So much work may a loss of power cost at most.
const FSYNC_INTERVAL_MOST: Duration = Duration::from_secs(60);

/// The directory: a flag's is relative to the working directory, the file's to the file.
pub(super) fn data_dir(given: &mut Overrides, raw: &mut RawSettings, folder: &Path) -> PathBuf {
    let given = given.data_dir.take().map(PathBuf::from);
    let in_file = raw.data_dir.take().map(|path| match path.as_os_str() {
        // Nothing at all is not the folder of the file; it is refused.
        empty if empty.is_empty() => path,
        _ => folder.join(path),
    });
    given
        .or(in_file)
        .unwrap_or_else(|| PathBuf::from(DATA_DIR_DEFAULT))
}

/// How the books are kept.
pub(super) fn options(given: &mut Overrides, raw: &RawSettings) -> Result<Options, ConfigError> {
    let durability = read::<Durable>("durability", given.durability.take())?;
    let snapshots = read::<Span>("snapshot-interval", given.snapshot_interval.take())?;
    let syncs = read::<Span>("fsync-interval", given.fsync_interval.take())?;
    let bytes = read::<Bytes>("journal-bytes-max", given.journal_bytes_max.take())?;
    let retention = read::<Span>("retention", given.retention.take())?;
    let drop_from = given.drop_from.take().map(Whole::try_from).transpose();
    Ok(Options {
        durability: durability
            .or(raw.durability)
            .map_or(Durability::default(), |it| it.0),
        snapshot_interval: snapshots
            .or(raw.snapshot_interval)
            .map_or(SNAPSHOT_INTERVAL_DEFAULT, |it| it.0),
        fsync_interval: syncs
            .or(raw.fsync_interval)
            .map_or(FSYNC_INTERVAL_DEFAULT, |it| it.0),
        journal_bytes_max: bytes
            .or(raw.journal_bytes_max)
            .map_or(JOURNAL_BYTES_MAX_DEFAULT, |it| it.0),
        retention: retention
            .or(raw.retention)
            .map_or(RETENTION_DEFAULT, |it| it.0),
        drop_from: drop_from
            .map_err(|problem| ConfigError::of_file("--drop-from", problem))?
            .map(|it| it.0),
    })
}

/// What makes no sense: the key, and what to do.
pub(super) fn check(data_dir: &Path, options: &Options) -> Result<(), (&'static str, String)> {
    if data_dir.as_os_str().is_empty() {
        let problem = "names no directory; write one, such as ./quotad-data";
        return Err(("data_dir", problem.to_owned()));
    }
    let range = SNAPSHOT_INTERVAL_LEAST..=SNAPSHOT_INTERVAL_MOST;
    if !range.contains(&options.snapshot_interval) {
        return Err((
            "snapshot_interval",
            "out of range; choose 1s to 1d".to_owned(),
        ));
    }
    let range = FSYNC_INTERVAL_LEAST..=FSYNC_INTERVAL_MOST;
    if !range.contains(&options.fsync_interval) {
        return Err((
            "fsync_interval",
            "out of range; choose 1ms to 1m, or durability power, which syncs before it answers"
                .to_owned(),
        ));
    }
    let range = JOURNAL_BYTES_MAX_LEAST..=JOURNAL_BYTES_MAX_MOST;
    if !range.contains(&options.journal_bytes_max) {
        return Err((
            "journal_bytes_max",
            "out of range; choose 4MiB to 1024GiB".to_owned(),
        ));
    }
    let range = RETENTION_LEAST..=RETENTION_MOST;
    if !range.contains(&options.retention) {
        return Err(("retention", "out of range; choose 1d to 36525d".to_owned()));
    }
    Ok(())
}
