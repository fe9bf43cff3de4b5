//! What a directory of books holds and whether it is whole: for people, and for programs that look after backups. Reads
//! only, takes no lock: a running quotad is not disturbed, and what it removes meanwhile is left out.

mod journal;
mod needed;
mod parts;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;

use serde::Serialize;

use crate::engine::recorder::Forgetful;
use crate::engine::{Bounds, Engine};
use crate::world::clock::Clock;
use crate::world::disk::Disk;

use super::error::FileError;
use super::files::{self, File};
use super::recovery::{self, Recovered, Recovery};
use super::usage;

use needed::Needed;

/// What a directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The snapshots, the oldest first.
    pub snapshots: Vec<SnapshotReport>,
    /// The journal's segments in the order of their positions; those without a header last.
    pub segments: Vec<SegmentReport>,
    /// The files of closed days of usage rows, the oldest first.
    pub usage: Vec<UsageReport>,
    /// The plans.
    pub plans: Vec<PlanReport>,
    /// Files that a process left behind which ended while it wrote, and what was dropped because somebody said so.
    pub leftovers: Vec<String>,
    /// Files that are none of ours.
    pub others: Vec<String>,
}

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SnapshotReport {
    /// The file's name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// What its header says, if that can be read.
    pub header: Option<SnapshotHeader>,
    /// What it holds, if it is whole.
    pub counts: Option<SnapshotCounts>,
    /// What is wrong with it.
    pub damage: Option<String>,
}

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotHeader {
    /// Its number.
    pub number: u64,
    /// The journal's id, in hexadecimal.
    pub journal: String,
    /// The version of its format.
    pub format: u16,
    /// Its feature bits.
    pub features: u32,
    /// The version of the quotad that wrote it.
    pub written_by: String,
    /// When it was begun, by the wall clock.
    pub begun: String,
    /// The journal's first segment that it needs; 0 is none.
    pub segment: u64,
    /// The journal is replayed from this position on.
    pub position: u64,
    /// The position up to which the shard that changed last contains what happened.
    pub position_last: u64,
    /// The hash of the plan in force.
    pub plan: String,
}

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotCounts {
    /// Organizations.
    pub organizations: u64,
    /// Cycles' books.
    pub books: u64,
    /// Cells: a user in an environment.
    pub cells: u64,
    /// Open holds.
    pub holds_open: u64,
    /// Holds and settled requests that are remembered.
    pub remembered: u64,
    /// All of its entries.
    pub entries: u64,
}

/// A segment of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    /// The file's name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// What its header says; without one it was prepared and not yet used, or torn.
    pub header: Option<SegmentHeader>,
    /// Records up to the first that is not whole.
    pub records: u64,
    /// Facts in them.
    pub facts: u64,
    /// Slots of 64 bytes that they and the header take.
    pub slots_used: u64,
    /// All slots.
    pub slots: u64,
    /// The position up to which its records know the journal to be safe from the loss of power.
    pub synced: u64,
    /// Records behind the first that is not whole: a torn tail, cut off at the next start.
    pub records_torn: u64,
    /// No whole snapshot needs it: it waits for another use, and nothing in it counts as damage.
    pub is_superfluous: bool,
    /// What is wrong with it.
    pub damage: Option<String>,
}

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentHeader {
    /// Its number.
    pub number: u64,
    /// The journal's id, in hexadecimal.
    pub journal: String,
    /// The position that it begins at.
    pub first: u64,
    /// When the start that writes it began, by the wall clock.
    pub begun: String,
}

/// A file of closed days of usage rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UsageReport {
    /// The file's name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// The oldest local day in it.
    pub from: Option<String>,
    /// The newest.
    pub to: Option<String>,
    /// Days in it, each of one organization.
    pub days: u64,
    /// Rows in it.
    pub rows: u64,
    /// What is wrong with it.
    pub damage: Option<String>,
}

/// A plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanReport {
    /// The file's name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// How many organizations it names, if it is whole.
    pub organizations: Option<u64>,
    /// Whether a snapshot or the journal refers to it.
    pub is_referred_to: bool,
    /// What is wrong with it.
    pub damage: Option<String>,
}

impl Report {
    /// What is damaged, each with its file.
    pub fn damages(&self) -> impl Iterator<Item = &str> {
        let snapshots = self.snapshots.iter().map(|it| &it.damage);
        let segments = self.segments.iter().map(|it| &it.damage);
        let plans = self.plans.iter().map(|it| &it.damage);
        let usage = self.usage.iter().map(|it| &it.damage);
        let all = snapshots.chain(segments).chain(usage).chain(plans);
        all.filter_map(|it| it.as_deref())
    }
}

