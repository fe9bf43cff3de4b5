//! What a call meets before its service: deadlines, phases, bytes that are no message, a service that panics. Frame by
//! frame, because a well-behaved client gives up by itself.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use quotad::rpc::pb;
use quotad::rpc::pb::quota_service_server::QuotaService;
use quotad::rpc::quota::Quota;
use quotad::rpc::server::{DataPlane, Settings};
use quotad::storage::gate::Waiting;
use quotad::world::vitals::Phase;
use tokio::net::TcpStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::{Client, Server, charge, parts, reserve};

/// Sends one call over a connection of its own: the head, a pause, the body. Answers the code in the trailers.
pub async fn raw(
    address: SocketAddr,
    method: &str,
    timeout: Option<&str>,
    pause: Duration,
    body: Vec<u8>,
) -> Code {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(tcp).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut head = http::Request::post(format!("http://{address}/quotad.v1.QuotaService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(timeout) = timeout {
        head = head.header("grpc-timeout", timeout);
    }
    let mut sender = sender.ready().await.unwrap();
    let (response, mut sending) = sender.send_request(head.body(()).unwrap(), false).unwrap();
    tokio::time::sleep(pause).await;
    // The server may have answered already, and then does not want the body.
    let _unwanted = sending.send_data(Bytes::from(body), true);
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut status = head.headers.get("grpc-status").cloned();
    if status.is_none() {
        while let Some(chunk) = body.data().await {
            let chunk = chunk.unwrap();
            body.flow_control().release_capacity(chunk.len()).unwrap();
        }
        let trailers = body.trailers().await.unwrap().unwrap();
        status = trailers.get("grpc-status").cloned();
    }
    connection.abort();
    Code::from_bytes(status.unwrap().as_bytes())
}

/// A message as gRPC frames it.
pub fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &bytes].concat()
}

#[tokio::test]
async fn a_deadline_that_has_passed_books_nothing() {
    let server = Server::start();
    let body = || framed(&charge("ana", 7));
    let address = server.address();
    let none = Duration::ZERO;
    assert_eq!(
        raw(address, "Charge", Some("0n"), none, body()).await,
        Code::DeadlineExceeded
    );
    let late = Duration::from_millis(150);
    assert_eq!(
        raw(address, "Charge", Some("20m"), late, body()).await,
        Code::DeadlineExceeded
    );
    assert_eq!(
        raw(address, "Charge", Some("soon"), none, body()).await,
        Code::InvalidArgument
    );
    assert_eq!(server.drawn(), 0);
    assert_eq!(
        raw(address, "Charge", Some("10S"), none, body()).await,
        Code::Ok
    );
    assert_eq!(raw(address, "Charge", None, late, body()).await, Code::Ok);
    assert_eq!(server.drawn(), 14);
}

#[tokio::test]
async fn a_call_in_flight_is_finished_while_draining() {
    let server = Server::start();
    let (address, parts) = (server.address(), server.parts.clone());
    let pause = Duration::from_millis(300);
    let call = tokio::spawn(raw(
        address,
        "Charge",
        None,
        pause,
        framed(&charge("ana", 7)),
    ));
    tokio::time::sleep(pause / 3).await;
    let cut = server.plane.drain(Duration::from_secs(5)).await;
    assert_eq!((call.await.unwrap(), cut), (Code::Ok, 0));
    let refused = TcpStream::connect(address).await;
    assert!(refused.is_err() && parts.vitals.phase() == Phase::Draining);
}

