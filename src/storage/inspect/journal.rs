//! The journal's segments, one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::storage::fact_code::{self, Frame};
use crate::storage::plan_code::PlanHash;
use crate::storage::segment::{Header, Kind, SLOT_BYTES, Segment};
use crate::world::disk::Disk;

use super::parts::shown;
use super::{SegmentHeader, SegmentReport, whole};

/// A segment that was read.
struct Read {
    name: String,
    bytes: Vec<u8>,
    header: Header,
}

/// Looks at the segments of a directory.
pub(super) fn segments(
    disk: &dyn Disk,
    names: Vec<(u64, String)>,
    referred: &mut BTreeSet<PlanHash>,
) -> Vec<SegmentReport> {
    let (mut used, mut others) = (Vec::new(), Vec::new());
    for (number, name) in names {
        let damaged = |damage| SegmentReport {
            file: name.clone(),
            damage: Some(damage),
            ..SegmentReport::default()
        };
        let bytes = match whole(disk, &name) {
            None => continue,
            Some(Err(problem)) => {
                others.push(damaged(problem));
                continue;
            }
            Some(Ok(bytes)) => bytes,
        };
        let report = SegmentReport {
            file: name.clone(),
            bytes: bytes.len() as u64,
            slots: (bytes.len() / SLOT_BYTES) as u64,
            ..SegmentReport::default()
        };
        match Header::decode(&bytes, &name) {
            Ok(Some(header)) if header.number == number => used.push(Read {
                name,
                bytes,
                header,
            }),
            // Of an earlier use: renamed, and not yet written.
            Ok(_) => others.push(report),
            Err(error) => others.push(SegmentReport {
                damage: Some(error.to_string()),
                ..report
            }),
        }
    }
    used.sort_by_key(|read| (read.header.first, read.header.number));
    let mut group = Group::default();
    let mut reports: Vec<SegmentReport> = (0..used.len())
        .map(|at| segment(&used, at, &mut group, referred))
        .collect();
    reports.append(&mut others);
    reports
}

/// Looks at one of these segments.
fn segment(
    all: &[Read],
    at: usize,
    group: &mut Group,
    referred: &mut BTreeSet<PlanHash>,
) -> SegmentReport {
    let Read {
        name,
        bytes,
        header,
    } = &all[at];
    let segment = Segment::new(bytes, header.journal, header.number, header.first);
    let mut report = SegmentReport {
        file: name.clone(),
        bytes: bytes.len() as u64,
        slots: (bytes.len() / SLOT_BYTES) as u64,
        header: Some(SegmentHeader {
            number: header.number,
            journal: format!("{:016x}", header.journal),
            first: header.first,
            begun: shown(header.frame.base),
        }),
        ..SegmentReport::default()
    };
    if at == 0 || ends(&all[at - 1]) < header.first {
        *group = Group::in_the_middle();
    }
    let next = all.get(at + 1).map(|next| next.header.first);
    let mut position = header.first + 1;
    for record in segment.records_from(position) {
        if next.is_some_and(|next| record.position >= next) {
            break;
        }
        (position, report.records) = (record.end(), report.records + 1);
        report.synced = report.synced.max(record.synced);
        match group.take(record.kind, record.body, header.frame, referred) {
            Ok(facts) => report.facts += facts,
            Err(problem) => {
                let offset = segment.offset(record.position);
                report.damage = Some(format!(
                    "{name}: damaged at byte {offset}: a whole record that makes no sense: {problem}"
                ));
            }
        }
    }
    report.slots_used = position - header.first;
    if next.is_some_and(|next| next < segment.end()) {
        // A start has cut off what there was of a group.
        *group = Group::default();
    }
    // Where another segment goes on, the records must reach it; what is behind it was cut off.
    let is_missing = next.is_some_and(|next| next > segment.end());
    let reaches = next.is_some_and(|next| position >= next.min(segment.end()));
    let mut safe = 0;
    if !reaches || is_missing {
        let behind = segment.survivors_from(position);
        for record in behind {
            report.records_torn += 1;
            safe = safe.max(record.synced);
        }
        safe = safe.max(known_safe(&all[at + 1..]));
        report.synced = report.synced.max(safe);
    }
    let problem = if header.journal != all[0].header.journal {
        "belongs to another journal".to_owned()
    } else if safe.max(report.synced) <= position {
        return report;
    } else if let Some(next) = next.filter(|_| reaches) {
        let end = segment.end();
        format!("the segment that begins at position {end} is missing; the next begins at {next}")
    } else {
        let offset = segment.offset(position);
        format!(
            "damaged at byte {offset} (position {position}), although what follows it was written after it was safe"
        )
    };
    report.damage.get_or_insert(format!("{name}: {problem}"));
    report
}

/// The highest position that a record of these segments knows to be safe.
fn known_safe(segments: &[Read]) -> u64 {
    let known = segments.iter().flat_map(|read| {
        let header = &read.header;
        let segment = Segment::new(&read.bytes, header.journal, header.number, header.first);
        segment.survivors_from(0).map(|record| record.synced)
    });
    known.max().unwrap_or(0)
}

/// The position after the last slot of a segment.
fn ends(read: &Read) -> u64 {
    read.header.first + (read.bytes.len() / SLOT_BYTES) as u64
}

/// A group whose records are being put together.
#[derive(Default)]
struct Group {
    body: Vec<u8>,
    frame: Option<Frame>,
    /// The segment before is not there: the first records may belong to a group that began in it.
    is_in_the_middle: bool,
}

impl Group {
    fn in_the_middle() -> Self {
        Self {
            is_in_the_middle: true,
            ..Self::default()
        }
    }

    /// Takes the next record; answers how many facts its group has, if this was its last.
    fn take(
        &mut self,
        kind: Kind,
        body: &[u8],
        frame: Frame,
        referred: &mut BTreeSet<PlanHash>,
    ) -> Result<u64, String> {
        if kind == Kind::Seal {
            return Ok(0);
        }
        let frame = *self.frame.get_or_insert(frame);
        self.body.extend_from_slice(body);
        if kind == Kind::More {
            return Ok(0);
        }
        self.frame = None;
        let body = std::mem::take(&mut self.body);
        let is_in_the_middle = std::mem::take(&mut self.is_in_the_middle);
        let mut facts = 0;
        let mut plans = |hash: &PlanHash| {
            referred.insert(*hash);
            Ok(Arc::default())
        };
        match fact_code::decode(&body, &frame, &mut plans, &mut |_| facts += 1) {
            Err(error) if !is_in_the_middle => Err(error.to_string()),
            _ => Ok(facts),
        }
    }
}
