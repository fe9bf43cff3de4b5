//! Both ways of a stream, held against each other step by step: frames in, frames out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod property;
mod table;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, Request};
use hyper::body::{Body, Bytes, Frame};
use parking_lot::Mutex;
use prost::Message;
use tonic::codegen::Service;
use tonic::{Code, Status};

use super::Exchange;
use crate::domain::credits::Credits;
use crate::domain::fact::Fact;
use crate::domain::plan::{Grant, GrantKind, OrganizationPlan, Plan, UserPlan};
use crate::engine::recorder::{NotKept, Receipt, Recorder, Unrecorded};
use crate::engine::{Bounds, Engine};
use crate::rpc::direct::Direct;
use crate::rpc::door::Door;
use crate::rpc::meter::Metered;
use crate::rpc::pb::quota_service_server::QuotaServiceServer;
use crate::rpc::quota::{Parts, Quota};
use crate::rpc::{REQUEST_BYTES_MAX, pb};
use crate::storage::gate::{Gate, Waiting};
use crate::world::clock::{Clock, ManualClock};
use crate::world::vitals::{Phase, Vitals};

/// What happens to a stream.
#[derive(Clone, Debug)]
enum Step {
    /// These bytes come in a frame.
    Frame(Vec<u8>),
    /// So much more of what was recorded is safe.
    Safe(u64),
    /// The disk fails.
    Fail,
    /// Time passes, in milliseconds.
    Pass(u64),
    /// The process begins to drain.
    Drain,
    /// The caller says something behind its messages, and is done.
    Trailers,
    /// The caller is done.
    End,
    /// The connection breaks.
    Break,
}

/// A body that is given its frames while it is read.
#[derive(Clone, Default)]
struct Fed(Arc<Mutex<VecDeque<Step>>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut steps = self.0.lock();
        match steps.front() {
            None => return Poll::Pending,
            Some(Step::End) => return Poll::Ready(None),
            Some(_) => {}
        }
        Poll::Ready(Some(match steps.pop_front() {
            Some(Step::Frame(bytes)) => Ok(Frame::data(bytes.into())),
            Some(Step::Trailers) => Ok(Frame::trailers(HeaderMap::new())),
            Some(Step::Break) => Err(Status::unknown("the connection broke")),
            other => panic!("{other:?} is no frame"),
        }))
    }
}

/// One more for each operation that happened.
#[derive(Default)]
struct Counting(AtomicU64);

impl Recorder for Counting {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        let more = u64::from(!facts.is_empty());
        Ok(Receipt(self.0.fetch_add(more, Ordering::SeqCst) + more))
    }

    fn keep_plan(&self, _: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _: u64) -> bool {
        true
    }
}

/// A stream, whichever way it goes, and all that it touches.
struct Side {
    quota: Quota,
    parts: Parts,
    clock: Arc<ManualClock>,
    safe: u64,
    fed: Fed,
    answers: Pin<Box<dyn Body<Data = Bytes, Error = Status>>>,
    /// What came back: the bytes of the messages, then the trailers.
    bytes: Vec<u8>,
    trailers: Option<HeaderMap>,
    frames: usize,
}

impl Side {
    fn direct(waits: bool, timeout: Option<&str>) -> Self {
        Self::start(waits, timeout, |quota, request| {
            let deadline = request.extensions().get().copied();
            let terms = quota.stream(deadline).unwrap();
            Box::pin(Exchange::new(terms, request.into_body()))
        })
    }

    fn generated(waits: bool, timeout: Option<&str>) -> Self {
        Self::start(waits, timeout, |quota, request| {
            let mut service =
                QuotaServiceServer::new(quota).max_decoding_message_size(REQUEST_BYTES_MAX);
            let mut call = service.call(request);
            let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(response) = polled else {
                panic!("a stream is opened at once");
            };
            Box::pin(
                response
                    .unwrap_or_else(|never: Infallible| match never {})
                    .into_body(),
            )
        })
    }

