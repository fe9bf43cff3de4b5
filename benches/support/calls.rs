//! Calls of the engine itself, without gRPC: a Reserve and its Commit.

use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::names::Name;
use quotad::domain::plan::Excess;
use quotad::domain::rates::Cost;
use quotad::engine::Engine;
use quotad::engine::answer::Decision;
use quotad::engine::order::{Actual, Charge, Commit, Id, Reserve, Subject};

/// As long as a hold can live.
const LONG: Duration = Duration::from_secs(3_600);

/// `user-0042` and its like, made on the spot: read from a million strings it would cost what the engine is measured for.
#[derive(Default)]
pub struct UserName(String);

impl UserName {
    pub fn of(&mut self, number: usize) -> &str {
        let (mut digits, mut first, mut left) = ([b'0'; 20], 20, number);
        while left > 0 || first > 16 {
            first -= 1;
            digits[first] += (left % 10).to_le_bytes()[0];
            left /= 10;
        }
        self.0.clear();
        self.0.push_str("user-");
        let digits = digits[first..].iter().map(|digit| char::from(*digit));
        self.0.extend(digits);
        &self.0
    }
}

pub fn name(text: &str) -> Name<'_> {
    Name::parse(text).expect("a name")
}

fn subject<'a>(organization: &'a str, user: &'a str) -> Subject<'a> {
    Subject::new(name(organization), name("production"), Some(name(user)))
}

fn cost(amount: u64) -> Cost<'static> {
    Cost::Credits {
        amount: Credits::saturating(amount),
        operation: None,
    }
}

/// Books so many credits, without an id.
pub fn charge(engine: &Engine, organization: &str, user: &str, credits: u64) {
    charge_for(engine, organization, user, None, credits);
}

/// The same, for a product.
pub fn charge_for(
    engine: &Engine,
    organization: &str,
    user: &str,
    product: Option<&str>,
    credits: u64,
) {
    let mut subject = subject(organization, user);
    subject.product = product.map(name);
    let order = Charge {
        subject,
        cost: cost(credits),
        id: None,
    };
    let decision = engine.charge(&order).expect("a sound order");
    assert!(
        matches!(decision, Decision::Granted(_)),
        "the plan covers it: {decision:?}"
    );
}

/// A Reserve of 100 credits, which is held for as long as can be.
pub fn order<'a>(organization: &'a str, user: &'a str) -> Reserve<'a> {
    Reserve {
        subject: subject(organization, user),
        cost: cost(100),
        min: None,
        ttl: Some(LONG),
        id: None,
    }
}

pub fn reserve(engine: &Engine, order: &Reserve<'_>) -> Id {
    match engine.reserve(order).expect("a sound order") {
        Decision::Granted(reserved) => reserved.id,
        Decision::Denied(denial) => panic!("the plan covers it: {denial:?}"),
    }
}

/// Books 80 of them.
pub fn commit(engine: &Engine, id: Id) {
    let order = Commit {
        id,
        actual: Actual::Amount(Credits::saturating(80)),
        excess: Excess::Record,
    };
    engine.commit(&order).expect("a known hold");
}

pub fn pair(engine: &Engine, organization: &str, user: &str) {
    let id = reserve(engine, &order(organization, user));
    commit(engine, id);
}
