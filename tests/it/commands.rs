//! The commands as people type them, against the binary that they run: exit codes, sentences, reload, drain.

#![allow(unreachable_pub)]

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

pub const QUOTAD: &str = env!("CARGO_BIN_EXE_quotad");

/// A running sidecar on a Unix socket in a folder of its own, where it also keeps its books and its log.
pub struct Sidecar {
    pub folder: TempDir,
    pub process: Child,
}

impl Sidecar {
    pub fn start(plan: Option<&str>) -> Self {
        Self::start_with(plan, &[])
    }

    /// The same with more arguments.
    pub fn start_with(plan: Option<&str>, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        if let Some(plan) = plan {
            std::fs::write(folder.path().join("plan.yaml"), plan).unwrap();
        }
        let process = spawn(&folder, arguments);
        let sidecar = Self { folder, process };
        sidecar.is_ready();
        sidecar
    }

    /// Starts another process over the same folder, once this one has ended.
    pub fn start_again(&mut self, arguments: &[&str]) {
        self.process = spawn(&self.folder, arguments);
        self.is_ready();
    }

    fn is_ready(&self) {
        let (code, text) = self.run(&["wait", "--timeout", "20s"]);
        assert_eq!(code, 0, "{text}\n{}", self.log());
    }

    /// What the process that was started last has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Ends as no process wants to.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ends as told; answers the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.process.wait().unwrap().code()
    }

    /// The exit code, if it ends by then.
    pub fn ended_within(&mut self, limit: Duration) -> Option<i32> {
        for _ in 0..limit.as_millis() / 20 {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            sleep(Duration::from_millis(20));
        }
        None
    }

    pub fn plan(&self) -> PathBuf {
        self.folder.path().join("plan.yaml")
    }

    /// A command's exit code, and what it printed on both ways out.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let server = format!("unix:{}", self.folder.path().join("q.sock").display());
        let mut command = Command::new(QUOTAD);
        command.args(arguments);
        said(
            &command
                .env("QUOTAD_SERVER", &server)
                .env("QUOTAD_PROBES", &server)
                .output()
                .unwrap(),
        )
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Tries until the command prints this; a watched file takes a moment.
    pub fn until(&self, arguments: &[&str], part: &str) {
        for _ in 0..100 {
            if self.run(arguments).1.contains(part) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!(
            "{arguments:?} never printed {part:?}: {}",
            self.run(arguments).1
        );
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Starts a process over a folder; with the plan in it, if there is one.
fn spawn(folder: &TempDir, arguments: &[&str]) -> Child {
    let mut command = Command::new(QUOTAD);
    for listener in ["--listen", "--probes-listen", "--management-listen"] {
        if !arguments.contains(&listener) {
            command.args([listener, "none"]);
        }
    }
    command.arg("--socket").arg(folder.path().join("q.sock"));
    command.arg("--data-dir").arg(folder.path().join("data"));
    let plan = folder.path().join("plan.yaml");
    if plan.exists() {
        command.arg("--plan").arg(plan);
    }
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    command.args(arguments).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}

pub fn said(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn each_command_ends_with_its_documented_exit_code() {
    let sidecar = Sidecar::start(None);
    let unknown = "0123456789abcdef0123456789abcdef";
    for (arguments, code, part) in [
        (
            &["charge", "--user", "ana", "--credits", "400"][..],
            0,
            "committed",
        ),
        (
            &["charge", "--user", "ana", "--credits", "400"],
            0,
            "WARNING",
        ),
        (
            &["charge", "--user", "ana", "--credits", "400"],
            3,
            "user ana has 200 left",
        ),
        (
            &["charge", "--user", "ana", "--credits", "400", "-o", "json"],
            3,
            "\"denied\": \"QUOTA_EXCEEDED\"",
        ),
        (
            &["balance", "--user", "ana"],
            0,
            "800 of 1,000 credits used (80%)",
        ),
        (&["commit", unknown, "--amount", "1"], 5, "NOT_FOUND"),
        (&["release", unknown], 5, "NOT_FOUND"),
        (
            &["charge", "--operation", "none"],
            5,
            "INVALID_ARGUMENT: cost.usage.operation",
        ),
        (
            &["charge", "--organization", "none", "--credits", "1"],
            5,
            "NOT_FOUND",
        ),
        (&["charge", "--user", "ana"], 2, "--credits"),
        (
            &["commit", "short", "--amount", "1"],
            2,
            "32 hexadecimal digits",
        ),
        (&["healthcheck"], 0, "SERVING"),
        (
            &["healthcheck", "--service", "quotad.liveness"],
            0,
            "SERVING",
        ),
        (
            &["balance", "--server", "unix:nobody.sock"],
            4,
            "no sidecar answers",
        ),
        (
            &["wait", "--probes", "unix:nobody.sock", "--timeout", "100ms"],
            4,
            "not ready",
        ),
        (
            &["estimate", "--quantity", "receipt-processing=100"],
            0,
            "3,200",
        ),
        (&["estimate", "--quantity", "none=1"], 5, "rate card"),
        (&["check", "missing.yaml"], 1, "missing.yaml"),
        (&["test", "missing.yaml"], 1, "0 passed, 1 failed"),
        (&["--config", "missing.yaml"], 1, "missing.yaml"),
        (&["nonsense"], 2, "Usage"),
    ] {
        let (came, text) = sidecar.run(arguments);
        assert!(
            came == code && text.contains(part),
            "{arguments:?}: {came}, {text}"
        );
    }
}

#[test]
fn a_reservation_is_committed_by_the_id_that_was_printed() {
    let sidecar = Sidecar::start(None);
    let (_, text) = sidecar.run(&["reserve", "--user", "bo", "--credits", "50", "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let id = answer["reservation"].as_str().unwrap();
    let (code, text) = sidecar.run(&["commit", id, "--amount", "20", "-o", "json"]);
    assert!(code == 0 && text.contains("\"returned\": 30"), "{text}");
    assert_eq!(sidecar.run(&["release", id]).0, 5, "it was committed");
}

#[test]
fn a_changed_plan_applies_and_a_wrong_one_keeps_the_last_good_one() {
    let plan = "organizations: {default: {grants: [{kind: contract, credits: 100}]}}\n";
    let sidecar = Sidecar::start(Some(plan));
    sidecar.until(&["balance", "-o", "json"], "\"limit\": 100,");
    std::fs::write(sidecar.plan(), plan.replace("100", "200")).unwrap();
    sidecar.until(&["balance", "-o", "json"], "\"limit\": 200,");
    std::fs::write(sidecar.plan(), plan.replace("grants", "grnats")).unwrap();
    sidecar.signal("HUP");
    sleep(Duration::from_millis(500));
    sidecar.until(&["balance", "-o", "json"], "\"limit\": 200,");
    std::fs::write(sidecar.plan(), plan.replace("100", "300")).unwrap();
    sidecar.until(&["balance", "-o", "json"], "\"limit\": 300,");
}

#[test]
fn a_first_plan_that_promises_too_much_is_shown_at_its_line() {
    let folder = TempDir::new().unwrap();
    let plan = folder.path().join("plan.yaml");
    let data = folder.path().join("data");
    std::fs::write(
        &plan,
        "organizations:\n  a:\n    users:\n      u: {limit: 6}\n",
    )
    .unwrap();
    for arguments in [
        &["check"][..],
        &[
            "--listen",
            "127.0.0.1:0",
            "--probes-listen",
            "none",
            "--management-listen",
            "none",
            "--data-dir",
            data.to_str().unwrap(),
            "--plan",
        ],
    ] {
        let mut command = Command::new(QUOTAD);
        let (code, text) = said(&command.args(arguments).arg(&plan).output().unwrap());
        assert!(
            code == 1 && text.contains("plan.yaml:4:18: "),
            "{arguments:?}: {code}, {text}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = TempDir::new().unwrap();
    let listeners = ["--listen", "--probes-listen", "--management-listen"];
    for listener in listeners {
        let mut command = Command::new(QUOTAD);
        command.arg("--data-dir").arg(folder.path());
        for other in listeners {
            let at = if other == listener {
                &*address
            } else {
                "127.0.0.1:0"
            };
            command.args([other, at]);
        }
        let (code, text) = said(&command.output().unwrap());
        assert!(
            code == 1 && text.contains(&address) && text.contains(listener),
            "{code}, {text}"
        );
    }
}

#[test]
fn sigterm_and_sigint_drain_and_end_well() {
    for name in ["TERM", "INT"] {
        let mut sidecar = Sidecar::start(None);
        sidecar.signal(name);
        assert_eq!(sidecar.process.wait().unwrap().code(), Some(0), "SIG{name}");
    }
}

#[test]
fn small_books_take_no_huge_pages_from_the_first_instruction_on() {
    let sidecar = Sidecar::start(None);
    let of_process = |file: &str| {
        let path = format!("/proc/{}/{file}", sidecar.process.id());
        std::fs::read_to_string(path).unwrap()
    };
    assert!(of_process("status").contains("THP_enabled:\t0"));
    let huge = of_process("smaps_rollup");
    let huge = huge.lines().find(|line| line.starts_with("AnonHuge"));
    assert_eq!(huge.and_then(|it| it.split_whitespace().nth(1)), Some("0"));
}
