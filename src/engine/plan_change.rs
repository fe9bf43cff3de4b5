//! Putting a plan in force: judged on its result over all organizations, then applied as one change.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::fact::{Fact, OrganizationId};
use crate::domain::notice::Audit;
use crate::domain::plan::{ChangeRefused, Footing, OrganizationPlan, Plan, Timeline, judge};
use crate::domain::time::{Now, Timestamp};
use crate::world::sabotage::{self, Fault};
use crate::world::sync::MutexGuard;

use super::answer::{EngineError, PlanChanged};
use super::book::Book;
use super::cell::UserRow;
use super::fingerprint;
use super::order::Planned;
use super::organization::Organization;
use super::recorder::{NotKept, Receipt};
use super::shard::{Shard, Shared};
use super::{Engine, SHARDS};

impl Engine {
    /// Puts a plan in force, as one atomic change that nobody audits: for tests and benches. The first call opens the books.
    /// The plan must have passed `domain::plan::check`. Answers whether anything changed.
    ///
    /// # Errors
    /// As [`Self::change_plan`].
    pub fn apply_plan(&self, plan: Plan) -> Result<bool, EngineError> {
        let changed = self.change_plan(|_| {
            let audits = Vec::new();
            Ok::<_, EngineError>(Planned { plan, audits })
        })?;
        Ok(changed.is_changed)
    }

    /// Changes the plan, as one atomic change with its audits. `edit` makes the new plan from the present one, which nobody
    /// else changes meanwhile: it may ask for balances and shares, but neither for [`Self::plan`] nor change it again. The
    /// first change opens the books. A plan that is the present one changes nothing, and nothing is audited.
    ///
    /// # Errors
    /// Those of `edit`; and if the result would set aside more than there is (section 4), has no room on the disk, or cannot be
    /// recorded. Then everything is as it was.
    pub fn change_plan<E: From<EngineError>>(
        &self,
        edit: impl FnOnce(&Plan) -> Result<Planned, E>,
    ) -> Result<PlanChanged, E> {
        if self.has_failed() {
            return Err(EngineError::Unrecorded.into());
        }
        // The plan's own lock comes first and keeps two changes apart; then all shards, in order.
        let (mut present, planned) = if sabotage::is(Fault::StaleEdit) {
            let before = self.plan();
            let planned = edit(&before)?;
            std::thread::yield_now();
            (self.plan.lock(), planned)
        } else {
            let present = self.plan.lock();
            let planned = edit(&present)?;
            (present, planned)
        };
        let Planned { plan, audits } = planned;
        if **present == plan {
            let receipt = self.shared.recorder.record(&[]);
            let receipt = receipt.inspect_err(|_| self.poison());
            return Ok(PlanChanged {
                is_changed: false,
                receipt: receipt.map_err(EngineError::from)?,
            });
        }
        if !self.shared.recorder.has_room(self.holds_open()) {
            return Err(EngineError::NoRoom.into());
        }
        let plan = Arc::new(plan);
        let receipt = self.replace_plan(&plan, audits)?;
        *present = plan;
        Ok(PlanChanged {
            is_changed: true,
            receipt,
        })
    }

    /// Whether a plan would be put in force as things stand now: for those who only look. It may be asked for within `edit` of
    /// [`Self::change_plan`].
    ///
    /// # Errors
    /// If it would set aside more than there is (section 4).
    pub fn judge_plan(&self, plan: &Plan) -> Result<(), EngineError> {
        let mut shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        let now = self.now();
        let mut recorded = Ok(());
        for shard in &mut shards {
            while shard.advance(now) {}
            recorded = recorded.and(shard.record().map(drop));
        }
        recorded.inspect_err(|_| self.poison())?;
        Ok(self.judge(&shards, plan, now)?)
    }

