//! Segments that no whole snapshot needs may be in any state; those that one needs may not.

use super::*;

/// Segments of 32 slots at the positions 0, 64 and 96, each full: the one at 32 was given back. What is in the later ones
/// was written when everything before them was safe.
fn with_a_gap() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    keep_plan(&disk, &Plan::default());
    let body = group(&[named()], PlanHash::default());
    for (number, first) in [(1, 0), (3, 64), (4, 96)] {
        keep_segment(&disk, number, first, &vec![body.clone(); 31]);
    }
    disk
}

fn snapshots_at(disk: &SimulatedDisk, positions: &[u64]) {
    let plan = PlanHash::of(&to_json(&Plan::default()));
    for (number, &position) in (1..).zip(positions) {
        keep_snapshot(disk, number, position, plan);
    }
}

#[test]
fn what_is_missing_counts_from_where_the_oldest_whole_snapshot_begins() {
    const GAP: &str = "journal-0000000000000001: the segment that begins at position 32 is missing; the next begins at 64";
    for (positions, is_told) in [
        (&[64, 97][..], false),
        (&[65, 97], false),
        (&[90, 97], false),
        (&[97, 97], false),
        (&[127, 127], false),
        // It needs something of what is not there, or a start that falls back on it does.
        (&[63, 97], true),
        (&[32, 97], true),
        (&[1, 97], true),
        (&[0, 97], true),
        (&[63], true),
        // Without a snapshot everything is needed.
        (&[], true),
    ] {
        let disk = with_a_gap();
        snapshots_at(&disk, positions);
        let expected: &[&str] = if is_told { &[GAP] } else { &[] };
        assert_eq!(problems(&disk), expected, "{positions:?}");
    }
}

#[test]
fn a_damaged_snapshot_is_none_to_fall_back_on() {
    let disk = with_a_gap();
    snapshots_at(&disk, &[1, 70, 97]);
    assert_eq!(problems(&disk).len(), 1, "the gap");
    damage(&disk, "snapshot-0000000000000001", 600);
    let told = problems(&disk);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("snapshot-0000000000000001: damaged"));
    // Where none is whole, only a journal from its beginning helps, and it has a gap.
    damage(&disk, "snapshot-0000000000000002", 600);
    damage(&disk, "snapshot-0000000000000003", 600);
    let told = problems(&disk);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[3].starts_with("journal-0000000000000001: the segment"));
}

#[test]
fn damage_counts_only_where_it_is_needed() {
    for (position, is_told) in [(97, false), (96, false), (90, true), (64, true)] {
        let disk = with_a_gap();
        snapshots_at(&disk, &[position, 97]);
        damage(&disk, "journal-0000000000000003", 10 * SLOT_BYTES + 1);
        let told = problems(&disk);
        assert_eq!(told.len(), usize::from(is_told), "{position}: {told:?}");
        let report = inspect(&disk, None).unwrap();
        let superfluous: Vec<_> = report.segments.iter().map(|it| it.is_superfluous).collect();
        assert_eq!(superfluous, [true, !is_told, false], "{position}");
    }
}

#[test]
fn a_snapshot_misses_the_segment_that_it_begins_in() {
    let disk = with_a_gap();
    snapshots_at(&disk, &[63, 97]);
    disk.remove("journal-0000000000000001").unwrap();
    assert_eq!(
        problems(&disk),
        [
            "journal-0000000000000003: the segment before it is missing: it begins at position 64, and snapshot-0000000000000001 \
             needs the journal from position 63 on"
        ]
    );
    snapshots_at(&disk, &[64, 97]);
    assert_eq!(problems(&disk), Vec::<String>::new());
}

#[test]
fn a_group_of_superfluous_records_does_not_go_on_in_what_is_needed() {
    // Its last record is gone: what begins at 32 is none of it.
    let disk = SimulatedDisk::new();
    let body = group(&[named()], PlanHash::default());
    let long = vec![1; 11 * 40];
    keep_segment(&disk, 1, 0, &[vec![body.clone(); 20], vec![long]].concat());
    damage(&disk, "journal-0000000000000001", 31 * SLOT_BYTES + 1);
    keep_segment(&disk, 2, 32, &[body]);
    keep_plan(&disk, &Plan::default());
    for position in [32, 33] {
        snapshots_at(&disk, &[position]);
        assert_eq!(problems(&disk), Vec::<String>::new(), "{position}");
        // Nor is its first group taken for the end of one that is not there.
        let senseless = vec![0_u8; RECORD_HEADER_BYTES];
        let other = disk.after(crate::world::disk::Crash::Process);
        keep_segment(&other, 2, 32, &[senseless]);
        let told = problems(&other);
        assert!(
            told.len() == 1 && told[0].contains("makes no sense"),
            "{told:?}"
        );
    }
}

#[test]
fn a_snapshot_that_goes_while_segments_are_read_asks_for_nothing() {
    let snapshot = |number: u64, position: u64| SnapshotReport {
        file: files::snapshot(number),
        header: Some(SnapshotHeader {
            number,
            journal: String::new(),
            format: 1,
            features: 0,
            written_by: String::new(),
            begun: String::new(),
            segment: 1,
            position,
            position_last: position,
            plan: String::new(),
        }),
        ..SnapshotReport::default()
    };
    let snapshots = [snapshot(1, 10), snapshot(2, 20), snapshot(3, 30)];
    for (left, from) in [
        (&[1, 2, 3][..], 10),
        (&[2, 3], 20),
        (&[3, 4], 30),
        (&[4, 5], 30),
    ] {
        let names: Vec<_> = left.iter().map(|&it| files::snapshot(it)).collect();
        assert_eq!(Needed::of(&snapshots, &names).from, from, "{left:?}");
    }
    assert_eq!(Needed::of(&[], &[]), Needed::default());
}
