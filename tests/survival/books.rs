//! The books as they must be: an engine that is given the first groups of a history, one fact after the other.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use quotad::domain::fact::Fact;
use quotad::domain::names::Name;
use quotad::domain::time::Timestamp;
use quotad::engine::Engine;
use quotad::engine::order::Of;
use quotad::engine::recorder::Forgetful;
use quotad::storage::{UsageError, UsageGroup, UsageKey, UsageQuery};

use crate::machine::{History, Machine};
use crate::plans::ORGANIZATIONS;
use crate::script::BOUNDS;
use crate::world::SetClock;

/// An engine with the first so many groups, that gives out ids of this start.
fn replayed(
    history: &History,
    count: usize,
    now: Timestamp,
    start: u64,
) -> (Engine, Arc<SetClock>) {
    let clock = Arc::new(SetClock::new(now));
    let engine = Engine::new(BOUNDS, start, clock.clone(), Arc::new(Forgetful));
    for group in &history.groups[..count] {
        for fact in &group.facts {
            engine.apply(fact);
        }
    }
    (engine, clock)
}

/// The same, and a process has taken over at this instant.
pub fn rebuilt(
    history: &History,
    count: usize,
    now: Timestamp,
    start: u64,
) -> (Engine, Arc<SetClock>) {
    let (engine, clock) = replayed(history, count, now, start);
    let resumed = engine.resume();
    resumed.expect("nothing is recorded that could fail");
    (engine, clock)
}

fn digest(lines: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    lines.hash(&mut hasher);
    hasher.finish()
}

/// Compares recovered books with rebuilt ones; what was rebuilt once is remembered while the history is the same.
#[derive(Default)]
pub struct Comparison {
    replayed: HashMap<usize, u64>,
    resumed: HashMap<(usize, i64), u64>,
    usage: HashMap<usize, String>,
    /// How many answers about usage were compared, and over how many rows.
    pub usages: usize,
    pub rows: usize,
}

impl Comparison {
    /// How many groups of the history are in, at least `floor` of them and no other, before and after the process took
    /// over; or what is wrong.
    pub fn groups_in(
        &mut self,
        history: &History,
        machine: &Machine,
        floor: usize,
    ) -> Result<usize, String> {
        let (candidates, now) = (candidates(history, machine), machine.now());
        let found = digest(&machine.replayed);
        let is_in = |count: &usize| self.replayed(history, *count) == found;
        let Some(count) = candidates.iter().copied().find(is_in) else {
            let nearest = candidates.first().copied().unwrap_or(0);
            let (expected, _) = replayed(&history.first(nearest), nearest, now, 0);
            return Err(format!(
                "not the books of the first {candidates:?} groups of {}: {}\n{:?}",
                history.groups.len(),
                first_difference(&expected.fingerprint(), &machine.replayed),
                machine.recovered,
            ));
        };
        if count < floor {
            return Err(format!(
                "{} groups were lost: {count} are in, {floor} were promised; {:?}",
                floor - count,
                machine.recovered
            ));
        }
        self.same_usage(history, machine, count)?;
        let lines = machine.engine.fingerprint();
        if self.resumed(history, count, now) == digest(&lines) {
            return Ok(count);
        }
        let (expected, _) = rebuilt(&history.first(count), count, now, 0);
        Err(format!(
            "after the process took over the {count} groups: {}",
            first_difference(&expected.fingerprint(), &lines),
        ))
    }

    /// Each usage row is there once, in memory or in a file: as if no day had ever been filed.
    fn same_usage(
        &mut self,
        history: &History,
        machine: &Machine,
        count: usize,
    ) -> Result<(), String> {
        let make = || {
            let mut unfiled = history.first(count);
            for group in &mut unfiled.groups {
                let is_filed = |fact: &Fact| matches!(fact, Fact::DaysFiled { .. });
                group.facts.retain(|fact| !is_filed(fact));
            }
            let (engine, _) = replayed(&unfiled, count, Timestamp::MIN, 0);
            usage(|query| engine.usage_in_memory(query).ok())
        };
        let expected = match count <= history.groups.len() {
            true => self.usage.entry(count).or_insert_with(make).clone(),
            false => make(),
        };
        let mut failure = None;
        let found = usage(
            |query| match machine.storage.usage(&machine.engine, query) {
                Ok(groups) => Some(groups),
                Err(UsageError::Engine(_)) => None,
                Err(UsageError::File(error)) => {
                    failure = Some(error.to_string());
                    None
                }
            },
        );
        self.usages += 1;
        self.rows += found.lines().count();
        match failure {
            Some(failure) => Err(failure),
            None if found == expected => Ok(()),
            None => Err(format!(
                "usage after {count} groups is\n{found}\n  expected\n{expected}"
            )),
        }
    }

    fn replayed(&mut self, history: &History, count: usize) -> u64 {
        let make = || {
            let (engine, _) = replayed(&history.first(count), count, Timestamp::MIN, 0);
            digest(&engine.fingerprint())
        };
        // The doubtful group is another one at each crash.
        match count <= history.groups.len() {
            true => *self.replayed.entry(count).or_insert_with(make),
            false => make(),
        }
    }

    fn resumed(&mut self, history: &History, count: usize, now: Timestamp) -> u64 {
        let make = || {
            let (engine, _) = rebuilt(&history.first(count), count, now, 0);
            digest(&engine.fingerprint())
        };
        match count <= history.groups.len() {
            true => *self
                .resumed
                .entry((count, now.nanos()))
                .or_insert_with(make),
            false => make(),
        }
    }
}

/// Of how many groups the books can be, the likeliest first.
fn candidates(history: &History, machine: &Machine) -> Vec<usize> {
    if !history.snapshots.is_empty() {
        return history.snapshots.iter().rev().copied().collect();
    }
    let counted = history.until(machine.recovered.position);
    // Whether the doubtful one is in cannot be told by the position alone: seals have positions too.
    match counted == history.groups.len() && history.doubtful.is_some() {
        true => vec![counted, counted + 1],
        false => vec![counted],
    }
}

/// Everything that was used, in all organizations.
fn usage(mut ask: impl FnMut(&UsageQuery) -> Option<Vec<UsageGroup>>) -> String {
    let mut lines = String::new();
    for name in ORGANIZATIONS {
        let mut query = UsageQuery::of(name);
        query.group_by = UsageKey::ALL.to_vec();
        for group in ask(&query).into_iter().flatten() {
            lines += &format!("{name} {group:?}\n");
        }
    }
    lines
}

/// What can be seen of the books from outside. A recovered engine is free to give a hold another slot than the one that
/// ended would have.
pub fn seen(engine: &Engine) -> String {
    let mut seen = String::new();
    for name in ORGANIZATIONS {
        let name = Name::parse(name).expect("a valid name");
        seen += &format!("{:?}\n{:?}\n", engine.export(name), engine.counters(name));
        seen += &format!("{:?}\n", engine.balance(name, Of::Organization));
    }
    seen
}

fn first_difference(expected: &[String], found: &[String]) -> String {
    let differs = |(a, b): &(&String, &String)| a != b;
    let pair = expected.iter().zip(found).find(differs);
    pair.map_or_else(
        || format!("{} lines, {} expected", found.len(), expected.len()),
        |(expected, found)| format!("\n  expected {expected}\n  found    {found}"),
    )
}
