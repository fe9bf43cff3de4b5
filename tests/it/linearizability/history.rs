//! Runs a scene against a real server and writes down who was answered what, and when.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use quotad::domain::time::Timestamp;
use quotad::engine::recorder::Forgetful;
use quotad::engine::{Bounds, Engine};
use quotad::rpc::access::{Access, Role};
use quotad::rpc::quota::Parts;
use quotad::rpc::server::{DataPlane, Settings};
use quotad::storage::gate::Gate;
use quotad::world::clock::{Clock, SystemClock};
use quotad::world::vitals::{Phase, Vitals};

use super::call::{Seen, call};
use super::generate::{Scene, Step};
use super::limits::{Desk, LastSeen};
use crate::admin;
use crate::orders::Order;
use crate::rpc::Client;
use crate::world::SetClock;

/// One order: the tick of a common counter before it was sent, and the one after it was answered.
#[derive(Clone, Debug)]
pub struct Item {
    pub client: usize,
    pub invoked: u64,
    pub returned: u64,
    pub step: Step,
    pub seen: Seen,
}

/// What the clients of a scene share.
struct Stage {
    engine: Arc<Engine>,
    clock: Arc<SetClock>,
    ticks: AtomicU64,
    start: Barrier,
    address: String,
    desk: String,
}

/// Runs the clients, each on a thread of its own.
pub fn record(scene: &Scene) -> Vec<Item> {
    let clock = Arc::new(SetClock::new(scene.start));
    let engine = Arc::new(Engine::new(
        Bounds::default(),
        1,
        clock.clone(),
        Arc::new(Forgetful),
    ));
    engine.apply_plan((*scene.plan).clone()).unwrap();
    let system: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let vitals = Arc::new(Vitals::new(Arc::clone(&system)));
    vitals.enter(Phase::Ready);
    let parts = Parts {
        engine: Arc::clone(&engine),
        vitals,
        clock: system,
        gate: Arc::new(Gate::open()),
    };
    let settings = Settings {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        socket: None,
        threads: NonZeroUsize::new(2).unwrap(),
    };
    let desk = admin::listen(&admin::parts_over(
        parts.clone(),
        Access::anonymous(Role::Admin),
    ));
    let plane = DataPlane::start(&settings, parts).unwrap();
    let stage = Stage {
        engine,
        clock,
        ticks: AtomicU64::new(0),
        start: Barrier::new(scene.clients.len()),
        address: format!("http://{}", plane.address().unwrap()),
        desk: format!("http://{}", desk.address()),
    };
    let stage = &stage;
    let mut history: Vec<Item> = std::thread::scope(|scope| {
        let clients: Vec<_> = scene.clients.iter().enumerate().collect();
        let running: Vec<_> = clients
            .into_iter()
            .map(|(client, steps)| scope.spawn(move || stage.run(client, steps)))
            .collect();
        running
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(plane.drain(Duration::from_secs(1)));
    history.sort_by_key(|item| item.invoked);
    history
}

impl Stage {
    fn run(&self, client: usize, steps: &[Step]) -> Vec<Item> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut channel = Client::connect(self.address.clone()).await.unwrap();
            let mut desk = Desk::connect(self.desk.clone()).await.unwrap();
            let mut last_seen = LastSeen::new();
            self.start.wait();
            let mut items = Vec::new();
            for step in steps {
                let step = match step {
                    Step::Limits(limits) => Step::Limits(limits.sent(&last_seen)),
                    other => other.clone(),
                };
                let invoked = self.tick();
                let seen = self.step(&mut channel, &mut desk, &step).await;
                let returned = self.tick();
                if let (Step::Limits(limits), Seen::Limit { etag, .. }) = (&step, &seen) {
                    last_seen.insert(limits.user, etag.clone());
                }
                items.push(Item {
                    client,
                    invoked,
                    returned,
                    step,
                    seen,
                });
            }
            items
        })
    }

    async fn step(&self, channel: &mut Client, desk: &mut Desk, step: &Step) -> Seen {
        match step {
            // Plan changes come from the plan file, beside the calls.
            Step::Do(order @ Order::Plan(_)) => order.on_engine(&self.engine).0.into(),
            Step::Do(order) => call(channel, order).await,
            Step::Limits(limits) => limits.call(desk).await,
            Step::Clock(to) => {
                // Only one client moves time, and never backwards.
                let now = Timestamp::from_nanos(self.clock.read().wall_ns);
                self.clock.set(now.max(*to));
                self.engine.tick().unwrap();
                Seen::Done
            }
        }
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }
}

/// How many pairs of orders ran at the same time.
pub fn overlapping(history: &[Item]) -> usize {
    let pairs = history
        .iter()
        .enumerate()
        .flat_map(|(at, one)| history[at + 1..].iter().map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| other.invoked < one.returned && one.invoked < other.returned)
        .count()
}

pub fn shown(history: &[Item]) -> String {
    let line = |it: &Item| {
        format!(
            "{:>3}..{:<3} client {} {:?}\n        -> {:?}",
            it.invoked, it.returned, it.client, it.step, it.seen
        )
    };
    history.iter().map(line).collect::<Vec<_>>().join("\n")
}
