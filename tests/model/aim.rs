//! Random orders, continued: where time moves to, which holds are met, what is sent again.

use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::plan::Excess;
use quotad::domain::rates::{Class, Cost};
use quotad::domain::time::Timestamp;
use quotad::engine::order::{Actual, Id};

use crate::generate::{Generator, SURELY_FORGOTTEN, SURELY_REMEMBERED, Theme};
use crate::orders::{Deed, Order, Outcome, Who};
use crate::reference::{Fate, Reference, What};
use crate::rules::{Coverage, Rule};
use crate::world::Chance;

impl Generator {
    pub fn moves_time(&self, chance: &mut Chance) -> bool {
        chance.percent(match self.theme {
            Theme::Boundaries => 12,
            Theme::Trials | Theme::Shrinking => 12,
            _ => 9,
        })
    }

    /// The instant to which time moves.
    pub fn instant(&self, chance: &mut Chance, reference: &Reference) -> Timestamp {
        let now = reference.now;
        let next = reference.next_instant();
        let ends = reference
            .organizations
            .values()
            .map(|it| it.current().books.span.end);
        let end = ends.min().unwrap_or(now);
        let usable = reference
            .organizations
            .values()
            .flat_map(|it| it.current().extensions.iter().map(|it| it.0))
            .filter(|at| *at > now)
            .min();
        let trials = reference
            .organizations
            .values()
            .flat_map(|it| it.trials.values());
        let trial_end = trials
            .filter_map(|it| it.last())
            .map(|it| it.until)
            .filter(|at| *at > now)
            .min();
        let second = Duration::from_secs(1);
        let quiet = reference.expiries.is_empty();
        let to = match chance.below(24) {
            0..20 if self.theme == Theme::Boundaries && chance.percent(60) => {
                let left = end.since(now);
                if quiet && left > Duration::from_secs(3_600) {
                    end.minus(second * u32::try_from(chance.between(1, 2_000)).expect("small"))
                } else {
                    end
                }
            }
            0..12 if self.theme == Theme::Shrinking && quiet => next,
            0..2 => now.plus(Duration::from_nanos(1)),
            2..5 => now.plus(second * u32::try_from(chance.between(1, 90)).expect("small")),
            5..8 => next,
            8 => next.just_before(),
            9 => next.plus(Duration::from_nanos(1)),
            10..14 => usable.unwrap_or_else(|| now.plus(second)),
            14 => usable.map_or(now, Timestamp::just_before),
            15..17 => trial_end.unwrap_or_else(|| now.plus(second)),
            17..19 => now.plus(second * u32::try_from(chance.between(60, 600)).expect("small")),
            19 => end.just_before(),
            20 => end,
            21 if self.theme == Theme::Boundaries => end,
            21..23 => now.plus(second),
            _ if chance.percent(50) => now.plus(SURELY_FORGOTTEN),
            // Over several boundaries at once.
            _ => end.plus(second * u32::try_from(chance.between(0, 300_000)).expect("small")),
        };
        to.max(now)
    }

    pub fn reserve(&self, chance: &mut Chance, reference: &mut Reference, who: Who) -> Order {
        let (cost, class, price) = self.cost(chance, reference, who);
        let min = self.min(chance, class, price);
        let ttl = match chance.below(10) {
            0..8 if self.theme == Theme::Boundaries => {
                Some(Duration::from_secs(chance.between(1_800, 3_600)))
            }
            0..3 => None,
            3 => Some(Duration::from_nanos(1)),
            4..6 => Some(Duration::from_secs(chance.between(1, 60))),
            6 => Some(Duration::from_secs(60)),
            _ if chance.percent(3) => {
                Some(chance.pick(&[Duration::ZERO, Duration::from_nanos(3_600_000_000_001)]))
            }
            _ => Some(Duration::from_secs(chance.between(600, 3_600))),
        };
        Order::Reserve {
            who,
            cost,
            min,
            ttl,
            id: chance.percent(40).then(|| chance.id()),
        }
    }

