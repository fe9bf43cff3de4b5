//! A real server, called with the generated client, or frame by frame where a well-behaved client would not do it.
#![allow(unreachable_pub, missing_docs)]

mod calls;
mod direct;
mod door;
mod gate;
mod health;
mod listeners;
mod streams;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use quotad::domain::credits::Credits;
use quotad::domain::plan::{Grant, GrantKind, OrganizationPlan, Plan, UserPlan};
use quotad::engine::recorder::{Forgetful, Recorder};
use quotad::engine::{Bounds, Engine};
use quotad::rpc::pb;
use quotad::rpc::pb::quota_service_client::QuotaServiceClient;
use quotad::rpc::quota::Parts;
use quotad::rpc::server::{DataPlane, Settings, Socket};
use quotad::storage::gate::Gate;
use quotad::world::clock::{Clock, SystemClock};
use quotad::world::vitals::{Phase, Vitals};
use tonic::transport::Channel;

pub type Client = QuotaServiceClient<Channel>;

/// A running data plane over an engine in which organization `default` has 10,000 credits and user `ana` a limit of 1,000.
pub struct Server {
    pub plane: DataPlane,
    pub parts: Parts,
}

impl Server {
    pub fn start() -> Self {
        Self::start_at(Some("127.0.0.1:0".parse().unwrap()), None)
    }

    pub fn start_at(listen: Option<SocketAddr>, socket: Option<Socket>) -> Self {
        Self::start_over(parts(), listen, socket)
    }

    pub fn start_over(parts: Parts, listen: Option<SocketAddr>, socket: Option<Socket>) -> Self {
        parts.vitals.enter(Phase::Ready);
        let threads = NonZeroUsize::new(2).unwrap();
        let settings = Settings {
            listen,
            socket,
            threads,
        };
        let plane = DataPlane::start(&settings, parts.clone()).unwrap();
        Self { plane, parts }
    }

    pub fn address(&self) -> SocketAddr {
        self.plane.address().unwrap()
    }

    pub async fn client(&self) -> Client {
        let address = self.address();
        Client::connect(format!("http://{address}")).await.unwrap()
    }

    /// Credits used and held in the organization.
    pub fn drawn(&self) -> u64 {
        use quotad::domain::names::Name;
        use quotad::engine::order::Of;
        let balance = self
            .parts
            .engine
            .balance(Name::DEFAULT, Of::Organization)
            .unwrap();
        balance.used + balance.held
    }
}

pub fn parts() -> Parts {
    parts_over(Arc::new(Forgetful), Arc::new(Gate::open()))
}

pub fn parts_over(recorder: Arc<dyn Recorder>, gate: Arc<Gate>) -> Parts {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let engine = Engine::new(Bounds::default(), 1, Arc::clone(&clock), recorder);
    engine.apply_plan(plan()).unwrap();
    Parts {
        engine: Arc::new(engine),
        vitals: Arc::new(Vitals::new(Arc::clone(&clock))),
        clock,
        gate,
    }
}

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

pub fn subject(user: &str) -> Option<pb::Subject> {
    Some(pb::Subject {
        user: user.to_owned(),
        ..Default::default()
    })
}

pub fn credits(amount: u64) -> Option<pb::Cost> {
    Some(pb::Cost {
        amount: Some(pb::cost::Amount::Credits(amount)),
        ..Default::default()
    })
}

pub fn charge(user: &str, amount: u64) -> pb::ChargeRequest {
    pb::ChargeRequest {
        subject: subject(user),
        cost: credits(amount),
        request_id: Vec::new(),
    }
}

pub fn reserve(user: &str, amount: u64) -> pb::ReserveRequest {
    pb::ReserveRequest {
        subject: subject(user),
        cost: credits(amount),
        ..Default::default()
    }
}

pub fn commit(id: &[u8], amount: u64) -> pb::CommitRequest {
    pb::CommitRequest {
        reservation_id: id.to_vec(),
        actual: Some(pb::commit_request::Actual::Amount(amount)),
        excess: 0,
    }
}

pub fn charge_operation(user: &str, amount: u64) -> pb::Operation {
    pb::Operation {
        request: Some(pb::operation::Request::Charge(charge(user, amount))),
    }
}
