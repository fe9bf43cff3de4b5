//! What is whole is told, and what is wrong is named.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod superfluous;

use std::io::Write;

use super::*;
use crate::domain::fact::{Fact, OrganizationId};
use crate::domain::plan::Plan;
use crate::domain::time::{Now, Timestamp};
use crate::engine::entry::Entry;
use crate::storage::fact_code::{self, Frame};
use crate::storage::files;
use crate::storage::plan_code::{PlanHash, to_json};
use crate::storage::segment::{self, Kind, RECORD_HEADER_BYTES, SLOT_BYTES, Seed};
use crate::storage::snapshot::{Header, Writer};
use crate::world::disk::SimulatedDisk;

const FRAME: Frame = Frame {
    start: 9,
    base: Timestamp::from_millis(1_790_000_000_000),
};

const ORGANIZATION: OrganizationId = OrganizationId { shard: 0, index: 0 };

fn store(disk: &SimulatedDisk, name: &str, bytes: &[u8]) {
    let mut file = disk.create(name).unwrap();
    file.write_all(bytes).unwrap();
    file.sync().unwrap();
}

fn bytes_of(disk: &SimulatedDisk, name: &str) -> Vec<u8> {
    whole(disk, name).unwrap().unwrap()
}

/// Flips a bit of a byte.
fn damage(disk: &SimulatedDisk, name: &str, place: usize) {
    let mut bytes = bytes_of(disk, name);
    bytes[place] ^= 1;
    store(disk, name, &bytes);
}

fn keep_plan(disk: &SimulatedDisk, plan: &Plan) -> PlanHash {
    let json = to_json(plan);
    let hash = PlanHash::of(&json);
    store(disk, &files::plan(&hash), &json);
    hash
}

fn keep_snapshot(disk: &SimulatedDisk, number: u64, position: u64, plan: PlanHash) {
    let header = Header {
        journal: 7,
        number,
        frame: FRAME,
        now: Now::at(FRAME.base),
        segment: 1,
        positions: vec![position; 64],
        plan,
    };
    let output = disk.create(&files::snapshot(number)).unwrap();
    let mut writer = Writer::new(output, &header).unwrap();
    writer.entry(&Entry::Organization {
        organization: ORGANIZATION,
        name: "acme",
        plan: None,
        extension_requests: &[],
        days_filed: 0,
    });
    writer.finish().unwrap();
}

/// A segment of 32 slots with these groups, of which each record holds at most 40 bytes. Answers the position after them.
fn keep_segment(disk: &SimulatedDisk, number: u64, first: u64, groups: &[Vec<u8>]) -> u64 {
    let header = segment::Header {
        journal: 7,
        number,
        first,
        frame: FRAME,
    };
    let mut bytes = header.encode().to_vec();
    bytes.resize(32 * SLOT_BYTES, 0);
    let (mut position, mut buffer) = (first + 1, Vec::new());
    for group in groups {
        let bodies: Vec<&[u8]> = group.chunks(40).collect();
        for (index, body) in bodies.iter().enumerate() {
            let kind = if index + 1 < bodies.len() {
                Kind::More
            } else {
                Kind::Last
            };
            let seed = Seed::new(7, number);
            let (record, _) =
                segment::encode_record(&mut buffer, seed, position, kind, first, body);
            let at = usize::try_from(position - first).unwrap() * SLOT_BYTES;
            bytes[at..at + record.len()].copy_from_slice(record);
            position += 1;
        }
    }
    store(disk, &files::journal(number), &bytes);
    position
}

fn group(facts: &[Fact], plan: PlanHash) -> Vec<u8> {
    let mut body = Vec::new();
    for fact in facts {
        fact_code::encode(fact, &FRAME, &plan, &mut body);
    }
    body
}

fn planned() -> Fact {
    Fact::Planned {
        at: FRAME.base,
        plan: Arc::default(),
    }
}

