//! Random plan files and random changes through the API: what the file owns always says what the file says, and everything
//! else what the API said last.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::domain::credits::Credits;
use crate::domain::cycle::Rule;
use crate::domain::plan::edit::{self, EditError, Settings};
use crate::domain::plan::{
    Enforcement, EnvironmentPlan, Excess, Grant, GrantKind, LimitKind, Overage, Ownership,
    Thresholds, UserPlan, check, diff, etag, plan_etag, settings_etag, text,
};
use crate::domain::rates::{Class, Operation, Rate};

const ORGANIZATIONS: [&str; 2] = ["a", "b"];

/// Every entry that these plans can have.
fn universe() -> Vec<Entry> {
    let mut entries = Vec::new();
    for name in ORGANIZATIONS {
        entries.push(Entry::organization(name));
        entries.extend(Setting::ALL.map(|it| Entry::setting(name, it)));
        entries.push(Entry::grants(name));
        entries.extend(["prod", "x.y"].map(|it| Entry::environment(name, it)));
        entries.extend(["ana", "bo"].map(|it| Entry::user(name, it)));
    }
    entries.extend(["chat", "edit"].map(|it| Entry::Rate(it.into())));
    entries.push(Entry::AddOnCredits);
    entries.extend(["power-apps-premium", "own"].map(|it| Entry::License(it.into())));
    entries
}

/// Lets a plan say one of four things of an entry.
fn say(plan: &mut Plan, entry: &Entry, value: u8) {
    let number = u64::from(value % 4);
    let credits = Credits::saturating(number * 10);
    let small = u32::try_from(number).unwrap();
    let marks = Thresholds(vec![50 + small]);
    match entry {
        Entry::Organization(name, part) => {
            let it = plan.organizations.entry(name.clone()).or_default();
            let it = Arc::make_mut(it);
            match part {
                Part::Itself => {}
                Part::Setting(setting) => set(it, *setting, number, small),
                Part::Grants => {
                    let grant = Grant {
                        kind: GrantKind::AddOn { count: number },
                        valid_from: None,
                        valid_until: None,
                    };
                    it.grants = vec![grant; (number % 3) as usize];
                }
                Part::Environment(name) => {
                    let environment = EnvironmentPlan {
                        allocation: credits,
                        overage: Overage::Grace(small),
                        thresholds: (number == 1).then_some(marks),
                    };
                    it.environments.insert(name.clone(), environment);
                }
                Part::User(name) => {
                    let user = UserPlan {
                        limit: credits,
                        kind: LimitKind::Soft,
                        thresholds: None,
                    };
                    it.users.insert(name.clone(), user);
                }
            }
        }
        Entry::Rate(name) => {
            let operation = Operation {
                rate: Rate {
                    credits,
                    per: number + 1,
                },
                class: Class::Maker,
                product: None,
            };
            let operations = &mut Arc::make_mut(&mut plan.rate_card).operations;
            operations.insert(name.clone(), operation);
        }
        Entry::AddOnCredits => {
            let credits = Credits::saturating(1_000_000 + number);
            Arc::make_mut(&mut plan.catalogue).add_on_credits = credits;
        }
        Entry::License(name) => {
            let license = crate::domain::plan::License {
                credits,
                cap: None,
                cap_enforced: false,
                counts_from: None,
            };
            let licenses = &mut Arc::make_mut(&mut plan.catalogue).licenses;
            licenses.insert(name.clone(), license);
        }
    }
}

/// 0 is as if nobody had set it.
fn set(it: &mut OrganizationPlan, setting: Setting, number: u64, small: u32) {
    let is_set = number > 0;
    match setting {
        Setting::DisplayName => it.display_name = "x".repeat(usize::try_from(number).unwrap()),
        Setting::TimeZone if is_set => it.calendar.zone = chrono_tz::Europe::Paris,
        Setting::TimeZone => it.calendar.zone = chrono_tz::UTC,
        Setting::Cycle => {
            let anchor_day = u8::try_from(number + 1).unwrap();
            it.calendar.rule = Rule::Month { anchor_day };
        }
        Setting::Scale => it.scale = 10_u64.pow(small),
        Setting::AllowUnallocated => it.allow_unallocated = !is_set,
        Setting::Overage => {
            it.overage = if is_set {
                Overage::Grace(small)
            } else {
                Overage::Hard
            }
        }
        Setting::Excess => {
            it.excess = if is_set {
                Excess::Reject
            } else {
                Excess::Record
            }
        }
        Setting::Enforcement if is_set => it.enforcement = Enforcement::Shadow,
        Setting::Enforcement => it.enforcement = Enforcement::Enforce,
        Setting::Seats => it.seats = is_set.then_some(number),
        Setting::Thresholds => it.thresholds = Thresholds(vec![79 + small, 100]),
        Setting::Extension => it.extension.per_cycle = 3 + small,
        Setting::Trial => it.trial.days = 30 + small,
    }
}

