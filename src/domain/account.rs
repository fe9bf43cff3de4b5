//! Accounts: what people watch (section 1 of the rule book).

use std::fmt;

/// An account. Ordered as notifications are: users, environments, pool, organization; names ascending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// `users/U`: a user with a limit, or with a trial.
    User(Box<str>),
    /// `environments/E`: an environment with an allocation.
    Environment(Box<str>),
    /// `pool`: what is not set aside.
    Pool,
    /// `organization`: the tenant as a whole.
    Organization,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "users/{name}"),
            Self::Environment(name) => write!(f, "environments/{name}"),
            Self::Pool => f.write_str("pool"),
            Self::Organization => f.write_str("organization"),
        }
    }
}
