//! Usage rows of the engine, in memory and as if in files, against those of the reference and against the balances.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use quotad::domain::names::Name;
use quotad::engine::Bounds;
use quotad::engine::usage::{Groups, UsageCycle, UsageGroup, UsageKey, UsageQuery};

use crate::driver::{Mismatch, World};
use crate::world::Chance;

/// In one world of four there is hardly room for rows and labels.
pub fn small_bounds(seed: u64) -> Bounds {
    let mut chance = Chance(seed ^ 0xB0);
    let mut bounds = Bounds::default();
    if chance.percent(25) {
        let mut small = || usize::try_from(chance.below(4)).expect("small");
        (bounds.usage_rows, bounds.labels) = (small(), small());
    }
    bounds
}

type Key = (Option<NaiveDate>, [Option<Box<str>>; 5]);

fn key_of(group: &UsageGroup) -> Key {
    let UsageGroup {
        day,
        environment,
        user,
        product,
        model,
        operation,
        ..
    } = group.clone();
    (day, [environment, user, product, model, operation])
}

impl World {
    /// Closed days leave the engine, as if they stood in files from now on.
    pub fn file_days(&mut self) -> Result<(), Mismatch> {
        let mut filed = Vec::new();
        for id in self.engine.organizations_to_file() {
            let closed = self.engine.closed_days(id);
            let closed = closed.map_err(|error| self.report(&error.to_string()))?;
            let Some(last) = closed.days.last() else {
                continue;
            };
            filed.push((id, last.number + 1));
            self.coverage.usage.filed += closed.days.len() as u64;
            let days = self.filed.entry(closed.organization).or_default();
            days.extend(closed.days);
        }
        let done = self.engine.days_filed(&filed);
        done.map_err(|error| self.report(&error.to_string()))?;
        self.note(format!("filed {filed:?}"));
        self.replay();
        Ok(())
    }

    /// What is asked of the engine: rows in memory, and in files those of days that it knows as filed.
    fn ask(&self, query: &UsageQuery) -> Result<BTreeMap<Key, i128>, Mismatch> {
        let name = Name::parse(&query.organization).expect("a valid name");
        let view = self.engine.usage(name);
        let view = view.map_err(|error| self.report(&error.to_string()))?;
        let filed = self.filed.get(&query.organization).into_iter().flatten();
        let mut groups = Groups::default();
        for day in filed
            .filter(|day| day.number < view.filed_before)
            .chain(&view.days)
        {
            if query.wants(day.date, day.book, view.book) {
                groups.add(query, day);
            }
        }
        let groups = groups.take().into_iter();
        Ok(groups.map(|it| (key_of(&it), it.credits.into())).collect())
    }

    /// One grouping of all rows, and of the present cycle and the one before what they add up to.
    pub fn compare_usage(
        &mut self,
        organization: &'static str,
        groups: u64,
    ) -> Result<(), Mismatch> {
        let is_small = self.bounds != Bounds::default();
        // With hardly any room, products, models and operations fold into each other; nothing else does.
        let groups = if is_small { groups & 0b111 } else { groups };
        let keys = UsageKey::ALL.into_iter().enumerate();
        let group_by: Vec<_> = keys
            .filter(|(bit, _)| groups >> bit & 1 == 1)
            .map(|it| it.1)
            .collect();
        let mut query = UsageQuery::of(organization);
        query.group_by = group_by;
        let last = self.reference.organizations[organization].cycles.len() - 1;
        for (cycle, index) in [
            (UsageCycle::Any, None),
            (UsageCycle::Present, Some(last)),
            (UsageCycle::Previous, last.checked_sub(1)),
        ] {
            if index.is_none() && cycle == UsageCycle::Previous {
                continue;
            }
            query.cycle = cycle;
            let came = self.ask(&query)?;
            let expected = self.expected_usage(organization, &query, index);
            if came != expected {
                return Err(self.report(&format!(
                    "{organization} has the usage {query:?}\n  {came:?}\n  the reference\n  {expected:?}"
                )));
            }
            self.coverage.usage.rows += came.len() as u64;
            if let Some(index) = index {
                self.compare_sum(organization, index, came.values().sum())?;
            }
        }
        self.coverage.usage.comparisons += 1;
        self.coverage.usage.with_small_bounds += u64::from(is_small);
        self.coverage.usage.groupings.insert(groups);
        Ok(())
    }

    /// The rows of a cycle add up to what its cells have used, with what trials paid.
    fn compare_sum(&mut self, organization: &str, cycle: usize, sum: i128) -> Result<(), Mismatch> {
        let books = &self.reference.organizations[organization].cycles[cycle].books;
        let used = books.sum(|_, _| true, |cell| i128::from(cell.used));
        if used != sum {
            return Err(self.report(&format!(
                "{organization} used {used} in the cycle {:?}, the rows add up to {sum}",
                books.span
            )));
        }
        self.coverage.usage.balances += 1;
        Ok(())
    }

    fn expected_usage(
        &self,
        organization: &str,
        query: &UsageQuery,
        cycle: Option<usize>,
    ) -> BTreeMap<Key, i128> {
        let by = |key| query.group_by.contains(&key);
        let mut sums = BTreeMap::new();
        for ((index, day, environment, user, work), credits) in
            &self.reference.organizations[organization].usage
        {
            if cycle.is_some_and(|cycle| cycle != *index) {
                continue;
            }
            let [product, model, operation] = work;
            let names = [
                (UsageKey::Environment, environment),
                (UsageKey::User, user),
                (UsageKey::Product, product),
                (UsageKey::Model, model),
                (UsageKey::Operation, operation),
            ];
            let names = names.map(|(key, name)| by(key).then(|| name.clone()));
            let day = by(UsageKey::Day).then_some(*day);
            *sums.entry((day, names)).or_default() += credits;
        }
        sums
    }
}
