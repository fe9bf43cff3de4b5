//! The rules: pure. No clock, no lock, no I/O, no serde, no wire type; `now` is an argument.

pub mod charge;
pub mod credits;
pub mod cycle;
pub mod names;
pub mod nearest;
pub mod plan;
pub mod rates;
pub mod standing;
pub mod time;
