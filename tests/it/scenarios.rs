//! The scenarios that a customer can read, through the very code of `quotad test`.

use std::path::{Path, PathBuf};

use quotad::cli::test::{Report, run_files};

/// The files of a folder of this repository whose names end so, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().ends_with(ending))
        })
        .collect();
    files.sort();
    files
}

fn all_pass(report: &Report) {
    for outcome in &report.outcomes {
        println!("{outcome}");
    }
    println!("{}", report.summary());
    assert_eq!(report.failed(), 0, "{} scenarios failed", report.failed());
    assert!(report.passed() > 0, "no scenario was found");
}

#[test]
fn scenarios_of_the_rule_book_pass() {
    all_pass(&run_files(&files("tests/scenarios", ".yaml")));
}

#[test]
fn scenarios_of_the_example_plans_pass() {
    all_pass(&run_files(&files("examples/plans", ".scenarios.yaml")));
}

/// The runner objects: each file breaks one expectation, at the line that its name tells.
#[test]
fn a_broken_expectation_fails_at_its_line() {
    let plan = "plan: {organizations: {default: {grants: [{kind: contract, credits: 100}]}}}";
    let head = format!("scenario: broken\n{plan}\nstart: 2026-11-01T00:00:00Z\nsteps:\n");
    for (steps, line, part) in [
        (
            "  - charge: {credits: 1}\n    expect: {committed: 2}\n",
            6,
            "expected committed 2, came 1",
        ),
        (
            "  - charge: {credits: 101}\n",
            5,
            "expected success, came denied QUOTA_EXCEEDED",
        ),
        (
            "  - charge: {credits: 100}\n    expect: {denied: QUOTA_EXCEEDED}\n",
            5,
            "expected denied QUOTA_EXCEEDED",
        ),
        ("  - commit: {hold: never, amount: 1}\n", 5, "NOT_FOUND"),
        (
            "  - balance: {}\n    expect: {used: 1}\n",
            6,
            "expected used 1, came 0",
        ),
        (
            "  - charge: {credits: 80}\n  - notifications: {}\n    expect: []\n",
            7,
            "organization 80",
        ),
        ("  - at: 2026-10-01T00:00:00Z\n", 5, "backwards"),
        (
            "  - apply: {organizations: {default: {grant: []}}}\n",
            5,
            "INVALID_ARGUMENT",
        ),
        ("  - remove_user: {user: nobody}\n", 5, "NOT_FOUND"),
        (
            "  - charge: {credits: 9007199254740992}\n",
            5,
            "INVALID_ARGUMENT",
        ),
        (
            "  - charge: {user: ' a', credits: 1}\n",
            5,
            "INVALID_ARGUMENT",
        ),
    ] {
        let file = write("broken.yaml", &format!("{head}{steps}"));
        let report = run_files(&[file]);
        let text = report.outcomes[0].to_string();
        assert!(text.starts_with("FAIL"), "{steps}{text}");
        assert!(
            text.contains(&format!("broken.yaml:{line}: ")) && text.contains(part),
            "{steps}{text}"
        );
    }
}

#[test]
fn a_plan_that_cannot_be_started_with_is_shown_at_its_line() {
    for (plan, line, part) in [
        (
            "plan:\n  organizations:\n    default:\n      grants: [{kind: gift, credits: 1}]\n",
            5,
            "gift",
        ),
        (
            "plan:\n  organizations:\n    default:\n      environments: {e: {allocation: 5}}\n",
            5,
            "allocation",
        ),
        ("plan: missing.yaml\n", 2, "missing.yaml"),
    ] {
        let text = format!("scenario: broken\n{plan}start: 2026-11-01T00:00:00Z\nsteps: []\n");
        let report = run_files(&[write("plan.yaml", &text)]);
        let text = report.outcomes[0].to_string();
        assert!(
            text.starts_with("FAIL") && text.contains(&format!("plan.yaml:{line}: ")),
            "{plan}{text}"
        );
        assert!(text.contains(part), "{plan}{text}");
    }
}

/// Writes a file that is gone when the test binary's folder is cleaned; each call has a folder of its own.
fn write(name: &str, text: &str) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix("scenario")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let path = folder.keep().join(name);
    std::fs::write(&path, text).unwrap();
    path
}
