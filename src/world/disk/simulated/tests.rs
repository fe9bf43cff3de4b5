//! What a crash may leave, and what it may not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::*;

const SEEDS: std::ops::Range<u64> = 0..400;

fn write(disk: &SimulatedDisk, name: &str, bytes: &[u8]) {
    let mut output = disk.create(name).unwrap();
    output.write_all(bytes).unwrap();
    output.sync().unwrap();
}

/// A file of 4,096 zero bytes, safe under its name.
fn mapped(disk: &SimulatedDisk) -> Mapped {
    disk.allocate("m", 4096).unwrap();
    disk.sync_directory().unwrap();
    disk.map("m").unwrap()
}

#[test]
fn the_death_of_the_process_loses_nothing() {
    let disk = SimulatedDisk::new();
    let mut mapped = mapped(&disk);
    mapped.region.store(10, b"stored").unwrap();
    disk.create("w").unwrap().write_all(b"written").unwrap();
    let after = disk.after(Crash::Process);
    assert_eq!(after.contents("m").unwrap(), disk.contents("m").unwrap());
    assert_eq!(after.contents("w").unwrap(), b"written");
    // What was not safe has not become so.
    let power = after.after(Crash::Power(0));
    assert_eq!(power.list().unwrap(), ["m"]);
    assert_eq!(power.contents("m").unwrap(), vec![0; 4096]);
    assert_eq!(
        after.after(Crash::Power(1)).contents("m").unwrap(),
        disk.contents("m").unwrap()
    );
}

#[test]
fn what_was_synced_survives_and_what_was_never_stored_does_not_appear() {
    let mut shapes = BTreeSet::new();
    for seed in SEEDS {
        let disk = SimulatedDisk::new();
        let mut mapped = mapped(&disk);
        mapped.region.store(100, &[1; 100]).unwrap();
        mapped.syncer.sync().unwrap();
        // Over what is safe, beside it, and once more over itself.
        mapped.region.store(150, &[2; 800]).unwrap();
        mapped.region.store(1200, &[3; 64]).unwrap();
        mapped.region.store(1200, &[4; 64]).unwrap();
        let left = disk.after(Crash::Power(seed)).contents("m").unwrap();
        for (offset, byte) in left.iter().enumerate() {
            let allowed: &[u8] = match offset {
                100..150 => &[1],
                150..200 => &[1, 2],
                200..950 => &[0, 2],
                1200..1264 => &[0, 3, 4],
                _ => &[0],
            };
            assert!(allowed.contains(byte), "seed {seed}, {byte} at {offset}");
        }
        match seed {
            0 => assert!(left[150..].iter().all(|byte| matches!(byte, 0 | 1))),
            1 => assert_eq!(left, disk.contents("m").unwrap()),
            _ => {}
        }
        shapes.insert(left);
    }
    println!("{} shapes left by {SEEDS:?}", shapes.len());
    let some = |shown: fn(&[u8]) -> bool| shapes.iter().any(|left| shown(left));
    assert!(shapes.len() > 100);
    assert!(some(|left| left[1200] == 3), "an older store came last");
    assert!(some(|left| left[150] == 2 && left[949] == 0), "torn");
    assert!(some(|left| left[150] != 2 && left[949] == 2), "reordered");
    assert!(some(|left| left[511] != left[512] && left[512] == left[949]));
}

