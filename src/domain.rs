//! The rules: pure. No clock, no lock, no I/O, no serde, no wire type; `now` is an argument.

pub mod account;
pub mod books;
pub mod charge;
pub mod credits;
pub mod cycle;
pub mod fact;
pub mod names;
pub mod nearest;
pub mod notice;
pub mod plan;
pub mod rates;
pub mod route;
pub mod standing;
pub mod threshold;
pub mod time;