    /// A hold that is open, expired or settled, not so long ago that it might be forgotten; or an id that is none's.
    pub fn hold(&self, chance: &mut Chance, reference: &Reference) -> Option<Id> {
        let recent = reference.now.minus(SURELY_REMEMBERED);
        let forgotten = |id: &Id| !reference.ids.contains_key(id);
        let ended = |id: &Id| match reference.ids.get(id).map(|it| &it.what) {
            Some(What::Hold { index, .. }) => reference.holds[*index].ended,
            _ => None,
        };
        if chance.percent(4) {
            return Some(chance.id());
        }
        if chance.percent(2)
            && let Some(id) = self.holds.iter().copied().find(forgotten)
        {
            return Some(id);
        }
        let charged = self.sent.iter().rev().find_map(|order| match order {
            Order::Charge { id, .. } => {
                id.filter(|id| match reference.ids.get(id).map(|it| &it.what) {
                    Some(What::Charge(_, at)) => *at > recent,
                    _ => false,
                })
            }
            _ => None,
        });
        if charged.is_some() && chance.percent(2) {
            return charged;
        }
        let usable: Vec<Id> = self
            .holds
            .iter()
            .copied()
            .filter(|id| !forgotten(id) && ended(id).is_none_or(|at| at > recent))
            .collect();
        let open: Vec<Id> = usable
            .iter()
            .copied()
            .filter(|id| ended(id).is_none())
            .collect();
        let in_closed_cycle = |id: &Id| match reference.ids.get(id).map(|it| &it.what) {
            Some(What::Hold { index, .. }) => reference.is_in_closed_cycle(*index),
            _ => false,
        };
        let closed: Vec<Id> = open.iter().copied().filter(in_closed_cycle).collect();
        if !closed.is_empty() && chance.percent(75) {
            return Some(chance.pick(&closed));
        }
        let expired = |id: &Id| match reference.ids.get(id).map(|it| &it.what) {
            Some(What::Hold { index, .. }) => matches!(reference.holds[*index].fate, Fate::Expired),
            _ => false,
        };
        let expired: Vec<Id> = usable.iter().copied().filter(expired).collect();
        let of = match chance.below(10) {
            0..6 if !open.is_empty() => open,
            6..9 if !expired.is_empty() => expired,
            _ if !usable.is_empty() => usable,
            _ => return None,
        };
        Some(chance.pick(&of))
    }

    pub fn commit(&self, chance: &mut Chance, reference: &mut Reference, who: Who) -> Order {
        let Some(id) = self.hold(chance, reference) else {
            return self.reserve(chance, reference, who);
        };
        let excess = if chance.percent(25) {
            Excess::Reject
        } else {
            Excess::Record
        };
        let Some(What::Hold { index, .. }) = reference.ids.get(&id).map(|it| &it.what) else {
            return Order::Commit {
                id,
                actual: Actual::Amount(Credits::ZERO),
                excess,
            };
        };
        let hold = reference.holds[*index].clone();
        let held = u64::try_from(hold.held).expect("never below zero");
        reference.settle(&hold.at.organization, reference.now);
        let fits = reference.organizations[&hold.at.organization].headroom(&hold.at, hold.class);
        let fits = u64::try_from(fits).expect("never below zero").min(1_000);
        let amount = match (&hold.fate, chance.below(12)) {
            (Fate::Committed(first), 0..=8) => first.committed.get(),
            (_, 0..4) => held,
            (_, 4..7) => chance.between(0, held),
            (_, 7) => held + fits,
            (_, 8 | 9) => held + fits + 1,
            (_, 10) => 0,
            _ => held + chance.between(1, 20),
        };
        let free = hold.class == Class::Free;
        let amount = Credits::new(if free { held } else { amount }).unwrap_or(Credits::MAX);
        let actual = match hold.rate {
            Some(rate) if chance.percent(30) && !matches!(hold.fate, Fate::Committed(_)) => {
                Actual::Quantity(amount.get() / rate.credits.get().max(1))
            }
            None if chance.percent(1) => Actual::Quantity(1),
            _ => Actual::Amount(amount),
        };
        Order::Commit { id, actual, excess }
    }

    pub fn extend(&self, chance: &mut Chance, reference: &mut Reference, who: Who) -> Order {
        let Some(id) = self.hold(chance, reference) else {
            return self.reserve(chance, reference, who);
        };
        let fits = match reference.ids.get(&id).map(|it| &it.what) {
            Some(What::Hold { index, .. }) => {
                let hold = reference.holds[*index].clone();
                reference.settle(&hold.at.organization, reference.now);
                let fits =
                    reference.organizations[&hold.at.organization].headroom(&hold.at, hold.class);
                u64::try_from(fits).expect("never below zero").min(1_000)
            }
            _ => 0,
        };
        let in_closed_cycle = match reference.ids.get(&id).map(|it| &it.what) {
            Some(What::Hold { index, .. }) => reference.is_in_closed_cycle(*index),
            _ => false,
        };
        let additional = match chance.below(8) {
            _ if in_closed_cycle && chance.percent(95) => 0,
            0..2 => fits + 1,
            2 => fits,
            3..5 => chance.between(1, fits.max(2)),
            _ => 0,
        };
        let needs_ttl = additional == 0 || chance.percent(40);
        let ttl = needs_ttl.then(|| Duration::from_secs(chance.between(1, 3_600)));
        let request_id = chance.percent(45).then(|| chance.id());
        Order::Extend {
            id,
            additional,
            ttl,
            request_id,
        }
    }

