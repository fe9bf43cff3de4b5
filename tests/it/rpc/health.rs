//! Health and reflection on the data plane, and the probes listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quotad::domain::fact::Fact;
use quotad::domain::plan::Plan;
use quotad::engine::recorder::{NotKept, Receipt, Recorder, Unrecorded};
use quotad::http::metrics::Metrics;
use quotad::http::probes::{Probes, ProbesError};
use quotad::rpc::health;
use quotad::storage::gate::Gate;
use quotad::world::clock::{Clock, ManualClock};
use quotad::world::vitals::{BEAT_MISSING_MAX, Phase, Vitals};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::Server;

async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

fn named(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn a_watcher_is_told_that_draining_began_and_then_let_go() {
    let server = Server::start();
    let mut client = HealthClient::new(channel(server.address()).await);
    let mut watch = client
        .watch(named("quotad.v1.QuotaService"))
        .await
        .unwrap()
        .into_inner();
    let status =
        |seen: Option<tonic_health::pb::HealthCheckResponse>| seen.map(|seen| seen.status());
    assert_eq!(
        status(watch.message().await.unwrap()),
        Some(ServingStatus::Serving)
    );
    let drain = tokio::spawn(server.plane.drain(Duration::from_secs(5)));
    assert_eq!(
        status(watch.message().await.unwrap()),
        Some(ServingStatus::NotServing)
    );
    assert_eq!(status(watch.message().await.unwrap()), None);
    drop((watch, client));
    let cut = tokio::time::timeout(Duration::from_secs(4), drain)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(cut, 0);
}

#[tokio::test]
async fn reflection_names_the_services() {
    let server = Server::start();
    let mut client = ServerReflectionClient::new(channel(server.address()).await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let names: Vec<_> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert!(
        names.contains(&"quotad.v1.QuotaService") && names.contains(&"grpc.health.v1.Health"),
        "{names:?}"
    );
}

/// The status line's code and the body of a plain GET.
async fn get(probes: &Probes, path: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(probes.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: probes\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn the_probes_tell_liveness_from_readiness() {
    let clock = Arc::new(ManualClock::at(0));
    let vitals = Arc::new(Vitals::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let service = health::service(Arc::clone(&vitals));
    let page = || Metrics::new(Arc::new(|_| Ok("a page\n".to_owned())));
    let address = "127.0.0.1:0".parse().unwrap();
    let probes = Probes::start(address, Arc::clone(&vitals), service, page())
        .await
        .unwrap();
    let mut client = HealthClient::new(channel(probes.address()).await);
    let mut grpc = async |name| {
        client
            .check(named(name))
            .await
            .map(|answer| answer.into_inner().status())
    };

    assert_eq!(get(&probes, "/healthz").await.0, 200);
    assert_eq!(
        get(&probes, "/readyz").await,
        (503, "starting\n".to_owned())
    );
    assert_eq!(get(&probes, "/startupz").await.0, 503);
    assert_eq!(grpc("").await.unwrap(), ServingStatus::NotServing);
    vitals.enter(Phase::Ready);
    let _pulse = vitals.pulse("quotad-data-0");
    assert_eq!(get(&probes, "/startupz").await.0, 200);
    assert_eq!(get(&probes, "/readyz").await, (200, "ready\n".to_owned()));
    vitals.plan_is_current(false);
    let (code, body) = get(&probes, "/readyz").await;
    assert!(
        code == 200 && body.contains("last good plan"),
        "{code} {body}"
    );
    vitals.plan_is_current(true);
    assert_eq!(get(&probes, "/readyz").await.1, "ready\n");
    for name in [
        "",
        "quotad.v1.QuotaService",
        "quotad.startup",
        "quotad.readiness",
        "quotad.liveness",
    ] {
        assert_eq!(grpc(name).await.unwrap(), ServingStatus::Serving, "{name}");
    }
    clock.advance(2 * BEAT_MISSING_MAX);
    let (code, body) = get(&probes, "/healthz").await;
    assert!(
        code == 503 && body.contains("quotad-data-0"),
        "{code} {body}"
    );
    assert_eq!(
        grpc("quotad.liveness").await.unwrap(),
        ServingStatus::NotServing
    );
    assert_eq!(
        grpc("quotad.readiness").await.unwrap(),
        ServingStatus::Serving
    );
    assert_eq!(grpc("other").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(get(&probes, "/metrics").await, (200, "a page\n".to_owned()));
    let (code, body) = get(&probes, "/elsewhere").await;
    assert!(code == 404 && body.contains("/healthz"), "{code} {body}");

    let again = Probes::start(
        probes.address(),
        Arc::clone(&vitals),
        health::service(vitals),
        page(),
    )
    .await;
    assert!(matches!(again, Err(ProbesError::Taken(address)) if address == probes.address()));
}

#[tokio::test]
async fn every_data_plane_thread_beats() {
    let server = Server::start();
    server.client().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(server.parts.vitals.is_alive());
    let beats = server.parts.vitals.beats();
    assert!(
        beats.len() == 2 && beats.iter().all(|&beats| beats >= 2),
        "{beats:?}"
    );
}

/// Records nothing until it is let go: whoever records stands still, with the thread that it is on.
struct Standstill(parking_lot::Mutex<std::sync::mpsc::Receiver<()>>);

impl Recorder for Standstill {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        if facts.iter().any(|fact| matches!(fact, Fact::Held(_))) {
            // An error says that the test is over.
            let _let_go = self.0.lock().recv();
        }
        Ok(Receipt(0))
    }

    fn keep_plan(&self, _plan: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _holds_open: u64) -> bool {
        true
    }
}

#[tokio::test]
async fn a_thread_that_stands_still_fails_liveness_alone_and_recovers_when_it_turns_again() {
    let (let_go, standing) = std::sync::mpsc::channel();
    let recorder = Arc::new(Standstill(parking_lot::Mutex::new(standing)));
    let clock = Arc::new(ManualClock::at(0));
    let mut parts = super::parts_over(recorder, Arc::new(Gate::open()));
    parts.vitals = Arc::new(Vitals::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let vitals = Arc::clone(&parts.vitals);
    let server = Server::start_over(parts, Some("127.0.0.1:0".parse().unwrap()), None);
    let page = Metrics::new(Arc::new(|_| Ok(String::new())));
    let address = "127.0.0.1:0".parse().unwrap();
    let service = health::service(Arc::clone(&vitals));
    let probes = Probes::start(address, Arc::clone(&vitals), service, page)
        .await
        .unwrap();

    let mut client = server.client().await;
    let call = tokio::spawn(async move { client.reserve(super::reserve("ana", 1)).await });
    // The other thread beats on; this one has not since the clock stood here.
    let mut stood_still = false;
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        clock.advance(BEAT_MISSING_MAX / 40);
        stood_still |= get(&probes, "/healthz").await.0 == 503;
    }
    assert!(stood_still);
    let (code, body) = get(&probes, "/healthz").await;
    assert!(
        code == 503 && body.matches("quotad-data-").count() == 1,
        "{code} {body}"
    );
    assert_eq!(get(&probes, "/readyz").await.0, 200);
    assert_eq!(get(&probes, "/startupz").await.0, 200);
    let_go.send(()).unwrap();
    call.await.unwrap().unwrap();
    for _ in 0..60 {
        if get(&probes, "/healthz").await.0 == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it turns again, and nobody sees it");
}
