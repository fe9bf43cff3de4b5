//! Opening the log: what the files say, and where to go on.

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::world::clock::Clock;
use crate::world::disk::Disk;

use super::event::Event;
use super::keeper::Keeper;
use super::line::{FORMAT, Head, Line};
use super::log::{SEGMENT_BYTES, Writer};
use super::query::NotifyError;
use super::read::{self, Contents, name};
use super::shelf::{Segment, Shelf};
use super::{Notifications, Options, RECOGNIZED_MAX, RETENTION_DEFAULT, Shared};

impl Notifications {
    /// Opens the log of a directory, or begins one, and names the sinks. Nobody else may write it. What was torn by a crash is
    /// left behind; damage is logged, and skipped.
    ///
    /// # Errors
    /// If the directory or a file cannot be read, or a file is of a later version.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<(Self, Keeper), NotifyError> {
        let (mut shelf, writer) = load(&*disk)?;
        for sink in &options.sinks {
            shelf.name_sink(&sink.name, sink.target.kind());
        }
        let newest = tokio::sync::watch::Sender::new(shelf.last());
        let notifications = Self(Arc::new(Shared {
            disk,
            clock,
            retention: options.retention.unwrap_or(RETENTION_DEFAULT),
            pace: options.pace,
            shelf: Mutex::new(shelf),
            newest,
            bell: Condvar::new(),
        }));
        let keeper = Keeper::new(notifications.clone(), writer, options.sinks);
        Ok((notifications, keeper))
    }
}

/// A segment that was read whole.
struct Found {
    number: u64,
    contents: Contents,
}

fn load(disk: &dyn Disk) -> Result<(Shelf, Writer), NotifyError> {
    let names = disk
        .list()
        .map_err(|error| failed("the directory", &error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|it| read::number(it)).collect();
    numbers.sort_unstable();
    let newest = read_newest(disk, &mut numbers)?;
    let mut shelf = Shelf::default();
    for number in numbers {
        // Of the older ones only what their first line says.
        let head = read::head(disk, number).map_err(|error| failed(&name(number), &error))?;
        shelf.segments.push(segment(&shelf, number, head.as_ref()));
    }
    let from = newest
        .iter()
        .rposition(|it| it.contents.head.is_some())
        .unwrap_or(0);
    let last = newest.last().map(|it| {
        (
            it.number,
            it.contents.is_torn,
            it.contents.head.is_some(),
            it.contents.bytes,
        )
    });
    for (at, found) in newest.into_iter().enumerate() {
        shelf
            .segments
            .push(segment(&shelf, found.number, found.contents.head.as_ref()));
        take(&mut shelf, found, at >= from)?;
    }
    let writer = match last {
        // Only a whole one is written on.
        Some((number, false, true, bytes)) if bytes < SEGMENT_BYTES => {
            let out = disk.append(&name(number));
            Writer::resume(out.map_err(|error| failed(&name(number), &error))?, bytes)
        }
        _ => Writer::default(),
    };
    Ok((shelf, writer))
}

/// Reads as many of the newest segments as it takes to recognize what comes again, and takes their numbers off.
fn read_newest(disk: &dyn Disk, numbers: &mut Vec<u64>) -> Result<Vec<Found>, NotifyError> {
    let (mut newest, mut events, mut has_head) = (Vec::new(), 0, false);
    while events < RECOGNIZED_MAX || !has_head {
        let Some(number) = numbers.pop() else {
            break;
        };
        let contents =
            read::segment(disk, number).map_err(|error| failed(&name(number), &error))?;
        events += contents
            .lines
            .iter()
            .filter(|line| matches!(line, Line::Event(_)))
            .count();
        has_head |= contents.head.is_some();
        newest.push(Found { number, contents });
    }
    newest.reverse();
    Ok(newest)
}

/// What is known of a segment; one without a whole first line begins where it must at the earliest.
fn segment(shelf: &Shelf, number: u64, head: Option<&Head>) -> Segment {
    let before = shelf.segments.last();
    let first = head.map_or(before.map_or(1, |it| it.first), |it| it.next);
    let at = head.map_or(before.map_or_else(Default::default, |it| it.at), |it| {
        it.at.0
    });
    Segment { number, first, at }
}

/// Takes what a segment says; `counts` is whether how the sinks stand is newer than what is known.
fn take(shelf: &mut Shelf, found: Found, counts: bool) -> Result<(), NotifyError> {
    let file = name(found.number);
    for (line, problem) in &found.contents.damaged {
        tracing::error!(
            file,
            line,
            "the log of events is damaged; the line is skipped: {problem}"
        );
    }
    if found.contents.is_torn {
        tracing::info!(
            file,
            "the end of the log of events was torn, as a crash leaves it; it is cut off"
        );
    }
    if let Some(head) = found.contents.head {
        if head.format > FORMAT {
            let problem = format!(
                "it is of version {}, and this quotad knows {FORMAT}; start a newer one",
                head.format
            );
            return Err(NotifyError::Read { file, problem });
        }
        if counts {
            shelf.place_head(head);
        } else {
            shelf.number_from(head.next);
        }
    }
    for line in found.contents.lines {
        match line {
            Line::Event(line) => {
                let event: Event = line.event();
                // One that was written twice, because the first time could not be synced, counts once.
                if event.sequence > shelf.last() && !shelf.knows(event.id) {
                    shelf.add(Arc::new(event));
                }
            }
            Line::Sink(line) if counts => shelf.place_sink(line),
            Line::Dead(line) if counts => shelf.place_dead(line.letter()),
            Line::Alive(line) if counts => {
                shelf.unplace_dead(&line.sink, line.sequence);
            }
            Line::Head(_) | Line::Sink(_) | Line::Dead(_) | Line::Alive(_) => {}
        }
    }
    Ok(())
}

fn failed(file: &str, error: &io::Error) -> NotifyError {
    NotifyError::Read {
        file: file.to_owned(),
        problem: error.to_string(),
    }
}
