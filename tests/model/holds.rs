//! Reserve, commit, release, extend, charge and check (section 6).

use std::time::Duration;

use quotad::domain::credits::Credits;
use quotad::domain::plan::{Enforcement, Excess};
use quotad::domain::rates::{Class, Cost, Rate};
use quotad::domain::standing::State;
use quotad::engine::answer::{
    Account, Checked, Committed, Decision, Denial, Reason, Released, Reserved, Standing,
};
use quotad::engine::order::{
    Actual, Charge, Check, Commit, Extend, HOLD_TTL_DEFAULT, HOLD_TTL_MAX, Id, Reserve, Subject,
};
use quotad::engine::recorder::Receipt;

use super::decide::Verdict;
use super::usage::Work;
use super::{Answer, Event, Failure, Fate, Hold, Known, Place, Reference, What, credits, u};

/// A request whose price is known.
struct Priced {
    place: Place,
    class: Class,
    rate: Option<Rate>,
    work: Work,
    asked: i128,
    needed: i128,
}

impl Reference {
    fn priced(
        &mut self,
        subject: &Subject<'_>,
        cost: &Cost<'_>,
        min: Option<Credits>,
    ) -> Answer<Priced> {
        let name = subject.organization.as_str();
        self.organization(name)?;
        let price = self
            .plan
            .rate_card
            .price(cost)
            .map_err(|_| Failure::Invalid)?;
        let (class, rate) = (price.class, price.rate);
        let work = self.work_of(subject, cost);
        let asked = i128::from(price.amount.get());
        if min.is_some_and(|min| i128::from(min.get()) > asked) {
            return Err(Failure::Invalid);
        }
        let needed = min.map_or(asked, |min| i128::from(min.get()).max(1).min(asked));
        let place = self.place(
            name,
            subject.environment.as_str(),
            subject.user.map(|user| user.as_str()),
        );
        self.settle(name, self.now);
        Ok(Priced {
            place,
            class,
            rate,
            work,
            asked,
            needed,
        })
    }

    /// What the rules say, and whether shadow mode softened it.
    fn judge(&mut self, place: &Place, class: Class, asked: i128, needed: i128) -> (Verdict, bool) {
        if class == Class::Free {
            self.events.push(Event::FreeNeverRefused);
            return (Verdict::Granted(0), false);
        }
        let organization = &self.organizations[&place.organization];
        let verdict = organization.verdict(place, class, asked, needed, self.now);
        self.note_verdict(&verdict);
        let softened = matches!(verdict, Verdict::Denied(_)) && self.is_shadow(place);
        let granted = match verdict {
            Verdict::Granted(granted) => granted,
            Verdict::Denied(_) if softened => asked,
            Verdict::Denied(_) => return (verdict, false),
        };
        if self.total(place) + granted > i128::from(Credits::MAX.get()) {
            let mut denial =
                self.organizations[&place.organization].denial_of_too_much(place, asked);
            denial.days_until_reset = 0;
            return (Verdict::Denied(denial), softened);
        }
        if class == Class::Maker && !softened {
            self.events.push(Event::MakerGranted);
        }
        (Verdict::Granted(granted), softened)
    }

    /// Everything that stands in a cycle's books, with what trials paid.
    fn total(&self, place: &Place) -> i128 {
        let books = &self.organizations[&place.organization].cycles[place.cycle].books;
        books.sum(
            |_, _| true,
            |cell| i128::from(cell.used) + i128::from(cell.held),
        )
    }

    /// What is done: in shadow mode a denial is counted, and all is granted.
    fn decide(&mut self, place: &Place, class: Class, asked: i128, needed: i128) -> Verdict {
        let (verdict, softened) = self.judge(place, class, asked, needed);
        if softened {
            self.organization_mut(&place.organization).would_be_denied += 1;
            self.events.push(Event::WouldBeDenied);
        }
        verdict
    }

