//! The one clock. Everything else is told the time.

mod filter;
mod manual;
mod system;

pub use filter::{FORWARD_JUMP_MAX_NS, JUMP_LASTS_NS, Line, WallFilter};
pub use manual::ManualClock;
pub use system::SystemClock;

/// One reading, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The calendar's time; never goes backwards.
    pub wall_ns: i64,
    /// Time that nobody can set: moves forward at the speed of time only.
    pub steady_ns: i64,
}

/// Reads the time.
pub trait Clock: Send + Sync {
    /// Now. Never earlier than a reading that was returned before.
    fn read(&self) -> Reading;

    /// Now, or a little earlier: as of the system's last tick, some milliseconds ago (1 to 10 by how it was built), for a
    /// fraction of the cost. Never earlier than a coarse reading that was returned before.
    fn read_coarse(&self) -> Reading {
        self.read()
    }
}
