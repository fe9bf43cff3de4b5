//! Answers wait until what they tell is safe: a server whose record is made safe by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quotad::domain::fact::Fact;
use quotad::domain::plan::Plan;
use quotad::engine::recorder::{NotKept, Receipt, Recorder, Unrecorded};
use quotad::rpc::pb;
use quotad::storage::gate::Gate;
use quotad::world::vitals::Phase;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::door::{framed, raw};
use super::{Server, charge, charge_operation, commit, parts_over, reserve, subject};

/// One more for each operation that happened.
#[derive(Default)]
struct Counting(AtomicU64);

impl Recorder for Counting {
    fn record(&self, facts: &[Fact]) -> Result<Receipt, Unrecorded> {
        let more = u64::from(!facts.is_empty());
        Ok(Receipt(self.0.fetch_add(more, Ordering::SeqCst) + more))
    }

    fn keep_plan(&self, _: &Arc<Plan>) -> Result<(), NotKept> {
        Ok(())
    }

    fn has_room(&self, _: u64) -> bool {
        true
    }
}

/// A server at whose gate answers wait, and what it has recorded.
struct Gated {
    server: Server,
    gate: Arc<Gate>,
    recorded: Arc<Counting>,
}

impl Gated {
    fn start() -> Self {
        let gate = Arc::new(Gate::new(true));
        let recorded = Arc::new(Counting::default());
        let parts = parts_over(Arc::clone(&recorded) as _, Arc::clone(&gate));
        let server = Server::start_over(parts, Some("127.0.0.1:0".parse().unwrap()), None);
        let gated = Self {
            server,
            gate,
            recorded,
        };
        gated.sync();
        gated
    }

    /// Makes safe what has been recorded.
    fn sync(&self) {
        self.gate
            .pass(Receipt(self.recorded.0.load(Ordering::SeqCst)));
    }