/// Looks at every file of a directory, or at these of them.
///
/// # Errors
/// If the directory cannot be listed. A file that cannot be read is damaged.
pub fn inspect(disk: &dyn Disk, only: Option<&str>) -> io::Result<Report> {
    let mut names = disk.list()?;
    names.retain(|name| only.is_none_or(|only| name == only));
    let mut report = Report::default();
    let mut referred = BTreeSet::new();
    let mut segments = Vec::new();
    for name in names {
        match File::of(&name) {
            File::Snapshot(number) => {
                let found = parts::snapshot(disk, &name, number, &mut referred);
                report.snapshots.extend(found);
            }
            File::Journal(number) => segments.push((number, name)),
            File::Usage(number) => report.usage.extend(usage_file(disk, name, number)),
            File::Plan(hash) => report.plans.extend(parts::plan(disk, &name, &hash)),
            File::Unfinished => report.leftovers.push(name),
            File::Other if name.starts_with("dropped-") => report.leftovers.push(name),
            // The log of events is not storage's, and is whole whenever its lines are.
            File::Other if name == "LOCK" || name.starts_with("events-") => {}
            File::Other => report.others.push(name),
        }
    }
    let found = journal::read(disk, segments);
    let needed = Needed::of(&report.snapshots, &disk.list()?);
    report.segments = journal::judge(found, &needed, &mut referred);
    for hash in referred {
        let name = files::plan(&hash);
        match report.plans.iter_mut().find(|plan| plan.file == name) {
            Some(plan) => plan.is_referred_to = true,
            None if only.is_some() => {}
            None => report.plans.push(PlanReport {
                damage: Some(format!("{name}: is missing")),
                is_referred_to: true,
                file: name,
                ..PlanReport::default()
            }),
        }
    }
    Ok(report)
}

/// Reads a file of closed days; `None` if it is gone meanwhile.
fn usage_file(disk: &dyn Disk, name: String, number: u64) -> Option<UsageReport> {
    let mut report = UsageReport {
        file: name,
        ..UsageReport::default()
    };
    match usage::inspect(disk, number) {
        Ok(found) => {
            let shown = |date: Option<chrono::NaiveDate>| date.map(|date| date.to_string());
            (report.bytes, report.days, report.rows) = (found.bytes, found.days, found.rows);
            (report.from, report.to) = (shown(found.from), shown(found.to));
        }
        Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return None;
        }
        Err(error) => report.damage = Some(error.to_string()),
    }
    Some(report)
}

/// What a start would find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// Why it would refuse; `None`: it would succeed.
    pub refusal: Option<String>,
    /// The snapshot that it would load.
    pub snapshot: Option<u64>,
    /// Entries loaded from it.
    pub entries: u64,
    /// Groups of facts replayed from the journal.
    pub groups: u64,
    /// The position at which the journal ends.
    pub position: u64,
    /// Bytes of a torn tail that it would cut off.
    pub tail_bytes: u64,
}

/// Does what a start does up to the point where it would change something on the disk: the books are brought back in
/// memory, and thrown away.
pub fn rehearse(disk: &dyn Disk, clock: Arc<dyn Clock>) -> Rehearsal {
    load(disk, clock).1
}

/// The same with the books as they were left; they are whole only if nothing refuses the start.
pub fn load(disk: &dyn Disk, clock: Arc<dyn Clock>) -> (Engine, Rehearsal) {
    let engine = Engine::new(Bounds::default(), 0, clock, Arc::new(Forgetful));
    let mut recovery = Recovery {
        disk,
        engine: &engine,
        drop_from: None,
        threads: recovery::threads(),
        recovered: Recovered::default(),
    };
    let refusal = recovery.rehearse().err().map(|error| error.to_string());
    let recovered = recovery.recovered;
    let rehearsal = Rehearsal {
        refusal,
        snapshot: recovered.snapshot,
        entries: recovered.entries,
        groups: recovered.groups,
        position: recovered.position,
        tail_bytes: recovered.tail_bytes_cut,
    };
    (engine, rehearsal)
}

/// All bytes of a file; `None` if it is gone meanwhile.
fn whole(disk: &dyn Disk, name: &str) -> Option<Result<Vec<u8>, String>> {
    let mut bytes = Vec::new();
    let read = disk
        .read(name)
        .and_then(|mut source| source.read_to_end(&mut bytes));
    match read {
        Ok(_) => Some(Ok(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => Some(Err(FileError::Io {
            file: name.to_owned(),
            source,
        }
        .to_string())),
    }
}

#[cfg(test)]
mod tests;
