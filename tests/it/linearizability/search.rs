//! Looks for a serial order of a history that the reference answers as the clients were answered (Wing and Gong, with the
//! states that lead nowhere remembered).

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::call::Seen;
use super::generate::{Scene, Step};
use super::history::Item;
use crate::orders::Order;
use crate::reference::Reference;

struct Search<'a> {
    history: &'a [Item],
    /// Whether another order of the history may have been answered with the same first answer.
    repeats: Vec<bool>,
    dead: HashSet<(u64, u64)>,
    visited: usize,
    longest: Vec<usize>,
}

/// The number of states that were visited, or the longest order that explains a part.
pub fn linearize(scene: &Scene, history: &[Item]) -> Result<usize, String> {
    assert!(history.len() < 64, "a set of orders is a mask of 64 bits");
    let mut reference = Reference::new(scene.start);
    reference
        .apply_plan((*scene.plan).clone())
        .expect("the first plan fits");
    let repeats = (0..history.len())
        .map(|at| is_repeated(history, at))
        .collect();
    let mut search = Search {
        history,
        repeats,
        dead: HashSet::new(),
        visited: 0,
        longest: Vec::new(),
    };
    if search.explain(&reference, 0, &mut Vec::new()) {
        return Ok(search.visited);
    }
    let lines: Vec<_> = search
        .longest
        .iter()
        .map(|at| format!("{:?}", history[*at].step))
        .collect();
    Err(lines.join("\n"))
}

fn is_repeated(history: &[Item], at: usize) -> bool {
    let same = |other: &Step| match (&history[at].step, other) {
        (
            Step::Do(Order::Reserve { id: Some(a), .. }),
            Step::Do(Order::Reserve { id: Some(b), .. }),
        )
        | (Step::Do(Order::Commit { id: a, .. }), Step::Do(Order::Commit { id: b, .. }))
        | (Step::Do(Order::Release { id: a }), Step::Do(Order::Release { id: b })) => a == b,
        _ => false,
    };
    history
        .iter()
        .enumerate()
        .any(|(index, other)| index != at && same(&other.step))
}

impl Search<'_> {
    /// Whether what is left can be put in an order, after those of `done`.
    fn explain(&mut self, reference: &Reference, done: u64, order: &mut Vec<usize>) -> bool {
        if order.len() > self.longest.len() {
            self.longest.clone_from(order);
        }
        if order.len() == self.history.len() {
            return true;
        }
        if !self.dead.insert((done, state(reference))) {
            return false;
        }
        self.visited += 1;
        let left = |at: &usize| done & (1 << at) == 0;
        let first_return = (0..self.history.len())
            .filter(left)
            .map(|at| self.history[at].returned)
            .min();
        for at in (0..self.history.len()).filter(left) {
            let item = &self.history[at];
            // What was sent after another was answered comes after it.
            if first_return.is_some_and(|returned| item.invoked > returned) {
                continue;
            }
            let mut reference = reference.clone();
            let (mut expected, mut seen) = (answer(&item.step, &mut reference), item.seen.clone());
            if self.repeats[at] {
                (expected, seen) = (expected.without_standing(), seen.without_standing());
            }
            if expected != seen {
                continue;
            }
            order.push(at);
            if self.explain(&reference, done | 1 << at, order) {
                return true;
            }
            order.pop();
        }
        false
    }
}

fn answer(step: &Step, reference: &mut Reference) -> Seen {
    match step {
        Step::Do(order) => order
            .on_reference_exact(reference, [0; 16])
            .in_the_engines_words()
            .into(),
        Step::Limits(limits) => limits.on_reference(reference),
        Step::Clock(to) => {
            let to = reference.now.max(*to);
            reference.advance_to(to);
            Seen::Done
        }
    }
}

/// A hash of everything on which later answers depend.
fn state(reference: &Reference) -> u64 {
    let mut hasher = DefaultHasher::new();
    let Reference {
        plan,
        now,
        organizations,
        holds,
        ids,
        ..
    } = reference;
    format!("{plan:?} {now:?} {organizations:?} {holds:?} {ids:?}").hash(&mut hasher);
    hasher.finish()
}
