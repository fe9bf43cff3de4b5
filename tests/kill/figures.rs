//! What a run has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::compare::Knowledge;
use super::note::Counts;

/// What is logged when a threshold is reached.
const THRESHOLD: &str = "a threshold is reached";

/// Wrongs that are shown: the first ones tell, the others follow from them.
const SHOWN_MAX: usize = 12;

#[derive(Default)]
pub struct Figures {
    pub starts: u64,
    pub kills: u64,
    pub kills_while_starting: u64,
    pub kills_in_snapshots: u64,
    pub terminations: u64,
    pub plan_changes: u64,
    /// From the start of the process until it answered.
    pub recoveries: Vec<Duration>,
    pub snapshots: u64,
    pub segments: u64,
    pub counts: Counts,
    pub credits_lost: u64,
    pub credits_doubled: u64,
    pub comparisons: u64,
    /// Organization, account and percent of each threshold that was told, and under which ids. A crash between telling and
    /// noting it tells it again, with the same id.
    thresholds: BTreeMap<(String, String, u64), BTreeSet<String>>,
    /// How often any of them was told.
    tellings: u64,
    /// Other warnings than those, and how often each was logged.
    warnings: BTreeMap<String, u64>,
    pub wrongs: Vec<String>,
}

impl Figures {
    /// Takes over what the clients know in the end.
    pub fn take(&mut self, knowledge: Knowledge) {
        self.counts = knowledge.log.counts;
        self.credits_lost = knowledge.credits_lost;
        self.credits_doubled = knowledge.credits_doubled;
        self.comparisons = knowledge.comparisons;
        self.wrongs.extend(knowledge.log.wrongs);
    }

    /// Counts the thresholds in what a process has logged; errors are wrong.
    pub fn logged(&mut self, log: &[Value]) {
        for line in log
            .iter()
            .filter(|line| line["level"] == "ERROR" || line.is_string())
        {
            self.wrongs.push(format!("it logged: {line}"));
        }
        for line in log.iter().filter(|line| line["level"] == "WARN") {
            let message = line["message"].as_str().unwrap_or_default();
            if message != THRESHOLD {
                *self.warnings.entry(message.to_owned()).or_default() += 1;
            }
        }
        for line in log.iter().filter(|line| line["message"] == THRESHOLD) {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let percent = line["percent"].as_u64().unwrap_or_default();
            let mark = (text("organization"), text("account"), percent);
            let ids = self.thresholds.entry(mark).or_default();
            self.tellings += 1;
            ids.insert(text("id"));
            if ids.len() > 1 {
                self.wrongs.push(format!("told as two events: {line}"));
            }
        }
    }

    pub fn thresholds_told(&self) -> u64 {
        self.thresholds.len() as u64
    }

    fn thresholds_twice(&self) -> usize {
        self.thresholds.values().filter(|ids| ids.len() > 1).count()
    }

    /// What a run of any length must have met.
    pub fn met(&self) -> [(&'static str, u64); 7] {
        [
            ("a booking", self.counts.booked),
            ("a hold", self.counts.holds),
            ("a hold that had ended by itself", self.counts.late),
            ("a doubt", self.counts.resolved),
            ("a repeated request", self.counts.repeated),
            ("a threshold", self.thresholds_told()),
            ("a snapshot", self.snapshots),
        ]
    }

    pub fn wrongs_shown(&self) -> String {
        let shown: Vec<_> = self
            .wrongs
            .iter()
            .take(SHOWN_MAX)
            .map(String::as_str)
            .collect();
        format!("{} wrongs:\n  {}", self.wrongs.len(), shown.join("\n  "))
    }

    /// Milliseconds that so many percent of the recoveries took at most.
    fn recovery_ms(&self, percent: usize) -> u128 {
        let mut sorted = self.recoveries.clone();
        sorted.sort();
        let at = (sorted.len().saturating_sub(1) * percent).div_ceil(100);
        sorted.get(at).map_or(0, Duration::as_millis)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, .. } = self;
        write!(
            f,
            "kill: {} kills ({} while starting, {} during a snapshot), {} terminations, {} plan changes, {} starts, \
             {} comparisons; {} bookings and {} holds acknowledged, {} late, {} denied ({} for want of room), {} asked again, \
             {} in doubt resolved; credits lost {}, credits booked twice {}, holds lost {}, thresholds told {} ({} times), told as two events {}; \
             recovery p50 {} p99 {} max {} ms; {} snapshots, {} segments; wrongs {}",
            self.kills,
            self.kills_while_starting,
            self.kills_in_snapshots,
            self.terminations,
            self.plan_changes,
            self.starts,
            self.comparisons,
            counts.booked,
            counts.holds,
            counts.late,
            counts.denied,
            counts.without_room,
            counts.repeated,
            counts.resolved,
            self.credits_lost,
            self.credits_doubled,
            counts.holds_lost,
            self.thresholds_told(),
            self.tellings,
            self.thresholds_twice(),
            self.recovery_ms(50),
            self.recovery_ms(99),
            self.recovery_ms(100),
            self.snapshots,
            self.segments,
            self.wrongs.len(),
        )?;
        for (message, count) in &self.warnings {
            write!(f, "\n  logged {count} times: {message}")?;
        }
        Ok(())
    }
}
