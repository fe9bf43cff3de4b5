//! A server in a process of its own, and a load on it: one connection, 64 calls in flight, Reserve and Commit in turn.
// A benchmark measures time; nothing else may read a raw clock.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use quotad::rpc::pb;
use quotad::rpc::pb::quota_service_client::QuotaServiceClient;
use tokio::io::AsyncReadExt;

use super::machine::cpu_ns;

/// Calls in flight, as in performance.md.
const IN_FLIGHT: usize = 64;

/// Users that take turns.
const USERS: usize = 1_000;

/// Pairs of calls in one repetition: about a second.
const PAIRS: usize = 40_000;

/// A child process that serves.
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// Closed with this value, and then the child ends.
    _stdin: ChildStdin,
}

/// One repetition.
pub struct Seen {
    /// CPU of the server per call.
    pub cpu_us: f64,
    /// Reserve and Commit count as two.
    pub calls_per_second: f64,
}

impl Server {
    /// This very program with other arguments; it tells its address on its first line.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim().parse().expect("the server tells its address");
        let stdin = child.stdin.take().unwrap();
        Self {
            child,
            address,
            _stdin: stdin,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _gone = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// In the child: tells the address.
pub fn tell(address: SocketAddr) {
    println!("{address}");
}

/// In the child: waits until the parent closes its end.
pub async fn parent_gone() {
    let mut byte = [0];
    let mut stdin = tokio::net::unix::pipe::Receiver::from_owned_fd(
        std::os::fd::AsFd::as_fd(&std::io::stdin())
            .try_clone_to_owned()
            .unwrap(),
    )
    .unwrap();
    // End or error: the parent is gone.
    let _gone = stdin.read(&mut byte).await;
}

/// One repetition of the load.
pub fn measure(server: &Server) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let endpoint =
            tonic::transport::Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
        let channel = endpoint.tcp_nodelay(true).connect().await.unwrap();
        let client = QuotaServiceClient::new(channel);
        let (cpu_before, began) = (cpu_ns(server.child.id()), Instant::now());
        let lanes: Vec<_> = (0..IN_FLIGHT)
            .map(|lane| tokio::spawn(pairs(client.clone(), lane)))
            .collect();
        for lane in lanes {
            lane.await.unwrap();
        }
        let (cpu, seconds) = (
            cpu_ns(server.child.id()) - cpu_before,
            began.elapsed().as_secs_f64(),
        );
        let calls = 2.0 * (PAIRS / IN_FLIGHT * IN_FLIGHT) as f64;
        Seen {
            cpu_us: cpu as f64 / 1_000.0 / calls,
            calls_per_second: calls / seconds,
        }
    })
}

async fn pairs(mut client: QuotaServiceClient<tonic::transport::Channel>, lane: usize) {
    for turn in 0..PAIRS / IN_FLIGHT {
        let user = format!("user-{:04}", (lane + turn * IN_FLIGHT) % USERS);
        let reserve = pb::ReserveRequest {
            subject: Some(pb::Subject {
                organization: "acme".to_owned(),
                environment: "production".to_owned(),
                user,
                ..Default::default()
            }),
            cost: Some(pb::Cost {
                amount: Some(pb::cost::Amount::Credits(100)),
                ..Default::default()
            }),
            ..Default::default()
        };
        let reserved = client.reserve(reserve).await.expect("granted").into_inner();
        let commit = pb::CommitRequest {
            reservation_id: reserved.reservation.expect("a reservation").id,
            actual: Some(pb::commit_request::Actual::Amount(80)),
            excess: 0,
        };
        client.commit(commit).await.expect("committed");
    }
}