    /// An order that was sent before, as it was or with other contents.
    pub fn again(&mut self, chance: &mut Chance, reference: &mut Reference) -> (Order, bool) {
        let recent = reference.now.minus(SURELY_REMEMBERED);
        let remembered = |id: &Id| match reference.ids.get(id).map(|it| &it.what) {
            Some(What::Hold { index, .. }) => {
                reference.holds[*index].ended.is_none_or(|at| at > recent)
            }
            Some(What::Charge(_, at) | What::Adjusted(at)) => *at > recent,
            None => false,
        };
        let extended = |id: &Id, request: &Id| match reference.ids.get(id).map(|it| &it.what) {
            Some(What::Hold { index, .. }) => reference.holds[*index]
                .extensions
                .get(request)
                .map(|it| it.2),
            _ => None,
        };
        let usable: Vec<usize> = (0..self.sent.len())
            .rev()
            .take(60)
            .filter(|index| match &self.sent[*index] {
                Order::Reserve { id: Some(id), .. } | Order::Charge { id: Some(id), .. } => {
                    remembered(id)
                }
                Order::Extend {
                    id,
                    request_id: Some(request),
                    ..
                } => remembered(id) && extended(id, request).is_some_and(|at| at > recent),
                Order::Deed(deed) => {
                    deed.id.is_some_and(|id| remembered(&id)) || deed.is_remembered(reference)
                }
                _ => false,
            })
            .collect();
        if usable.is_empty() {
            let who = self.who(chance, reference);
            return (self.reserve(chance, reference, who), true);
        }
        let mut order = self.sent[chance.pick(&usable)].clone();
        if chance.percent(40) {
            match &mut order {
                Order::Reserve { who, .. } | Order::Charge { who, .. } if chance.percent(50) => {
                    who.environment = if who.environment == "dev" {
                        "prod"
                    } else {
                        "dev"
                    };
                }
                Order::Reserve { cost, .. } | Order::Charge { cost, .. } => {
                    let amount = Credits::new(777_777).expect("within bounds");
                    *cost = Cost::Credits {
                        amount,
                        operation: None,
                    };
                }
                Order::Extend { additional, .. } => *additional += 1,
                Order::Deed(deed) => *deed = deed.changed(),
                _ => {}
            }
        }
        (order, false)
    }

    /// Remembers what was answered, for later orders.
    pub fn observe(
        &mut self,
        order: &Order,
        outcome: &Outcome,
        given: Option<Id>,
        coverage: &mut Coverage,
    ) {
        if let (Order::Reserve { cost, min, .. }, Outcome::Reserved { granted, .. }) =
            (order, outcome)
        {
            self.holds
                .extend(given.filter(|id| !self.holds.contains(id)));
            let asked = match cost {
                Cost::Credits { amount, .. } => Some(amount.get()),
                Cost::Usage { .. } => None,
            };
            if min.is_some() && asked.is_some_and(|asked| *granted < asked) {
                coverage.count(Rule::PartialGrant);
            }
            if *granted == 0 {
                coverage.count(Rule::ZeroGranted);
            }
        }
        if let (Order::Reserve { min: Some(_), .. } | Order::Check { min: Some(_), .. }, Some(_)) =
            (order, outcome.denial())
        {
            coverage.count(Rule::MinDenied);
        }
        if self.holds.len() > 200 {
            self.holds.drain(..100);
        }
        let succeeded = matches!(
            outcome,
            Outcome::Reserved { .. } | Outcome::Committed { .. } | Outcome::At(_) | Outcome::Done
        );
        if succeeded
            && matches!(
                order,
                Order::Reserve { id: Some(_), .. }
                    | Order::Charge { id: Some(_), .. }
                    | Order::Extend {
                        request_id: Some(_),
                        ..
                    }
                    | Order::Deed(Deed { id: Some(_), .. })
            )
        {
            self.sent.push(order.clone());
        }
    }
}
