//! A server in a process of its own, and a load on it: one connection, Reserve and Commit in turn.
// A benchmark measures time; nothing else may read a raw clock.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use quotad::rpc::pb;
use quotad::rpc::pb::quota_service_client::QuotaServiceClient;
use tokio::io::AsyncReadExt;

use super::machine::cpu_ns;

/// Calls in flight, as in performance.md.
pub const IN_FLIGHT: usize = 64;

/// Users that take turns.
const USERS: usize = 1_000;

/// Pairs of calls in one repetition: about a second.
pub const PAIRS: usize = 40_000;

/// A child process that serves.
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// Closed with this value, and then the child ends.
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
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
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().parse().expect("the server tells its address");
        let stdin = child.stdin.take().unwrap();
        Self {
            child,
            address,
            stdin,
            stdout,
        }
    }

    /// Says a line to a child that listens, and waits for its line.
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }

    /// A connection.
    pub async fn client(&self) -> QuotaServiceClient<tonic::transport::Channel> {
        let endpoint =
            tonic::transport::Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let channel = endpoint.tcp_nodelay(true).connect().await.unwrap();
        QuotaServiceClient::new(channel)
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

/// One repetition of the load, with 64 calls in flight.
pub fn measure(server: &Server) -> Seen {
    measure_with(server, IN_FLIGHT, PAIRS)
}

/// One repetition of so many pairs, with so many calls in flight.
pub fn measure_with(server: &Server, in_flight: usize, pairs: usize) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = server.client().await;
        let (cpu_before, began) = (cpu_ns(server.child.id()), Instant::now());
        let lanes: Vec<_> = (0..in_flight)
            .map(|lane| tokio::spawn(lane_of(client.clone(), lane, in_flight, pairs)))
            .collect();
        for lane in lanes {
            lane.await.unwrap();
        }
        let (cpu, seconds) = (
            cpu_ns(server.child.id()) - cpu_before,
            began.elapsed().as_secs_f64(),
        );
        let calls = 2.0 * (pairs / in_flight * in_flight) as f64;
        Seen {
            cpu_us: cpu as f64 / 1_000.0 / calls,
            calls_per_second: calls / seconds,
        }
    })
}

async fn lane_of(
    mut client: QuotaServiceClient<tonic::transport::Channel>,
    lane: usize,
    in_flight: usize,
    pairs: usize,
) {
    for turn in 0..pairs / in_flight {
        let user = format!("user-{:04}", (lane + turn * in_flight) % USERS);
        let reserved = client
            .reserve(reserve("acme", user))
            .await
            .expect("granted");
        let reservation = reserved.into_inner().reservation.expect("a reservation");
        client
            .commit(commit(reservation.id))
            .await
            .expect("committed");
    }
}

/// Holds 100 credits.
pub fn reserve(organization: &str, user: String) -> pb::ReserveRequest {
    pb::ReserveRequest {
        subject: Some(pb::Subject {
            organization: organization.to_owned(),
            environment: "production".to_owned(),
            user,
            ..Default::default()
        }),
        cost: Some(pb::Cost {
            amount: Some(pb::cost::Amount::Credits(100)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Books 80 of them.
pub fn commit(reservation_id: Vec<u8>) -> pb::CommitRequest {
    pb::CommitRequest {
        reservation_id,
        actual: Some(pb::commit_request::Actual::Amount(80)),
        excess: 0,
    }
}
