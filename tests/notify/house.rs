//! An engine with users that have limits, its log of events, and who is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quotad::config::plan_file;
use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::rates::Cost;
use quotad::engine::order::{Charge, Subject};
use quotad::engine::recorder::{Forgetful, Recorder};
use quotad::engine::{Bounds, Engine};
use quotad::notify::{
    Event, EventFilter, Keeper, Notifications, Options, Order, Pace, PageOf, Running, SigningKey,
    Sink, Target, Webhook,
};
use quotad::world::clock::{Clock, SystemClock};
use quotad::world::disk::{Disk, SimulatedDisk};

use crate::receiver::{KEY, Receiver};

/// Nothing that is meant to happen takes so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pauses that a test can wait for.
pub fn fast() -> Pace {
    Pace {
        pause_first: Duration::from_millis(4),
        pause_max: Duration::from_millis(30),
        give_up_after: Duration::from_secs(120),
        attempt_max: Duration::from_millis(250),
    }
}

pub fn webhook(name: &str, receiver: &Receiver, path: &str) -> Sink {
    let key = SigningKey::parse(KEY).unwrap();
    let target = Target::Webhook(Webhook::new(&receiver.url(path), key).unwrap());
    Sink {
        name: name.into(),
        target,
    }
}

/// `acme`, with so many users that may use 100 credits each.
pub fn plan(users: usize) -> String {
    let mut text = "organizations:\n  acme:\n    thresholds: [80, 100]\n    grants: [{kind: contract, credits: 1000000000}]\n    \
                    users:\n"
        .to_owned();
    for user in 0..users {
        text += &format!("      u{user:05}: {{limit: 100}}\n");
    }
    text
}

pub fn engine(clock: Arc<dyn Clock>, recorder: Arc<dyn Recorder>) -> Arc<Engine> {
    Arc::new(Engine::new(Bounds::default(), 1, clock, recorder))
}

pub fn apply(engine: &Engine, text: &str) {
    engine
        .apply_plan(plan_file::parse(text, "plan.yaml").unwrap())
        .unwrap();
}

/// Charges a user; whether it could be is for the test to say.
pub fn charge(engine: &Engine, user: usize, credits: u64) -> bool {
    let user = format!("u{user:05}");
    let subject = Subject {
        organization: Name::parse("acme").unwrap(),
        environment: Name::DEFAULT,
        user: Some(Name::parse(&user).unwrap()),
        product: None,
        model: None,
    };
    let cost = Cost::Credits {
        amount: Credits::new(credits).unwrap(),
        operation: None,
    };
    engine
        .charge(&Charge {
            subject,
            cost,
            id: None,
        })
        .is_ok()
}

/// All that the log tells.
pub fn all(log: &Notifications) -> Vec<Arc<Event>> {
    let (mut events, mut beyond) = (Vec::new(), None);
    loop {
        let page = PageOf {
            order: Order::OldestFirst,
            beyond,
            most: 700,
        };
        let page = log.events(&EventFilter::default(), page).unwrap();
        events.extend(page.events);
        beyond = page.next;
        if beyond.is_none() {
            return events;
        }
    }
}

/// Account and mark, as scenarios have it.
pub fn shown(events: &[Arc<Event>]) -> Vec<String> {
    events
        .iter()
        .map(|event| event.notice.to_string())
        .collect()
}

pub struct House {
    pub engine: Arc<Engine>,
    pub log: Notifications,
    pub disk: SimulatedDisk,
    pub clock: Arc<dyn Clock>,
    running: Option<Running>,
}

impl House {
    /// With everything on its threads.
    pub fn start(users: usize, pace: Pace, sinks: Vec<Sink>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let engine = engine(Arc::clone(&clock), Arc::new(Forgetful));
        apply(&engine, &plan(users));
        let disk = SimulatedDisk::new();
        let (log, keeper) = open(&disk, &clock, pace, sinks);
        let running = keeper
            .start(Arc::clone(&engine), Box::new(|_| true))
            .unwrap();
        Self {
            engine,
            log,
            disk,
            clock,
            running: Some(running),
        }
    }

    /// Ends, and starts again with other sinks on the same log.
    pub fn restart(&mut self, pace: Pace, sinks: Vec<Sink>) {
        self.stop();
        let (log, keeper) = open(&self.disk, &self.clock, pace, sinks);
        let running = keeper
            .start(Arc::clone(&self.engine), Box::new(|_| true))
            .unwrap();
        (self.log, self.running) = (log, Some(running));
    }

    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(Duration::from_millis(300));
        }
    }
}

pub fn open(
    disk: &SimulatedDisk,
    clock: &Arc<dyn Clock>,
    pace: Pace,
    sinks: Vec<Sink>,
) -> (Notifications, Keeper) {
    let options = Options {
        sinks,
        pace,
        retention: None,
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Notifications::open(disk, Arc::clone(clock), options).unwrap()
}

/// Waits until it is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// What a sink was told, in order; the same again counts once where it follows itself, and is counted.
pub fn once(ids: impl IntoIterator<Item = String>) -> (Vec<String>, usize) {
    let (mut order, mut again): (Vec<String>, usize) = (Vec::new(), 0);
    for id in ids {
        if order.last() == Some(&id) {
            again += 1;
        } else {
            order.push(id);
        }
    }
    (order, again)
}

pub fn ids(events: &[Arc<Event>]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}
