//! Extensions and trials (section 3): credits that nobody purchased, by request. A request that is repeated with its id is
//! answered as before.

use std::time::Duration;

use chrono::Datelike;

use crate::domain::credits::Credits;
use crate::domain::fact::{Extension, Fact, Id, OrganizationId, TrialPeriod};
use crate::domain::names::Name;
use crate::domain::time::Timestamp;

use super::Engine;
use super::answer::{Changed, EngineError};
use super::book::Book;
use super::denial::precondition;
use super::desk::Desk;
use super::holds::{hex, uuid_v7_millis};
use super::order::Act;
use super::organization::{Organization, Trial};
use super::reserve::other_contents;

const DAY: Duration = Duration::from_secs(86_400);

/// What a caller's id stood for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked<'a> {
    /// An extension, usable from then on.
    Extension(Timestamp),
    /// A user's trial: the period's number, counted from 0, and when it ends.
    Trial(&'a str, usize, Timestamp),
}

impl Engine {
    /// Requests an extension for the present cycle (section 3); answers when it becomes usable.
    ///
    /// # Errors
    /// If there is no such organization; if there were as many as are allowed, or it could not become usable before the
    /// reset; or if the id was sent with other contents.
    pub fn request_extension(
        &self,
        organization: Name<'_>,
        act: &Act<'_>,
    ) -> Result<Changed<Timestamp>, EngineError> {
        act.check()?;
        let id = self.find(organization)?;
        let (value, receipt) = self.desk(id.shard, |desk| {
            desk.organization(id, organization)?;
            match desk.asked(id, act)? {
                Some(Asked::Extension(usable)) => Ok(usable),
                Some(Asked::Trial(..)) => Err(other_contents("request_id")),
                None => {
                    desk.room_to_change()?;
                    desk.request_extension(id, act)
                }
            }
        })?;
        Ok(Changed { value, receipt })
    }

    /// Starts a user's trial, while nothing is purchased (section 3); answers when it ends.
    ///
    /// # Errors
    /// If there is no such organization; if it has purchased something, or the user has had a trial; or if the id was sent
    /// with other contents.
    pub fn start_trial(
        &self,
        organization: Name<'_>,
        user: Name<'_>,
        act: &Act<'_>,
    ) -> Result<Changed<Timestamp>, EngineError> {
        self.trial(organization, user, act, true)
    }

    /// Renews a user's trial after it has ended; answers when it ends.
    ///
    /// # Errors
    /// If there is no such organization; if it has purchased something, if the user has had no trial, one that still runs, or
    /// all renewals; or if the id was sent with other contents.
    pub fn renew_trial(
        &self,
        organization: Name<'_>,
        user: Name<'_>,
        act: &Act<'_>,
    ) -> Result<Changed<Timestamp>, EngineError> {
        self.trial(organization, user, act, false)
    }

    fn trial(
        &self,
        organization: Name<'_>,
        user: Name<'_>,
        act: &Act<'_>,
        is_first: bool,
    ) -> Result<Changed<Timestamp>, EngineError> {
        act.check()?;
        let id = self.find(organization)?;
        let user = user.as_str();
        let (value, receipt) = self.desk(id.shard, |desk| {
            desk.organization(id, organization)?;
            match desk.asked(id, act)? {
                Some(Asked::Trial(whose, number, until))
                    if whose == user && (number == 0) == is_first =>
                {
                    Ok(until)
                }
                Some(_) => Err(other_contents("request_id")),
                None => {
                    desk.room_to_change()?;
                    desk.begin_trial(id, user, act, is_first)
                }
            }
        })?;
        Ok(Changed { value, receipt })
    }
}

