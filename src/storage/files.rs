//! The names of the files, and what the system's answers about them mean.

use std::io::{Error, ErrorKind};

use super::plan_code::PlanHash;

const JOURNAL: &str = "journal-";
const SNAPSHOT: &str = "snapshot-";
const USAGE: &str = "usage-";
const PLAN: (&str, &str) = ("plan-", ".json");
const UNFINISHED: &str = ".unfinished";

/// Of a segment.
pub(super) fn journal(number: u64) -> String {
    format!("{JOURNAL}{number:016}")
}

/// Of a snapshot.
pub(super) fn snapshot(number: u64) -> String {
    format!("{SNAPSHOT}{number:016}")
}

/// Of closed days of usage rows.
pub(super) fn usage(number: u64) -> String {
    format!("{USAGE}{number:016}")
}

/// Of a plan.
pub(super) fn plan(hash: &PlanHash) -> String {
    format!("{}{hash}{}", PLAN.0, PLAN.1)
}

/// Of a file that is being written, until it is whole.
pub(super) fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// What a file is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// A segment of this number.
    Journal(u64),
    /// A snapshot of this number.
    Snapshot(u64),
    /// Closed days of usage rows, of this number.
    Usage(u64),
    /// A plan.
    Plan(PlanHash),
    /// Left behind by a process that ended while it wrote.
    Unfinished,
    /// None of ours.
    Other,
}

impl File {
    /// By its name.
    pub(super) fn of(name: &str) -> Self {
        let number = |prefix: &str| {
            let digits = name.strip_prefix(prefix)?;
            let are_digits = digits.len() >= 16 && digits.bytes().all(|byte| byte.is_ascii_digit());
            are_digits.then(|| digits.parse().ok()).flatten()
        };
        let hash = || {
            name.strip_prefix(PLAN.0)?
                .strip_suffix(PLAN.1)?
                .parse()
                .ok()
        };
        if name.ends_with(UNFINISHED) {
            Self::Unfinished
        } else if let Some(number) = number(JOURNAL) {
            Self::Journal(number)
        } else if let Some(number) = number(SNAPSHOT) {
            Self::Snapshot(number)
        } else if let Some(number) = number(USAGE) {
            Self::Usage(number)
        } else {
            hash().map_or(Self::Other, Self::Plan)
        }
    }
}

/// Whether a file of this name in a data directory is a snapshot.
pub fn is_snapshot(name: &str) -> bool {
    matches!(File::of(name), File::Snapshot(_))
}

/// Whether there is no room: the one failure after which what was written before is still safe.
pub(super) fn is_full(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        let hash = PlanHash::of(b"{}");
        for (name, file) in [
            (journal(7), File::Journal(7)),
            (snapshot(12), File::Snapshot(12)),
            (usage(3), File::Usage(3)),
            (unfinished(&usage(3)), File::Unfinished),
            (plan(&hash), File::Plan(hash)),
            (unfinished(&snapshot(12)), File::Unfinished),
            ("LOCK".to_owned(), File::Other),
            ("journal-7".to_owned(), File::Other),
            ("journal-000000000000000x".to_owned(), File::Other),
        ] {
            assert_eq!(File::of(&name), file, "{name}");
        }
    }
}
