//! What the audit log says of administrators' changes: stated in the same group as the change itself.

use crate::domain::fact::{Fact, OrganizationId};
use crate::domain::notice::Audit;
use crate::domain::plan::{Difference, Ownership, Plan, diff};
use crate::domain::time::Timestamp;

use super::answer::EngineError;
use super::denial::invalid;
use super::order::{Act, Planned, WHY_BYTES_MAX};
use super::shard::Shard;

/// So many entries of one change are told of one by one; one more says how many others there are.
const AUDITS_MAX: usize = 1_000;

/// The longest text of an audit, in bytes: what is longer is cut, and ends with an ellipsis.
const TEXT_BYTES_MAX: usize = 1_024;

impl Planned {
    /// A plan that an administrator, or the plan file, puts in place of `before`: what differs is audited, one by one.
    pub fn new(before: &Plan, plan: Plan, act: &Act<'_>) -> Self {
        let audits = if act.who.is_empty() {
            Vec::new()
        } else {
            audits(&diff(before, &plan), act)
        };
        Self { plan, audits }
    }
}

fn audits(differences: &[Difference], act: &Act<'_>) -> Vec<Audit> {
    let told = differences.iter().take(AUDITS_MAX);
    let mut audits: Vec<_> = told.map(|it| audit_of(it, act)).collect();
    let more = differences.len() - audits.len();
    if more > 0 {
        let mut audit = begun(act);
        audit.target = format!("{more} more entries").into();
        audits.push(audit);
    }
    audits
}

fn audit_of(difference: &Difference, act: &Act<'_>) -> Audit {
    let entry = &difference.entry;
    let mut audit = begun(act);
    audit.organization = entry.in_organization().unwrap_or_default().into();
    audit.target = short(&entry.to_string());
    audit.before = short(difference.before.as_deref().unwrap_or_default());
    audit.after = short(difference.after.as_deref().unwrap_or_default());
    if difference.is_takeover() {
        audit.why = short(&format!("taken over by the plan file; {}", act.why));
    } else if difference.ownership == Ownership::Given && difference.before == difference.after {
        audit.why = short(&format!("no longer owned by the plan file; {}", act.why));
    }
    audit
}

/// Who, what and why; the rest is left open.
fn begun(act: &Act<'_>) -> Audit {
    Audit {
        who: short(act.who),
        action: short(act.action),
        target: short(act.target),
        why: short(act.why),
        ..Audit::default()
    }
}

/// A text that is not too long for the journal.
fn short(text: &str) -> Box<str> {
    if text.len() <= TEXT_BYTES_MAX {
        return text.into();
    }
    let ellipsis = '\u{2026}';
    let mut end = TEXT_BYTES_MAX - ellipsis.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ellipsis}", &text[..end]).into()
}

impl Act<'_> {
    /// Refuses a reason that is too long.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        if self.why.len() > WHY_BYTES_MAX {
            let problem = format!("is longer than {WHY_BYTES_MAX} bytes; shorten it");
            return Err(invalid("why", problem));
        }
        Ok(())
    }
}

impl Shard {
    /// States what an administrator did to an organization, unless nobody said who it was.
    pub(super) fn audit(
        &mut self,
        organization: OrganizationId,
        act: &Act<'_>,
        at: Timestamp,
        [before, after]: [&str; 2],
    ) {
        let Some(found) = self.organization(organization) else {
            return;
        };
        if act.who.is_empty() {
            return;
        }
        let mut audit = begun(act);
        audit.at = at;
        audit.organization = found.name.clone();
        audit.before = short(before);
        audit.after = short(after);
        let audit = Box::new(audit);
        self.happen(Fact::Audited {
            organization,
            audit,
        });
    }
}
