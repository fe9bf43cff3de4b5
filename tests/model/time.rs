//! What time does by itself: expiries, grants that begin or end, cycle changes (section 8).

use quotad::domain::books::Books;
use quotad::domain::cycle::{Calendar, CycleSpan};
use quotad::domain::plan::{Catalogue, Grant, GrantKind, OrganizationPlan};
use quotad::domain::time::Timestamp;

use quotad::engine::answer::Notice;

use super::{Cycle, Event, Fate, Organization, Reference, Settle, u};

/// The grants that count at an instant.
fn in_force<'a>(
    plan: &'a OrganizationPlan,
    calendar: &'a Calendar,
    at: Timestamp,
) -> impl Iterator<Item = &'a Grant> {
    plan.grants.iter().filter(move |grant| {
        let span = calendar.days_span(grant.valid_from, grant.valid_until);
        span.start <= at && at < span.end
    })
}

/// Purchased credits in force at an instant.
pub fn purchased(
    plan: &OrganizationPlan,
    catalogue: &Catalogue,
    calendar: &Calendar,
    at: Timestamp,
) -> i128 {
    let mut total = 0;
    let mut seats: Vec<(&str, i128)> = Vec::new();
    for grant in in_force(plan, calendar, at) {
        match &grant.kind {
            GrantKind::Contract { credits, .. } => total += i128::from(credits.get()),
            GrantKind::AddOn { count } => {
                total += i128::from(*count) * i128::from(catalogue.add_on_credits.get())
            }
            GrantKind::License {
                license,
                count,
                purchased,
            } => {
                let terms = &catalogue.licenses[license];
                let too_old = matches!((terms.counts_from, purchased), (Some(from), Some(bought)) if *bought < from);
                let worth = if too_old {
                    0
                } else {
                    i128::from(*count) * i128::from(terms.credits.get())
                };
                match seats.iter_mut().find(|it| it.0 == &**license) {
                    Some(sum) => sum.1 += worth,
                    None => seats.push((license, worth)),
                }
            }
        }
    }
    for (license, worth) in seats {
        let terms = &catalogue.licenses[license];
        let cap = terms
            .cap
            .filter(|_| terms.cap_enforced)
            .map(|cap| i128::from(cap.get()));
        total += cap.map_or(worth, |cap| worth.min(cap));
    }
    total
}

/// How much may roll over while these contracts are in force.
fn rollover_max(plan: &OrganizationPlan, calendar: &Calendar, at: Timestamp) -> i128 {
    in_force(plan, calendar, at)
        .map(|grant| match &grant.kind {
            GrantKind::Contract {
                credits,
                rollover: Some(times),
            } => (i128::from(*times) - 1) * i128::from(credits.get()),
            _ => 0,
        })
        .sum()
}

impl Organization {
    /// When a grant begins or ends next, before the cycle does.
    fn next_edge(&self, after: Timestamp) -> Option<Timestamp> {
        let books = &self.current().books;
        let spans = books
            .plan
            .grants
            .iter()
            .map(|it| self.calendar.days_span(it.valid_from, it.valid_until));
        spans
            .flat_map(|span| [span.start, span.end])
            .filter(|&at| after < at && at < books.span.end)
            .min()
    }

    /// When the next thing happens by itself: a grant's edge, or the end of the cycle.
    pub fn next_turn(&self, after: Timestamp) -> Timestamp {
        self.next_edge(after)
            .unwrap_or(self.current().books.span.end)
    }
}

impl Reference {
    /// When the next thing happens by itself, strictly after the present.
    pub fn next_instant(&self) -> Timestamp {
        let turns = self.organizations.values().map(|it| it.next_turn(self.now));
        let expiry = self.expiries.first().map(|it| it.0);
        turns.chain(expiry).min().unwrap_or(Timestamp::MAX)
    }

