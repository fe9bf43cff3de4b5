//! The settings of an organization as flags.

use clap::ValueEnum;

use crate::cli::client::{self, ClientError};
use crate::cli::values::{self, OrNone, Thresholds, put};
use crate::rpc::pb;

/// Whether denials are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Enforcement {
    /// What the rules do not cover is denied.
    Enforce,
    /// It is allowed, booked as overrun and counted.
    Shadow,
}

/// What a commit above its reservation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Excess {
    /// Books it as overrun.
    Record,
    /// Fails; the reservation stays.
    Reject,
}

/// What is to be changed.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// A name for people.
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// A zone of the IANA database, such as Europe/Paris; from the next cycle on.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Cycles begin on this day of each month, 1 to 31; from the next cycle on.
    #[arg(long, value_name = "DAY", conflicts_with_all = ["fixed_days", "from"])]
    anchor_day: Option<u32>,
    /// Cycles last so many days of 24 hours; from the next cycle on.
    #[arg(long, value_name = "DAYS", requires = "from")]
    fixed_days: Option<u32>,
    /// A moment at which such a cycle begins, as 2026-01-05T00:00:00Z.
    #[arg(long, value_name = "INSTANT", requires = "fixed_days", value_parser = values::moment)]
    from: Option<prost_types::Timestamp>,
    /// A power of ten: 1000 shows one credit as 0.001.
    #[arg(long, value_name = "N")]
    scale: Option<u64>,
    /// Whether environments without an allocation draw from the pool.
    #[arg(long, value_name = "BOOL")]
    allow_unallocated: Option<bool>,
    /// How far the pool may be overdrawn: hard, soft:EXTRA (credits) or grace:PERCENT.
    #[arg(long, value_name = "POLICY", value_parser = values::overage)]
    overage: Option<pb::Overage>,
    /// What a commit above its reservation does.
    #[arg(long, value_enum)]
    excess: Option<Excess>,
    /// Whether denials are enforced.
    #[arg(long, value_enum)]
    enforcement: Option<Enforcement>,
    /// How many users may have a limit, for display; `none` for no seat limit.
    #[arg(long, value_name = "N")]
    seats: Option<OrNone>,
    /// Marks in percent, such as 50,80,100; `default` for 80,100.
    #[arg(long, value_name = "PERCENTS")]
    thresholds: Option<Thresholds>,
    /// What an extension adds.
    #[arg(long, value_name = "CREDITS", value_parser = values::credits)]
    extension_credits: Option<u64>,
    /// How long after the request it is usable, such as 10m.
    #[arg(long, value_name = "TIME", value_parser = values::long_span)]
    extension_delay: Option<prost_types::Duration>,
    /// Requests at most in a cycle.
    #[arg(long, value_name = "N")]
    extension_per_cycle: Option<u32>,
    /// Requests at most in a calendar year.
    #[arg(long, value_name = "N")]
    extension_per_year: Option<u32>,
    /// What a trial gives.
    #[arg(long, value_name = "CREDITS", value_parser = values::credits)]
    trial_credits: Option<u64>,
    /// Days that a trial lasts.
    #[arg(long, value_name = "DAYS")]
    trial_days: Option<u32>,
    /// How often a trial may be renewed.
    #[arg(long, value_name = "N")]
    trial_renewals: Option<u32>,
}

