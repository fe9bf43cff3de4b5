//! The load itself: a thread for each connection, with lanes that each have one call in flight.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::world::clock::{Clock, SystemClock};

use super::super::client::{self, ClientError};
use super::super::progress;
use super::Args;
use super::exchange::Exchange;
use super::pace::Pace;
use super::work::{Measured, Work};

/// How often the bar moves.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often it is looked whether all connections are there.
const READY_EVERY: Duration = Duration::from_millis(2);

/// How long a lane pauses after a failure: a sidecar that went away is not asked a million times.
const PAUSE: Duration = Duration::from_millis(10);

/// When is what, in nanoseconds of the steady clock; the same for all connections.
#[derive(Clone, Copy)]
pub(super) struct Schedule {
    /// The first call begins: once every connection is there.
    pub(super) begin_ns: i64,
    /// From here on it is measured.
    measure_ns: i64,
}

/// What connections share.
pub(super) struct Times {
    clock: SystemClock,
    /// No call begins after it. Comes nearer if somebody wants it to end now.
    end_ns: AtomicI64,
    /// Operations answered so far, for the bar.
    done: AtomicU64,
    /// Connections that are there, and those that have ended.
    ready: AtomicUsize,
    ended: AtomicUsize,
}

impl Times {
    fn new() -> Self {
        Self {
            clock: SystemClock::new(),
            end_ns: AtomicI64::new(i64::MAX),
            done: AtomicU64::new(0),
            ready: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        }
    }

    pub(super) fn now_ns(&self) -> i64 {
        self.clock.read().steady_ns
    }

    pub(super) fn end_ns(&self) -> i64 {
        self.end_ns.load(Ordering::Relaxed)
    }

    /// From now on.
    fn begin(&self, args: &Args) -> Schedule {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let begin_ns = self.now_ns();
        let measure_ns = begin_ns.saturating_add(nanos(args.warm_up));
        let end_ns = measure_ns.saturating_add(nanos(args.duration));
        self.end_ns.store(end_ns, Ordering::Relaxed);
        Schedule {
            begin_ns,
            measure_ns,
        }
    }
}

/// Loads the sidecar; answers when the last call is answered.
pub(super) fn run(args: &Arc<Args>) -> Result<Measured, ClientError> {
    let (times, start) = (Arc::new(Times::new()), watch::Sender::new(None));
    let threads: Vec<_> = (0..args.connections)
        .map(|number| {
            let (args, times) = (Arc::clone(args), Arc::clone(&times));
            let started = start.subscribe();
            std::thread::spawn(move || {
                let measured = client::block_on(connection(args, number, &times, started));
                times.ended.fetch_add(1, Ordering::Relaxed);
                measured
            })
        })
        .collect();
    let schedule = client::block_on(show(args, &times, start))?;
    let mut all = Measured::new()?;
    for thread in threads {
        let ended = thread.join();
        all.add(ended.map_err(|_| ClientError::Incomplete("a connection's figures"))??);
    }
    if let Some(schedule) = schedule {
        let lasted_ns = times.end_ns().saturating_sub(schedule.measure_ns);
        all.lasted = Duration::from_nanos(u64::try_from(lasted_ns).unwrap_or(0));
    }
    Ok(all)
}

