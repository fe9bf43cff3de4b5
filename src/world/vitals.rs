//! The signs of life of this process: how far it has come, and whether its threads still turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::clock::Clock;

/// How often each data-plane thread gives a sign.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);

/// A thread that gave none for so long counts as stuck. Long enough for a machine that is merely overloaded.
pub const BEAT_MISSING_MAX: Duration = Duration::from_secs(15);

/// How far this process has come. It only moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Loading and recovering: alive, not ready.
    Starting,
    /// Restored and configured: requests are answered.
    Ready,
    /// Finishing what is in flight: new requests are refused.
    Draining,
    /// Something that cannot be mended has failed: the process is about to end.
    Failed,
}

/// Shared by whoever reports and whoever asks.
pub struct Vitals {
    clock: Arc<dyn Clock>,
    phase: watch::Sender<Phase>,
    /// The same, to be read on every request without a lock.
    phase_now: AtomicU8,
    pulses: Mutex<Vec<Arc<Pulse>>>,
    panics: AtomicU64,
    plan_is_stale: AtomicBool,
}

/// The sign of life of one thread.
#[derive(Debug)]
pub struct Pulse {
    name: String,
    beats: AtomicU64,
    last_ns: AtomicI64,
}

impl Vitals {
    /// Starting, without threads.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            phase: watch::Sender::new(Phase::Starting),
            phase_now: AtomicU8::new(0),
            pulses: Mutex::new(Vec::new()),
            panics: AtomicU64::new(0),
            plan_is_stale: AtomicBool::new(false),
        }
    }

    /// How far we are.
    pub fn phase(&self) -> Phase {
        match self.phase_now.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            2 => Phase::Draining,
            _ => Phase::Failed,
        }
    }

    /// Moves on; a phase that is passed already never comes back.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let moves = phase > *now;
            *now = phase.max(*now);
            self.phase_now.store(*now as u8, Ordering::Release);
            moves
        });
    }

    /// Follows the phase.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// A thread that gives signs of life from now on, under a name for people.
    pub fn pulse(&self, name: &str) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse {
            name: name.to_owned(),
            beats: AtomicU64::new(0),
            last_ns: AtomicI64::new(self.clock.read().steady_ns),
        });
        self.pulses.lock().push(Arc::clone(&pulse));
        pulse
    }

    /// The thread lives.
    pub fn beat(&self, pulse: &Pulse) {
        pulse.beats.fetch_add(1, Ordering::Relaxed);
        pulse
            .last_ns
            .store(self.clock.read().steady_ns, Ordering::Relaxed);
    }

    /// The thread has ended as it should: it owes no more signs.
    pub fn retire(&self, pulse: &Arc<Pulse>) {
        self.pulses
            .lock()
            .retain(|other| !Arc::ptr_eq(other, pulse));
    }

    /// The names of the threads that gave no sign for [`BEAT_MISSING_MAX`].
    pub fn stuck(&self) -> Vec<String> {
        let now_ns = self.clock.read().steady_ns;
        let missing = |pulse: &Pulse| {
            now_ns
                .saturating_sub(pulse.last_ns.load(Ordering::Relaxed))
                .unsigned_abs()
        };
        self.pulses
            .lock()
            .iter()
            .filter(|pulse| u128::from(missing(pulse)) > BEAT_MISSING_MAX.as_nanos())
            .map(|pulse| pulse.name.clone())
            .collect()
    }

    /// How often each thread gave a sign.
    pub fn beats(&self) -> Vec<u64> {
        self.pulses
            .lock()
            .iter()
            .map(|pulse| pulse.beats())
            .collect()
    }

    /// Whether a restart would mend nothing: no thread is stuck, and nothing has failed.
    pub fn is_alive(&self) -> bool {
        self.phase() != Phase::Failed && self.stuck().is_empty()
    }

    /// A request ended in a panic.
    pub fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests ended in a panic. Each is a defect.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

impl Vitals {
    /// Says whether the plan file was applied as it stands, or is wrong, so that the last good plan stays.
    pub fn plan_is_current(&self, is_current: bool) {
        self.plan_is_stale.store(!is_current, Ordering::Relaxed);
    }

    /// Whether an older plan applies than the file says.
    pub fn plan_is_stale(&self) -> bool {
        self.plan_is_stale.load(Ordering::Relaxed)
    }
}

impl Pulse {
    /// How often the thread gave a sign.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::ManualClock;
    use super::*;

    #[test]
    fn a_thread_without_a_beat_for_15_s_is_stuck_until_it_beats() {
        let clock = Arc::new(ManualClock::at(0));
        let vitals = Vitals::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let pulse = vitals.pulse("data-0");
        clock.advance(BEAT_MISSING_MAX);
        assert_eq!(vitals.stuck(), Vec::<String>::new());
        clock.advance(Duration::from_nanos(1));
        assert_eq!(vitals.stuck(), ["data-0"]);
        vitals.beat(&pulse);
        assert_eq!((vitals.stuck().len(), pulse.beats()), (0, 1));
    }

    #[test]
    fn phases_only_move_on() {
        let vitals = Vitals::new(Arc::new(ManualClock::at(0)));
        vitals.enter(Phase::Draining);
        vitals.enter(Phase::Ready);
        assert_eq!(vitals.phase(), Phase::Draining);
    }
}
