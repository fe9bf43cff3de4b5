//! However many threads restore a snapshot: the same books, and of what is wrong with it the same error.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::domain::credits::Credits;
use crate::domain::names::Name;
use crate::domain::plan::{Grant, GrantKind, OrganizationPlan, Plan};
use crate::domain::rates::Cost;
use crate::domain::time::{Now, Timestamp};
use crate::engine::Bounds;
use crate::engine::order::{Charge, Reserve, Subject};
use crate::engine::recorder::Forgetful;
use crate::storage::plan_code::PlanHash;
use crate::storage::snapshot::{Header, Writer};
use crate::world::clock::ManualClock;
use crate::world::disk::Output;

/// Each in a shard of its own: names that differ only at their end share one.
const ORGANIZATIONS: [&str; 5] = ["oslo", "berlin", "paris", "porto", "lima"];

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Memory {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn engine() -> Engine {
    let clock = Arc::new(ManualClock::at(1_795_219_200_000_000_000));
    Engine::new(Bounds::default(), 1, clock, Arc::new(Forgetful))
}

fn plan() -> Plan {
    let mut plan = Plan::default();
    for name in ORGANIZATIONS {
        let mut organization = OrganizationPlan::default();
        organization.grants.push(Grant {
            kind: GrantKind::Contract {
                credits: Credits::saturating(1_000),
                rollover: None,
            },
            valid_from: None,
            valid_until: None,
        });
        let organization = Arc::new(organization);
        plan.organizations.insert(name.into(), organization);
    }
    plan
}

/// Books with something of everything that requests leave.
fn filled() -> Engine {
    let engine = engine();
    engine.apply_plan(plan()).unwrap();
    let cost = Cost::Credits {
        amount: Credits::saturating(3),
        operation: None,
    };
    for (number, name) in (0_u8..).zip(ORGANIZATIONS.iter().cycle().take(20)) {
        let organization = Name::parse(name).unwrap();
        let user = format!("user-{number}");
        let user = Some(Name::parse(&user).unwrap());
        let subject = Subject::new(organization, Name::DEFAULT, user);
        let id = Some([number; 16]);
        engine.charge(&Charge { subject, cost, id }).unwrap();
        let (min, ttl, id) = (None, None, None);
        let order = Reserve {
            subject,
            cost,
            min,
            ttl,
            id,
        };
        engine.reserve(&order).unwrap();
    }
    engine
}

/// A snapshot of these books in which entries come as often as `times` says.
fn snapshot(engine: &Engine, times: impl Fn(usize) -> usize) -> (Vec<u8>, usize) {
    let base = Timestamp::from_nanos(0);
    let header = Header {
        journal: 7,
        number: 1,
        frame: Frame { start: 1, base },
        now: Now::at(base),
        segment: 0,
        positions: vec![0; 64],
        plan: PlanHash::of(b"{}"),
    };
    let file = Memory::default();
    let mut writer = Writer::new(Box::new(file.clone()), &header).unwrap();
    let mut copying = engine.copy().unwrap().unwrap();
    let mut entries = 0;
    while copying.step(16, &mut |entry| {
        (0..times(entries)).for_each(|_| writer.entry(entry));
        entries += 1;
    }) {}
    writer.finish().unwrap();
    let bytes = file.0.lock().clone();
    (bytes, entries)
}

fn load_on(threads: usize, bytes: &[u8]) -> (Engine, Result<Counts, String>) {
    let engine = engine();
    engine.restore_plan(&Arc::new(plan()));
    let loaded = load(&engine, threads, &mut &*bytes, "snapshot-1");
    (engine, loaded.map_err(|error| error.to_string()))
}

/// One entry after the other.
fn read(bytes: &[u8]) -> Result<Counts, String> {
    let engine = engine();
    engine.restore_plan(&Arc::new(plan()));
    let mut each = |entry: crate::engine::entry::Entry<'_>| engine.restore(&entry);
    let read = crate::storage::snapshot::read(&mut &*bytes, "snapshot-1", &mut each);
    read.map(|(_, counts)| counts)
        .map_err(|error| error.to_string())
}

#[test]
fn the_books_come_back_on_any_number_of_threads() {
    let live = filled();
    let (bytes, _) = snapshot(&live, |_| 1);
    for threads in [1, 2, 3, 8, 64] {
        let (engine, loaded) = load_on(threads, &bytes);
        assert_eq!(loaded, read(&bytes));
        assert_eq!(engine.fingerprint(), live.fingerprint());
        assert_eq!(engine.holds_open(), live.holds_open());
    }
}

#[test]
fn what_is_wrong_first_is_told_on_any_number_of_threads() {
    let live = filled();
    let (_, entries) = snapshot(&live, |_| 1);
    let mut refused = 0;
    // Two places, mostly in different shards: the later one is wrong in another way.
    for (at, times) in (0..entries).flat_map(|at| [(at, 0), (at, 2)]) {
        let later = at + (entries - at) / 2;
        let bend = |entry: usize| match entry {
            _ if entry == at => times,
            _ if entry == later => 2 - times,
            _ => 1,
        };
        let (bytes, _) = snapshot(&live, bend);
        let expected = read(&bytes);
        refused += usize::from(expected.is_err());
        for threads in [1, 2, 5, 64] {
            let (_, loaded) = load_on(threads, &bytes);
            assert_eq!(loaded, expected, "{at} {times} on {threads}");
        }
    }
    assert!(refused > entries, "{refused} of {entries}");
}

#[test]
fn damage_is_told_as_one_thread_would() {
    let (bytes, _) = snapshot(&filled(), |_| 1);
    for length in (0..bytes.len()).step_by(11) {
        let cut = &bytes[..length];
        let expected = read(cut);
        assert!(expected.is_err(), "cut at {length}");
        assert_eq!(load_on(3, cut).1, expected, "cut at {length}");
    }
}
