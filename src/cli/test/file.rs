//! A scenario file as typed -> checked.

use crate::domain::time::Timestamp;

use super::fields::{Fields, instant};
use super::node::{Fault, Node};
use super::step::{PlanSource, Step, step};

/// One scenario, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    /// The organization of steps that name none.
    pub(super) organization: String,
    /// Where `plan` stands.
    pub(super) plan_line: usize,
    pub(super) plan: PlanSource,
    pub(super) start: Timestamp,
    pub(super) steps: Vec<Step>,
}

/// What a document is called, if it says so: reports name it even where it cannot be read.
pub(super) fn name_of(document: &Node) -> Option<String> {
    let entries = document.entries("a scenario").ok()?;
    entries
        .iter()
        .find(|entry| entry.key == "scenario")?
        .value
        .text("scenario")
        .ok()
}

/// Reads one document.
pub(super) fn scenario(document: &Node) -> Result<Scenario, Fault> {
    let mut fields = Fields::new("a scenario", document)?;
    fields.need("scenario")?.text("scenario")?;
    fields.text("note")?;
    let organization = fields
        .text("organization")?
        .unwrap_or_else(|| crate::domain::names::DEFAULT.to_owned());
    let plan = fields.need("plan")?;
    let start = instant(fields.need("start")?)?;
    let steps = fields.need("steps")?.items("steps")?;
    fields.done()?;
    Ok(Scenario {
        organization,
        plan_line: plan.line,
        plan: PlanSource::new(plan)?,
        start,
        steps: steps.iter().map(step).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::node::documents;
    use super::*;

    #[test]
    fn a_scenario_that_lacks_or_adds_something_is_refused() {
        let whole = "scenario: a\nplan: {}\nstart: 2026-11-01T00:00:00Z\nsteps: []\n";
        assert!(scenario(&documents(whole).unwrap()[0]).is_ok());
        for (text, part) in [
            (whole.replace("scenario: a\n", ""), "needs `scenario`"),
            (whole.replace("plan: {}\n", ""), "needs `plan`"),
            (
                whole.replace("start: 2026-11-01T00:00:00Z\n", ""),
                "needs `start`",
            ),
            (whole.replace("steps: []\n", ""), "needs `steps`"),
            (
                whole.replace("steps: []", "steps: {}"),
                "steps must be a list",
            ),
            (whole.replace("plan: {}", "plan: 5"), "plan must be a plan"),
            (format!("{whole}extra: 1\n"), "unknown field `extra`"),
        ] {
            let fault = scenario(&documents(&text).unwrap()[0]).unwrap_err();
            assert!(fault.problem.contains(part), "{text:?}: {fault:?}");
        }
    }
}
