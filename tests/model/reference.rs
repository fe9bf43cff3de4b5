//! The rule book a second time: plain, single-threaded, in `i128`, with no counter kept beside the cells.
//!
//! It takes the orders of the engine and gives its answers, so that the two can be held against each other. It knows
//! nothing of how the engine works. Time moves only in [`Reference::advance_to`], instant by instant.

// Three test binaries share these files, and each uses a part.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod balance;
mod changes;
pub mod decide;
mod holds;
mod marks;
mod time;
pub mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quotad::domain::books::{Books, Cell, Payer};
use quotad::domain::credits::Credits;
use quotad::domain::cycle::Calendar;
use quotad::domain::plan::{OrganizationPlan, Plan};
use quotad::domain::rates::{Class, Rate};
use quotad::domain::time::Timestamp;
use quotad::engine::answer::{Account, Committed, EngineError, Notice, Released, Reserved};
use quotad::engine::order::Id;

use crate::orders::Deed;

/// Why something could not be done, without the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    Invalid,
    UnknownOrganization,
    UnknownReservation,
    Precondition,
    /// A set-aside rose beyond the entitlement.
    RefusedSum,
    /// An allocation below what was drawn.
    RefusedAllocation,
    Unrecorded,
}

impl Failure {
    /// The engine's words, as far as they tell kinds apart.
    pub fn of(error: &EngineError) -> Self {
        match error {
            EngineError::Invalid { .. } => Self::Invalid,
            EngineError::UnknownOrganization(_) => Self::UnknownOrganization,
            EngineError::UnknownReservation(_) => Self::UnknownReservation,
            EngineError::Precondition(_) => Self::Precondition,
            EngineError::Refused(_) => Self::RefusedSum,
            _ => Self::Unrecorded,
        }
    }

    /// What the engine's errors can tell apart.
    pub fn kind(self) -> Self {
        if self == Self::RefusedAllocation {
            Self::RefusedSum
        } else {
            self
        }
    }
}

pub type Answer<T> = Result<T, Failure>;

/// What happened on the way, by the names of the rules: the driver counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    Expired,
    ExpiredAfterBoundary,
    Boundary,
    BoundaryWithOpenHolds,
    CalendarChanged,
    RolledOver,
    RolloverCapped,
    GrantEdge,
    PaidDown,
    ShareReturned,
    ShareShrunkByChange,
    SetAsidePaid,
    PoolBasePaid,
    EnvironmentBasePaid,
    ExtensionPaid,
    AllowancePaid,
    TrialPaid,
    WouldBeDenied,
    OverAllocatedCapBinds,
    CommitInClosedCycle,
    MarkByChange,
    CommitAboveHold,
    ReleasedExpired,
    ExtendLengthensClosed,
    FreeNeverRefused,
    MakerGranted,
    DeedRepeated,
}

#[derive(Clone, Debug)]
pub struct Reference {
    pub plan: Plan,
    pub now: Timestamp,
    pub organizations: BTreeMap<Box<str>, Organization>,
    pub holds: Vec<Hold>,
    pub ids: BTreeMap<Id, Known>,
    /// When holds end by themselves; at the same instant in the order of their reservation.
    pub expiries: BTreeSet<(Timestamp, usize)>,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug)]
pub struct Organization {
    /// The instant up to which what depends on the time has been brought.
    pub seen: Timestamp,
    /// In effect for the current cycle.
    pub calendar: Calendar,
    /// The last one is the current one.
    pub cycles: Vec<Cycle>,
    pub trials: BTreeMap<Box<str>, Vec<Period>>,
    /// When extensions were requested, ever.
    pub requested: Vec<Timestamp>,
    /// Extensions and trials by their ids, with what was answered, and in which cycle.
    pub deeds: BTreeMap<Id, (Deed, Timestamp, usize)>,
    pub notices: Vec<Notice>,
    pub would_be_denied: u64,
    pub usage: usage::Rows,
}

#[derive(Clone, Debug)]
pub struct Cycle {
    pub books: Books,
    pub fired: BTreeSet<(Account, u32)>,
    pub extensions: Vec<(Timestamp, u64)>,
    /// In which its days are counted.
    pub calendar: Calendar,
}

/// One period of a user's trial.
#[derive(Clone, Debug)]
pub struct Period {
    pub from: Timestamp,
    pub until: Timestamp,
    pub credits: i128,
    pub used: i128,
    pub held: i128,
}

