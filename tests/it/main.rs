//! The integration tests: one binary, one module for each subject (CONTRIBUTING.md says where a new test goes).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod admin;
mod admin_cli;
mod administration;
mod bench;
mod bounds;
mod commands;
mod formats;
mod linearizability;
mod metrics;
#[path = "../model/orders.rs"]
mod orders;
#[path = "../model/reference.rs"]
mod reference;
mod restarts;
mod restored;
mod rpc;
mod scenarios;
#[path = "../model/world.rs"]
mod world;