    /// Judges a plan, and puts it in force. Called with the plan's lock held.
    fn replace_plan(&self, plan: &Arc<Plan>, audits: Vec<Audit>) -> Result<Receipt, EngineError> {
        // A fact will refer to it. This may wait for a disk, so that no shard waits with it.
        self.shared
            .recorder
            .keep_plan(plan)
            .map_err(|error| match error {
                NotKept::NoRoom => EngineError::NoRoom,
                NotKept::Unrecorded => {
                    self.poison();
                    EngineError::Unrecorded
                }
            })?;
        let mut shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        let now = self.now();
        let mut recorded = Ok(());
        for shard in &mut shards {
            // Plan changes are rare: everything that is due happens first, however much it is.
            while shard.advance(now) {}
            recorded = recorded.and(shard.record().map(drop));
        }
        recorded.inspect_err(|_| self.poison())?;
        self.judge(&shards, plan, now)?;
        self.put_in_force(&mut shards, plan, audits, now)
            .inspect_err(|_| self.poison())
    }

    /// Judges a plan on what it makes of every organization.
    fn judge(
        &self,
        shards: &[MutexGuard<'_, Shard>],
        plan: &Plan,
        now: Now,
    ) -> Result<(), ChangeRefused> {
        for (name, after) in &plan.organizations {
            let id = self.shared.organizations.get(name).map(|id| *id);
            let found = id.and_then(|id| {
                let shard = shards.get(usize::from(id.shard))?;
                shard.organizations.get(id.index as usize)
            });
            match found {
                Some(organization) => judge_known(organization, plan, after, now.wall)?,
                None => judge_new(name, plan, after, now.wall)?,
            }
        }
        Ok(())
    }

    fn put_in_force(
        &self,
        shards: &mut [MutexGuard<'_, Shard>],
        plan: &Arc<Plan>,
        audits: Vec<Audit>,
        now: Now,
    ) -> Result<Receipt, EngineError> {
        let mut facts = Vec::new();
        for name in plan.organizations.keys() {
            if !self.shared.organizations.contains_key(name) {
                let shard = self.shard_for(name);
                let Some(keeper) = shards.get_mut(usize::from(shard)) else {
                    continue;
                };
                let index = u32::try_from(keeper.organizations.len()).unwrap_or(u32::MAX);
                let organization = OrganizationId { shard, index };
                keeper.happen(Fact::OrganizationNamed {
                    organization,
                    name: name.clone(),
                });
                facts.append(&mut keeper.facts);
            }
        }
        let planned = Fact::Planned {
            at: now.wall,
            plan: Arc::clone(plan),
        };
        for shard in shards.iter_mut() {
            shard.apply(&planned);
        }
        facts.push(planned);
        for shard in shards.iter_mut() {
            shard.open_and_cross(now.wall);
            facts.append(&mut shard.facts);
        }
        for audit in audits {
            let Some(keeper) = self.keeper_of_audit(plan, &audit.organization) else {
                continue;
            };
            let Some(shard) = shards.get_mut(usize::from(keeper.shard)) else {
                continue;
            };
            shard.happen(Fact::Audited {
                organization: keeper,
                audit: Box::new(Audit {
                    at: now.wall,
                    ..audit
                }),
            });
            facts.append(&mut shard.facts);
        }
        // All of it belongs together, so that it is recorded in one call.
        Ok(self.shared.recorder.record(&facts)?)
    }

    /// In whose queue an audit waits: its organization's; what concerns all, in that of the first that the plan names.
    pub(super) fn keeper_of_audit(
        &self,
        plan: &Plan,
        organization: &str,
    ) -> Option<OrganizationId> {
        let known = |name: &str| self.shared.organizations.get(name).map(|id| *id);
        known(organization).or_else(|| plan.organizations.keys().find_map(|name| known(name)))
    }

    /// The shard that keeps an organization, or will.
    pub(super) fn shard_for(&self, name: &str) -> u8 {
        if self.shared.has_strays.load(Ordering::Relaxed)
            && let Some(id) = self.shared.organizations.get(name)
        {
            return id.shard;
        }
        shard_of(name)
    }
}

/// The shard of a new organization: the same on every start, so that it does not depend on a random hash.
fn shard_of(name: &str) -> u8 {
    // Names that differ in their last characters only differ little in this hash; multiplied they do, in the upper half.
    let hash = fingerprint::of_name(name).wrapping_mul(SPREAD);
    u8::try_from((hash >> 32) % u64::from(SHARDS)).unwrap_or(0)
}

/// 2^64 divided by the golden ratio, odd: neighbours come far apart.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Shared {
    /// An organization has its place; answers whether it had none before. Older books may have it in another shard than it
    /// would get today.
    pub(super) fn name_organization(&self, name: &str, id: OrganizationId) -> bool {
        if id.shard != shard_of(name) {
            self.has_strays.store(true, Ordering::Relaxed);
        }
        self.organizations.insert(name.into(), id).is_none()
    }
}

impl Shard {
    /// Opens the first cycle of new organizations, and fires what the change has reached.
    fn open_and_cross(&mut self, now: Timestamp) {
        for index in 0..self.organizations.len() {
            let found = &self.organizations[index];
            let organization = found.id;
            if found.books.is_empty() {
                let calendar = found.plan.calendar;
                let span = calendar.cycle_at(now);
                let (book, rolled_over) = (0, 0);
                self.happen(Fact::CycleOpened {
                    organization,
                    book,
                    span,
                    calendar,
                    rolled_over,
                });
                // The book opened as of the cycle's start; grants may have begun since.
                self.happen(Fact::EntitlementChanged {
                    organization,
                    at: now,
                });
            }
            self.cross_all(organization, now);
        }
    }
}

/// A new organization: nothing was used, nothing was set aside.
fn judge_new(
    name: &str,
    plan: &Plan,
    after: &OrganizationPlan,
    now: Timestamp,
) -> Result<(), ChangeRefused> {
    let timeline = Timeline::new(&after.grants, &plan.catalogue, &after.calendar);
    let nothing = OrganizationPlan::default();
    let before = Footing {
        plan: &nothing,
        entitlement: 0,
        pool_drawn: 0,
    };
    let entitlement = timeline.at(now).purchased.total();
    let after = Footing {
        plan: after,
        entitlement,
        pool_drawn: 0,
    };
    judge(name, before, after, &|_| 0, &|_| 0)
}

fn judge_known(
    organization: &Organization,
    plan: &Plan,
    after: &OrganizationPlan,
    now: Timestamp,
) -> Result<(), ChangeRefused> {
    let nothing = OrganizationPlan::default();
    let before = if organization.is_planned {
        &*organization.plan
    } else {
        &nothing
    };
    if std::ptr::eq(before, after) || before == after {
        return Ok(());
    }
    let Some(book) = organization.present() else {
        return judge_new(&organization.name, plan, after, now);
    };
    let timeline = Timeline::new(&after.grants, &plan.catalogue, &book.calendar);
    let entitlement = timeline.at(book.span.clamp(now)).purchased.total() + book.rolled_over;
    let pool_drawn = book.pool_drawn_under(after);
    let drawn = |name: &str| {
        let row = book
            .environments
            .find(name)
            .and_then(|row| book.environments.get(row));
        row.map_or(0, |row| row.drawn())
    };
    let by_user = |name: &str| {
        let row = book.users.find(name).and_then(|row| book.users.get(row));
        row.map_or(0, |row| pool_drawn_under(book, row, after))
    };
    let (stood, now_drawn) = (book.figures.entitlement, book.totals.pool_drawn);
    let before = Footing {
        plan: before,
        entitlement: stood,
        pool_drawn: now_drawn,
    };
    let after = Footing {
        plan: after,
        entitlement,
        pool_drawn,
    };
    judge(&organization.name, before, after, &drawn, &by_user)
}

/// What a user drew in environments that the pool pays for under another plan.
fn pool_drawn_under(book: &Book, row: &UserRow, plan: &OrganizationPlan) -> u64 {
    let by_pool = row.cells.iter().filter(|cell| {
        let name = book
            .environments
            .get(cell.environment)
            .map_or("", |it| &it.name);
        plan.allocation(name) == 0
    });
    by_pool
        .map(|cell| cell.used + cell.held - cell.trial_used - cell.trial_held)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_alike_get_shards_of_their_own() {
        for pattern in ["acme-", "tenant-0000", "org_", "a", ""] {
            let mut counts = [0; SHARDS as usize];
            for number in 0..640 {
                counts[usize::from(shard_of(&format!("{pattern}{number:02}")))] += 1;
            }
            let (least, most) = (counts.iter().min(), counts.iter().max());
            assert!(
                least >= Some(&1) && most <= Some(&30),
                "{pattern}: {counts:?}"
            );
        }
    }
}
