//! What holds for every disk, the real one and the simulated one alike.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{ErrorKind, Read, Write};

use super::{Disk, RealDisk, SimulatedDisk};

fn bytes(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    disk.read(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn write(disk: &dyn Disk, name: &str, bytes: &[u8]) {
    let mut output = disk.create(name).unwrap();
    output.write_all(bytes).unwrap();
    output.sync().unwrap();
}

fn written_files_are_read_back(disk: &dyn Disk) {
    let long: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut output = disk.create("b").unwrap();
    for part in long.chunks(70_001) {
        output.write_all(part).unwrap();
    }
    output.sync().unwrap();
    output.write_all(b"more").unwrap();
    output.sync().unwrap();
    assert_eq!(bytes(disk, "b"), [&long[..], b"more"].concat());
    write(disk, "b", b"short");
    assert_eq!(bytes(disk, "b"), b"short", "made anew, it is empty first");
    for part in [&b" and"[..], b" longer"] {
        let mut output = disk.append("b").unwrap();
        output.write_all(part).unwrap();
        output.sync().unwrap();
    }
    assert_eq!(bytes(disk, "b"), b"short and longer");
    disk.append("d").unwrap().write_all(b"new").unwrap();
    assert_eq!(bytes(disk, "d"), b"new", "and where there was none");
    disk.remove("d").unwrap();
}

fn names_change(disk: &dyn Disk) {
    write(disk, "a", b"of a");
    write(disk, "b", b"of b");
    disk.sync_directory().unwrap();
    assert_eq!(disk.list().unwrap(), ["a", "b"]);
    disk.rename("b", "a").unwrap();
    assert_eq!(disk.list().unwrap(), ["a"]);
    assert_eq!(bytes(disk, "a"), b"of b");
    disk.rename("a", "c").unwrap();
    disk.remove("c").unwrap();
    disk.sync_directory().unwrap();
    assert!(disk.list().unwrap().is_empty());
}

fn mapped_files_are_stored_to(disk: &dyn Disk) {
    // More than is zeroed in one go, and no multiple of it.
    disk.allocate("m", (1 << 20) + 100).unwrap();
    assert_eq!(disk.placed("m").unwrap(), Some((1 << 20) + 100));
    let mut mapped = disk.map("m").unwrap();
    assert_eq!(mapped.region.bytes(), (1 << 20) + 100);
    assert!(bytes(disk, "m").iter().all(|byte| *byte == 0));
    mapped.region.store(64, b"stored").unwrap();
    let end = mapped.region.bytes();
    mapped.region.store(end - 3, b"end").unwrap();
    // In the kernel's hands at once, also before it is safe.
    assert_eq!(&bytes(disk, "m")[60..72], b"\0\0\0\0stored\0\0");
    assert!(bytes(disk, "m").ends_with(b"\0end"));
    mapped.syncer.sync().unwrap();
    for (offset, length) in [(end - 2, 3), (end + 1, 0), (usize::MAX, 2)] {
        let error = mapped.region.store(offset, &vec![1; length]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert!(bytes(disk, "m").ends_with(b"\0end"));

    // Whoever has it mapped keeps it, whatever becomes of its name.
    write(disk, "m", b"another");
    mapped.region.store(0, b"still there").unwrap();
    mapped.syncer.sync().unwrap();
    assert_eq!(bytes(disk, "m"), b"another");
    disk.remove("m").unwrap();
    mapped.region.store(0, b"and now too").unwrap();
}

fn what_cannot_be_is_refused(disk: &dyn Disk) {
    let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(disk.read("none").map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(disk.map("none").map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(disk.remove("none")), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename("none", "other")), ErrorKind::NotFound);
    write(disk, "a", b"kept");
    assert_eq!(kind(disk.allocate("a", 10)), ErrorKind::AlreadyExists);
    assert_eq!(bytes(disk, "a"), b"kept");
    for name in ["", ".", "..", "../a", "a/b", "a\0"] {
        assert_eq!(kind(disk.create(name).map(drop)), ErrorKind::InvalidInput);
        assert_eq!(kind(disk.allocate(name, 1)), ErrorKind::InvalidInput);
        assert_eq!(kind(disk.rename("a", name)), ErrorKind::InvalidInput);
        assert_eq!(kind(disk.remove(name)), ErrorKind::InvalidInput);
    }
    assert_eq!(disk.list().unwrap(), ["a"]);
}

type Part = fn(&dyn Disk);

const CONTRACT: [(&str, Part); 4] = [
    ("written files are read back", written_files_are_read_back),
    ("names change", names_change),
    ("mapped files are stored to", mapped_files_are_stored_to),
    ("what cannot be is refused", what_cannot_be_is_refused),
];

#[test]
fn both_disks_keep_the_contract() {
    for (name, part) in CONTRACT {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        part(&RealDisk::open(folder.path()).unwrap());
        part(&SimulatedDisk::new());
    }
}

#[test]
fn the_real_disk_is_its_owners_alone_and_opens_again_with_everything() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data/quotad");
    let disk = RealDisk::open(&folder).unwrap();
    write(&disk, "written", b"kept");
    disk.allocate("mapped", 100).unwrap();
    let mut mapped = disk.map("mapped").unwrap();
    mapped.region.store(0, b"too").unwrap();
    for (path, mode) in [("", 0o700), ("written", 0o600), ("mapped", 0o600)] {
        let found = folder.join(path).metadata().unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{path}");
    }
    std::fs::create_dir(folder.join("lost+found")).unwrap();
    drop((mapped, disk));

    let disk = RealDisk::open(&folder).unwrap();
    assert_eq!(disk.list().unwrap(), ["mapped", "written"]);
    assert_eq!(bytes(&disk, "written"), b"kept");
    assert!(bytes(&disk, "mapped").starts_with(b"too\0"));
}

#[test]
fn an_allocated_file_takes_its_place_on_the_real_disk() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(folder.path()).unwrap();
    disk.allocate("m", 3 << 20).unwrap();
    let meta = folder.path().join("m").metadata().unwrap();
    assert_eq!(meta.len(), 3 << 20);
    assert!(meta.blocks() * 512 >= 3 << 20, "{} blocks", meta.blocks());
    assert_eq!(disk.placed("m").unwrap(), Some(3 << 20));
    // One that was copied by something that leaves zeros out.
    let sparse = std::fs::File::create(folder.path().join("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    assert_eq!(disk.placed("sparse").unwrap(), None);
}
