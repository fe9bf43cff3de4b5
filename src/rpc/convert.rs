//! Wire types to orders, and answers to wire types. With `status.rs` the only place that knows both.

pub mod admin;
mod answer;
pub mod entries;
pub(in crate::rpc) mod laid;
pub mod notice;
mod order;
mod read;
pub mod settings;
pub mod usage;
pub mod view;
pub(in crate::rpc) mod write;

pub(in crate::rpc) use answer::answered_outcome;
pub use answer::{
    answered_balance, answered_charge, answered_check, answered_commit, answered_denial,
    answered_extend, answered_release, answered_reserve, answered_state, answered_time,
};
pub use order::{
    Balances, as_sent, balances, charge, check, commit, extend, id_required, no_operation,
    operations_counted, reserve,
};
pub use read::{Read, Unreadable};
