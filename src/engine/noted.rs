//! Acts of administrators that change no books, but belong into the audit log.

use crate::domain::fact::Fact;
use crate::domain::notice::Audit;

use super::Engine;
use super::answer::EngineError;
use super::denial::precondition;
use super::order::Act;
use super::recorder::Receipt;

impl Engine {
    /// States that somebody did something that concerns all organizations and stands in no books, such as telling a sink once
    /// more.
    ///
    /// # Errors
    /// If the reason is too long, if no organization keeps books, or if it could not be recorded.
    pub fn note(&self, act: &Act<'_>) -> Result<Receipt, EngineError> {
        act.check()?;
        let keeper = self.keeper_of_audit(&self.plan(), "");
        let organization =
            keeper.ok_or_else(|| precondition("there is no plan yet; give one first"))?;
        let ((), receipt) = self.desk(organization.shard, |desk| {
            let audit = Audit {
                at: desk.now.wall,
                who: act.who.into(),
                action: act.action.into(),
                target: act.target.into(),
                why: act.why.into(),
                ..Audit::default()
            };
            let audit = Box::new(audit);
            desk.shard.happen(Fact::Audited {
                organization,
                audit,
            });
            Ok(())
        })?;
        Ok(receipt)
    }
}