    fn start(
        waits: bool,
        timeout: Option<&str>,
        open: impl FnOnce(Quota, Request<Fed>) -> Pin<Box<dyn Body<Data = Bytes, Error = Status>>>,
    ) -> Self {
        let (parts, clock) = parts(waits);
        let fed = Fed::default();
        let mut request = Request::post("/quotad.v1.QuotaService/Stream")
            .body(fed.clone())
            .unwrap();
        if let Some(timeout) = timeout {
            let headers = request.headers_mut();
            headers.insert("grpc-timeout", timeout.parse().unwrap());
            let door = Door::new(Arc::clone(&parts.vitals), Arc::clone(&parts.clock));
            let (deadline, _) = door.admit(request.headers()).unwrap().unwrap();
            request.extensions_mut().insert(deadline);
        }
        let quota = Quota::new(parts.clone(), Waiting::at(&parts.gate));
        Self {
            answers: open(quota.clone(), request),
            quota,
            parts,
            clock,
            safe: 0,
            fed,
            bytes: Vec::new(),
            trailers: None,
            frames: 0,
        }
    }

    /// Does a step, and takes what comes of it.
    fn step(&mut self, step: &Step) {
        match step {
            Step::Safe(more) => {
                self.safe += more;
                self.parts.gate.pass(Receipt(self.safe));
            }
            Step::Fail => self.parts.gate.fail(),
            Step::Pass(millis) => self.clock.advance(Duration::from_millis(*millis)),
            Step::Drain => self.parts.vitals.enter(Phase::Draining),
            frame => self.fed.0.lock().push_back(frame.clone()),
        }
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = self.answers.as_mut().poll_frame(&mut context) {
            match frame.unwrap().into_data() {
                Ok(bytes) => {
                    self.frames += 1;
                    self.bytes.extend_from_slice(&bytes);
                }
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
    }

    /// What was counted, without what depends on the clock.
    fn counted(&self) -> Metered {
        Metered::of([&*self.quota.meter()])
    }

    fn code(&self) -> Code {
        let trailers = self.trailers.as_ref().expect("the stream has ended");
        Status::from_header_map(trailers).unwrap().code()
    }

    /// The messages that came back.
    fn messages(&self) -> Vec<pb::StreamResponse> {
        let (mut rest, mut messages) = (&self.bytes[..], Vec::new());
        while let Some((prefix, behind)) = rest.split_at_checked(5) {
            let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
            messages.push(pb::StreamResponse::decode(&behind[..length]).unwrap());
            rest = &behind[length..];
        }
        assert!(rest.is_empty(), "half a message came back");
        messages
    }
}

fn parts(waits: bool) -> (Parts, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(1_000_000_000));
    let shared = Arc::clone(&clock) as Arc<dyn Clock>;
    let recorder = Arc::new(Counting::default());
    let engine = Engine::new(Bounds::default(), 1, Arc::clone(&shared), recorder);
    engine.apply_plan(plan()).unwrap();
    let vitals = Arc::new(Vitals::new(Arc::clone(&shared)));
    vitals.enter(Phase::Ready);
    let parts = Parts {
        engine: Arc::new(engine),
        vitals,
        clock: shared,
        gate: Arc::new(Gate::new(waits)),
    };
    (parts, clock)
}

/// 10,000 credits, of which `ana` may have 1,000.
fn plan() -> Plan {
    let contract = Grant {
        kind: GrantKind::Contract {
            credits: Credits::new(10_000).unwrap(),
            rollover: None,
        },
        valid_from: None,
        valid_until: None,
    };
    let ana = UserPlan {
        limit: Credits::new(1_000).unwrap(),
        kind: Default::default(),
        thresholds: None,
    };
    let organization = OrganizationPlan {
        grants: vec![contract],
        users: [("ana".into(), ana)].into(),
        ..OrganizationPlan::default()
    };
    Plan {
        organizations: [("default".into(), Arc::new(organization))].into(),
        ..Plan::default()
    }
}

fn charge(user: &str, credits: u64) -> pb::Operation {
    operation(pb::operation::Request::Charge(pb::ChargeRequest {
        subject: subject(user),
        cost: cost(credits),
        request_id: Vec::new(),
    }))
}

fn operation(request: pb::operation::Request) -> pb::Operation {
    pb::Operation {
        request: Some(request),
    }
}

fn subject(user: &str) -> Option<pb::Subject> {
    Some(pb::Subject {
        user: user.to_owned(),
        ..Default::default()
    })
}

fn cost(credits: u64) -> Option<pb::Cost> {
    Some(pb::Cost {
        amount: Some(pb::cost::Amount::Credits(credits)),
        ..Default::default()
    })
}

/// A message as gRPC frames it.
fn framed(tag: u64, operations: Vec<pb::Operation>) -> Vec<u8> {
    crate::rpc::direct::framed(&pb::StreamRequest { tag, operations })
}
