//! Start, compare, load, kill; over and over on the same directory.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::chance::Chance;
use super::client::{self, Client};
use super::compare::Knowledge;
use super::figures::Figures;
use super::lane::{Lane, Way};
use super::note::Log;
use super::plan;
use super::sidecar::{PATIENCE, Place, Ready, Sidecar};

/// How long a load usually lasts at most; anything may be under way when it ends.
const LOAD_MAX: Duration = Duration::from_millis(150);

/// Loads that wait for a snapshot last until one begins by itself.
const LONG_LOAD_MAX: Duration = Duration::from_millis(1_500);

/// A kill while starting comes so long after the start at most.
const START_MAX: Duration = Duration::from_millis(40);

/// What the clients of each connection do; the first two connections are over the socket.
const CONNECTIONS: [&[Way]; 4] = [
    &[Way::Unary, Way::Unary, Way::Unary],
    &[Way::Unary, Way::Batch],
    &[Way::Unary, Way::Unary, Way::Stream],
    &[Way::Stream, Way::Batch, Way::Unary],
];

struct Run {
    place: Place,
    chance: Chance,
    knowledge: Knowledge,
    figures: Figures,
    /// The version of the plan file.
    version: u64,
}

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    KillInSnapshot,
    Terminate,
}

/// Kills so often; answers what was seen. Ends early when something is wrong.
pub async fn run(kills: u64, seed: u64) -> Figures {
    let folder = TempDir::new().unwrap();
    let mut run = Run {
        place: Place {
            folder: folder.path().to_owned(),
        },
        chance: Chance::new(seed),
        knowledge: Knowledge::default(),
        figures: Figures::default(),
        version: 1,
    };
    plan::write(&run.place.plan(), run.version);
    let went = run.rounds(kills).await;
    if let Err(problem) = went {
        run.figures.wrongs.push(problem);
    }
    run.figures.take(run.knowledge);
    run.figures
}

impl Run {
    async fn rounds(&mut self, kills: u64) -> Result<(), String> {
        while self.figures.kills < kills {
            self.round().await?;
            if self.is_wrong() {
                return Ok(());
            }
        }
        // What is left is booked, and survives a clean end.
        let (sidecar, _, mut client) = self.serving().await?;
        self.knowledge.commit_all(&mut client).await;
        self.knowledge.compare(&mut client, self.version).await;
        self.ended(sidecar.terminate().await?);
        let (sidecar, ..) = self.serving().await?;
        self.ended(sidecar.terminate().await?);
        Ok(())
    }

    fn is_wrong(&self) -> bool {
        !self.figures.wrongs.is_empty() || !self.knowledge.log.wrongs.is_empty()
    }

    async fn round(&mut self) -> Result<(), String> {
        if self.figures.starts > 0 && self.chance.percent(15) {
            return self.kill_while_starting().await;
        }
        let (sidecar, ready, _client) = self.serving().await?;
        if self.is_wrong() {
            return Ok(());
        }
        let end = match self.chance.below(100) {
            0..75 => End::Kill,
            75..92 => End::KillInSnapshot,
            _ => End::Terminate,
        };
        let lanes = self.lanes(&ready).await?;
        if self.chance.percent(20) {
            self.change_plan().await;
        }
        let log = match end {
            End::Kill => {
                tokio::time::sleep(self.chance.upto(LOAD_MAX)).await;
                sidecar.kill()?
            }
            End::KillInSnapshot => {
                self.until_snapshot().await;
                sidecar.kill()?
            }
            End::Terminate => {
                tokio::time::sleep(self.chance.upto(LOAD_MAX)).await;
                self.figures.terminations += 1;
                sidecar.terminate().await?
            }
        };
        self.figures.kills += u64::from(end != End::Terminate);
        self.ended(log);
        for lane in lanes {
            let log = tokio::time::timeout(PATIENCE, lane).await;
            let log = log.map_err(|_| "a client waits for an answer of a dead process")?;
            self.knowledge.log.merge(log.unwrap());
        }
        Ok(())
    }

