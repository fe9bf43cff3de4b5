//! Usage rows (section 11): what was booked, on which local day, by whom and for what.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use quotad::domain::rates::Cost;
use quotad::engine::order::Subject;

use super::{Place, Reference};

/// Product, model and operation; an empty text is none.
pub type Work = [Box<str>; 3];

/// By the index of the cycle, the day, the environment, the user, and the work.
pub type Rows = BTreeMap<(usize, NaiveDate, Box<str>, Box<str>, Work), i128>;

/// What corrections are called.
pub fn correction() -> Work {
    ["".into(), "".into(), "(adjustment)".into()]
}

impl Reference {
    /// What a request calls its work; without a product the rate card's counts.
    pub fn work_of(&self, subject: &Subject<'_>, cost: &Cost<'_>) -> Work {
        let operation = match cost {
            Cost::Credits { operation, .. } => operation.unwrap_or_default(),
            Cost::Usage { operation, .. } => operation,
        };
        let of_card = self.plan.rate_card.operations.get(operation);
        let product = match subject.product {
            Some(product) => product.as_str(),
            None => of_card
                .and_then(|it| it.product.as_deref())
                .unwrap_or_default(),
        };
        let model = subject.model.map_or("", |model| model.as_str());
        [product.into(), model.into(), operation.into()]
    }

    /// Credits were used: on the present day, or on the last day of a cycle that is over.
    pub fn use_up(&mut self, place: &Place, work: &Work, credits: i128) {
        if credits == 0 {
            return;
        }
        let now = self.now;
        let organization = self.organization_mut(&place.organization);
        let is_over = place.cycle + 1 < organization.cycles.len();
        let cycle = &organization.cycles[place.cycle];
        let at = if is_over {
            cycle.books.span.end.just_before()
        } else {
            cycle.books.span.clamp(now)
        };
        let day = cycle.calendar.date(at);
        let user = place.user.clone().unwrap_or_default();
        let key = (
            place.cycle,
            day,
            place.environment.clone(),
            user,
            work.clone(),
        );
        *organization.usage.entry(key).or_default() += credits;
    }
}
