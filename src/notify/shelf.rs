//! What is known of the log in memory: the newest events, where older ones stand, how far each sink has come.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::domain::time::Timestamp;
use crate::world::sabotage::{self, Fault};

use super::event::{Event, EventId, EventType};
use super::line::{AliveLine, DeadLine, Head, Line, Moment, SinkLine};
use super::query::{DeadLetter, NotifyError, Replay, SinkStatus};
use super::{DEAD_LETTERS_MAX, RECENT_MAX, RECOGNIZED_MAX};

/// A file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// The least sequence number that an event in it can have.
    pub(super) first: u64,
    /// When it was begun.
    pub(super) at: Timestamp,
}

/// How a sink stands.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What kind it is; `None` if the settings do not name it any more.
    pub(super) kind: Option<&'static str>,
    /// Everything up to here was delivered or given up.
    pub(super) after: u64,
    /// Since when the first one after it has failed.
    pub(super) failing_since: Option<Timestamp>,
    delivered: u64,
    failed_attempts: u64,
    given_up: u64,
    last_error: Option<Box<str>>,
    /// Dead letters that are to be tried once more.
    replays: VecDeque<u64>,
    /// Rung when there are some.
    pub(super) wake: Arc<Notify>,
}

#[derive(Debug, Default)]
pub(super) struct Shelf {
    recent: VecDeque<Arc<Event>>,
    ids: HashSet<EventId>,
    ids_in_order: VecDeque<EventId>,
    last: u64,
    /// The oldest first; the last one is written.
    pub(super) segments: Vec<Segment>,
    pub(super) sinks: BTreeMap<Box<str>, Standing>,
    dead: VecDeque<DeadLetter>,
    /// Sinks whose line is to be written.
    moved: BTreeSet<Box<str>>,
    /// What became of dead letters since it was last written.
    changes: Vec<Line>,
    pub(super) notices_lost: u64,
}

impl Shelf {
    /// The sequence number of the newest event.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Whether the log has this event, as far as it is recognized.
    pub(super) fn knows(&self, id: EventId) -> bool {
        self.ids.contains(&id) && !sabotage::is(Fault::ForgetEvents)
    }

