//! The journal's segments, one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::storage::fact_code::{self, Frame};
use crate::storage::plan_code::PlanHash;
use crate::storage::segment::{Header, Kind, SLOT_BYTES, Segment};
use crate::world::disk::Disk;

use super::needed::Needed;
use super::parts::shown;
use super::{SegmentHeader, SegmentReport, whole};

/// A segment that was read.
struct Read {
    name: String,
    bytes: Vec<u8>,
    header: Header,
}

/// The segments of a directory.
#[derive(Default)]
pub(super) struct Found {
    /// In the order of their positions.
    used: Vec<Read>,
    /// Those without a header, and those that cannot be read.
    others: Vec<SegmentReport>,
}

/// Reads the segments of a directory.
pub(super) fn read(disk: &dyn Disk, names: Vec<(u64, String)>) -> Found {
    let mut found = Found::default();
    for (number, name) in names {
        match whole(disk, &name) {
            None => {}
            Some(Ok(bytes)) => found.take(number, name, bytes),
            Some(Err(problem)) => found.others.push(SegmentReport {
                file: name,
                damage: Some(problem),
                ..SegmentReport::default()
            }),
        }
    }
    let order = |read: &Read| (read.header.first, read.header.number);
    found.used.sort_by_key(order);
    found
}

impl Found {
    fn take(&mut self, number: u64, name: String, bytes: Vec<u8>) {
        match Header::decode(&bytes, &name) {
            Ok(Some(header)) if header.number == number => self.used.push(Read {
                name,
                bytes,
                header,
            }),
            // Of an earlier use: renamed, and not yet written.
            Ok(_) => self.others.push(sized(name, &bytes)),
            Err(error) => self.others.push(SegmentReport {
                damage: Some(error.to_string()),
                ..sized(name, &bytes)
            }),
        }
    }
}

fn sized(name: String, bytes: &[u8]) -> SegmentReport {
    SegmentReport {
        file: name,
        bytes: bytes.len() as u64,
        slots: (bytes.len() / SLOT_BYTES) as u64,
        ..SegmentReport::default()
    }
}

impl Read {
    fn segment(&self) -> Segment<'_> {
        let header = &self.header;
        Segment::new(&self.bytes, header.journal, header.number, header.first)
    }

    /// What is known without its records.
    fn report(&self) -> SegmentReport {
        let header = &self.header;
        SegmentReport {
            header: Some(SegmentHeader {
                number: header.number,
                journal: format!("{:016x}", header.journal),
                first: header.first,
                begun: shown(header.frame.base),
            }),
            ..sized(self.name.clone(), &self.bytes)
        }
    }
}

/// Looks at what was read, segment after segment.
pub(super) fn judge(
    found: Found,
    needed: &Needed,
    referred: &mut BTreeSet<PlanHash>,
) -> Vec<SegmentReport> {
    let Found { used, mut others } = found;
    let begun = used.partition_point(|read| read.header.first <= needed.from);
    let mut judge = Judge {
        all: &used,
        needed,
        begin: begun.saturating_sub(1),
        group: Group::default(),
        referred,
    };
    let mut reports: Vec<_> = (0..used.len()).map(|at| judge.segment(at)).collect();
    reports.append(&mut others);
    reports
}

struct Judge<'a> {
    all: &'a [Read],
    needed: &'a Needed,
    /// The first that is needed: the one that holds where what is needed begins.
    begin: usize,
    group: Group,
    /// Plans that records refer to.
    referred: &'a mut BTreeSet<PlanHash>,
}

