//! What each data-plane thread counts of its calls, and the sample of them that is measured.
//!
//! A thread alone writes its own figures, so that counting is a load and a store; whoever watches adds the threads up. One
//! call in [`SAMPLED`] is measured, chosen by chance: a fixed distance would always meet the same place of a caller's rhythm.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::rpc::status::failure::Failure;
use crate::world::histogram::{Durations, Histogram};

/// One call in so many is measured, on average.
pub const SAMPLED: u32 = 64;

/// The buckets of calls: an answer from memory takes about a microsecond, one that waits for the disk milliseconds.
const BOUNDS_NS: &[u64] = &[
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
];

/// A call of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// Keep credits.
    Reserve,
    /// Book what was used.
    Commit,
    /// Give back.
    Release,
    /// Keep more, or longer.
    Extend,
    /// Book at once.
    Charge,
    /// Ask only.
    Check,
    /// How an account stands.
    GetBalance,
    /// Many operations; measured as a whole.
    Batch,
    /// A stream; what is measured is a message.
    Stream,
}

impl Rpc {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Reserve,
        Self::Commit,
        Self::Release,
        Self::Extend,
        Self::Charge,
        Self::Check,
        Self::GetBalance,
        Self::Batch,
        Self::Stream,
    ];

    /// As the interface spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "Reserve",
            Self::Commit => "Commit",
            Self::Release => "Release",
            Self::Extend => "Extend",
            Self::Charge => "Charge",
            Self::Check => "Check",
            Self::GetBalance => "GetBalance",
            Self::Batch => "Batch",
            Self::Stream => "Stream",
        }
    }
}

/// What one thread counts.
#[derive(Debug)]
pub struct Meter {
    calls: [AtomicU64; Rpc::ALL.len()],
    /// How many calls of each kind until the next one is measured.
    until_measured: [AtomicU32; Rpc::ALL.len()],
    /// Where chance stands.
    chance: AtomicU32,
    batched: AtomicU64,
    streamed: AtomicU64,
    failures: [AtomicU64; Failure::COUNT],
    durations: [Histogram; Rpc::ALL.len()],
}

impl Meter {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            calls: Default::default(),
            until_measured: Default::default(),
            chance: AtomicU32::new(0x9E37_79B9),
            batched: AtomicU64::new(0),
            streamed: AtomicU64::new(0),
            failures: Default::default(),
            durations: std::array::from_fn(|_| Histogram::new(BOUNDS_NS)),
        }
    }

    /// Counts a call; answers whether it is to be measured. The first of each kind is.
    #[inline]
    pub(super) fn call(&self, rpc: Rpc) -> bool {
        add(&self.calls[rpc as usize], 1);
        let left = self.until_measured[rpc as usize].load(Ordering::Relaxed);
        if left > 0 {
            self.until_measured[rpc as usize].store(left - 1, Ordering::Relaxed);
            return false;
        }
        self.until_measured[rpc as usize].store(self.distance(), Ordering::Relaxed);
        true
    }

    /// How many calls are left out before the next: 0 to 126, 63 on average.
    #[cold]
    fn distance(&self) -> u32 {
        // Xorshift (Marsaglia): no more is asked of it than to keep no rhythm.
        let mut chance = self.chance.load(Ordering::Relaxed);
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        self.chance.store(chance, Ordering::Relaxed);
        chance % (2 * SAMPLED - 1)
    }

    /// A call was measured.
    pub(super) fn took(&self, rpc: Rpc, began_ns: i64, ended_ns: i64) {
        self.durations[rpc as usize].record(began_ns, ended_ns);
    }

    /// A batch has so many operations.
    pub(super) fn batched(&self, operations: usize) {
        add(&self.batched, operations as u64);
    }

    /// A message of a stream has so many operations; answers whether it is to be measured.
    pub(super) fn streamed(&self, operations: usize) -> bool {
        add(&self.streamed, operations as u64);
        let at = &self.until_measured[Rpc::Stream as usize];
        let left = at.load(Ordering::Relaxed);
        let next = left.checked_sub(1).unwrap_or_else(|| self.distance());
        at.store(next, Ordering::Relaxed);
        left == 0
    }

    /// A stream was opened.
    pub(super) fn opened(&self) {
        add(&self.calls[Rpc::Stream as usize], 1);
    }

    /// Something failed.
    #[cold]
    pub(super) fn failed(&self, failure: Failure) {
        if let Some(counter) = self.failures.get(failure.place()) {
            add(counter, 1);
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

/// What several threads counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// Calls by kind, as in [`Rpc::ALL`].
    pub calls: [u64; Rpc::ALL.len()],
    /// How long those took that were measured, in the same order.
    pub durations: [Durations; Rpc::ALL.len()],
    /// Operations in batches.
    pub batched: u64,
    /// Operations in messages of streams.
    pub streamed: u64,
    /// Failures by the name of their code.
    pub failures: Vec<(&'static str, u64)>,
}

impl Metered {
    /// Adds up what these have counted so far.
    pub fn of<'m>(meters: impl IntoIterator<Item = &'m Meter>) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut sum = Self {
            failures: Failure::names().map(|name| (name, 0)).collect(),
            ..Self::default()
        };
        for meter in meters {
            for (place, calls) in meter.calls.iter().enumerate() {
                sum.calls[place] += read(calls);
                sum.durations[place].add(&meter.durations[place].read());
            }
            sum.batched += read(&meter.batched);
            sum.streamed += read(&meter.streamed);
            for ((_, count), failures) in sum.failures.iter_mut().zip(&meter.failures) {
                *count += read(failures);
            }
        }
        sum
    }
}

/// Adds to a figure that this thread alone writes.
#[inline]
fn add(counter: &AtomicU64, more: u64) {
    let now = counter.load(Ordering::Relaxed);
    counter.store(now.wrapping_add(more), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    #[test]
    fn one_call_in_64_is_measured_and_the_first_of_each_kind() {
        let meter = Meter::new();
        for rpc in Rpc::ALL {
            assert!(meter.call(rpc), "{rpc:?}");
        }
        let mut places = Vec::new();
        for call in 0..64_000_u32 {
            if meter.call(Rpc::Reserve) {
                places.push(call % 64);
            }
        }
        assert!(
            (900..1_100).contains(&places.len()),
            "{} of 64,000",
            places.len()
        );
        // Whatever the rhythm of a caller, each of its places has its turn.
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 64);
        let sum = Metered::of([&meter, &Meter::new()]);
        assert_eq!(sum.calls[Rpc::Reserve as usize], 64_001);
        assert_eq!(sum.calls[Rpc::Stream as usize], 1);
    }

    #[test]
    fn failures_are_counted_by_code() {
        let meter = Meter::new();
        for status in [
            Status::resource_exhausted(""),
            Status::internal(""),
            Status::aborted(""),
        ] {
            meter.failed(Failure::of_status(&status));
        }
        let failures = Metered::of([&meter]).failures;
        let some: Vec<_> = failures.into_iter().filter(|(_, it)| *it > 0).collect();
        let expected = [("RESOURCE_EXHAUSTED", 1), ("INTERNAL", 1), ("OTHER", 1)];
        assert_eq!(some, expected);
    }
}
