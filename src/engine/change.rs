//! What administrators do to the books apart from the plan: extensions, trials, corrections; and how the calendar turns.

use std::time::Duration;

use chrono::Datelike;

use crate::domain::credits::Credits;
use crate::domain::cycle::CycleSpan;
use crate::domain::fact::{Extension, Fact, OrganizationId, Place, TrialPeriod};
use crate::domain::names::Name;
use crate::domain::time::Timestamp;

use super::answer::{EngineError, Notice};
use super::denial::{invalid, precondition};
use super::desk::Desk;
use super::organization::Organization;
use super::shard::Shard;
use super::slab::position;
use super::{Engine, SHARDS};

const DAY: Duration = Duration::from_secs(86_400);

impl Engine {
    /// Requests an extension for the present cycle (section 3); answers when it becomes usable.
    pub fn request_extension(&self, organization: Name<'_>) -> Result<Timestamp, EngineError> {
        let id = self.find(organization)?;
        let (usable, _) = self.desk(id.shard, |desk| {
            let now = desk.now.wall;
            let found = desk.organization(id, organization)?;
            let book = found.present().ok_or_else(|| precondition("no cycle is open yet"))?;
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
            for (count, most, period) in [
                (book.extensions.len(), terms.per_cycle, "in this cycle"),
                (in_year, terms.per_year, "in this calendar year"),
            ] {
                if count >= most as usize {
                    return Err(precondition(format!(
                        "{count} extensions were requested {period}, and at most {most} are allowed; buy add-ons instead"
                    )));
                }
            }
            let extension = Extension { requested: now, usable, credits: terms.credits.get(), id: None };
            let number = book.number;
            desk.shard.happen(Fact::ExtensionRequested { organization: id, book: number, extension, by: "".into() });
            Ok(usable)
        })?;
        Ok(usable)
    }

    /// Starts a user's trial, while nothing is purchased (section 3); answers when it ends.
    pub fn start_trial(
        &self,
        organization: Name<'_>,
        user: Name<'_>,
    ) -> Result<Timestamp, EngineError> {
        self.trial(organization, user, |found, _, _| {
            match found.trials.find(user.as_str()) {
                Some(_) => Err(precondition(
                    "the user has had a trial; renew it after it has ended",
                )),
                None => Ok(()),
            }
        })
    }

    /// Renews a user's trial after it has ended; answers when it ends.
    pub fn renew_trial(
        &self,
        organization: Name<'_>,
        user: Name<'_>,
    ) -> Result<Timestamp, EngineError> {
        self.trial(organization, user, |found, now, renewals| {
            let Some(trial) = found.trials.find_row(user.as_str()) else {
                return Err(precondition("the user has had no trial; start one"));
            };
            let ends = trial
                .periods
                .last()
                .map_or(Timestamp::MIN, |period| period.terms.until);
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
            Ok(())
        })
    }

    fn trial(
        &self,
        organization: Name<'_>,
        user: Name<'_>,
        allow: impl FnOnce(&Organization, Timestamp, u32) -> Result<(), EngineError>,
    ) -> Result<Timestamp, EngineError> {
        let id = self.find(organization)?;
        let (until, _) = self.desk(id.shard, |desk| {
            let now = desk.now.wall;
            let found = desk.organization(id, organization)?;
            let purchased = found.present().map_or(0, |book| book.figures.purchased.total());
            if purchased > 0 {
                return Err(precondition(format!(
                    "the organization has purchased {} credits; trials are for those that have none",
                    Credits::saturating(purchased),
                )));
            }
            let terms = &found.plan.trial;
            allow(found, now, terms.renewals)?;
            let until = now.plus(DAY.saturating_mul(terms.days));
            let period = TrialPeriod { from: now, until, credits: terms.credits.get(), id: None };
            desk.shard.happen(Fact::TrialStarted { organization: id, user: user.as_str().into(), period });
            Ok(until)
        })?;
        Ok(until)
    }

    /// Corrects the books of the present cycle: adds to (or takes from) what a cell has used.
    pub fn adjust(
        &self,
        organization: Name<'_>,
        environment: Name<'_>,
        user: Option<Name<'_>>,
        credits: i64,
        reason: &str,
    ) -> Result<(), EngineError> {
        if credits == 0 || credits.unsigned_abs() > Credits::MAX.get() {
            return Err(invalid(
                "credits",
                "give a number other than 0 that is at most 2^53 - 1",
            ));
        }
        if reason.trim().is_empty() || reason.len() > 1_024 {
            return Err(invalid("reason", "say why, in 1 to 1,024 bytes"));
        }
        let id = self.find(organization)?;
        let user = user.map_or("", Name::as_str);
        self.desk(id.shard, |desk| {
            desk.organization(id, organization)?;
            desk.adjust(id, environment.as_str(), user, credits, reason)
        })?;
        Ok(())
    }