/// Lets it begin once every connection is there, shows how far it is, and lets it end when somebody wants that. Nothing
/// begins if a connection cannot be had.
async fn show(
    args: &Args,
    times: &Times,
    start: watch::Sender<Option<Schedule>>,
) -> Result<Option<Schedule>, ClientError> {
    let connections = usize::from(args.connections);
    while times.ready.load(Ordering::Relaxed) < connections {
        if times.ended.load(Ordering::Relaxed) > 0 {
            return Ok(None);
        }
        tokio::time::sleep(READY_EVERY).await;
    }
    let schedule = times.begin(args);
    start.send_replace(Some(schedule));
    let seconds = |ns: i64| u64::try_from(ns / 1_000_000_000).unwrap_or(0);
    let bar = progress::bar(seconds(times.end_ns() - schedule.begin_ns), "seconds");
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut listens = true;
    while times.ended.load(Ordering::Relaxed) < connections {
        tokio::select! {
            came = &mut interrupted, if listens => {
                listens = false;
                if came.is_ok() {
                    times.end_ns.store(times.now_ns(), Ordering::Relaxed);
                }
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        bar.set_position(seconds(times.now_ns() - schedule.begin_ns));
        let done = times.done.load(Ordering::Relaxed);
        bar.set_message(format!("{done} operations; seconds"));
    }
    bar.finish_and_clear();
    Ok(Some(schedule))
}

/// One connection from its beginning to its end.
async fn connection(
    args: Arc<Args>,
    number: u16,
    times: &Arc<Times>,
    mut started: watch::Receiver<Option<Schedule>>,
) -> Result<Measured, ClientError> {
    let channel = client::channel(args.server.address(), "--server").await?;
    let lanes = u32::from(args.in_flight);
    let measured = Rc::new(RefCell::new(Measured::new()?));
    let local = LocalSet::new();
    let unsent = local
        .run_until(async {
            let exchange = Exchange::open(channel, args.over, usize::from(args.in_flight)).await?;
            times.ready.fetch_add(1, Ordering::Relaxed);
            // If another connection cannot be had, nothing begins, and that one says why.
            let started = started.wait_for(Option::is_some).await.map(|it| *it);
            let Ok(Some(schedule)) = started else {
                return Ok(0);
            };
            let pace = args
                .rate
                .map(|rate| Rc::new(Pace::new(&args, rate, number, schedule)));
            let mut tasks = JoinSet::new();
            for lane in 0..lanes {
                let lane = Lane {
                    number: lane,
                    work: Work::new(Arc::clone(&args), u32::from(number) * lanes + lane),
                    exchange: exchange.clone(),
                    times: Arc::clone(times),
                    schedule,
                    measured: Rc::clone(&measured),
                };
                tasks.spawn_local(lane.run(pace.clone()));
            }
            if let Some(pace) = &pace {
                pace.keep(times).await;
            }
            while let Some(ended) = tasks.join_next().await {
                ended.map_err(|_| ClientError::Incomplete("a lane's figures"))?;
            }
            Ok::<_, ClientError>(pace.map_or(0, |pace| pace.unsent()))
        })
        .await?;
    let mut measured = measured.replace(Measured::new()?);
    measured.unsent = unsent;
    Ok(measured)
}

/// One call in flight.
struct Lane {
    number: u32,
    work: Work,
    exchange: Exchange,
    times: Arc<Times>,
    schedule: Schedule,
    measured: Rc<RefCell<Measured>>,
}

impl Lane {
    /// Calls until it is over.
    async fn run(mut self, pace: Option<Rc<Pace>>) {
        loop {
            let begun_ns = match &pace {
                Some(pace) => pace.arrival().await,
                None => Some(self.times.now_ns()).filter(|now_ns| *now_ns < self.times.end_ns()),
            };
            let Some(begun_ns) = begun_ns else { return };
            self.call(begun_ns).await;
            if self.work.is_open() {
                self.call(self.times.now_ns()).await;
            }
        }
    }

    /// One call, that was to begin then.
    async fn call(&mut self, begun_ns: i64) {
        let operations = self.work.next();
        let count = operations.len() as u64;
        let answer = self.exchange.send(self.number as usize, operations).await;
        let taken_ns = self.times.now_ns().saturating_sub(begun_ns);
        self.times.done.fetch_add(count, Ordering::Relaxed);
        let is_measured = begun_ns >= self.schedule.measure_ns && begun_ns < self.times.end_ns();
        match answer {
            Ok(became) => {
                if is_measured {
                    let taken_ns = u64::try_from(taken_ns).unwrap_or(0);
                    self.measured.borrow_mut().answered(taken_ns, &became);
                }
                self.work.answered(became);
            }
            Err(status) => {
                if is_measured {
                    let why = client::sentence(&status);
                    self.measured.borrow_mut().failed(&why, count);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
