//! Bounds x sizes against the container's memory limit (architecture.md, decision 7: above 80 % the sidecar refuses to
//! start, rather than be killed under load).
//!
//! The journal's segments are mapped files. Their pages count against the limit too, but as page cache: the kernel writes
//! them back and takes them away when memory is short, so nothing is planned for them. Only what is not written back yet
//! must stay, which is at most what happens within `fsync_interval`.

use std::path::{Path, PathBuf};

use crate::domain::credits::grouped;
use crate::engine::Bounds;

/// One cell with its counters, its user's name and its place in the index: 175 bytes where names are short
/// (docs/measurements.md, P13).
const CELL_BYTES: u64 = 250;
/// One open hold with its place in the lanes of expiries, and an id that the caller chose: 122 bytes without that.
const HOLD_BYTES: u64 = 250;
/// One settled request that is remembered, with an id that the caller chose: 63 bytes without that.
const SETTLED_BYTES: u64 = 160;
/// One usage row with its place in the index of its day: 68 bytes.
const USAGE_ROW_BYTES: u64 = 80;
/// One label with its names and its place in the index of its book.
const LABEL_BYTES: u64 = 250;
/// Everything else: the program, connections, the plan.
const BASE_BYTES: u64 = 48 * 1024 * 1024;
/// So much of the limit may be planned for.
const SHARE_PERCENT: u64 = 80;
/// cgroup v1 writes a number above this for "no limit".
const UNLIMITED_V1: u64 = 1 << 60;

/// The bounds need more memory than the container has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "bounds of {} cells, {} holds, {} settled ids, {} usage rows and {} labels need up to {needed_mib} MiB, more than \
     {SHARE_PERCENT} % of the memory limit of {limit_mib} MiB; {}",
    grouped(asked.cells as u64), grouped(asked.holds as u64), grouped(asked.settled as u64),
    grouped(asked.usage_rows as u64), grouped(asked.labels as u64), advice(fitting)
)]
pub struct MemoryRefused {
    asked: Bounds,
    needed_mib: u64,
    limit_mib: u64,
    /// Bounds in the same proportion that fit; `None` if not even small ones do.
    pub fitting: Option<Bounds>,
}

fn advice(fitting: &Option<Bounds>) -> String {
    match fitting {
        Some(Bounds {
            cells,
            holds,
            settled,
            usage_rows,
            labels,
        }) => {
            format!(
                "raise the limit, or write bounds: {{cells: {cells}, holds: {holds}, settled: {settled}, \
                 usage_rows: {usage_rows}, labels: {labels}}}, which fit"
            )
        }
        None => format!(
            "raise the limit to at least {} MiB",
            2 * BASE_BYTES / 1024 / 1024
        ),
    }
}

/// Whether bounds fit into a memory limit in bytes; without a limit they do.
///
/// # Errors
/// With bounds that would fit.
pub fn fits_memory(bounds: Bounds, limit: Option<u64>) -> Result<(), MemoryRefused> {
    let Some(limit) = limit else { return Ok(()) };
    let needed = BASE_BYTES.saturating_add(bytes(bounds));
    let budget = limit / 100 * SHARE_PERCENT;
    if needed <= budget {
        return Ok(());
    }
    let fitting = budget.checked_sub(BASE_BYTES).map(|free| {
        let part = |count: usize| {
            let fit = count as u128 * u128::from(free) / u128::from(bytes(bounds).max(1));
            rounded(usize::try_from(fit).unwrap_or(count))
        };
        Bounds {
            cells: part(bounds.cells),
            holds: part(bounds.holds),
            settled: part(bounds.settled),
            usage_rows: part(bounds.usage_rows),
            labels: part(bounds.labels),
        }
    });
    let fitting = fitting.filter(|it| {
        let Bounds {
            cells,
            holds,
            settled,
            usage_rows,
            labels,
        } = *it;
        [cells, holds, settled, usage_rows, labels]
            .iter()
            .all(|&bound| bound > 0)
    });
    let mib = |bytes: u64| bytes / 1024 / 1024;
    Err(MemoryRefused {
        asked: bounds,
        needed_mib: mib(needed),
        limit_mib: mib(limit),
        fitting,
    })
}

