//! The management listener over a real engine, called with the generated client.
#![allow(unreachable_pub, missing_docs)]

mod changes;
mod process;
mod reflected;
mod reports;
mod roles;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use quotad::config::{Variables, plan_file};
use quotad::domain::names::Name;
use quotad::engine::Engine;
use quotad::engine::usage::Groups;
use quotad::http::management::Management;
use quotad::http::management::pages::{Answering, Parts as CsvParts, Refused, Reports, pages};
use quotad::http::metrics::Metrics;
use quotad::notify::{Notifications, Options, Running};
use quotad::rpc::access::{Access, Caller, Role, TokenDigest, Tokens};
use quotad::rpc::admin::{self, Admin, Parts};
use quotad::rpc::pb::admin_service_client::AdminServiceClient;
use quotad::rpc::quota;
use quotad::storage::gate::Waiting;
use quotad::world::disk::{RealDisk, SimulatedDisk};
use quotad::world::vitals::Phase;
use tempfile::TempDir;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

pub type Client = AdminServiceClient<InterceptedService<Channel, Bearer>>;

/// Sends a token, if there is one.
#[derive(Clone)]
pub struct Bearer(Option<String>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// The token of a role, in tests.
pub fn token(role: Role) -> String {
    format!("0123456789abcdef-{role}")
}

/// Access by one token for each role; the names are those of the roles.
pub fn by_tokens() -> Access {
    let roles = [Role::Viewer, Role::Maker, Role::Admin];
    let tokens = roles.map(|role| {
        let who = role.as_str().into();
        (
            Caller { who, role },
            TokenDigest::of(token(role).as_bytes()),
        )
    });
    Access::by_tokens(Tokens::new(tokens.into()))
}

/// A running management listener.
pub struct Desk {
    pub management: Management,
    pub parts: Parts,
    _told: Running,
    _folder: TempDir,
}

impl Desk {
    /// Over an engine in which organization `default` has 10,000 credits and user `ana` a limit of 1,000.
    pub fn start(access: Access) -> Self {
        Self::start_over(crate::rpc::parts(), access)
    }

    pub fn start_over(books: quota::Parts, access: Access) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::open(folder.path()).unwrap());
        let clock = Arc::clone(&books.clock);
        let opened = Notifications::open(disk, clock, Options::default());
        let (notifications, keeper) = opened.unwrap();
        let is_safe = Box::new(|_| true);
        let told = keeper.start(Arc::clone(&books.engine), is_safe).unwrap();
        let parts = Parts {
            notifications,
            ..parts_over(books, access)
        };
        Self {
            management: listen(&parts),
            parts,
            _told: told,
            _folder: folder,
        }
    }

    pub fn engine(&self) -> &Engine {
        &self.parts.engine
    }

    pub async fn channel(&self) -> Channel {
        channel(&self.address()).await
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.management.address())
    }

    pub async fn client(&self, token: Option<String>) -> Client {
        AdminServiceClient::with_interceptor(self.channel().await, Bearer(token))
            .max_decoding_message_size(64 << 20)
    }

    pub async fn admin(&self) -> Client {
        self.client(Some(token(Role::Admin))).await
    }
}

/// What the service needs, over books that nobody is told of.
pub fn parts_over(books: quota::Parts, access: Access) -> Parts {
    let disk = Arc::new(SimulatedDisk::new());
    let clock = Arc::clone(&books.clock);
    let (notifications, _) = Notifications::open(disk, clock, Options::default()).unwrap();
    books.vitals.enter(Phase::Ready);
    let engine = Arc::clone(&books.engine);
    Parts {
        engine: books.engine,
        vitals: books.vitals,
        clock: books.clock,
        gate: books.gate,
        access: Arc::new(access),
        notifications,
        ask_usage: Arc::new(move |query, take| {
            let name = Name::parse(&query.organization).expect("checked");
            let view = engine.usage(name)?;
            let mut groups = Groups::default();
            let days = view.days.iter();
            for day in days.filter(|day| query.wants(day.date, day.book, view.book)) {
                groups.add(query, day);
            }
            let mut sums = groups.take().into_iter();
            sums.all(take);
            Ok(())
        }),
        read_plan: Arc::new(|text| {
            let plan = plan_file::parse_with(text, "plan", &Variables::off());
            plan.map_err(|error| error.to_string())
        }),
    }
}

/// Listens on a free port.
pub fn listen(parts: &Parts) -> Management {
    let waiting = Waiting::at(&parts.gate);
    let admin = Admin::new(parts.clone(), Arc::clone(&waiting));
    let grpc = admin::routes(admin).into_axum_router();
    let address = "127.0.0.1:0".parse().unwrap();
    let metrics = Metrics::new(Arc::new(|_| Ok(String::new())));
    let pages = pages(Arc::new(Nothing), metrics, true);
    let beside = async move { waiting.serve().await };
    Management::start(address, grpc, pages, beside).unwrap()
}

pub async fn channel(address: &str) -> Channel {
    let endpoint = Channel::from_shared(address.to_owned()).unwrap();
    endpoint
        .timeout(Duration::from_secs(60))
        .connect()
        .await
        .unwrap()
}

/// No pages: those are tested with the whole process.
struct Nothing;

impl Reports for Nothing {
    fn usage_csv(&self, _: &HeaderMap, _: &str, _: Vec<(String, String)>) -> Answering<CsvParts> {
        panic!("nobody asks for pages here")
    }

    fn shows_metrics(&self, _: &HeaderMap) -> Result<(), Refused> {
        panic!("nobody asks for pages here")
    }
}
