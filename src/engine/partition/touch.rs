//! Applying facts is waiting for memory: each finds its rows somewhere else, and the next one begins only afterwards. So the
//! rows that a batch needs are looked at before it is applied. Nothing depends on what is seen there, so that the processor
//! fetches many of them at once.

use std::hint::black_box;

use crate::domain::fact::{Fact, Place, Slot};

use crate::engine::cell::UserRow;
use crate::engine::organization::Organization;
use crate::engine::shard::Shard;

/// Looks at what these facts will change, of shards that are found.
pub(super) fn touch<'s>(facts: &[(u32, Fact)], find: impl Fn(u8) -> Option<&'s Shard>) {
    let found = |fact: &Fact| fact.shard().and_then(&find);
    // Where a row says where the next one is, that is looked at only when all of the first are on their way.
    for (_, fact) in facts {
        if let Some(shard) = found(fact) {
            black_box(shard.first(fact));
        }
    }
    for (_, fact) in facts {
        if let Some(shard) = found(fact) {
            black_box(shard.second(fact));
        }
    }
}

impl Shard {
    /// The row of the user that a fact books for; or else the hold that it settles.
    fn first(&self, fact: &Fact) -> Option<u64> {
        match fact {
            Fact::Held(held) => self.drawn(&held.place),
            Fact::Charged(charged) => self.drawn(&charged.place),
            Fact::Committed(settled) | Fact::Released(settled) => self.made(settled.slot),
            Fact::Expired { slot, .. } => self.made(*slot),
            _ => None,
        }
    }

    /// The usage row that is next to a user's; the user of a hold.
    fn second(&self, fact: &Fact) -> Option<u64> {
        match fact {
            Fact::Held(held) => self.booked(&held.place),
            Fact::Charged(charged) => self.booked(&charged.place),
            Fact::Committed(settled) | Fact::Released(settled) => {
                self.booked(&self.holds.get(settled.slot)?.place)
            }
            Fact::Expired { slot, .. } => self.drawn(&self.holds.get(*slot)?.place),
            Fact::Forgotten { .. } => self.drawn(&self.holds.oldest_place()?),
            _ => None,
        }
    }

    fn made(&self, slot: Slot) -> Option<u64> {
        self.holds.get(slot).map(|row| row.sequence)
    }

    fn drawn(&self, place: &Place) -> Option<u64> {
        self.user(place).map(|(_, row)| row.used)
    }

    fn booked(&self, place: &Place) -> Option<u64> {
        let (organization, user) = self.user(place)?;
        let cell = user.cell(place.environment)?;
        let row = organization.days.last(place.book, cell.last_row)?;
        Some(row.user.into())
    }

    fn user(&self, place: &Place) -> Option<(&Organization, &UserRow)> {
        let index = place.organization.index as usize;
        let organization = self.organizations.get(index)?;
        let user = organization.book(place.book)?.users.get(place.user)?;
        Some((organization, user))
    }
}
