//! Who pays for a request, and which caps bind it (sections 4 and 5).

use super::charge::{Bound, Reason};
use super::rates::Class;

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// The environment's allocation.
    Environment,
    /// The user's set-aside first, if there is one, then the pool.
    Pool,
    /// The user's set-aside alone: unallocated use is off.
    SetAside,
    /// The user's trial.
    Trial,
}

/// A payer's pots in the order in which they are drawn: base, extension, allowance. All in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pots {
    /// The allocation, the pool's base, the trial.
    pub base: u64,
    /// What this payer has drawn from the extension, as stored.
    pub share: u64,
    /// What is left of the extension, for whoever comes first.
    pub extension_left: u64,
    /// What the overage policy adds.
    pub allowance: u64,
}

impl Pots {
    /// Base and what the extension can give this payer.
    pub fn covered(&self) -> u64 {
        self.base + self.share + self.extension_left
    }

    /// How far a class reaches.
    pub fn reach(&self, class: Class) -> u64 {
        match class {
            Class::Run | Class::Free => self.covered() + self.allowance,
            Class::Maker => self.covered(),
        }
    }

    /// The share of the extension that belongs to this much drawn: what is beyond the base, as far as the extension goes.
    pub fn share_at(&self, drawn: u64) -> u64 {
        drawn
            .saturating_sub(self.base)
            .min(self.share + self.extension_left)
    }
}

/// Something drawn against something that it may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Committed and held.
    pub drawn: u64,
    /// How far it may go.
    pub reach: u64,
}

impl Meter {
    /// What is left; negative if more is drawn than may be.
    pub fn headroom(self) -> i64 {
        difference(self.reach, self.drawn)
    }
}

/// `a - b`, for figures far below the edge of the type: counters end at 2^53.
pub fn difference(a: u64, b: u64) -> i64 {
    let signed = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
    signed(a) - signed(b)
}

/// Everything that decides about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Nothing to draw on at all: refused with this reason, in the name of this account, even for 0 credits.
    pub refused: Option<(Reason, Bound)>,
    /// Who pays.
    pub payer: Payer,
    /// The payer's pots; of `SetAside` unused.
    pub pots: Pots,
    /// What is drawn at the payer: pool drawn for `Pool`.
    pub drawn: u64,
    /// For `Pool` and `SetAside`: the user's limit less what the user drew where the pool pays. May be negative.
    pub set_aside_left: i64,
    /// The user's hard limit, which counts everywhere.
    pub user_cap: Option<Meter>,
    /// While set-asides exceed the entitlement: base credits drawn against the entitlement.
    pub entitlement_cap: Option<Meter>,
}

impl Route {
    /// What the payer can still give to a class.
    pub fn payer_headroom(&self, class: Class) -> i64 {
        let pots = Meter {
            drawn: self.drawn,
            reach: self.pots.reach(class),
        }
        .headroom();
        match self.payer {
            Payer::Environment | Payer::Trial => pots,
            Payer::SetAside => self.set_aside_left,
            Payer::Pool if self.set_aside_left > 0 => self.set_aside_left + pots.max(0),
            Payer::Pool => pots,
        }
    }

    /// What is left of the base credits that this request draws first.
    pub fn base_left(&self) -> i64 {
        let base = Meter {
            drawn: self.drawn,
            reach: self.pots.base,
        }
        .headroom()
        .max(0);
        match self.payer {
            Payer::Environment | Payer::Trial => base,
            Payer::SetAside => self.set_aside_left.max(0),
            Payer::Pool => self.set_aside_left.max(0) + base,
        }
    }
}