impl Judge<'_> {
    fn segment(&mut self, at: usize) -> SegmentReport {
        let (all, read) = (self.all, &self.all[at]);
        let mut report = SegmentReport {
            is_superfluous: at < self.begin,
            ..read.report()
        };
        self.begin_group(at);
        let position = self.records(at, &mut report);
        let problem = if read.header.journal != all[0].header.journal {
            Some("belongs to another journal".to_owned())
        } else if report.is_superfluous {
            None
        } else {
            self.begins_late(at)
                .or_else(|| self.breaks_off(at, position, &mut report))
        };
        if let Some(problem) = problem {
            let name = &read.name;
            report.damage.get_or_insert(format!("{name}: {problem}"));
        }
        report
    }

    /// What there was of a group does not go on where segments are missing, nor from superfluous ones, which may be damaged.
    fn begin_group(&mut self, at: usize) {
        let first = self.all[at].header.first;
        let is_first = at == self.begin;
        // What is needed begins with a group.
        if is_first && (first..=first + 1).contains(&self.needed.from) {
            self.group = Group::default();
        } else if is_first || at == 0 || first > self.all[at - 1].segment().end() {
            self.group = Group::in_the_middle();
        }
    }

    /// Counts the records up to the first that is not whole, or to where another segment goes on; answers the position
    /// after them.
    fn records(&mut self, at: usize, report: &mut SegmentReport) -> u64 {
        let Read { name, header, .. } = &self.all[at];
        let (segment, next) = (self.all[at].segment(), self.next(at));
        let mut position = header.first + 1;
        for record in segment.records_from(position) {
            if next.is_some_and(|next| record.position >= next) {
                break;
            }
            (position, report.records) = (record.end(), report.records + 1);
            report.synced = report.synced.max(record.synced);
            // What only superfluous records refer to may be gone.
            let is_needed = record.position >= self.needed.from;
            let referred = is_needed.then_some(&mut *self.referred);
            match self
                .group
                .take(record.kind, record.body, header.frame, referred)
            {
                Ok(facts) => report.facts += facts,
                Err(_) if report.is_superfluous => {}
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
            self.group = Group::default();
        }
        position
    }

    /// Whether a segment before the first one is missing.
    fn begins_late(&self, at: usize) -> Option<String> {
        let (first, from) = (self.all[at].header.first, self.needed.from);
        let by = self.needed.by.as_ref();
        let by = by.filter(|_| at == self.begin && first > from)?;
        Some(format!(
            "the segment before it is missing: it begins at position {first}, and {by} needs the journal from position {from} on"
        ))
    }

    /// Where another segment goes on, the records must reach it; what is behind it was cut off. They end at `position`.
    fn breaks_off(&self, at: usize, position: u64, report: &mut SegmentReport) -> Option<String> {
        let (segment, next) = (self.all[at].segment(), self.next(at));
        let is_missing = next.is_some_and(|next| next > segment.end());
        let reaches = next.is_some_and(|next| position >= next.min(segment.end()));
        if !reaches || is_missing {
            let mut safe = known_safe(&self.all[at + 1..]);
            for record in segment.survivors_from(position) {
                report.records_torn += 1;
                safe = safe.max(record.synced);
            }
            report.synced = report.synced.max(safe);
        }
        if report.synced <= position {
            return None;
        }
        let offset = segment.offset(position);
        Some(next.filter(|_| reaches).map_or_else(
            || format!("damaged at byte {offset} (position {position}), although what follows it was written after it was safe"),
            |next| format!("the segment that begins at position {} is missing; the next begins at {next}", segment.end()),
        ))
    }

    /// Where the next one begins.
    fn next(&self, at: usize) -> Option<u64> {
        self.all.get(at + 1).map(|next| next.header.first)
    }
}

/// The highest position that a record of these segments knows to be safe.
fn known_safe(segments: &[Read]) -> u64 {
    let records = segments
        .iter()
        .flat_map(|read| read.segment().survivors_from(0));
    records.map(|record| record.synced).max().unwrap_or(0)
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
        mut referred: Option<&mut BTreeSet<PlanHash>>,
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
            if let Some(referred) = &mut referred {
                referred.insert(*hash);
            }
            Ok(Arc::default())
        };
        match fact_code::decode(&body, &frame, &mut plans, &mut |_| facts += 1) {
            Err(error) if !is_in_the_middle => Err(error.to_string()),
            _ => Ok(facts),
        }
    }
}
