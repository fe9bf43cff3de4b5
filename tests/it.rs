//! The one binary of integration tests: what callers meet. A new test goes to the file of the part it calls.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used
)]

#[path = "it/rpc.rs"]
mod rpc;
