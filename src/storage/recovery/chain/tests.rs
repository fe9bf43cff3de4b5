//! What the journal writes, the chain reads: across segments, starts, torn tails and damage.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::fact::{Fact, OrganizationId};
use crate::domain::time::Timestamp;
use crate::engine::recorder::{Receipt, Recorder};
use crate::storage::fact_code;
use crate::storage::journal::{Identity, Journal, Opening};
use crate::storage::{Durability, Options};
use crate::world::clock::ManualClock;
use crate::world::disk::SimulatedDisk;

/// Segments of 64 KiB: 1,024 slots.
const SLOTS: u64 = 1_024;

fn options() -> Options {
    Options {
        durability: Durability::Process,
        snapshot_interval: Duration::from_secs(60),
        fsync_interval: Duration::from_millis(100),
        journal_bytes_max: 1 << 20,
        retention: Duration::from_secs(395 * 86_400),
        drop_from: None,
    }
}

fn opening(position: u64, number_last: u64, start: u64) -> Opening {
    let frame = Frame {
        start,
        base: Timestamp::from_nanos(5),
    };
    Opening {
        identity: Identity { journal: 7, frame },
        position,
        live: VecDeque::new(),
        spares: Vec::new(),
        number_last,
        snapshot_begin: 0,
        plans: Vec::new(),
        holds_open: 0,
    }
}

fn journal(disk: &SimulatedDisk, opening: Opening) -> Journal {
    let journal = Journal::new(
        Arc::new(disk.clone()),
        options(),
        Arc::new(ManualClock::at(0)),
    );
    journal.open(opening).unwrap();
    journal
}

fn fact(count: u32) -> Fact {
    Fact::Forgotten { shard: 3, count }
}

/// A fact that takes some bytes.
fn long(bytes: usize) -> Fact {
    Fact::OrganizationNamed {
        organization: OrganizationId { shard: 1, index: 2 },
        name: "x".repeat(bytes).into(),
    }
}

/// The groups that can be read from a position on, and where they end.
fn read(disk: &SimulatedDisk, from: u64) -> (Vec<(u64, Vec<Fact>)>, End) {
    let mut chain = Chain::find(disk, Some(7)).unwrap();
    let mut groups = Vec::new();
    let end = chain.read(disk, from, &mut |group| {
        let mut facts = Vec::new();
        let mut no_plans = |_: &_| panic!("there is no plan");
        fact_code::decode(group.body, &group.frame, &mut no_plans, &mut |it| {
            facts.push(it)
        })
        .unwrap();
        groups.push((group.position, facts));
        Ok(())
    });
    (groups, end.unwrap())
}

#[test]
fn what_is_recorded_is_read_in_order_across_segments() {
    let disk = SimulatedDisk::new();
    let journal = journal(&disk, opening(0, 0, 1));
    let mut expected = Vec::new();
    let mut position = 1;
    for count in 0..3_000 {
        let facts = vec![fact(count), long(usize::try_from(count % 300).unwrap())];
        let Receipt(end) = journal.record(&facts).unwrap();
        if position % SLOTS == 0 {
            position += 1; // the next segment's header
        }
        expected.push((position, facts));
        position = end;
    }
    let (groups, end) = read(&disk, 0);
    assert!(groups == expected, "{} groups", groups.len());
    assert_eq!((end.position, end.safe > end.position), (position, false));
    let later = &expected[1_000..];
    assert!(read(&disk, later[0].0).0 == later);
}

#[test]
fn a_group_of_many_records_is_read_whole_or_not_at_all() {
    let disk = SimulatedDisk::new();
    let journal = journal(&disk, opening(0, 0, 1));
    let whole = vec![fact(1), long(200_000), fact(2)];
    journal.record(&whole).unwrap();
    let begin = disk.steps();
    let Receipt(after) = journal.record(&whole).unwrap();
    assert_eq!(read(&disk, 0).0.len(), 2);
    // The machine stops at each store of a third one.
    for steps in 0..4 {
        let again = SimulatedDisk::new();
        let journal = self::journal(&again, opening(0, 0, 1));
        journal.record(&whole).unwrap();
        journal.record(&whole).unwrap();
        again.stop_at(again.steps() + steps);
        assert!(journal.record(&whole).is_err());
        let left = again.after(crate::world::disk::Crash::Process);
        let (groups, end) = read(&left, 0);
        assert_eq!((groups.len(), end.position), (2, after), "{steps}");
        assert!(end.safe <= end.position);
    }
    assert!(disk.steps() > begin);
}