#[derive(Clone, Debug)]
pub struct Hold {
    pub id: Id,
    pub at: Place,
    pub class: Class,
    pub rate: Option<Rate>,
    pub work: usage::Work,
    pub held: i128,
    pub expires: Timestamp,
    pub fate: Fate,
    /// When it was settled, or expired.
    pub ended: Option<Timestamp>,
    /// Extensions by their request ids: what was sent, what was answered, when.
    pub extensions: BTreeMap<Id, (String, Reserved, Timestamp)>,
}

/// Where a request is booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub organization: Box<str>,
    /// Index of the cycle.
    pub cycle: usize,
    pub environment: Box<str>,
    pub user: Option<Box<str>>,
    /// The period of the user's trial that pays.
    pub period: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum Fate {
    Open,
    Expired,
    Committed(Committed),
    Released(Released),
}

/// What an id stands for, and what was sent with it.
#[derive(Clone, Debug)]
pub struct Known {
    pub contents: String,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Hold {
        index: usize,
        first: Reserved,
    },
    /// The answer, and when it was given.
    Charge(Committed, Timestamp),
    /// When.
    Adjusted(Timestamp),
}

pub fn u(amount: i128) -> u64 {
    u64::try_from(amount).expect("the reference never books below zero or beyond 64 bits")
}

pub fn credits(amount: i128) -> Credits {
    Credits::new(u(amount)).expect("the reference never books beyond the largest amount")
}

