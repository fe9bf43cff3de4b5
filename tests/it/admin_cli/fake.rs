//! An AdminService that remembers what it was asked, and answers as it was told.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;

use parking_lot::Mutex;
use quotad::rpc::pb;
use quotad::rpc::pb::admin_service_server::{AdminService, AdminServiceServer};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

type Boxed = Box<dyn Any + Send>;

#[derive(Default)]
struct Memory {
    /// What was asked: the method, the token that came with it, and the request.
    asked: Vec<(&'static str, Option<String>, Boxed)>,
    /// What is answered next, by method; a default message when nothing is left.
    answers: HashMap<&'static str, VecDeque<Result<Boxed, Status>>>,
}

#[derive(Clone, Default)]
struct Service(Arc<Mutex<Memory>>);

/// The fake, on a port of its own, as long as it lives.
pub struct Fake {
    service: Service,
    port: u16,
    /// The server ends when this goes.
    _alive: tokio::sync::oneshot::Sender<()>,
}

impl Fake {
    pub fn start() -> Self {
        let service = Service::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let admin = AdminServiceServer::new(service.clone());
        let (alive, ended) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let incoming = TcpListenerStream::new(listener);
                let server = tonic::transport::Server::builder().add_service(admin);
                let ended = async { drop(ended.await) };
                server.serve_with_incoming_shutdown(incoming, ended).await
            })
        });
        Self {
            service,
            port,
            _alive: alive,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a method answers next, after what it was told before.
    pub fn answers<T: Any + Send>(&self, method: &'static str, answer: T) {
        self.tell(method, Ok(Box::new(answer)));
    }

    pub fn refuses(&self, method: &'static str, status: Status) {
        self.tell(method, Err(status));
    }

    fn tell(&self, method: &'static str, answer: Result<Boxed, Status>) {
        let mut memory = self.service.0.lock();
        memory.answers.entry(method).or_default().push_back(answer);
    }

    /// The requests that a method was asked since the last time, in order.
    pub fn asked<T: Any + Clone>(&self, method: &str) -> Vec<T> {
        let mut memory = self.service.0.lock();
        let mut found = Vec::new();
        memory.asked.retain(|(name, _, request)| {
            if *name != method {
                return true;
            }
            found.push(request.downcast_ref::<T>().unwrap().clone());
            false
        });
        found
    }

    /// The only request that a method was asked.
    pub fn asked_once<T: Any + Clone + Debug>(&self, method: &str) -> T {
        let mut asked = self.asked(method);
        assert_eq!(asked.len(), 1, "{method}: {asked:?}");
        asked.remove(0)
    }

    /// The methods that were asked, in order, with the tokens.
    pub fn methods(&self) -> Vec<(&'static str, Option<String>)> {
        let memory = self.service.0.lock();
        let asked = memory.asked.iter();
        asked
            .map(|(name, token, _)| (*name, token.clone()))
            .collect()
    }
}

impl Service {
    fn answer<Asked: Any + Send, Answer: Any + Default>(
        &self,
        method: &'static str,
        request: Request<Asked>,
    ) -> Result<Answer, Status> {
        let mut memory = self.0.lock();
        let token = request.metadata().get("authorization");
        let token = token.map(|it| it.to_str().unwrap().to_owned());
        let asked: Boxed = Box::new(request.into_inner());
        memory.asked.push((method, token, asked));
        let told = memory.answers.get_mut(method).and_then(VecDeque::pop_front);
        match told {
            None => Ok(Answer::default()),
            Some(Err(status)) => Err(status),
            Some(Ok(answer)) => Ok(*answer.downcast::<Answer>().unwrap()),
        }
    }
}

/// What a stream sends before it ends, or fails.
pub type Parts<T> = Vec<Result<T, Status>>;

