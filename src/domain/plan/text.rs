//! Entries of a plan as they would stand in a plan file, on one line, always in the same words: for people who read what
//! has changed, and for etags.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use chrono::SecondsFormat;
use sha2::{Digest, Sha256};

use crate::domain::cycle::Rule;
use crate::domain::rates::{Class, Operation};

use super::file_text::file_text;
use super::{
    Catalogue, Enforcement, Entry, EnvironmentPlan, Excess, ExtensionTerms, Grant, GrantKind,
    License, LimitKind, OrganizationPlan, Overage, Part, Plan, Setting, Thresholds, TrialTerms,
    UserPlan,
};

/// What a plan says of an entry, as it would stand in a plan file on one line, such as `{limit: 1000, type: hard}`; `None`
/// if nothing need stand there: it is not in the plan, or says what holds anyway.
pub fn text(plan: &Plan, entry: &Entry) -> Option<String> {
    match entry {
        Entry::Organization(name, part) => {
            let organization = plan.organizations.get(name)?;
            match part {
                Part::Itself => Some("{}".to_owned()),
                Part::Setting(setting) => setting_text(*setting, organization),
                Part::Grants => grants_text(&organization.grants),
                Part::Environment(name) => {
                    let environment = organization.environments.get(name);
                    environment.map(|it| Line(it).to_string())
                }
                Part::User(name) => {
                    let user = organization.users.get(name);
                    user.map(|it| Line(it).to_string())
                }
            }
        }
        Entry::Rate(name) => {
            let operation = plan.rate_card.operations.get(name);
            operation.map(|it| Line(it).to_string())
        }
        Entry::AddOnCredits => {
            let credits = plan.catalogue.add_on_credits;
            (credits != Catalogue::default().add_on_credits).then(|| credits.get().to_string())
        }
        Entry::License(name) => license_text(plan, name),
    }
}

/// Names what a plan says of an entry: 16 hexadecimal digits, others as soon as its [`text`] is another.
pub fn etag(plan: &Plan, entry: &Entry) -> String {
    let mut hash = Sha256::new();
    add(&mut hash, text(plan, entry).as_deref());
    first_digits(hash)
}

/// Names a whole plan, whoever owns what: another as soon as its [`file_text`] is another.
pub fn plan_etag(plan: &Plan) -> String {
    let mut hash = Sha256::new();
    add(&mut hash, Some(&file_text(plan)));
    first_digits(hash)
}

/// Names all settings of an organization together, and whether there is one.
pub fn settings_etag(plan: &Plan, organization: &str) -> String {
    let mut hash = Sha256::new();
    let parts = Setting::ALL.into_iter().map(Part::Setting);
    for part in [Part::Itself].into_iter().chain(parts) {
        let entry = Entry::Organization(organization.into(), part);
        add(&mut hash, text(plan, &entry).as_deref());
    }
    first_digits(hash)
}

fn add(hash: &mut Sha256, text: Option<&str>) {
    hash.update([u8::from(text.is_some())]);
    let text = text.unwrap_or_default();
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

fn first_digits(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest.iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A setting, unless it is as if nobody had set it.
fn setting_text(setting: Setting, organization: &OrganizationPlan) -> Option<String> {
    let unset = value_text(setting, &OrganizationPlan::default());
    value_text(setting, organization).filter(|says| unset.as_ref() != Some(says))
}

fn value_text(setting: Setting, organization: &OrganizationPlan) -> Option<String> {
    let it = organization;
    Some(match setting {
        Setting::DisplayName => Scalar(&it.display_name).to_string(),
        Setting::TimeZone => Scalar(it.calendar.zone.name()).to_string(),
        Setting::Cycle => Line(&it.calendar.rule).to_string(),
        Setting::Scale => it.scale.to_string(),
        Setting::AllowUnallocated => it.allow_unallocated.to_string(),
        Setting::Overage => Line(&it.overage).to_string(),
        Setting::Excess => match it.excess {
            Excess::Record => "record".to_owned(),
            Excess::Reject => "reject".to_owned(),
        },
        Setting::Enforcement => match it.enforcement {
            Enforcement::Enforce => "enforce".to_owned(),
            Enforcement::Shadow => "shadow".to_owned(),
        },
        Setting::Seats => return it.seats.map(|seats| seats.to_string()),
        Setting::Thresholds => Line(&it.thresholds).to_string(),
        Setting::Extension => Line(&it.extension).to_string(),
        Setting::Trial => Line(&it.trial).to_string(),
    })
}

/// One grant.
pub(super) fn grant_text(grant: &Grant) -> String {
    Line(grant).to_string()
}

fn grants_text(grants: &[Grant]) -> Option<String> {
    let lines: Vec<_> = grants.iter().map(grant_text).collect();
    (!lines.is_empty()).then(|| format!("[{}]", lines.join(", ")))
}

fn license_text(plan: &Plan, name: &str) -> Option<String> {
    let built_in = Catalogue::default().licenses.get(name).copied();
    match plan.catalogue.licenses.get(name) {
        Some(license) if built_in.as_ref() == Some(license) => None,
        Some(license) => Some(Line(license).to_string()),
        // No plan file can say this, only a plan that was made otherwise.
        None => built_in.map(|_| "none".to_owned()),
    }
}

/// A text as a YAML scalar that reads as that text, inside `{}` and `[]` too.
pub(super) struct Scalar<'a>(pub(super) &'a str);

impl Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./@+".contains(c);
        let begins_well = self.0.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(self.0));
        if begins_well && self.0.chars().all(is_plain) && !is_word {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                // What a reader of YAML may take for the end of a line, or for nothing.
                c if c.is_control() || "\u{2028}\u{2029}\u{feff}".contains(c) => {
                    write!(f, "\\u{:04x}", u32::from(c))?;
                }
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Something as one line of a plan file.
struct Line<'a, T>(&'a T);

