//! Denials as sentences for people. No program needs them: every figure stands in a field of its own.
//!
//! Written into one text, piece by piece: once quota is gone, most answers are denials.

use crate::domain::charge::Reason;
use crate::domain::credits::push_shown;
use crate::engine::answer::{Account, Denial};

/// Most sentences fit, in bytes.
const SENTENCE_BYTES: usize = 256;

/// What happened, to whom, until when, and what to do about it.
pub fn denial(denial: &Denial) -> String {
    let text = Text::of(denial);
    match denial.reason {
        Reason::QuotaExceeded if denial.available > 0 => text
            .asked_but()
            .account()
            .left()
            .figures()
            .reset()
            .say(". ")
            .advice(),
        Reason::QuotaExceeded => text
            .say("All credits of ")
            .account()
            .gone()
            .figures()
            .reset()
            .say(". ")
            .advice(),
        Reason::OverageBlocked => text
            .say("What was bought for ")
            .account()
            .say(" has been consumed: ")
            .figures()
            .say("; only work of class run may go on")
            .reset()
            .say(". ")
            .advice(),
        Reason::EntitlementNotAvailable if denial.account == Account::Organization => text.say(
            "This organization has no credits. Ask an administrator to buy some, or to start a trial for you.",
        ),
        Reason::EntitlementNotAvailable => text.say(
            "Only users with a limit of their own may work in this environment. Ask an administrator for a limit.",
        ),
        Reason::TrialExhausted if denial.available > 0 => text
            .asked_but()
            .say("the trial of ")
            .account()
            .left()
            .figures()
            .say(BUY_OR_RENEW),
        Reason::TrialExhausted => text
            .say("All credits of the trial of ")
            .account()
            .gone()
            .figures()
            .say(BUY_OR_RENEW),
        Reason::TrialExpired => text.say("The trial of ").account().say(
            " has ended. Ask an administrator to buy credits or to renew the trial.",
        ),
        Reason::ResourceLimit => text.say(
            "The sidecar can keep no further books: one of its own bounds is reached. Settle open reservations, or ask an administrator to raise the bounds.",
        ),
    }
    .text
}

/// The figures alone: `120,000 of 120,000`.
pub fn figures(denial: &Denial) -> String {
    Text::of(denial).figures().text
}

const BUY_OR_RENEW: &str =
    ". Ask an administrator to buy credits, or to renew the trial once it has ended.";

/// A sentence about a denial, as far as it is written.
struct Text<'a> {
    denial: &'a Denial,
    text: String,
}

impl<'a> Text<'a> {
    fn of(denial: &'a Denial) -> Self {
        Self {
            denial,
            text: String::with_capacity(SENTENCE_BYTES),
        }
    }

    fn say(mut self, words: &str) -> Self {
        self.text.push_str(words);
        self
    }

    fn credits(mut self, amount: u64) -> Self {
        push_shown(&mut self.text, amount, self.denial.scale);
        self
    }

    fn account(self) -> Self {
        match &self.denial.account {
            Account::User(name) => self.say("user ").say(name),
            Account::Environment(name) => self.say("environment ").say(name),
            Account::Pool => self.say("the pool"),
            Account::Organization => self.say("the organization"),
        }
    }

    fn asked_but(self) -> Self {
        let asked = self.denial.requested;
        self.credits(asked).say(" credits were asked for, but ")
    }

    fn left(self) -> Self {
        let left = self.denial.available;
        self.say(" has ").credits(left).say(" left: ")
    }

    fn gone(self) -> Self {
        let is_held = self.denial.held > 0;
        self.say(if is_held {
            " have been consumed or are held: "
        } else {
            " have been consumed: "
        })
    }

    fn figures(self) -> Self {
        let (used, held, limit) = (self.denial.used, self.denial.held, self.denial.limit);
        let text = self.credits(used);
        let text = if held == 0 {
            text.say(" of ")
        } else {
            text.say(" used and ").credits(held).say(" held of ")
        };
        text.credits(limit)
    }

    fn reset(mut self) -> Self {
        match self.denial.days_until_reset {
            0 => self.say("; resets today"),
            1 => self.say("; resets in 1 day"),
            days => {
                self.text.push_str("; resets in ");
                push_shown(&mut self.text, days.into(), 1);
                self.say(" days")
            }
        }
    }

    fn advice(self) -> Self {
        match &self.denial.account {
            Account::User(_) => self.say("Ask an administrator for a higher limit."),
            Account::Environment(_) | Account::Pool | Account::Organization => {
                self.say("Ask an administrator for more or request an extension.")
            }
        }
    }
}
