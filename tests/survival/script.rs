//! What happens in a run: orders as in the model's worlds, time that moves, and what the threads of the storage would do.
//!
//! A script is written once, beside an engine that keeps nothing, so that its orders meet holds that are really there; it
//! is then played again and again, and means the same each time.

use std::sync::Arc;
use std::time::Duration;

use quotad::domain::names::Name;
use quotad::domain::time::Timestamp;
use quotad::engine::answer::EngineError;
use quotad::engine::order::Act;
use quotad::engine::recorder::Forgetful;
use quotad::engine::{Bounds, Engine};

use crate::generate::Generator;
use crate::orders::{Order, Outcome, Who};
use crate::plans::ORGANIZATIONS;
use crate::reference::{Failure, Reference};
use crate::rules::Coverage;
use crate::world::{Chance, SetClock};

/// So few settled requests are remembered that some are forgotten early, which is a fact as well.
pub const BOUNDS: Bounds = Bounds {
    cells: 10_000,
    holds: 10_000,
    settled: 40,
    usage_rows: 100_000,
    labels: 10_000,
};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// The clock moves.
    Time(Timestamp),
    /// A caller asks.
    Order(Order),
    /// A correction with a long reason: its record takes many slots.
    Correct {
        who: Who,
        reason_bytes: usize,
    },
    /// Everything that is due happens.
    Tick,
    /// Whoever delivers takes the notices.
    TakeNotices,
    /// What the storage's threads do at some moment.
    Sync,
    Seal,
    Prepare,
    Snapshot,
    /// Closed days of usage rows leave the memory.
    FileDays,
}

impl std::fmt::Display for Action {
    /// Its first words: plans are long.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = format!("{self:?}").chars().take(300).collect();
        f.write_str(&text)
    }
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    Outcome(Outcome),
    Notices(String),
    /// The storage did its part, or the clock moved.
    Done,
    /// Nothing is acknowledged any more.
    Refused(String),
}

impl Came {
    /// Whether a caller was told something that must stay true.
    pub fn is_acknowledged(&self) -> bool {
        match self {
            // A request that cannot be done was not done, whatever the reason; and a plan that is in force already promises
            // nothing new.
            Self::Outcome(Outcome::Failed(_) | Outcome::Changed(false)) => false,
            Self::Outcome(_) | Self::Notices(_) => true,
            Self::Done | Self::Refused(_) => false,
        }
    }
}

pub struct Script {
    pub seed: u64,
    /// When it begins.
    pub begin: Timestamp,
    pub actions: Vec<Action>,
}

/// How often the storage's threads do something, in percent of all actions.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    pub sync: u64,
    pub seal: u64,
    pub prepare: u64,
    pub snapshot: u64,
    pub file: u64,
    /// Corrections with long reasons.
    pub correct: u64,
}

impl Script {
    pub fn new(seed: u64, orders: usize, rhythm: Rhythm) -> Self {
        let mut chance = Chance(seed);
        let mut generator = Generator::new(&mut chance);
        let begin = generator.start;
        let clock = Arc::new(SetClock::new(begin));
        let engine = Engine::new(BOUNDS, seed, clock.clone(), Arc::new(Forgetful));
        let mut reference = Reference::new(begin);
        let mut script = Self {
            seed,
            begin,
            actions: Vec::new(),
        };
        while reference.organizations.is_empty() {
            let order = Order::Plan(Arc::new(generator.first_plan(&mut chance)));
            script.order(&order, &engine, &mut reference, &mut generator);
        }
        for _ in 0..orders {
            if generator.moves_time(&mut chance) {
                let to = generator.instant(&mut chance, &reference);
                clock.set(to);
                reference.advance_to(to);
                script.actions.push(Action::Time(to));
            }
            match chance.below(100) {
                0..3 => script.actions.push(Action::Tick),
                3..6 => script.actions.push(Action::TakeNotices),
                _ => {}
            }
            if chance.percent(rhythm.correct) {
                let who = generator.who(&mut chance, &reference);
                let reason_bytes = usize::try_from(chance.between(200, 1_024)).expect("small");
                let correct = Action::Correct { who, reason_bytes };
                // The reference would say the same or refuse it, too.
                if correct.play(&engine) == Came::Outcome(Outcome::Done) {
                    let _same = reference.adjust(who.organization, who.environment, who.user, 1);
                }
                script.actions.push(correct);
            } else {
                let (order, _) = generator.order(&mut chance, &mut reference);
                script.order(&order, &engine, &mut reference, &mut generator);
            }
            reference.events.clear();
            script.keep(&mut chance, rhythm);
        }
        script
    }

