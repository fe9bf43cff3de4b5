//! A request's time at a shard: with the lock, one reading of the clock, and what was due before it done.

use crate::domain::fact::{Fact, Id, OrganizationId, Slot, Tag};
use crate::domain::names::Name;
use crate::domain::time::{Now, Timestamp};
use crate::world::sabotage::{self, Fault};
use crate::world::sync::MutexGuard;

use super::Engine;
use super::answer::{Committed, Decision, EngineError, Released, Reserved};
use super::denial::precondition;
use super::holds::{Row, hex, id_of, slot_of, uuid_v7_millis};
use super::organization::Organization;
use super::recorder::Receipt;
use super::seat::Seat;
use super::shard::{Shard, Shared};

/// The lock of a shard, and the time.
pub(super) struct Desk<'e> {
    pub(super) shard: MutexGuard<'e, Shard>,
    pub(super) shared: &'e Shared,
    pub(super) now: Now,
}

/// What a caller's id turned out to be.
pub(super) enum Known {
    /// Never seen.
    New,
    /// The same request was answered before.
    Same(Slot),
    /// Another request has this id.
    Other,
}

/// An answer that says how far the record must be safe before it leaves.
pub(super) trait Receipted {
    /// Takes the receipt.
    fn stamp(&mut self, receipt: Receipt);
}

impl Receipted for Reserved {
    fn stamp(&mut self, receipt: Receipt) {
        self.receipt = receipt;
    }
}

impl Receipted for Committed {
    fn stamp(&mut self, receipt: Receipt) {
        self.receipt = receipt;
    }
}

impl Receipted for Released {
    fn stamp(&mut self, receipt: Receipt) {
        self.receipt = receipt;
    }
}

impl<T> Receipted for (T, Receipt) {
    fn stamp(&mut self, receipt: Receipt) {
        self.1 = receipt;
    }
}

/// A denial tells of nothing that was recorded.
impl<T: Receipted> Receipted for Decision<T> {
    #[inline]
    fn stamp(&mut self, receipt: Receipt) {
        if let Self::Granted(answer) = self {
            answer.stamp(receipt);
        }
    }
}

impl Engine {
    /// Does something at a shard. Whatever happened, also before an error, is recorded before the lock is released.
    pub(super) fn desk<T>(
        &self,
        shard: u8,
        work: impl FnOnce(&mut Desk<'_>) -> Result<T, EngineError>,
    ) -> Result<(T, Receipt), EngineError> {
        self.request(shard, |desk| Ok((work(desk)?, Receipt::default())))
    }

    /// The same, with the receipt put on the answer where it lies: answers are large, and this is on the way of each.
    #[inline(always)]
    pub(super) fn request<T: Receipted>(
        &self,
        shard: u8,
        work: impl FnOnce(&mut Desk<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if self.has_failed() {
            return Err(EngineError::Unrecorded);
        }
        let mut desk = self.sit_down(shard)?;
        let mut done = work(&mut desk);
        let recorded = desk.shard.record();
        let has_finished = !desk.shard.finished.is_empty();
        let finished = has_finished.then(|| std::mem::take(&mut desk.shard.finished));
        drop(desk);
        if let Some(finished) = finished {
            self.shared.bury(finished);
        }
        let receipt = recorded.inspect_err(|_| self.poison())?;
        if let Ok(answer) = &mut done {
            answer.stamp(receipt);
        }
        done
    }

    /// Takes the lock, reads the clock, and lets happen what is due; where that is much, others get turns in between.
    #[inline(always)]
    fn sit_down(&self, shard: u8) -> Result<Desk<'_>, EngineError> {
        loop {
            let mut guard = self.shards[usize::from(shard)].lock();
            let now = self.now();
            if !guard.advance(now) {
                return Ok(Desk {
                    shard: guard,
                    shared: &self.shared,
                    now,
                });
            }
            guard.record().inspect_err(|_| self.poison())?;
        }
    }

    /// The slot that an id names, if it was given out or chosen and is remembered.
    pub(super) fn slot(&self, id: &Id) -> Result<Slot, EngineError> {
        let (slot, start) = slot_of(id);
        let names_slot = usize::from(slot.shard) < self.shards.len();
        if names_slot && start == self.shared.start {
            return Ok(slot);
        }
        let chosen = self.shared.ids.get(id).map(|slot| *slot);
        // An id of an earlier start names its slot as well: whether that still holds its request is seen there.
        let found = chosen.or_else(|| names_slot.then_some(slot));
        found.ok_or_else(|| EngineError::UnknownReservation(hex(id)))
    }
}

impl Desk<'_> {
    /// The organization that a request names, if it was ever in a plan. An organization's shard follows from its name, so
    /// that it is found without a map that all shards share.
    #[inline(always)]
    pub(super) fn find(&self, name: Name<'_>) -> Result<OrganizationId, EngineError> {
        let found = self.shard.organizations.find(name.as_str());
        found
            .map(|it| it.id)
            .ok_or_else(|| EngineError::UnknownOrganization(name.as_str().into()))
    }