    fn is_shadow(&self, place: &Place) -> bool {
        self.organizations[&place.organization].cycles[place.cycle]
            .books
            .plan
            .enforcement
            == Enforcement::Shadow
    }

    pub fn reserve(&mut self, order: &Reserve<'_>, given: Id) -> Answer<Decision<Reserved>> {
        if order
            .ttl
            .is_some_and(|ttl| ttl.is_zero() || ttl > HOLD_TTL_MAX)
        {
            return Err(Failure::Invalid);
        }
        self.organization(order.subject.organization.as_str())?;
        let contents = format!("{order:?}");
        if let Some(known) = order.id.and_then(|id| self.ids.get(&id)) {
            return match &known.what {
                What::Hold { first, .. } if known.contents == contents => {
                    Ok(Decision::Granted(*first))
                }
                _ => Err(Failure::Invalid),
            };
        }
        let Priced {
            place,
            class,
            rate,
            work,
            asked,
            needed,
        } = self.priced(&order.subject, &order.cost, order.min)?;
        let granted = match self.decide(&place, class, asked, needed) {
            Verdict::Granted(granted) => granted,
            Verdict::Denied(denial) => return Ok(Decision::Denied(denial)),
        };
        let expires = self.now.plus(order.ttl.unwrap_or(HOLD_TTL_DEFAULT));
        self.book(&place, 0, granted, self.now);
        let id = order.id.unwrap_or(given);
        let index = self.holds.len();
        let standing = self.organizations[&place.organization].standing(&place, class);
        let first = Reserved {
            id,
            granted: credits(granted),
            expires,
            standing,
            receipt: Receipt(0),
        };
        self.expiries.insert((expires, index));
        let extensions = Default::default();
        self.holds.push(Hold {
            id,
            at: place,
            class,
            rate,
            work,
            held: granted,
            expires,
            fate: Fate::Open,
            ended: None,
            extensions,
        });
        self.ids.insert(
            id,
            Known {
                contents,
                what: What::Hold { index, first },
            },
        );
        Ok(Decision::Granted(first))
    }

    pub fn check(&mut self, order: &Check<'_>) -> Answer<Checked> {
        let Priced {
            place,
            class,
            asked,
            needed,
            ..
        } = self.priced(&order.subject, &order.cost, order.min)?;
        let decision = match self.judge(&place, class, asked, needed).0 {
            Verdict::Granted(granted) => Decision::Granted(credits(granted)),
            Verdict::Denied(denial) => Decision::Denied(denial),
        };
        Ok(Checked {
            decision,
            standing: self.organizations[&place.organization].standing(&place, class),
        })
    }

    pub fn charge(&mut self, order: &Charge<'_>) -> Answer<Decision<Committed>> {
        self.organization(order.subject.organization.as_str())?;
        let contents = format!("{order:?}");
        if let Some(known) = order.id.and_then(|id| self.ids.get(&id)) {
            return match &known.what {
                What::Charge(first, _) if known.contents == contents => {
                    Ok(Decision::Granted(*first))
                }
                _ => Err(Failure::Invalid),
            };
        }
        let Priced {
            place,
            class,
            work,
            asked,
            needed,
            ..
        } = self.priced(&order.subject, &order.cost, None)?;
        let fits = self.organizations[&place.organization].headroom(&place, class);
        if let Verdict::Denied(denial) = self.decide(&place, class, asked, needed) {
            return Ok(Decision::Denied(denial));
        }
        let overrun = if class == Class::Free {
            0
        } else {
            asked - asked.min(fits)
        };
        self.book(&place, asked, 0, self.now);
        self.use_up(&place, &work, asked);
        self.look_after_commit(&place);
        let committed = Committed {
            committed: credits(asked),
            returned: Credits::ZERO,
            overrun: credits(overrun),
            late: false,
            standing: self.organizations[&place.organization].standing(&place, class),
            receipt: Receipt(0),
        };
        if let Some(id) = order.id {
            self.ids.insert(
                id,
                Known {
                    contents,
                    what: What::Charge(committed, self.now),
                },
            );
        }
        Ok(Decision::Granted(committed))
    }

