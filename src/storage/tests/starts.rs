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
