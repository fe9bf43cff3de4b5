//! Entries of a plan: the least that is owned, set, deleted and told of as one.

use std::fmt;

use super::OrganizationPlan;

/// A setting of an organization, as its key in the plan file is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// `display_name`.
    DisplayName,
    /// `time_zone`.
    TimeZone,
    /// `cycle`.
    Cycle,
    /// `scale`.
    Scale,
    /// `allow_unallocated`.
    AllowUnallocated,
    /// `overage`, of the pool.
    Overage,
    /// `excess`.
    Excess,
    /// `enforcement`.
    Enforcement,
    /// `seats`.
    Seats,
    /// `thresholds`.
    Thresholds,
    /// `extension`.
    Extension,
    /// `trial`.
    Trial,
}

impl Setting {
    /// All of them, in the order in which the plan file is documented.
    pub const ALL: [Self; 12] = [
        Self::DisplayName,
        Self::TimeZone,
        Self::Cycle,
        Self::Scale,
        Self::AllowUnallocated,
        Self::Overage,
        Self::Excess,
        Self::Enforcement,
        Self::Seats,
        Self::Thresholds,
        Self::Extension,
        Self::Trial,
    ];

    /// Its key in the plan file.
    pub fn key(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::TimeZone => "time_zone",
            Self::Cycle => "cycle",
            Self::Scale => "scale",
            Self::AllowUnallocated => "allow_unallocated",
            Self::Overage => "overage",
            Self::Excess => "excess",
            Self::Enforcement => "enforcement",
            Self::Seats => "seats",
            Self::Thresholds => "thresholds",
            Self::Extension => "extension",
            Self::Trial => "trial",
        }
    }

    /// The setting of a key.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.key() == key)
    }

    /// Gives an organization the value that another has.
    pub(super) fn copy(self, from: &OrganizationPlan, to: &mut OrganizationPlan) {
        match self {
            Self::DisplayName => to.display_name.clone_from(&from.display_name),
            Self::TimeZone => to.calendar.zone = from.calendar.zone,
            Self::Cycle => to.calendar.rule = from.calendar.rule,
            Self::Scale => to.scale = from.scale,
            Self::AllowUnallocated => to.allow_unallocated = from.allow_unallocated,
            Self::Overage => to.overage = from.overage,
            Self::Excess => to.excess = from.excess,
            Self::Enforcement => to.enforcement = from.enforcement,
            Self::Seats => to.seats = from.seats,
            Self::Thresholds => to.thresholds.clone_from(&from.thresholds),
            Self::Extension => to.extension.clone_from(&from.extension),
            Self::Trial => to.trial.clone_from(&from.trial),
        }
    }
}

/// A part of an organization's plan that is owned, set and deleted as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// That the plan names the organization at all.
    Itself,
    /// A setting.
    Setting(Setting),
    /// The list of grants, as a whole.
    Grants,
    /// An environment.
    Environment(Box<str>),
    /// A user's limit.
    User(Box<str>),
}

/// An entry of a plan: the least that is owned, set and deleted as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A part of an organization.
    Organization(Box<str>, Part),
    /// A line of the rate card.
    Rate(Box<str>),
    /// `catalogue.add_on_credits`.
    AddOnCredits,
    /// A licence of the catalogue.
    License(Box<str>),
}

impl Entry {
    /// That an organization is named at all.
    pub fn organization(organization: &str) -> Self {
        Self::Organization(organization.into(), Part::Itself)
    }

    /// A setting of an organization.
    pub fn setting(organization: &str, setting: Setting) -> Self {
        Self::Organization(organization.into(), Part::Setting(setting))
    }

    /// The list of an organization's grants.
    pub fn grants(organization: &str) -> Self {
        Self::Organization(organization.into(), Part::Grants)
    }

    /// An environment of an organization.
    pub fn environment(organization: &str, environment: &str) -> Self {
        Self::Organization(organization.into(), Part::Environment(environment.into()))
    }

    /// The limit of a user of an organization.
    pub fn user(organization: &str, user: &str) -> Self {
        Self::Organization(organization.into(), Part::User(user.into()))
    }

    /// The organization that it belongs to; `None` if it concerns all.
    pub fn in_organization(&self) -> Option<&str> {
        match self {
            Self::Organization(organization, _) => Some(organization),
            Self::Rate(_) | Self::AddOnCredits | Self::License(_) => None,
        }
    }

    /// Its keys in the plan file, from the outermost on.
    pub fn segments(&self) -> Vec<&str> {
        match self {
            Self::Organization(organization, part) => {
                let mut segments = vec!["organizations", organization];
                match part {
                    Part::Itself => {}
                    Part::Setting(setting) => segments.push(setting.key()),
                    Part::Grants => segments.push("grants"),
                    Part::Environment(name) => segments.extend(["environments", name]),
                    Part::User(name) => segments.extend(["users", name]),
                }
                segments
            }
            Self::Rate(name) => vec!["rate_card", name],
            Self::AddOnCredits => vec!["catalogue", "add_on_credits"],
            Self::License(name) => vec!["catalogue", "licenses", name],
        }
    }
}

impl fmt::Display for Entry {
    /// As a path: `organizations.acme.users.ana`, `rate_card.chat`; a name that holds more than letters, digits, `_`, `-`,
    /// `@`, `+` and `|` stands in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_alphanumeric() || "_-@+|".contains(c);
        for (index, segment) in self.segments().into_iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            if !segment.is_empty() && segment.chars().all(is_plain) {
                f.write_str(segment)?;
            } else {
                write!(f, "{segment:?}")?;
            }
        }
        Ok(())
    }
}
