//! Wire types to orders, and answers to wire types. With `status.rs` the only place that knows both.

pub mod admin;
mod answer;
pub mod entries;
pub mod notice;
mod order;
pub mod settings;
pub mod usage;

pub use answer::{
    answered_balance, answered_charge, answered_check, answered_commit, answered_denial,
    answered_extend, answered_release, answered_reserve, answered_state, answered_time,
};
pub use order::{
    Balances, as_sent, balances, charge, check, commit, extend, id_required, no_operation,
    operations_counted, reserve,
};
