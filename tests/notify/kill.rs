//! `kill -9` at random moments with the real binary, under load that crosses thresholds all the time, and a receiver that
//! fails now and then: what fired is told, and is one event.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quotad::rpc::pb;
use quotad::rpc::pb::quota_service_client::QuotaServiceClient;
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

use super::house::{PATIENCE, once};
use super::receiver::{KEY, Mood, Receiver};

const KILLS: u64 = 30;
const USERS: usize = 120;
const LIMIT: u64 = 1_000;
const MARKS: [u64; 10] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number"))
    })
}

fn plan() -> String {
    use chrono::Datelike;
    // A cycle that does not end while this runs.
    let day = if (8..=21).contains(&chrono::Utc::now().day()) {
        1
    } else {
        15
    };
    let mut text = format!(
        "organizations:\n  acme:\n    cycle: {{kind: month, anchor_day: {day}}}\n    thresholds: {MARKS:?}\n    grants: \
         [{{kind: contract, credits: 1000000000}}]\n    users:\n"
    );
    for user in 0..USERS {
        text += &format!("      u{user:05}: {{limit: {LIMIT}}}\n");
    }
    text
}

struct Sidecar {
    process: Child,
    server: String,
    errors: Arc<parking_lot::Mutex<Vec<String>>>,
}

impl Sidecar {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_quotad"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--probes-listen",
                "none",
                "--management-listen",
                "none",
                "--threads",
                "1",
            ])
            .args([
                "--snapshot-interval",
                "1s",
                "--journal-bytes-max",
                "4MiB",
                "--fsync-interval",
                "20ms",
            ])
            .arg("--config")
            .arg(folder.join("quotad.yaml"))
            .arg("--data-dir")
            .arg(folder.join("data"))
            .arg("--plan")
            .arg(folder.join("plan.yaml"))
            .env("QUOTAD_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let errors = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let server = loop {
            let line = lines.next().expect("it ended before it was ready").unwrap();
            let value: Value =
                serde_json::from_str(&line).unwrap_or_else(|_| panic!("it logged {line}"));
            if value["message"] == "ready" {
                break value["server"].as_str().unwrap().to_owned();
            }
        };
        let kept = Arc::clone(&errors);
        std::thread::spawn(move || {
            for line in lines
                .map_while(Result::ok)
                .filter(|line| line.contains("\"ERROR\""))
            {
                kept.lock().push(line);
            }
        });
        Self {
            process,
            server,
            errors,
        }
    }

    fn kill(mut self) -> Vec<String> {
        assert!(
            self.process.try_wait().unwrap().is_none(),
            "it ended by itself"
        );
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let errors = self.errors.lock();
        errors.clone()
    }

    async fn terminate(mut self) -> Vec<String> {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let began = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let errors = self.errors.lock();
        errors.clone()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

async fn client(server: &str) -> QuotaServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(server.to_owned()).unwrap();
    QuotaServiceClient::new(endpoint.connect().await.unwrap())
}

/// Charges one user; whether it was answered at all.
async fn charge(client: &mut QuotaServiceClient<Channel>, user: u64, credits: u64) -> bool {
    let request = pb::ChargeRequest {
        subject: Some(pb::Subject {
            organization: "acme".into(),
            user: format!("u{user:05}"),
            ..Default::default()
        }),
        cost: Some(pb::Cost {
            amount: Some(pb::cost::Amount::Credits(credits)),
            ..Default::default()
        }),
        request_id: Vec::new(),
    };
    match client.charge(request).await {
        Ok(_) => true,
        Err(status) => status.code() == tonic::Code::ResourceExhausted,
    }
}

/// The events of the files: number, account and mark, id.
fn written(data: &Path) -> Vec<(u64, String, String)> {
    let mut names: Vec<_> = std::fs::read_dir(data)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    names.retain(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("events-")
    });
    names.sort();
    let mut events = Vec::new();
    for path in names {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let Some(Ok(line)) = line.get(9..).map(serde_json::from_str::<Value>) else {
                continue;
            };
            let event = &line["event"];
            // The plan's audit entries stand in the same log, and are told to nobody.
            let what = &event["what"]["threshold"];
            if what.is_object() {
                let name = format!(
                    "{} {}",
                    what["account"]["user"].as_str().unwrap_or("?"),
                    what["percent"]
                );
                events.push((
                    event["sequence"].as_u64().unwrap(),
                    name,
                    event["id"].as_str().unwrap().to_owned(),
                ));
            }
        }
    }
    events
}