#[test]
fn names_survive_in_order_and_only_a_synced_file_is_whole() {
    let mut shapes = BTreeSet::new();
    for seed in SEEDS {
        let disk = SimulatedDisk::new();
        write(&disk, "a", b"old");
        disk.sync_directory().unwrap();
        write(&disk, "t", b"new");
        disk.rename("t", "a").unwrap();
        disk.create("u").unwrap().write_all(b"unsynced").unwrap();
        disk.remove("a").unwrap();
        let after = disk.after(Crash::Power(seed));
        let names = after.list().unwrap();
        match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["a"] => assert!([&b"old"[..], b"new"].contains(&&after.contents("a").unwrap()[..])),
            ["a", "t"] => {
                assert_eq!(after.contents("a").unwrap(), b"old");
                assert_eq!(after.contents("t").unwrap(), b"new");
            }
            ["a", "u"] => assert_eq!(after.contents("a").unwrap(), b"new"),
            ["u"] => {}
            ref other => panic!("seed {seed}: {other:?}"),
        }
        if let Ok(left) = after.contents("u") {
            let whole = b"unsynced";
            assert!(left.iter().zip(whole).all(|(a, b)| a == b || *a == 0));
            shapes.insert(left);
        }
        shapes.insert(names.concat().into_bytes());
    }
    let named = ["a", "at", "au", "u"].map(|name| name.as_bytes().to_vec());
    assert!(named.iter().all(|name| shapes.contains(name)));
    assert!(shapes.contains(&b""[..]) && shapes.contains(&b"unsynced"[..]));
}

#[test]
fn a_stopped_machine_does_nothing_more_and_its_last_store_may_be_torn() {
    let mut lengths = BTreeSet::new();
    for before in 0..40 {
        let disk = SimulatedDisk::new();
        let mut mapped = mapped(&disk);
        for _ in 0..before {
            mapped.region.store(0, b"x").unwrap();
        }
        let steps = disk.steps();
        assert_eq!(steps, 2 + before);
        disk.stop_at(steps);
        assert!(!disk.has_stopped());
        mapped.region.store(8, &[7; 32]).unwrap_err();
        assert!(disk.has_stopped());
        let at_the_stop = disk.contents("m").unwrap();
        lengths.insert(at_the_stop.iter().filter(|byte| **byte == 7).count());
        mapped.region.store(100, &[8; 32]).unwrap_err();
        mapped.syncer.sync().unwrap_err();
        disk.allocate("n", 10).unwrap_err();
        disk.rename("m", "n").unwrap_err();
        disk.remove("m").unwrap_err();
        disk.sync_directory().unwrap_err();
        assert!(disk.create("n").is_err() && disk.read("m").is_err() && disk.map("m").is_err());
        assert!(disk.list().is_err());
        assert_eq!(disk.steps(), steps);
        let after = disk.after(Crash::Process);
        assert_eq!(after.contents("m").unwrap(), at_the_stop);
        assert_eq!(after.steps(), 0);
        after.allocate("n", 10).unwrap();
        assert_eq!(
            disk.after(Crash::Power(0)).contents("m").unwrap(),
            [0; 4096]
        );
    }
    assert!(lengths.len() > 10 && lengths.iter().all(|length| *length <= 32));
}

#[test]
fn an_allocation_that_the_end_interrupts_leaves_a_shorter_file_or_none() {
    let mut lengths = BTreeSet::new();
    for before in 0..40 {
        let disk = SimulatedDisk::new();
        for _ in 0..before {
            disk.sync_directory().unwrap();
        }
        disk.stop_at(before);
        disk.allocate("m", 100).unwrap_err();
        let left = disk.after(Crash::Process).contents("m").unwrap();
        assert!(left.len() < 200 && left.iter().all(|byte| *byte == 0));
        lengths.insert(left.len());
        let power = disk.after(Crash::Power(0));
        assert!(power.list().unwrap().is_empty());
    }
    assert!(lengths.len() > 10);
}

#[test]
fn a_failed_sync_loses_by_chance_what_it_was_to_make_safe() {
    let mut lost = 0;
    for nth in 0..40 {
        let disk = SimulatedDisk::new();
        let mut mapped = mapped(&disk);
        for _ in 0..nth {
            mapped.syncer.sync().unwrap();
        }
        mapped.region.store(0, b"stored").unwrap();
        disk.fail_once(disk.steps(), 5);
        let error = mapped.syncer.sync().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5));
        // One that succeeds afterwards makes nothing good: the kernel takes it for written.
        mapped.syncer.sync().unwrap();
        let left = disk.after(Crash::Power(1)).contents("m").unwrap();
        assert!(left.starts_with(b"stored") || left.starts_with(&[0; 6]));
        lost += u64::from(left[0] == 0);
        assert!(disk.contents("m").unwrap().starts_with(b"stored"));
    }
    assert!((5..35).contains(&lost), "{lost} of 40 lost");
}

