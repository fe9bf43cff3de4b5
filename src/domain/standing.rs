//! State and percentage, as people see them (section 7).

use super::credits::shown;

/// How an account stands, from well to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum State {
    /// Below 80 %.
    #[default]
    Ok,
    /// From 80 % on.
    Warning,
    /// The limit is used up; something beyond it is left.
    Exhausted,
    /// Beyond the base and its extension, into the allowance; a soft user beyond the limit.
    Overage,
    /// Nothing is left.
    Blocked,
}

impl State {
    /// As the interface spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Exhausted => "EXHAUSTED",
            Self::Overage => "OVERAGE",
            Self::Blocked => "BLOCKED",
        }
    }
}

/// An account as the state sees it; all in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Account {
    /// U: committed.
    pub used: u64,
    /// L: the limit.
    pub limit: u64,
    /// D: committed and held.
    pub drawn: u64,
    /// R: how far class `run` reaches; `None` is without end (a soft user).
    pub reach: Option<u64>,
    /// Base and the account's share of the extension: beyond it is overage.
    pub covered: u64,
}

/// The state of an account.
pub fn state(account: Account) -> State {
    let Account {
        used,
        limit,
        drawn,
        reach,
        covered,
    } = account;
    if used >= limit && reach.is_some_and(|reach| drawn >= reach) {
        State::Blocked
    } else if used > covered {
        State::Overage
    } else if used >= limit {
        State::Exhausted
    } else if u128::from(used) * 100 >= u128::from(limit) * 80 {
        State::Warning
    } else {
        State::Ok
    }
}

/// `floor(100 used / limit)`, uncapped; `None` where there is no limit, or one of zero.
pub fn percent(used: u64, limit: Option<u64>) -> Option<u64> {
    let limit = limit.filter(|&limit| limit > 0)?;
    u64::try_from(u128::from(used) * 100 / u128::from(limit)).ok()
}

/// `X of Y credits used (Z%)`; without a limit `X credits used`.
pub fn text(used: u64, limit: Option<u64>, scale: u64) -> String {
    match (limit, percent(used, limit)) {
        (Some(limit), Some(percent)) => {
            format!(
                "{} of {} credits used ({percent}%)",
                shown(used, scale),
                shown(limit, scale)
            )
        }
        (Some(limit), None) => format!(
            "{} of {} credits used",
            shown(used, scale),
            shown(limit, scale)
        ),
        (None, _) => format!("{} credits used", shown(used, scale)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_the_first_of_the_list_that_holds() {
        for (used, limit, drawn, reach, covered, expected) in [
            (0, 100, 0, Some(100), 100, State::Ok),
            (79, 100, 100, Some(100), 100, State::Ok),
            (80, 100, 80, Some(100), 100, State::Warning),
            (100, 100, 100, Some(120), 100, State::Exhausted),
            (101, 100, 101, Some(120), 100, State::Overage),
            (120, 100, 120, Some(120), 100, State::Blocked),
            (120, 100, 120, Some(320), 300, State::Exhausted),
            (1_200, 1_000, 1_200, None, 1_000, State::Overage),
            (1_000, 1_000, 1_000, None, 1_000, State::Exhausted),
            (0, 0, 0, Some(0), 0, State::Blocked),
        ] {
            let account = Account {
                used,
                limit,
                drawn,
                reach,
                covered,
            };
            assert_eq!(state(account), expected, "{account:?}");
        }
    }

    #[test]
    fn the_text_says_how_much_of_what() {
        assert_eq!(
            text(1_000, Some(1_000), 1),
            "1,000 of 1,000 credits used (100%)"
        );
        assert_eq!(text(7_000, None, 1), "7,000 credits used");
        assert_eq!(
            text(1_500, Some(3_000), 1_000),
            "1.5 of 3 credits used (50%)"
        );
    }
}
