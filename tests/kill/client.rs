//! Asking, over a connection that may break at any moment. Whatever is no answer is a doubt.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use quotad::rpc::pb;
use quotad::rpc::pb::operation::Request;
use quotad::rpc::pb::quota_service_client::QuotaServiceClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::ask::{Ask, Told, subject};
use super::plan::{Who, organization_name};

/// No answer takes so long; a sidecar that hangs ends the run.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

pub type Client = QuotaServiceClient<Channel>;

pub async fn over_socket(path: &Path) -> Option<Client> {
    let path = path.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost").timeout(CALL_TIMEOUT);
    let channel = endpoint.connect_with_connector(connector).await.ok()?;
    Some(QuotaServiceClient::new(channel))
}

pub async fn over_tcp(server: &str) -> Option<Client> {
    let endpoint = Endpoint::from_shared(server.to_owned()).unwrap();
    let channel = endpoint.timeout(CALL_TIMEOUT).connect().await.ok()?;
    Some(QuotaServiceClient::new(channel))
}

/// One call of its own.
pub async fn call(client: &mut Client, ask: &Ask) -> Option<Told> {
    let told = match ask.request() {
        Request::Reserve(it) => client
            .reserve(it)
            .await
            .map(|it| Told::of_reservation(it.into_inner().reservation)),
        Request::Extend(it) => client
            .extend(it)
            .await
            .map(|it| Told::of_reservation(it.into_inner().reservation)),
        Request::Commit(it) => client.commit(it).await.map(|it| it.into_inner().into()),
        Request::Release(it) => client.release(it).await.map(|it| it.into_inner().into()),
        Request::Charge(it) => client.charge(it).await.map(|it| it.into_inner().into()),
        Request::Check(_) => panic!("nobody asks for a check"),
    };
    match told {
        Ok(told) => Some(told),
        Err(status) => answered(&status),
    }
}

/// Several at once.
pub async fn batch(client: &mut Client, asks: &[Ask]) -> Option<Vec<Told>> {
    let operations = operations(asks);
    match client.batch(pb::BatchRequest { operations }).await {
        Ok(answer) => Some(
            answer
                .into_inner()
                .outcomes
                .into_iter()
                .map(Told::of_outcome)
                .collect(),
        ),
        Err(status) => match answered(&status) {
            None => None,
            Some(told) => {
                panic!("a batch is answered as a whole only if it is malformed: {told:?}")
            }
        },
    }
}

pub fn operations(asks: &[Ask]) -> Vec<pb::Operation> {
    let operation = |ask: &Ask| pb::Operation {
        request: Some(ask.request()),
    };
    asks.iter().map(operation).collect()
}

/// What a status tells, if it comes from the rules and not from a connection that broke.
fn answered(status: &Status) -> Option<Told> {
    match status.code() {
        Code::ResourceExhausted => {
            let details = status.get_error_details();
            let info = details.error_info().expect("a denial names its reason");
            let reason = format!("DENIAL_REASON_{}", info.reason);
            Some(Told::Denied {
                reason: pb::DenialReason::from_str_name(&reason).expect("a known reason"),
                account: info.metadata["account"].clone(),
            })
        }
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition => Some(Told::Failed {
            code: status.code().into(),
            message: status.message().to_owned(),
        }),
        _ => None,
    }
}

/// How a user stands: theirs, the environment's, the organization's.
pub async fn balance(client: &mut Client, who: Who) -> Result<pb::GetBalanceResponse, Status> {
    let request = pb::GetBalanceRequest {
        subject: subject(who),
    };
    client
        .get_balance(request)
        .await
        .map(tonic::Response::into_inner)
}

/// How an environment and its organization stand.
pub async fn totals(
    client: &mut Client,
    organization: usize,
    environment: &str,
) -> Result<pb::GetBalanceResponse, Status> {
    let subject = pb::Subject {
        organization: organization_name(organization),
        environment: environment.to_owned(),
        ..Default::default()
    };
    let request = pb::GetBalanceRequest {
        subject: Some(subject),
    };
    client
        .get_balance(request)
        .await
        .map(tonic::Response::into_inner)
}
