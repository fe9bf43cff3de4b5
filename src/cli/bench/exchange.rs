//! A message and its answer, whichever way they travel.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::rpc::pb;
use crate::rpc::pb::operation::Request;
use crate::rpc::pb::outcome::Result as Outcome;
use crate::rpc::pb::quota_service_client::QuotaServiceClient;

use super::Over;
use super::work::Became;

type Client = QuotaServiceClient<Channel>;

/// Who waits for which tag of a stream.
type Waiting = Rc<RefCell<Vec<Option<oneshot::Sender<Result<Vec<Became>, Status>>>>>>;

/// One connection; lanes have clones of it.
#[derive(Clone)]
pub(super) enum Exchange {
    Unary(Client),
    Batch(Client),
    Stream {
        said: mpsc::Sender<pb::StreamRequest>,
        waiting: Waiting,
    },
}

impl Exchange {
    /// Over a channel, for so many lanes. Must be called where local tasks run.
    pub(super) async fn open(channel: Channel, over: Over, lanes: usize) -> Result<Self, Status> {
        let mut client = QuotaServiceClient::new(channel);
        match over {
            Over::Unary => Ok(Self::Unary(client)),
            Over::Batch => Ok(Self::Batch(client)),
            Over::Stream => {
                let (said, saying) = mpsc::channel(lanes);
                let answers = client
                    .stream(ReceiverStream::new(saying))
                    .await?
                    .into_inner();
                let waiting: Waiting = Rc::new(RefCell::new((0..lanes).map(|_| None).collect()));
                tokio::task::spawn_local(listen(answers, Rc::clone(&waiting)));
                Ok(Self::Stream { said, waiting })
            }
        }
    }

    /// A lane's message, and what became of its operations.
    pub(super) async fn send(
        &mut self,
        lane: usize,
        mut operations: Vec<pb::Operation>,
    ) -> Result<Vec<Became>, Status> {
        match self {
            Self::Unary(client) => {
                let request = operations.pop().and_then(|it| it.request);
                let request = request.ok_or_else(|| Status::internal("no operation"))?;
                Ok(vec![unary(client, request).await?])
            }
            Self::Batch(client) => {
                let answer = client.batch(pb::BatchRequest { operations }).await?;
                Ok(answer
                    .into_inner()
                    .outcomes
                    .into_iter()
                    .map(became)
                    .collect())
            }
            Self::Stream { said, waiting } => {
                let (sender, receiver) = oneshot::channel();
                if let Some(place) = waiting.borrow_mut().get_mut(lane) {
                    *place = Some(sender);
                }
                let tag = lane as u64;
                let request = pb::StreamRequest { tag, operations };
                let gone = || Status::unavailable("the stream has ended");
                said.send(request).await.map_err(|_| gone())?;
                receiver.await.map_err(|_| gone())?
            }
        }
    }
}

/// Hands each answer of a stream to the lane that waits for it. When the stream ends, nobody waits any more.
async fn listen(mut answers: Streaming<pb::StreamResponse>, waiting: Waiting) {
    let ended = loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                let lane = usize::try_from(answer.tag).unwrap_or(usize::MAX);
                let sender = waiting.borrow_mut().get_mut(lane).and_then(Option::take);
                let became = match answer.failure {
                    Some(failure) => Err(Status::new(Code::from(failure.code), failure.message)),
                    None => Ok(answer.outcomes.into_iter().map(became).collect()),
                };
                if let Some(sender) = sender {
                    // The lane may have gone.
                    drop(sender.send(became));
                }
            }
            Ok(None) => break Status::unavailable("the sidecar ended the stream"),
            Err(status) => break status,
        }
    };
    for sender in waiting.borrow_mut().drain(..).flatten() {
        drop(sender.send(Err(ended.clone())));
    }
}

/// One call. A denial is a status here, and an answer.
async fn unary(client: &mut Client, request: Request) -> Result<Became, Status> {
    let answer = match request {
        Request::Reserve(request) => {
            let answer = client.reserve(request).await;
            answer.map(|it| Outcome::Reserve(it.into_inner()))
        }
        Request::Commit(request) => {
            let answer = client.commit(request).await;
            answer.map(|it| Outcome::Commit(it.into_inner()))
        }
        Request::Release(request) => {
            let answer = client.release(request).await;
            answer.map(|it| Outcome::Release(it.into_inner()))
        }
        Request::Extend(request) => {
            let answer = client.extend(request).await;
            answer.map(|it| Outcome::Extend(it.into_inner()))
        }
        Request::Charge(request) => {
            let answer = client.charge(request).await;
            answer.map(|it| Outcome::Charge(it.into_inner()))
        }
        Request::Check(request) => {
            let answer = client.check(request).await;
            answer.map(|it| Outcome::Check(it.into_inner()))
        }
    };
    match answer {
        Ok(result) => Ok(became(pb::Outcome {
            result: Some(result),
        })),
        Err(status) if status.code() == Code::ResourceExhausted => {
            let details = status.get_error_details();
            match details.error_info().filter(|it| it.domain == "quotad") {
                Some(info) => Ok(Became::Denied(info.reason.clone())),
                None => Err(status),
            }
        }
        Err(status) => Err(status),
    }
}

fn became(outcome: pb::Outcome) -> Became {
    let incomplete = || Became::Failed("an answer of another version".to_owned());
    match outcome.result {
        Some(Outcome::Reserve(reserved)) => reserved
            .reservation
            .map_or_else(incomplete, |it| Became::Held(it.id)),
        Some(Outcome::Check(checked)) => match checked.decision {
            Some(decision) if decision.allowed => Became::Done,
            Some(decision) => decision
                .denial
                .map_or_else(incomplete, |it| Became::Denied(reason(&it))),
            None => incomplete(),
        },
        Some(Outcome::Denial(denial)) => Became::Denied(reason(&denial)),
        Some(Outcome::Failure(failure)) => Became::Failed(failure.message),
        Some(_) => Became::Done,
        None => incomplete(),
    }
}

/// As the details of a status name it.
fn reason(denial: &pb::Denial) -> String {
    let name = denial.reason().as_str_name();
    name.trim_start_matches("DENIAL_REASON_").to_owned()
}
