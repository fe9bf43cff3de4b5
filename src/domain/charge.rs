//! A route and an amount: granted, or denied with the account that binds and the reason (section 5).

use super::rates::Class;
use super::route::{Payer, Route};

/// Why credits were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The reach is used up.
    QuotaExceeded,
    /// The class stopped it: `run` would have been granted the same amount there.
    OverageBlocked,
    /// Entitlement 0 and no trial; or unallocated use is off and the user has no limit.
    EntitlementNotAvailable,
    /// The user's trial has nothing left.
    TrialExhausted,
    /// The user's trial is over.
    TrialExpired,
    /// The sidecar's own bounds.
    ResourceLimit,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::QuotaExceeded,
        Self::OverageBlocked,
        Self::EntitlementNotAvailable,
        Self::TrialExhausted,
        Self::TrialExpired,
        Self::ResourceLimit,
    ];

    /// As the interface spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::OverageBlocked => "OVERAGE_BLOCKED",
            Self::EntitlementNotAvailable => "ENTITLEMENT_NOT_AVAILABLE",
            Self::TrialExhausted => "TRIAL_EXHAUSTED",
            Self::TrialExpired => "TRIAL_EXPIRED",
            Self::ResourceLimit => "RESOURCE_LIMIT",
        }
    }
}

/// Which of a route's accounts binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The user's hard cap.
    User,
    /// The payer.
    Payer,
    /// The entitlement, while set-asides exceed it.
    Organization,
}

/// Why an amount was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The rule.
    pub reason: Reason,
    /// The account with the least headroom.
    pub bound: Bound,
    /// Exactly this much would be granted; one more would not.
    pub available: u64,
}

/// The account with the least headroom, the user first on a tie, and that headroom.
#[inline(always)]
pub fn headroom(route: &Route, class: Class) -> (Bound, i64) {
    let mut least = (Bound::Payer, route.payer_headroom(class));
    if let Some(cap) = route.user_cap
        && cap.headroom() <= least.1
    {
        least = (Bound::User, cap.headroom());
    }
    // Requests that take base credits are together limited to the entitlement; those that take none are not.
    if let Some(cap) = route.entitlement_cap {
        let base_left = route.base_left();
        let room = cap.headroom().max(0);
        if base_left > 0 && room < base_left && room < least.1 {
            least = (Bound::Organization, room);
        }
    }
    least
}

/// What would be granted now to a request that takes as much as there is.
pub fn available(route: &Route, class: Class) -> u64 {
    if route.refused.is_some() {
        return 0;
    }
    u64::try_from(headroom(route, class).1).unwrap_or(0)
}

/// The one test: `asked` is granted if and only if drawn + asked <= reach, at the payer and at each cap. With `min`, less
/// will do, down to the greater of `min` and 1. Answers how much is granted.
pub fn decide(route: &Route, class: Class, asked: u64, min: Option<u64>) -> Result<u64, Shortfall> {
    if class == Class::Free {
        return Ok(0);
    }
    if let Some((reason, bound)) = route.refused {
        return Err(Shortfall {
            reason,
            bound,
            available: 0,
        });
    }
    let (bound, room) = headroom(route, class);
    let available = u64::try_from(room).unwrap_or(0);
    let fits = i128::from(asked) <= i128::from(room);
    if fits {
        return Ok(asked);
    }
    if min.is_some_and(|min| available >= min.max(1)) {
        return Ok(available);
    }
    let least = min.map_or(asked, |min| min.max(1).min(asked));
    Err(Shortfall {
        reason: reason(route, class, least, bound),
        bound,
        available,
    })
}

fn reason(route: &Route, class: Class, asked: u64, bound: Bound) -> Reason {
    if bound != Bound::Payer {
        return Reason::QuotaExceeded;
    }
    if route.payer == Payer::Trial {
        return Reason::TrialExhausted;
    }
    let run_fits = i128::from(asked) <= i128::from(route.payer_headroom(Class::Run));
    if class == Class::Maker && run_fits {
        Reason::OverageBlocked
    } else {
        Reason::QuotaExceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::{Meter, Pots};

    fn environment(base: u64, allowance: u64, drawn: u64) -> Route {
        Route {
            refused: None,
            payer: Payer::Environment,
            pots: Pots {
                base,
                allowance,
                ..Pots::default()
            },
            drawn,
            set_aside_left: 0,
            user_cap: None,
            entitlement_cap: None,
        }
    }

    #[test]
    fn grace_blocks_maker_at_100_percent_and_run_at_120() {
        for (drawn, class, asked, expected) in [
            (100_000, Class::Maker, 0, Ok(0)),
            (100_000, Class::Maker, 1, Err(Reason::OverageBlocked)),
            (100_000, Class::Run, 20_000, Ok(20_000)),
            (100_000, Class::Run, 20_001, Err(Reason::QuotaExceeded)),
            (100_000, Class::Maker, 20_001, Err(Reason::QuotaExceeded)),
            (100_001, Class::Maker, 0, Err(Reason::OverageBlocked)),
            (120_000, Class::Free, 0, Ok(0)),
        ] {
            let answer = decide(&environment(100_000, 20_000, drawn), class, asked, None);
            assert_eq!(
                answer.map_err(|it| it.reason),
                expected,
                "{class:?} {asked} at {drawn}"
            );
        }
    }

    #[test]
    fn an_extension_reaches_further_for_everyone() {
        let mut route = environment(100_000, 20_000, 120_000);
        route.pots.extension_left = 200_000;
        assert_eq!(available(&route, Class::Maker), 180_000);
        assert_eq!(available(&route, Class::Run), 200_000);
        assert_eq!(route.pots.share_at(120_000), 20_000);
    }

    #[test]
    fn a_set_aside_pays_first_and_an_exhausted_pool_does_not_matter_while_some_is_left() {
        let mut route = environment(7_000, 0, 9_000);
        route.payer = Payer::Pool;
        route.set_aside_left = 200;
        assert_eq!(available(&route, Class::Run), 200);
        route.set_aside_left = -5;
        assert_eq!(
            decide(&route, Class::Run, 0, None).map_err(|it| it.available),
            Err(0)
        );
    }

    #[test]
    fn the_user_is_named_first_on_a_tie_and_the_organization_only_when_it_binds() {
        let mut route = environment(100, 0, 40);
        route.user_cap = Some(Meter {
            drawn: 0,
            reach: 60,
        });
        assert_eq!(headroom(&route, Class::Run), (Bound::User, 60));
        route.user_cap = None;
        route.entitlement_cap = Some(Meter {
            drawn: 40,
            reach: 100,
        });
        assert_eq!(headroom(&route, Class::Run), (Bound::Payer, 60));
        route.entitlement_cap = Some(Meter {
            drawn: 50,
            reach: 100,
        });
        assert_eq!(headroom(&route, Class::Run), (Bound::Organization, 50));
        route.entitlement_cap = Some(Meter {
            drawn: 150,
            reach: 100,
        });
        assert_eq!(decide(&route, Class::Run, 0, None), Ok(0));
    }

    #[test]
    fn with_a_minimum_less_will_do() {
        let route = environment(100, 0, 70);
        assert_eq!(decide(&route, Class::Run, 50, Some(10)), Ok(30));
        assert_eq!(
            decide(&route, Class::Run, 50, Some(31)).map_err(|it| it.available),
            Err(30)
        );
        assert_eq!(
            decide(&route, Class::Run, 50, None).map_err(|it| it.available),
            Err(30)
        );
        assert!(decide(&environment(100, 0, 100), Class::Run, 5, Some(0)).is_err());
    }
}