    /// Kills before it serves, or just then. Nothing may have changed.
    async fn kill_while_starting(&mut self) -> Result<(), String> {
        let sidecar = Sidecar::start(&self.place);
        self.figures.starts += 1;
        tokio::time::sleep(self.chance.upto(START_MAX)).await;
        let log = sidecar.kill()?;
        self.figures.kills += 1;
        self.figures.kills_while_starting += 1;
        self.ended(log);
        Ok(())
    }

    /// Starts it, knocking all the while: who is answered is answered from books that are whole. Then compares.
    async fn serving(&mut self) -> Result<(Sidecar, Ready, Client), String> {
        let mut sidecar = Sidecar::start(&self.place);
        self.figures.starts += 1;
        let knocking = self.chance.percent(50).then(|| {
            let socket = self.place.socket();
            tokio::spawn(async move {
                let began = Instant::now();
                while began.elapsed() < PATIENCE {
                    if let Some(mut client) = client::over_socket(&socket).await
                        && let Ok(answer) = client::totals(&mut client, 0, "production").await
                    {
                        return answer.organization.map(|it| it.used);
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                None
            })
        });
        let ready = sidecar.ready().await?;
        self.figures.recoveries.push(ready.after);
        if let Some(knocking) = knocking {
            let used = knocking.await.unwrap();
            self.first_answer(used);
        }
        let client = client::over_socket(&self.place.socket()).await;
        let mut client = client.ok_or("its socket refuses although it is ready")?;
        self.knowledge.compare(&mut client, self.version).await;
        Ok((sidecar, ready, client))
    }

    /// The very first answer must tell of all that was acknowledged.
    fn first_answer(&mut self, used: Option<u64>) {
        let log = &self.knowledge.log;
        let acknowledged = log.used.iter().filter(|(who, _)| who.organization == 0);
        let least: u64 = acknowledged.map(|(_, used)| used).sum();
        if used.is_none_or(|used| used < least) {
            let problem = format!("the first answer tells of {used:?} credits, not of {least}");
            self.figures.wrongs.push(problem);
        }
    }

    async fn lanes(&mut self, ready: &Ready) -> Result<Vec<JoinHandle<Log>>, String> {
        let mut clients = Vec::new();
        for (at, ways) in CONNECTIONS.iter().enumerate() {
            let client = match at {
                0 | 1 => client::over_socket(&self.place.socket()).await,
                _ => client::over_tcp(&ready.server).await,
            };
            let client = client.ok_or("it refuses a connection although it is ready")?;
            clients.extend(ways.iter().map(|&way| (client.clone(), way)));
        }
        let shares = self.knowledge.log.share(clients.len());
        let lanes = clients.into_iter().zip(shares).map(|((client, way), log)| {
            let chance = self.chance.split();
            tokio::spawn(Lane { log, chance }.run(client, way))
        });
        Ok(lanes.collect())
    }

    /// A new version of the plan file, at some moment of the load; sometimes the kill comes before it applies.
    async fn change_plan(&mut self) {
        tokio::time::sleep(self.chance.upto(LOAD_MAX / 2)).await;
        self.version += 1;
        self.figures.plan_changes += 1;
        plan::write(&self.place.plan(), self.version);
    }

    /// Until one is being written that was not when we came.
    async fn until_snapshot(&mut self) {
        let began = Instant::now();
        let is_unfinished = |name: &String| name.ends_with(".unfinished");
        while began.elapsed() < LONG_LOAD_MAX {
            if self.place.names().iter().any(is_unfinished) {
                self.figures.kills_in_snapshots += 1;
                return;
            }
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    }

    /// Counts what a process has left.
    fn ended(&mut self, log: Vec<serde_json::Value>) {
        self.figures.logged(&log);
        self.figures.snapshots = self.place.number_last("snapshot-");
        self.figures.segments = self.place.number_last("journal-");
    }
}