    fn hold_index(&self, id: &Id) -> Answer<usize> {
        match self.ids.get(id).map(|known| &known.what) {
            Some(What::Hold { index, .. }) => Ok(*index),
            Some(What::Charge(..) | What::Adjusted(_)) => Err(Failure::Precondition),
            None => Err(Failure::UnknownReservation),
        }
    }

    fn standing_of(&self, index: usize) -> Standing {
        let hold = &self.holds[index];
        self.organizations[&hold.at.organization].standing(&hold.at, hold.class)
    }

    pub fn commit(&mut self, order: &Commit) -> Answer<Decision<Committed>> {
        let index = self.hold_index(&order.id)?;
        let hold = self.holds[index].clone();
        let actual = match (order.actual, hold.rate) {
            (Actual::Amount(amount), _) => amount,
            (Actual::Quantity(_), None) => return Err(Failure::Invalid),
            (Actual::Quantity(quantity), Some(rate)) => {
                rate.price(quantity).ok_or(Failure::Invalid)?
            }
        };
        let actual = if hold.class == Class::Free {
            Credits::ZERO
        } else {
            actual
        };
        let late = match &hold.fate {
            Fate::Open => false,
            Fate::Expired => true,
            Fate::Committed(first) if first.committed == actual => {
                return Ok(Decision::Granted(*first));
            }
            Fate::Committed(_) | Fate::Released(_) => return Err(Failure::Precondition),
        };
        self.settle(&hold.at.organization, self.now);
        let actual = i128::from(actual.get());
        if self.total(&hold.at) + actual - hold.held > i128::from(Credits::MAX.get()) {
            return Err(Failure::Invalid);
        }
        let excess = (actual - hold.held).max(0);
        let fits = self.organizations[&hold.at.organization].headroom(&hold.at, hold.class);
        let overrun = excess - excess.min(fits);
        let plan = &self.organizations[&hold.at.organization].cycles[hold.at.cycle]
            .books
            .plan;
        let rejects = plan.excess.max(order.excess) == Excess::Reject
            && plan.enforcement == Enforcement::Enforce;
        if overrun > 0 && rejects && !late {
            let organization = &self.organizations[&hold.at.organization];
            let verdict = organization.verdict(&hold.at, hold.class, excess, excess, self.now);
            self.note_verdict(&verdict);
            let Verdict::Denied(denial) = verdict else {
                unreachable!("the excess does not fit")
            };
            return Ok(Decision::Denied(denial));
        }
        if excess > 0 && !late {
            self.events.push(Event::CommitAboveHold);
        }
        self.expiries.remove(&(hold.expires, index));
        self.book(&hold.at, actual, -hold.held, self.now);
        self.use_up(&hold.at, &hold.work, actual);
        self.look_after_commit(&hold.at);
        let last = self.organizations[&hold.at.organization].cycles.len() - 1;
        if hold.at.cycle < last {
            self.events.push(Event::CommitInClosedCycle);
        }
        let committed = Committed {
            committed: credits(actual),
            returned: credits((hold.held - actual).max(0)),
            overrun: credits(overrun),
            late,
            standing: self.standing_of(index),
            receipt: Receipt(0),
        };
        self.holds[index].held = 0;
        self.holds[index].fate = Fate::Committed(committed);
        self.holds[index].ended = Some(self.now);
        Ok(Decision::Granted(committed))
    }

