//! Who is told. Each sink has a task and a cursor of its own: in order, again and again with growing pauses, until the event
//! is delivered or its time is over. One that hangs or fails delays nobody else.

pub(super) mod email;
mod log;
pub(super) mod secret;
pub(super) mod webhook;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::domain::time::Timestamp;
use crate::world::sabotage::{self, Fault};

use super::Notifications;
use super::event::Event;
use super::query::{After, DeadLetter, EventFilter};
use super::watch::Subscription;
use email::Email;
use secret::Secret;
use webhook::Webhook;

/// A mail server may think longer than a webhook, and is asked several things.
const EMAIL_PATIENCE: u32 = 3;

/// How deliveries are tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The pause after the first failure; each further one is twice as long, give or take chance.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// So long after the first attempt an event is given up.
    pub give_up_after: Duration,
    /// An attempt takes so long at most.
    pub attempt_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(3_600),
            give_up_after: Duration::from_secs(86_400),
            attempt_max: Duration::from_secs(10),
        }
    }
}

impl Pace {
    /// The pauses, one after the other, without end. The seed lets those who failed together try apart.
    fn pauses(&self, seed: u64) -> impl Iterator<Item = Duration> + use<> {
        let longest = self.pause_max;
        let pauses = ExponentialBuilder::new()
            .with_min_delay(self.pause_first)
            .with_max_delay(longest)
            .without_max_times()
            .with_jitter()
            .with_jitter_seed(seed);
        pauses.build().map(move |pause| pause.min(longest))
    }
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Names its cursor: another name is another sink, which is told from then on.
    pub name: Box<str>,
    /// Where.
    pub target: Target,
}

/// Where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// CloudEvents over HTTP.
    Webhook(Webhook),
    /// Letters over SMTP.
    Email(Email),
    /// The log of the process.
    Log,
}

impl Target {
    /// In one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Email(_) => "email",
            Self::Log => "log",
        }
    }
}

/// Delivers to a target.
enum Courier {
    Webhook(webhook::Courier),
    Email(Box<email::Courier>),
    Log,
}

impl Courier {
    fn new(target: Target, pace: &Pace) -> Result<Self, String> {
        Ok(match target {
            Target::Webhook(webhook) => Self::Webhook(webhook::Courier::new(webhook, pace)?),
            Target::Email(email) => Self::Email(Box::new(email::Courier::new(email, pace)?)),
            Target::Log => Self::Log,
        })
    }

    async fn deliver(&self, event: &Event, now: Timestamp, pace: &Pace) -> Result<(), String> {
        let (patience, attempt) = match self {
            Self::Webhook(courier) => (
                pace.attempt_max,
                tokio::time::timeout(pace.attempt_max, courier.deliver(event, now)).await,
            ),
            Self::Email(courier) => {
                let patience = pace.attempt_max * EMAIL_PATIENCE;
                (
                    patience,
                    tokio::time::timeout(patience, courier.deliver(event)).await,
                )
            }
            Self::Log => {
                log::deliver(event);
                return Ok(());
            }
        };
        attempt.unwrap_or_else(|_| Err(format!("no answer within {patience:?}")))
    }
}

/// The sinks' thread, and how to end it.
pub(super) struct Running {
    stage: watch::Sender<Stage>,
    thread: Option<JoinHandle<()>>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// Deliver what waits; what fails is at the next start.
    Drain,
    /// Now.
    End,
}

/// Starts the sinks on a thread of their own: what they do may block nobody.
pub(super) fn start(log: &Notifications, sinks: Vec<Sink>) -> io::Result<Running> {
    super::install_crypto();
    let mut tasks = Vec::new();
    let (stage, watched) = watch::channel(Stage::Running);
    for sink in sinks {
        let courier = Courier::new(sink.target, &log.0.pace)
            .map_err(|problem| io::Error::other(format!("the sink {}: {problem}", sink.name)))?;
        tasks.push(Task::new(log.clone(), sink.name, courier, watched.clone())?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new()
        .name("quotad-sinks".to_owned())
        .spawn(move || {
            runtime.block_on(run(tasks, watched));
            // Whoever still reads a file is left to it.
            runtime.shutdown_background();
        })?;
    Ok(Running {
        stage,
        thread: Some(thread),
    })
}

/// Until all have ended, or must.
async fn run(tasks: Vec<Task>, mut stage: watch::Receiver<Stage>) {
    let mut running = JoinSet::new();
    for task in tasks {
        running.spawn(task.run());
    }
    let all = async {
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a sink ended in a panic, which is a defect: {error}");
            }
        }
    };
    tokio::select! {
        () = all => {}
        () = ends(&mut stage, Stage::End) => {}
    }
}

/// Until the end has come so far. Whoever is to say so may be gone: that is the end too.
async fn ends(stage: &mut watch::Receiver<Stage>, far: Stage) {
    drop(stage.wait_for(|stage| *stage >= far).await);
}

