//! Durations in buckets: counted by whoever measures, read by whoever watches, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts durations. Its buckets are given once, the shortest first.
#[derive(Debug)]
pub struct Histogram {
    /// The longest duration of each bucket but the last, in nanoseconds.
    bounds_ns: &'static [u64],
    /// One more than there are bounds: what is longer than all of them.
    counts: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

/// A reading of one, or the sum of several with the same buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// The longest duration of each bucket but the last, in nanoseconds.
    pub bounds_ns: &'static [u64],
    /// How many there were in each bucket, each counted in one.
    pub counts: Vec<u64>,
    /// All of them together, in nanoseconds.
    pub sum_ns: u64,
}

impl Histogram {
    /// An empty one with these buckets, and one for what is longer.
    pub fn new(bounds_ns: &'static [u64]) -> Self {
        let counts = (0..=bounds_ns.len()).map(|_| AtomicU64::new(0));
        Self {
            bounds_ns,
            counts: counts.collect(),
            sum_ns: AtomicU64::new(0),
        }
    }

    /// Counts a duration between two readings of a steady clock, in nanoseconds.
    pub fn record(&self, began_ns: i64, ended_ns: i64) {
        let took_ns = ended_ns.saturating_sub(began_ns).max(0).unsigned_abs();
        let bucket = self.bounds_ns.partition_point(|&bound| bound < took_ns);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(took_ns, Ordering::Relaxed);
    }

    /// What was counted. A duration that is counted at this very moment may be in one of the figures only.
    pub fn read(&self) -> Durations {
        let counts = self.counts.iter().map(|it| it.load(Ordering::Relaxed));
        Durations {
            bounds_ns: self.bounds_ns,
            counts: counts.collect(),
            sum_ns: self.sum_ns.load(Ordering::Relaxed),
        }
    }
}

impl Durations {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds what another one with the same buckets counted.
    pub fn add(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum_ns += other.sum_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[10, 100]);
        for took_ns in [0, 10, 11, 100, 101, 5_000] {
            histogram.record(7, 7 + took_ns);
        }
        // A clock that was read in another order than it ran.
        histogram.record(7, 3);
        let mut read = histogram.read();
        assert_eq!((&read.counts[..], read.sum_ns), (&[3, 2, 2][..], 5_222));
        read.add(&histogram.read());
        assert_eq!((read.count(), read.sum_ns), (14, 10_444));
        let mut sum = Durations::default();
        sum.add(&read);
        assert_eq!(sum, read);
    }
}
