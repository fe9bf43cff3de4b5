//! Random orders, steered to the edges: just what is available and one more, the instant itself and the one before.

use std::sync::Arc;
use std::time::Duration;

use quotad::domain::books::Payer;
use quotad::domain::credits::Credits;
use quotad::domain::plan::{Excess, Plan};
use quotad::domain::rates::{Class, Cost};
use quotad::domain::time::Timestamp;
use quotad::engine::order::{Actual, Id};

use crate::orders::{Order, Outcome, Who, Whose};
use crate::plans::{ENVIRONMENTS, OPERATIONS, ORGANIZATIONS, Planner, USERS};
use crate::reference::{Fate, Reference, What};
use crate::rules::{Coverage, Rule};
use crate::world::Chance;

/// Settled requests are remembered for 15 minutes; in the minute before and after nothing is asked of them.
const SURELY_REMEMBERED: Duration = Duration::from_secs(14 * 60);
const SURELY_FORGOTTEN: Duration = Duration::from_secs(16 * 60);

/// What a world is about: some rules meet too seldom where everything happens alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Plain,
    /// Little or nothing is purchased.
    Trials,
    /// Overage is allowed and extensions are requested.
    Extensions,
    /// Denials are only counted.
    Shadow,
    /// Grants end and are taken away under what is set aside.
    Shrinking,
    /// Holds live over boundaries.
    Boundaries,
}

pub struct Generator {
    theme: Theme,
    tries: std::cell::Cell<u32>,
    pub start: Timestamp,
    planner: Planner,
    organizations: usize,
    /// Orders that carried an id and were answered: they may be sent again.
    sent: Vec<Order>,
    /// Ids of holds.
    holds: Vec<Id>,
}

impl Generator {
    pub fn new(chance: &mut Chance) -> Self {
        let hours = chance.between(0, 24 * 60);
        // 2026-10-20T00:00:00Z and up to 60 days on: month ends and changes of local time are near.
        let start =
            Timestamp::from_millis(1_792_454_400_000).plus(Duration::from_secs(hours * 3_600));
        let theme = chance.pick(&[
            Theme::Plain,
            Theme::Trials,
            Theme::Trials,
            Theme::Extensions,
            Theme::Extensions,
            Theme::Extensions,
            Theme::Extensions,
            Theme::Extensions,
            Theme::Shadow,
            Theme::Shrinking,
            Theme::Shrinking,
            Theme::Shrinking,
            Theme::Boundaries,
            Theme::Boundaries,
            Theme::Boundaries,
            Theme::Boundaries,
        ]);
        let planner = Planner {
            around: start,
            theme,
        };
        let organizations = match theme {
            Theme::Trials => 3,
            Theme::Boundaries | Theme::Extensions => 1,
            _ => chance.pick(&[1, 1, 2, 3]),
        };
        Self {
            theme,
            tries: Default::default(),
            start,
            planner,
            organizations,
            sent: Vec::new(),
            holds: Vec::new(),
        }
    }

    /// The first plan; what sets too much aside is refused a few times, then nothing is set aside.
    pub fn first_plan(&self, chance: &mut Chance) -> Plan {
        self.tries.set(self.tries.get() + 1);
        let mut plan = self.planner.plan(chance, self.organizations);
        if self.tries.get() > 5 {
            for terms in plan.organizations.values_mut() {
                let terms = Arc::make_mut(terms);
                terms.environments.clear();
                terms.users.clear();
            }
        }
        plan
    }

    pub fn surely_forgotten(&self) -> Duration {
        SURELY_FORGOTTEN
    }

