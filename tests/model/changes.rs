//! Changes of the plan and their judgement (section 4), extensions and trials (section 3), corrections (section 10).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Datelike;
use quotad::domain::books::Books;
use quotad::domain::credits::Credits;
use quotad::domain::plan::{OrganizationPlan, Plan};
use quotad::domain::time::Timestamp;
use quotad::engine::answer::Notice;

use super::time::purchased;
use super::{
    Answer, Cycle, Event, Failure, Organization, Period, Place, Reference, Settle, u, usage,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Allocations + sum of max(limit, pool_drawn).
fn spoken_for(books: &Books) -> i128 {
    books.allocated() + books.set_aside() + books.pool_drawn()
}

/// The judgement, on the result of the whole change.
fn judge(before: Option<&Books>, after: &Books) -> Answer<()> {
    let allocation_before = |name: &str| before.map_or(0, |it| it.allocation(name));
    let limit_before = |name: &str| before.map_or(0, |it| it.limit(Some(name)));
    let allocation_rises = after
        .plan
        .environments
        .keys()
        .any(|it| after.allocation(it) > allocation_before(it));
    let limit_rises = after
        .plan
        .users
        .keys()
        .any(|it| after.limit(Some(it)) > limit_before(it));
    let sum = spoken_for(after);
    let sum_before = before.map_or(0, spoken_for);
    if (allocation_rises || limit_rises) && sum > after.entitlement() && sum > sum_before {
        return Err(Failure::RefusedSum);
    }
    let below_drawn = after.plan.environments.keys().any(|name| {
        let allocation = after.allocation(name);
        let least = before
            .map_or(0, |it| it.environment_drawn(name))
            .min(allocation_before(name));
        allocation > 0 && allocation < least
    });
    if below_drawn {
        Err(Failure::RefusedAllocation)
    } else {
        Ok(())
    }
}

impl Reference {
    /// One atomic change; `false` if the plan is the same.
    pub fn apply_plan(&mut self, plan: Plan) -> Answer<bool> {
        if plan == self.plan {
            return Ok(false);
        }
        let mut changed = Vec::new();
        for (name, terms) in &plan.organizations {
            let present = self.organizations.get(name);
            let after = match present {
                Some(it) => self.books_after(it, &plan, terms),
                None => {
                    let span = terms.calendar.cycle_at(self.now);
                    let worth = purchased(terms, &plan.catalogue, &terms.calendar, self.now);
                    Books::new(terms.clone(), span, u(worth), 0)
                }
            };
            judge(present.map(|it| &it.current().books), &after)?;
            changed.push((name.clone(), after));
        }
        self.plan = plan;
        for (name, after) in changed {
            self.install(&name, after);
        }
        Ok(true)
    }

    fn books_after(
        &self,
        present: &Organization,
        plan: &Plan,
        terms: &Arc<OrganizationPlan>,
    ) -> Books {
        let mut after = present.current().books.clone();
        after.plan = terms.clone();
        after.purchased = u(purchased(
            terms,
            &plan.catalogue,
            &present.calendar,
            self.now,
        ));
        after
    }

    fn install(&mut self, name: &str, after: Books) {
        if !self.organizations.contains_key(name) {
            let calendar = after.plan.calendar;
            let cycle = Cycle {
                books: after,
                fired: Default::default(),
                extensions: Vec::new(),
                calendar,
            };
            let organization = Organization {
                seen: self.now,
                calendar,
                cycles: vec![cycle],
                trials: Default::default(),
                requested: Vec::new(),
                deeds: BTreeMap::new(),
                notices: Vec::new(),
                would_be_denied: 0,
                usage: Default::default(),
            };
            self.organizations.insert(name.into(), organization);
            return;
        }
        let now = self.now;
        self.settle(name, now);
        let cycle = self.organization_mut(name).current_mut();
        let shares = cycle.books.extension;
        cycle.books = after;
        cycle.books.extension = shares;
        if cycle.books.shrink_shares() {
            self.events.push(Event::ShareShrunkByChange);
        }
        self.look_after_change(name, now);
    }

    /// Answers when it becomes usable.
    pub fn request_extension(&mut self, name: &str) -> Answer<Timestamp> {
        let now = self.now;
        let organization = self.organization(name)?;
        let terms = organization.plan().extension.clone();
        let usable_at = now.plus(terms.delay);
        let year = |at| organization.calendar.date(at).year();
        let this_year = organization
            .requested
            .iter()
            .filter(|it| year(**it) == year(now))
            .count();
        let cycle = organization.current();
        if usable_at >= cycle.books.span.end
            || cycle.extensions.len() >= terms.per_cycle as usize
            || this_year >= terms.per_year as usize
        {
            return Err(Failure::Precondition);
        }
        let organization = self.organization_mut(name);
        organization.requested.push(now);
        organization
            .current_mut()
            .extensions
            .push((usable_at, terms.credits.get()));
        let cycle = organization.current().books.span;
        organization.notices.push(Notice::Extension {
            at: now,
            usable: usable_at,
            credits: terms.credits.get(),
            by: "root".into(),
            cycle,
        });
        self.settle(name, now);
        Ok(usable_at)
    }

    fn new_period(&self, name: &str) -> Period {
        let terms = &self.organizations[name].plan().trial;
        let until = self.now.plus(DAY * terms.days);
        Period {
            from: self.now,
            until,
            credits: terms.credits.get().into(),
            used: 0,
            held: 0,
        }
    }

    /// Answers when it ends.
    pub fn start_trial(&mut self, name: &str, user: &str) -> Answer<Timestamp> {
        let organization = self.organization(name)?;
        if organization.current().books.purchased > 0 || organization.trials.contains_key(user) {
            return Err(Failure::Precondition);
        }
        let period = self.new_period(name);
        let until = period.until;
        self.organization_mut(name)
            .trials
            .insert(user.into(), vec![period]);
        Ok(until)
    }

    /// Answers when it ends.
    pub fn renew_trial(&mut self, name: &str, user: &str) -> Answer<Timestamp> {
        let organization = self.organization(name)?;
        let periods = organization.trials.get(user).ok_or(Failure::Precondition)?;
        let ended = periods.last().is_some_and(|last| last.until <= self.now);
        let renewals = periods.len() - 1;
        if !ended
            || organization.current().books.purchased > 0
            || renewals >= organization.plan().trial.renewals as usize
        {
            return Err(Failure::Precondition);
        }
        let period = self.new_period(name);
        let until = period.until;
        self.organization_mut(name)
            .trials
            .get_mut(user)
            .expect("looked up before")
            .push(period);
        Ok(until)
    }

    /// Corrects the books of the current cycle.
    pub fn adjust(
        &mut self,
        name: &str,
        environment: &str,
        user: Option<&str>,
        credits: i64,
    ) -> Answer<()> {
        let organization = self.organization(name)?;
        let cell = organization.current().books.cell(environment, user);
        if cell.own_used() + i128::from(credits) < 0 {
            return Err(Failure::Precondition);
        }
        let books = &organization.current().books;
        let total = books.sum(
            |_, _| true,
            |cell| i128::from(cell.used) + i128::from(cell.held),
        );
        if total + i128::from(credits) > i128::from(Credits::MAX.get()) {
            return Err(Failure::Invalid);
        }
        let cycle = organization.cycles.len() - 1;
        let (environment, user) = (environment.into(), user.map(Into::into));
        let place = Place {
            organization: name.into(),
            cycle,
            environment,
            user,
            period: None,
        };
        self.book(&place, credits.into(), 0, self.now);
        self.use_up(&place, &usage::correction(), credits.into());
        self.look_after_commit(&place);
        Ok(())
    }
}
