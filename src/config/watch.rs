//! Watches a file, the plan's or that of the tokens, so that a change applies at once.
//!
//! The folder is watched, not the file: editors rename a new file over the old one, and Kubernetes swaps a `..data`
//! link beside it. Nothing here judges a text; whoever is told keeps the last good one if the new one is wrong. Of the text only a digest
//! is kept, for it may be secret.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};

use crate::world::clock::{Clock, SystemClock};

use super::plan_file;

/// A change counts when the folder has been quiet for this long: editors write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// A folder that is never quiet is read after this long all the same.
const UNQUIET_MAX_NS: i64 = 1_000_000_000;
/// The file is read now and then without being told: network file systems and full event queues tell nothing.
const REREAD_INTERVAL: Duration = Duration::from_secs(30);

enum Message {
    Changed,
    Reload,
    Stop,
}

/// Watches until it is dropped.
pub struct PlanWatcher {
    messages: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl PlanWatcher {
    /// Watches a plan file whose text is `current`; calls `changed` with each new text, on a thread of its own, and with none
    /// once it cannot be read any more: then its text is told again when it can, changed or not.
    ///
    /// # Errors
    /// If no thread can be started. A folder that cannot be watched is logged, and the file read every 30 s.
    pub fn start<F>(path: &Path, current: String, changed: F) -> std::io::Result<Self>
    where
        F: FnMut(Option<&str>) + Send + 'static,
    {
        Self::start_for("the last good plan stays", path, &current, changed)
    }

    /// The same for any file; `meanwhile` says in the log what holds while it cannot be read.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_for<F>(
        meanwhile: &'static str,
        path: &Path,
        current: &str,
        changed: F,
    ) -> std::io::Result<Self>
    where
        F: FnMut(Option<&str>) + Send + 'static,
    {
        let (messages, inbox) = mpsc::channel();
        let mut watch = Watch {
            path: path.to_owned(),
            folders: Vec::new(),
            watcher: watcher(messages.clone())
                .inspect_err(|problem| tracing::warn!("{problem}"))
                .ok(),
            current: digest(current),
            meanwhile,
            unreadable: false,
            changed,
        };
        // Before the thread starts, so that a change right after this call is seen.
        watch.follow();
        let thread = thread::Builder::new()
            .name("plan-watch".to_owned())
            .spawn(move || watch.run(&inbox))?;
        Ok(Self {
            messages,
            thread: Some(thread),
        })
    }

    /// Reads the file now and tells its text, changed or not: for SIGHUP.
    pub fn reload(&self) {
        // A thread that is gone has panicked in `changed`; the panic was reported there.
        let _ = self.messages.send(Message::Reload);
    }
}

impl Drop for PlanWatcher {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watcher(messages: Sender<Message>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file is an event too; it must not cause the next reading.
        if event.is_ok_and(|event| event.kind.is_access()) {
            return;
        }
        let _ = messages.send(Message::Changed);
    })
}

struct Watch<F> {
    path: PathBuf,
    /// The folder of the file, and that of what it links to.
    folders: Vec<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    /// Of the text that was told last.
    current: [u8; 32],
    meanwhile: &'static str,
    unreadable: bool,
    changed: F,
}

impl<F: FnMut(Option<&str>)> Watch<F> {
    fn run(&mut self, inbox: &Receiver<Message>) {
        loop {
            match inbox.recv_timeout(REREAD_INTERVAL) {
                Ok(Message::Changed) => match settle(inbox) {
                    Some(Message::Stop) => return,
                    Some(Message::Reload) => self.read(true),
                    Some(Message::Changed) | None => self.read(false),
                },
                Ok(Message::Reload) => self.read(true),
                Err(RecvTimeoutError::Timeout) => self.read(false),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn read(&mut self, always: bool) {
        self.follow();
        match plan_file::read_text(&self.path) {
            Ok(text) => {
                let was_unreadable = std::mem::take(&mut self.unreadable);
                let digest = digest(&text);
                if always || was_unreadable || digest != self.current {
                    self.current = digest;
                    (self.changed)(Some(&text));
                }
            }
            Err(error) => {
                // Said once: the file may be away for long, or between two steps of an editor.
                if !std::mem::replace(&mut self.unreadable, true) || always {
                    tracing::warn!("{error}; {}", self.meanwhile);
                    (self.changed)(None);
                }
            }
        }
    }

    /// Watches the folder of the file, and that of the file it links to, which may have changed.
    fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let folder = |path: &Path| match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut folders = vec![folder(&self.path)];
        folders.extend(self.path.canonicalize().ok().map(|target| folder(&target)));
        folders.dedup();
        for old in self.folders.iter().filter(|old| !folders.contains(old)) {
            // A folder that was removed is no longer watched anyway.
            let _ = watcher.unwatch(old);
        }
        let mut watched = Vec::new();
        for new in folders {
            if self.folders.contains(&new) {
                watched.push(new);
                continue;
            }
            match watcher.watch(&new, RecursiveMode::NonRecursive) {
                Ok(()) => watched.push(new),
                Err(error) => {
                    let folder = new.display();
                    tracing::warn!(
                        "{folder}: cannot be watched: {error}; changes are seen within 30 s, or with SIGHUP"
                    );
                }
            }
        }
        self.folders = watched;
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Waits until nothing has changed for a moment; returns early what is more urgent than a change.
fn settle(inbox: &Receiver<Message>) -> Option<Message> {
    let clock = SystemClock::new();
    let until_ns = clock.read().steady_ns.saturating_add(UNQUIET_MAX_NS);
    while clock.read().steady_ns < until_ns {
        match inbox.recv_timeout(QUIET) {
            Ok(Message::Changed) => {}
            Ok(urgent) => return Some(urgent),
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests;