#[test]
fn the_nth_of_a_kind_fails_and_the_machine_goes_on() {
    let disk = SimulatedDisk::new();
    let mut mapped = mapped(&disk);
    disk.fail_kind(Kind::Store, 1, 5);
    mapped.region.store(0, b"a").unwrap();
    mapped.region.store(0, b"b").unwrap_err();
    mapped.region.store(1, b"c").unwrap();
    assert!(disk.contents("m").unwrap().starts_with(b"ac\0"));
    let refused: [(Kind, &dyn Fn() -> io::Result<()>); 7] = [
        (Kind::Sync, &|| mapped.syncer.sync()),
        (Kind::Allocate, &|| disk.allocate("n", 1)),
        (Kind::Create, &|| disk.create("n").map(drop)),
        (Kind::Rename, &|| disk.rename("m", "n")),
        (Kind::Remove, &|| disk.remove("m")),
        (Kind::SyncDirectory, &|| disk.sync_directory()),
        (Kind::Read, &|| {
            disk.read("m")?.read_to_end(&mut Vec::new()).map(drop)
        }),
    ];
    for (kind, step) in refused {
        let steps = disk.steps();
        disk.fail_kind(kind, 0, 5);
        assert_eq!(step().unwrap_err().raw_os_error(), Some(5), "{kind:?}");
        assert_eq!(disk.list().unwrap(), ["m"], "{kind:?}");
        let own = if kind == Kind::Read { 0 } else { 1 };
        assert_eq!(disk.steps() - steps, own, "{kind:?}");
        assert!(own == 0 || disk.kinds().last() == Some(&kind));
    }
    let mut output = disk.create("w").unwrap();
    disk.fail_kind(Kind::Write, 0, 5);
    output.write_all(b"a").unwrap_err();
    output.write_all(b"b").unwrap();
    assert_eq!(disk.contents("w").unwrap(), b"b");
}

#[test]
fn a_full_disk_refuses_what_takes_room_until_there_is_some() {
    let disk = SimulatedDisk::new();
    disk.set_capacity(Some(5000));
    let mut mapped = mapped(&disk);
    let error = disk.allocate("n", 905).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(disk.list().unwrap(), ["m"], "nothing of it stays");
    disk.allocate("n", 900).unwrap();
    let mut output = disk.create("w").unwrap();
    let error = output.write_all(b"12345").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    output.write_all(b"1234").unwrap();
    mapped.region.store(0, b"takes no room").unwrap();
    disk.remove("n").unwrap();
    output.write_all(&[0; 900]).unwrap();
    assert_eq!(disk.bytes(), 5000);
    disk.set_capacity(None);
    output.write_all(&[0; 900]).unwrap();
}

#[test]
fn damage_is_safe_at_once_and_no_step() {
    let disk = SimulatedDisk::new();
    write(&disk, "a", b"abc");
    disk.sync_directory().unwrap();
    let steps = disk.steps();
    disk.flip("a", 1, 0).unwrap();
    assert_eq!(disk.contents("a").unwrap(), b"acc");
    disk.flip("a", 3, 0).unwrap_err();
    disk.flip("b", 0, 0).unwrap_err();
    assert_eq!(disk.steps(), steps);
    let after = disk.after(Crash::Power(0));
    assert_eq!(after.contents("a").unwrap(), b"acc");
    after.set_contents("a", b"other".to_vec()).unwrap();
    assert_eq!(after.contents("a").unwrap(), b"other");
    assert_eq!(disk.contents("a").unwrap(), b"acc", "another directory");
}