fn named() -> Fact {
    Fact::OrganizationNamed {
        organization: ORGANIZATION,
        name: "acme".into(),
    }
}

/// Two plans, two snapshots, two segments; the newer plan is known from a record only.
fn directory() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let old = keep_plan(&disk, &Plan::default());
    let mut plan = Plan::default();
    plan.organizations.insert("acme".into(), Arc::default());
    let new = keep_plan(&disk, &plan);
    keep_snapshot(&disk, 3, 0, old);
    keep_snapshot(&disk, 4, 1, old);
    let long = vec![planned(), named(), named(), named()];
    let end = keep_segment(&disk, 1, 0, &[group(&[named()], old), group(&long, new)]);
    keep_segment(&disk, 2, end, &[group(&[named()], old)]);
    store(&disk, "LOCK", b"quotad 0.1.0, process 1\n");
    disk
}

fn problems(disk: &SimulatedDisk) -> Vec<String> {
    let report = inspect(disk, None).unwrap();
    report.damages().map(str::to_owned).collect()
}

#[test]
fn everything_that_a_directory_holds_is_told() {
    let disk = directory();
    store(&disk, "snapshot-0000000000000005.unfinished", b"half");
    store(&disk, "notes.txt", b"");
    let report = inspect(&disk, None).unwrap();
    assert_eq!(report.damages().next(), None);
    let snapshot = report.snapshots.last().unwrap();
    let header = snapshot.header.as_ref().unwrap();
    assert_eq!((header.number, header.format, header.position), (4, 1, 1));
    assert_eq!(header.begun, "2026-09-21T14:13:20.000Z");
    assert_eq!(header.written_by, env!("CARGO_PKG_VERSION"));
    assert_eq!(snapshot.counts.unwrap().organizations, 1);
    assert_eq!(snapshot.bytes, bytes_of(&disk, &snapshot.file).len() as u64);
    let figures: Vec<_> = report
        .segments
        .iter()
        .map(|it| {
            (
                it.header.as_ref().unwrap().first,
                it.records,
                it.facts,
                it.slots_used,
            )
        })
        .collect();
    assert_eq!(figures, [(0, 3, 5, 4), (4, 1, 1, 2)]);
    assert_eq!(report.plans.len(), 2);
    assert!(report.plans.iter().all(|plan| plan.is_referred_to));
    assert_eq!(report.leftovers, ["snapshot-0000000000000005.unfinished"]);
    assert_eq!(report.others, ["notes.txt"]);
}

#[test]
fn one_file_can_be_looked_at_by_itself() {
    let report = inspect(&directory(), Some("snapshot-0000000000000003")).unwrap();
    assert_eq!(report.snapshots.len(), 1);
    assert!(report.segments.is_empty() && report.plans.is_empty());
    assert_eq!(report.damages().next(), None);
}

