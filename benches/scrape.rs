//! What requests feel of a scrape each second: p99 with and without it, in pairs, against the program itself, with 100,000
//! users, half of them with a limit, and as many of them on the page as may be. Everything of the server runs on core 0, also
//! what writes the page.
//!
//! `QUOTAD_BENCH_PERCENT=2` makes plan and phases smaller, for a run that only shows that it runs.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]

#[path = "support/load.rs"]
mod load;
#[path = "support/machine.rs"]
mod machine;

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quotad::config::plan_file;
use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::rates::Cost;
use quotad::engine::order::{Charge, Subject};
use quotad::engine::proof::Proven;
use quotad::engine::recorder::Forgetful;
use quotad::engine::{Bounds, Engine};
use quotad::rpc::pb::quota_service_client::QuotaServiceClient;
use quotad::world::clock::SystemClock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pairs of phases, after one for warming up.
const PAIRS: usize = 5;

/// A load that leaves time: so many clients, each pausing after each pair of calls. At full load one would measure queues.
const CLIENTS: usize = 32;
const PAUSE: Duration = Duration::from_millis(3);

/// How often is scraped: far more often than anybody does.
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

fn main() {
    let users = scaled(100_000);
    let phase = Duration::from_millis(scaled(10_000) as u64);
    println!("machine: {}", machine::name());
    machine::pin(0);
    audit(users);
    let sidecar = Sidecar::start(users);
    machine::pin(1);
    println!(
        "load: {CLIENTS} clients on 1 connection, each a Reserve and its Commit and then 3 ms of nothing; {users} users, \
         half of them with a limit, 10,000 on the page; server and page on core 0, phases of {phase:?}"
    );
    let (mut without, mut with) = (machine::Figure::default(), machine::Figure::default());
    let (mut ratio, mut took) = (machine::Figure::default(), machine::Figure::default());
    let mut bytes = 0;
    for pair in 0..=PAIRS {
        // The order changes from pair to pair: whatever drifts concerns both sides.
        let mut p99 = [0.0; 2];
        for side in [pair % 2, 1 - pair % 2] {
            let scrapes = (side == 1).then(|| Scrapes::start(&sidecar.probes));
            p99[side] = measure(&sidecar, users, phase);
            for (size, millis) in scrapes.map(Scrapes::end).unwrap_or_default() {
                bytes = size;
                took.add(millis);
            }
        }
        if pair > 0 {
            without.add(p99[0]);
            with.add(p99[1]);
            ratio.add(p99[1] / p99[0]);
        }
    }
    println!("    p99 without scrapes                                    {without} us");
    println!("    p99 with a scrape each second                          {with} us");
    println!("    a page of {bytes} bytes takes                          {took} ms");
    machine::against(
        "p99 with a scrape each second / without",
        &ratio,
        "x",
        1.1,
        1.0,
    );
}

/// How long the audit of the counters holds a shard's lock: nothing else wants it here, so that it is the time of a step.
fn audit(users: usize) {
    let text = "organizations: {acme: {grants: [{kind: contract, credits: 9000000}]}}\n";
    let plan = plan_file::parse(text, "plan.yaml").unwrap();
    let clock = Arc::new(SystemClock::new());
    let engine = Engine::new(Bounds::default(), 1, clock, Arc::new(Forgetful));
    engine.apply_plan(plan).unwrap();
    for number in 0..users {
        let user = user(number);
        let name = |text| Name::parse(text).unwrap();
        let subject = Subject::new(name("acme"), name("production"), Some(name(&user)));
        let cost = Cost::Credits {
            amount: Credits::saturating(1),
            operation: None,
        };
        let id = None;
        engine.charge(&Charge { subject, cost, id }).unwrap();
    }
    let id = engine.organization_after(None).unwrap();
    let (mut steps, mut whole) = (machine::Figure::default(), machine::Figure::default());
    for _ in 0..PAIRS {
        let (began, mut last, mut longest) = (Instant::now(), Instant::now(), 0.0_f64);
        let proven = engine.prove(id, &mut || {
            longest = longest.max(last.elapsed().as_secs_f64() * 1e6);
            last = Instant::now();
        });
        let Proven::Whole(proof) = proven else {
            panic!("nothing is in its way: {proven:?}");
        };
        assert_eq!(proof.difference, 0);
        whole.add(began.elapsed().as_secs_f64() * 1e3);
        steps.add(longest);
    }
    println!(
        "audit of {users} users                                 {whole} ms; the longest step {steps} us"
    );
}

