//! The way out of the books for what is to be told: looked at here, written elsewhere, then taken off the queue.
//!
//! Nothing is taken before somebody says that it stands in a safe place: a crash in between shows it once more.

use std::sync::atomic::Ordering;

use crate::domain::fact::{Fact, OrganizationId};
use crate::domain::notice::Notice;
use crate::world::sabotage::{self, Fault};

use super::answer::EngineError;
use super::recorder::Receipt;
use super::shard::Shard;
use super::slab::position;
use super::{Engine, SHARDS};

/// Notices of one organization that wait, the oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Whose.
    pub organization: OrganizationId,
    /// Its name.
    pub name: Box<str>,
    /// What waits.
    pub notices: Vec<Notice>,
    /// How many were taken before the first of them, since the start.
    taken_before: u64,
}

impl Engine {
    /// How many notices wait in all organizations; read without a lock.
    pub fn notices_waiting(&self) -> u64 {
        self.shared.stats.notices_waiting.load(Ordering::Relaxed)
    }

    /// How many notices were lost since the start, because more than [`NOTICES_MAX`](super::NOTICES_MAX) of one
    /// organization waited; read without a lock.
    pub fn notices_lost(&self) -> u64 {
        self.shared.stats.notices_lost.load(Ordering::Relaxed)
    }

    /// Notices that wait, at most so many, and how far the record must be safe before they are told. Takes nothing: the same
    /// come again until [`Self::told`] has taken them.
    ///
    /// # Errors
    /// If something could not be recorded before.
    pub fn pending_notices(&self, most: usize) -> Result<(Vec<Waiting>, Receipt), EngineError> {
        let (mut all, mut upto, mut left) = (Vec::new(), Receipt::default(), most);
        for shard in 0..SHARDS {
            if left == 0 {
                break;
            }
            let (found, receipt) = self.desk(shard, |desk| {
                let mut found = Vec::new();
                for organization in desk.shard.organizations.iter() {
                    let notices: Vec<_> = organization.notices.iter().take(left).cloned().collect();
                    if notices.is_empty() {
                        continue;
                    }
                    left -= notices.len();
                    let (organization, name, taken_before) = (
                        organization.id,
                        organization.name.clone(),
                        organization.notices.taken(),
                    );
                    found.push(Waiting {
                        organization,
                        name,
                        notices,
                        taken_before,
                    });
                }
                Ok(found)
            })?;
            if !found.is_empty() {
                all.extend(found);
                upto = upto.max(receipt);
            }
        }
        Ok((all, upto))
    }

    /// These notices stand in a safe place: they are taken off the queue. Those that were lost meanwhile, because too many
    /// waited, are not taken twice.
    ///
    /// # Errors
    /// If it could not be recorded.
    pub fn told(&self, waiting: &Waiting) -> Result<Receipt, EngineError> {
        let organization = waiting.organization;
        let upto = waiting.taken_before + waiting.notices.len() as u64;
        let ((), receipt) = self.desk(organization.shard, |desk| {
            let found = desk.shard.organizations.get(organization.index as usize);
            let left = found.map_or(0, |it| upto.saturating_sub(it.notices.taken()));
            let count = position(usize::try_from(left).unwrap_or(usize::MAX));
            if count > 0 {
                desk.shard.happen(Fact::Told {
                    organization,
                    count,
                });
            }
            Ok(())
        })?;
        Ok(receipt)
    }
}

impl Shard {
    /// Changes what is to be told as a fact says: what fired, what was asked for and changed, what was taken.
    pub(super) fn note(&mut self, fact: &Fact) {
        match fact {
            Fact::Crossed {
                organization,
                book,
                account,
                percent,
                at,
                used,
                limit,
            } => self.with(*organization, |it| {
                let Some(book) = it.book_mut(*book) else {
                    return;
                };
                if !sabotage::is(Fault::FireTwice) {
                    book.fire(account, *percent);
                }
                let cycle = book.span;
                it.notice(Notice::Threshold {
                    account: account.clone(),
                    percent: *percent,
                    at: *at,
                    used: *used,
                    limit: *limit,
                    cycle,
                });
            }),
            Fact::ExtensionRequested {
                organization,
                book,
                extension,
                by,
            } => self.with(*organization, |it| {
                let Some(book) = it.book_mut(*book) else {
                    return;
                };
                book.extensions.push(*extension);
                let cycle = book.span;
                it.extension_requests.push(extension.requested);
                it.notice(Notice::Extension {
                    at: extension.requested,
                    usable: extension.usable,
                    credits: extension.credits,
                    by: by.clone(),
                    cycle,
                });
            }),
            Fact::Audited {
                organization,
                audit,
            } => self.with(*organization, |it| {
                it.notice(Notice::Audit(audit.clone()));
            }),
            Fact::Told {
                organization,
                count,
            } => self.with(*organization, |it| it.notices.take(*count)),
            // Everything else is told by nobody.
            _ => {}
        }
    }
}
