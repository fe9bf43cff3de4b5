//! Random orders, steered to the edges: just what is available and one more, the instant itself and the one before.

use std::sync::Arc;
use std::time::Duration;

use quotad::domain::books::Payer;
use quotad::domain::credits::Credits;
use quotad::domain::plan::Plan;
use quotad::domain::rates::{Class, Cost};
use quotad::domain::time::Timestamp;
use quotad::engine::order::Id;

use crate::orders::deeds::Doing;
use crate::orders::{Deed, Order, Who, Whose};
use crate::plans::{ENVIRONMENTS, OPERATIONS, ORGANIZATIONS, Planner, USERS};
use crate::reference::Reference;
use crate::world::Chance;

/// Settled requests are remembered for 15 minutes; in the minute before and after nothing is asked of them.
pub const SURELY_REMEMBERED: Duration = Duration::from_secs(14 * 60);
pub const SURELY_FORGOTTEN: Duration = Duration::from_secs(16 * 60);

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
    pub theme: Theme,
    tries: std::cell::Cell<u32>,
    pub start: Timestamp,
    planner: Planner,
    organizations: usize,
    /// Orders that carried an id and were answered: they may be sent again.
    pub sent: Vec<Order>,
    /// Ids of holds.
    pub holds: Vec<Id>,
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

    pub fn who(&self, chance: &mut Chance, reference: &Reference) -> Who {
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
            product: chance.percent(40).then(|| chance.pick(&["chat", "suite"])),
            model: chance
                .percent(40)
                .then(|| chance.pick(&["small", "large", "other"])),
        }
    }

    /// A price around what is available there.
    pub fn amount(
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

    pub fn cost(
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
            84..87 if self.theme == Theme::Extensions => {
                deed(chance, organization, Doing::Extension)
            }
            84..87 => self.trial(chance, reference, organization),
            87..89 => {
                let credits = i64::try_from(chance.between(1, 25)).expect("small");
                let Who {
                    organization,
                    environment,
                    user,
                    ..
                } = who;
                let credits = if chance.percent(60) {
                    -credits
                } else {
                    credits
                };
                let doing = Doing::Adjust {
                    environment,
                    user,
                    credits,
                };
                deed(chance, organization, doing)
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
            _ if chance.percent(70) => deed(chance, organization, Doing::Extension),
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
        let doing = match (USERS.iter().find(ended), chance.below(10)) {
            (Some(user), 0..6) => Doing::RenewTrial { user },
            (_, 0..8) => Doing::StartTrial { user },
            _ => Doing::RenewTrial { user },
        };
        deed(chance, organization, doing)
    }

    pub fn min(&self, chance: &mut Chance, class: Class, price: u64) -> Option<u64> {
        let min = match chance.below(10) {
            0 => chance.between(0, price),
            1 => price,
            2 => 0,
            3 if chance.percent(20) => price + 1,
            _ => return None,
        };
        (class != Class::Free && min <= Credits::MAX.get()).then_some(min)
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
}

fn deed(chance: &mut Chance, organization: &'static str, doing: Doing) -> Order {
    let id = chance.percent(60).then(|| chance.id());
    Order::Deed(Deed {
        organization,
        doing,
        id,
    })
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
