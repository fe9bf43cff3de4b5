//! `quotad bench` against a sidecar: what it does to the books, what it says, how it ends.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::commands::{QUOTAD, Sidecar, said};

/// Enough for every load here.
const PLAN: &str = "organizations:
  acme: {grants: [{kind: contract, credits: 9000000000}]}
  poor: {grants: [{kind: contract, credits: 10}]}
";

/// Eight calls in flight, without a warm-up; how long it lasts and how it is printed come next.
const SHORT: [&str; 5] = ["bench", "--warm-up", "0ms", "--in-flight", "8"];

const MOMENT: [&str; 4] = ["--duration", "300ms", "-o", "json"];

/// What a short load measured.
fn measured(sidecar: &Sidecar, arguments: &[&str]) -> Value {
    measured_for(&MOMENT, sidecar, arguments)
}

fn measured_for(how: &[&str], sidecar: &Sidecar, arguments: &[&str]) -> Value {
    let (code, text) = sidecar.run(&[&SHORT[..], how, arguments].concat());
    assert_eq!(code, 0, "{arguments:?}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What an organization has used, and what it holds.
fn books(sidecar: &Sidecar, organization: &str) -> (u64, u64) {
    let (_, text) = sidecar.run(&["balance", "--organization", organization, "-o", "json"]);
    let balance: Value = serde_json::from_str(&text).unwrap();
    let figure = |key| find(&balance, key).unwrap_or_else(|| panic!("no {key}: {text}"));
    (figure("used"), figure("held"))
}

/// The first figure of this name, however deep.
fn find(value: &Value, key: &str) -> Option<u64> {
    match value {
        Value::Object(fields) => {
            let here = fields.get(key).and_then(Value::as_u64);
            here.or_else(|| fields.values().find_map(|it| find(it, key)))
        }
        Value::Array(values) => values.iter().find_map(|it| find(it, key)),
        _ => None,
    }
}

#[test]
fn each_way_of_travelling_does_what_it_says_and_counts_it() {
    let sidecar = Sidecar::start(Some(PLAN));
    let acme = ["--organization", "acme"];
    for over in [
        &["--over", "unary"][..],
        &["--over", "unary", "--connections", "2", "--users", "3"],
        &["--over", "batch", "--batch-size", "7"],
        &["--over", "stream"],
        &["--over", "stream", "--batch-size", "5"],
    ] {
        for operation in ["check", "reserve-release"] {
            let before = books(&sidecar, "acme");
            let arguments = [&acme[..], over, &["--operation", operation]].concat();
            let seen = measured(&sidecar, &arguments);
            assert!(seen["granted"].as_u64() > Some(0), "{arguments:?}: {seen}");
            assert_eq!(
                (&seen["denied"], &seen["failed"]),
                (&0.into(), &0.into()),
                "{seen}"
            );
            assert!(seen["latency_p99_us"].as_f64() >= seen["latency_p50_us"].as_f64());
            assert_eq!(
                books(&sidecar, "acme"),
                before,
                "{arguments:?}: nothing is spent or held"
            );
        }
    }
    for operation in ["charge", "reserve-commit"] {
        let (used, _) = books(&sidecar, "acme");
        let arguments = ["--operation", operation, "--credits", "3", "--yes"];
        let seen = measured(&sidecar, &[&acme[..], &arguments].concat());
        let granted = seen["granted"].as_u64().unwrap();
        let (now, held) = books(&sidecar, "acme");
        assert_eq!(held, 0, "what was held is booked");
        // Answers that came after the end are booked and not counted.
        let booked = now - used;
        let counted = if operation == "charge" {
            granted
        } else {
            granted / 2
        };
        assert!(
            booked >= counted * 3 && booked <= counted * 3 + 8 * 3,
            "{booked}: {seen}"
        );
    }
}

#[test]
fn denials_are_answers_and_counted_apart() {
    let sidecar = Sidecar::start(Some(PLAN));
    for (over, operation) in [
        ("unary", "charge"),
        ("stream", "charge"),
        ("batch", "check"),
    ] {
        let arguments = [
            "--organization",
            "poor",
            "--yes",
            "--credits",
            "11",
            "--over",
            over,
            "--operation",
            operation,
        ];
        let seen = measured(&sidecar, &arguments);
        assert_eq!(
            (&seen["granted"], &seen["failed"]),
            (&0.into(), &0.into()),
            "{seen}"
        );
        assert!(seen["denied"].as_u64() > Some(0), "{seen}");
        assert_eq!(seen["denied"], seen["denied_quota_exceeded"], "{seen}");
    }
    assert_eq!(books(&sidecar, "poor"), (0, 0));
}

#[test]
fn nothing_is_spent_that_nobody_meant() {
    let sidecar = Sidecar::start(Some(PLAN));
    let commit = ["--operation", "reserve-commit", "--organization", "acme"];
    for (arguments, code, part) in [
        (&commit[..], 2, "--yes"),
        (&["--operation", "charge", "--yes"], 2, "--organization"),
        (&["--operation", "reserve-release"], 2, "--organization"),
        (&["--organization", "nobody"], 5, "NOT_FOUND"),
        (&["--server", "unix:nobody.sock"], 4, "no sidecar answers"),
        (&["--batch-size", "5"], 2, "--over"),
        (&["--over", "batch", "--batch-size", "1001"], 2, "1000"),
        (&["--rate", "0"], 2, "--rate"),
    ] {
        let (came, text) = sidecar.run(&[&SHORT[..], &MOMENT, arguments].concat());
        assert!(
            came == code && text.contains(part),
            "{arguments:?}: {came}, {text}"
        );
    }
    assert_eq!(books(&sidecar, "acme"), (0, 0));
}

#[test]
fn with_a_rate_latencies_count_from_when_a_call_was_to_begin() {
    let sidecar = Sidecar::start(Some(PLAN));
    let second = ["--duration", "1s", "-o", "json"];
    let arguments = ["--organization", "acme", "--rate", "200"];
    let seen = measured_for(&second, &sidecar, &arguments);
    // 200 were to begin within the second, whether or not the machine had time for them.
    let figure = |key: &str| seen[key].as_u64().unwrap();
    assert_eq!(
        (figure("calls") + figure("unsent"), figure("failed")),
        (200, 0),
        "{seen}"
    );
    // A sidecar that stands still answers nothing for half a second: those whose time came meanwhile waited, although only
    // one of them was on its way.
    let mut bench = Command::new(QUOTAD);
    let server = format!("unix:{}", sidecar.folder.path().join("q.sock").display());
    bench.args([
        "bench",
        "--organization",
        "acme",
        "--rate",
        "200",
        "--in-flight",
        "1",
        "--duration",
        "2s",
    ]);
    bench.args(["--warm-up", "0ms", "-o", "json", "--server", &server]);
    let bench = bench
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    sleep(Duration::from_millis(700));
    sidecar.signal("STOP");
    sleep(Duration::from_millis(500));
    sidecar.signal("CONT");
    let (code, text) = said(&bench.wait_with_output().unwrap());
    assert_eq!(code, 0, "{text}");
    let seen: Value = serde_json::from_str(&text).unwrap();
    // 100 of 400 calls waited, on average for a quarter of a second.
    assert!(seen["latency_p90_us"].as_f64() > Some(100_000.0), "{text}");
    assert!(seen["latency_max_us"].as_f64() > Some(400_000.0), "{text}");
}

/// A load in the background that spends credits of acme, once it has begun to.
fn spending(sidecar: &Sidecar, duration: &str) -> Child {
    let server = format!("unix:{}", sidecar.folder.path().join("q.sock").display());
    let mut bench = Command::new(QUOTAD)
        .args([
            "bench",
            "--operation",
            "reserve-commit",
            "--yes",
            "--organization",
            "acme",
        ])
        .args([
            "--duration",
            duration,
            "--warm-up",
            "0ms",
            "-o",
            "json",
            "--server",
            &server,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..1_000 {
        if books(sidecar, "acme").0 > 0 {
            return bench;
        }
        sleep(Duration::from_millis(10));
    }
    bench.kill().unwrap();
    panic!("it never began: {:?}", bench.wait_with_output());
}

#[test]
fn ctrl_c_ends_it_and_prints_what_was_measured() {
    let sidecar = Sidecar::start(Some(PLAN));
    let bench = spending(&sidecar, "1h");
    let told = Command::new("kill")
        .args(["-s", "INT", &bench.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    let (code, text) = said(&bench.wait_with_output().unwrap());
    assert_eq!(code, 0, "{text}");
    let seen: Value = serde_json::from_str(&text).unwrap();
    assert!(seen["granted"].as_u64() > Some(0), "{text}");
    assert!(seen["seconds"].as_f64() < Some(60.0), "{text}");
    assert_eq!(books(&sidecar, "acme").1, 0, "what was held is settled");
}

#[test]
fn people_get_a_table() {
    let sidecar = Sidecar::start(Some(PLAN));
    let arguments = ["--duration", "300ms", "--organization", "acme"];
    let (code, text) = sidecar.run(&[&SHORT[..], &arguments].concat());
    assert!(
        code == 0 && text.contains("operations per second"),
        "{text}"
    );
    assert!(text.contains("latency p99.9 us"), "{text}");
}

#[test]
fn a_sidecar_that_goes_away_in_the_middle_is_a_failure_and_its_figures_are_printed() {
    let mut sidecar = Sidecar::start(Some(PLAN));
    let bench = spending(&sidecar, "4s");
    sidecar.kill();
    let output = bench.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        seen["failed"].as_u64() > Some(0) && seen["granted"].as_u64() > Some(0),
        "{seen}"
    );
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("calls failed, such as: "),
        "{output:?}"
    );
}
