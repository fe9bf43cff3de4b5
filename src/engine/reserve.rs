//! Reserve, Charge and Check: credits are asked for.

use crate::domain::credits::Credits;
use crate::domain::fact::{Charged, Fact, Held, Place, Slot};
use crate::domain::rates::Class;
use crate::domain::time::Timestamp;
use crate::world::sabotage::{self, Fault};

use super::Engine;
use super::answer::*;
use super::case::{Case, Verdict};
use super::cell::FOLDED;
use super::denial::{invalid, on_the_wall, unopened};
use super::desk::{Desk, Known};
use super::fingerprint;
use super::holds::{Row, State};
use super::order::*;
use super::organization::Organization;
use super::seat::Trial;

impl Engine {
    /// Keeps credits for work that begins now.
    pub fn reserve(&self, order: &Reserve<'_>) -> Result<Decision<Reserved>, EngineError> {
        let ttl = order.ttl.unwrap_or(HOLD_TTL_DEFAULT);
        check_ttl(ttl)?;
        let shard = self.shard_for(order.subject.organization.as_str());
        self.request(shard, |desk| {
            let organization = desk.find(order.subject.organization)?;
            let print = order.id.map_or(0, |_| fingerprint::of_reserve(order));
            if let Some(id) = &order.id {
                match desk.known(id, print)? {
                    Known::New => {}
                    Known::Same(slot) => {
                        let row = desk.remembered(slot, id)?;
                        let told = desk.reserved(&row, row.granted, row.granted_expires)?;
                        return Ok(Decision::Granted(told));
                    }
                    Known::Other => return Err(other_contents("reservation_id")),
                }
            }
            let case = desk.case(organization, &order.subject, &order.cost)?;
            let min = order.min.map(Credits::get);
            case.check_min(min)?;
            let verdict = match desk.decide(&case, min, true) {
                Ok(verdict) => verdict,
                Err(denial) => return Ok(Decision::Denied(denial)),
            };
            desk.hold(
                &case,
                &verdict,
                order.id.as_ref(),
                print,
                desk.now.steady.plus(ttl),
            )
        })
    }

    /// Reserves and commits in one step.
    pub fn charge(&self, order: &Charge<'_>) -> Result<Decision<Committed>, EngineError> {
        let shard = self.shard_for(order.subject.organization.as_str());
        let decided_before = sabotage::is(Fault::SplitCharge) && self.would_grant(order)?;
        self.request(shard, |desk| {
            let organization = desk.find(order.subject.organization)?;
            let print = order.id.map_or(0, |_| fingerprint::of_charge(order));
            if let Some(id) = &order.id {
                match desk.known(id, print)? {
                    Known::New => {}
                    Known::Same(slot) => return desk.charged_before(slot, id),
                    Known::Other => return Err(other_contents("request_id")),
                }
            }
            let case = desk.case(organization, &order.subject, &order.cost)?;
            let verdict = if decided_before {
                Ok(Verdict {
                    granted: case.amount,
                    overrun: 0,
                    shadowed: None,
                })
            } else {
                desk.decide(&case, None, false)
            };
            match verdict {
                Ok(verdict) => desk.book(&case, &verdict, order.id.as_ref(), print),
                Err(denial) => Ok(Decision::Denied(denial)),
            }
        })
    }

    /// For [`Fault::SplitCharge`]: the decision, taken under a lock that is then let go.
    fn would_grant(&self, order: &Charge<'_>) -> Result<bool, EngineError> {
        let (subject, cost, min) = (order.subject, order.cost, None);
        let checked = self.check(&Check { subject, cost, min })?;
        // Long enough for another thread to come in between.
        std::thread::sleep(std::time::Duration::from_millis(1));
        Ok(matches!(checked.decision, Decision::Granted(_)))
    }

    /// What a Reserve would answer; changes nothing.
    pub fn check(&self, order: &Check<'_>) -> Result<Checked, EngineError> {
        let shard = self.shard_for(order.subject.organization.as_str());
        let (checked, _) = self.desk(shard, |desk| {
            let organization = desk.find(order.subject.organization)?;
            let case = desk.case(organization, &order.subject, &order.cost)?;
            let min = order.min.map(Credits::get);
            case.check_min(min)?;
            let decision = match desk.judge(&case, min, true) {
                Ok(verdict) => Decision::Granted(Credits::saturating(verdict.granted)),
                Err(denial) => Decision::Denied(denial),
            };
            let book = desk.shard.organizations.get(organization.index as usize);
            let book = book.and_then(Organization::present);
            let book = book.ok_or_else(|| unopened(order.subject.organization.as_str()))?;
            let standing = book.standing(&case.seat, case.trial, case.class, desk.now.wall);
            Ok(Checked { decision, standing })
        })?;
        Ok(checked)
    }
}