macro_rules! service {
    ($($method:ident($asked:ident) -> $answer:ident,)* ; $($streaming:ident($s_asked:ident) -> $stream:ident of $part:ident,)*) => {
        #[tonic::async_trait]
        impl AdminService for Service {
            $(
                async fn $method(&self, request: Request<pb::$asked>) -> Result<Response<pb::$answer>, Status> {
                    self.answer(stringify!($method), request).map(Response::new)
                }
            )*
            $(
                type $stream = tokio_stream::Iter<std::vec::IntoIter<Result<pb::$part, Status>>>;

                async fn $streaming(&self, request: Request<pb::$s_asked>) -> Result<Response<Self::$stream>, Status> {
                    let parts: Parts<pb::$part> = self.answer(stringify!($streaming), request)?;
                    Ok(Response::new(tokio_stream::iter(parts)))
                }
            )*
        }
    };
}

service! {
    get_organization(GetOrganizationRequest) -> GetOrganizationResponse,
    list_organizations(ListOrganizationsRequest) -> ListOrganizationsResponse,
    set_organization(SetOrganizationRequest) -> SetOrganizationResponse,
    delete_organization(DeleteOrganizationRequest) -> DeleteOrganizationResponse,
    list_grants(ListGrantsRequest) -> ListGrantsResponse,
    set_grants(SetGrantsRequest) -> SetGrantsResponse,
    delete_grants(DeleteGrantsRequest) -> DeleteGrantsResponse,
    get_allocation(GetAllocationRequest) -> GetAllocationResponse,
    list_allocations(ListAllocationsRequest) -> ListAllocationsResponse,
    set_allocation(SetAllocationRequest) -> SetAllocationResponse,
    delete_allocation(DeleteAllocationRequest) -> DeleteAllocationResponse,
    get_limit(GetLimitRequest) -> GetLimitResponse,
    list_limits(ListLimitsRequest) -> ListLimitsResponse,
    set_limit(SetLimitRequest) -> SetLimitResponse,
    delete_limit(DeleteLimitRequest) -> DeleteLimitResponse,
    get_rate(GetRateRequest) -> GetRateResponse,
    list_rates(ListRatesRequest) -> ListRatesResponse,
    set_rate(SetRateRequest) -> SetRateResponse,
    delete_rate(DeleteRateRequest) -> DeleteRateResponse,
    get_plan(GetPlanRequest) -> GetPlanResponse,
    apply_plan(ApplyPlanRequest) -> ApplyPlanResponse,
    assign_equal_limits(AssignEqualLimitsRequest) -> AssignEqualLimitsResponse,
    distribute_equally(DistributeEquallyRequest) -> DistributeEquallyResponse,
    remove_user(RemoveUserRequest) -> RemoveUserResponse,
    request_extension(RequestExtensionRequest) -> RequestExtensionResponse,
    start_trial(StartTrialRequest) -> StartTrialResponse,
    renew_trial(RenewTrialRequest) -> RenewTrialResponse,
    adjust_usage(AdjustUsageRequest) -> AdjustUsageResponse,
    estimate(EstimateRequest) -> EstimateResponse,
    list_balances(ListBalancesRequest) -> ListBalancesResponse,
    list_members(ListMembersRequest) -> ListMembersResponse,
    query_usage(QueryUsageRequest) -> QueryUsageResponse,
    list_notifications(ListNotificationsRequest) -> ListNotificationsResponse,
    list_sinks(ListSinksRequest) -> ListSinksResponse,
    list_dead_letters(ListDeadLettersRequest) -> ListDeadLettersResponse,
    replay_dead_letters(ReplayDeadLettersRequest) -> ReplayDeadLettersResponse,
    list_audit(ListAuditRequest) -> ListAuditResponse,
    list_reservations(ListReservationsRequest) -> ListReservationsResponse,
    release_reservation(ReleaseReservationRequest) -> ReleaseReservationResponse,
    ;
    export_usage(ExportUsageRequest) -> ExportUsageStream of ExportUsageResponse,
    watch_notifications(WatchNotificationsRequest) -> WatchNotificationsStream of WatchNotificationsResponse,
}
