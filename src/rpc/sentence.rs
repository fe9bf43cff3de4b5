//! Denials as sentences for people. No program needs them: every figure stands in a field of its own.

use crate::domain::charge::Reason;
use crate::domain::credits::shown;
use crate::engine::answer::{Account, Denial};

/// What happened, to whom, until when, and what to do about it.
pub fn denial(denial: &Denial) -> String {
    let account = account(&denial.account);
    let figures = figures(denial);
    let reset = reset(denial.days_until_reset);
    match denial.reason {
        Reason::QuotaExceeded if denial.available > 0 => {
            let (left, asked) = left_and_asked(denial);
            let advice = advice(&denial.account);
            format!("{asked} credits were asked for, but {account} has {left} left: {figures}; {reset}. {advice}")
        }
        Reason::QuotaExceeded => {
            let advice = advice(&denial.account);
            let gone = gone(denial);
            format!("All credits of {account} {gone}: {figures}; {reset}. {advice}")
        }
        Reason::OverageBlocked => {
            let advice = advice(&denial.account);
            format!(
                "What was bought for {account} has been consumed: {figures}; only work of class run may go on; {reset}. {advice}"
            )
        }
        Reason::EntitlementNotAvailable if denial.account == Account::Organization => {
            "This organization has no credits. Ask an administrator to buy some, or to start a trial for you.".to_owned()
        }
        Reason::EntitlementNotAvailable => {
            "Only users with a limit of their own may work in this environment. Ask an administrator for a limit."
                .to_owned()
        }
        Reason::TrialExhausted if denial.available > 0 => {
            let (left, asked) = left_and_asked(denial);
            format!(
                "{asked} credits were asked for, but the trial of {account} has {left} left: {figures}. Ask an administrator to buy credits, or to renew the trial once it has ended."
            )
        }
        Reason::TrialExhausted => {
            let gone = gone(denial);
            format!(
                "All credits of the trial of {account} {gone}: {figures}. Ask an administrator to buy credits, or to renew the trial once it has ended."
            )
        }
        Reason::TrialExpired => {
            format!("The trial of {account} has ended. Ask an administrator to buy credits or to renew the trial.")
        }
        Reason::ResourceLimit => "The sidecar can keep no further books: one of its own bounds is reached. Settle open reservations, or ask an administrator to raise the bounds.".to_owned(),
    }
}

fn account(account: &Account) -> String {
    match account {
        Account::User(name) => format!("user {name}"),
        Account::Environment(name) => format!("environment {name}"),
        Account::Pool => "the pool".to_owned(),
        Account::Organization => "the organization".to_owned(),
    }
}

fn left_and_asked(denial: &Denial) -> (String, String) {
    (
        shown(denial.available, denial.scale),
        shown(denial.requested, denial.scale),
    )
}

fn gone(denial: &Denial) -> &'static str {
    if denial.held == 0 {
        "have been consumed"
    } else {
        "have been consumed or are held"
    }
}

fn figures(denial: &Denial) -> String {
    let used = shown(denial.used, denial.scale);
    let limit = shown(denial.limit, denial.scale);
    if denial.held == 0 {
        format!("{used} of {limit}")
    } else {
        let held = shown(denial.held, denial.scale);
        format!("{used} used and {held} held of {limit}")
    }
}

fn reset(days: u32) -> String {
    match days {
        0 => "resets today".to_owned(),
        1 => "resets in 1 day".to_owned(),
        days => format!("resets in {days} days"),
    }
}

fn advice(account: &Account) -> &'static str {
    match account {
        Account::User(_) => "Ask an administrator for a higher limit.",
        Account::Environment(_) | Account::Pool | Account::Organization => {
            "Ask an administrator for more or request an extension."
        }
    }
}
