//! The books after a restart against the clients' log: first as they were found, then after everything in doubt was asked
//! again, when nothing is left to doubt.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use quotad::rpc::pb;

use super::ask::Ask;
use super::client::{self, Client};
use super::note::{CLOCKS_DIFFER, Life, Log, Sent};
use super::plan::{ORGANIZATIONS, Who, allocation};

/// So many in doubt are asked again at once.
const AT_ONCE: usize = 50;

/// What could not be named is in doubt until this is over.
struct Ghost {
    who: Who,
    amount: u64,
    gone: SystemTime,
}

/// What all clients know together.
#[derive(Default)]
pub struct Knowledge {
    pub log: Log,
    /// Reservations without an id of their own that were never answered.
    ghosts: Vec<Ghost>,
    pub credits_lost: u64,
    pub credits_doubled: u64,
    pub comparisons: u64,
}

impl Knowledge {
    /// Compares; what is wrong is in the log. `version` is the plan's, if it has not changed since it was last read.
    pub async fn compare(&mut self, client: &mut Client, version: u64) {
        if let Err(status) = self.compared(client, version).await {
            let problem = format!("the restarted sidecar does not answer: {status}");
            self.log.wrongs.push(problem);
        }
    }

    async fn compared(&mut self, client: &mut Client, version: u64) -> Result<(), tonic::Status> {
        let in_doubt = booked_by(&self.log.doubts, |_| true);
        self.used(client, &in_doubt, "as they were found").await?;
        let nameless = booked_by(&self.log.doubts, |ask| !ask.is_repeatable());
        self.resolve(client).await?;
        let balances = self
            .used(client, &nameless, "after doubts were resolved")
            .await?;
        for (who, (from, balance)) in &balances {
            // The doubts that nothing else can resolve are resolved by what is seen.
            self.log.used.insert(*who, balance.used);
            self.held(*who, balance, *from);
            if balance.limit != who.limit(version) {
                let problem = format!(
                    "{who:?}: the limit is {:?}, not that of version {version}: {:?}",
                    balance.limit,
                    who.limit(version)
                );
                self.log.wrongs.push(problem);
            }
        }
        self.ghosts.retain(|it| it.gone > SystemTime::now());
        for organization in 0..ORGANIZATIONS {
            self.totals(client, organization, version).await?;
        }
        self.comparisons += 1;
        Ok(())
    }

    /// Whether everybody has used what was acknowledged, and at most what is in doubt besides.
    async fn used(
        &mut self,
        client: &mut Client,
        doubts: &BTreeMap<Who, u64>,
        when: &str,
    ) -> Result<BTreeMap<Who, (SystemTime, pb::Balance)>, tonic::Status> {
        let mut balances = BTreeMap::new();
        for who in Who::all() {
            let from = SystemTime::now();
            let answer = client::balance(client, who).await?;
            let balance = answer.user.expect("the balance of a user");
            let least = self.log.used.get(&who).copied().unwrap_or(0);
            let most = least + doubts.get(&who).copied().unwrap_or(0);
            self.credits_lost += least.saturating_sub(balance.used);
            self.credits_doubled += balance.used.saturating_sub(most);
            if !(least..=most).contains(&balance.used) {
                let used = balance.used;
                let problem =
                    format!("{who:?} has used {used}, not {least} to {most}: the books {when}");
                self.log.wrongs.push(problem);
            }
            balances.insert(who, (from, balance));
        }
        Ok(balances)
    }

