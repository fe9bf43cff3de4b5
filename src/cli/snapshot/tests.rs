//! A directory that an engine has really filled is looked at, whole and damaged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use clap::Parser;

use super::super::{Cli, Command};
use super::*;
use crate::config::plan_file;
use crate::domain::credits::Credits;
use crate::domain::names::Name;
use crate::domain::rates::Cost;
use crate::engine::order::{Reserve, Subject};
use crate::engine::{Bounds, Engine};
use crate::storage::{Durability, Options, Storage};
use crate::world::clock::Clock;
use crate::world::disk::DirectoryLock;

/// Books with an organization and open holds: a snapshot of some of them, the others in the journal.
fn fill(folder: &Path) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = Options {
        durability: Durability::Process,
        snapshot_interval: Duration::from_secs(60),
        fsync_interval: Duration::from_millis(100),
        journal_bytes_max: 64 << 20,
        retention: Duration::from_secs(395 * 86_400),
        drop_from: None,
    };
    let disk = Arc::new(RealDisk::open(folder).unwrap());
    let storage = Storage::new(disk, options, Arc::clone(&clock));
    let engine = Engine::new(Bounds::default(), 9, clock, storage.recorder());
    storage.recover(&engine).unwrap();
    let plan = "organizations: {default: {grants: [{kind: contract, credits: 100000}]}}";
    let plan = plan_file::parse(plan, "plan.yaml").unwrap();
    engine.apply_plan(plan).unwrap();
    for count in 0..20 {
        if count == 10 {
            assert!(storage.take_snapshot(&engine).unwrap());
        }
        let reserve = Reserve {
            subject: Subject::new(Name::DEFAULT, Name::DEFAULT, None),
            cost: Cost::Credits {
                amount: Credits::saturating(5),
                operation: None,
            },
            min: None,
            ttl: None,
            id: None,
        };
        engine.reserve(&reserve).unwrap();
    }
    storage.sync().unwrap();
    storage.seal().unwrap();
    storage.sync().unwrap();
}

/// What a command line ends with.
fn ends(line: &[&str], folder: &Path) -> Exit {
    let folder = folder.display().to_string();
    let line = ["quotad", "snapshot"].iter().chain(line);
    let line = line.map(|word| word.replace("DIR", &folder));
    let cli = Cli::try_parse_from(line).unwrap();
    let Some(Command::Snapshot(args)) = cli.command else {
        panic!("another command");
    };
    run(args, cli.output)
}

const ALL: [&[&str]; 4] = [
    &["inspect", "DIR"],
    &["inspect", "--data-dir", "DIR", "-o", "json"],
    &["verify", "--data-dir", "DIR"],
    &["verify", "--data-dir", "DIR", "-o", "json"],
];

fn names(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let names = RealDisk::open(folder).unwrap();
    let names = crate::world::disk::Disk::list(&names).unwrap();
    let named = names.into_iter().filter(|name| name.starts_with(prefix));
    named.map(|name| folder.join(name)).collect()
}

fn flip(file: &Path, place: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[place] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_whole_directory_is_whole_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let before = names(folder.path(), "");
    for line in ALL {
        assert_eq!(ends(line, folder.path()), Exit::Ok, "{line:?}");
    }
    for file in &before {
        if !file.ends_with("LOCK") {
            assert_eq!(look(file, Output::Table), Ok(Exit::Ok), "{file:?}");
        }
    }
    assert_eq!(names(folder.path(), ""), before);
}

#[test]
fn a_rehearsal_finds_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let disk = open(folder.path()).unwrap();
    let rehearsal = rehearse(&disk, Arc::new(SystemClock::new()));
    assert_eq!(rehearsal.refusal, None);
    assert!(
        rehearsal.snapshot.is_some() && rehearsal.entries > 10,
        "{rehearsal:?}"
    );
    assert_eq!(rehearsal.groups, 10, "{rehearsal:?}");
    let report = inspect(&disk, None).unwrap();
    let counts = report.snapshots.last().unwrap().counts.unwrap();
    assert_eq!((counts.organizations, counts.holds_open), (1, 10));
}

#[test]
fn damage_to_any_file_is_told_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for (prefix, place) in [("snapshot-", 900), ("plan-", 4), ("journal-", 64 + 20)] {
        let folder = folder.path().join(prefix);
        fill(&folder);
        let file = names(&folder, prefix).into_iter().next().unwrap();
        flip(&file, place);
        for line in ALL {
            assert_eq!(ends(line, &folder), Exit::Failed, "{prefix} {line:?}");
        }
    }
}

#[test]
fn what_is_no_directory_of_books_is_refused_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for line in ALL {
        assert_eq!(ends(line, &missing), Exit::Failed, "{line:?}");
    }
    assert!(!missing.exists());
    let text = folder.path().join("notes.txt");
    fs::write(&text, "").unwrap();
    let refused = look(&text, Output::Table).unwrap_err();
    assert!(
        refused.starts_with("notes.txt: is none of the files"),
        "{refused}"
    );
}

#[test]
fn who_uses_a_directory_is_told_without_taking_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(holder(folder.path()), None);
    let lock = DirectoryLock::take(folder.path(), "quotad 0.1.0, process 4711").unwrap();
    let told = holder(folder.path());
    assert_eq!(told.as_deref(), Some("quotad 0.1.0, process 4711"));
    drop(lock);
    assert_eq!(holder(folder.path()), None);
}
