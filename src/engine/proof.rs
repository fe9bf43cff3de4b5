//! The proof that the counters are what they have to be: an organization's are derived anew from its cells, while requests go
//! on.
//!
//! The rows are those of one instant: a copy in steps, as snapshots take it (`slab.rs`), of the rows of one book. So it takes
//! turns with them, and the lock of a shard is held for [`ROWS_AT_ONCE`] rows at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::account::Account;
use crate::domain::books::{Cell, EnvironmentSums, Running, Sums, Tally, UserTally};
use crate::domain::fact::OrganizationId;
use crate::domain::plan::OrganizationPlan;

use super::Engine;
use super::book::Book;
use super::shard::Shard;
use super::totals::Totals;

/// So many rows are looked at under one lock: some ten microseconds.
const ROWS_AT_ONCE: usize = 256;

/// So many differences are told one by one: where there are more, the first say enough.
const FINDINGS_MAX: usize = 8;

/// What a proof found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// How many accounts were compared, in all open books.
    pub accounts: u64,
    /// By how much counters differ from their derivation, all together, in credits. Always 0, unless there is a defect.
    pub difference: u64,
    /// The first counters that differ.
    pub findings: Vec<Finding>,
}

/// A counter that is not what it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The number of the book.
    pub book: u32,
    /// Whose; requests without a user count for the user without a name.
    pub account: Account,
    /// Which counter.
    pub counter: &'static str,
    /// As it is kept, in credits.
    pub kept: u64,
    /// As it has to be, in credits.
    pub derived: u64,
}

/// What came of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proven {
    /// It was carried through.
    Whole(Proof),
    /// The plan changed meanwhile, so that counters were derived anew: another time.
    Changed,
    /// The books are being copied. Ask again later.
    Busy,
    /// There is no such organization.
    Nobody,
}

/// A proof under way. Dropping it ends it.
struct Proving<'e> {
    engine: &'e Engine,
    id: OrganizationId,
    book: u32,
    plan: Arc<OrganizationPlan>,
    totals: Totals,
    pool_share: u64,
}

impl Engine {
    /// The organization whose turn comes after another's, or the first; `None` after the last.
    pub fn organization_after(&self, last: Option<OrganizationId>) -> Option<OrganizationId> {
        let shards = u8::try_from(self.shards.len()).unwrap_or(u8::MAX);
        let (from, index) = last.map_or((0, 0), |it| (it.shard, it.index + 1));
        (from..shards).find_map(|shard| {
            let index = if shard == from { index } else { 0 };
            let shard = self.shards[usize::from(shard)].lock();
            shard.organizations.get(index as usize).map(|it| it.id)
        })
    }

    /// An organization's name.
    pub fn organization_name(&self, id: OrganizationId) -> Option<Box<str>> {
        let shard = self.shards.get(usize::from(id.shard))?.lock();
        let found = shard.organizations.get(id.index as usize);
        found.map(|it| it.name.clone())
    }

    /// Derives the counters of an organization's open books from their cells, and compares. Takes as long as there are rows,
    /// some milliseconds for 100,000; requests go on meanwhile. `between` is called between two steps, without a lock.
    pub fn prove(&self, id: OrganizationId, between: &mut dyn FnMut()) -> Proven {
        let mut proof = Proof::default();
        let Some(books) = self.books_of(id) else {
            return Proven::Nobody;
        };
        for number in books {
            if self.copying.swap(true, Ordering::AcqRel) {
                return Proven::Busy;
            }
            // From here on, dropping it says that the copy has ended.
            let Some(proving) = Proving::begin(self, id, number) else {
                // The book was closed and finished in between.
                self.copying.store(false, Ordering::Release);
                continue;
            };
            if proving.run(&mut proof, between).is_none() {
                return Proven::Changed;
            }
        }
        Proven::Whole(proof)
    }

    fn books_of(&self, id: OrganizationId) -> Option<Vec<u32>> {
        let shard = self.shards.get(usize::from(id.shard))?.lock();
        let organization = shard.organizations.get(id.index as usize)?;
        Some(organization.books.iter().map(|book| book.number).collect())
    }
}

impl<'e> Proving<'e> {
    fn begin(engine: &'e Engine, id: OrganizationId, number: u32) -> Option<Self> {
        let mut shard = engine.shards[usize::from(id.shard)].lock();
        let book = shard.organization(id)?.book_mut(number)?;
        book.is_copied = true;
        book.environments.slab().begin_copy();
        book.users.slab().begin_copy();
        Some(Self {
            engine,
            id,
            book: number,
            plan: Arc::clone(&book.plan),
            totals: book.totals,
            pool_share: book.pool_share,
        })
    }

