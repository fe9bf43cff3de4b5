//! Whether the books survive: crashes and losses of power at every step, damage in every byte, errors of every kind, on a
//! simulated disk, and a real file system that is full. Each prints its figures.
//!
//! `QUOTAD_SURVIVAL_ORDERS` scales it, `QUOTAD_SURVIVAL_SEED` repeats one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub
)]

// The random orders of the model, and the reference that steers them.
#[path = "model/aim.rs"]
mod aim;
#[path = "model/generate.rs"]
#[allow(dead_code)]
mod generate;
#[path = "model/orders.rs"]
mod orders;
#[path = "model/plans.rs"]
mod plans;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/rules.rs"]
#[allow(dead_code)]
mod rules;
#[path = "model/world.rs"]
mod world;

#[path = "survival/books.rs"]
mod books;
#[path = "survival/corruption.rs"]
mod corruption;
#[path = "survival/errors.rs"]
mod errors;
#[path = "survival/full.rs"]
mod full;
#[path = "survival/machine.rs"]
mod machine;
#[path = "survival/power.rs"]
mod power;
#[path = "survival/script.rs"]
mod script;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number"))
    })
}

/// How many orders a script has, where nobody says it.
fn orders(default: usize) -> usize {
    let orders = variable("QUOTAD_SURVIVAL_ORDERS");
    orders.map_or(default, |orders| usize::try_from(orders).expect("few"))
}

/// With which seed scripts begin, where nobody says it.
fn seed(default: u64) -> u64 {
    variable("QUOTAD_SURVIVAL_SEED").unwrap_or(default)
}
