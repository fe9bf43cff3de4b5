//! The stock server: what somebody writes who follows tonic's tutorial, but for a method that returns a constant.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use quotad::rpc::pb;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

/// An answer to Reserve of the usual size.
pub fn reserved() -> pb::ReserveResponse {
    let time = prost_types::Timestamp {
        seconds: 1_790_000_000,
        nanos: 123_456_789,
    };
    pb::ReserveResponse {
        reservation: Some(pb::Reservation {
            id: vec![0xa5; 16],
            granted: 100,
            expire_time: Some(time),
        }),
        standing: Some(standing()),
    }
}

/// An answer to Commit of the usual size.
pub fn committed() -> pb::CommitResponse {
    pb::CommitResponse {
        committed: 80,
        returned: 20,
        overrun: 0,
        late: false,
        standing: Some(standing()),
    }
}

fn standing() -> pb::Standing {
    pb::Standing {
        state: pb::State::Ok.into(),
        used: 1_234_567,
        held: 6_400,
        limit: 9_000_000_000_000,
        available: 8_999_998_759_033,
        cycle_end_time: Some(prost_types::Timestamp {
            seconds: 1_793_000_000,
            nanos: 0,
        }),
    }
}

/// Serves on a free port of one current-thread runtime, until the parent goes.
pub fn serve() -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let incoming =
            tonic::transport::server::TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        super::load::tell(incoming.local_addr().unwrap());
        let server = Server::builder()
            .add_service(Echo)
            .serve_with_incoming(incoming);
        tokio::select! {
            ended = server => ended.unwrap(),
            () = super::load::parent_gone() => {}
        }
    });
    std::process::exit(0)
}

/// What tonic generates for a service with these two methods, with the codec it generates by default.
#[derive(Clone)]
struct Echo;

struct Constant;

impl UnaryService<pb::ReserveRequest> for Constant {
    type Response = pb::ReserveResponse;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::Response>, Status>> + Send>>;

    fn call(&mut self, _: Request<pb::ReserveRequest>) -> Self::Future {
        Box::pin(async { Ok(Response::new(reserved())) })
    }
}

impl UnaryService<pb::CommitRequest> for Constant {
    type Response = pb::CommitResponse;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::Response>, Status>> + Send>>;

    fn call(&mut self, _: Request<pb::CommitRequest>) -> Self::Future {
        Box::pin(async { Ok(Response::new(committed())) })
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "quotad.v1.QuotaService";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match request.uri().path() {
            "/quotad.v1.QuotaService/Reserve" => Box::pin(async {
                let codec = ProstCodec::<pb::ReserveResponse, pb::ReserveRequest>::default();
                Ok(Grpc::new(codec).unary(Constant, request).await)
            }),
            "/quotad.v1.QuotaService/Commit" => Box::pin(async {
                let codec = ProstCodec::<pb::CommitResponse, pb::CommitRequest>::default();
                Ok(Grpc::new(codec).unary(Constant, request).await)
            }),
            _ => {
                let refused: Ready<Self::Response> = ready(Status::unimplemented("no").into_http());
                Box::pin(async { Ok(refused.await) })
            }
        }
    }
}
