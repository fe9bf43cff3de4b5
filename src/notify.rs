//! Notifications: what the engine noticed goes to a log of events, and from there to whoever is told.
//!
//! ```text
//! engine: notices in the books --keeper--> log of events (files, synced) --> sinks, watchers, queries
//!                              <--Told---
//! ```
//!
//! A notice stays in the books until it stands in the log, so that none is missing; the log recognizes it by its id when a
//! crash came between, so that none is there twice. Each sink has a task and a durable cursor of its own: what it was told
//! before its cursor was written it is told again, with the same id. Nobody here is ever waited for by a request.

mod cloud;
mod event;
mod keeper;
mod line;
mod log;
mod open;
mod people;
mod query;
mod read;
mod shelf;
mod sink;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::world::clock::Clock;
use crate::world::disk::Disk;

pub use event::{Event, EventId, EventType, NotAnId};
pub use keeper::{IsSafe, Keeper, Passed, Running};
pub use query::{
    After, AuditFilter, DeadLetter, EventFilter, NotifyError, Order, Page, PageOf, Replay,
    SinkStatus,
};
pub use sink::email::{Email, EmailError};
pub use sink::secret::Secret;
pub use sink::webhook::{SigningKey, Webhook, WebhookError};
pub use sink::{Pace, Sink, Target};
pub use watch::Subscription;

use shelf::Shelf;

/// So many of the newest events are kept in memory; older ones are read from the files.
pub const RECENT_MAX: usize = 10_000;

/// A notice that comes again is recognized among so many of the newest events.
pub const RECOGNIZED_MAX: usize = 100_000;

/// No more events than this are looked at for one page: what nothing fits would otherwise read the log of a year.
pub const SCANNED_MAX: usize = 50_000;

/// Dead letters that are listed, over all sinks; then the oldest are forgotten, and the log says so.
pub const DEAD_LETTERS_MAX: usize = 1_000;

/// For how long events are kept where nothing else is said.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(395 * 86_400);

/// How the log is kept, and who is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who is told. The names are unique.
    pub sinks: Vec<Sink>,
    /// How deliveries are tried again.
    pub pace: Pace,
    /// For how long events are kept.
    pub retention: Option<Duration>,
}

/// The log of events, for whoever asks, watches and replays. Clones are the same.
#[derive(Clone)]
pub struct Notifications(Arc<Shared>);

/// What the keeper, the sinks and those who ask share.
struct Shared {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    retention: Duration,
    pace: Pace,
    shelf: Mutex<Shelf>,
    /// The newest event that stands in the log.
    newest: tokio::sync::watch::Sender<u64>,
    /// Rung when there is something for the keeper to write.
    bell: Condvar,
}

impl Notifications {
    /// Events that are told, of the log, that fit. May read files: call it where that may block.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn events(&self, filter: &EventFilter, page: PageOf) -> Result<Page, NotifyError> {
        self.find(page, |event| filter.fits(event))
    }

    /// Audit entries that fit. May read files: call it where that may block.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn audits(&self, filter: &AuditFilter, page: PageOf) -> Result<Page, NotifyError> {
        self.find(page, |event| filter.fits(event))
    }

    /// Follows the events that fit. Holds nothing for a watcher that lags: it reads the log at its own speed. May read files
    /// to find an event by its id.
    ///
    /// # Errors
    /// If the event is not there, or a file cannot be read.
    pub fn subscribe(
        &self,
        filter: EventFilter,
        after: After,
    ) -> Result<Subscription, NotifyError> {
        let after = match after {
            After::Now => self.0.shelf.lock().last(),
            After::Sequence(sequence) => sequence,
            After::Event(id) => {
                self.find_id(id)?
                    .ok_or(NotifyError::UnknownEvent(id))?
                    .sequence
            }
        };
        Ok(Subscription::new(self.clone(), filter, after))
    }

    /// What sinks did not take, the oldest first: at most [`DEAD_LETTERS_MAX`].
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.0.shelf.lock().dead_letters().cloned().collect()
    }

    /// Lets a sink try dead letters once more, before what waits; answers how many. Who is delivered is dead no more; who
    /// fails again stays.
    ///
    /// # Errors
    /// If there is no such sink, or one of the events is no dead letter of it; then none is tried.
    pub fn replay(&self, sink: &str, which: &Replay) -> Result<usize, NotifyError> {
        self.0.shelf.lock().replay(sink, which)
    }

    /// How each sink stands, by name.
    pub fn sinks(&self) -> Vec<SinkStatus> {
        self.0.shelf.lock().sinks()
    }

    /// Notices that were lost since the start, because too many waited in the books: 0 unless the disk was full for long.
    pub fn notices_lost(&self) -> u64 {
        self.0.shelf.lock().notices_lost
    }
}

/// Lets TLS work: every process that tells sinks over it calls this once, before the first; another time does nothing.
pub fn install_crypto() {
    // Somebody was faster: then there is one.
    drop(rustls::crypto::ring::default_provider().install_default());
}
