//! The service without the service: what quotad's own server costs before any rule is looked at.

use quotad::engine::recorder::Receipt;
use quotad::rpc::convert::view::{Commit, Reserve};
use quotad::rpc::convert::{Read, Unreadable};
use quotad::rpc::direct::{Answer, Call, Deadline, Direct, Message, framed};
use quotad::rpc::pb;
use quotad::rpc::pb::quota_service_server::QuotaService;
use tonic::{Request, Response, Status, Streaming};

use super::stock::{committed, reserved};

/// Answers Reserve and Commit with constants, and nothing else.
#[derive(Clone)]
pub struct Constant;

#[tonic::async_trait]
impl QuotaService for Constant {
    type StreamStream = tokio_stream::Empty<Result<pb::StreamResponse, Status>>;

    async fn reserve(
        &self,
        _: Request<pb::ReserveRequest>,
    ) -> Result<Response<pb::ReserveResponse>, Status> {
        Ok(Response::new(reserved()))
    }

    async fn commit(
        &self,
        _: Request<pb::CommitRequest>,
    ) -> Result<Response<pb::CommitResponse>, Status> {
        Ok(Response::new(committed()))
    }

    async fn release(
        &self,
        _: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::ReleaseResponse>, Status> {
        Err(unused())
    }

    async fn extend(
        &self,
        _: Request<pb::ExtendRequest>,
    ) -> Result<Response<pb::ExtendResponse>, Status> {
        Err(unused())
    }

    async fn charge(
        &self,
        _: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        Err(unused())
    }

    async fn check(
        &self,
        _: Request<pb::CheckRequest>,
    ) -> Result<Response<pb::CheckResponse>, Status> {
        Err(unused())
    }

    async fn get_balance(
        &self,
        _: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        Err(unused())
    }

    async fn batch(
        &self,
        _: Request<pb::BatchRequest>,
    ) -> Result<Response<pb::BatchResponse>, Status> {
        Err(unused())
    }

    async fn stream(
        &self,
        _: Request<Streaming<pb::StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        Err(unused())
    }
}

impl Direct for Constant {
    fn answer(&self, call: Call, message: &[u8], _: Option<&Deadline>) -> Answer {
        let answer = match call {
            Call::Reserve => Reserve::read(message).map(|_| framed(&reserved())),
            Call::Commit => Commit::read(message).map(|_| framed(&committed())),
            _ => Err(Unreadable),
        };
        answer.map_or(Answer::Unreadable, |message| {
            Answer::Message(Message {
                bytes: message,
                receipt: Receipt::default(),
                began_ns: None,
            })
        })
    }
}

fn unused() -> Status {
    Status::unimplemented("the load does not call this")
}