impl Desk<'_> {
    /// Opens a hold.
    fn hold(
        &mut self,
        case: &Case<'_>,
        verdict: &Verdict,
        id: Option<&Id>,
        print: u64,
        expires: Timestamp,
    ) -> Result<Decision<Reserved>, EngineError> {
        let Some(tag) = self.tag(id, print) else {
            return Err(other_contents("reservation_id"));
        };
        let amount = verdict.granted;
        let share = self.share_of(case, 0, amount);
        let mut place = self.place(case)?;
        // One that costs nothing leaves no row.
        if case.class != Class::Free {
            place.label = self.label(case);
        }
        let sequence = self.shard.sequence;
        let (class, rate, trial) = (case.class, case.rate, case.trial.number());
        self.shard.happen_held(Held {
            tag,
            place,
            amount,
            at: self.now.steady,
            expires,
            sequence,
            class,
            rate,
            trial,
            share,
        });
        let standing = self.standing_at(&place, trial, class);
        Ok(Decision::Granted(Reserved {
            id: tag.id,
            granted: Credits::saturating(amount),
            expires: on_the_wall(expires, self.now),
            standing: standing.ok_or_else(|| unopened(case.environment))?,
            receipt: Default::default(),
        }))
    }

    /// Books a charge.
    fn book(
        &mut self,
        case: &Case<'_>,
        verdict: &Verdict,
        id: Option<&Id>,
        print: u64,
    ) -> Result<Decision<Committed>, EngineError> {
        let amount = verdict.granted;
        let (mut place, mut trial) = (None, case.trial);
        if amount > 0 || id.is_some() {
            let tag = match id {
                Some(_) => Some(
                    self.tag(id, print)
                        .ok_or_else(|| other_contents("request_id"))?,
                ),
                None => None,
            };
            let share = self.share_of(case, amount, 0);
            let mut at = self.place(case)?;
            if amount > 0 {
                at.label = self.label(case);
                at.label = self.row_label(&at);
            }
            let (number, overrun) = (case.trial.number(), verdict.overrun);
            let now = self.now.steady;
            self.shard.happen(Fact::Charged(Charged {
                tag,
                place: at,
                amount,
                overrun,
                trial: number,
                at: now,
                share,
            }));
            self.cross(&at);
            trial = self.trial_again(case);
            place = Some(at);
        }
        let standing = self.standing_of(case, place, trial)?;
        Ok(Decision::Granted(Committed {
            committed: Credits::saturating(amount),
            returned: Credits::ZERO,
            overrun: Credits::saturating(verdict.overrun),
            late: false,
            standing,
            receipt: Default::default(),
        }))
    }

    /// The answer about a hold, with how things stand now.
    pub(super) fn reserved(
        &self,
        row: &Row,
        granted: u64,
        expires: Timestamp,
    ) -> Result<Reserved, EngineError> {
        Ok(Reserved {
            id: row.id,
            granted: Credits::saturating(granted),
            expires: on_the_wall(expires, self.now),
            standing: self.standing_of_hold(row)?,
            receipt: Default::default(),
        })
    }

    fn charged_before(&self, slot: Slot, id: &Id) -> Result<Decision<Committed>, EngineError> {
        let row = self.remembered(slot, id)?;
        let State::Charged { overrun } = row.state else {
            return Err(other_contents("request_id"));
        };
        Ok(Decision::Granted(Committed {
            committed: Credits::saturating(row.granted),
            returned: Credits::ZERO,
            overrun: Credits::saturating(overrun),
            late: false,
            standing: self.standing_of_hold(&row)?,
            receipt: Default::default(),
        }))
    }

    /// The payer's share of the extension after a request is granted.
    fn share_of(&self, case: &Case<'_>, used: u64, held: u64) -> u64 {
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        organization
            .and_then(Organization::present)
            .map_or(0, |book| {
                let is_trial = case.trial.number() > 0;
                case.seat
                    .share_after(book, signed(used), signed(held), is_trial, self.now.wall)
            })
    }

    /// The cell in which a request counts; rows are named where there are none yet.
    #[inline(always)]
    fn place(&mut self, case: &Case<'_>) -> Result<Place, EngineError> {
        if let Some((environment, user)) = case.seat.cell() {
            return Ok(Place {
                organization: case.organization,
                book: case.book,
                environment,
                user,
                label: 0,
            });
        }
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        let (seat, is_folded) = organization
            .and_then(|it| self.seat_for(it, case))
            .ok_or_else(|| unopened(case.environment))?;
        let user = if is_folded { FOLDED } else { case.user };
        let rows = self.name_rows(case.organization, &seat, case.environment, user);
        let (book, environment, user) = rows.ok_or_else(|| unopened(case.environment))?;
        Ok(Place {
            organization: case.organization,
            book,
            environment,
            user,
            label: 0,
        })
    }

    /// How things stand after a request was booked.
    fn standing_of(
        &self,
        case: &Case<'_>,
        place: Option<Place>,
        trial: Trial,
    ) -> Result<Standing, EngineError> {
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        let book = organization
            .and_then(Organization::present)
            .ok_or_else(|| unopened(case.environment))?;
        let seat = place.map_or(case.seat, |place| {
            book.seat_at(place.environment, place.user)
        });
        Ok(book.standing(&seat, trial, case.class, self.now.wall))
    }

    fn trial_again(&self, case: &Case<'_>) -> Trial {
        let organization = self
            .shard
            .organizations
            .get(case.organization.index as usize);
        organization.map_or(Trial::None, |it| it.trial(case.user, self.now.wall))
    }
}

pub(super) fn check_ttl(ttl: std::time::Duration) -> Result<(), EngineError> {
    if ttl.is_zero() || ttl > HOLD_TTL_MAX {
        let problem =
            format!("is {ttl:?}; give more than 0 and at most 1 h, or leave it out for 60 s");
        return Err(invalid("ttl", problem));
    }
    Ok(())
}

pub(super) fn other_contents(field: &'static str) -> EngineError {
    invalid(
        field,
        "was sent before with other contents; a retry repeats the request, new work needs a new id",
    )
}

/// What became of a request, for a caller that asks for something else.
pub(super) fn history(row: &Row) -> String {
    match row.state {
        State::Open => "it is open".to_owned(),
        State::Expired => "it expired; a commit is still booked, nothing can be added".to_owned(),
        State::Committed { committed, .. } => format!("it was committed with {committed} credits"),
        State::Released { .. } => "it was released".to_owned(),
        State::Charged { .. } => {
            format!("it is a charge of {} credits, booked already", row.granted)
        }
        State::Extension { .. } => "it is an extension of another reservation".to_owned(),
        State::Adjusted => "it is a correction of the books".to_owned(),
    }
}