impl Desk<'_> {
    /// What the id of an administrator's call stood for before, if it was sent before.
    fn asked(&self, id: OrganizationId, act: &Act<'_>) -> Result<Option<Asked<'_>>, EngineError> {
        let Some(request) = &act.request_id else {
            return Ok(None);
        };
        let found = self.shard.organizations.get(id.index as usize);
        if let Some(asked) = found.and_then(|it| it.asked(request)) {
            return Ok(Some(asked));
        }
        // A hold, a charge or a correction.
        if self.shared.ids.contains_key(request) {
            return Err(other_contents("request_id"));
        }
        Ok(None)
    }

    /// Whether an id stands for an extension or a trial.
    pub(super) fn was_asked(&self, id: OrganizationId, request: &Id) -> bool {
        let found = self.shard.organizations.get(id.index as usize);
        found.is_some_and(|it| it.asked(request).is_some())
    }

    fn request_extension(
        &mut self,
        id: OrganizationId,
        act: &Act<'_>,
    ) -> Result<Timestamp, EngineError> {
        let now = self.now.wall;
        let found = self.shard.organizations.get(id.index as usize);
        let found = found.and_then(|it| Some((it, it.present()?)));
        let (found, book) = found.ok_or_else(|| precondition("no cycle is open yet"))?;
        refuse_older(book, act.request_id.as_ref())?;
        let terms = &found.plan.extension;
        let usable = now.plus(terms.delay);
        if usable >= book.span.end {
            return Err(precondition(format!(
                "an extension requested now would become usable at {}, not before the cycle ends at {}; \
                 wait for the new cycle",
                rfc3339(usable),
                rfc3339(book.span.end),
            )));
        }
        let year = book.calendar.date(now).year();
        let this_year = |&&at: &&Timestamp| book.calendar.date(at).year() == year;
        let in_year = found.extension_requests.iter().filter(this_year).count();
        let in_cycle = book.extensions.len();
        for (count, most, period) in [
            (in_cycle, terms.per_cycle, "in this cycle"),
            (in_year, terms.per_year, "in this calendar year"),
        ] {
            if count >= most as usize {
                return Err(precondition(format!(
                    "{count} extensions were requested {period}, and at most {most} are allowed; buy add-ons instead"
                )));
            }
        }
        let credits = terms.credits.get();
        let extension = Extension {
            requested: now,
            usable,
            credits,
            id: act.request_id,
        };
        let book = book.number;
        self.shard.happen(Fact::ExtensionRequested {
            organization: id,
            book,
            extension,
            by: act.who.into(),
        });
        let before = format!("{in_cycle} in this cycle");
        let after = format!(
            "{} in this cycle, {credits} credits from {} on",
            in_cycle + 1,
            rfc3339(usable)
        );
        self.shard.audit(id, act, now, [&before, &after]);
        Ok(usable)
    }

    fn begin_trial(
        &mut self,
        id: OrganizationId,
        user: &str,
        act: &Act<'_>,
        is_first: bool,
    ) -> Result<Timestamp, EngineError> {
        let now = self.now.wall;
        let found = self.shard.organizations.get(id.index as usize);
        let found = found.ok_or_else(|| precondition("no cycle is open yet"))?;
        let purchased = found
            .present()
            .map_or(0, |book| book.figures.purchased.total());
        if purchased > 0 {
            return Err(precondition(format!(
                "the organization has purchased {} credits; trials are for those that have none",
                Credits::saturating(purchased),
            )));
        }
        let terms = &found.plan.trial;
        let before = match (found.trials.find_row(user), is_first) {
            (Some(_), true) => {
                let problem = "the user has had a trial; renew it after it has ended";
                return Err(precondition(problem));
            }
            (None, false) => {
                return Err(precondition("the user has had no trial; start one"));
            }
            (None, true) => String::new(),
            (Some(trial), false) => renewable(trial, now, terms.renewals)?,
        };
        let until = now.plus(DAY.saturating_mul(terms.days));
        let credits = terms.credits.get();
        let period = TrialPeriod {
            from: now,
            until,
            credits,
            id: act.request_id,
        };
        self.shard.happen(Fact::TrialStarted {
            organization: id,
            user: user.into(),
            period,
        });
        let after = format!("{credits} credits until {}", rfc3339(until));
        self.shard.audit(id, act, now, [&before, &after]);
        Ok(until)
    }
}

impl Organization {
    /// What an id stood for, among the extensions of the books that are kept and all trials. Looks at each of them: it is
    /// administrators who ask.
    fn asked(&self, request: &Id) -> Option<Asked<'_>> {
        let is_it = |id: &Option<Id>| id.as_ref() == Some(request);
        let extensions = self.books.iter().flat_map(|book| &book.extensions);
        if let Some(extension) = extensions.into_iter().find(|it| is_it(&it.id)) {
            return Some(Asked::Extension(extension.usable));
        }
        let mut trials = self.trials.iter();
        trials.find_map(|(_, trial)| {
            let number = trial.periods.iter().position(|it| is_it(&it.terms.id))?;
            let until = trial.periods.get(number)?.terms.until;
            Some(Asked::Trial(&trial.user, number, until))
        })
    }
}

/// Refuses to renew a trial that runs, or has been renewed as often as may be; otherwise says how it was.
fn renewable(trial: &Trial, now: Timestamp, renewals: u32) -> Result<String, EngineError> {
    let last = trial.periods.last();
    let ends = last.map_or(Timestamp::MIN, |period| period.terms.until);
    if now < ends {
        let ends = rfc3339(ends);
        return Err(precondition(format!(
            "the trial runs until {ends}; it can be renewed after that"
        )));
    }
    if trial.periods.len() > renewals as usize {
        return Err(precondition(format!(
            "the trial was renewed {renewals} times, the most that is allowed"
        )));
    }
    let used = last.map_or(0, |period| period.used);
    Ok(format!("ended {}, {used} credits used", rfc3339(ends)))
}

/// Extensions are remembered with their cycle. An id from before this one cannot be told from a retry that is forgotten: it
/// is refused rather than counted twice.
fn refuse_older(book: &Book, request: Option<&Id>) -> Result<(), EngineError> {
    let made = request.and_then(|id| Some((id, uuid_v7_millis(id)?)));
    let Some((id, millis)) = made.filter(|_| book.number > 0) else {
        return Ok(());
    };
    if Timestamp::from_millis(millis) >= book.span.start {
        return Ok(());
    }
    Err(precondition(format!(
        "id {} is older than this cycle, which began at {}; it may stand for an extension of the cycle before, so nothing \
         was requested; send a new id if an extension of this cycle is meant",
        hex(id),
        rfc3339(book.span.start),
    )))
}

fn rfc3339(instant: Timestamp) -> String {
    instant.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