    /// Compares everything; `None` if the plan changed before the end.
    fn run(self, proof: &mut Proof, between: &mut dyn FnMut()) -> Option<()> {
        let mut environments: Vec<Option<(Box<str>, EnvironmentSums)>> = Vec::new();
        let mut allocations = Vec::new();
        let mut shares = self.pool_share;
        while self.step(|book| {
            let slab = book.environments.slab();
            slab.step(ROWS_AT_ONCE, |number, row| {
                let place = number as usize;
                if place >= environments.len() {
                    environments.resize_with(place + 1, || None);
                    allocations.resize(place + 1, 0);
                }
                let tally = Tally {
                    used: row.used,
                    held: row.held,
                };
                let kept = EnvironmentSums {
                    tally,
                    trial_used: row.trial_used,
                };
                environments[place] = Some((row.name.clone(), kept));
                allocations[place] = row.allocation;
                shares += row.share;
            });
            slab.is_copying()
        })? {
            between();
        }
        let mut running = Running::new(allocations);
        while self.step(|book| {
            let slab = book.users.slab();
            slab.step(ROWS_AT_ONCE, |_, row| {
                let cells = row.cells.iter().map(|it| {
                    let cell = Cell {
                        used: it.used,
                        held: it.held,
                        trial_used: it.trial_used,
                        trial_held: it.trial_held,
                    };
                    (it.environment as usize, cell)
                });
                let derived = running.user(row.set_aside(), cells);
                let kept = UserTally {
                    used: row.used,
                    held: row.held,
                    pool_used: row.pool_used,
                    pool_held: row.pool_held,
                };
                proof.accounts += 1;
                if kept != derived {
                    self.user(proof, &row.name, &kept, &derived);
                }
            });
            slab.is_copying()
        })? {
            between();
        }
        let (derived, sums) = running.finish();
        for (kept, derived) in environments.into_iter().zip(derived) {
            let (name, kept) = kept.unwrap_or_default();
            proof.accounts += u64::from(!name.is_empty());
            let account = || Account::Environment(name.clone());
            for (counter, kept, derived) in [
                ("used", kept.tally.used, derived.tally.used),
                ("held", kept.tally.held, derived.tally.held),
                ("trial_used", kept.trial_used, derived.trial_used),
            ] {
                self.compare(proof, account, counter, kept, derived);
            }
        }
        self.totals(proof, &sums, shares);
        Some(())
    }

    fn user(&self, proof: &mut Proof, name: &str, kept: &UserTally, derived: &UserTally) {
        let account = || Account::User(name.into());
        for (counter, kept, derived) in [
            ("used", kept.used, derived.used),
            ("held", kept.held, derived.held),
            ("pool_used", kept.pool_used, derived.pool_used),
            ("pool_held", kept.pool_held, derived.pool_held),
        ] {
            self.compare(proof, account, counter, kept, derived);
        }
    }

    fn totals(&self, proof: &mut Proof, derived: &Sums, shares: u64) {
        let kept = &self.totals;
        proof.accounts += 2;
        for (counter, kept, derived) in [
            ("used", kept.used, derived.organization.used),
            ("held", kept.held, derived.organization.held),
            ("trial_used", kept.trial_used, derived.trials.used),
            ("trial_held", kept.trial_held, derived.trials.held),
            (
                "set_aside_drawn",
                kept.set_aside_drawn,
                derived.set_aside_drawn,
            ),
            (
                "allocation_drawn",
                kept.allocation_drawn,
                derived.allocation_drawn,
            ),
            ("extension_shares", kept.shares, shares),
        ] {
            self.compare(proof, || Account::Organization, counter, kept, derived);
        }
        for (counter, kept, derived) in [
            ("used", kept.pool_used, derived.pool_used),
            ("drawn", kept.pool_drawn, derived.pool_drawn),
        ] {
            self.compare(proof, || Account::Pool, counter, kept, derived);
        }
    }

    fn compare(
        &self,
        proof: &mut Proof,
        account: impl FnOnce() -> Account,
        counter: &'static str,
        kept: u64,
        derived: u64,
    ) {
        if kept == derived {
            return;
        }
        proof.difference = proof.difference.saturating_add(kept.abs_diff(derived));
        if proof.findings.len() < FINDINGS_MAX {
            proof.findings.push(Finding {
                book: self.book,
                account: account(),
                counter,
                kept,
                derived,
            });
        }
    }

    /// Does a step with the lock held; `None` if the plan has changed: then rows are as it attributes them now.
    fn step<T>(&self, work: impl FnOnce(&mut Book) -> T) -> Option<T> {
        let mut shard = self.shard();
        let book = shard.organization(self.id)?.book_mut(self.book)?;
        Arc::ptr_eq(&book.plan, &self.plan).then(|| work(book))
    }

    fn shard(&self) -> crate::world::sync::MutexGuard<'e, Shard> {
        self.engine.shards[usize::from(self.id.shard)].lock()
    }
}

impl Drop for Proving<'_> {
    fn drop(&mut self) {
        let mut shard = self.shard();
        let is_finished = shard.organization(self.id).is_some_and(|organization| {
            if let Some(book) = organization.book_mut(self.book) {
                book.is_copied = false;
                book.environments.slab().end_copy();
                book.users.slab().end_copy();
            }
            organization.finished() > 0
        });
        if is_finished {
            shard.with(self.id, |_| ());
        }
        let finished = std::mem::take(&mut shard.finished);
        drop(shard);
        drop(finished);
        self.engine.copying.store(false, Ordering::Release);
    }
}