    pub fn release(&mut self, id: &Id) -> Answer<Released> {
        let index = self.hold_index(id)?;
        let hold = self.holds[index].clone();
        match hold.fate {
            Fate::Released(first) => return Ok(first),
            Fate::Committed(_) => return Err(Failure::Precondition),
            Fate::Expired => self.events.push(Event::ReleasedExpired),
            Fate::Open => {}
        }
        self.settle(&hold.at.organization, self.now);
        self.expiries.remove(&(hold.expires, index));
        self.book(&hold.at, 0, -hold.held, self.now);
        let released = Released {
            returned: credits(hold.held),
            standing: self.standing_of(index),
            receipt: Receipt(0),
        };
        self.holds[index].held = 0;
        self.holds[index].fate = Fate::Released(released);
        self.holds[index].ended = Some(self.now);
        Ok(released)
    }

    pub fn extend(&mut self, order: &Extend) -> Answer<Decision<Reserved>> {
        if order
            .ttl
            .is_some_and(|ttl| ttl.is_zero() || ttl > HOLD_TTL_MAX)
        {
            return Err(Failure::Invalid);
        }
        let index = self.hold_index(&order.id)?;
        let hold = self.holds[index].clone();
        let contents = format!("{order:?}");
        if let Some((sent, first, _)) = order.request_id.and_then(|id| hold.extensions.get(&id)) {
            return if *sent == contents {
                Ok(Decision::Granted(*first))
            } else {
                Err(Failure::Invalid)
            };
        }
        if !matches!(hold.fate, Fate::Open) {
            return Err(Failure::Precondition);
        }
        self.settle(&hold.at.organization, self.now);
        let last = self.organizations[&hold.at.organization].cycles.len() - 1;
        if order.additional == Credits::ZERO && hold.at.cycle < last {
            self.events.push(Event::ExtendLengthensClosed);
        }
        let additional = if hold.class == Class::Free {
            0
        } else {
            i128::from(order.additional.get())
        };
        if additional > 0 {
            let last = self.organizations[&hold.at.organization].cycles.len() - 1;
            if hold.at.cycle < last {
                return Err(Failure::Precondition);
            }
            if let Some(denial) = self.extend_trial_over(&hold, additional) {
                return Ok(Decision::Denied(denial));
            }
            if let Verdict::Denied(denial) =
                self.decide(&hold.at, hold.class, additional, additional)
            {
                return Ok(Decision::Denied(denial));
            }
            self.book(&hold.at, 0, additional, self.now);
        }
        let expires = hold
            .expires
            .max(self.now.plus(order.ttl.unwrap_or(Duration::ZERO)));
        self.expiries.remove(&(hold.expires, index));
        self.expiries.insert((expires, index));
        self.holds[index].expires = expires;
        self.holds[index].held += additional;
        let granted = credits(self.holds[index].held);
        let reserved = Reserved {
            id: hold.id,
            granted,
            expires,
            standing: self.standing_of(index),
            receipt: Receipt(0),
        };
        if let Some(id) = order.request_id {
            self.holds[index]
                .extensions
                .insert(id, (contents, reserved, self.now));
        }
        Ok(Decision::Granted(reserved))
    }

    /// More for a hold that a trial admitted needs that period still to run.
    fn extend_trial_over(&mut self, hold: &Hold, additional: i128) -> Option<Box<Denial>> {
        let user = hold.at.user.as_ref()?;
        let organization = &self.organizations[&hold.at.organization];
        let period = &organization.trials.get(user)?[hold.at.period?];
        if self.now < period.until {
            return None;
        }
        if self.is_shadow(&hold.at) {
            return None;
        }
        let route = Place {
            period: None,
            ..hold.at.clone()
        };
        let books = &organization.cycles[hold.at.cycle].books;
        Some(Box::new(Denial {
            reason: Reason::TrialExpired,
            account: Account::User(user.clone()),
            requested: u(additional),
            limit: u(period.credits),
            used: u(period.used),
            held: u(period.held),
            available: 0,
            reset: books.span.end,
            days_until_reset: organization.calendar.days_until(self.now, books.span.end),
            scale: books.plan.scale,
            state: organization
                .standing(&route, hold.class)
                .state
                .max(State::Blocked),
        }))
    }
}
