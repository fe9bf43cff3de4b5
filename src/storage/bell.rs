//! Wakes one thread that waits for work. Ringing costs a load while the thread is awake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;

/// Rung by any thread, heard by one.
#[derive(Debug, Default)]
pub(super) struct Bell {
    is_rung: AtomicBool,
    sleeper: Mutex<Option<Thread>>,
}

impl Bell {
    /// Wakes the thread that waits, or the next that will.
    pub(super) fn ring(&self) {
        if self.is_rung.load(Ordering::Acquire) || self.is_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(sleeper) = &*self.sleeper.lock() {
            sleeper.unpark();
        }
    }

    /// Waits until it rings, but not longer than this; answers whether it rang. Only one thread may wait.
    pub(super) fn wait(&self, at_most: Duration) -> bool {
        *self.sleeper.lock() = Some(std::thread::current());
        if !self.is_rung.swap(false, Ordering::AcqRel) {
            std::thread::park_timeout(at_most);
            return self.is_rung.swap(false, Ordering::AcqRel);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_heard_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        assert!(bell.wait(Duration::from_secs(60)));
        assert!(!bell.wait(Duration::from_millis(1)));
    }

    #[test]
    fn a_ring_wakes_who_waits() {
        let bell = Bell::default();
        std::thread::scope(|scope| {
            scope.spawn(|| while !bell.wait(Duration::from_secs(60)) {});
            bell.ring();
        });
    }
}
