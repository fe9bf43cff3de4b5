//! The services: convert, call the engine, convert.
//!
//! `rpc/convert.rs` and `rpc/status.rs` are the only places that know wire types and gRPC codes.

pub mod access;
pub mod admin;
mod call_log;
pub mod codec;
pub mod convert;
pub mod direct;
mod door;
pub mod health;
pub mod meter;
mod operate;
pub mod quota;
mod reflection;
mod reread;
pub mod sentence;
pub mod server;
pub mod status;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use http::Response;
use tonic::body::Body;

/// What a generated service answers, on its way.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The wire types, server and client that `build.rs` generates from `proto/quotad/v1/`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used
)]
pub mod pb {
    tonic::include_proto!("quotad.v1");

    /// The encoded descriptors of all files, for reflection.
    pub const DESCRIPTORS: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/quotad_v1_descriptors.bin"));
}

/// Most operations in a batch. More would keep the other calls of a thread waiting for more than about 1 ms.
pub const OPERATIONS_MAX: usize = 1_000;

/// The largest request, in bytes of protobuf: 1 MiB. A batch of 1,000 operations with the longest names takes less.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