fn bytes(bounds: Bounds) -> u64 {
    [
        (bounds.cells, CELL_BYTES),
        (bounds.holds, HOLD_BYTES),
        (bounds.settled, SETTLED_BYTES),
        (bounds.usage_rows, USAGE_ROW_BYTES),
        (bounds.labels, LABEL_BYTES),
    ]
    .into_iter()
    .fold(0, |sum, (count, size)| {
        sum.saturating_add((count as u64).saturating_mul(size))
    })
}

/// Down to two digits and zeros, as people write bounds.
fn rounded(count: usize) -> usize {
    let unit = 10_usize.pow(count.checked_ilog10().unwrap_or(0).saturating_sub(1));
    count / unit * unit
}

/// The memory limit of this container in bytes, `None` without one. `read` gives the text of a file, if there is one:
/// `|path| std::fs::read_to_string(path).ok()`.
pub fn memory_limit(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        // hierarchy:controllers:path; version 2 has one line, with no controllers.
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // Each group above limits what is below it. A container often sees its own group as the root.
        let group = PathBuf::from(group.trim_start_matches('/'));
        let files = group
            .ancestors()
            .map(|group| Path::new(root).join(group).join(file));
        limits.extend(files.filter_map(|file| read(&file)?.trim().parse::<u64>().ok()));
    }
    limits
        .into_iter()
        .filter(|&limit| limit < UNLIMITED_V1)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * 1024 * 1024;

    fn million() -> Bounds {
        Bounds {
            cells: 1_000_000,
            holds: 1_000_000,
            settled: 1_000_000,
            usage_rows: 1_000_000,
            labels: 100_000,
        }
    }

    #[test]
    fn bounds_that_would_fill_the_container_are_refused_with_bounds_that_fit() {
        assert_eq!(fits_memory(million(), None), Ok(()));
        assert_eq!(fits_memory(million(), Some(GIB)), Ok(()));
        let refused = fits_memory(million(), Some(GIB / 4)).err();
        assert_eq!(
            refused
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            "bounds of 1,000,000 cells, 1,000,000 holds, 1,000,000 settled ids, 1,000,000 usage rows and 100,000 labels need \
             up to 777 MiB, more than 80 % of the memory limit of 256 MiB; raise the limit, or write bounds: {cells: 210000, \
             holds: 210000, settled: 210000, usage_rows: 210000, labels: 21000}, which fit"
        );
        let fitting = refused.and_then(|it| it.fitting);
        assert_eq!(
            fitting.map(|it| fits_memory(it, Some(GIB / 4))),
            Some(Ok(()))
        );
        let tiny = fits_memory(million(), Some(GIB / 32))
            .err()
            .map(|it| it.fitting);
        assert_eq!(tiny, Some(None));
    }

    #[test]
    fn the_smallest_limit_of_all_groups_above_counts() {
        let limit = |files: &[(&str, &str)]| {
            memory_limit(|path| {
                let text = files.iter().find(|&&(name, _)| Path::new(name) == path);
                text.map(|&(_, text)| text.to_owned())
            })
        };
        for (files, expected) in [
            (&[][..], None),
            (
                &[
                    ("/proc/self/cgroup", "0::/\n"),
                    ("/sys/fs/cgroup/memory.max", "268435456\n"),
                ],
                Some(268_435_456),
            ),
            (
                &[
                    ("/proc/self/cgroup", "0::/\n"),
                    ("/sys/fs/cgroup/memory.max", "max\n"),
                ],
                None,
            ),
            (
                &[
                    ("/proc/self/cgroup", "0::/pod/box\n"),
                    ("/sys/fs/cgroup/pod/box/memory.max", "max\n"),
                    ("/sys/fs/cgroup/pod/memory.max", "1000\n"),
                    ("/sys/fs/cgroup/memory.max", "2000\n"),
                ],
                Some(1_000),
            ),
            (
                &[
                    (
                        "/proc/self/cgroup",
                        "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n",
                    ),
                    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n"),
                ],
                Some(4_096),
            ),
            (
                &[
                    ("/proc/self/cgroup", "4:memory:/\n"),
                    (
                        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                        "9223372036854771712\n",
                    ),
                ],
                None,
            ),
        ] {
            assert_eq!(limit(files), expected, "{files:?}");
        }
    }
}
