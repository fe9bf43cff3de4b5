//! The direct way and the generated service answer alike: which of the two a call takes depends on how its bytes arrive.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use prost::Message;
use quotad::rpc::pb;
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::door::framed;
use super::{Server, charge, reserve};

/// What came back: the message, if there is one, and the status.
struct Answer {
    message: Vec<u8>,
    status: Status,
    headers: HeaderMap,
}

/// One call whose body is sent in these parts, each in a frame of its own and after a pause.
async fn in_parts(address: SocketAddr, method: &str, parts: &[&[u8]]) -> Answer {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(tcp).await.unwrap();
    let connection = tokio::spawn(connection);
    let head = http::Request::post(format!("http://{address}/quotad.v1.QuotaService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut sender = sender.ready().await.unwrap();
    let (response, mut sending) = sender.send_request(head, false).unwrap();
    for part in parts {
        sending
            .send_data(Bytes::copy_from_slice(part), false)
            .unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sending.send_data(Bytes::new(), true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut message = Vec::new();
    while let Some(chunk) = body.data().await {
        message.extend_from_slice(&chunk.unwrap());
    }
    let trailers = body.trailers().await.unwrap();
    connection.abort();
    let status = trailers
        .as_ref()
        .and_then(Status::from_header_map)
        .or_else(|| Status::from_header_map(&head.headers));
    Answer {
        message,
        status: status.unwrap(),
        headers: head.headers,
    }
}

/// The message of an answer, without its prefix.
fn read<M: Message + Default>(answer: &Answer) -> M {
    assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
    assert_eq!(answer.headers["content-type"], "application/grpc");
    M::decode(&answer.message[5..]).unwrap()
}

#[tokio::test]
async fn a_message_may_come_in_any_number_of_frames() {
    let server = Server::start();
    let bytes = framed(&charge("ana", 7));
    let half = bytes.len() / 2;
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let ways: [&[&[u8]]; 5] = [
        &[&bytes],
        &[&[], &bytes, &[]],
        &[&bytes[..5], &bytes[5..]],
        &[&bytes[..half], &bytes[half..]],
        &single,
    ];
    for (times, parts) in (1..).zip(ways) {
        let answer = in_parts(server.address(), "Charge", parts).await;
        let charged: pb::ChargeResponse = read(&answer);
        let standing = charged.standing.unwrap();
        assert_eq!((charged.committed, standing.used), (7, times * 7));
    }
    assert_eq!(server.drawn(), 35);
}

#[tokio::test]
async fn a_denial_is_the_same_on_both_ways() {
    let server = Server::start();
    let bytes = framed(&reserve("ana", 1_001));
    let direct = in_parts(server.address(), "Reserve", &[&bytes]).await;
    let generated = in_parts(server.address(), "Reserve", &[&bytes[..9], &bytes[9..]]).await;
    for answer in [&direct, &generated] {
        assert!(answer.message.is_empty());
        assert_eq!(answer.status.code(), Code::ResourceExhausted);
        let details = answer.status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.metadata["account"], "users/ana");
        assert_eq!(info.metadata["available"], "1000");
    }
    assert_eq!(direct.status.message(), generated.status.message());
    assert_eq!(direct.status.details(), generated.status.details());
}

#[tokio::test]
async fn a_batch_is_the_same_on_both_ways() {
    use pb::operation::Request;
    let operation = |request| pb::Operation {
        request: Some(request),
    };
    let batch = pb::BatchRequest {
        operations: vec![
            operation(Request::Charge(charge("bob", 0))),
            operation(Request::Reserve(reserve("ana", 2_000))),
            operation(Request::Release(pb::ReleaseRequest {
                reservation_id: vec![9; 16],
            })),
            operation(Request::Commit(pb::CommitRequest::default())),
            pb::Operation { request: None },
        ],
    };
    let server = Server::start();
    let bytes = framed(&batch);
    let direct = in_parts(server.address(), "Batch", &[&bytes]).await;
    let generated = in_parts(server.address(), "Batch", &[&bytes[..9], &bytes[9..]]).await;
    let answer: pb::BatchResponse = read(&direct);
    assert_eq!(answer, read(&generated));
    assert_eq!(answer.outcomes.len(), 5);
}

#[tokio::test]
async fn what_is_compressed_or_cut_off_is_worded_by_the_generated_service() {
    let server = Server::start();
    let bytes = framed(&charge("ana", 7));
    let compressed = [&[1], &bytes[1..]].concat();
    let short = &bytes[..bytes.len() - 1];
    for (parts, text) in [
        (&[&compressed[..]][..], "compressed-flag"),
        (&[short], "EOF"),
        (&[], "Missing request message"),
    ] {
        let status = in_parts(server.address(), "Charge", parts).await.status;
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains(text), "{status:?}");
    }
    assert_eq!(server.drawn(), 0);
}
