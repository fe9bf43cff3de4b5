//! The figures of the rule book, as tests of the reference itself: one fact each.

use std::sync::Arc;
use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::plan::{
    EnvironmentPlan, Grant, GrantKind, LimitKind, OrganizationPlan, Overage, Plan, UserPlan,
};
use quotad::domain::rates::{Class, Cost, Operation, Rate, RateCard};
use quotad::domain::standing::State;
use quotad::domain::time::Timestamp;
use quotad::engine::answer::{Account, Reason};

use crate::orders::deeds::Doing;
use crate::orders::{Deed, Order, Outcome, Who, Whose};
use crate::reference::balance::Figures;
use crate::reference::{Failure, Reference};

/// 2026-11-01T10:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_793_527_200_000);

fn credits(amount: u64) -> Credits {
    Credits::new(amount).unwrap()
}

fn grant(kind: GrantKind) -> Grant {
    Grant {
        kind,
        valid_from: None,
        valid_until: None,
    }
}

fn contract(amount: u64, rollover: Option<u32>) -> Grant {
    grant(GrantKind::Contract {
        credits: credits(amount),
        rollover,
    })
}

fn license(license: &str, count: u64) -> Grant {
    grant(GrantKind::License {
        license: license.into(),
        count,
        purchased: None,
    })
}

fn limit(limit: u64, kind: LimitKind) -> UserPlan {
    UserPlan {
        limit: credits(limit),
        kind,
        thresholds: None,
    }
}

struct Book(Reference);

impl Book {
    fn new(terms: OrganizationPlan) -> Self {
        let mut book = Self(Reference::new(START));
        book.apply(terms).unwrap();
        book
    }

    fn apply(&mut self, terms: OrganizationPlan) -> Result<bool, Failure> {
        let mut plan = Plan::default();
        plan.organizations.insert("acme".into(), Arc::new(terms));
        let mut card = RateCard::default();
        let rate = Rate {
            credits: credits(1),
            per: 1,
        };
        card.operations.insert(
            "edit".into(),
            Operation {
                rate,
                class: Class::Maker,
                product: None,
            },
        );
        plan.rate_card = Arc::new(card);
        self.0.apply_plan(plan)
    }

    fn run(&mut self, order: &Order) -> Outcome {
        order.on_reference_exact(&mut self.0, [0; 16])
    }

    fn charge(&mut self, environment: &'static str, user: &'static str, amount: u64) -> Outcome {
        let cost = Cost::Credits {
            amount: credits(amount),
            operation: None,
        };
        let who = Who {
            organization: "acme",
            environment,
            user: Some(user),
            ..Who::default()
        };
        self.run(&Order::Charge {
            who,
            cost,
            id: None,
        })
    }

    /// Whether editing is allowed at this cost.
    fn edits(&mut self, environment: &'static str, amount: u64) -> bool {
        let cost = Cost::Credits {
            amount: credits(amount),
            operation: Some("edit"),
        };
        let who = Who {
            organization: "acme",
            environment,
            user: None,
            ..Who::default()
        };
        matches!(
            self.run(&Order::Check {
                who,
                cost,
                min: None
            }),
            Outcome::Allowed { .. }
        )
    }

    fn balance(&mut self) -> Figures {
        let whose = Whose::Organization;
        match self.run(&Order::Balance {
            organization: "acme",
            whose,
        }) {
            Outcome::Balance(figures) => *figures,
            other => panic!("{other:?}"),
        }
    }
}

fn refusal(outcome: &Outcome) -> (Reason, Account, u64) {
    let denial = outcome.denial().unwrap();
    (denial.reason, denial.account.clone(), denial.available)
}

