//! What administrators do to the books apart from the plan: corrections, and holds that somebody forgot; how the calendar
//! turns. Extensions and trials are in `extension.rs`.

use crate::domain::credits::Credits;
use crate::domain::cycle::CycleSpan;
use crate::domain::fact::{Fact, Id, OrganizationId, Place};
use crate::domain::names::Name;
use crate::domain::time::Timestamp;

use super::answer::{Changed, EngineError, Notice, Released};
use super::denial::{invalid, precondition};
use super::desk::{Desk, Known};
use super::fingerprint;
use super::order::{Act, WHY_BYTES_MAX};
use super::organization::Organization;
use super::reserve::other_contents;
use super::shard::Shard;
use super::slab::position;
use super::{Engine, SHARDS};

impl Engine {
    /// Corrects the books of the present cycle: adds to (or takes from) what a cell has used. The reason is `act.why`.
    ///
    /// # Errors
    /// If there are no such credits, no reason or no such organization; if more is taken back than was used apart from
    /// trials; or if the id was sent with other contents.
    pub fn adjust(
        &self,
        organization: Name<'_>,
        environment: Name<'_>,
        user: Option<Name<'_>>,
        credits: i64,
        act: &Act<'_>,
    ) -> Result<Changed<()>, EngineError> {
        if credits == 0 || credits.unsigned_abs() > Credits::MAX.get() {
            return Err(invalid(
                "credits",
                "give a number other than 0 that is at most 2^53 - 1",
            ));
        }
        if act.why.trim().is_empty() || act.why.len() > WHY_BYTES_MAX {
            return Err(invalid("reason", "say why, in 1 to 1,024 bytes"));
        }
        let id = self.find(organization)?;
        let user = user.map_or("", Name::as_str);
        let cell = [environment.as_str(), user];
        let ((), receipt) = self.desk(id.shard, |desk| {
            desk.organization(id, organization)?;
            desk.room_to_change()?;
            desk.adjust(id, cell, credits, act)
        })?;
        Ok(Changed { value: (), receipt })
    }

    /// Gives up a hold that somebody else forgot. One that expired is settled, with nothing to return.
    ///
    /// # Errors
    /// As those of [`Self::release`].
    pub fn release_reservation(&self, id: &Id, act: &Act<'_>) -> Result<Released, EngineError> {
        act.check()?;
        self.release_as(id, act)
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
        [environment, user]: [&str; 2],
        credits: i64,
        act: &Act<'_>,
    ) -> Result<(), EngineError> {
        let print = match &act.request_id {
            Some(request) => {
                let name = self.name_of(id);
                let print = fingerprint::of_adjust([&name, environment, user], credits, act.why);
                match self.known(request, print)? {
                    Known::Same(_) => return Ok(()),
                    Known::New if !self.was_asked(id, request) => {}
                    _ => return Err(other_contents("request_id")),
                }
                print
            }
            None => 0,
        };
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
        let tag = match &act.request_id {
            Some(request) => {
                let tag = self.tag(Some(request), print);
                Some(tag.ok_or_else(|| other_contents("request_id"))?)
            }
            None => None,
        };
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
            reason: act.why.into(),
            at: self.now.steady,
            share,
            tag,
        });
        self.cross(&place);
        let after = used.saturating_add_signed(credits);
        let texts = [used, after].map(|used| format!("used {used}"));
        let at = self.now.wall;
        self.shard
            .audit(id, act, at, texts.each_ref().map(|it| it.as_str()));
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
            self.calendar.remove(at, index);
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