    pub fn moves_time(&self, chance: &mut Chance, reference: &Reference) -> bool {
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

    fn who(&self, chance: &mut Chance, reference: &Reference) -> Who {
        let known = reference.organizations.len();
        let organization = if chance.percent(1) {
            "nobody"
        } else {
            chance.pick(&ORGANIZATIONS[..known])
        };
        let user = chance.percent(85).then(|| chance.pick(&USERS));
        Who {
            organization,
            environment: chance.pick(&ENVIRONMENTS),
            user,
        }
    }

    /// A price around what is available there.
    fn amount(
        &self,
        chance: &mut Chance,
        reference: &mut Reference,
        who: Who,
        class: Class,
    ) -> u64 {
        if !reference.organizations.contains_key(who.organization) {
            return 1;
        }
        reference.settle(who.organization, reference.now);
        let place = reference.place(who.organization, who.environment, who.user);
        let organization = &reference.organizations[who.organization];
        let available = u64::try_from(organization.headroom(&place, class))
            .expect("never below zero")
            .min(1_000);
        let shadow = organization.plan().enforcement == quotad::domain::plan::Enforcement::Shadow;
        match chance.below(20) {
            0 => 0,
            1..4 => available,
            4..8 => available + 1,
            8..11 => chance.between(1, available.max(1)),
            11..13 => chance.between(1, 2 * available + 4),
            13 | 14 if shadow => Credits::MAX.get() - chance.below(30),
            _ => chance.between(1, (available / 3).max(2)),
        }
    }

    fn cost(
        &self,
        chance: &mut Chance,
        reference: &mut Reference,
        who: Who,
    ) -> (Cost<'static>, Class, u64) {
        let operation = match chance.below(20) {
            0..7 => None,
            7 => Some("preview"),
            8..14 => Some("edit"),
            14 => Some("unknown"),
            _ => Some(chance.pick(&OPERATIONS)),
        };
        let operation = operation.filter(|it| *it != "unknown" || chance.percent(15));
        let terms = operation.and_then(|it| reference.plan.rate_card.operations.get(it).cloned());
        let class = terms.as_ref().map_or(Class::Run, |it| it.class);
        let amount = self.amount(chance, reference, who, class);
        match operation {
            Some(operation) if chance.percent(40) => {
                let quantity =
                    amount.min(1_000) / terms.as_ref().map_or(1, |it| it.rate.credits.get().max(1));
                let price = terms
                    .and_then(|it| it.rate.price(quantity))
                    .map_or(0, Credits::get);
                (
                    Cost::Usage {
                        operation,
                        quantity,
                    },
                    class,
                    price,
                )
            }
            _ => {
                let amount = Credits::new(amount).expect("within bounds");
                (Cost::Credits { amount, operation }, class, amount.get())
            }
        }
    }

    /// The next order, and whether it was not sent before.
    pub fn order(&mut self, chance: &mut Chance, reference: &mut Reference) -> (Order, bool) {
        let who = self.who(chance, reference);
        let known = reference.organizations.len();
        let organization = match chance.percent(1) {
            true => "nobody",
            false => chance.pick(&ORGANIZATIONS[..known]),
        };
        let order = match chance.below(100) {
            0..24 => self.reserve(chance, reference, who),
            24..37 => {
                let (cost, ..) = self.cost(chance, reference, who);
                let id = chance.percent(45).then(|| chance.id());
                Order::Charge { who, cost, id }
            }
            37..43 => {
                let (cost, class, price) = self.cost(chance, reference, who);
                Order::Check {
                    who,
                    cost,
                    min: self.min(chance, class, price),
                }
            }
            43..57 => self.commit(chance, reference, who),
            57..63 => match self.hold(chance, reference) {
                Some(id) => Order::Release { id },
                None => self.reserve(chance, reference, who),
            },
            63..70 => self.extend(chance, reference, who),
            70..73 => Order::Balance {
                organization,
                whose: whose(chance),
            },
            73..77 if self.theme == Theme::Boundaries => self.extend(chance, reference, who),
            73..81 => self.plan(chance, reference),
            81..84 if self.theme == Theme::Extensions && chance.percent(50) => {
                self.plan(chance, reference)
            }
            81..84 => self.request(chance, reference, organization),
            84..87 if self.theme == Theme::Extensions => Order::RequestExtension { organization },
            84..87 => self.trial(chance, reference, organization),
            87..89 => {
                let credits = i64::try_from(chance.between(1, 25)).expect("small");
                Order::Adjust {
                    who,
                    credits: if chance.percent(60) {
                        -credits
                    } else {
                        credits
                    },
                }
            }
            _ => return self.again(chance, reference),
        };
        (order, true)
    }

    fn request(
        &self,
        chance: &mut Chance,
        reference: &Reference,
        organization: &'static str,
    ) -> Order {
        match self.theme {
            Theme::Trials => self.trial(chance, reference, organization),
            _ if chance.percent(70) => Order::RequestExtension { organization },
            _ => self.trial(chance, reference, organization),
        }
    }

    fn trial(
        &self,
        chance: &mut Chance,
        reference: &Reference,
        organization: &'static str,
    ) -> Order {
        let user = chance.pick(&USERS);
        let trials = reference
            .organizations
            .get(organization)
            .map(|it| &it.trials);
        let ended = |user: &&&str| {
            let last = trials.and_then(|it| it.get(**user)?.last());
            last.is_some_and(|last| last.until <= reference.now)
        };
        match (USERS.iter().find(ended), chance.below(10)) {
            (Some(user), 0..6) => Order::RenewTrial { organization, user },
            (_, 0..8) => Order::StartTrial { organization, user },
            _ => Order::RenewTrial { organization, user },
        }
    }

    fn min(&self, chance: &mut Chance, class: Class, price: u64) -> Option<u64> {
        let min = match chance.below(10) {
            0 => chance.between(0, price),
            1 => price,
            2 => 0,
            3 if chance.percent(20) => price + 1,
            _ => return None,
        };
        (class != Class::Free && min <= Credits::MAX.get()).then_some(min)
    }

    fn reserve(&self, chance: &mut Chance, reference: &mut Reference, who: Who) -> Order {
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
    fn hold(&self, chance: &mut Chance, reference: &Reference) -> Option<Id> {
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

    fn commit(&self, chance: &mut Chance, reference: &mut Reference, who: Who) -> Order {
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
            (Fate::Committed(first), 0..9) => first.committed.get(),
            (_, 0..4) => held,
            (_, 4..7) => chance.between(0, held),
            (_, 7) => held + fits,
            (_, 8..10) => held + fits + 1,
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

    fn extend(&self, chance: &mut Chance, reference: &mut Reference, who: Who) -> Order {
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

    fn plan(&self, chance: &mut Chance, reference: &Reference) -> Order {
        if chance.percent(8) {
            return Order::Plan(Arc::new(reference.plan.clone()));
        }
        if chance.percent(40)
            && let Some(plan) = larger_base_under_a_share(reference)
        {
            return Order::Plan(Arc::new(plan));
        }
        if chance.percent(8)
            && let Some(plan) = allocation_below_drawn(reference)
        {
            return Order::Plan(Arc::new(plan));
        }
        Order::Plan(Arc::new(self.planner.change(chance, &reference.plan)))
    }

    /// An order that was sent before, as it was or with other contents.
    fn again(&mut self, chance: &mut Chance, reference: &mut Reference) -> (Order, bool) {
        let recent = reference.now.minus(SURELY_REMEMBERED);
        let remembered = |id: &Id| match reference.ids.get(id).map(|it| &it.what) {
            Some(What::Hold { index, .. }) => {
                reference.holds[*index].ended.is_none_or(|at| at > recent)
            }
            Some(What::Charge(_, at)) => *at > recent,
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
            Outcome::Reserved { .. } | Outcome::Committed { .. }
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
            )
        {
            self.sent.push(order.clone());
        }
    }
}

/// A plan that sets an allocation below what was drawn of it.
fn allocation_below_drawn(reference: &Reference) -> Option<Plan> {
    for (name, organization) in &reference.organizations {
        let books = &organization.current().books;
        let drawn = |it: &str| u64::try_from(books.environment_drawn(it)).unwrap_or(0);
        let mut environments = books.plan.environments.iter();
        let found = environments.find(|(name, it)| it.allocation.get() > 1 && drawn(name) > 1);
        if let Some((environment, terms)) = found {
            let below = terms.allocation.get().min(drawn(environment)) - 1;
            let mut plan = reference.plan.clone();
            let organization = Arc::make_mut(plan.organizations.get_mut(name)?);
            organization.environments.get_mut(environment)?.allocation = Credits::new(below)?;
            return Some(plan);
        }
    }
    None
}

/// A plan that gives a payer that draws on the extension a larger base.
fn larger_base_under_a_share(reference: &Reference) -> Option<Plan> {
    for (name, organization) in &reference.organizations {
        let mut payers = organization.current().books.shares.keys();
        let found = payers.find_map(|payer| match payer {
            Payer::Environment(environment) => Some(environment),
            Payer::Pool => None,
        });
        if let Some(environment) = found {
            let mut plan = reference.plan.clone();
            let terms = Arc::make_mut(plan.organizations.get_mut(name)?);
            let allocation = &mut terms.environments.get_mut(environment)?.allocation;
            *allocation = Credits::new(allocation.get() + 1)?;
            return Some(plan);
        }
    }
    None
}

fn whose(chance: &mut Chance) -> Whose {
    match chance.below(3) {
        0 => Whose::Organization,
        1 => Whose::Environment(chance.pick(&ENVIRONMENTS)),
        _ => Whose::User(chance.pick(&USERS)),
    }
}
