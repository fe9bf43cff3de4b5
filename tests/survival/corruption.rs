//! Every byte of a small directory damaged, one at a time: each start refuses with file and place, falls back to the older
//! snapshot, or recovers exactly the undamaged books; nothing that was safe is ever missing without a word.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quotad::domain::time::Timestamp;
use quotad::storage::Durability;
use quotad::world::disk::{Crash, Disk, SimulatedDisk};

use crate::books::Comparison;
use crate::machine::{History, Machine, Start};
use crate::orders::Order;
use crate::script::{Action, Rhythm, Script};
use crate::{orders, seed};

/// Orders before, between and after the two snapshots.
const ORDERS: usize = 30;

/// Of bytes that nothing was written to, one in so many is damaged. A prime, so that all parts of a slot are met.
const UNWRITTEN_EVERY: usize = 997;

/// Each is a file of thousands of bytes.
const PLANS_MAX: usize = 3;

const SLOT: usize = 64;

const RHYTHM: Rhythm = Rhythm {
    sync: 0,
    seal: 0,
    prepare: 0,
    snapshot: 0,
    file: 0,
    correct: 4,
};

/// A directory with two snapshots and two segments that hold records after both.
struct Directory {
    disk: SimulatedDisk,
    history: History,
    now: Timestamp,
    /// Groups that were synced before the last ones were recorded.
    safe: usize,
}

impl Directory {
    /// The first of some seeds after which something is recorded in each part.
    fn new() -> Self {
        let mut seeds = seed(11)..;
        seeds.find_map(Self::of).expect("one of them will do")
    }

    fn of(seed: u64) -> Option<Self> {
        let script = Script::new(seed, 4 * orders(ORDERS), RHYTHM);
        let mut plans = 0;
        let actions: Vec<Action> = script
            .actions
            .iter()
            .filter(|action| {
                let is_plan = matches!(action, Action::Order(Order::Plan(_)));
                plans += usize::from(is_plan);
                !is_plan || plans <= PLANS_MAX
            })
            .cloned()
            .collect();
        let (before, after) = actions.split_at(actions.len() / 2);
        let history = Arc::new(Mutex::new(History::default()));
        let disk = SimulatedDisk::new();
        let mut first = Start {
            disk: disk.clone(),
            mode: Durability::Process,
            now: script.begin,
            ids: script.seed,
        }
        .run(&history)
        .unwrap();
        let third = before.len() / 3;
        for (nth, action) in before.iter().enumerate() {
            first.play(action);
            if nth == third || nth == 2 * third {
                first.play(&Action::Snapshot);
            }
        }
        first.play(&Action::Sync);
        let (earlier, now) = (first.history.lock().clone(), first.now());

        let disk = disk.after(Crash::Power(0));
        let history = Arc::new(Mutex::new(History::default()));
        let mut second = Start {
            disk: disk.clone(),
            mode: Durability::Process,
            now,
            ids: script.seed + 1,
        }
        .run(&history)
        .unwrap();
        second.found(&earlier);
        let tail = after.len() - after.len() / 8;
        after[..tail]
            .iter()
            .for_each(|action| drop(second.play(action)));
        for action in [Action::Sync, Action::Seal, Action::Sync] {
            second.play(&action);
        }
        let safe = second.recorded();
        after[tail..]
            .iter()
            .for_each(|action| drop(second.play(action)));
        assert!(second.storage.failure().is_none());
        let history = second.history.lock().clone();
        let (in_first, in_tail) = (earlier.groups.len(), history.groups.len() - safe);
        (in_first > ORDERS && safe > in_first + ORDERS / 2 && in_tail >= 3).then(|| Self {
            disk: disk.after(Crash::Power(1)),
            history,
            now: second.now(),
            safe,
        })
    }

    fn all_is_there(&self, machine: &Machine) {
        let count = Comparison::default().groups_in(&self.history, machine, self.safe);
        assert_eq!(count, Ok(self.history.groups.len()));
    }

    fn start(&self, disk: SimulatedDisk) -> Result<Machine, String> {
        let start = Start {
            disk,
            mode: Durability::Process,
            now: self.now,
            ids: 3,
        };
        start
            .run(&Arc::new(Mutex::new(History::default())))
            .map_err(|error| error.to_string())
    }
}

/// What came of damage to the files of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    files: usize,
    flips: u64,
    refused: u64,
    fell_back: u64,
    unharmed: u64,
    /// The last records, which nobody knew to be safe, were taken for a torn tail.
    tail_cut: u64,
}

struct Checker {
    directory: Directory,
    comparison: Comparison,
    figures: BTreeMap<&'static str, Figures>,
}

