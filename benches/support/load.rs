//! A server in a process of its own, and loads on it.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use super::machine::cpu_ns;
use super::run::Seen;
use super::wire::Wire;
use super::work::Work;

/// Calls in flight, as in performance.md.
pub const IN_FLIGHT: usize = 64;

/// A child process that serves.
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// Closed with this value, and then the child ends.
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
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
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    pub fn process(&self) -> u32 {
        self.child.id()
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

/// One slice: so many calls in flight over these connections, each followed by the next, until the work is done.
pub fn slice(server: &Server, wires: &mut [Wire], in_flight: usize, work: &mut impl Work) -> Seen {
    seen(server, || closed(wires, in_flight, work))
}

/// What something costs the server that answers how many operations it did.
pub fn seen(server: &Server, work: impl FnOnce() -> u64) -> Seen {
    let (cpu_before, began) = (cpu_ns(server.process()), Instant::now());
    let operations = work();
    let cpu = cpu_ns(server.process()) - cpu_before;
    Seen {
        cpu_us: cpu as f64 / 1_000.0 / operations as f64,
        calls_per_second: operations as f64 / began.elapsed().as_secs_f64(),
    }
}

/// A call that is to be made: its lane, its path, and where its message ends.
type Next = (u32, &'static str, usize);

/// Closed loop; answers the operations done.
pub fn closed(wires: &mut [Wire], in_flight: usize, work: &mut impl Work) -> u64 {
    let (mut next, mut bodies) = (Vec::<Next>::new(), Vec::new());
    let (mut busy, mut operations) = (vec![0; wires.len()], 0);
    let connections = wires.len();
    for (number, wire) in wires.iter_mut().enumerate() {
        wire.wait(connections == 1);
        for lane in (number..in_flight).step_by(connections) {
            if let Some(path) = work.begin(lane, &mut bodies) {
                next.push((lane as u32, path, bodies.len()));
                busy[number] += 1;
            }
        }
        send(wire, &mut next, &mut bodies);
    }
    while busy.iter().any(|it| *it > 0) {
        let mut came = false;
        for (wire, busy) in wires.iter_mut().zip(&mut busy) {
            if *busy == 0 {
                continue;
            }
            came |= wire.receive(|lane, answer| {
                operations += work.answered(lane as usize, answer);
                if let Some(path) = work.begin(lane as usize, &mut bodies) {
                    next.push((lane, path, bodies.len()));
                } else {
                    *busy -= 1;
                }
            });
            send(wire, &mut next, &mut bodies);
        }
        if !came {
            // A server with several threads runs on this core too.
            std::thread::yield_now();
        }
    }
    operations
}

fn send(wire: &mut Wire, next: &mut Vec<Next>, bodies: &mut Vec<u8>) {
    let mut from = 0;
    for (lane, path, till) in next.drain(..) {
        wire.call(lane, path, &bodies[from..till]);
        from = till;
    }
    bodies.clear();
    wire.flush();
}

/// Latencies of calls that begin when their time comes, whether or not earlier ones are answered; in nanoseconds, from
/// the instant at which each was to begin.
pub fn paced(wire: &mut Wire, per_second: f64, lasts: Duration, work: &mut impl Work) -> Vec<u64> {
    let (mut next, mut bodies) = (Vec::<Next>::new(), Vec::new());
    let count = (per_second * lasts.as_secs_f64()) as usize;
    let due = |number: usize| Duration::from_secs_f64(number as f64 / per_second);
    let (mut taken, mut sent) = (Vec::with_capacity(count), 0);
    wire.wait(false);
    let began = Instant::now();
    while taken.len() < count {
        while sent < count && wire.has_room() && due(sent) <= began.elapsed() {
            let path = work.begin(sent, &mut bodies).expect("work without an end");
            next.push((sent as u32, path, bodies.len()));
            sent += 1;
            send(wire, &mut next, &mut bodies);
        }
        wire.receive(|number, answer| {
            work.answered(number as usize, answer);
            let late = began.elapsed().saturating_sub(due(number as usize));
            taken.push(late.as_nanos() as u64);
        });
        // What it gives back must reach the server even while nothing may be sent.
        wire.flush();
    }
    taken
}
