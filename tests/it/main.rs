//! The integration tests: one binary, one module for each subject (CONTRIBUTING.md says where a new test goes).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod bounds;
mod commands;
mod rpc;
mod scenarios;
