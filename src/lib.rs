//! quotad: a gRPC sidecar that enforces credit quotas beside the application.
//!
//! The floors, in reading order; a file uses what is on lower floors and in its own folder (`tests/tidy.rs` enforces it).

// Floor 0: rules, how numbers are written, and everything impure behind small traits.
pub mod domain;
mod varint;
pub mod world;
// Floor 1: the books in memory.
pub mod engine;
// Floor 2: the books on disk, and what is told of them.
pub mod notify;
pub mod storage;
// Floor 3: what callers meet.
pub mod http;
pub mod rpc;
// The top floor, in order: what people write,
pub mod config;

// how the parts come together,
pub mod app;

// and what people type.
pub mod cli;
