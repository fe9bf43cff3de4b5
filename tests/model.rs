//! The engine against the rule book: random operations and random plans, answers and counters compared after each.
//!
//! `QUOTAD_MODEL_OPERATIONS` scales the run with a fresh seed, `QUOTAD_MODEL_SEED` repeats one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs, unreachable_pub)]

#[path = "model/examples.rs"]
mod examples;
#[path = "model/reference.rs"]
mod reference;
