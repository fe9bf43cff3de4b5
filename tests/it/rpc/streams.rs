//! `Stream`: answers in order, under their tags, until the caller or a drain ends it.

use std::time::Duration;

use quotad::rpc::pb;
use quotad::world::vitals::Phase;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::{Server, charge_operation};

fn request(tag: u64, operations: Vec<pb::Operation>) -> pb::StreamRequest {
    pb::StreamRequest { tag, operations }
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests_under_their_tags() {
    let server = Server::start();
    let mut client = server.client().await;
    let requests: Vec<_> = (0..2_000)
        .map(|tag| request(tag ^ 0xff, vec![charge_operation("", 1)]))
        .collect();
    let mut answers = client
        .stream(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let mut tags = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!((answer.outcomes.len(), answer.failure), (1, None));
        tags.push(answer.tag);
    }
    assert_eq!(tags, (0..2_000).map(|tag| tag ^ 0xff).collect::<Vec<u64>>());
    assert_eq!(server.drawn(), 2_000);
}

#[tokio::test]
async fn a_bad_message_is_answered_and_the_stream_goes_on() {
    let server = Server::start();
    let mut client = server.client().await;
    let requests = vec![
        request(1, vec![]),
        request(2, vec![charge_operation("", 1); 1_001]),
        request(3, vec![charge_operation("a\u{1}", 1)]),
        request(4, vec![charge_operation("", 5)]),
    ];
    let mut answers = client
        .stream(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    for tag in [1, 2] {
        let answer = answers.message().await.unwrap().unwrap();
        let failure = answer.failure.unwrap();
        assert_eq!(
            (answer.tag, failure.code, failure.field.as_str()),
            (tag, 3, "operations")
        );
        assert!(answer.outcomes.is_empty());
    }
    let third = answers.message().await.unwrap().unwrap();
    assert!(matches!(
        third.outcomes[0].result.as_ref().unwrap(),
        pb::outcome::Result::Failure(failure) if failure.field == "operations[0].charge.subject.user"
    ));
    let fourth = answers.message().await.unwrap().unwrap();
    assert_eq!((fourth.tag, server.drawn()), (4, 5));
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn an_open_stream_ends_when_draining_begins_and_holds_nothing_up() {
    let server = Server::start();
    let mut client = server.client().await;
    let (sender, receiver) = mpsc::channel(1);
    let mut answers = client
        .stream(ReceiverStream::new(receiver))
        .await
        .unwrap()
        .into_inner();
    sender
        .send(request(1, vec![charge_operation("", 1)]))
        .await
        .unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().tag, 1);
    let Server { plane, parts } = server;
    let drain = tokio::spawn(plane.drain(Duration::from_secs(5)));
    assert_eq!(
        answers.message().await.unwrap_err().code(),
        Code::Unavailable
    );
    drop((sender, answers, client));
    let cut = tokio::time::timeout(Duration::from_secs(4), drain)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((cut, parts.vitals.phase()), (0, Phase::Draining));
}
