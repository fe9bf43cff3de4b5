//! The books survive the binary that keeps them: killed, ended as told, started twice, started with a wrong plan.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::commands::{QUOTAD, Sidecar, said};

const PLAN: &str = "organizations: {default: {grants: [{kind: contract, credits: 1000}]}}\n";

/// Reserves, and answers the id.
fn reserve(sidecar: &Sidecar, credits: &str) -> String {
    let (code, text) = sidecar.run(&[
        "reserve",
        "--user",
        "bo",
        "--credits",
        credits,
        "--ttl",
        "10m",
        "-o",
        "json",
    ]);
    assert_eq!(code, 0, "{text}");
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    answer["reservation"].as_str().unwrap().to_owned()
}

fn charge(sidecar: &Sidecar, credits: &str) {
    let (code, text) = sidecar.run(&["charge", "--user", "bo", "--credits", credits]);
    assert_eq!(code, 0, "{text}");
}

/// What the organization has used, held, and may use.
fn balance(sidecar: &Sidecar) -> (u64, u64, u64) {
    let (code, text) = sidecar.run(&["balance", "-o", "json"]);
    assert_eq!(code, 0, "{text}");
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let balances = answer["balances"].as_array().unwrap();
    let organization = balances.iter().find(|it| it["account"] == "organization");
    let figure = |key: &str| organization.unwrap()[key].as_u64().unwrap();
    (figure("used"), figure("held"), figure("limit"))
}

/// Starts where it cannot, and answers the exit code and what it said.
fn refused(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(QUOTAD);
    command.args([
        "--listen",
        "none",
        "--probes-listen",
        "none",
        "--management-listen",
        "none",
        "--socket",
    ]);
    command.arg(folder.join("refused.sock")).args(arguments);
    said(&command.output().unwrap())
}

#[test]
fn what_was_acknowledged_survives_kill_9_in_process_and_in_power() {
    for durability in ["process", "power"] {
        let arguments = ["--durability", durability];
        let mut sidecar = Sidecar::start_with(Some(PLAN), &arguments);
        assert!(sidecar.log().contains("starting with empty books"));
        charge(&sidecar, "100");
        let id = reserve(&sidecar, "50");
        sidecar.kill();
        sidecar.start_again(&arguments);
        assert!(
            sidecar.log().contains("the books are back"),
            "{}",
            sidecar.log()
        );
        assert_eq!(balance(&sidecar), (100, 50, 1_000), "{durability}");
        let (code, text) = sidecar.run(&["commit", &id, "--amount", "20", "-o", "json"]);
        assert!(code == 0 && text.contains("\"returned\": 30"), "{text}");
        sidecar.kill();
        sidecar.start_again(&arguments);
        assert_eq!(balance(&sidecar), (120, 0, 1_000), "{durability}");
    }
}

/// The sizes of the journal's segments, as often as there are any.
fn segment_sizes(data: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap());
    let is_segment = |name: &str| name.starts_with("journal-");
    let segments = entries.filter(|entry| is_segment(entry.file_name().to_str().unwrap()));
    segments
        .map(|entry| entry.metadata().unwrap().len())
        .collect()
}

#[test]
fn however_often_it_is_killed_verify_finds_the_books_whole() {
    let mut sidecar = Sidecar::start_with(Some(PLAN), &["--journal-bytes-max", "4MiB"]);
    let data = sidecar.folder.path().join("data");
    let verify = ["snapshot", "verify", "--data-dir", data.to_str().unwrap()];
    // Segments of another size are superfluous sooner or later, too.
    for (round, size) in ["4MiB", "4MiB", "4MiB", "8MiB", "8MiB", "8MiB"]
        .into_iter()
        .enumerate()
    {
        charge(&sidecar, "10");
        let (code, text) = sidecar.run(&verify);
        assert_eq!(code, 0, "round {round}, in use: {text}");
        sidecar.kill();
        let (code, text) = sidecar.run(&verify);
        assert_eq!(code, 0, "round {round}, killed: {text}");
        sidecar.start_again(&["--journal-bytes-max", size]);
    }
    assert_eq!(balance(&sidecar), (60, 0, 1_000));
    let (code, text) = sidecar.run(&verify);
    assert_eq!(code, 0, "at last: {text}");
    sidecar.kill();
    let sizes = segment_sizes(&data);
    assert!(sizes.iter().all(|&size| size == 8 << 16), "{sizes:?}");
}

