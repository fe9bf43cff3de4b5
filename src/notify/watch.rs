//! Whoever follows the log: sinks and watchers. Each reads at its own speed; nobody holds anything for it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Notifications;
use super::event::Event;
use super::query::{EventFilter, NotifyError};

/// Follows the events that fit.
pub struct Subscription {
    log: Notifications,
    filter: EventFilter,
    /// Everything up to here was looked at.
    at: u64,
    ahead: VecDeque<Arc<Event>>,
    newest: tokio::sync::watch::Receiver<u64>,
}

impl Subscription {
    pub(super) fn new(log: Notifications, filter: EventFilter, after: u64) -> Self {
        let newest = log.0.newest.subscribe();
        Self {
            log,
            filter,
            at: after,
            ahead: VecDeque::new(),
            newest,
        }
    }

    /// The next event that fits; waits until there is one. May be dropped while it waits, and asked again.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub async fn next(&mut self) -> Result<Arc<Event>, NotifyError> {
        loop {
            while let Some(event) = self.ahead.pop_front() {
                self.at = event.sequence;
                if self.filter.fits(&event) {
                    return Ok(event);
                }
            }
            if *self.newest.borrow_and_update() <= self.at {
                // The sender is in the log, which is ours: it cannot be gone.
                drop(self.newest.changed().await);
                continue;
            }
            self.ahead = self.read().await?.into();
            if self.ahead.is_empty() {
                // Nothing can be read of what there should be: it was damaged, or its time is over.
                self.at = *self.newest.borrow();
            }
        }
    }

    /// Everything up to here was answered, or does not fit.
    pub fn at(&self) -> u64 {
        self.at
    }

    async fn read(&self) -> Result<Vec<Arc<Event>>, NotifyError> {
        let is_in_memory = {
            let shelf = self.log.0.shelf.lock();
            shelf
                .first_recent()
                .is_none_or(|first| first <= self.at + 1)
        };
        if is_in_memory {
            return self.log.batch_after(self.at);
        }
        let (log, at) = (self.log.clone(), self.at);
        let read = tokio::task::spawn_blocking(move || log.batch_after(at)).await;
        read.unwrap_or(Err(NotifyError::Ended))
    }
}