    /// An event stands in the log.
    pub(super) fn add(&mut self, event: Arc<Event>) {
        self.last = self.last.max(event.sequence);
        if self.ids.insert(event.id) {
            self.ids_in_order.push_back(event.id);
        }
        if self.ids_in_order.len() > RECOGNIZED_MAX
            && let Some(old) = self.ids_in_order.pop_front()
        {
            self.ids.remove(&old);
        }
        self.recent.push_back(event);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// Events were numbered up to here.
    pub(super) fn number_from(&mut self, next: u64) {
        self.last = self.last.max(next.saturating_sub(1));
    }

    /// The first event that is in memory; `None` if there is none.
    pub(super) fn first_recent(&self) -> Option<u64> {
        self.recent.front().map(|event| event.sequence)
    }

    /// Of those in memory, at most so many after this one.
    pub(super) fn recent_after(&self, sequence: u64, most: usize) -> Vec<Arc<Event>> {
        let from = self
            .recent
            .partition_point(|event| event.sequence <= sequence);
        self.recent.iter().skip(from).take(most).cloned().collect()
    }

    /// Of those in memory, at most so many before this one, the newest first.
    pub(super) fn recent_before(&self, sequence: u64, most: usize) -> Vec<Arc<Event>> {
        let until = self
            .recent
            .partition_point(|event| event.sequence < sequence);
        self.recent
            .iter()
            .take(until)
            .rev()
            .take(most)
            .cloned()
            .collect()
    }

    /// One of those in memory.
    pub(super) fn recent_of(&self, id: EventId) -> Option<Arc<Event>> {
        self.recent
            .iter()
            .rev()
            .find(|event| event.id == id)
            .cloned()
    }

    // Sinks.

    /// The settings name this sink. A name that the log does not know is told from now on.
    pub(super) fn name_sink(&mut self, name: &str, kind: &'static str) {
        let last = self.last;
        let is_new = !self.sinks.contains_key(name);
        let standing = self.sinks.entry(name.into()).or_insert_with(|| Standing {
            after: last,
            ..Standing::default()
        });
        standing.kind = Some(kind);
        if is_new {
            self.moved.insert(name.into());
        }
    }

    /// What is written of a sink is so.
    pub(super) fn place_sink(&mut self, line: SinkLine) {
        let standing = self.sinks.entry(line.name).or_default();
        standing.after = line.after;
        standing.failing_since = line.failing_since.map(|it| it.0);
    }

    /// Everything up to here needs no attempt any more.
    pub(super) fn passed(&mut self, sink: &str, sequence: u64) {
        if let Some(standing) = self.sinks.get_mut(sink) {
            standing.after = standing.after.max(sequence);
            standing.failing_since = None;
            self.moved.insert(sink.into());
        }
    }

    /// An event was delivered.
    pub(super) fn delivered(&mut self, sink: &str) {
        if let Some(standing) = self.sinks.get_mut(sink) {
            standing.delivered += 1;
            standing.last_error = None;
        }
    }

    /// An attempt failed; answers since when the event's attempts have.
    pub(super) fn failed(
        &mut self,
        sink: &str,
        error: &str,
        now: Timestamp,
        is_replay: bool,
    ) -> Timestamp {
        let Some(standing) = self.sinks.get_mut(sink) else {
            return now;
        };
        standing.failed_attempts += 1;
        standing.last_error = Some(error.into());
        if is_replay {
            return now;
        }
        if standing.failing_since.is_none() {
            self.moved.insert(sink.into());
        }
        *standing.failing_since.get_or_insert(now)
    }

    /// How each sink of the settings stands.
    pub(super) fn sinks(&self) -> Vec<SinkStatus> {
        let named = self
            .sinks
            .iter()
            .filter_map(|(name, it)| Some((&**name, it, it.kind?)));
        let status = |(name, it, kind): (&str, &Standing, &'static str)| SinkStatus {
            name: name.into(),
            kind,
            delivered: it.delivered,
            failed_attempts: it.failed_attempts,
            waiting: self.waiting(it.after),
            oldest: self.oldest(it.after),
            given_up: it.given_up,
            dead: self
                .dead
                .iter()
                .filter(|letter| *letter.sink == *name)
                .count() as u64,
            last_error: it.last_error.clone(),
            cursor: it.after,
        };
        named.map(status).collect()
    }

    /// How many events after this one are to be told. Of those that are not in memory, audit entries are counted too.
    pub(super) fn waiting(&self, after: u64) -> u64 {
        let Some(first) = self.first_recent() else {
            return self.last.saturating_sub(after);
        };
        let in_files = first.saturating_sub(after + 1);
        let from = self.recent.partition_point(|event| event.sequence <= after);
        let told = self
            .recent
            .iter()
            .skip(from)
            .filter(|event| event.kind() != EventType::Audited);
        in_files + told.count() as u64
    }

    /// When the first event after this one happened that is to be told.
    fn oldest(&self, after: u64) -> Option<Timestamp> {
        if let Some(first) = self.first_recent()
            && after + 1 >= first
        {
            let from = self.recent.partition_point(|event| event.sequence <= after);
            let mut told = self.recent.iter().skip(from);
            let first = told.find(|event| event.kind() != EventType::Audited);
            return first.map(|event| event.at());
        }
        let holds = |it: &&Segment| it.first <= after + 1;
        let segment = self.segments.iter().rev().find(holds);
        segment.filter(|_| self.last > after).map(|it| it.at)
    }

    // Dead letters.

    pub(super) fn dead_letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.dead.iter()
    }

    /// An event is given up.
    pub(super) fn bury(&mut self, letter: DeadLetter) {
        let is_known = self
            .dead
            .iter()
            .any(|it| it.sink == letter.sink && it.sequence == letter.sequence);
        if let Some(standing) = self.sinks.get_mut(&letter.sink).filter(|_| !is_known) {
            standing.given_up += 1;
        }
        if self.dead.len() >= DEAD_LETTERS_MAX
            && !is_known
            && let Some(oldest) = self.dead.front()
        {
            let (sink, id) = (&oldest.sink, oldest.id);
            tracing::error!(%sink, %id, "too many dead letters; the oldest is forgotten, and can be replayed no more");
            let gone = (oldest.sink.clone(), oldest.sequence);
            self.revive(&gone.0, gone.1);
        }
        self.change(Line::Dead(DeadLine::of(&letter)));
        self.place_dead(letter);
    }

    /// What is written of a dead letter is so.
    pub(super) fn place_dead(&mut self, letter: DeadLetter) {
        let known = self
            .dead
            .iter_mut()
            .find(|it| it.sink == letter.sink && it.sequence == letter.sequence);
        match known {
            Some(known) => *known = letter,
            None => self.dead.push_back(letter),
        }
    }

