//! `quotad snapshot`.

mod export;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::settings::DATA_DIR_DEFAULT;
use crate::storage::inspect::{
    PlanReport, Rehearsal, Report, SegmentReport, SnapshotReport, UsageReport, inspect, rehearse,
};
use crate::world::clock::SystemClock;
use crate::world::disk::RealDisk;

use super::{Exit, Output, complain, print, progress, shown, table};

/// So often a start is rehearsed with books that are in use: what is read while it is written may seem damaged once.
const REHEARSALS_MAX: usize = 3;

/// Looks at the books on the disk: snapshots, journal and plans.
///
/// Reads only, and takes no lock: books that a sidecar uses can be looked at while it runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad snapshot inspect
  quotad snapshot inspect --data-dir /var/lib/quotad
  quotad snapshot inspect quotad-data/snapshot-0000000000000007
  quotad snapshot verify --data-dir /backup/quotad -o json
  quotad snapshot export --data-dir /backup/quotad > books.jsonl

Exit codes: 0 whole, 1 damaged or unreadable, 2 wrong usage.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Tells what a directory of books, or one file of it, holds, and what is damaged.
    #[command(after_help = "Exit codes: 0 whole, 1 damaged or unreadable, 2 wrong usage.")]
    Inspect {
        /// One file, or a directory, instead of the data directory.
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Reads everything, brings the books back in memory as a start does, and says whether it would succeed.
    #[command(after_help = "Exit codes: 0 whole, 1 damaged or unreadable, 2 wrong usage.")]
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Writes the books as lines of JSON: plan, organizations, cycles, cells, open reservations, trials, balances.
    ///
    /// Each line says in `kind` what it is. Balances are as of now, everything else as it was left.
    #[command(after_help = "Examples:
  quotad snapshot export | jq 'select(.kind == \"cell\" and .user == \"ana\")'
  quotad snapshot export --file books.jsonl

Exit codes: 0 written, 1 damaged or unreadable, 2 wrong usage.")]
    Export {
        /// Into this file, instead of the standard output.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Where the sidecar keeps its books.
    #[arg(long, env = "QUOTAD_DATA_DIR", value_name = "DIR", default_value = DATA_DIR_DEFAULT)]
    data_dir: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let done = match args.action {
        Action::Inspect { path, place } => look(path.as_deref().unwrap_or(&place.data_dir), output),
        Action::Verify { place } => verify(&place.data_dir, output),
        Action::Export { file, place } => export::export(&place.data_dir, file.as_deref()),
    };
    done.unwrap_or_else(|problem| {
        complain(&problem);
        Exit::Failed
    })
}

/// Tells what a directory, or one file of it, holds.
fn look(path: &Path, output: Output) -> Result<Exit, String> {
    let (folder, only) = if path.is_file() {
        let name = path.file_name().and_then(|name| name.to_str());
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        (folder.unwrap_or(Path::new(".")), name)
    } else {
        (path, None)
    };
    let report = report(folder, only)?;
    if let (Some(name), true) = (only, report.others.len() == 1) {
        return Err(format!(
            "{name}: is none of the files that books are kept in; they are called snapshot-N, journal-N, usage-N and plan-HASH.json"
        ));
    }
    let holder = holder(folder);
    match output {
        Output::Json => {
            let mut object = json!({
                "directory": folder.display().to_string(),
                "in_use_by": holder,
                "whole": report.damages().next().is_none(),
            });
            merge(&mut object, json!(report));
            print(&format!("{object:#}"));
        }
        Output::Table | Output::Csv => print_report(folder, holder.as_deref(), &report),
    }
    Ok(exit_of(&report))
}

fn report(folder: &Path, only: Option<&str>) -> Result<Report, String> {
    inspect(&open(folder)?, only).map_err(|error| format!("{}: {error}", folder.display()))
}

/// A directory that is there: to look at one must not make it.
fn open(folder: &Path) -> Result<RealDisk, String> {
    if !folder.is_dir() {
        return Err(format!(
            "{}: there is no such directory; name it with --data-dir",
            folder.display()
        ));
    }
    RealDisk::open(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn exit_of(report: &Report) -> Exit {
    match report.damages().next() {
        None => Exit::Ok,
        Some(_) => Exit::Failed,
    }
}

/// Says whether a start would succeed.
fn verify(folder: &Path, output: Output) -> Result<Exit, String> {
    let disk = open(folder)?;
    let holder = holder(folder);
    let attempts = if holder.is_some() { REHEARSALS_MAX } else { 1 };
    let mut seen = None;
    let spinner = progress::spinner("reading the books");
    for _ in 0..attempts {
        let rehearsal = rehearse(&disk, Arc::new(SystemClock::new()));
        let report = report(folder, None)?;
        let is_whole = rehearsal.refusal.is_none() && report.damages().next().is_none();
        seen = Some((rehearsal, report));
        if is_whole {
            break;
        }
    }
    spinner.finish_and_clear();
    let Some((rehearsal, report)) = seen else {
        return Ok(Exit::Failed);
    };
    match output {
        Output::Json => {
            let mut object = json!({
                "directory": folder.display().to_string(),
                "in_use_by": holder,
                "starts": rehearsal.refusal.is_none(),
                "damages": report.damages().collect::<Vec<_>>(),
            });
            merge(&mut object, json!(rehearsal));
            print(&format!("{object:#}"));
        }
        Output::Table | Output::Csv => {
            print_rehearsal(folder, holder.as_deref(), &rehearsal, &report)
        }
    }
    Ok(match rehearsal.refusal {
        Some(_) => Exit::Failed,
        None => exit_of(&report),
    })
}

fn print_rehearsal(folder: &Path, holder: Option<&str>, rehearsal: &Rehearsal, report: &Report) {
    print_place(folder, holder);
    report.damages().for_each(|damage| complain(&damage));
    if let Some(refusal) = &rehearsal.refusal {
        complain(&format!("a start would refuse: {refusal}"));
        return;
    }
    let from = match rehearsal.snapshot {
        Some(number) => format!(
            "snapshot {number} with {} entries",
            shown(&json!(rehearsal.entries))
        ),
        None => "no snapshot".to_owned(),
    };
    let torn = match rehearsal.tail_bytes {
        0 => String::new(),
        bytes => format!("; a torn tail of {} bytes is cut off", shown(&json!(bytes))),
    };
    print(&format!(
        "a start would succeed: {from}, then {} operations from the journal, up to position {}{torn}",
        shown(&json!(rehearsal.groups)),
        shown(&json!(rehearsal.position))
    ));
}

fn print_place(folder: &Path, holder: Option<&str>) {
    let in_use = holder.map(|holder| format!(" (in use by {holder})"));
    print(&format!(
        "{}{}",
        folder.display(),
        in_use.unwrap_or_default()
    ));
}

fn print_report(folder: &Path, holder: Option<&str>, report: &Report) {
    print_place(folder, holder);
    if !report.snapshots.is_empty() {
        print_snapshots(&report.snapshots);
    }
    if !report.segments.is_empty() {
        print_segments(&report.segments);
    }
    if !report.usage.is_empty() {
        print_usage(&report.usage);
    }
    if !report.plans.is_empty() {
        print_plans(&report.plans);
    }
    for (what, names) in [
        ("left behind", &report.leftovers),
        ("not ours", &report.others),
    ] {
        if !names.is_empty() {
            print(&format!("\n{what}: {}", names.join(", ")));
        }
    }
    report.damages().for_each(|damage| complain(&damage));
}

fn print_snapshots(snapshots: &[SnapshotReport]) {
    let mut table = table(&[
        "snapshot",
        "bytes",
        "begun",
        "by",
        "format",
        "position",
        "organizations",
        "cells",
        "holds",
        "entries",
        "state",
    ]);
    for it in snapshots {
        let (header, counts) = (json!(it.header), json!(it.counts));
        table.add_row([
            it.file.clone(),
            shown(&json!(it.bytes)),
            shown(&header["begun"]),
            shown(&header["written_by"]),
            shown(&header["format"]),
            shown(&header["position"]),
            shown(&counts["organizations"]),
            shown(&counts["cells"]),
            shown(&counts["holds_open"]),
            shown(&counts["entries"]),
            state(it.damage.as_ref()),
        ]);
    }
    print(&format!("\n{}", table.trim_fmt()));
}

fn print_segments(segments: &[SegmentReport]) {
    let mut table = table(&[
        "segment", "bytes", "begun", "position", "records", "facts", "slots", "of", "synced",
        "torn", "state",
    ]);
    for it in segments {
        let header = json!(it.header);
        let is_used = it.header.is_some();
        let figure =
            |number: u64| shown(&is_used.then_some(number).map_or(Value::Null, Value::from));
        table.add_row([
            it.file.clone(),
            shown(&json!(it.bytes)),
            shown(&header["begun"]),
            shown(&header["first"]),
            figure(it.records),
            figure(it.facts),
            figure(it.slots_used),
            shown(&json!(it.slots)),
            figure(it.synced),
            figure(it.records_torn),
            match (&it.damage, is_used) {
                (None, false) => "not used".to_owned(),
                (None, true) if it.is_superfluous => "superfluous".to_owned(),
                (damage, _) => state(damage.as_ref()),
            },
        ]);
    }
    print(&format!("\n{}", table.trim_fmt()));
}

fn print_usage(files: &[UsageReport]) {
    let mut table = table(&["usage", "bytes", "from", "to", "days", "rows", "state"]);
    for it in files {
        table.add_row([
            it.file.clone(),
            shown(&json!(it.bytes)),
            shown(&json!(it.from)),
            shown(&json!(it.to)),
            shown(&json!(it.days)),
            shown(&json!(it.rows)),
            state(it.damage.as_ref()),
        ]);
    }
    print(&format!("\n{}", table.trim_fmt()));
}

fn print_plans(plans: &[PlanReport]) {
    let mut table = table(&["plan", "bytes", "organizations", "referred to", "state"]);
    for it in plans {
        table.add_row([
            it.file.clone(),
            shown(&json!(it.bytes)),
            shown(&json!(it.organizations)),
            shown(&json!(it.is_referred_to)),
            state(it.damage.as_ref()),
        ]);
    }
    print(&format!("\n{}", table.trim_fmt()));
}

fn state(damage: Option<&String>) -> String {
    let state = if damage.is_some() { "damaged" } else { "whole" };
    state.to_owned()
}

/// Adds the fields of an object to another.
fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// Who has locked a directory, if the system tells it. Taking the lock to find out could keep a sidecar from starting.
fn holder(folder: &Path) -> Option<String> {
    let lock = folder.join("LOCK");
    let metadata = fs::metadata(&lock).ok()?;
    let (major, minor) = (
        rustix::fs::major(metadata.dev()),
        rustix::fs::minor(metadata.dev()),
    );
    let file = format!(" {major:02x}:{minor:02x}:{} ", metadata.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let is_held = |line: &str| line.contains(" FLOCK ") && line.contains(&file);
    if !locks.lines().any(is_held) {
        return None;
    }
    let text = fs::read_to_string(&lock).unwrap_or_default();
    let line = text.lines().next().filter(|line| !line.is_empty());
    Some(line.unwrap_or("another process").to_owned())
}

#[cfg(test)]
mod tests;
