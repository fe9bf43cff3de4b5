//! Where things run, and what they cost: cores, CPU time, the machine's name, medians.

use std::fmt;

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Keeps this thread, and those it starts, on one core. On a machine with one core both sides share it, and it is said.
pub fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    if let Err(error) = sched_setaffinity(None, &set) {
        println!("note: core {core} cannot be had ({error}); figures wander more");
    }
}

/// Lets this thread run on every core again.
pub fn unpin() {
    let mut set = CpuSet::new();
    (0..cores()).for_each(|core| set.set(core));
    if let Err(error) = sched_setaffinity(None, &set) {
        println!("note: a thread stays on its core ({error})");
    }
}

/// Nanoseconds of CPU that all threads of a process have used.
pub fn cpu_ns(process: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("the server lives");
    let of = |task: std::fs::DirEntry| {
        // A thread may end between the two reads; then it uses nothing any more.
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(of).sum()
}

/// The same, thread by thread, with their names.
pub fn cpu_of_threads(process: u32) -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("the server lives");
    let of = |task: std::fs::DirEntry| {
        let read = |name| std::fs::read_to_string(task.path().join(name)).ok();
        let cpu = read("schedstat")?.split_whitespace().next()?.parse().ok()?;
        Some((read("comm")?.trim().to_owned(), cpu))
    };
    tasks.flatten().filter_map(of).collect()
}

/// Nanoseconds of CPU that this thread has used. Steadier than elapsed time where the machine is shared.
pub fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("CPU time is not negative")
}

/// The processor, the cores and the kernel, in a line.
pub fn name() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = cores();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

/// Not `available_parallelism`: by now this thread is kept on one of them.
fn cores() -> usize {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processors = info.lines().filter(|line| line.starts_with("processor"));
    processors.count().max(1)
}

/// Repetitions of one figure.
#[derive(Default)]
pub struct Figure(Vec<f64>);

impl Figure {
    /// One more repetition.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 {
            self.0[middle]
        } else {
            f64::midpoint(self.0[middle - 1], self.0[middle])
        }
    }
}

impl FromIterator<f64> for Figure {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut figure = Self::default();
        values.into_iter().for_each(|value| figure.add(value));
        figure
    }
}

impl fmt::Display for Figure {
    /// `median (min to max)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(min), Some(max)) = (self.0.first(), self.0.last()) else {
            return f.write_str("no repetitions");
        };
        write!(f, "{:8.2} ({min:.2} to {max:.2})", self.median())
    }
}

/// A figure beside its goal and aim, both upper bounds.
pub fn against(name: &str, figure: &Figure, unit: &str, goal: f64, aim: f64) {
    let median = figure.median();
    let verdict = if median <= aim {
        "reaches the aim"
    } else if median <= goal {
        "reaches the goal"
    } else {
        "MISSES the goal"
    };
    println!("{name:<58} {figure} {unit}; goal {goal}, aim {aim}: {verdict}");
}

/// A figure beside its goal and aim, both lower bounds.
pub fn at_least(name: &str, figure: &Figure, unit: &str, goal: f64, aim: f64) {
    let median = figure.median();
    let verdict = if median >= aim {
        "reaches the aim"
    } else if median >= goal {
        "reaches the goal"
    } else {
        "MISSES the goal"
    };
    println!("{name:<58} {figure} {unit}; goal {goal}, aim {aim}: {verdict}");
}