#[test]
fn what_is_damaged_is_named() {
    type Harm = fn(&SimulatedDisk);
    let cases: [(Harm, &str); 9] = [
        (
            |disk| damage(disk, "snapshot-0000000000000003", 600),
            "snapshot-0000000000000003: damaged at byte 20: its header",
        ),
        (
            |disk| {
                disk.rename("snapshot-0000000000000003", "snapshot-0000000000000009")
                    .unwrap()
            },
            "snapshot-0000000000000009: says that its number is 3",
        ),
        (
            |disk| damage(disk, "journal-0000000000000001", 2 * SLOT_BYTES + 20),
            "journal-0000000000000001: damaged at byte 128 (position 2)",
        ),
        (
            |disk| disk.remove("journal-0000000000000001").unwrap(),
            "journal-0000000000000002: the segment before it is missing: it begins at position 4, and snapshot-0000000000000003 needs",
        ),
        (
            |disk| {
                let body = group(&[named()], PlanHash::default());
                keep_segment(disk, 2, 4, &vec![body.clone(); 31]);
                keep_segment(disk, 3, 90, &[body]);
            },
            "journal-0000000000000002: the segment that begins at position 36 is missing; the next begins at 90",
        ),
        (
            |disk| {
                let senseless = vec![0_u8; RECORD_HEADER_BYTES];
                keep_segment(disk, 2, 4, &[vec![18, 0, 0], senseless]);
            },
            "journal-0000000000000002: damaged at byte 128: a whole record that makes no sense: 0 is no kind of fact",
        ),
        (
            |disk| {
                let name = plan_named(disk, 1);
                damage(disk, &name, 5);
            },
            "its contents do not have the hash in its name",
        ),
        (
            |disk| {
                let name = plan_named(disk, 0);
                disk.remove(&name).unwrap();
            },
            ": is missing",
        ),
        (
            |disk| {
                let hash = PlanHash::of(b"{}");
                store(disk, &files::plan(&hash), b"{}");
            },
            "is no plan: missing field `organizations`",
        ),
    ];
    for (harm, expected) in cases {
        let disk = directory();
        assert_eq!(problems(&disk), Vec::<String>::new());
        harm(&disk);
        let told = problems(&disk);
        assert!(
            told.len() == 1 && told[0].contains(expected),
            "{expected}: {told:?}"
        );
    }
}

fn plan_named(disk: &SimulatedDisk, organizations: u64) -> String {
    let report = inspect(disk, None).unwrap();
    let plan = |it: &PlanReport| it.organizations == Some(organizations);
    let found = report.plans.into_iter().find(plan);
    found.unwrap().file
}

#[test]
fn a_torn_tail_is_no_damage_and_what_was_safe_is() {
    let disk = directory();
    let body = group(&[named()], PlanHash::default());
    let groups = [body.clone(), body.clone(), body];
    // The records know the journal to be safe up to the segment's beginning only.
    keep_segment(&disk, 2, 4, &groups);
    damage(&disk, "journal-0000000000000002", 2 * SLOT_BYTES + 1);
    let report = inspect(&disk, None).unwrap();
    let last = report.segments.last().unwrap();
    assert_eq!((last.records, last.records_torn), (1, 1));
    assert_eq!(last.damage, None);
    // The next segment does not make it one: its records know no more.
    let after = keep_segment(&disk, 3, 36, &[]);
    assert_eq!((after, problems(&disk)), (37, Vec::new()));
    disk.remove("journal-0000000000000003").unwrap();
    // A record that knows more does.
    let mut buffer = Vec::new();
    let (record, _) = segment::encode_record(&mut buffer, Seed::new(7, 2), 7, Kind::Seal, 7, &[]);
    let mut bytes = bytes_of(&disk, "journal-0000000000000002");
    bytes[3 * SLOT_BYTES..3 * SLOT_BYTES + record.len()].copy_from_slice(record);
    store(&disk, "journal-0000000000000002", &bytes);
    let told = problems(&disk);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("damaged at byte 128 (position 6), although"),
        "{told:?}"
    );
}

#[test]
fn a_group_that_goes_on_from_a_segment_that_is_gone_is_no_damage() {
    let disk = SimulatedDisk::new();
    let mut tail = group(&[named()], PlanHash::default());
    tail.remove(0);
    keep_segment(
        &disk,
        5,
        100,
        &[tail, group(&[named()], PlanHash::default())],
    );
    assert_eq!(problems(&disk), Vec::<String>::new());
}

#[test]
fn a_prepared_segment_and_an_empty_directory_are_whole() {
    let disk = SimulatedDisk::new();
    let report = inspect(&disk, None).unwrap();
    assert_eq!(report, Report::default());
    store(&disk, "journal-0000000000000001", &[0; 4 * SLOT_BYTES]);
    let report = inspect(&disk, None).unwrap();
    assert_eq!(report.damages().next(), None);
    assert_eq!(
        (report.segments[0].slots, &report.segments[0].header),
        (4, &None)
    );
}
