//! A snapshot and a plan, each by itself.

use std::collections::BTreeSet;
use std::io::{self, Read};

use chrono::SecondsFormat;

use crate::domain::time::Timestamp;
use crate::storage::error::FileError;
use crate::storage::plan_code::{PlanHash, from_json};
use crate::storage::snapshot::{self, About, Counts};
use crate::world::disk::Disk;

use super::{PlanReport, SnapshotCounts, SnapshotHeader, SnapshotReport, whole};

/// An instant as people and programs read it.
pub(super) fn shown(time: Timestamp) -> String {
    time.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Looks at a snapshot; `None` if it is gone meanwhile.
pub(super) fn snapshot(
    disk: &dyn Disk,
    name: &str,
    number: u64,
    referred: &mut BTreeSet<PlanHash>,
) -> Option<SnapshotReport> {
    let mut report = SnapshotReport {
        file: name.to_owned(),
        ..SnapshotReport::default()
    };
    let about = open(disk, name).and_then(|mut source| snapshot::about(&mut source, name));
    if let Ok(about) = about {
        referred.insert(about.header.plan);
        report.header = Some(header_of(&about));
        if about.header.number != number {
            let says = about.header.number;
            report.damage = Some(format!("{name}: says that its number is {says}"));
        }
    }
    let verified = open(disk, name).and_then(|mut source| {
        let verified = snapshot::verify(&mut source, name);
        // A damaged one was not read to its end.
        report.bytes = match io::copy(&mut source, &mut io::sink()) {
            Ok(_) => source.bytes,
            Err(source) => return Err(unreadable(name, source)),
        };
        Ok(verified?.1)
    });
    match verified {
        Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return None;
        }
        Err(error) => report.damage = Some(error.to_string()),
        Ok(counts) => report.counts = Some(counts_of(counts)),
    }
    Some(report)
}

fn open(disk: &dyn Disk, name: &str) -> Result<Counting<Box<dyn Read + Send>>, FileError> {
    let source = disk.read(name);
    Ok(Counting {
        source: source.map_err(|source| unreadable(name, source))?,
        bytes: 0,
    })
}

fn unreadable(name: &str, source: io::Error) -> FileError {
    FileError::Io {
        file: name.to_owned(),
        source,
    }
}

/// Counts what is read.
struct Counting<R> {
    source: R,
    bytes: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

fn header_of(about: &About) -> SnapshotHeader {
    let header = &about.header;
    let positions = || header.positions.iter().copied();
    SnapshotHeader {
        number: header.number,
        journal: format!("{:016x}", header.journal),
        format: about.version,
        features: about.features,
        written_by: about.written_by.clone(),
        begun: shown(header.now.wall),
        segment: header.segment,
        position: positions().min().unwrap_or(0),
        position_last: positions().max().unwrap_or(0),
        plan: header.plan.to_string(),
    }
}

fn counts_of(counts: Counts) -> SnapshotCounts {
    SnapshotCounts {
        organizations: counts.organizations,
        books: counts.books,
        cells: counts.cells,
        holds_open: counts.holds_open,
        remembered: counts.remembered,
        entries: counts.entries,
    }
}

/// Looks at a plan; `None` if it is gone meanwhile.
pub(super) fn plan(disk: &dyn Disk, name: &str, hash: &PlanHash) -> Option<PlanReport> {
    let mut report = PlanReport {
        file: name.to_owned(),
        ..PlanReport::default()
    };
    match whole(disk, name)? {
        Err(problem) => report.damage = Some(problem),
        Ok(json) => {
            report.bytes = json.len() as u64;
            match from_json(&json) {
                _ if PlanHash::of(&json) != *hash => {
                    report.damage = Some(format!(
                        "{name}: its contents do not have the hash in its name"
                    ));
                }
                Err(error) => report.damage = Some(format!("{name}: {error}")),
                Ok(plan) => report.organizations = Some(plan.organizations.len() as u64),
            }
        }
    }
    Some(report)
}
