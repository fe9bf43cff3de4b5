//! Who is told of what fires: the log of events beside the books, the sinks, and their end.

use std::sync::Arc;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::notify::{Keeper, Notifications, Options, Running};
use crate::world::clock::Clock;
use crate::world::disk::{LockError, RealDisk};

use super::AppError;
use super::books::{Books, on_a_thread};

/// The log of events, opened, and who is to keep it once the books are back.
pub(super) struct Told {
    /// For whoever asks.
    pub(super) notifications: Notifications,
    keeper: Keeper,
}

impl Told {
    /// Opens the log of events in the directory of the books, which this process has locked. Takes as long as there is to
    /// read, so it has a thread of its own.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) async fn open(
        settings: &Settings,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, AppError> {
        let folder = settings.data_dir.clone();
        let options = Options {
            sinks: settings.sinks.clone(),
            retention: Some(settings.storage.retention),
            ..Options::default()
        };
        let clock = Arc::clone(clock);
        let opened = on_a_thread("quotad-events", move || {
            let disk = RealDisk::open(&folder)
                .map_err(|error| LockError::Io(folder.display().to_string(), error))?;
            let (notifications, keeper) = Notifications::open(Arc::new(disk), clock, options)?;
            Ok::<_, AppError>(Self {
                notifications,
                keeper,
            })
        });
        opened.await?
    }

    /// Tells from now on. The books must be back.
    ///
    /// # Errors
    /// If a sink cannot be, or the system refuses a thread.
    pub(super) fn start(self, books: &Arc<Books>) -> Result<Running, AppError> {
        let engine = Arc::clone(&books.engine);
        let books = Arc::clone(books);
        let is_safe = Box::new(move |upto| books.is_safe(upto));
        self.keeper
            .start(engine, is_safe)
            .map_err(AppError::Notifications)
    }
}

/// Ends within so long, while the books are still kept: what fired is in the log then.
pub(super) async fn stop(running: Running, limit: Duration) -> Result<(), AppError> {
    on_a_thread("quotad-told", move || running.stop(limit)).await
}