/// What an administrator, or whoever writes the file, does next.
#[derive(Clone, Debug)]
enum Step {
    /// The plan file names these.
    File(Vec<(usize, u8)>),
    /// The API says something of an entry, or takes it away.
    Edit(usize, Option<u8>),
    /// The API takes an organization away.
    Delete(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let entry = 0..universe().len();
    let file = vec((entry.clone(), any::<u8>()), 0..12);
    prop_oneof![
        2 => file.prop_map(Step::File),
        6 => (entry, prop::option::weighted(0.8, any::<u8>()))
            .prop_map(|(entry, value)| Step::Edit(entry, value)),
        1 => (0..2_usize).prop_map(Step::Delete),
    ]
}

fn file(names: &[(usize, u8)]) -> Plan {
    let universe = universe();
    let mut plan = Plan::default();
    let mut owned = Owned::default();
    for &(entry, value) in names {
        say(&mut plan, &universe[entry], value);
        owned.insert(universe[entry].clone());
    }
    plan.owned = Arc::new(owned);
    plan
}

/// Says something of an entry through the API.
fn put(plan: &Plan, entry: &Entry, value: u8) -> Result<Plan, EditError> {
    let mut says = Plan::default();
    say(&mut says, entry, value);
    match entry {
        Entry::Organization(name, part) => {
            let it = (*says.organizations[name]).clone();
            match part {
                Part::Itself => edit::set_settings(plan, name, &Settings::default(), None),
                Part::Setting(setting) => edit::set_settings(plan, name, &only(*setting, it), None),
                Part::Grants => edit::set_grants(plan, name, it.grants, None),
                Part::Environment(environment) => {
                    let says = it.environments[environment].clone();
                    edit::set_environment(plan, name, environment, says, None)
                }
                Part::User(user) => edit::set_user(plan, name, user, it.users[user].clone(), None),
            }
        }
        Entry::Rate(name) => {
            let says = says.rate_card.operations[name].clone();
            edit::set_rate(plan, name, says, None)
        }
        Entry::AddOnCredits | Entry::License(_) => {
            let mut wanted = plan.clone();
            wanted.take(entry, &says);
            edit::replace(plan, &wanted)
        }
    }
}

fn only(setting: Setting, it: OrganizationPlan) -> Settings {
    let mut settings = Settings::default();
    match setting {
        Setting::DisplayName => settings.display_name = Some(it.display_name),
        Setting::TimeZone => settings.time_zone = Some(it.calendar.zone),
        Setting::Cycle => settings.cycle = Some(it.calendar.rule),
        Setting::Scale => settings.scale = Some(it.scale),
        Setting::AllowUnallocated => settings.allow_unallocated = Some(it.allow_unallocated),
        Setting::Overage => settings.overage = Some(it.overage),
        Setting::Excess => settings.excess = Some(it.excess),
        Setting::Enforcement => settings.enforcement = Some(it.enforcement),
        Setting::Seats if it.seats.is_none() => {
            settings.reset.insert(setting);
        }
        Setting::Seats => settings.seats = it.seats,
        Setting::Thresholds => settings.thresholds = Some(it.thresholds),
        Setting::Extension => settings.extension = Some(it.extension),
        Setting::Trial => settings.trial = Some(it.trial),
    }
    settings
}

/// Takes an entry away through the API.
fn take_away(plan: &Plan, entry: &Entry) -> Result<Plan, EditError> {
    match entry {
        Entry::Organization(name, part) => match part {
            Part::Itself => edit::delete_organization(plan, name, None),
            Part::Setting(setting) => {
                let settings = Settings {
                    reset: [*setting].into(),
                    ..Settings::default()
                };
                edit::set_settings(plan, name, &settings, None)
            }
            Part::Grants => edit::set_grants(plan, name, Vec::new(), None),
            Part::Environment(it) => edit::delete_environment(plan, name, it, None),
            Part::User(user) => edit::remove_user(plan, name, user, None),
        },
        Entry::Rate(name) => edit::delete_rate(plan, name, None),
        Entry::AddOnCredits | Entry::License(_) => {
            let mut wanted = plan.clone();
            wanted.reset(entry);
            edit::replace(plan, &wanted)
        }
    }
}

/// What each entry has to say.
#[derive(Default)]
struct Said {
    /// By the API, where the file does not own it.
    api: BTreeMap<Entry, Option<String>>,
    file: Plan,
}

impl Said {
    fn of(&self, entry: &Entry) -> Option<String> {
        if self.file.owned.owns(entry) {
            text(&self.file, entry)
        } else {
            self.api.get(entry).cloned().flatten()
        }
    }