    /// What fired since the last call in all organizations, by name, each in order. That they were taken is recorded: they
    /// do not come back. What cannot be recorded stays, and [`Self::has_failed`] says so from then on.
    pub fn take_notices(&self) -> Vec<(Box<str>, Notice)> {
        let mut notices = Vec::new();
        for shard in 0..SHARDS {
            let taken = self.desk(shard, |desk| {
                let mut taken = Vec::new();
                for index in 0..desk.shard.organizations.len() {
                    let organization = &desk.shard.organizations[index];
                    let (id, name) = (organization.id, organization.name.clone());
                    let fired = desk.tell(id).into_iter();
                    taken.extend(fired.map(|notice| (name.clone(), notice)));
                }
                Ok(taken)
            });
            let Ok((taken, _)) = taken else {
                // The engine has failed: it says so to everybody from here on.
                break;
            };
            notices.extend(taken);
        }
        notices
    }

    /// What fired since the last call in one organization, in order. That they were taken is recorded.
    pub fn notices(&self, organization: Name<'_>) -> Result<Vec<Notice>, EngineError> {
        let id = self.find(organization)?;
        let (notices, _) = self.desk(id.shard, |desk| {
            desk.organization(id, organization)?;
            Ok(desk.tell(id))
        })?;
        Ok(notices)
    }
}

impl Desk<'_> {
    /// Takes an organization's notices.
    fn tell(&mut self, id: OrganizationId) -> Vec<Notice> {
        let Some(organization) = self.shard.organizations.get(id.index as usize) else {
            return Vec::new();
        };
        let fired: Vec<_> = organization.notices.iter().cloned().collect();
        if !fired.is_empty() {
            let (organization, count) = (id, position(fired.len()));
            self.shard.happen(Fact::Told {
                organization,
                count,
            });
        }
        fired
    }

    fn adjust(
        &mut self,
        id: OrganizationId,
        environment: &str,
        user: &str,
        credits: i64,
        reason: &str,
    ) -> Result<(), EngineError> {
        let found = self
            .shard
            .organizations
            .get(id.index as usize)
            .and_then(Organization::present);
        let book = found.ok_or_else(|| precondition("no cycle is open yet"))?;
        let seat = book.seat(environment, user);
        let cell = seat
            .user
            .zip(seat.environment)
            .and_then(|(user, environment)| {
                book.users
                    .get(user)
                    .and_then(|row| row.cell(environment))
                    .copied()
            });
        let used = cell.map_or(0, |cell| cell.used - cell.trial_used);
        if credits < 0 && credits.unsigned_abs() > used {
            return Err(precondition(format!(
                "the cell has used {} credits apart from trials; no more than that can be taken back",
                Credits::saturating(used),
            )));
        }
        if credits > 0 && credits.unsigned_abs() > book.room() {
            return Err(invalid(
                "credits",
                "the organization's credits in this cycle would pass 2^53 - 1",
            ));
        }
        let share = seat.share_after(book, credits, 0, false, self.now.wall);
        let rows = self.name_rows(id, &seat, environment, user);
        let (book, environment, user) = rows.ok_or_else(|| precondition("no cycle is open yet"))?;
        let label = self.adjustment_label(id, book);
        let mut place = Place {
            organization: id,
            book,
            environment,
            user,
            label,
        };
        place.label = self.row_label(&place);
        self.shard.happen(Fact::Adjusted {
            place,
            credits,
            reason: reason.into(),
            at: self.now.steady,
            share,
            tag: None,
        });
        self.cross(&place);
        Ok(())
    }
}

impl Shard {
    /// What the calendar says is due for an organization at an instant: a new cycle, or grants that begin or end.
    pub(super) fn turn_page(&mut self, index: u32, at: Timestamp) {
        let organization = OrganizationId {
            shard: self.number,
            index,
        };
        let found = self.organizations.get(index as usize);
        let Some((found, book)) = found.and_then(|it| Some((it, it.present()?))) else {
            self.calendar.remove(&(at, index));
            return;
        };
        if at < book.span.end && book.next_step <= at {
            self.happen(Fact::EntitlementChanged { organization, at });
            self.cross_all(organization, at);
            return;
        }
        if at < book.span.end {
            self.happen(Fact::DaysClosed { organization });
            return;
        }
        let closing = book.timeline.at(book.span.end.just_before());
        let entitlement = closing.purchased.total() + book.rolled_over;
        let unused = entitlement.saturating_sub(book.totals.used + book.totals.held);
        let rolled_over = unused.min(closing.rollover_max);
        let calendar = found.plan.calendar;
        let start = book.span.end;
        let span = CycleSpan {
            start,
            end: calendar.boundary_after(start),
        };
        let book = book.number + 1;
        if found.days.has_open() {
            self.happen(Fact::DaysClosed { organization });
        }
        self.happen(Fact::CycleOpened {
            organization,
            book,
            span,
            calendar,
            rolled_over,
        });
    }
}

fn rfc3339(instant: Timestamp) -> String {
    instant.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
