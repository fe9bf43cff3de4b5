//! One world: an engine, one rebuilt from its facts, and the reference, driven by the same random orders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use quotad::domain::books::{Books, derive};
use quotad::domain::fact::Fact;
use quotad::domain::names::Name;
use quotad::domain::notice::Notice;
use quotad::domain::plan::Plan;
use quotad::domain::time::Timestamp;
use quotad::engine::order::{Id, Of};
use quotad::engine::recorder::Forgetful;
use quotad::engine::usage::UsageDay;
use quotad::engine::{Bounds, Engine};

use crate::generate::Generator;
use crate::orders::{Order, Outcome, deeds};
use crate::plans::ORGANIZATIONS;
use crate::reference::{Event, Fate, Reference, What};
use crate::rows::small_bounds;
use crate::rules::{Coverage, Rule};
use crate::world::{Chance, Collecting, SetClock};

/// Lines of history that a failure shows.
const HISTORY: usize = 80;

/// What went wrong, with the way there.
pub type Mismatch = String;

pub struct World {
    pub seed: u64,
    pub step: u64,
    /// How much the engine may keep: in some worlds hardly any rows and labels.
    pub bounds: Bounds,
    /// Days that stand in files, by organization.
    pub filed: BTreeMap<Box<str>, Vec<UsageDay>>,
    pub clock: Arc<SetClock>,
    pub facts: Arc<Collecting>,
    /// While a copy is taken, what was recorded since it began.
    pub since_copy: Option<Vec<(u64, Fact)>>,
    pub engine: Arc<Engine>,
    pub rebuilt: Engine,
    pub reference: Reference,
    generator: Generator,
    pub coverage: Coverage,
    history: VecDeque<String>,
    /// Organizations in whose shard nothing happened since the clock moved: the engine is free not to know yet.
    asleep: BTreeSet<&'static str>,
    /// Chance for what is no order.
    whim: Chance,
    /// Groups of the last order's audits.
    audited: Vec<u64>,
    /// Groups of what an administrator changed by it.
    changed: BTreeSet<u64>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let generator = Generator::new(&mut chance);
        let now = generator.start;
        let clock = Arc::new(SetClock::new(now));
        let facts = Arc::new(Collecting::default());
        let bounds = small_bounds(seed);
        Self {
            seed,
            bounds,
            filed: BTreeMap::new(),
            step: 0,
            engine: Arc::new(Engine::new(bounds, seed, clock.clone(), facts.clone())),
            rebuilt: Engine::new(bounds, seed, clock.clone(), Arc::new(Forgetful)),
            clock,
            facts,
            since_copy: None,
            whim: Chance(seed ^ 0x0111),
            reference: Reference::new(now),
            generator,
            coverage: Coverage {
                worlds: 1,
                ..Coverage::default()
            },
            history: VecDeque::new(),
            asleep: BTreeSet::new(),
            audited: Vec::new(),
            changed: BTreeSet::new(),
        }
    }

    pub fn run(&mut self, operations: u64) -> Result<(), Mismatch> {
        let mut chance = Chance(self.seed ^ 0x5EED);
        while self.reference.organizations.is_empty() {
            let plan = self.generator.first_plan(&mut chance);
            self.operate(&Order::Plan(Arc::new(plan)), true)?;
        }
        for _ in 0..operations {
            self.go_on(&mut chance)?;
            if chance.percent(1) {
                self.restart(&mut chance)?;
            }
        }
        self.wake()?;
        self.compare_rebuilt()
    }

    /// Time may move, then comes one order.
    pub fn go_on(&mut self, chance: &mut Chance) -> Result<(), Mismatch> {
        if self.generator.moves_time(chance) {
            self.move_time(chance)?;
        }
        if chance.percent(2) {
            self.file_days()?;
        }
        let (order, fresh) = self.generator.order(chance, &mut self.reference);
        self.operate(&order, fresh)
    }

    fn move_time(&mut self, chance: &mut Chance) -> Result<(), Mismatch> {
        let to = self.generator.instant(chance, &self.reference);
        self.clock.set(to);
        self.reference.advance_to(to);
        self.asleep = ORGANIZATIONS.into();
        self.note(format!("clock {}", to.to_utc()));
        if chance.percent(60) {
            self.wake()?;
        }
        self.forget();
        Ok(())
    }

    /// Lets the engine do what is due everywhere, and compares everything.
    pub fn wake(&mut self) -> Result<(), Mismatch> {
        self.engine
            .tick()
            .map_err(|error| self.report(&format!("tick: {error}")))?;
        self.asleep.clear();
        self.replay();
        for name in ORGANIZATIONS {
            self.compare(name)?;
        }
        Ok(())
    }

    /// What was settled longer ago than is remembered is unknown from now on.
    fn forget(&mut self) {
        let now = self.reference.now;
        let long_ago = now.minus(self.generator.surely_forgotten());
        if self.asleep.is_empty() {
            let reference = &mut self.reference;
            let holds = &reference.holds;
            let before = reference.ids.len();
            reference.ids.retain(|_, known| match known.what {
                What::Hold { index, .. } => holds[index].ended.is_none_or(|at| at > long_ago),
                What::Charge(_, at) | What::Adjusted(at) => at > long_ago,
            });
            for _ in reference.ids.len()..before {
                self.coverage.count(Rule::Forgotten);
            }
        }
    }

    fn operate(&mut self, order: &Order, fresh: bool) -> Result<(), Mismatch> {
        self.step += 1;
        let fate_before = self.fate(order);
        self.note(format!("{order:?}"));
        let plan_before = self.engine.plan();
        self.audited.clear();
        self.changed.clear();
        let (came, given) = order.on_engine(&self.engine);
        let expected = order.on_reference_exact(&mut self.reference, given.unwrap_or_default());
        self.replay();
        self.note(format!("    -> {came:?}"));
        self.compare_audits(order, &came, &plan_before)?;
        let fresh = fresh && fate_before;
        let same = match fresh {
            true => came == expected.clone().in_the_engines_words(),
            false => {
                came.clone().without_standing()
                    == expected.clone().in_the_engines_words().without_standing()
            }
        };
        if !same {
            return Err(self.report(&format!("the reference answers\n           {expected:?}")));
        }
        self.coverage.operations += 1;
        self.coverage.outcome(order, &expected, fresh);
        self.generator
            .observe(order, &expected, given, &mut self.coverage);
        for event in std::mem::take(&mut self.reference.events) {
            self.coverage.event(event);
        }
        match (order, self.organization_of(order)) {
            (Order::Plan(_), _) => self.wake()?,
            (_, Some(name)) => {
                self.asleep.remove(name);
                self.compare(name)?;
            }
            _ => {}
        }
        if self.step.is_multiple_of(8) {
            self.compare_rebuilt()
        } else {
            Ok(())
        }
    }

    /// Whether a settlement is the first of its hold.
    fn fate(&self, order: &Order) -> bool {
        let (Order::Commit { id, .. } | Order::Release { id }) = order else {
            return true;
        };
        match self.reference.ids.get(id).map(|known| &known.what) {
            Some(What::Hold { index, .. }) => {
                matches!(
                    self.reference.holds[*index].fate,
                    Fate::Open | Fate::Expired
                )
            }
            _ => true,
        }
    }

    fn organization_of(&self, order: &Order) -> Option<&'static str> {
        let by_hold = |id: &Id| match &self.reference.ids.get(id)?.what {
            What::Hold { index, .. } => Some(self.reference.holds[*index].at.organization.clone()),
            What::Charge(..) | What::Adjusted(_) => None,
        };
        let name = match order {
            Order::Commit { id, .. } | Order::Release { id } | Order::Extend { id, .. } => {
                by_hold(id)?
            }
            other => other.organization()?.into(),
        };
        ORGANIZATIONS.into_iter().find(|it| **it == *name)
    }

    /// Rebuilds from what was recorded.
    pub fn replay(&mut self) {
        for (position, fact) in self.facts.take() {
            self.watch(position, &fact);
            self.rebuilt.apply(&fact);
            if let Some(since) = &mut self.since_copy {
                since.push((position, fact));
            }
        }
    }

    fn watch(&mut self, position: u64, fact: &Fact) {
        match fact {
            Fact::Audited { .. } => self.audited.push(position),
            Fact::Planned { .. }
            | Fact::ExtensionRequested { .. }
            | Fact::TrialStarted { .. }
            | Fact::Adjusted { .. } => {
                self.changed.insert(position);
            }
            _ => {}
        }
    }

    /// What an administrator changed is audited once, in the same group; what was done before, or refused, is not.
    fn compare_audits(
        &self,
        order: &Order,
        came: &Outcome,
        plan_before: &Plan,
    ) -> Result<(), Mismatch> {
        let is_repeated = self.reference.events.contains(&Event::DeedRepeated);
        let expected = match (order, came) {
            (Order::Plan(plan), Outcome::Changed(true)) => deeds::audits(plan_before, plan),
            (Order::Deed(_), Outcome::At(_) | Outcome::Done) => usize::from(!is_repeated),
            _ => 0,
        };
        let changes = usize::from(expected > 0);
        let is_together = self.audited.iter().all(|it| self.changed.contains(it));
        if (self.audited.len(), self.changed.len()) == (expected, changes) && is_together {
            return Ok(());
        }
        Err(self.report(&format!(
            "{} audits in the groups {:?}, of the changes {:?}; {expected} are right",
            self.audited.len(),
            self.audited,
            self.changed
        )))
    }

    /// Counters, cells and notices of one organization: engine, derivation and reference.
    fn compare(&mut self, organization: &'static str) -> Result<(), Mismatch> {
        if self.asleep.contains(organization)
            || !self.reference.organizations.contains_key(organization)
        {
            return Ok(());
        }
        let name = Name::parse(organization).expect("a valid name");
        // Sometimes nobody asks what fired: it waits, and has to be there after a restart.
        if self.whim.percent(50) {
            self.compare_notices(organization, name)?;
        } else {
            // Any question lets happen what is due.
            let asked = self.engine.balance(name, Of::Organization);
            asked.map_err(|error| self.report(&error.to_string()))?;
            self.replay();
        }
        self.compare_counters(organization, name)?;
        // Grouping takes long: now and then is often enough.
        if self.whim.percent(15) {
            let groups = self.whim.below(64);
            self.compare_usage(organization, groups)?;
        }
        Ok(())
    }

    fn compare_notices(
        &mut self,
        organization: &'static str,
        name: Name<'_>,
    ) -> Result<(), Mismatch> {
        let fired = self
            .engine
            .notices(name)
            .map_err(|error| self.report(&error.to_string()))?;
        // The question itself is recorded, and may have let something happen.
        self.replay();
        let expected = self
            .reference
            .notices(organization)
            .expect("it has the organization");
        // Audits are compared with their changes, in `compare_audits`.
        let is_no_audit = |it: &Notice| !matches!(it, Notice::Audit(_));
        let fired: Vec<_> = fired.into_iter().filter(is_no_audit).collect();
        if fired != expected {
            return Err(self.report(&format!(
                "{organization} fired {fired:?}\n  the reference  {expected:?}"
            )));
        }
        self.coverage.notices(&fired);
        Ok(())
    }

    fn compare_counters(&self, organization: &'static str, name: Name<'_>) -> Result<(), Mismatch> {
        let books = self
            .engine
            .export(name)
            .map_err(|error| self.report(&error.to_string()))?;
        let counters = self
            .engine
            .counters(name)
            .map_err(|error| self.report(&error.to_string()))?;
        for (books, counters) in books.iter().zip(&counters) {
            let derived = derive(books);
            if derived != *counters {
                return Err(self.report(&format!(
                    "{organization} counts\n  {counters:?}\n  derived\n  {derived:?}"
                )));
            }
        }
        self.compare_books(organization, &books)
    }

    fn compare_books(&self, organization: &'static str, books: &[Books]) -> Result<(), Mismatch> {
        for expected in self.reference.open_cycles(organization) {
            if !books.iter().any(|it| it.span == expected.span) {
                return Err(self.report(&format!(
                    "{organization} has no books of {:?}",
                    expected.span
                )));
            }
        }
        let cycles = &self.reference.organizations[organization].cycles;
        for came in books {
            let expected = cycles
                .iter()
                .find(|it| it.books.span == came.span)
                .map(|it| &it.books);
            if expected != Some(came) {
                let message = format!(
                    "{organization} has the books\n  {came:?}\n  the reference\n  {expected:?}"
                );
                return Err(self.report(&message));
            }
        }
        Ok(())
    }

    fn compare_rebuilt(&mut self) -> Result<(), Mismatch> {
        self.coverage.rebuilt += 1;
        self.compare_with(&self.rebuilt, "rebuilt from the facts")
    }

    /// Another engine has the same books as the live one.
    pub fn compare_with(&self, other: &Engine, which: &str) -> Result<(), Mismatch> {
        let (live, other) = (self.engine.fingerprint(), other.fingerprint());
        if live == other {
            return Ok(());
        }
        let differ = live.iter().zip(&other).find(|(a, b)| a != b);
        Err(self.report(&format!(
            "the engine {which} differs ({} and {} lines): {differ:#?}",
            live.len(),
            other.len()
        )))
    }

    pub fn note(&mut self, line: String) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(format!("{:>6} {line}", self.step));
    }

    pub fn report(&self, problem: &str) -> Mismatch {
        let lines: Vec<_> = self.history.iter().map(String::as_str).collect();
        format!(
            "seed {}, step {}, now {}\nplan: {:?}\n{}\n{problem}",
            self.seed,
            self.step,
            Timestamp::to_utc(self.reference.now),
            self.reference
                .organizations
                .iter()
                .map(|(name, it)| (name, it.plan()))
                .collect::<Vec<_>>(),
            lines.join("\n"),
        )
    }
}
