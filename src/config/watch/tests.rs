//! With real files: an edit, a rename, a swapped link, a typo.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// Long enough for a slow machine; a test that passes never waits for it.
const SOON: Duration = Duration::from_secs(10);

/// What is told while there is no file.
const GONE: &str = "(gone)";

fn watched(path: &Path) -> (PlanWatcher, Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let current = plan_file::read_text(path).unwrap();
    let watcher = PlanWatcher::start(path, current, move |text| {
        tell.send(text.unwrap_or(GONE).to_owned()).unwrap();
    })
    .unwrap();
    (watcher, told)
}

#[test]
fn an_edit_a_rename_and_a_return_are_seen_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.yaml");
    fs::write(&path, "a").unwrap();
    let (watcher, told) = watched(&path);

    fs::write(&path, "b").unwrap();
    assert_eq!(told.recv_timeout(SOON).unwrap(), "b");

    let temporary = folder.path().join(".plan.yaml.swp");
    fs::write(&temporary, "c").unwrap();
    fs::rename(&temporary, &path).unwrap();
    assert_eq!(told.recv_timeout(SOON).unwrap(), "c");

    // The same text again is told after the file was gone: meanwhile nobody knew whether it still counts.
    for text in ["c", "d"] {
        fs::remove_file(&path).unwrap();
        assert_eq!(told.recv_timeout(SOON).unwrap(), GONE);
        fs::write(&path, text).unwrap();
        assert_eq!(told.recv_timeout(SOON).unwrap(), text);
    }

    // Another file of the folder, and the same text again, are no change; a reload tells the text all the same.
    fs::write(folder.path().join("other"), "x").unwrap();
    fs::write(&path, "d").unwrap();
    assert_eq!(told.recv_timeout(5 * QUIET), Err(RecvTimeoutError::Timeout));
    watcher.reload();
    assert_eq!(told.recv_timeout(SOON).unwrap(), "d");
}

#[test]
fn the_link_that_kubernetes_swaps_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let publish = |version: &str, text: &str| {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("plan.yaml"), text).unwrap();
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    publish("..1", "one");
    symlink("..data/plan.yaml", at("plan.yaml")).unwrap();
    let (_watcher, told) = watched(&at("plan.yaml"));
    for (version, text, old) in [("..2", "two", "..1"), ("..3", "three", "..2")] {
        publish(version, text);
        fs::remove_dir_all(at(old)).unwrap();
        assert_eq!(told.recv_timeout(SOON).unwrap(), text);
    }
}

#[test]
fn a_file_behind_a_link_to_another_folder_is_watched_there() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = there.path().join("real.yaml");
    fs::write(&target, "a").unwrap();
    let path = here.path().join("plan.yaml");
    symlink(&target, &path).unwrap();
    let (_watcher, told) = watched(&path);
    fs::write(&target, "b").unwrap();
    assert_eq!(told.recv_timeout(SOON).unwrap(), "b");
}

#[test]
fn a_typo_keeps_the_last_good_plan_and_its_correction_applies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.yaml");
    let plan = |limit: &str| format!("organizations:\n  acme:\n    users: {{ana: {limit}}}\n");
    fs::write(&path, plan("{limit: 1}")).unwrap();
    let (_watcher, told) = watched(&path);
    let mut limits = Vec::new();
    for limit in ["{limit: 2}", "{limt: 3}", "{limit: 4}"] {
        fs::write(&path, plan(limit)).unwrap();
        let text = told.recv_timeout(SOON).unwrap();
        // What the application does: only a good plan replaces the present one.
        if let Ok(good) = plan_file::parse(&text, "plan.yaml") {
            limits.push(good.organizations.values().next().unwrap().set_aside());
        }
    }
    assert_eq!(limits, [2, 4]);
}
