//! The services: convert, call the engine, convert.
//!
//! `rpc/convert.rs` and `rpc/status.rs` are the only places that know wire types and gRPC codes.

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