    /// A dead letter is none any more.
    pub(super) fn revive(&mut self, sink: &str, sequence: u64) {
        if self.unplace_dead(sink, sequence) {
            self.change(Line::Alive(AliveLine {
                sink: sink.into(),
                sequence,
            }));
        }
    }

    /// What is written of a dead letter that is none any more is so.
    pub(super) fn unplace_dead(&mut self, sink: &str, sequence: u64) -> bool {
        let before = self.dead.len();
        self.dead
            .retain(|it| *it.sink != *sink || it.sequence != sequence);
        self.dead.len() != before
    }

    /// Lets a sink try dead letters once more.
    pub(super) fn replay(&mut self, sink: &str, which: &Replay) -> Result<usize, NotifyError> {
        let standing = self.sinks.get_mut(sink).filter(|it| it.kind.is_some());
        let standing = standing.ok_or_else(|| NotifyError::UnknownSink(sink.into()))?;
        let own = || self.dead.iter().filter(|letter| *letter.sink == *sink);
        let asked: Vec<u64> = match which {
            Replay::All => own().map(|letter| letter.sequence).collect(),
            Replay::Events(ids) => {
                let find = |id: &EventId| {
                    let letter = own().find(|letter| letter.id == *id);
                    letter
                        .map(|letter| letter.sequence)
                        .ok_or(NotifyError::UnknownEvent(*id))
                };
                ids.iter().map(find).collect::<Result<_, _>>()?
            }
        };
        for &sequence in &asked {
            if !standing.replays.contains(&sequence) {
                standing.replays.push_back(sequence);
            }
        }
        standing.wake.notify_one();
        Ok(asked.len())
    }

    /// The next dead letter that a sink is to try once more.
    pub(super) fn next_replay(&mut self, sink: &str) -> Option<DeadLetter> {
        loop {
            let sequence = self.sinks.get_mut(sink)?.replays.pop_front()?;
            let letter = self
                .dead
                .iter()
                .find(|it| *it.sink == *sink && it.sequence == sequence);
            if let Some(letter) = letter {
                return Some(letter.clone());
            }
        }
    }

    // What is to be written.

    fn change(&mut self, line: Line) {
        // While nothing can be written they add up; the head of the next segment says it all.
        if self.changes.len() < 2 * DEAD_LETTERS_MAX {
            self.changes.push(line);
        }
    }

    /// Whether something is to be written.
    pub(super) fn has_changed(&self) -> bool {
        !self.moved.is_empty() || !self.changes.is_empty()
    }

    /// What has changed since it was last asked.
    pub(super) fn take_changes(&mut self) -> Vec<Line> {
        let moved = std::mem::take(&mut self.moved);
        let mut lines = std::mem::take(&mut self.changes);
        let line = |name: Box<str>| self.sinks.get(&name).map(|it| Line::Sink(it.line(&name)));
        lines.extend(moved.into_iter().filter_map(line));
        lines
    }

    /// Everything but the events, for the head of a segment.
    pub(super) fn head(&self, number: u64, at: Timestamp) -> Head {
        Head {
            format: super::line::FORMAT,
            number,
            next: self.last + 1,
            at: Moment(at),
            sinks: self.sinks.iter().map(|(name, it)| it.line(name)).collect(),
            dead: self.dead.iter().map(DeadLine::of).collect(),
        }
    }

    /// What a head says of everything but the events is so.
    pub(super) fn place_head(&mut self, head: Head) {
        self.number_from(head.next);
        self.sinks.clear();
        self.dead.clear();
        for line in head.sinks {
            self.place_sink(line);
        }
        for line in head.dead {
            self.place_dead(line.letter());
        }
    }

    /// Events before this one are gone: nobody waits for them any more. Answers whom they were lost to, and how many.
    pub(super) fn forget_before(&mut self, first: u64) -> Vec<(Box<str>, u64)> {
        let mut lost = Vec::new();
        for (name, it) in self.sinks.iter_mut().filter(|(_, it)| it.after + 1 < first) {
            lost.push((name.clone(), first - it.after - 1));
            it.after = first - 1;
            it.failing_since = None;
            self.moved.insert(name.clone());
        }
        let gone = self.dead.iter().filter(|it| it.sequence < first);
        let gone: Vec<_> = gone.map(|it| (it.sink.clone(), it.sequence)).collect();
        for (sink, sequence) in gone {
            self.revive(&sink, sequence);
        }
        lost
    }
}

impl Standing {
    fn line(&self, name: &str) -> SinkLine {
        let (after, failing_since) = (self.after, self.failing_since.map(Moment));
        SinkLine {
            name: name.into(),
            after,
            failing_since,
        }
    }
}