impl Running {
    /// Ends within so long.
    pub(super) fn stop(&mut self, limit: Duration) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.stage.send_replace(Stage::Drain);
        let step = Duration::from_millis(2);
        let mut waited = Duration::ZERO;
        while !thread.is_finished() && waited < limit {
            std::thread::sleep(step);
            waited += step;
        }
        self.stage.send_replace(Stage::End);
        if thread.join().is_err() {
            tracing::error!("the thread of the sinks had ended in a panic");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// One sink at work.
struct Task {
    log: Notifications,
    name: Box<str>,
    courier: Courier,
    events: Subscription,
    /// Rung when dead letters are to be tried once more.
    wake: Arc<Notify>,
    stage: watch::Receiver<Stage>,
    seed: u64,
}

impl Task {
    fn new(
        log: Notifications,
        name: Box<str>,
        courier: Courier,
        stage: watch::Receiver<Stage>,
    ) -> io::Result<Self> {
        let (after, wake) = {
            let shelf = log.0.shelf.lock();
            let standing = shelf.sinks.get(&name);
            standing
                .map(|it| (it.after, Arc::clone(&it.wake)))
                .unwrap_or_default()
        };
        let events = log
            .subscribe(EventFilter::default(), After::Sequence(after))
            .map_err(io::Error::other)?;
        let seed = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self {
            log,
            name,
            courier,
            events,
            wake,
            stage,
            seed,
        })
    }

    async fn run(mut self) {
        loop {
            self.replay().await;
            let mut stage = self.stage.clone();
            let event = tokio::select! {
                biased;
                event = self.events.next() => event,
                () = self.wake.notified() => continue,
                () = ends(&mut stage, Stage::Drain) => return,
            };
            match event {
                Ok(event) => {
                    if !self.deliver(&event).await {
                        return;
                    }
                }
                Err(error) => {
                    let sink = &self.name;
                    tracing::error!(%sink, "{error}; it is tried again");
                    if !self
                        .pause(self.log.0.pace.pause_max.min(Duration::from_secs(10)))
                        .await
                    {
                        return;
                    }
                }
            }
        }
    }

    /// Delivers an event, however often it takes; answers whether to go on.
    async fn deliver(&mut self, event: &Event) -> bool {
        if sabotage::is(Fault::CursorFirst) {
            self.change(|shelf, name| shelf.passed(name, event.sequence));
        }
        let pace = self.log.0.pace.clone();
        let mut pauses = pace.pauses(self.seed ^ event.sequence);
        let mut attempts = 0_u32;
        loop {
            attempts = attempts.saturating_add(1);
            let Err(problem) = self.attempt(event).await else {
                self.change(|shelf, name| {
                    shelf.delivered(name);
                    shelf.passed(name, event.sequence);
                });
                return true;
            };
            let now = self.log.0.now();
            let since = self.change(|shelf, name| shelf.failed(name, &problem, now, false));
            let (sink, id) = (&self.name, event.id);
            let left = pace.give_up_after.saturating_sub(now.since(since));
            if left.is_zero() {
                tracing::error!(%sink, %id, attempts, "an event was not delivered in time and is a dead letter: {problem}");
                let letter = self.dead_letter(event, attempts, &problem);
                self.change(|shelf, name| {
                    shelf.bury(letter);
                    shelf.passed(name, event.sequence);
                });
                return true;
            }
            tracing::warn!(%sink, %id, attempts, "an event was not delivered, and is tried again: {problem}");
            let pause = pauses.next().unwrap_or(pace.pause_max).min(left);
            if !self.pause(pause).await {
                return false;
            }
        }
    }

    /// Waits; dead letters that are to be tried once more come first, and end the pause. Answers whether to go on.
    async fn pause(&mut self, pause: Duration) -> bool {
        let mut stage = self.stage.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.wake.notified() => self.replay().await,
            () = ends(&mut stage, Stage::Drain) => return false,
        }
        true
    }

    /// Tries the dead letters that somebody asked for, each once.
    async fn replay(&mut self) {
        while let Some(letter) = self.change(|shelf, name| shelf.next_replay(name)) {
            let event = match self.log.event(letter.sequence) {
                Ok(event) => event,
                Err(error) => {
                    let sink = &self.name;
                    tracing::error!(%sink, "a dead letter is not tried: {error}");
                    continue;
                }
            };
            let went = match &event {
                Some(event) => self.attempt(event).await,
                None => Err("the log does not have it any more".to_owned()),
            };
            let now = self.log.0.now();
            self.change(|shelf, name| match went {
                Ok(()) => {
                    shelf.delivered(name);
                    shelf.revive(name, letter.sequence);
                }
                Err(problem) => {
                    shelf.failed(name, &problem, now, true);
                    let attempts = letter.attempts.saturating_add(1);
                    shelf.bury(DeadLetter {
                        attempts,
                        error: problem.into(),
                        at: now,
                        ..letter
                    });
                }
            });
        }
    }

    async fn attempt(&self, event: &Event) -> Result<(), String> {
        self.courier
            .deliver(event, self.log.0.now(), &self.log.0.pace)
            .await
    }

    fn dead_letter(&self, event: &Event, attempts: u32, problem: &str) -> DeadLetter {
        DeadLetter {
            sink: self.name.clone(),
            sequence: event.sequence,
            id: event.id,
            kind: event.kind(),
            organization: event.organization.clone(),
            at: self.log.0.now(),
            attempts,
            error: problem.into(),
        }
    }

    /// Changes how the sink stands, and lets it be written.
    fn change<T>(&self, change: impl FnOnce(&mut super::shelf::Shelf, &str) -> T) -> T {
        let changed = change(&mut self.log.0.shelf.lock(), &self.name);
        self.log.0.bell.notify_one();
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_differ() {
        let pauses: Vec<_> = Pace::default().pauses(7).take(16).collect();
        for (at, pause) in pauses.iter().enumerate() {
            let least = Duration::from_secs(1 << at.min(20)).min(Duration::from_secs(3_600));
            let most = (least * 2).min(Duration::from_secs(3_600));
            assert!((least..=most).contains(pause), "pause {at} is {pause:?}");
        }
        let others: Vec<_> = Pace::default().pauses(8).take(16).collect();
        assert_ne!(pauses, others);
    }
}
