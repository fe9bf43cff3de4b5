//! Two or three threads on one engine, in many schedules: what they are answered, and the books they leave, must be what
//! some serial order of the same orders gives. The locks are shuttle's (feature `shuttle`), the serial orders are run on
//! the reference of `tests/model`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub
)]

#[path = "interleavings/cases.rs"]
mod cases;
#[path = "interleavings/explore.rs"]
mod explore;
#[path = "model/orders.rs"]
mod orders;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/world.rs"]
mod world;

use cases::Case;

/// Schedules of each case and each scheduler.
const SCHEDULES: usize = 2_000;

fn schedules() -> usize {
    std::env::var("QUOTAD_SCHEDULES").map_or(SCHEDULES, |text| {
        text.parse().expect("QUOTAD_SCHEDULES is no number")
    })
}

macro_rules! explored {
    ($($case:ident),* $(,)?) => {
        $(#[test]
        fn $case() {
            explore::case(&Case::$case(), schedules());
        })*
    };
}

explored! {
    expiry_against_commit,
    expiry_against_extend_and_release,
    commit_against_release,
    plan_swap_against_reserve_and_charge,
    plan_swap_against_two_accounts,
    plan_swap_against_plan_swap,
    cycle_change_against_commit_and_reserve,
    cycle_change_against_plan_swap,
    extension_against_overage,
    duplicate_ids,
    duplicate_ids_of_two_organizations,
    the_last_credits,
    copy_against_commit_expiry_and_plan_swap,
}
