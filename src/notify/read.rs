//! Reading the log: what is in memory from there, what is older from the files.

use std::io::{self, BufRead, BufReader};
use std::sync::Arc;

use super::event::{Event, EventId};
use super::line::{Head, Line};
use super::query::{NotifyError, Order, Page, PageOf};
use super::shelf::Segment;
use super::{Notifications, SCANNED_MAX};
use crate::world::disk::Disk;

/// So many events at once: the lock of what is in memory is held for so long.
pub(super) const BATCH: usize = 256;

/// What a segment holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// `None` if its first line is not whole.
    pub(super) head: Option<Head>,
    /// The lines after it that can be read, in order.
    pub(super) lines: Vec<Line>,
    /// Lines that cannot, each with its number, counted from 1, and what is wrong.
    pub(super) damaged: Vec<(usize, String)>,
    /// Whether the last line has no end: a crash came while it was written.
    pub(super) is_torn: bool,
    pub(super) bytes: u64,
}

/// The name of a segment.
pub(super) fn name(number: u64) -> String {
    format!("events-{number:016}")
}

/// The number of a segment, if the name is that of one.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("events-")?;
    let are_digits = digits.len() >= 16 && digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().ok()).flatten()
}

/// Reads a segment.
pub(super) fn segment(disk: &dyn Disk, number: u64) -> io::Result<Contents> {
    let mut file = BufReader::new(disk.read(&name(number))?);
    let (mut contents, mut bytes, mut at) = (Contents::default(), Vec::new(), 0);
    loop {
        bytes.clear();
        let read = file.read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(contents);
        }
        (at, contents.bytes) = (at + 1, contents.bytes + read as u64);
        if bytes.pop_if(|last| *last == b'\n').is_none() {
            contents.is_torn = true;
            return Ok(contents);
        }
        match Line::read(&bytes) {
            Ok(Line::Head(head)) if at == 1 && head.number == number => contents.head = Some(head),
            Ok(Line::Head(_)) => contents
                .damaged
                .push((at, "it is the first line of another file".to_owned())),
            Ok(line) => contents.lines.push(line),
            Err(damage) => contents.damaged.push((at, damage.to_string())),
        }
    }
}

/// The first line of a segment, if it is whole.
pub(super) fn head(disk: &dyn Disk, number: u64) -> io::Result<Option<Head>> {
    let mut bytes = Vec::new();
    BufReader::new(disk.read(&name(number))?).read_until(b'\n', &mut bytes)?;
    let is_whole = bytes.pop_if(|last| *last == b'\n').is_some();
    Ok(match Line::read(&bytes) {
        Ok(Line::Head(head)) if is_whole && head.number == number => Some(head),
        _ => None,
    })
}

impl Notifications {
    /// The next events after this one, in order: some of them, or none if it is the last.
    pub(super) fn batch_after(&self, sequence: u64) -> Result<Vec<Arc<Event>>, NotifyError> {
        let segments = {
            let shelf = self.0.shelf.lock();
            if shelf
                .first_recent()
                .is_none_or(|first| first <= sequence + 1)
            {
                return Ok(shelf.recent_after(sequence, BATCH));
            }
            shelf.segments.clone()
        };
        let from = segments
            .partition_point(|it| it.first <= sequence + 1)
            .saturating_sub(1);
        for segment in &segments[from..] {
            let mut events = self.events_of(segment)?;
            events.retain(|event| event.sequence > sequence);
            if !events.is_empty() {
                return Ok(events);
            }
        }
        Ok(self.0.shelf.lock().recent_after(sequence, BATCH))
    }

    /// The events before this one, the newest first: some of them, or none if it is the first.
    fn batch_before(&self, sequence: u64) -> Result<Vec<Arc<Event>>, NotifyError> {
        let segments = {
            let shelf = self.0.shelf.lock();
            let recent = shelf.recent_before(sequence, BATCH);
            if !recent.is_empty() {
                return Ok(recent);
            }
            shelf.segments.clone()
        };
        for segment in segments.iter().rev().filter(|it| it.first < sequence) {
            let mut events = self.events_of(segment)?;
            events.retain(|event| event.sequence < sequence);
            events.reverse();
            if !events.is_empty() {
                return Ok(events);
            }
        }
        Ok(Vec::new())
    }

    /// The events of a segment in order; none if its time was over meanwhile. What is damaged was said at the start.
    pub(super) fn events_of(&self, segment: &Segment) -> Result<Vec<Arc<Event>>, NotifyError> {
        let contents = match self::segment(&*self.0.disk, segment.number) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let (file, problem) = (name(segment.number), error.to_string());
                return Err(NotifyError::Read { file, problem });
            }
        };
        // One that was written twice, because the first time could not be synced, counts once.
        let (mut events, mut last) = (Vec::new(), 0);
        for line in contents.lines {
            if let Line::Event(line) = line {
                let event = line.event();
                if event.sequence > last {
                    last = event.sequence;
                    events.push(Arc::new(event));
                }
            }
        }
        Ok(events)
    }

    /// The events that fit, page by page.
    pub(super) fn find(
        &self,
        page: PageOf,
        fits: impl Fn(&Event) -> bool,
    ) -> Result<Page, NotifyError> {
        let (most, mut scanned) = (page.most.max(1), 0);
        let mut found = Page::default();
        let mut at = page.beyond.unwrap_or(match page.order {
            Order::OldestFirst => 0,
            Order::NewestFirst => u64::MAX,
        });
        loop {
            let batch = match page.order {
                Order::OldestFirst => self.batch_after(at)?,
                Order::NewestFirst => self.batch_before(at)?,
            };
            if batch.is_empty() {
                return Ok(found);
            }
            for event in batch {
                (at, scanned) = (event.sequence, scanned + 1);
                if fits(&event) {
                    found.events.push(event);
                }
                if found.events.len() == most || scanned == SCANNED_MAX {
                    found.next = Some(at);
                    return Ok(found);
                }
            }
        }
    }

    /// An event by its number.
    pub(super) fn event(&self, sequence: u64) -> Result<Option<Arc<Event>>, NotifyError> {
        let first = self
            .batch_after(sequence.saturating_sub(1))?
            .into_iter()
            .next();
        Ok(first.filter(|event| event.sequence == sequence))
    }

    /// An event by its id: in memory, else from the newest file to the oldest.
    pub(super) fn find_id(&self, id: EventId) -> Result<Option<Arc<Event>>, NotifyError> {
        let segments = {
            let shelf = self.0.shelf.lock();
            if let Some(event) = shelf.recent_of(id) {
                return Ok(Some(event));
            }
            shelf.segments.clone()
        };
        for segment in segments.iter().rev() {
            let events = self.events_of(segment)?;
            if let Some(event) = events.into_iter().find(|event| event.id == id) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}