    /// What is booked and held is this, though nobody was told yet.
    async fn drawn(&self, credits: u64) {
        for _ in 0..500 {
            if self.server.drawn() == credits {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("drawn is {}, expected {credits}", self.server.drawn());
    }
}

/// Still waits, after more than enough time to answer.
async fn waits<T>(call: &JoinHandle<T>) {
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!call.is_finished(), "it was answered before it was safe");
}

async fn comes<T>(call: JoinHandle<T>) -> T {
    let came = tokio::time::timeout(Duration::from_secs(5), call).await;
    came.expect("an answer within 5 s").unwrap()
}

/// A call on a client of its own, under way.
macro_rules! call {
    ($gated:expr, $name:ident($request:expr)) => {{
        let (mut client, request) = ($gated.server.client().await, $request);
        tokio::spawn(async move {
            let answer = client.$name(request).await;
            answer.map(tonic::Response::into_inner)
        })
    }};
}

#[tokio::test]
async fn granted_answers_wait_for_the_sync_repeated_ones_too() {
    let gated = Gated::start();
    let asked = pb::ReserveRequest {
        reservation_id: vec![7; 16],
        ..reserve("ana", 100)
    };
    let call = call!(gated, reserve(asked.clone()));
    gated.drawn(100).await;
    let again = call!(gated, reserve(asked.clone()));
    waits(&call).await;
    waits(&again).await;
    gated.sync();
    let id = comes(call).await.unwrap().reservation.unwrap().id;
    assert_eq!(comes(again).await.unwrap().reservation.unwrap().id, id);

    let extend = pb::ExtendRequest {
        reservation_id: id.clone(),
        additional: 50,
        ..Default::default()
    };
    let call = call!(gated, extend(extend));
    gated.drawn(150).await;
    waits(&call).await;
    gated.sync();
    comes(call).await.unwrap();

    let call = call!(gated, commit(commit(&id, 30)));
    gated.drawn(30).await;
    waits(&call).await;
    gated.sync();
    assert_eq!(comes(call).await.unwrap().committed, 30);
    let call = call!(gated, commit(commit(&id, 30)));
    assert_eq!(comes(call).await.unwrap().committed, 30);

    let call = call!(gated, charge(charge("ana", 5)));
    gated.drawn(35).await;
    waits(&call).await;
    gated.sync();
    comes(call).await.unwrap();
}

#[tokio::test]
async fn a_release_waits_and_denials_reads_and_bad_input_do_not() {
    let gated = Gated::start();
    let held = call!(gated, reserve(reserve("ana", 100)));
    gated.drawn(100).await;
    let denied = comes(call!(gated, charge(charge("ana", 901)))).await;
    assert_eq!(denied.unwrap_err().code(), Code::ResourceExhausted);
    let unknown = comes(call!(gated, commit(commit(&[9; 16], 1)))).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    let balance = pb::GetBalanceRequest {
        subject: subject("ana"),
    };
    let balance = comes(call!(gated, get_balance(balance))).await.unwrap();
    assert_eq!(balance.user.unwrap().held, 100);
    gated.sync();
    let id = comes(held).await.unwrap().reservation.unwrap().id;
    let release = pb::ReleaseRequest {
        reservation_id: id.clone(),
    };
    let call = call!(gated, release(release));
    gated.drawn(0).await;
    waits(&call).await;
    gated.sync();
    assert_eq!(comes(call).await.unwrap().returned, 100);
}

#[tokio::test]
async fn a_batch_waits_once_for_all_that_it_did() {
    let gated = Gated::start();
    let before = gated.recorded.0.load(Ordering::SeqCst);
    let batch = pb::BatchRequest {
        operations: vec![
            charge_operation("ana", 1),
            charge_operation("ana", 2),
            charge_operation("ana", 5_000),
        ],
    };
    let call = call!(gated, batch(batch));
    gated.drawn(3).await;
    gated.gate.pass(Receipt(before + 1));
    waits(&call).await;
    gated.gate.pass(Receipt(before + 2));
    let outcomes = comes(call).await.unwrap().outcomes;
    assert!(matches!(
        outcomes[2].result,
        Some(pb::outcome::Result::Denial(_))
    ));
}

fn message(tag: u64, operations: usize) -> pb::StreamRequest {
    pb::StreamRequest {
        tag,
        operations: vec![charge_operation("", 1); operations],
    }
}

#[tokio::test]
async fn a_stream_goes_on_reading_while_answers_wait_but_not_without_bound() {
    let gated = Gated::start();
    let mut client = gated.server.client().await;
    let (sender, receiver) = mpsc::channel(16);
    let stream = client.stream(ReceiverStream::new(receiver));
    let mut answers = stream.await.unwrap().into_inner();
    let before = gated.recorded.0.load(Ordering::SeqCst);
    for tag in 0..3 {
        sender.send(message(tag, 1)).await.unwrap();
    }
    gated.drawn(3).await;
    let next = tokio::spawn(async move { (answers.message().await, answers) });
    waits(&next).await;
    // All three are safe by the first sync: one is enough.
    gated.gate.pass(Receipt(before + 3));
    let (first, mut answers) = comes(next).await;
    let mut tags = vec![first.unwrap().unwrap().tag];
    for _ in 0..2 {
        tags.push(answers.message().await.unwrap().unwrap().tag);
    }
    assert_eq!(tags, [0, 1, 2]);

    // The second of these fills what may wait; the third is not even looked at.
    for tag in 3..6 {
        sender.send(message(tag, 900)).await.unwrap();
    }
    gated.drawn(1_803).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(gated.server.drawn(), 1_803);
    drop(sender);
    gated.sync();
    for tag in [3, 4] {
        assert_eq!(answers.message().await.unwrap().unwrap().tag, tag);
    }
    gated.drawn(2_703).await;
    gated.sync();
    assert_eq!(answers.message().await.unwrap().unwrap().tag, 5);
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn what_could_not_be_made_safe_is_not_acknowledged_to_anybody() {
    let gated = Gated::start();
    let calls = [
        call!(gated, charge(charge("ana", 1))),
        call!(gated, charge(charge("ana", 1))),
    ];
    let mut client = gated.server.client().await;
    let stream = client.stream(tokio_stream::once(message(1, 1)));
    let mut answers = stream.await.unwrap().into_inner();
    gated.drawn(3).await;
    gated.gate.fail();
    for call in calls {
        not_safe(&comes(call).await.unwrap_err());
    }
    not_safe(&answers.message().await.unwrap_err());
    assert_eq!(gated.server.parts.vitals.phase(), Phase::Failed);
    let later = comes(call!(gated, charge(charge("ana", 1)))).await;
    assert_eq!(later.unwrap_err().code(), Code::Unavailable);
    assert_eq!(gated.server.drawn(), 3);
}

fn not_safe(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains("not acknowledged"),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn a_deadline_ends_the_waiting_and_the_same_id_gets_the_answer_later() {
    let gated = Gated::start();
    let asked = pb::ChargeRequest {
        request_id: vec![3; 16],
        ..charge("ana", 10)
    };
    // Frame by frame: a client would give up by itself.
    let late = raw(
        gated.server.address(),
        "Charge",
        Some("200m"),
        Duration::ZERO,
        framed(&asked),
    );
    assert_eq!(late.await, Code::DeadlineExceeded);
    assert_eq!(gated.server.drawn(), 10);
    gated.sync();
    let again = comes(call!(gated, charge(asked))).await.unwrap();
    assert_eq!((again.committed, gated.server.drawn()), (10, 10));
}

#[tokio::test]
async fn draining_lets_those_finish_who_wait() {
    let gated = Gated::start();
    let call = call!(gated, charge(charge("ana", 10)));
    let mut client = gated.server.client().await;
    let (sender, receiver) = mpsc::channel(1);
    sender.send(message(1, 1)).await.unwrap();
    let stream = client.stream(ReceiverStream::new(receiver));
    let mut answers = stream.await.unwrap().into_inner();
    gated.drawn(11).await;
    let Gated {
        server,
        gate,
        recorded,
    } = gated;
    let drain = tokio::spawn(server.plane.drain(Duration::from_secs(5)));
    waits(&drain).await;
    gate.pass(Receipt(recorded.0.load(Ordering::SeqCst)));
    assert_eq!(comes(call).await.unwrap().committed, 10);
    assert_eq!(answers.message().await.unwrap().unwrap().tag, 1);
    let ended = answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    drop((sender, answers, client));
    assert_eq!(comes(drain).await, 0);
}