impl Checker {
    /// Damages one byte.
    fn flip(&mut self, kind: &'static str, file: &str, offset: usize, mask: u8) {
        let directory = &self.directory;
        let disk = directory.disk.after(Crash::Process);
        let mut bytes = disk.contents(file).unwrap();
        bytes[offset] ^= mask;
        disk.set_contents(file, bytes).unwrap();
        let figures = self.figures.entry(kind).or_default();
        figures.flips += 1;
        let context = format!("{file}, byte {offset} ^ {mask:#04x}");
        let machine = match directory.start(disk) {
            Ok(machine) => machine,
            Err(why) => {
                let says_what = ["at byte", "position", "in format", "cannot be read"];
                let says_what = says_what.iter().any(|words| why.contains(words));
                assert!(
                    says_what && names_a_file(&why),
                    "{context}: it refuses, but why? {why}"
                );
                figures.refused += 1;
                return;
            }
        };
        let history = &directory.history;
        let count = self
            .comparison
            .groups_in(history, &machine, directory.safe)
            .unwrap_or_else(|problem| panic!("{context}: {problem}"));
        if count < history.groups.len() {
            figures.tail_cut += 1;
        } else if machine.recovered.snapshots_damaged.is_empty() {
            figures.unharmed += 1;
        } else {
            let why = machine.recovered.snapshots_damaged.concat();
            assert!(names_a_file(&why), "{context}: {why}");
            figures.fell_back += 1;
        }
    }
}

fn names_a_file(text: &str) -> bool {
    ["journal-", "snapshot-", "plan-", "segment that begins at"]
        .iter()
        .any(|name| text.contains(name))
}

fn kind(name: &str) -> &'static str {
    ["journal", "snapshot", "plan"]
        .into_iter()
        .find(|kind| name.starts_with(kind))
        .unwrap_or_else(|| panic!("{name} is no file of ours"))
}

#[test]
fn a_damaged_byte_never_changes_the_books_unnoticed() {
    let directory = Directory::new();
    let names = directory.disk.list().unwrap();
    let mut checker = Checker {
        comparison: Comparison::default(),
        figures: BTreeMap::new(),
        directory,
    };
    for name in &names {
        let bytes = checker.directory.disk.contents(name).unwrap();
        let written = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| (last + 1).next_multiple_of(SLOT).min(bytes.len()));
        if written > 0 {
            checker.figures.entry(kind(name)).or_default().files += 1;
        }
        for offset in 0..written {
            let bit = 1 << (offset % 8);
            checker.flip(kind(name), name, offset, bit);
            checker.flip(kind(name), name, offset, 0xFF);
        }
        for offset in (written..bytes.len()).step_by(UNWRITTEN_EVERY) {
            checker.flip("never written", name, offset, 1);
        }
    }
    for (kind, figures) in &checker.figures {
        println!("corruption, {kind}: {figures:?}");
    }
    let figures = |kind| checker.figures[kind];
    assert!(figures("journal").refused > 0 && figures("journal").tail_cut > 0);
    assert!(figures("journal").files >= 2, "two segments");
    assert_eq!(figures("snapshot").files, 2, "two snapshots");
    assert!(figures("snapshot").fell_back > 0);
    assert_eq!(figures("snapshot").tail_cut, 0);
    assert_eq!(figures("never written").tail_cut, 0);
}

#[test]
fn without_both_snapshots_or_a_segment_it_refuses_or_finds_everything() {
    let directory = Directory::new();
    let names = directory.disk.list().unwrap();
    let of = |kind: &str| -> Vec<&String> {
        let of_kind = names.iter().filter(|name| name.starts_with(kind));
        of_kind.collect()
    };
    let disk = directory.disk.after(Crash::Process);
    for name in of("snapshot") {
        disk.flip(name, 200, 3).unwrap();
    }
    // Where the journal goes back to its beginning it makes up for both.
    let both = match directory.start(disk) {
        Err(why) => {
            assert!(names_a_file(&why), "{why}");
            "refused"
        }
        Ok(machine) => {
            directory.all_is_there(&machine);
            "the whole journal made up for them"
        }
    };

    let used = |name: &&String| {
        let bytes = directory.disk.contents(name).unwrap();
        bytes.iter().any(|byte| *byte != 0)
    };
    let segments = of("journal");
    let last = segments.iter().copied().rfind(used).unwrap();
    let mut missing = 0;
    for name in segments {
        let disk = directory.disk.after(Crash::Process);
        disk.remove(name).unwrap();
        match (used(&name), directory.start(disk)) {
            (false, Ok(machine)) => directory.all_is_there(&machine),
            // Nothing that is left knows of the last one; the books are those before it.
            (true, Ok(machine)) if name == last => {
                let count = Comparison::default().groups_in(&directory.history, &machine, 0);
                assert!(count.unwrap() < directory.history.groups.len());
            }
            (true, Err(why)) => {
                assert!(names_a_file(&why), "{why}");
                missing += 1;
            }
            (used, start) => panic!("{name}, used: {used}: {:?}", start.map(|it| it.recovered)),
        }
    }
    println!(
        "corruption: both snapshots damaged: {both}; {missing} missing segments before the last, each refused"
    );
    assert!(missing > 0);
    let undamaged = directory.disk.after(Crash::Process);
    directory.all_is_there(&directory.start(undamaged).unwrap());
}