/// Keys and values between braces.
struct Mapping<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    is_empty: bool,
}

impl<'a, 'f> Mapping<'a, 'f> {
    fn begin(f: &'a mut fmt::Formatter<'f>) -> Result<Self, fmt::Error> {
        f.write_char('{')?;
        Ok(Self { f, is_empty: true })
    }

    fn add(&mut self, key: &str, value: impl Display) -> fmt::Result {
        if !self.is_empty {
            self.f.write_str(", ")?;
        }
        self.is_empty = false;
        write!(self.f, "{key}: {value}")
    }

    fn add_some(&mut self, key: &str, value: Option<impl Display>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.add(key, value))
    }

    fn end(self) -> fmt::Result {
        self.f.write_char('}')
    }
}

impl Display for Line<'_, Rule> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        match self.0 {
            Rule::Month { anchor_day } => {
                map.add("kind", "month")?;
                map.add("anchor_day", anchor_day)?;
            }
            Rule::Days { days, from } => {
                map.add("kind", "days")?;
                map.add("days", days)?;
                let from = from.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true);
                map.add("from", from)?;
            }
        }
        map.end()
    }
}

impl Display for Line<'_, Overage> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        match self.0 {
            Overage::Hard => map.add("mode", "hard")?,
            Overage::Soft(extra) => {
                map.add("mode", "soft")?;
                map.add("extra", extra.get())?;
            }
            Overage::Grace(percent) => {
                map.add("mode", "grace")?;
                map.add("margin_percent", percent)?;
            }
        }
        map.end()
    }
}

impl Display for Line<'_, Thresholds> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.0)
    }
}

impl Display for Line<'_, Duration> {
    /// In the largest unit in which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        for (unit, length) in [
            ("d", 86_400_000_000_000),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
        ] {
            if nanos.is_multiple_of(length) && (nanos > 0 || unit == "s") {
                return write!(f, "{}{unit}", nanos / length);
            }
        }
        write!(f, "{nanos}ns")
    }
}

impl Display for Line<'_, ExtensionTerms> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        map.add("credits", self.0.credits.get())?;
        map.add("delay", Line(&self.0.delay))?;
        map.add("per_cycle", self.0.per_cycle)?;
        map.add("per_year", self.0.per_year)?;
        map.end()
    }
}

impl Display for Line<'_, TrialTerms> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        map.add("credits", self.0.credits.get())?;
        map.add("days", self.0.days)?;
        map.add("renewals", self.0.renewals)?;
        map.end()
    }
}

impl Display for Line<'_, Grant> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        match &self.0.kind {
            GrantKind::Contract { credits, rollover } => {
                map.add("kind", "contract")?;
                map.add("credits", credits.get())?;
                map.add_some("rollover", *rollover)?;
            }
            GrantKind::AddOn { count } => {
                map.add("kind", "add_on")?;
                map.add("count", count)?;
            }
            GrantKind::License {
                license,
                count,
                purchased,
            } => {
                map.add("kind", "license")?;
                map.add("license", Scalar(license))?;
                map.add("count", count)?;
                map.add_some("purchased", *purchased)?;
            }
        }
        map.add_some("valid_from", self.0.valid_from)?;
        map.add_some("valid_until", self.0.valid_until)?;
        map.end()
    }
}

impl Display for Line<'_, EnvironmentPlan> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        if self.0.allocation.get() > 0 {
            map.add("allocation", self.0.allocation.get())?;
        }
        if self.0.overage != Overage::Hard {
            map.add("overage", Line(&self.0.overage))?;
        }
        map.add_some("thresholds", self.0.thresholds.as_ref().map(Line))?;
        map.end()
    }
}

impl Display for Line<'_, UserPlan> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        map.add("limit", self.0.limit.get())?;
        let kind = match self.0.kind {
            LimitKind::Hard => "hard",
            LimitKind::Soft => "soft",
        };
        map.add("type", kind)?;
        map.add_some("thresholds", self.0.thresholds.as_ref().map(Line))?;
        map.end()
    }
}

impl Display for Line<'_, Operation> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        map.add("credits", self.0.rate.credits.get())?;
        if self.0.rate.per != 1 {
            map.add("per", self.0.rate.per)?;
        }
        map.add_some("product", self.0.product.as_deref().map(Scalar))?;
        match self.0.class {
            Class::Run => {}
            Class::Maker => map.add("class", "maker")?,
            Class::Free => map.add("class", "free")?,
        }
        map.end()
    }
}

impl Display for Line<'_, License> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = Mapping::begin(f)?;
        map.add("credits", self.0.credits.get())?;
        map.add_some("cap", self.0.cap.map(|cap| cap.get()))?;
        map.add("cap_enforced", self.0.cap_enforced)?;
        map.add_some("counts_from", self.0.counts_from)?;
        map.end()
    }
}