#[test]
fn another_start_begins_where_the_last_one_is_cut() {
    let disk = SimulatedDisk::new();
    let first = journal(&disk, opening(0, 0, 1));
    for count in 0..10 {
        first.record(&[fact(count)]).unwrap();
    }
    // Two records are torn off, and never acknowledged.
    let second = journal(&disk, opening(9, 50, 2));
    second.record(&[fact(100)]).unwrap();
    let (groups, end) = read(&disk, 0);
    let counts: Vec<_> = groups.iter().map(|(position, _)| *position).collect();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8, 10]);
    assert_eq!(groups[8].1, [fact(100)]);
    assert_eq!(end.position, 11);
}

#[test]
fn damage_before_what_is_known_to_be_safe_is_no_torn_tail() {
    let disk = SimulatedDisk::new();
    let journal = journal(&disk, opening(0, 0, 1));
    for count in 0..5 {
        journal.record(&[fact(count)]).unwrap();
    }
    journal.sync().unwrap();
    journal.record(&[fact(5)]).unwrap();
    let name = disk.list().unwrap()[0].clone();
    disk.flip(&name, 3 * 64 + 17, 0).unwrap();
    let (groups, end) = read(&disk, 0);
    assert_eq!((groups.len(), end.position, end.offset), (2, 3, 192));
    assert_eq!((end.safe, end.behind), (6, 3));
    // The same damage to the last record is a torn tail, unless a seal says that it was safe.
    disk.flip(&name, 3 * 64 + 17, 0).unwrap();
    disk.flip(&name, 6 * 64 + 17, 0).unwrap();
    let (_, end) = read(&disk, 0);
    assert_eq!((end.position, end.safe), (6, 0));
    disk.flip(&name, 6 * 64 + 17, 0).unwrap();
    journal.sync().unwrap();
    assert!(journal.seal().unwrap());
    assert!(!journal.seal().unwrap(), "sealed already");
    disk.flip(&name, 6 * 64 + 17, 0).unwrap();
    let (_, end) = read(&disk, 0);
    assert_eq!((end.position, end.safe), (6, 7));
}

#[test]
fn a_missing_segment_is_noticed() {
    let disk = SimulatedDisk::new();
    let journal = journal(&disk, opening(0, 0, 1));
    for _ in 0..3 * SLOTS {
        journal.record(&[fact(1)]).unwrap();
    }
    journal.sync().unwrap();
    journal.record(&[fact(2)]).unwrap();
    let second = disk.list().unwrap()[1].clone();
    disk.remove(&second).unwrap();
    let (_, end) = read(&disk, 0);
    assert!(
        end.is_missing && end.position == SLOTS && end.safe > SLOTS,
        "{end:?}"
    );
}

#[test]
fn nothing_is_recorded_after_a_failure_and_a_full_disk_is_none() {
    let disk = SimulatedDisk::new();
    let journal = journal(&disk, opening(0, 0, 1));
    assert!(journal.has_room(0));
    disk.set_capacity(Some(disk.bytes()));
    assert_eq!(journal.prepare(), Ok(false));
    while journal.has_room(0) {
        journal.record(&[fact(1)]).unwrap();
    }
    // What is prepared is for those who settle.
    for _ in 0..1_000 {
        journal.record(&[fact(1)]).unwrap();
    }
    disk.set_capacity(None);
    assert_eq!(journal.prepare(), Ok(true));
    assert!(journal.has_room(0));
    disk.fail_once(disk.steps(), 5);
    assert!(journal.sync().is_err());
    assert!(journal.record(&[fact(1)]).is_err());
    assert!(journal.gate.lets_pass(Receipt(1)).is_err());
}

#[test]
fn superfluous_segments_are_used_again_and_their_records_never_pass() {
    let disk = SimulatedDisk::new();
    let journal = journal(&disk, opening(0, 0, 1));
    for round in 0..20 {
        for _ in 0..SLOTS {
            journal.record(&[fact(round)]).unwrap();
        }
        journal.sync().unwrap();
        let upto = journal.appended();
        journal.release(upto, upto);
        assert_eq!(journal.prepare(), Ok(true));
    }
    let names = disk.list().unwrap();
    assert!(names.len() < 16, "{names:?}");
    let from = journal.appended();
    assert_eq!(read(&disk, from).1.safe, 0);
}