fn state(outcome: &Outcome) -> State {
    match outcome {
        Outcome::Committed { standing, .. } => standing.state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_hard_caps_leave_7_000_to_everyone_else() {
    let mut terms = OrganizationPlan {
        grants: vec![contract(10_000, None)],
        ..OrganizationPlan::default()
    };
    terms
        .users
        .insert("a".into(), limit(1_000, LimitKind::Hard));
    terms
        .users
        .insert("b".into(), limit(2_000, LimitKind::Hard));
    let mut book = Book::new(terms);
    let pool = (Reason::QuotaExceeded, Account::Pool, 7_000);
    assert_eq!(refusal(&book.charge("dev", "c", 7_001)), pool);
    book.charge("dev", "c", 7_000);
    let capped = (Reason::QuotaExceeded, Account::User("a".into()), 1_000);
    assert_eq!(refusal(&book.charge("dev", "a", 1_001)), capped);
    assert_eq!(state(&book.charge("dev", "a", 1_000)), State::Blocked);
}

#[test]
fn a_soft_user_at_1_200_of_1_000_has_200_out_of_the_pool() {
    let mut terms = OrganizationPlan {
        grants: vec![contract(10_000, None)],
        ..OrganizationPlan::default()
    };
    terms
        .users
        .insert("s".into(), limit(1_000, LimitKind::Soft));
    let mut book = Book::new(terms);
    assert_eq!(state(&book.charge("dev", "s", 1_200)), State::Overage);
    assert_eq!(refusal(&book.charge("dev", "other", 8_801)).2, 8_800);
}

#[test]
fn grace_blocks_makers_above_100_percent_and_run_at_120_and_an_extension_lets_both_on() {
    let add_on = grant(GrantKind::AddOn { count: 1 });
    let mut terms = OrganizationPlan {
        grants: vec![add_on],
        ..OrganizationPlan::default()
    };
    let overage = Overage::Grace(20);
    let allocation = credits(100_000);
    terms.environments.insert(
        "prod".into(),
        EnvironmentPlan {
            allocation,
            overage,
            thresholds: None,
        },
    );
    let mut book = Book::new(terms);
    assert_eq!(state(&book.charge("prod", "u", 100_000)), State::Exhausted);
    assert!(book.edits("prod", 0) && !book.edits("prod", 1));
    assert_eq!(state(&book.charge("prod", "u", 1)), State::Overage);
    assert!(!book.edits("prod", 0));
    book.charge("prod", "u", 19_999);
    assert_eq!(refusal(&book.charge("prod", "u", 1)).2, 0);
    book.run(&Order::Deed(Deed {
        organization: "acme",
        doing: Doing::Extension,
        id: None,
    }));
    let usable = START.plus(Duration::from_secs(600));
    book.0.advance_to(usable.just_before());
    assert!(!book.edits("prod", 0));
    book.0.advance_to(usable);
    assert!(book.edits("prod", 180_000) && !book.edits("prod", 180_001));
    assert_eq!(refusal(&book.charge("prod", "u", 200_001)).2, 200_000);
}

#[test]
fn at_57_500_of_50_000_with_10_000_extra_7_500_are_overage() {
    let overage = Overage::Soft(credits(10_000));
    let grants = vec![contract(50_000, None)];
    let mut book = Book::new(OrganizationPlan {
        grants,
        overage,
        ..OrganizationPlan::default()
    });
    book.charge("dev", "u", 57_500);
    let balance = book.balance();
    assert_eq!(
        (balance.base_used, balance.overage_used, balance.available),
        (50_000, 7_500, 2_500)
    );
    assert_eq!(
        (balance.percent, balance.base_percent),
        (Some(115), Some(100))
    );
}

#[test]
fn unused_credits_roll_over_up_to_twice_the_figure() {
    let grants = vec![contract(10_000, Some(2))];
    let mut book = Book::new(OrganizationPlan {
        grants,
        ..OrganizationPlan::default()
    });
    book.charge("dev", "u", 4_000);
    for entitlement in [16_000, 20_000, 20_000] {
        let end = book.0.organizations["acme"].current().books.span.end;
        book.0.advance_to(end);
        assert_eq!(book.balance().entitlement, entitlement);
    }
}

#[test]
fn licences_count_up_to_their_caps() {
    for (grants, purchased) in [
        (
            vec![
                grant(GrantKind::AddOn { count: 1 }),
                license("power-automate-premium", 5),
            ],
            1_025_000,
        ),
        (vec![license("power-apps-per-app", 5_000)], 1_000_000),
        (vec![license("dynamics-365-fo", 3)], 20_000),
    ] {
        let mut book = Book::new(OrganizationPlan {
            grants,
            ..OrganizationPlan::default()
        });
        assert_eq!(book.balance().purchased, purchased);
    }
}

#[test]
fn set_asides_rise_up_to_what_is_there() {
    let mut terms = OrganizationPlan {
        grants: vec![contract(10_000, None)],
        ..OrganizationPlan::default()
    };
    terms
        .users
        .insert("a".into(), limit(2_000, LimitKind::Hard));
    let mut book = Book::new(terms.clone());
    terms
        .users
        .insert("z".into(), limit(8_001, LimitKind::Hard));
    assert_eq!(book.apply(terms.clone()), Err(Failure::RefusedSum));
    terms
        .users
        .insert("z".into(), limit(8_000, LimitKind::Hard));
    assert_eq!(book.apply(terms), Ok(true));
    assert_eq!(
        refusal(&book.charge("dev", "nobody", 1)),
        (Reason::QuotaExceeded, Account::Pool, 0)
    );
}
