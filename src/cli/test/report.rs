//! What came of the scenarios: a line for each, and the sums.

use std::fmt;

use serde_json::{Value, json};

use super::node::Fault;

/// What came of one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The file as it was named.
    pub file: String,
    /// The line on which the scenario begins, from 1 on.
    pub line: usize,
    /// What the scenario is called; empty where it could not be read.
    pub name: String,
    /// How many steps were run.
    pub steps: usize,
    /// Why it failed: line and problem, the first step's that failed; empty if it passed.
    pub(super) faults: Vec<Fault>,
}

impl Outcome {
    /// Whether all that was expected came.
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
    }

    fn to_value(&self) -> Value {
        json!({
            "file": self.file,
            "line": self.line,
            "scenario": self.name,
            "passed": self.passed(),
            "steps": self.steps,
            "problems": self.faults.iter().map(|it| json!({"line": it.line, "problem": it.problem})).collect::<Value>(),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            name,
            faults,
            ..
        } = self;
        let word = if self.passed() { "ok  " } else { "FAIL" };
        let name = if name.is_empty() {
            "(no scenario could be read)"
        } else {
            name
        };
        write!(f, "{word}  {file}:{line}: {name}")?;
        for Fault { line, problem } in faults {
            write!(f, "\n      {file}:{line}: {problem}")?;
        }
        Ok(())
    }
}

/// What came of all files.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of the files and of the scenarios in them.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many scenarios brought what was expected.
    pub fn passed(&self) -> usize {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.passed())
            .count()
    }

    /// How many did not, files that could not be read among them.
    pub fn failed(&self) -> usize {
        self.outcomes.len() - self.passed()
    }

    /// How many steps were run.
    pub fn steps(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.steps).sum()
    }

    /// The sums, in two lines.
    pub fn summary(&self) -> String {
        format!(
            "steps: {} run\nscenarios: {} passed, {} failed",
            self.steps(),
            self.passed(),
            self.failed()
        )
    }

    /// For programs.
    pub fn to_value(&self) -> Value {
        json!({
            "scenarios": self.outcomes.iter().map(Outcome::to_value).collect::<Value>(),
            "passed": self.passed(),
            "failed": self.failed(),
            "steps": self.steps(),
        })
    }
}