    /// Asks again what was never answered: it is done once, now or before.
    async fn resolve(&mut self, client: &mut Client) -> Result<(), tonic::Status> {
        let doubts = std::mem::take(&mut self.log.doubts);
        let (again, nameless): (Vec<_>, Vec<_>) = doubts.into_iter().partition(Ask::is_repeatable);
        let now = SystemTime::now();
        for ask in nameless {
            if let Ask::Reserve {
                who, amount, ttl, ..
            } = ask
            {
                let gone = now + ttl + 2 * CLOCKS_DIFFER;
                self.ghosts.push(Ghost { who, amount, gone });
            }
        }
        for asks in again.chunks(AT_ONCE) {
            let from = SystemTime::now();
            let told = client::batch(client, asks).await;
            let told = told.ok_or_else(|| tonic::Status::unavailable("doubts stay doubts"))?;
            for (ask, told) in asks.iter().zip(told) {
                self.log.note(ask.clone(), told, Sent::InDoubt, from);
            }
        }
        Ok(())
    }

    /// Whether a user's open holds are there, and no others.
    fn held(&mut self, who: Who, balance: &pb::Balance, from: SystemTime) {
        let to = SystemTime::now() + Duration::from_millis(1);
        let (mut least, mut most) = (0, 0);
        for hold in self.log.holds.iter().filter(|it| it.who == who) {
            let life = hold.life(from, to);
            least += if life == Life::Open { hold.held } else { 0 };
            most += if life == Life::Ended { 0 } else { hold.held };
        }
        let ghosts = self.ghosts.iter().filter(|it| it.who == who);
        most += ghosts.map(|it| it.amount).sum::<u64>();
        if balance.held < least {
            self.log.counts.holds_lost += 1;
        }
        if !(least..=most).contains(&balance.held) {
            let held = balance.held;
            let problem = format!("{who:?} holds {held}, not {least} to {most}");
            self.log.wrongs.push(problem);
        }
    }

    /// Whether the totals are the sums.
    async fn totals(
        &mut self,
        client: &mut Client,
        organization: usize,
        version: u64,
    ) -> Result<(), tonic::Status> {
        let sum = |of: &dyn Fn(Who) -> bool| -> u64 {
            let used = self.log.used.iter();
            used.filter(|(who, _)| who.organization == organization && of(**who))
                .map(|(_, used)| used)
                .sum()
        };
        let expected = [
            ("production", sum(&Who::works_in_production)),
            ("staging", sum(&|who| !who.works_in_production())),
        ];
        let all = sum(&|_| true);
        for (environment, expected) in expected {
            let answer = client::totals(client, organization, environment).await?;
            let own = answer.environment.expect("the environment's balance");
            let whole = answer.organization.expect("the organization's balance");
            let limit = (environment == "production").then(|| allocation(organization, version));
            if own.used != expected || whole.used != all || own.limit.filter(|&it| it > 0) != limit
            {
                self.log.wrongs.push(format!(
                    "organization {organization}: {environment} has used {} of {:?}, not {expected} of {limit:?}; the \
                     organization {}, not {all}",
                    own.used, own.limit, whole.used
                ));
            }
        }
        Ok(())
    }

    /// Commits what is still held: each of the holds is there.
    pub async fn commit_all(&mut self, client: &mut Client) {
        let holds = std::mem::take(&mut self.log.holds);
        for some in holds.chunks(AT_ONCE) {
            let commit = |hold: &super::ask::Hold| Ask::Commit {
                amount: hold.held,
                hold: hold.clone(),
            };
            let asks: Vec<_> = some.iter().map(commit).collect();
            let from = SystemTime::now();
            let Some(told) = client::batch(client, &asks).await else {
                self.log
                    .wrongs
                    .push("the last commits are not answered".to_owned());
                return;
            };
            for (ask, told) in asks.into_iter().zip(told) {
                self.log.note(ask, told, Sent::First, from);
            }
        }
    }
}

/// What some of these would book, per user.
fn booked_by(asks: &[Ask], counts: impl Fn(&Ask) -> bool) -> BTreeMap<Who, u64> {
    let mut sums = BTreeMap::new();
    for ask in asks.iter().filter(|ask| counts(ask)) {
        if let Ask::Commit { amount, .. } | Ask::Charge { amount, .. } = ask {
            *sums.entry(ask.who()).or_default() += amount;
        }
    }
    sums
}