    /// Moves time forward; everything due by then happens, in order; at one instant expiries come first.
    pub fn advance_to(&mut self, now: Timestamp) {
        while self.next_instant() <= now {
            let at = self.next_instant();
            while let Some(&(expires, index)) = self.expiries.first()
                && expires <= at
            {
                self.expire(index, at);
            }
            let names: Vec<_> = self.organizations.keys().cloned().collect();
            for name in names {
                if self.organizations[&name].next_turn(self.now) == at {
                    self.turn(&name, at);
                }
            }
            self.now = at;
        }
        self.now = now;
        let names: Vec<_> = self.organizations.keys().cloned().collect();
        for name in names {
            self.settle(&name, now);
        }
    }

    fn expire(&mut self, index: usize, at: Timestamp) {
        let hold = self.holds[index].clone();
        self.expiries.remove(&(hold.expires, index));
        self.settle(&hold.at.organization, at);
        self.book(&hold.at, 0, -hold.held, at);
        self.holds[index].held = 0;
        self.holds[index].fate = Fate::Expired;
        self.holds[index].ended = Some(at);
        let last = self.organizations[&hold.at.organization].cycles.len() - 1;
        self.events.push(if hold.at.cycle < last {
            Event::ExpiredAfterBoundary
        } else {
            Event::Expired
        });
    }

    fn turn(&mut self, name: &str, at: Timestamp) {
        self.settle(name, at);
        if at == self.organizations[name].current().books.span.end {
            self.open_cycle(name, at);
        } else {
            self.cross_edge(name, at);
        }
    }

    /// A grant begins or ends in mid-cycle: a change at that instant.
    fn cross_edge(&mut self, name: &str, at: Timestamp) {
        let catalogue = self.plan.catalogue.clone();
        let organization = self.organization_mut(name);
        let calendar = organization.calendar;
        let books = &mut organization.current_mut().books;
        books.purchased = u(purchased(&books.plan, &catalogue, &calendar, at));
        if books.shrink_shares() {
            self.events.push(Event::ShareShrunkByChange);
        }
        self.events.push(Event::GrantEdge);
        self.look_after_change(name, at);
    }

    fn open_cycle(&mut self, name: &str, at: Timestamp) {
        let catalogue = self.plan.catalogue.clone();
        let open_holds = self
            .holds
            .iter()
            .any(|it| &*it.at.organization == name && matches!(it.fate, Fate::Open));
        let organization = self.organization_mut(name);
        let closing = &organization.current().books;
        let unused = (closing.entitlement() - closing.used() - closing.held()).max(0);
        let max = rollover_max(&closing.plan, &organization.calendar, at.just_before());
        let rolled_over = unused.min(max);
        let closed = Notice::CycleClosed {
            cycle: closing.span,
            used: u(closing.used()),
            trial_used: closing.cells.values().map(|cell| cell.trial_used).sum(),
            entitlement: u(closing.entitlement()),
            rolled_over: u(rolled_over),
        };
        let plan = closing.plan.clone();
        organization.notices.push(closed);
        let calendar_changes = organization.calendar != plan.calendar;
        organization.calendar = plan.calendar;
        let plan_calendar = plan.calendar;
        let span = CycleSpan {
            start: at,
            end: plan.calendar.cycle_at(at).end,
        };
        let purchased = u(purchased(&plan, &catalogue, &plan.calendar, at));
        let books = Books::new(plan, span, purchased, u(rolled_over));
        organization.cycles.push(Cycle {
            books,
            fired: Default::default(),
            extensions: Vec::new(),
            calendar: plan_calendar,
        });
        self.events.push(if open_holds {
            Event::BoundaryWithOpenHolds
        } else {
            Event::Boundary
        });
        self.events
            .extend(calendar_changes.then_some(Event::CalendarChanged));
        self.events
            .extend((rolled_over > 0).then_some(Event::RolledOver));
        self.events
            .extend((max > 0 && unused > max).then_some(Event::RolloverCapped));
    }
}