#[test]
fn through_kill_nine_at_random_moments_every_threshold_is_told_and_is_one_event() {
    let kills = variable("QUOTAD_NOTIFY_KILLS").unwrap_or(KILLS);
    let seed = variable("QUOTAD_NOTIFY_SEED").unwrap_or_else(|| getrandom::u64().unwrap() >> 32);
    println!("QUOTAD_NOTIFY_KILLS={kills} QUOTAD_NOTIFY_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(kills, Chance(seed)));
}

async fn run(kills: u64, mut chance: Chance) {
    let folder = tempfile::tempdir().unwrap();
    let calm = Arc::new(AtomicBool::new(false));
    let is_calm = Arc::clone(&calm);
    let receiver = Receiver::start(0, move |attempt, _| match attempt % 97 {
        _ if is_calm.load(Ordering::SeqCst) => Mood::Well,
        13 => Mood::Answers(500),
        41 => Mood::Closes,
        77 => Mood::Refuses,
        _ => Mood::Well,
    })
    .await;
    let settings = format!(
        "notifications:\n  sinks:\n    - webhook: {{url: \"{}\", secret: {KEY}}}\n    - log: {{}}\n",
        receiver.url("/hook")
    );
    std::fs::write(folder.path().join("quotad.yaml"), settings).unwrap();
    std::fs::write(folder.path().join("plan.yaml"), plan()).unwrap();
    let (mut charges, mut errors) = (0_u64, Vec::new());
    // What crosses in each round is about the same.
    let step = LIMIT * 3 / 4 / kills.max(1);
    for _ in 0..kills {
        let sidecar = Sidecar::start(folder.path());
        let (mut one, end) = (
            client(&sidecar.server).await,
            Duration::from_micros(5_000 + chance.below(250_000)),
        );
        let first = chance.below(USERS as u64);
        let load = async {
            let mut done = 0;
            for user in 0..USERS as u64 {
                if !charge(&mut one, (first + user) % USERS as u64, step).await {
                    break;
                }
                done += 1;
            }
            done
        };
        let began = Instant::now();
        charges += tokio::time::timeout(end, load).await.unwrap_or(0);
        tokio::time::sleep(end.saturating_sub(began.elapsed())).await;
        errors.extend(sidecar.kill());
    }
    // Everybody to the limit, so that every mark has fired.
    calm.store(true, Ordering::SeqCst);
    let sidecar = Sidecar::start(folder.path());
    let mut one = client(&sidecar.server).await;
    for user in 0..USERS as u64 {
        for credits in [LIMIT / 2, LIMIT / 4, 100, 50, 20, 10, 5, 2, 1] {
            // What is denied is too much: less fits.
            for _ in 0..4 {
                assert!(charge(&mut one, user, credits).await);
            }
        }
    }
    let expected = USERS * MARKS.len();
    let data = folder.path().join("data");
    let began = Instant::now();
    while receiver.accepted("/hook") < expected && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    errors.extend(sidecar.terminate().await);
    let written = written(&data);
    let (mut by_name, mut by_id) = (BTreeMap::new(), BTreeMap::new());
    for (_, name, id) in &written {
        *by_name.entry(name.clone()).or_insert(0) += 1;
        *by_id.entry(id.clone()).or_insert(0) += 1;
    }
    let all = (0..USERS).flat_map(|user| MARKS.map(|mark| format!("u{user:05} {mark}")));
    let missing = all.filter(|name| !by_name.contains_key(name)).count();
    let twice = by_name
        .values()
        .chain(by_id.values())
        .filter(|&&count| count > 1)
        .count();
    let posts = receiver.posts("/hook");
    let told: BTreeSet<_> = posts.iter().map(|post| post.id.clone()).collect();
    let untold = by_id.keys().filter(|id| !told.contains(*id)).count();
    // In order: nothing is told for the first time after something that is newer.
    let numbers: BTreeMap<_, _> = written
        .iter()
        .map(|(number, _, id)| (id.clone(), *number))
        .collect();
    let (order, _) = once(posts.iter().map(|post| post.id.clone()));
    let mut seen = BTreeSet::new();
    let first: Vec<_> = order
        .iter()
        .filter(|id| seen.insert((*id).clone()))
        .map(|id| numbers[id])
        .collect();
    let disorder = first.windows(2).filter(|two| two[0] > two[1]).count();
    println!(
        "notify kill: {kills} kills, {charges} charges of load; {} events in the log, {} posts ({} again with the same id); \
         emitted twice {twice}, missing {missing}, never told {untold}, out of order {disorder}, signatures wrong {}, errors \
         logged {}",
        written.len(),
        posts.len(),
        posts.len() - told.len(),
        receiver.wrongs().len(),
        errors.len(),
    );
    assert_eq!((twice, missing, untold, disorder), (0, 0, 0, 0));
    assert_eq!(receiver.wrongs(), Vec::<String>::new());
    assert_eq!(errors, Vec::<String>::new());
}