/// So much of a count as `QUOTAD_BENCH_PERCENT` says.
fn scaled(count: usize) -> usize {
    let percent = std::env::var("QUOTAD_BENCH_PERCENT").ok();
    let percent = percent.and_then(|it| it.parse().ok()).unwrap_or(100);
    (count * percent / 100).max(1)
}

/// p99 of a call in microseconds.
fn measure(sidecar: &Sidecar, users: usize, phase: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut all = runtime.block_on(async {
        let address = format!("http://{}", sidecar.server);
        let endpoint = tonic::transport::Endpoint::from_shared(address).unwrap();
        let channel = endpoint.tcp_nodelay(true).connect().await.unwrap();
        let client = QuotaServiceClient::new(channel);
        let lanes = (0..CLIENTS).map(|lane| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let (began, mut taken, mut at) = (Instant::now(), Vec::new(), lane * 7_919);
                while began.elapsed() < phase {
                    at = (at + 104_729) % users;
                    let asked = Instant::now();
                    let answer = client.reserve(load::reserve("acme", user(at))).await;
                    taken.push(asked.elapsed().as_secs_f64() * 1e6);
                    let id = answer.unwrap().into_inner().reservation.unwrap().id;
                    let asked = Instant::now();
                    client.commit(load::commit(id)).await.unwrap();
                    taken.push(asked.elapsed().as_secs_f64() * 1e6);
                    tokio::time::sleep(PAUSE).await;
                }
                taken
            })
        });
        let mut all = Vec::new();
        for lane in lanes.collect::<Vec<_>>() {
            all.extend(lane.await.unwrap());
        }
        all
    });
    all.sort_by(f64::total_cmp);
    all[(all.len() * 99 / 100).min(all.len() - 1)]
}

fn user(number: usize) -> String {
    format!("user-{number:06}")
}

/// The program itself, in a folder of its own.
struct Sidecar {
    process: Child,
    folder: PathBuf,
    server: String,
    probes: String,
}

impl Sidecar {
    fn start(users: usize) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrape");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        let mut plan = "organizations:\n  acme:\n    grants: [{kind: contract, credits: 8000000000000000}]\n    \
                        environments: {production: {allocation: 4000000000000000}}\n    users:\n"
            .to_owned();
        // A plan file has no more than 250,000 nodes of YAML.
        for number in 0..users.div_ceil(2) {
            let name = user(number);
            writeln!(plan, "      {name}: {{limit: 10000000000}}").unwrap();
        }
        let at = |name: &str| folder.join(name);
        std::fs::write(at("plan.yaml"), plan).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_quotad"))
            .args(["serve", "--listen", "127.0.0.1:0", "--probes-listen"])
            .args(["127.0.0.1:0", "--management-listen", "none"])
            .args(["--threads", "1", "--metrics-users", "10000", "--plan"])
            .arg(at("plan.yaml"))
            .arg("--data-dir")
            .arg(at("data"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut it = Self {
            process,
            folder: folder.clone(),
            server: String::new(),
            probes: String::new(),
        };
        let until = Instant::now() + Duration::from_secs(60);
        while it.probes.is_empty() {
            assert!(Instant::now() < until, "the sidecar is not ready in time");
            std::thread::sleep(Duration::from_millis(50));
            let log = std::fs::read_to_string(at("log")).unwrap();
            let said = |key: &str| {
                let (_, rest) = log.split_once(&format!("\"{key}\":\""))?;
                Some(rest.split('"').next()?.to_owned())
            };
            it.server = said("server").unwrap_or_default().replace("http://", "");
            it.probes = said("probes").unwrap_or_default();
        }
        it
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Scrapes that go on until they are told to end.
struct Scrapes {
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<(usize, f64)>>,
}

impl Scrapes {
    fn start(probes: &str) -> Self {
        let (is_over, probes) = (Arc::new(AtomicBool::new(false)), probes.to_owned());
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let (mut taken, mut next) = (Vec::new(), Instant::now());
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
                if Instant::now() >= next {
                    next += SCRAPE_EVERY;
                    let asked = Instant::now();
                    let bytes = scrape(&probes);
                    taken.push((bytes, asked.elapsed().as_secs_f64() * 1e3));
                }
            }
            taken
        });
        Self { is_over, thread }
    }

    /// The size of each page, and the milliseconds that it took.
    fn end(self) -> Vec<(usize, f64)> {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn scrape(probes: &str) -> usize {
    let mut stream = TcpStream::connect(probes).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: probes\r\nconnection: close\r\naccept: application/openmetrics-text\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut page = Vec::new();
    stream.read_to_end(&mut page).unwrap();
    assert!(page.ends_with(b"# EOF\n"), "a whole page");
    page.len()
}