#[test]
fn an_end_as_told_leaves_a_snapshot_and_nothing_to_replay() {
    let mut sidecar = Sidecar::start(Some(PLAN));
    charge(&sidecar, "100");
    assert_eq!(sidecar.terminate(), Some(0));
    let names: Vec<String> = std::fs::read_dir(sidecar.folder.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let snapshots = names.iter().filter(|name| name.starts_with("snapshot-"));
    assert!(snapshots.count() > 0, "{names:?}");
    sidecar.start_again(&[]);
    assert_eq!(balance(&sidecar), (100, 0, 1_000));
    assert!(sidecar.log().contains("\"groups\":0,"), "{}", sidecar.log());
}

#[test]
fn in_memory_what_happened_since_the_last_snapshot_is_lost_and_the_log_says_so() {
    let arguments = ["--durability", "memory"];
    let mut sidecar = Sidecar::start_with(Some(PLAN), &arguments);
    assert!(sidecar.log().contains("since the last snapshot is lost"));
    charge(&sidecar, "100");
    assert_eq!(sidecar.terminate(), Some(0));
    sidecar.start_again(&arguments);
    assert_eq!(balance(&sidecar), (100, 0, 1_000));
    charge(&sidecar, "10");
    sidecar.kill();
    sidecar.start_again(&arguments);
    assert_eq!(balance(&sidecar), (100, 0, 1_000));
}

#[test]
fn a_second_process_on_the_same_directory_is_refused_and_names_the_first() {
    let sidecar = Sidecar::start(None);
    let folder = sidecar.folder.path();
    let data = folder.join("data");
    let (code, text) = refused(folder, &["--data-dir", data.to_str().unwrap()]);
    let first = format!("process {} since 20", sidecar.process.id());
    assert!(code == 1 && text.contains(&first), "{code}, {text}");
    for part in ["is in use by quotad", "q.sock", "choose another data_dir"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    charge(&sidecar, "1");
}

#[test]
fn a_directory_that_cannot_be_used_and_settings_that_make_no_sense_are_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let data = folder.path().join("data");
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    for (arguments, code, part) in [
        (
            &["--data-dir", file][..],
            1,
            "that this user may make and write",
        ),
        // Not even root may make a directory there.
        (&["--data-dir", "/proc/quotad"], 1, "/proc/quotad"),
        (&["--data-dir", ""], 1, "data_dir: names no directory"),
        (
            &["--data-dir", data, "--journal-bytes-max", "256MB"],
            1,
            "--journal-bytes-max (or QUOTAD_JOURNAL_BYTES_MAX): \"256MB\" is no size",
        ),
        (
            &["--data-dir", data, "--journal-bytes-max", "1MiB"],
            1,
            "journal_bytes_max: out of range; choose 4MiB",
        ),
        (
            &["--data-dir", data, "--durability", "paper"],
            1,
            "write memory, process or power",
        ),
        (
            &["--data-dir", data, "--drop-from", "7"],
            1,
            "--drop-from 7: the journal is whole",
        ),
    ] {
        let (came, text) = refused(folder.path(), arguments);
        assert!(
            came == code && text.contains(part),
            "{arguments:?}: {came}, {text}"
        );
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn a_plan_that_is_wrong_at_a_restart_keeps_the_last_good_one() {
    let mut sidecar = Sidecar::start(Some(PLAN));
    charge(&sidecar, "100");
    sidecar.kill();
    for wrong in [
        PLAN.replace("grants", "grnats"),
        // Valid by itself, but it promises more than there is.
        PLAN.replace("grants", "users: {a: {limit: 5000}}, grants"),
    ] {
        std::fs::write(sidecar.plan(), wrong).unwrap();
        sidecar.start_again(&[]);
        assert!(
            sidecar.log().contains("the last good plan stays"),
            "{}",
            sidecar.log()
        );
        assert_eq!(balance(&sidecar), (100, 0, 1_000));
        sidecar.kill();
    }
    sidecar.start_again(&[]);
    std::fs::write(sidecar.plan(), PLAN.replace("1000", "2000")).unwrap();
    sidecar.until(&["balance", "-o", "json"], "\"limit\": 2000,");
    sidecar.kill();
    // Without a file the plan that applied last stays, not the example.
    std::fs::remove_file(sidecar.plan()).unwrap();
    sidecar.start_again(&[]);
    assert!(
        sidecar.log().contains("no plan file is given"),
        "{}",
        sidecar.log()
    );
    assert_eq!(balance(&sidecar), (100, 0, 2_000));
    assert_eq!(sidecar.terminate(), Some(0));
    // A changed file applies before anything is answered.
    std::fs::write(sidecar.plan(), PLAN.replace("1000", "3000")).unwrap();
    sidecar.start_again(&[]);
    assert_eq!(balance(&sidecar), (100, 0, 3_000));
}

#[test]
fn a_disk_that_fails_ends_the_process_with_its_own_exit_code() {
    let arguments = ["--snapshot-interval", "1s"];
    let mut sidecar = Sidecar::start_with(Some(PLAN), &arguments);
    charge(&sidecar, "1");
    // Nothing can be made in a directory that is gone: the next snapshot fails, or the next segment.
    let data = sidecar.folder.path().join("data");
    std::fs::rename(&data, sidecar.folder.path().join("gone")).unwrap();
    // So that there is something for a snapshot; it may come too late already.
    sidecar.run(&["charge", "--user", "bo", "--credits", "1"]);
    let ended = sidecar.ended_within(Duration::from_secs(10));
    assert_eq!(ended, Some(4), "{}", sidecar.log());
    assert!(
        sidecar.log().contains("nothing is acknowledged any more"),
        "{}",
        sidecar.log()
    );
}

#[test]
fn told_to_end_it_ends_in_time_even_while_somebody_holds_a_connection() {
    let mut sidecar = Sidecar::start_with(Some(PLAN), &["--drain-timeout", "30s"]);
    charge(&sidecar, "100");
    let socket = sidecar.folder.path().join("q.sock");
    // One who connects and says nothing keeps the drain waiting; a second signal ends that, and the books are closed.
    let _silent = std::os::unix::net::UnixStream::connect(socket).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    sidecar.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    sidecar.signal("TERM");
    let ended = sidecar.ended_within(Duration::from_secs(10));
    let log = sidecar.log();
    assert!(ended == Some(0) && log.contains("once more"), "{log}");
    sidecar.start_again(&[]);
    assert_eq!(balance(&sidecar), (100, 0, 1_000));
}
