//! Start after start over one directory: what they leave behind is told apart from what is needed.

use super::*;
use crate::storage::inspect::{inspect, rehearse};

impl House {
    /// What a start does before it serves.
    fn serve(&self) {
        assert!(self.snapshot());
        assert!(self.storage.make_room().unwrap());
    }

    /// So much that the journal goes on in the next segment.
    fn fill_a_segment(&self) {
        let number = |house: &Self| house.storage.journal.segment_of(u64::MAX);
        let before = number(self);
        while number(self) == before {
            let id = self.reserve("ana", 10);
            self.commit(id, 1);
        }
    }

    /// How many segments have this size.
    fn segments_of(&self, bytes: usize) -> usize {
        let names = self.disk.list().unwrap();
        let is_segment = |name: &&String| name.starts_with("journal-");
        let sizes = names.iter().filter(is_segment).map(|name| {
            let contents = self.disk.contents(name);
            contents.unwrap().len()
        });
        sizes.filter(|&size| size == bytes).count()
    }

    /// A look at the directory finds nothing wrong, and a start would succeed.
    fn is_whole(&self, when: &str) {
        let report = inspect(&self.disk, None).unwrap();
        let damages: Vec<_> = report.damages().collect();
        let names = self.disk.list().unwrap();
        assert!(damages.is_empty(), "{when}: {damages:?} in {names:?}");
        let rehearsal = rehearse(&self.disk, Arc::clone(&self.clock) as _);
        assert_eq!(rehearsal.refusal, None, "{when}");
    }
}

#[test]
fn after_many_starts_a_directory_is_as_whole_as_after_the_first() {
    for segments in 0..3 {
        let mut house = House::new(Durability::Process);
        house.serve();
        for start in 2..16 {
            for _ in 0..segments {
                house.fill_a_segment();
                house.serve();
                house.is_whole(&format!("start {start}, {segments} segments more"));
            }
            let id = house.reserve("ana", 10);
            house.commit(id, 1);
            house = house.crash(start);
            house.is_whole(&format!("start {start}, recovered"));
            house.serve();
            house.is_whole(&format!("start {start}, served"));
        }
    }
}

#[test]
fn a_plan_that_only_superfluous_records_refer_to_is_not_missed() {
    let house = House::new(Durability::Process);
    for credits in 0..4 {
        house.engine.apply_plan(plan(2_000_000 + credits)).unwrap();
        house.serve();
        house.is_whole(&format!("plan {credits}"));
    }
}

const SMALL: usize = 64 << 10;
const LARGE: usize = 256 << 10;

fn of_large_segments() -> Options {
    Options {
        journal_bytes_max: 16 * LARGE as u64,
        ..options(Durability::Process)
    }
}

/// Books whose journal has more small segments than a start keeps spares, all still needed.
fn of_small_segments() -> House {
    let house = House::new(Durability::Process);
    house.serve();
    for _ in 0..6 {
        house.fill_a_segment();
        assert!(house.storage.make_room().unwrap());
    }
    assert!(house.segments_of(SMALL) > 6);
    house
}

#[test]
fn segments_of_another_size_are_removed_once_they_are_superfluous() {
    let mut house = of_small_segments().crash_into(of_large_segments(), 2);
    let before = house.engine.fingerprint();
    // The first snapshot of this start makes the one of the first start the older one; the next makes up for that.
    for _ in 0..2 {
        house.fill_a_segment();
        house.serve();
    }
    assert_eq!(house.segments_of(SMALL), 0);
    house.is_whole("larger");
    assert_ne!(house.engine.fingerprint(), before);
    house = house.crash_into(options(Durability::Process), 3);
    for _ in 0..2 {
        house.fill_a_segment();
        house.serve();
    }
    assert_eq!(house.segments_of(LARGE), 0);
    house.is_whole("smaller");
    // Where there is no journal, no segment is of use, whatever its size.
    house = house.crash_into(options(Durability::Memory), 4);
    for _ in 0..2 {
        house.reserve("ana", 10);
        assert!(house.snapshot());
    }
    house.storage.run(&house.engine).unwrap();
    assert_eq!(house.segments_of(SMALL), 1, "where the journal ends");
    house.is_whole("without a journal");
}

#[test]
fn segments_of_another_size_make_room_on_a_full_disk() {
    let house = of_small_segments().crash_into(of_large_segments(), 2);
    house.serve();
    house.fill_a_segment();
    assert!(house.snapshot());
    assert!(house.segments_of(SMALL) > 6);
    // What is superfluous by now is given back by whoever makes room, and the place taken again.
    house.disk.set_capacity(Some(house.disk.bytes()));
    let before = house.segments_of(LARGE);
    house.storage.make_room().unwrap();
    assert_eq!(house.segments_of(SMALL), 0);
    assert!(house.segments_of(LARGE) > before);
}

#[test]
fn superfluous_segments_lie_in_one_run_before_those_that_are_needed() {
    let mut house = House::new(Durability::Process);
    for start in 2..10 {
        for _ in 0..3 {
            house.fill_a_segment();
            house.serve();
            let report = inspect(&house.disk, None).unwrap();
            let used: Vec<_> = report
                .segments
                .iter()
                .filter_map(|it| Some((it.header.as_ref()?.first, it.slots, it.file.as_str())))
                .collect();
            for pair in used.windows(2) {
                let (end, next) = (pair[0].0 + pair[0].1, pair[1].0);
                assert!(next <= end, "a gap behind {}: {used:?}", pair[0].2);
            }
        }
        house = house.crash(start);
    }
}
