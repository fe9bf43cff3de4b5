//! The running binary under a test, and a socket in front of it that can lose answers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quotad_client::{OnUnavailable, Quota};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const PLAN: &str = "
organizations:
  default:
    grants: [{kind: contract, credits: 10000}]
    environments: {prod: {allocation: 100}}
    users: {ana: {limit: 1000, type: hard}, bo: {limit: 100, type: hard}}
rate_card:
  receipt: {credits: 32}
";

/// One data directory and one Unix socket in a folder, however often it is started.
pub struct Sidecar {
    binary: String,
    folder: TempDir,
    process: Child,
}

impl Sidecar {
    /// Starts it, and waits until it answers.
    pub fn start() -> Self {
        let binary = std::env::var("QUOTAD")
            .expect("QUOTAD must name the quotad binary: the tests run against the real one");
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("plan.yaml"), PLAN).unwrap();
        let process = spawn(&binary, &folder);
        Self {
            binary,
            folder,
            process,
        }
    }

    /// The same again, over the same books.
    pub fn restart(&mut self) {
        self.process = spawn(&self.binary, &self.folder);
    }

    /// Ends it at once, as kill -9 does.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("quotad.sock")
    }

    pub fn client(&self) -> Quota {
        client(&self.socket())
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A client that denies when no sidecar answers.
pub fn client(socket: &std::path::Path) -> Quota {
    let address = format!("unix:{}", socket.display());
    Quota::new(&address, OnUnavailable::Deny)
        .unwrap()
        .timeout(Duration::from_secs(20))
}

fn spawn(binary: &str, folder: &TempDir) -> Child {
    let path = |name: &str| folder.path().join(name);
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path("log"))
        .unwrap();
    let process = Command::new(binary)
        .arg("--plan")
        .arg(path("plan.yaml"))
        .arg("--socket")
        .arg(path("quotad.sock"))
        .arg("--data-dir")
        .arg(path("data"))
        .args([
            "--listen",
            "none",
            "--probes-listen",
            "none",
            "--management-listen",
            "none",
        ])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let probes = format!("unix:{}", path("quotad.sock").display());
    let waited = Command::new(binary)
        .args(["wait", "--probes", &probes, "--timeout", "20s"])
        .output()
        .unwrap();
    let log = std::fs::read_to_string(path("log")).unwrap();
    assert!(waited.status.success(), "no answer within 20 s: {log}");
    process
}

const PREFACE_BYTES: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const HEAD_BYTES: usize = 9;

/// The type of the HTTP/2 frame that begins a request or a response.
const HEADERS: u8 = 1;

/// A socket in front of the sidecar that can lose answers: it cuts the connection where a response begins, which is when
/// the sidecar has done what was asked for.
pub struct Lossy {
    folder: TempDir,
    /// So many answers are lost from now on.
    pub lose: Arc<AtomicU32>,
    /// Requests that came.
    pub requests: Arc<AtomicU32>,
}

impl Lossy {
    pub fn before(sidecar: &Sidecar) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join("lossy.sock")).unwrap();
        let (lose, requests) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (to_lose, came, upstream) =
            (Arc::clone(&lose), Arc::clone(&requests), sidecar.socket());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&upstream).await.unwrap();
                let (to_lose, came) = (Arc::clone(&to_lose), Arc::clone(&came));
                tokio::spawn(async move {
                    let ((near_reads, near_writes), (far_reads, far_writes)) =
                        (near.into_split(), far.into_split());
                    let asked = move || {
                        came.fetch_add(1, Ordering::SeqCst);
                        true
                    };
                    let less = |count: u32| count.checked_sub(1);
                    let answered = move || {
                        to_lose
                            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
                            .is_err()
                    };
                    // Whichever ends first takes the other with it, and both connections are closed.
                    tokio::select! {
                        _ = pass_on(near_reads, far_writes, PREFACE_BYTES, asked) => {}
                        _ = pass_on(far_reads, near_writes, 0, answered) => {}
                    }
                });
            }
        });
        Self {
            folder,
            lose,
            requests,
        }
    }

    pub fn client(&self) -> Quota {
        client(&self.folder.path().join("lossy.sock"))
    }

    pub fn lose(&self, answers: u32) {
        self.lose.store(answers, Ordering::SeqCst);
    }

    /// How many answers are still to be lost, and how many requests came.
    pub fn counts(&self) -> (u32, u32) {
        (
            self.lose.load(Ordering::SeqCst),
            self.requests.load(Ordering::SeqCst),
        )
    }
}

/// Passes whole frames on, until one of HEADERS may not pass or a side closes.
async fn pass_on(
    mut source: impl AsyncReadExt + Unpin,
    mut sink: impl AsyncWriteExt + Unpin,
    preface: usize,
    may_pass: impl Fn() -> bool,
) -> std::io::Result<()> {
    let mut frame = vec![0; preface];
    source.read_exact(&mut frame).await?;
    sink.write_all(&frame).await?;
    loop {
        let mut head = [0; HEAD_BYTES];
        source.read_exact(&mut head).await?;
        if head[3] == HEADERS && !may_pass() {
            return Ok(());
        }
        let size = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        frame.resize(usize::try_from(size).unwrap(), 0);
        source.read_exact(&mut frame).await?;
        sink.write_all(&head).await?;
        sink.write_all(&frame).await?;
    }
}