#[tokio::test]
async fn what_does_not_end_by_itself_is_cut_off_at_the_limit() {
    let server = Server::start();
    let endless = Duration::from_secs(3_600);
    let call = tokio::spawn(raw(server.address(), "Charge", None, endless, vec![]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let drain = server.plane.drain(Duration::from_millis(200));
    let cut = tokio::time::timeout(Duration::from_secs(3), drain)
        .await
        .unwrap();
    assert_eq!(cut, 1);
    call.abort();
}

#[tokio::test]
async fn bytes_that_are_no_message_are_an_error_and_nothing_else() {
    let server = Server::start();
    let address = server.address();
    let huge = [&[0_u8][..], &u32::MAX.to_be_bytes(), &[0; 64]].concat();
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed.to_be_bytes()[0]
    };
    let mut bodies = vec![
        vec![],
        vec![0],
        vec![0; 5],
        vec![1, 0, 0, 0, 1, 0],
        vec![0, 0, 0, 0, 9, 1],
        huge,
    ];
    for _ in 0..50 {
        let noise: Vec<u8> = (0..40).map(|_| random()).collect();
        bodies.push([&[0, 0, 0, 0, 40][..], &noise].concat());
    }
    for method in [
        "Reserve",
        "Commit",
        "Batch",
        "Stream",
        "GetBalance",
        "NoSuchMethod",
    ] {
        for body in &bodies {
            let code = raw(address, method, None, Duration::ZERO, body.clone()).await;
            let is_harmless = method == "GetBalance" || method == "Stream";
            assert!(code != Code::Ok || is_harmless, "{method} {body:?}");
        }
    }
    assert_eq!((server.drawn(), server.parts.vitals.panics()), (0, 0));
}

#[tokio::test]
async fn calls_are_unavailable_until_ready_and_from_draining_on() {
    let parts = parts();
    let settings = Settings {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        socket: None,
        threads: NonZeroUsize::MIN,
    };
    let plane = DataPlane::start(&settings, parts.clone()).unwrap();
    let mut client = Client::connect(format!("http://{}", plane.address().unwrap()))
        .await
        .unwrap();
    for (phase, code) in [
        (Phase::Starting, Code::Unavailable),
        (Phase::Ready, Code::Ok),
        (Phase::Draining, Code::Unavailable),
    ] {
        parts.vitals.enter(phase);
        let answer = client.charge(charge("ana", 1)).await;
        assert_eq!(
            answer.err().map_or(Code::Ok, |status| status.code()),
            code,
            "{phase:?}"
        );
    }
}

/// Panics in Reserve; the rest is the real service.
#[derive(Clone)]
struct Panicking(Quota);

#[tonic::async_trait]
impl QuotaService for Panicking {
    type StreamStream = <Quota as QuotaService>::StreamStream;

    async fn reserve(
        &self,
        _: Request<pb::ReserveRequest>,
    ) -> Result<Response<pb::ReserveResponse>, Status> {
        panic!("on purpose");
    }
    async fn commit(
        &self,
        request: Request<pb::CommitRequest>,
    ) -> Result<Response<pb::CommitResponse>, Status> {
        self.0.commit(request).await
    }
    async fn release(
        &self,
        request: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::ReleaseResponse>, Status> {
        self.0.release(request).await
    }
    async fn extend(
        &self,
        request: Request<pb::ExtendRequest>,
    ) -> Result<Response<pb::ExtendResponse>, Status> {
        self.0.extend(request).await
    }
    async fn charge(
        &self,
        request: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        self.0.charge(request).await
    }
    async fn check(
        &self,
        request: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        self.0.check(request).await
    }
    async fn get_balance(
        &self,
        request: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        self.0.get_balance(request).await
    }
    async fn batch(
        &self,
        request: Request<pb::BatchRequest>,
    ) -> Result<Response<pb::BatchResponse>, Status> {
        self.0.batch(request).await
    }
    async fn stream(
        &self,
        request: Request<Streaming<pb::StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        self.0.stream(request).await
    }
}

#[tokio::test]
async fn a_panic_in_a_service_ends_its_call_and_neither_thread_nor_connection() {
    let parts = parts();
    parts.vitals.enter(Phase::Ready);
    let settings = Settings {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        socket: None,
        threads: NonZeroUsize::MIN,
    };
    let service = Panicking(Quota::new(parts.clone(), Waiting::at(&parts.gate)));
    let (vitals, clock) = (Arc::clone(&parts.vitals), Arc::clone(&parts.clock));
    let plane = DataPlane::start_with(&settings, service, vitals, clock).unwrap();
    let mut client = Client::connect(format!("http://{}", plane.address().unwrap()))
        .await
        .unwrap();
    assert_eq!(
        client.reserve(reserve("ana", 1)).await.unwrap_err().code(),
        Code::Internal
    );
    assert_eq!(
        client
            .charge(charge("ana", 1))
            .await
            .unwrap()
            .into_inner()
            .committed,
        1
    );
    assert_eq!(
        (parts.vitals.panics(), parts.vitals.phase()),
        (1, Phase::Ready)
    );
}
