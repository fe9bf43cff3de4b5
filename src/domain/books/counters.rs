//! The counters that the engine keeps, and what they have to be.

use std::collections::BTreeMap;

use super::{Books, Cell};

/// Committed and held credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    /// Committed.
    pub used: u64,
    /// In open holds.
    pub held: u64,
}

/// Committed and held credits of a user, everywhere and where the pool funds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UserTally {
    /// Committed, in all environments.
    pub used: u64,
    /// In open holds, in all environments.
    pub held: u64,
    /// Committed, in environments that the pool funds.
    pub pool_used: u64,
    /// In open holds, in environments that the pool funds.
    pub pool_held: u64,
}

/// Every counter that is kept beside the cells, in credits. Maps hold only entries in which something is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// The organization, without what trials paid.
    pub organization: Tally,
    /// What trials paid.
    pub trials: Tally,
    /// By environment, without trials.
    pub environments: BTreeMap<Box<str>, Tally>,
    /// By user (`None`: nobody was named), without trials.
    pub users: BTreeMap<Option<Box<str>>, UserTally>,
    /// Over users, what is committed from the pool beyond their limits.
    pub pool_used: u64,
    /// Over users, what is committed or held from the pool beyond their limits.
    pub pool_drawn: u64,
    /// What allocations and limits have paid and promised.
    pub base_drawn: u64,
    /// What all payers have drawn of the shared extension.
    pub shares_sum: u64,
}

/// What every counter has to be.
pub fn derive(books: &Books) -> Counters {
    let environments: BTreeMap<_, _> = books
        .cells
        .keys()
        .map(|(environment, _)| {
            let of =
                |figure: fn(&Cell) -> i128| whole(books.sum(|it, _| it == &**environment, figure));
            (
                environment.clone(),
                Tally {
                    used: of(Cell::own_used),
                    held: of(Cell::own_held),
                },
            )
        })
        .filter(|(_, tally)| *tally != Tally::default())
        .collect();
    let users: BTreeMap<_, _> = books
        .users()
        .into_iter()
        .map(|user| (user.map(Into::into), user_tally(books, user)))
        .filter(|(_, tally)| *tally != UserTally::default())
        .collect();
    Counters {
        organization: Tally {
            used: whole(books.used()),
            held: whole(books.held()),
        },
        trials: Tally {
            used: whole(books.sum(|_, _| true, |cell| cell.trial_used.into())),
            held: whole(books.sum(|_, _| true, |cell| cell.trial_held.into())),
        },
        environments,
        users,
        pool_used: whole(books.pool_used()),
        pool_drawn: whole(books.pool_drawn()),
        base_drawn: whole(books.base_drawn()),
        shares_sum: whole(books.shares_sum()),
    }
}

fn user_tally(books: &Books, user: Option<&str>) -> UserTally {
    let used = books.user_used(user);
    let pool_used = books.user_pool_used(user);
    UserTally {
        used: whole(used),
        held: whole(books.user_drawn(user) - used),
        pool_used: whole(pool_used),
        pool_held: whole(books.user_pool_drawn(user) - pool_used),
    }
}

/// Sums of credits are whole; one that is not shows as the impossible maximum, which no counter equals.
fn whole(sum: i128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::books::Payer;
    use crate::domain::credits::Credits;
    use crate::domain::cycle::Calendar;
    use crate::domain::plan::{EnvironmentPlan, LimitKind, OrganizationPlan, UserPlan};
    use crate::domain::time::Timestamp;

    fn books(
        allocations: &[(&str, u64)],
        limits: &[(&str, u64)],
        cells: &[(&str, &str, u64, u64)],
    ) -> Books {
        let mut plan = OrganizationPlan::default();
        for &(name, allocation) in allocations {
            let allocation = Credits::new(allocation).unwrap();
            plan.environments.insert(
                name.into(),
                EnvironmentPlan {
                    allocation,
                    ..EnvironmentPlan::default()
                },
            );
        }
        for &(name, limit) in limits {
            let limit = Credits::new(limit).unwrap();
            plan.users.insert(
                name.into(),
                UserPlan {
                    limit,
                    kind: LimitKind::Soft,
                    thresholds: None,
                },
            );
        }
        let span = Calendar::default().cycle_at(Timestamp::from_nanos(0));
        let mut books = Books::new(Arc::new(plan), span, 10_000, 0);
        for &(environment, user, used, held) in cells {
            let user = (!user.is_empty()).then(|| user.into());
            books.cells.insert(
                (environment.into(), user),
                Cell {
                    used,
                    held,
                    ..Cell::default()
                },
            );
        }
        books
    }

    #[test]
    fn a_soft_user_past_the_limit_eats_into_the_pool() {
        let derived = derive(&books(
            &[],
            &[("s", 1_000)],
            &[("dev", "s", 1_200, 100), ("dev", "", 5, 0)],
        ));
        assert_eq!(
            (derived.pool_used, derived.pool_drawn, derived.base_drawn),
            (205, 305, 1_000)
        );
    }

    #[test]
    fn a_limit_that_is_removed_gives_back_at_once_what_was_not_used() {
        let (with, without) = (
            books(&[], &[("s", 1_000)], &[("dev", "s", 400, 0)]),
            books(&[], &[], &[("dev", "s", 400, 0)]),
        );
        assert_eq!((with.pool_base(), with.pool_drawn()), (9_000, 0));
        assert_eq!((without.pool_base(), without.pool_drawn()), (10_000, 400));
    }

    #[test]
    fn an_allocated_environment_pays_for_itself_and_the_user_counts_everywhere() {
        let derived = derive(&books(
            &[("prod", 100)],
            &[("u", 50)],
            &[("prod", "u", 120, 0), ("dev", "u", 30, 10)],
        ));
        let user = derived.users[&Some("u".into())];
        assert_eq!(
            user,
            UserTally {
                used: 150,
                held: 10,
                pool_used: 30,
                pool_held: 10
            }
        );
        assert_eq!((derived.pool_drawn, derived.base_drawn), (0, 100 + 40));
        assert_eq!(derived.environments["prod"], Tally { used: 120, held: 0 });
    }

    #[test]
    fn what_a_trial_paid_counts_against_nothing_that_was_bought() {
        let mut books = books(&[], &[], &[]);
        let cell = Cell {
            used: 70,
            held: 20,
            trial_used: 70,
            trial_held: 15,
        };
        books.cells.insert(("dev".into(), Some("t".into())), cell);
        let derived = derive(&books);
        assert_eq!(derived.organization, Tally { used: 0, held: 5 });
        assert_eq!(derived.trials, Tally { used: 70, held: 15 });
        assert_eq!(derived.pool_drawn, 5);
    }

    #[test]
    fn a_share_grows_into_what_is_left_of_the_extension_and_shrinks_with_the_overage() {
        let mut books = books(&[("prod", 100)], &[], &[("prod", "", 130, 0)]);
        let prod = Payer::Environment("prod".into());
        assert_eq!(books.share_as_if(&prod), 0);
        books.extension = 50;
        assert_eq!(books.share_as_if(&prod), 30);
        books.shares = [(prod.clone(), 10), (Payer::Pool, 35)].into();
        assert_eq!(
            (books.share_as_if(&prod), books.share_as_if(&Payer::Pool)),
            (15, 0)
        );
    }
}