    fn order(
        &mut self,
        order: &Order,
        engine: &Engine,
        reference: &mut Reference,
        generator: &mut Generator,
    ) {
        let (_, given) = order.on_engine(engine);
        let outcome = order.on_reference_exact(reference, given.unwrap_or_default());
        generator.observe(order, &outcome, given, &mut Coverage::default());
        self.actions.push(Action::Order(order.clone()));
    }

    fn keep(&mut self, chance: &mut Chance, rhythm: Rhythm) {
        for (percent, action) in [
            (rhythm.sync, Action::Sync),
            (rhythm.seal, Action::Seal),
            (rhythm.prepare, Action::Prepare),
            (rhythm.snapshot, Action::Snapshot),
            (rhythm.file, Action::FileDays),
        ] {
            if chance.percent(percent) {
                self.actions.push(action);
            }
        }
    }
}

impl Action {
    /// Does it to an engine, as far as it concerns one.
    pub fn play(&self, engine: &Engine) -> Came {
        match self {
            Self::Order(order) => Came::Outcome(order.on_engine(engine).0),
            Self::Correct { who, reason_bytes } => {
                let name = |text| Name::parse(text).expect("the generator's names are valid");
                let reason = "r".repeat(*reason_bytes);
                let (organization, environment) = (name(who.organization), name(who.environment));
                let user = who.user.map(name);
                let act = Act {
                    why: &reason,
                    ..Act::default()
                };
                match engine.adjust(organization, environment, user, 1, &act) {
                    Ok(_) => Came::Outcome(Outcome::Done),
                    Err(error) => Came::Outcome(Outcome::Failed(Failure::of(&error))),
                }
            }
            Self::Tick => match engine.tick() {
                Ok(()) => Came::Done,
                Err(error) => Came::Refused(error.to_string()),
            },
            Self::TakeNotices => take_notices(engine),
            Self::FileDays => file_days(engine),
            Self::Time(_) | Self::Sync | Self::Seal | Self::Prepare | Self::Snapshot => Came::Done,
        }
    }
}

/// One organization after the other, as a stream of notices does.
pub fn take_notices(engine: &Engine) -> Came {
    let (mut taken, mut unknown) = (String::new(), 0);
    for name in ORGANIZATIONS {
        match engine.notices(Name::parse(name).expect("a valid name")) {
            Ok(notices) => taken += &format!("{name} {notices:?}\n"),
            Err(error) if Failure::of(&error) == Failure::Unrecorded => {
                return Came::Refused(error.to_string());
            }
            // The plan does not name it.
            Err(_) => unknown += 1,
        }
    }
    if unknown == ORGANIZATIONS.len() {
        return Came::Refused("there is no organization".to_owned());
    }
    Came::Notices(taken)
}

/// What filing closed days does to the books, without a file.
fn file_days(engine: &Engine) -> Came {
    let ids = engine.organizations_to_file().into_iter();
    let closed = ids.map(|id| {
        let last = engine
            .closed_days(id)?
            .days
            .last()
            .map(|day| day.number + 1);
        Ok((id, last.unwrap_or(0)))
    });
    let filed: Result<Vec<_>, EngineError> = closed.collect();
    match filed.and_then(|filed| match filed.is_empty() {
        true => Ok(()),
        false => engine.days_filed(&filed).map(drop),
    }) {
        Ok(()) => Came::Done,
        Err(error) => Came::Refused(error.to_string()),
    }
}

/// How long the next process takes to start, by the step at which the one before ended: at once, and over expiries and
/// cycles.
pub fn pause(step: u64) -> Duration {
    Duration::from_secs([0, 5, 1_200, 200_000][usize::try_from(step % 4).expect("small")])
}
