//! How a benchmark is run: which figures, how often, how large.

use std::time::Duration;

use super::machine::Figure;

/// One slice of a load.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// CPU of the server per call (or operation of a batch).
    pub cpu_us: f64,
    pub calls_per_second: f64,
}

/// Set for runs that only show that they run; children see it too.
pub const QUICK: &str = "QUOTAD_BENCH_QUICK";

/// Whether this is a run that only shows that it runs: `QUOTAD_BENCH_QUICK=1`.
pub fn is_quick() -> bool {
    std::env::var_os(QUICK).is_some_and(|it| it != "0")
}

/// Repetitions of each side. A repetition's figure is the median of its slices.
pub fn repetitions() -> usize {
    if is_quick() { 2 } else { 9 }
}

/// Slices of each side in a repetition; sides take turns slice by slice, so that all have the machine's same mood.
fn slices() -> usize {
    if is_quick() { 1 } else { 5 }
}

/// How long a slice lasts.
pub fn lasts() -> Duration {
    Duration::from_millis(if is_quick() { 50 } else { 200 })
}

/// How many, where the large books have this many.
pub fn scaled(full: usize) -> usize {
    if is_quick() { full / 100 } else { full }
}

/// Whether a figure was asked for: all are if none is named. `cargo bench --bench rpc -- P1 P18`.
pub fn chosen(figure: &str) -> bool {
    // Cargo itself adds `--bench`.
    let mut named = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with("--"))
        .peekable();
    named.peek().is_none() || named.any(|it| it.eq_ignore_ascii_case(figure))
}

/// Runs the sides in turns. For each side, one value a repetition.
pub fn interleaved<const N: usize>(mut side: impl FnMut(usize) -> Seen) -> [Vec<Seen>; N] {
    let mut all = [const { Vec::new() }; N];
    // The first is to warm up.
    for repetition in 0..=repetitions() {
        let mut figures: [(Figure, Figure); N] = std::array::from_fn(|_| Default::default());
        for _ in 0..slices() {
            for (at, (cpu, rate)) in figures.iter_mut().enumerate() {
                let seen = side(at);
                cpu.add(seen.cpu_us);
                rate.add(seen.calls_per_second);
            }
        }
        if repetition == 0 {
            continue;
        }
        for (all, (cpu, rate)) in all.iter_mut().zip(&figures) {
            all.push(Seen {
                cpu_us: cpu.median(),
                calls_per_second: rate.median(),
            });
        }
    }
    all
}

/// CPU per call of a side.
pub fn cpu(side: &[Seen]) -> Figure {
    side.iter().map(|seen| seen.cpu_us).collect()
}

/// Calls per second of a side.
pub fn rate(side: &[Seen]) -> Figure {
    side.iter().map(|seen| seen.calls_per_second).collect()
}

/// What comes of two sides, repetition by repetition.
pub fn both(a: &[Seen], b: &[Seen], of: impl Fn(&Seen, &Seen) -> f64) -> Figure {
    a.iter().zip(b).map(|(a, b)| of(a, b)).collect()
}

/// A ratio of CPU per call.
pub fn ratio(a: &[Seen], b: &[Seen]) -> Figure {
    both(a, b, |a, b| a.cpu_us / b.cpu_us)
}