    /// The organization of a request, if the plan names it.
    pub(super) fn organization(
        &self,
        id: OrganizationId,
        name: Name<'_>,
    ) -> Result<&Organization, EngineError> {
        let found = self
            .shard
            .organizations
            .get(id.index as usize)
            .filter(|it| it.is_planned);
        found.ok_or_else(|| EngineError::UnknownOrganization(name.as_str().into()))
    }

    /// An organization's name; empty if there is none.
    pub(super) fn name_of(&self, id: OrganizationId) -> Box<str> {
        let found = self.shard.organizations.get(id.index as usize);
        found.map_or_else(Box::default, |it| it.name.clone())
    }

    /// A remembered request, as it is now.
    #[inline(always)]
    pub(super) fn remembered(&self, slot: Slot, id: &Id) -> Result<Row, EngineError> {
        let row = self.shard.holds.get(slot).filter(|row| row.id == *id);
        row.ok_or_else(|| EngineError::UnknownReservation(hex(id)))
    }

    /// Whether a caller's id was seen before. A UUIDv7 from before the horizon cannot be told from a retry that was
    /// forgotten: it is refused rather than booked twice.
    pub(super) fn known(&self, id: &Id, fingerprint: u64) -> Result<Known, EngineError> {
        let found = self.shared.ids.get(id).map(|slot| *slot);
        if let Some(slot) = found.filter(|_| !sabotage::is(Fault::ForgetId)) {
            let row = if slot.shard == self.shard.number {
                self.shard.holds.get(slot)
            } else {
                None
            };
            let is_same = row.is_some_and(|row| row.id == *id && row.fingerprint == fingerprint);
            return Ok(if is_same {
                Known::Same(slot)
            } else {
                Known::Other
            });
        }
        let horizon = self.shard.horizon(self.now);
        if uuid_v7_millis(id).is_some_and(|millis| Timestamp::from_millis(millis) < horizon) {
            return Err(precondition(format!(
                "id {} is older than what is remembered (since {}); it may have been booked already, so nothing was \
                 booked; ask for the balance, and send a new id if the work was not booked",
                hex(id),
                horizon.to_utc().format("%Y-%m-%dT%H:%M:%SZ"),
            )));
        }
        Ok(Known::New)
    }

    /// Names a new remembered request. `None` if another shard took the caller's id in this very moment.
    #[inline(always)]
    pub(super) fn tag(&self, id: Option<&Id>, fingerprint: u64) -> Option<Tag> {
        let slot = self.shard.holds.next(self.shard.number);
        let Some(&id) = id else {
            return Some(Tag {
                slot,
                id: id_of(slot, self.shared.start),
                chosen: false,
                fingerprint,
            });
        };
        if sabotage::is(Fault::ForgetId) {
            self.shared.ids.insert(id, slot);
        }
        let claimed = *self.shared.ids.entry(id).or_insert(slot);
        (claimed == slot).then_some(Tag {
            slot,
            id,
            chosen: true,
            fingerprint,
        })
    }

    /// Gives the environment and the user rows in the present book, where they have none.
    pub(super) fn name_rows(
        &mut self,
        organization: OrganizationId,
        seat: &Seat,
        environment: &str,
        user: &str,
    ) -> Option<(u32, u32, u32)> {
        let book = self
            .shard
            .organizations
            .get(organization.index as usize)?
            .present()?;
        let (number, next) = (book.number, (book.environments.next(), book.users.next()));
        let environment_row = seat.environment.unwrap_or(next.0);
        let user_row = seat.user.unwrap_or(next.1);
        if seat.environment.is_none() {
            let name = environment.into();
            let fact = Fact::EnvironmentNamed {
                organization,
                book: number,
                environment: environment_row,
                name,
            };
            self.shard.happen(fact);
        }
        if seat.user.is_none() {
            let name = user.into();
            self.shard.happen(Fact::UserNamed {
                organization,
                book: number,
                user: user_row,
                name,
            });
        }
        Some((number, environment_row, user_row))
    }
}
