//! Notifications against a real webhook receiver and a real mail server on loopback which fail, hang, answer 500, close
//! early and come back; against a disk that crashes at every step; and against `kill -9` at random moments.
//!
//! `QUOTAD_NOTIFY_KILLS` sets how often (30 by itself), `QUOTAD_NOTIFY_SEED` repeats a choice of moments.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub
)]

#[path = "notify/crash.rs"]
mod crash;
#[path = "notify/deliver.rs"]
mod deliver;
#[path = "notify/house.rs"]
mod house;
#[path = "notify/kill.rs"]
mod kill;
#[path = "notify/log.rs"]
mod log;
#[path = "notify/mailer.rs"]
mod mailer;
#[path = "notify/receiver.rs"]
mod receiver;
