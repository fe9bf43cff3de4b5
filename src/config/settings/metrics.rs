//! Which accounts the page of metrics shows.

use super::super::error::ConfigError;
use super::super::scalar::Small;
use super::file::RawMetrics;
use super::{Overrides, read, size};

/// Organizations, pools and environments that are shown by default.
pub const ACCOUNTS_DEFAULT: usize = 1_000;

/// Either may be as large as this: four series of about 100 bytes each, so 4 MB of page at most.
pub const SHOWN_MAX: usize = 10_000;

/// Which accounts the page of metrics shows: the first by name, so that the set does not change with what they use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Organizations, pools and environments, all together.
    pub accounts: usize,
    /// Users, all together. Names of users may be personal, so there are none by default.
    pub users: usize,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            accounts: ACCOUNTS_DEFAULT,
            users: 0,
        }
    }
}

/// Puts file and overrides together.
pub(super) fn resolve(
    given: &mut Overrides,
    in_file: Option<RawMetrics>,
) -> Result<Metrics, ConfigError> {
    let in_file = in_file.unwrap_or_default();
    let accounts = read::<Small>("metrics-accounts", given.metrics_accounts.take())?;
    let users = read::<Small>("metrics-users", given.metrics_users.take())?;
    Ok(Metrics {
        accounts: accounts.or(in_file.accounts).map_or(ACCOUNTS_DEFAULT, size),
        users: users.or(in_file.users).map_or(0, size),
    })
}

/// What makes no sense: the key, and what to do.
pub(super) fn check(metrics: &Metrics) -> Result<(), (&'static str, String)> {
    for (key, shown) in [
        ("metrics.accounts", metrics.accounts),
        ("metrics.users", metrics.users),
    ] {
        if shown > SHOWN_MAX {
            let problem = format!(
                "a page with {shown} of them would be too large to scrape; choose at most {SHOWN_MAX}"
            );
            return Err((key, problem));
        }
    }
    Ok(())
}