impl Settings {
    /// Changes what was given; answers the names of the fields.
    pub(super) fn put_into(self, it: &mut pb::Organization) -> Result<Vec<String>, ClientError> {
        let mut paths = Vec::new();
        let cycle = self.cycle()?;
        let extension = self.extension(it);
        let trial = self.trial(it);
        put(
            &mut paths,
            "display_name",
            &mut it.display_name,
            self.display_name,
        );
        put(&mut paths, "time_zone", &mut it.time_zone, self.time_zone);
        put(&mut paths, "cycle", &mut it.cycle, cycle.map(Some));
        put(&mut paths, "scale", &mut it.scale, self.scale);
        let allow = self.allow_unallocated.map(Some);
        put(
            &mut paths,
            "allow_unallocated",
            &mut it.allow_unallocated,
            allow,
        );
        put(
            &mut paths,
            "overage",
            &mut it.overage,
            self.overage.map(Some),
        );
        let excess = self.excess.map(|excess| match excess {
            Excess::Record => pb::Excess::Record.into(),
            Excess::Reject => pb::Excess::Reject.into(),
        });
        put(&mut paths, "excess", &mut it.excess, excess);
        let enforcement = self.enforcement.map(|enforcement| match enforcement {
            Enforcement::Enforce => pb::Enforcement::Enforce.into(),
            Enforcement::Shadow => pb::Enforcement::Shadow.into(),
        });
        put(&mut paths, "enforcement", &mut it.enforcement, enforcement);
        put(
            &mut paths,
            "seats",
            &mut it.seats,
            self.seats.map(|it| it.0),
        );
        let marks = self.thresholds.map(|it| it.0);
        put(&mut paths, "thresholds", &mut it.thresholds, marks);
        put(
            &mut paths,
            "extension",
            &mut it.extension,
            extension.map(Some),
        );
        put(&mut paths, "trial", &mut it.trial, trial.map(Some));
        Ok(paths)
    }

    fn cycle(&self) -> Result<Option<pb::Cycle>, ClientError> {
        let rule = match (self.anchor_day, self.fixed_days, self.from) {
            (Some(day), _, _) => pb::cycle::Rule::AnchorDay(day),
            (None, Some(days), Some(from)) => pb::cycle::Rule::FixedDays(pb::FixedDays {
                days,
                from_time: Some(from),
            }),
            (None, None, None) => return Ok(None),
            _ => {
                return Err(ClientError::Usage(
                    "--fixed-days and --from belong together".to_owned(),
                ));
            }
        };
        Ok(Some(pb::Cycle { rule: Some(rule) }))
    }

    /// The terms with what was given; of a new organization the defaults of the rule book count for the rest.
    fn extension(&self, it: &pb::Organization) -> Option<pb::ExtensionTerms> {
        let unset = crate::domain::plan::ExtensionTerms::default();
        let mut terms = it.extension.unwrap_or(pb::ExtensionTerms {
            credits: unset.credits.get(),
            delay: Some(crate::cli::request::wire_span(unset.delay)),
            per_cycle: unset.per_cycle,
            per_year: unset.per_year,
        });
        let mut given = Vec::new();
        put(&mut given, "", &mut terms.credits, self.extension_credits);
        put(
            &mut given,
            "",
            &mut terms.delay,
            self.extension_delay.map(Some),
        );
        put(
            &mut given,
            "",
            &mut terms.per_cycle,
            self.extension_per_cycle,
        );
        put(&mut given, "", &mut terms.per_year, self.extension_per_year);
        (!given.is_empty()).then_some(terms)
    }

    fn trial(&self, it: &pb::Organization) -> Option<pb::TrialTerms> {
        let unset = crate::domain::plan::TrialTerms::default();
        let mut terms = it.trial.unwrap_or(pb::TrialTerms {
            credits: unset.credits.get(),
            days: unset.days,
            renewals: unset.renewals,
        });
        let mut given = Vec::new();
        put(&mut given, "", &mut terms.credits, self.trial_credits);
        put(&mut given, "", &mut terms.days, self.trial_days);
        put(&mut given, "", &mut terms.renewals, self.trial_renewals);
        (!given.is_empty()).then_some(terms)
    }
}

/// When cycles begin, for people.
pub(super) fn cycle_text(cycle: Option<&pb::Cycle>) -> String {
    match cycle.and_then(|it| it.rule.as_ref()) {
        None => "month, day 1".to_owned(),
        Some(pb::cycle::Rule::AnchorDay(day)) => format!("month, day {day}"),
        Some(pb::cycle::Rule::FixedDays(it)) => {
            let from = client::instant(it.from_time);
            format!("{} days from {}", it.days, from.as_str().unwrap_or("-"))
        }
    }
}