impl Reference {
    pub fn new(now: Timestamp) -> Self {
        Self {
            plan: Plan::default(),
            now,
            organizations: BTreeMap::new(),
            holds: Vec::new(),
            ids: BTreeMap::new(),
            expiries: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    pub fn organization(&self, name: &str) -> Answer<&Organization> {
        self.organizations
            .get(name)
            .ok_or(Failure::UnknownOrganization)
    }

    /// Whether a hold was made in a cycle that is over.
    pub fn is_in_closed_cycle(&self, index: usize) -> bool {
        let place = &self.holds[index].at;
        place.cycle + 1 < self.organizations[&place.organization].cycles.len()
    }

    pub fn organization_mut(&mut self, name: &str) -> &mut Organization {
        self.organizations.get_mut(name).expect("looked up before")
    }

    pub fn cycle_mut(&mut self, place: &Place) -> &mut Cycle {
        &mut self.organization_mut(&place.organization).cycles[place.cycle]
    }

    /// What fired since the last call.
    pub fn notices(&mut self, name: &str) -> Answer<Vec<Notice>> {
        self.organization(name)?;
        Ok(std::mem::take(&mut self.organization_mut(name).notices))
    }

    /// The cycles that still matter: the current one, and closed ones with open holds.
    pub fn open_cycles(&self, name: &str) -> Vec<&Books> {
        let Ok(organization) = self.organization(name) else {
            return Vec::new();
        };
        let last = organization.cycles.len() - 1;
        let with_holds: BTreeSet<usize> = self
            .holds
            .iter()
            .filter(|hold| &*hold.at.organization == name && matches!(hold.fate, Fate::Open))
            .map(|hold| hold.at.cycle)
            .chain([last])
            .collect();
        with_holds
            .into_iter()
            .map(|index| &organization.cycles[index].books)
            .collect()
    }

    /// Books a change of a cell, and stores what the payer pays down.
    pub fn book(&mut self, place: &Place, used: i128, held: i128, at: Timestamp) {
        let organization = self
            .organizations
            .get_mut(&place.organization)
            .expect("looked up before");
        let cycle = &mut organization.cycles[place.cycle];
        cycle.settle_extension(at);
        let payer = cycle.books.payer_of(&place.environment);
        let before = (cycle.books.paid(&payer), cycle.books.drawn(&payer));
        let pots_before = cycle.pots(place);
        let key = (place.environment.clone(), place.user.clone());
        let cell = cycle.books.cells.entry(key.clone()).or_default();
        cell.used = u(i128::from(cell.used) + used);
        cell.held = u(i128::from(cell.held) + held);
        if let Some(period) = place.period {
            cell.trial_used = u(i128::from(cell.trial_used) + used);
            cell.trial_held = u(i128::from(cell.trial_held) + held);
            let user = place.user.as_ref().expect("trials are of users");
            let period = &mut organization.trials.get_mut(user).expect("a hold's trial")[period];
            period.used += used;
            period.held += held;
            if used + held > 0 {
                self.events.push(Event::TrialPaid);
            }
        }
        if cell.is_empty() {
            cycle.books.cells.remove(&key);
        }
        if before != (cycle.books.paid(&payer), cycle.books.drawn(&payer)) {
            let share_before = cycle.books.share(&payer);
            let grown = (used + held).max(0);
            cycle.books.store_share(&payer);
            let share = cycle.books.share(&payer);
            if share < share_before {
                self.events.push(Event::ShareReturned);
            } else if share - share_before > grown {
                self.events.push(Event::PaidDown);
            }
        }
        let pots = cycle.pots(place);
        self.events.extend(
            pots_before
                .iter()
                .zip(&pots)
                .filter(|(a, b)| b.1 > a.1)
                .map(|(_, pot)| pot.0),
        );
    }
}

impl Cycle {
    /// The extension as it can be used at an instant of this cycle.
    pub fn settle_extension(&mut self, at: Timestamp) {
        let at = self.books.span.clamp(at);
        self.books.extension = self
            .extensions
            .iter()
            .filter(|it| it.0 <= at)
            .map(|it| it.1)
            .sum();
    }

    /// What each pot that could pay there has paid: for the count of what was tried.
    fn pots(&self, place: &Place) -> [(Event, i128); 4] {
        let books = &self.books;
        let payer = books.payer_of(&place.environment);
        let (base, drawn, share) = (books.base(&payer), books.drawn(&payer), books.share(&payer));
        let user = place.user.as_deref();
        let base_event = match payer {
            Payer::Pool => Event::PoolBasePaid,
            Payer::Environment(_) => Event::EnvironmentBasePaid,
        };
        let set_aside = match payer {
            Payer::Pool => books.user_pool_drawn(user).min(books.limit(user)),
            Payer::Environment(_) => 0,
        };
        [
            (Event::SetAsidePaid, set_aside),
            (base_event, drawn.min(base)),
            (Event::ExtensionPaid, share),
            (Event::AllowancePaid, (drawn - base - share).max(0)),
        ]
    }
}

/// What the reference does with books beyond deriving figures.
pub trait Settle {
    fn payer_of(&self, environment: &str) -> Payer;
    fn store_share(&mut self, payer: &Payer);
    fn shrink_shares(&mut self) -> bool;
    fn cell(&self, environment: &str, user: Option<&str>) -> Cell;
}

impl Settle for Books {
    /// Who pays there, if no trial does.
    fn payer_of(&self, environment: &str) -> Payer {
        if self.pool_funds(environment) {
            Payer::Pool
        } else {
            Payer::Environment(environment.into())
        }
    }

    /// Stores what a payer pays down, or gives back.
    fn store_share(&mut self, payer: &Payer) {
        let share = self.share_as_if(payer);
        if share > 0 {
            self.shares.insert(payer.clone(), u(share));
        } else {
            self.shares.remove(payer);
        }
    }

    /// At a change every share shrinks to what is beyond the base; a payer that ceases gives all back.
    fn shrink_shares(&mut self) -> bool {
        let before = self.shares.clone();
        let payers = self.payers();
        let shrunk: BTreeMap<Payer, u64> = before
            .iter()
            .filter(|(payer, _)| payers.contains(payer))
            .map(|(payer, &share)| {
                let beyond_base = (self.drawn(payer) - self.base(payer)).max(0);
                (payer.clone(), u(beyond_base.min(share.into())))
            })
            .filter(|(_, share)| *share > 0)
            .collect();
        self.shares = shrunk;
        self.shares != before
    }

    fn cell(&self, environment: &str, user: Option<&str>) -> Cell {
        self.cells
            .get(&(environment.into(), user.map(Into::into)))
            .copied()
            .unwrap_or_default()
    }
}

impl Organization {
    pub fn current(&self) -> &Cycle {
        self.cycles
            .last()
            .expect("an organization has a current cycle")
    }

    pub fn current_mut(&mut self) -> &mut Cycle {
        self.cycles
            .last_mut()
            .expect("an organization has a current cycle")
    }

    pub fn plan(&self) -> &Arc<OrganizationPlan> {
        &self.current().books.plan
    }

    /// The period of a user's trial that runs at an instant.
    pub fn running(&self, user: Option<&str>, now: Timestamp) -> Option<usize> {
        let periods = self.trials.get(user?)?;
        let last = periods.len() - 1;
        (periods[last].from <= now && now < periods[last].until).then_some(last)
    }
}
