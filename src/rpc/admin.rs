//! `AdminService`: who calls, and what that one may do; then each call is one function on a thread where it may take long.

mod acts;
mod door;
mod entries;
mod export;
mod notices;
mod page;
mod plan;
mod reports;
mod table;
mod told;
mod usage;
mod watch;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use crate::domain::plan::Plan;
use crate::engine::Engine;
use crate::engine::order::Act;
use crate::notify::Notifications;
use crate::rpc::access::{Access, Caller};
use crate::rpc::convert::admin::why;
use crate::rpc::door::Deadline;
use crate::rpc::operate::{Answered, guarded};
use crate::rpc::status::{Refusal, not_safe, status, too_late, unavailable};
use crate::storage::gate::{Gate, Unsafe, Waiting};
use crate::world::clock::Clock;
use crate::world::vitals::{Phase, Vitals};

use export::EXPORTS_MAX;

pub use door::routes;
pub use export::Csv;
pub use table::role;
pub use usage::AskUsage;

/// The largest request, in bytes of protobuf: a plan file and what is around it. Nobody sends one before it is known who it is.
const REQUEST_BYTES_MAX: usize = (64 << 20) + 4_096;

/// Reads the text of a plan; the error shows where it is wrong, and what to do.
pub type ReadPlan = dyn Fn(&str) -> Result<Plan, String> + Send + Sync;

/// What the service needs.
#[derive(Clone)]
pub struct Parts {
    /// The books.
    pub engine: Arc<Engine>,
    /// How far this process has come, and where panics are counted.
    pub vitals: Arc<Vitals>,
    /// Measures deadlines, and dates reports.
    pub clock: Arc<dyn Clock>,
    /// Where answers wait until what they tell is safe.
    pub gate: Arc<Gate>,
    /// Who may do what.
    pub access: Arc<Access>,
    /// What administrators are told of, and who changed what.
    pub notifications: Notifications,
    /// Answers questions about usage.
    pub ask_usage: Arc<AskUsage>,
    /// Reads the plan of an ApplyPlan.
    pub read_plan: Arc<ReadPlan>,
}

/// The service, for one runtime.
#[derive(Clone)]
pub struct Admin {
    parts: Arc<Parts>,
    waiting: Arc<Waiting>,
    /// Those that may still begin.
    exports: Arc<Semaphore>,
}

/// Who makes a change, by which call.
#[derive(Clone, Copy)]
struct By<'a> {
    who: &'a str,
    action: &'static str,
}

impl<'a> By<'a> {
    /// The change, for the audit log.
    fn act(self, reason: &'a str) -> Result<Act<'a>, Refusal> {
        let Self { who, action } = self;
        Ok(Act {
            who,
            action,
            why: why(reason)?,
            ..Act::default()
        })
    }
}

impl Admin {
    /// Over these parts, on the runtime that serves this place at their gate.
    pub fn new(parts: Parts, waiting: Arc<Waiting>) -> Self {
        Self {
            parts: Arc::new(parts),
            waiting,
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
        }
    }

    /// A call that changes nothing.
    async fn read<W, A>(
        &self,
        request: Request<W>,
        work: fn(&Parts, &W) -> Result<A, Refusal>,
    ) -> Result<Response<A>, Status>
    where
        W: Send + 'static,
        A: Send + 'static,
    {
        let work = move |parts: &Parts, _: By<'_>, wire: &W| work(parts, wire);
        let answer = self.on_a_thread(request, "", work).await?;
        Ok(Response::new(answer))
    }

    /// A call that changes something: answered once what it says is safe.
    async fn change<W, A>(
        &self,
        request: Request<W>,
        action: &'static str,
        work: fn(&Parts, By<'_>, &W) -> Result<Answered<A>, Refusal>,
    ) -> Result<Response<A>, Status>
    where
        W: Send + 'static,
        A: Send + 'static,
    {
        let answered = self.on_a_thread(request, action, work).await?;
        let passes = match self.parts.gate.lets_pass(answered.receipt) {
            Ok(true) => Ok(()),
            Ok(false) => self.waiting.until_safe(answered.receipt).await,
            Err(failed) => Err(failed),
        };
        passes.map_err(|Unsafe| {
            self.parts.vitals.enter(Phase::Failed);
            not_safe()
        })?;
        Ok(Response::new(answered.answer))
    }

    /// Runs a call where it delays no other one's beginning.
    async fn on_a_thread<W, A>(
        &self,
        request: Request<W>,
        action: &'static str,
        work: impl FnOnce(&Parts, By<'_>, &W) -> Result<A, Refusal> + Send + 'static,
    ) -> Result<A, Status>
    where
        W: Send + 'static,
        A: Send + 'static,
    {
        let caller = caller(&request)?;
        let deadline = request.extensions().get::<Deadline>().copied();
        let parts = Arc::clone(&self.parts);
        let wire = request.into_inner();
        let done = tokio::task::spawn_blocking(move || {
            // It may have waited for a thread longer than its caller does.
            if deadline.is_some_and(|until| until.is_over(&*parts.clock)) {
                return Err(too_late());
            }
            let who = &*caller.who;
            guarded(&parts.vitals, || work(&parts, By { who, action }, &wire))
                .map_err(|refusal| status(&refusal))
        });
        done.await
            .unwrap_or_else(|_| Err(unavailable("quotad is about to end; connect again")))
    }
}

/// Who was let in at the door. Without that nothing is done.
fn caller<W>(request: &Request<W>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| status(&Refusal::Broken))
}
