//! The real binary in a process of its own, what it logs, and its end.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Nothing that is meant to happen takes so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The least that the settings accept: segments change and snapshots happen often.
const JOURNAL_BYTES_MAX: &str = "4MiB";
const SNAPSHOT_INTERVAL: &str = "1s";

/// More than the clients ever hold, and so few that the journal has room for them.
const HOLDS_MAX: &str = "2000";

/// Where everything of a run is.
#[derive(Clone, Debug)]
pub struct Place {
    pub folder: PathBuf,
}

impl Place {
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn plan(&self) -> PathBuf {
        self.folder.join("plan.yaml")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("q.sock")
    }

    /// Names in the data directory, without order; none before the first start.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.data()) else {
            return Vec::new();
        };
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
        entries.flatten().map(name).collect()
    }

    /// The highest number of the files of a kind.
    pub fn number_last(&self, kind: &str) -> u64 {
        let number = |name: String| name.strip_prefix(kind)?.parse::<u64>().ok();
        self.names()
            .into_iter()
            .filter_map(number)
            .max()
            .unwrap_or(0)
    }
}

/// A running one.
pub struct Sidecar {
    process: Child,
    began: Instant,
    lines: UnboundedReceiver<(Instant, String)>,
    reader: Option<JoinHandle<()>>,
    /// What it has logged, as far as it was looked at.
    pub log: Vec<Value>,
}

/// It answers requests.
pub struct Ready {
    /// From its start until then.
    pub after: Duration,
    /// Where it listens besides the socket.
    pub server: String,
}

impl Sidecar {
    pub fn start(place: &Place) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotad"));
        command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--probes-listen",
                "none",
                "--management-listen",
                "none",
            ])
            .args(["--durability", "process", "--threads", "2"])
            .args(["--journal-bytes-max", JOURNAL_BYTES_MAX])
            .args(["--snapshot-interval", SNAPSHOT_INTERVAL])
            .args(["--bounds-holds", HOLDS_MAX])
            .arg("--socket")
            .arg(place.socket())
            .arg("--data-dir")
            .arg(place.data())
            .arg("--plan")
            .arg(place.plan())
            .env("QUOTAD_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let began = Instant::now();
        let mut process = command.spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let (to, lines) = unbounded_channel();
        // Read at once and to its end: a line that was logged before the kill is seen.
        let reader = std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if to.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Self {
            process,
            began,
            lines,
            reader: Some(reader),
            log: Vec::new(),
        }
    }

    /// Waits until it says that it is ready. An error is what it logged instead.
    pub async fn ready(&mut self) -> Result<Ready, String> {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
            let Ok(Some((at, line))) = line else {
                return Err(format!("it was never ready: {}", self.log_shown()));
            };
            self.keep(&line);
            let last = self.log.last();
            if last.is_some_and(|it| it["message"] == "ready") {
                let server = last
                    .and_then(|it| it["server"].as_str())
                    .unwrap_or_default();
                return Ok(Ready {
                    after: at - self.began,
                    server: server.to_owned(),
                });
            }
        }
    }

    /// `kill -9`; answers everything it has logged.
    pub fn kill(mut self) -> Result<Vec<Value>, String> {
        if let Some(status) = self.process.try_wait().unwrap() {
            let log = self.end();
            return Err(format!("it ended by itself: {status}: {}", shown(&log)));
        }
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        Ok(self.end())
    }

    /// SIGTERM, and waits for the end; answers everything it has logged.
    pub async fn terminate(mut self) -> Result<Vec<Value>, String> {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.ended().await;
        let log = self.end();
        match status {
            Some(status) if status.success() => Ok(log),
            status => Err(format!("it did not end well: {status:?}: {}", shown(&log))),
        }
    }

    async fn ended(&mut self) -> Option<ExitStatus> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait().unwrap() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        None
    }

    fn keep(&mut self, line: &str) {
        if !line.is_empty() {
            let value = serde_json::from_str(line);
            self.log.push(value.unwrap_or_else(|_| Value::from(line)));
        }
    }

    fn end(&mut self) -> Vec<Value> {
        // It may be alive still, if it did not end when it was told to.
        let _gone = self.process.kill();
        self.process.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        while let Ok((_, line)) = self.lines.try_recv() {
            self.keep(&line);
        }
        std::mem::take(&mut self.log)
    }

    fn log_shown(&self) -> String {
        shown(&self.log)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if self.reader.is_some() {
            self.end();
        }
    }
}

/// The last lines of a log.
fn shown(log: &[Value]) -> String {
    let lines: Vec<_> = log
        .iter()
        .rev()
        .take(8)
        .rev()
        .map(Value::to_string)
        .collect();
    lines.join("\n  ")
}
