//! What a lane asks for next, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::rpc::pb;
use crate::rpc::pb::operation::Request;

use super::super::client::ClientError;
use super::super::request::wire_span;
use super::{Args, Operation};

/// A hold that is never settled, because the load was killed, comes back after so long.
const TTL: Duration = Duration::from_secs(10);

/// The longest latency that is told apart: a minute. Longer ones count as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// What one lane does, message after message.
pub(super) struct Work {
    args: Arc<Args>,
    /// Of the next operation.
    user: u32,
    /// Reservations to be settled with the next message.
    open: Vec<Vec<u8>>,
}

impl Work {
    /// The first lane begins with the first user, the second with the second.
    pub(super) fn new(args: Arc<Args>, lane: u32) -> Self {
        Self {
            user: lane % args.users,
            args,
            open: Vec::new(),
        }
    }

    /// Whether credits are held.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Vec<pb::Operation> {
        let requests: Vec<Request> = if self.open.is_empty() {
            let count = self.args.operations();
            (0..count).map(|_| self.begin()).collect()
        } else {
            let open = std::mem::take(&mut self.open);
            open.into_iter().map(|id| self.settle(id)).collect()
        };
        let operation = |request| pb::Operation {
            request: Some(request),
        };
        requests.into_iter().map(operation).collect()
    }

    fn begin(&mut self) -> Request {
        let subject = Some(subject(&self.args, self.user));
        // Lanes begin beside each other; a step that is odd and large keeps them from meeting.
        self.user = self.user.wrapping_add(7_919) % self.args.users;
        let cost = Some(cost(&self.args));
        match self.args.operation {
            Operation::Check => Request::Check(pb::CheckRequest {
                subject,
                cost,
                ..Default::default()
            }),
            Operation::Charge => Request::Charge(pb::ChargeRequest {
                subject,
                cost,
                ..Default::default()
            }),
            Operation::ReserveRelease | Operation::ReserveCommit => {
                Request::Reserve(pb::ReserveRequest {
                    subject,
                    cost,
                    ttl: Some(wire_span(TTL)),
                    ..Default::default()
                })
            }
        }
    }

    fn settle(&self, reservation_id: Vec<u8>) -> Request {
        if self.args.operation == Operation::ReserveCommit {
            let amount = pb::commit_request::Actual::Amount(self.args.credits);
            return Request::Commit(pb::CommitRequest {
                reservation_id,
                actual: Some(amount),
                ..Default::default()
            });
        }
        Request::Release(pb::ReleaseRequest { reservation_id })
    }

    /// Remembers what is to be settled.
    pub(super) fn answered(&mut self, became: Vec<Became>) {
        let held = became.into_iter().filter_map(|it| match it {
            Became::Held(id) => Some(id),
            _ => None,
        });
        self.open.extend(held);
    }
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// Credits are held under this id.
    Held(Vec<u8>),
    /// It was granted, booked, given back, or answered with yes.
    Done,
    /// The rules refuse it, for this reason.
    Denied(String),
    /// It could not be done.
    Failed(String),
}

/// A user, and where the work runs.
pub(super) fn subject(args: &Args, user: u32) -> pb::Subject {
    pb::Subject {
        organization: args.organization.clone(),
        environment: args.environment.clone(),
        user: format!("bench-{user:04}"),
        ..Default::default()
    }
}

/// What an operation costs.
pub(super) fn cost(args: &Args) -> pb::Cost {
    pb::Cost {
        amount: Some(pb::cost::Amount::Credits(args.credits)),
        ..Default::default()
    }
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    /// Of each call, in nanoseconds, failed ones apart.
    pub(super) latencies: Histogram<u64>,
    /// Operations that were granted, booked, given back, or answered with yes.
    pub(super) granted: u64,
    /// Operations that the rules refused, by reason.
    pub(super) denied: BTreeMap<String, u64>,
    /// Operations that failed, by what the sidecar said.
    pub(super) failed: BTreeMap<String, u64>,
    /// Calls whose time came while as many as may be were in flight, and that were never sent.
    pub(super) unsent: u64,
    /// How long was measured.
    pub(super) lasted: Duration,
}

impl Measured {
    pub(super) fn new() -> Result<Self, ClientError> {
        let latencies = Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS);
        let latencies = latencies.map_err(|error| ClientError::Usage(error.to_string()))?;
        Ok(Self {
            latencies,
            granted: 0,
            denied: BTreeMap::new(),
            failed: BTreeMap::new(),
            unsent: 0,
            lasted: Duration::ZERO,
        })
    }

    /// A call was answered after so long.
    pub(super) fn answered(&mut self, taken_ns: u64, became: &[Became]) {
        self.latencies.saturating_record(taken_ns.max(1));
        for it in became {
            match it {
                Became::Held(_) | Became::Done => self.granted += 1,
                Became::Denied(reason) => *self.denied.entry(reason.clone()).or_default() += 1,
                Became::Failed(why) => self.failed(why, 1),
            }
        }
    }

    /// So many operations failed.
    pub(super) fn failed(&mut self, why: &str, operations: u64) {
        *self.failed.entry(why.to_owned()).or_default() += operations;
    }

    /// Adds what another connection measured at the same time.
    pub(super) fn add(&mut self, other: Self) {
        // The same bounds: this cannot fail.
        let _same = self.latencies.add(other.latencies);
        self.granted += other.granted;
        for (reason, count) in other.denied {
            *self.denied.entry(reason).or_default() += count;
        }
        for (why, count) in other.failed {
            *self.failed.entry(why).or_default() += count;
        }
        self.unsent += other.unsent;
        self.lasted = self.lasted.max(other.lasted);
    }
}
