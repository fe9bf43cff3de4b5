//! A plan, and a load on it of which every figure is known; and what a sidecar with sinks and tokens is told.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;

use quotad::rpc::pb;
use quotad::rpc::pb::quota_service_client::QuotaServiceClient;
use tonic::Code;
use tonic::transport::Channel;

use crate::rpc::{charge, charge_operation, commit, credits, reserve};

pub const PLAN: &str = "\
organizations:
  default:
    grants: [{kind: contract, credits: 10000}]
    environments:
      prod: {allocation: 4000, overage: {mode: grace, margin_percent: 10}}
      sandbox: {}
    users: {ana: {limit: 1000}, bo: {limit: 500, type: soft}}
  shadowy:
    grants: [{kind: contract, credits: 100}]
    enforcement: shadow
";

/// What the API says of an account: limit, used, held, available.
pub type Figures = [f64; 4];

fn subject(organization: &str, environment: &str, user: &str) -> Option<pb::Subject> {
    Some(pb::Subject {
        organization: organization.to_owned(),
        environment: environment.to_owned(),
        user: user.to_owned(),
        ..Default::default()
    })
}

fn operation(request: pb::operation::Request) -> pb::Operation {
    pb::Operation {
        request: Some(request),
    }
}

/// Something of everything. What it comes to is written down in the tests.
pub async fn load(client: &mut QuotaServiceClient<Channel>) {
    let charged = client.charge(charge("ana", 300)).await.unwrap();
    assert_eq!(charged.into_inner().committed, 300);
    let denied = client.charge(charge("ana", 800)).await.unwrap_err();
    assert_eq!(denied.code(), Code::ResourceExhausted);
    let shadow = pb::ChargeRequest {
        subject: subject("shadowy", "", ""),
        ..charge("", 150)
    };
    client.charge(shadow).await.unwrap();
    let in_prod = |amount| pb::ReserveRequest {
        subject: subject("", "prod", "bo"),
        ..reserve("", amount)
    };
    client.reserve(in_prod(200)).await.unwrap();
    let held = client.reserve(in_prod(100)).await.unwrap().into_inner();
    let id = held.reservation.unwrap().id;
    let more = pb::ExtendRequest {
        reservation_id: id.clone(),
        additional: 20,
        ..Default::default()
    };
    client.extend(more).await.unwrap();
    client.commit(commit(&id, 60)).await.unwrap();
    let held = client.reserve(reserve("", 7)).await.unwrap().into_inner();
    let id = held.reservation.unwrap().id;
    client
        .release(pb::ReleaseRequest { reservation_id: id })
        .await
        .unwrap();
    let unknown = client.commit(commit(&[7; 16], 1)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let nothing = pb::ChargeRequest::default();
    let invalid = client.charge(nothing).await.unwrap_err();
    assert_eq!(invalid.code(), Code::InvalidArgument);
    let check = pb::CheckRequest {
        subject: subject("", "", "ana"),
        cost: credits(5_000),
        ..Default::default()
    };
    client.check(check).await.unwrap();
    let operations = vec![
        charge_operation("", 1),
        charge_operation("ana", 5_000),
        operation(pb::operation::Request::Commit(commit(&[8; 16], 1))),
    ];
    let batch = pb::BatchRequest { operations };
    let outcomes = client.batch(batch).await.unwrap().into_inner().outcomes;
    assert_eq!(outcomes.len(), 3);
    let message = pb::StreamRequest {
        tag: 1,
        operations: vec![charge_operation("", 2), charge_operation("", 3)],
    };
    let answers = client.stream(tokio_stream::iter([message])).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap();
    assert_eq!(answer.unwrap().outcomes.len(), 2);
}

pub async fn balances(client: &mut QuotaServiceClient<Channel>) -> BTreeMap<String, Figures> {
    let mut all = BTreeMap::new();
    for (organization, environment, user) in [
        ("default", "prod", "ana"),
        ("default", "prod", "bo"),
        ("shadowy", "", ""),
    ] {
        let request = pb::GetBalanceRequest {
            subject: subject(organization, environment, user),
        };
        let answer = client.get_balance(request).await.unwrap().into_inner();
        let (of_user, of_environment) = (answer.user, answer.environment);
        let told = [of_user, of_environment, answer.organization];
        for balance in told.into_iter().flatten() {
            let Some(limit) = balance.limit else {
                continue;
            };
            let account = format!("{organization} {}", balance.account);
            let figures = [limit, balance.used, balance.held, balance.available];
            all.insert(account, figures.map(|it| it as f64));
        }
    }
    all
}

/// A webhook that takes connections and never answers.
pub fn hanging_webhook() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    (listener, url)
}

/// A settings file with a sink, and tokens beside it; the arguments that name them.
pub fn configured(folder: &std::path::Path, url: &str) -> Vec<String> {
    let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let settings = format!(
        "notifications: {{sinks: [{{name: hook, webhook: {{url: \"{url}\", secret: {secret}}}}}]}}\n"
    );
    let (file, tokens) = (folder.join("quotad.yaml"), folder.join("tokens.yaml"));
    fs::write(&file, settings).unwrap();
    fs::write(
        &tokens,
        format!("tokens: [{{name: eye, role: viewer, token: {EYE}}}]\n"),
    )
    .unwrap();
    [("--config", file), ("--management-tokens-file", tokens)]
        .into_iter()
        .flat_map(|(flag, path)| [flag.to_owned(), path.display().to_string()])
        .collect()
}

/// A token that may read.
pub const EYE: &str = "0123456789abcdef-eye";
