//! Concurrent clients over gRPC, with administrators who change limits, the plan file and time in between: each recorded history must be one that the
//! rule book, run one order after the other, could have given. `QUOTAD_HISTORIES` scales it, `QUOTAD_MODEL_SEED` repeats one.
#![allow(unreachable_pub, missing_docs)]

mod call;
mod generate;
mod history;
mod limits;
mod search;

use crate::world::Chance;

/// Histories in a run without further words.
const HISTORIES: u64 = 1_000;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number"))
    })
}

#[test]
fn concurrent_histories_linearize_against_the_rule_book() {
    let fresh = getrandom::u64().unwrap();
    let seed = variable("QUOTAD_MODEL_SEED").unwrap_or(fresh);
    println!("linearizability: seed {seed}");
    let (mut orders, mut overlapping, mut denials, mut states) = (0, 0, 0, 0);
    let (mut limits, mut stale) = (0, 0);
    let histories = variable("QUOTAD_HISTORIES").unwrap_or(HISTORIES);
    for number in 0..histories {
        let mut chance = Chance(seed.wrapping_add(number));
        let scene = generate::scene(&mut chance);
        let history = history::record(&scene);
        orders += history.len();
        overlapping += history::overlapping(&history);
        denials += history.iter().filter(|item| item.seen.is_denial()).count();
        let is_limit = |item: &&history::Item| matches!(item.step, generate::Step::Limits(_));
        limits += history.iter().filter(is_limit).count();
        stale += history
            .iter()
            .filter(|item| item.seen == call::Seen::Stale)
            .count();
        match search::linearize(&scene, &history) {
            Ok(visited) => states += visited,
            Err(longest) => panic!(
                "1 violation: QUOTAD_MODEL_SEED={} QUOTAD_HISTORIES=1 shows a like one\n{}\nno serial order explains it; \
                 the longest that does:\n{longest}",
                seed.wrapping_add(number),
                history::shown(&history),
            ),
        }
    }
    println!(
        "linearizability: {histories} histories, {orders} orders, {overlapping} overlapping pairs, {denials} denials, \
         {limits} calls about limits ({stale} aborted), {states} states searched, 0 violations"
    );
    assert!(overlapping > 0, "nothing ran at the same time");
    assert!(denials > 0, "nothing was denied");
    assert!(stale > 0, "no administrator was too late");
}
