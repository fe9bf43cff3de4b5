//! Writing the log: lines at the end of the newest segment, a new segment when it is full, old ones removed.
//!
//! What could not be written or synced is never tried again in the same file: nobody knows what of it is there. The next
//! lines go to a new segment, whose first line repeats everything but the events.

use std::io::{self, Write};

use crate::domain::time::Timestamp;
use crate::world::disk::Output;

use super::event::EventType;
use super::line::Line;
use super::read::name;
use super::shelf::Segment;
use super::{Notifications, Shared};

/// A segment that has grown so far is followed by another one.
pub(super) const SEGMENT_BYTES: u64 = 4 << 20;

/// Writes the log. There is one.
#[derive(Default)]
pub(super) struct Writer {
    /// The newest segment, if it can be written.
    out: Option<Box<dyn Output>>,
    bytes: u64,
    /// Whether something was written and not synced.
    is_dirty: bool,
}

impl Writer {
    /// Goes on in a segment that is whole.
    pub(super) fn resume(out: Box<dyn Output>, bytes: u64) -> Self {
        Self {
            out: Some(out),
            bytes,
            is_dirty: false,
        }
    }

    /// Whether a new segment must be begun before anything can be written.
    pub(super) fn is_broken(&self) -> bool {
        self.out.is_none()
    }

    /// Begins a segment, if the newest one is full or cannot be written.
    pub(super) fn make_room(&mut self, shared: &Shared) -> io::Result<()> {
        if self.out.is_some() && self.bytes < SEGMENT_BYTES {
            return Ok(());
        }
        // What stands in the one before must be safe before anything newer is.
        if let Some(mut full) = self.out.take()
            && self.is_dirty
        {
            full.sync()?;
        }
        let at = shared.now();
        let (head, segment) = {
            let shelf = shared.shelf.lock();
            let number = shelf.segments.last().map_or(1, |last| last.number + 1);
            let first = shelf.last() + 1;
            (shelf.head(number, at), Segment { number, first, at })
        };
        let mut bytes = Vec::new();
        Line::Head(head).put(&mut bytes);
        // One that could not be completed before has the name: it is made anew.
        let mut out = shared.disk.create(&name(segment.number))?;
        out.write_all(&bytes)?;
        out.sync()?;
        shared.disk.sync_directory()?;
        shared.shelf.lock().segments.push(segment);
        (self.out, self.bytes, self.is_dirty) = (Some(out), bytes.len() as u64, false);
        Ok(())
    }

    /// Hands lines to the kernel: from there the end of the process does not take them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|out| {
            out.write_all(bytes)?;
            out.flush()
        })?;
        self.bytes += bytes.len() as u64;
        self.is_dirty = true;
        Ok(())
    }

    /// Makes what was written safe.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty {
            self.with(|out| out.sync())?;
            self.is_dirty = false;
        }
        Ok(())
    }

    fn with(&mut self, work: impl FnOnce(&mut dyn Output) -> io::Result<()>) -> io::Result<()> {
        let out = self
            .out
            .as_mut()
            .ok_or_else(|| io::Error::other("the log of events cannot be written"))?;
        let done = work(&mut **out);
        if done.is_err() {
            self.out = None;
        }
        done
    }
}

impl Shared {
    /// The wall clock.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.read().wall_ns)
    }
}

impl Notifications {
    /// Removes segments whose time is over, from the oldest on. While a sink has not passed one, it also stays until its
    /// events are older than deliveries are tried.
    pub(super) fn remove_old(&self) -> io::Result<()> {
        while let Some((segment, next)) = self.oldest_due() {
            let lost = self.lost_with(&segment, next.first);
            {
                let mut shelf = self.0.shelf.lock();
                shelf.segments.retain(|it| it.number != segment.number);
                shelf.forget_before(next.first);
            }
            for (sink, events) in lost {
                tracing::error!(
                    sink,
                    events,
                    "events were older than retention and were never delivered: they are dropped; see that the sink \
                     answers, or remove it"
                );
            }
            self.0.disk.remove(&name(segment.number))?;
        }
        Ok(())
    }

    /// The oldest segment, if its time is over, and the one after it.
    fn oldest_due(&self) -> Option<(Segment, Segment)> {
        let shelf = self.0.shelf.lock();
        let (&segment, &next) = (shelf.segments.first()?, shelf.segments.get(1)?);
        let age = self.0.now().since(next.at);
        let stands_in = shelf
            .sinks
            .values()
            .any(|it| it.kind.is_some() && it.after + 1 < next.first);
        let keep = if stands_in {
            self.0.retention.max(self.0.pace.give_up_after)
        } else {
            self.0.retention
        };
        (age > keep).then_some((segment, next))
    }

    /// The events of a segment that sinks were not told of.
    fn lost_with(&self, segment: &Segment, next: u64) -> Vec<(String, usize)> {
        let behind: Vec<(String, u64)> = {
            let shelf = self.0.shelf.lock();
            let behind = shelf
                .sinks
                .iter()
                .filter(|(_, it)| it.kind.is_some() && it.after + 1 < next);
            behind
                .map(|(name, it)| (name.to_string(), it.after))
                .collect()
        };
        if behind.is_empty() {
            return Vec::new();
        }
        let events = self.events_of(segment).unwrap_or_default();
        let count = |after: u64| {
            let told = events
                .iter()
                .filter(|event| event.kind() != EventType::Audited);
            told.filter(|event| event.sequence > after).count()
        };
        let counted = behind.into_iter().map(|(name, after)| (name, count(after)));
        counted.filter(|(_, count)| *count > 0).collect()
    }
}