    fn exists(&self, organization: &str) -> bool {
        self.of(&Entry::organization(organization)).is_some()
    }

    fn by_file(&mut self, file: Plan) {
        let dropped: Vec<_> = self
            .file
            .owned
            .entries()
            .filter(|it| !file.owned.owns(it))
            .collect();
        let organizations = std::mem::replace(&mut self.file, file);
        self.api
            .retain(|entry, _| !self.file.owned.owns(entry) && !dropped.contains(entry));
        for name in organizations.owned.organizations.keys() {
            let is_left =
                |entry: &Entry| entry.in_organization() == Some(name) && self.of(entry).is_some();
            if universe().iter().any(is_left) {
                self.api
                    .insert(Entry::organization(name), Some("{}".to_owned()));
            }
        }
    }

    fn by_api(&mut self, entry: &Entry, says: Option<String>) {
        if let (Entry::Organization(name, part), Some(_) | None) = (entry, &says) {
            if *part == Part::Itself && says.is_none() {
                self.api.retain(|it, _| it.in_organization() != Some(name));
            } else {
                self.api
                    .insert(Entry::organization(name), Some("{}".to_owned()));
            }
        }
        self.api.insert(entry.clone(), says);
    }
}

fn run(steps: Vec<Step>) {
    let universe = universe();
    let (mut plan, mut said) = (Plan::default(), Said::default());
    for step in steps {
        let before = plan.clone();
        match &step {
            Step::File(names) => {
                let file = file(names);
                plan = plan.with_file(&file);
                assert_eq!(
                    plan.with_file(&file),
                    plan,
                    "the same file again changes nothing"
                );
                said.by_file(file);
            }
            Step::Edit(entry, value) => {
                let entry = &universe[*entry];
                let done = match value {
                    Some(value) => put(&plan, entry, *value),
                    None => take_away(&plan, entry),
                };
                follow(&mut plan, &mut said, entry, done);
            }
            Step::Delete(organization) => {
                let entry = Entry::organization(ORGANIZATIONS[*organization]);
                let done = take_away(&plan, &entry);
                follow(&mut plan, &mut said, &entry, done);
            }
        }
        for entry in &universe {
            assert_eq!(text(&plan, entry), said.of(entry), "{entry} after {step:?}");
        }
        assert_eq!(check(&plan), Ok(()));
        compare(&before, &plan, &universe);
    }
}

fn follow(plan: &mut Plan, said: &mut Said, entry: &Entry, done: Result<Plan, EditError>) {
    match done {
        Ok(changed) => {
            let owned = said.file.owned.owns(entry);
            assert!(!owned || changed == *plan, "{entry} is the file's");
            let says = text(&changed, entry);
            *plan = changed;
            if !owned {
                said.by_api(entry, says);
            }
        }
        Err(EditError::Owned(entries)) => assert!(said.file.owned.owns(&entries[0])),
        Err(EditError::NotFound(missing)) => {
            assert_eq!(text(plan, &missing), None, "{missing}");
        }
        // The last organization stays.
        Err(EditError::Invalid(_)) => assert!(plan.organizations.len() < 2),
        Err(other) => panic!("{other}"),
    }
    for name in ORGANIZATIONS {
        assert_eq!(plan.organizations.contains_key(name), said.exists(name));
    }
}

/// Differences, etags and equality say the same.
fn compare(before: &Plan, after: &Plan, universe: &[Entry]) {
    let differences = diff(before, after);
    assert_eq!(differences.is_empty(), before == after);
    assert!(differences.is_sorted_by(|a, b| a.entry < b.entry));
    let differing: BTreeSet<_> = differences.iter().map(|it| &it.entry).collect();
    for entry in universe {
        let is_other = text(before, entry) != text(after, entry);
        assert_eq!(
            etag(before, entry) != etag(after, entry),
            is_other,
            "{entry}"
        );
        let changed_owner = before.owned.owns(entry) != after.owned.owns(entry);
        assert_eq!(
            differing.contains(entry),
            is_other || changed_owner,
            "{entry}"
        );
    }
    let is_other = differences.iter().any(|it| it.before != it.after);
    assert_eq!(plan_etag(before) != plan_etag(after), is_other);
    for name in ORGANIZATIONS {
        let is_setting = |it: &&crate::domain::plan::Difference| {
            let part = match &it.entry {
                Entry::Organization(organization, part) if **organization == *name => part,
                _ => return false,
            };
            matches!(part, Part::Itself | Part::Setting(_)) && it.before != it.after
        };
        let is_other = differences.iter().any(|it| is_setting(&it));
        let etags = [before, after].map(|plan| settings_etag(plan, name));
        assert_eq!(etags[0] != etags[1], is_other, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_the_file_names_says_what_the_file_says_and_the_rest_what_the_api_said_last(
        steps in vec(step(), 1..25)
    ) {
        run(steps);
    }
}

#[test]
fn entries_of_what_is_owned_are_all_that_was_put_in() {
    let entries: BTreeSet<_> = universe().into_iter().collect();
    let owned: Owned = entries.iter().cloned().collect();
    assert_eq!(owned.entries().collect::<BTreeSet<_>>(), entries);
    assert!(owned.entries().is_sorted());
    assert!(Owned::default().is_empty() && !owned.is_empty());
}

#[test]
fn the_file_takes_over_what_the_api_made_and_the_difference_says_so() {
    let entry = Entry::user("a", "ana");
    let mut plan = Plan::default();
    say(&mut plan, &entry, 1);
    let mut file = plan.clone();
    file.owned = Arc::new([entry.clone()].into_iter().collect());
    let taken = plan.with_file(&file);
    let differences = diff(&plan, &taken);
    let told: Vec<_> = differences
        .iter()
        .map(|it| (it.entry.to_string(), it.ownership))
        .collect();
    let expected = [
        ("organizations.a".to_owned(), Ownership::Taken),
        ("organizations.a.users.ana".to_owned(), Ownership::Taken),
    ];
    assert_eq!(told, expected);
    assert!(
        differences
            .iter()
            .all(|it| it.is_takeover() && it.before == it.after)
    );
    // The next file no longer names it: it goes, and the organization with it.
    assert_eq!(taken.with_file(&Plan::default()), Plan::default());
}

#[test]
fn an_entry_is_shown_as_a_path_with_names_in_quotes_where_they_need_them() {
    for (entry, path) in [
        (Entry::user("acme", "ana"), "organizations.acme.users.ana"),
        (
            Entry::user("acme", "auth0|12"),
            "organizations.acme.users.auth0|12",
        ),
        (
            Entry::user("acme", "a+b@x.org"),
            "organizations.acme.users.\"a+b@x.org\"",
        ),
        (
            Entry::environment("a b", "prod"),
            "organizations.\"a b\".environments.prod",
        ),
        (
            Entry::setting("acme", Setting::TimeZone),
            "organizations.acme.time_zone",
        ),
        (Entry::grants("acme"), "organizations.acme.grants"),
        (Entry::organization("Zoë"), "organizations.Zoë"),
        (Entry::Rate("chat".into()), "rate_card.chat"),
        (Entry::AddOnCredits, "catalogue.add_on_credits"),
        (Entry::License("own".into()), "catalogue.licenses.own"),
    ] {
        assert_eq!(entry.to_string(), path);
    }
}
