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
    encoded_as("identity", address, method, parts).await
}

/// The same under a name for how its messages are compressed.
async fn encoded_as(encoding: &str, address: SocketAddr, method: &str, parts: &[&[u8]]) -> Answer {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(tcp).await.unwrap();
    let connection = tokio::spawn(connection);
    let head = http::Request::post(format!("http://{address}/quotad.v1.QuotaService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", encoding)
        .body(())
        .unwrap();
    let mut sender = sender.ready().await.unwrap();
    let (response, mut sending) = sender.send_request(head, false).unwrap();
    for part in parts {
        // The server may have refused already, and then does not want the rest.
        let _unwanted = sending.send_data(Bytes::copy_from_slice(part), false);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let _unwanted = sending.send_data(Bytes::new(), true);
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

#[tokio::test]
async fn an_encoding_that_is_not_known_is_refused_though_the_message_is_plain() {
    let server = Server::start();
    let message = framed(&charge("ana", 7));
    let streamed = framed(&pb::StreamRequest::default());
    for (method, bytes) in [("Charge", &message), ("Stream", &streamed)] {
        let refused = encoded_as("gzip", server.address(), method, &[bytes]).await;
        assert_eq!(refused.status.code(), Code::Unimplemented, "{method}");
        assert_eq!(refused.headers["grpc-accept-encoding"], "identity");
        let taken = encoded_as("identity", server.address(), method, &[bytes]).await;
        assert_eq!(taken.status.code(), Code::Ok, "{method}");
    }
    assert_eq!(server.drawn(), 7);
}

/// The messages of an answer, each without its prefix.
fn read_all(mut bytes: &[u8]) -> Vec<pb::StreamResponse> {
    let mut messages = Vec::new();
    while let Some((prefix, behind)) = bytes.split_at_checked(5) {
        let length = u32::from_be_bytes(prefix[1..].try_into().unwrap());
        let (message, rest) = behind.split_at(usize::try_from(length).unwrap());
        messages.push(pb::StreamResponse::decode(message).unwrap());
        bytes = rest;
    }
    messages
}

#[tokio::test]
async fn messages_of_a_stream_may_lie_in_frames_as_they_like() {
    let server = Server::start();
    let message = |tag| {
        let operation = super::charge_operation("ana", 1);
        let operations = vec![operation; 2];
        framed(&pb::StreamRequest { tag, operations })
    };
    let bytes = [message(1), message(2), message(3)].concat();
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let ways: [&[&[u8]]; 4] = [
        &[&bytes],
        &[&bytes[..2], &bytes[2..10], &bytes[10..]],
        &[
            &[],
            &bytes[..bytes.len() - 1],
            &[],
            &bytes[bytes.len() - 1..],
        ],
        &single,
    ];
    for (times, parts) in (1..).zip(ways) {
        let answer = in_parts(server.address(), "Stream", parts).await;
        assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
        assert_eq!(answer.headers["content-type"], "application/grpc");
        let tags: Vec<u64> = read_all(&answer.message).iter().map(|it| it.tag).collect();
        assert_eq!((tags, server.drawn()), (vec![1, 2, 3], 6 * times));
    }
}

#[tokio::test]
async fn a_stream_that_is_not_plain_any_more_answers_what_came_before() {
    let server = Server::start();
    let operations = vec![super::charge_operation("ana", 7)];
    let good = framed(&pb::StreamRequest { tag: 1, operations });
    let compressed = [&[1], &good[1..]].concat();
    let short = &good[..good.len() - 1];
    for (times, (bad, text)) in (1..).zip([(&compressed[..], "compressed-flag"), (short, "EOF")]) {
        let answer = in_parts(server.address(), "Stream", &[&good, bad]).await;
        assert_eq!(answer.status.code(), Code::Internal);
        assert!(
            answer.status.message().contains(text),
            "{:?}",
            answer.status
        );
        assert_eq!(read_all(&answer.message).len(), 1);
        assert_eq!(server.drawn(), 7 * times);
    }
}
