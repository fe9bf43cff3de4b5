//! Events as people read them in a mail: which account, how much of how much, when it resets, what to do.

use chrono_tz::Tz;

use crate::domain::account::Account;
use crate::domain::credits::shown;
use crate::domain::cycle::{Calendar, CycleSpan, Rule};
use crate::domain::notice::Notice;
use crate::domain::time::Timestamp;

use super::event::Event;

/// A subject line and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) text: String,
}

/// The letter for an event.
pub(super) fn letter(event: &Event) -> Letter {
    let whose = &event.organization;
    let credits = |amount: u64| shown(amount, event.scale);
    let (subject, happened, advice) = match &event.notice {
        Notice::Threshold {
            account,
            percent,
            used,
            limit,
            ..
        } => {
            let who = named(account);
            let figures = event.text();
            (
                format!(
                    "{whose}: {who} has reached {percent}% ({} of {} credits)",
                    credits(*used),
                    credits(*limit)
                ),
                format!("{figures} by {who} of {whose}."),
                advice(account, *percent),
            )
        }
        Notice::Extension {
            usable,
            credits: added,
            by,
            ..
        } => {
            let by = if by.is_empty() { "Somebody" } else { by };
            (
                format!(
                    "{whose}: an extension of {} credits was requested",
                    credits(*added)
                ),
                format!(
                    "{by} requested an extension of {} credits for {whose}. They can be used from {} on, until the cycle ends.",
                    credits(*added),
                    local(*usable, event.zone),
                ),
                "Nothing has to be done. If this happens every cycle, buy add-ons.".to_owned(),
            )
        }
        Notice::CycleClosed {
            used,
            entitlement,
            trial_used,
            rolled_over,
            ..
        } => {
            let mut happened = format!("The cycle of {whose} has ended: {}.", event.text());
            if *trial_used > 0 {
                happened.push_str(&format!(" Trials paid {} more.", credits(*trial_used)));
            }
            if *rolled_over > 0 {
                happened.push_str(&format!(
                    " {} credits roll over into the new cycle.",
                    credits(*rolled_over)
                ));
            }
            (
                format!("{whose}: the cycle has ended ({} of {} credits used)", credits(*used), credits(*entitlement)),
                happened,
                "Nothing has to be done. Counters started at zero; allocations and limits are as they were.".to_owned(),
            )
        }
        Notice::Audit(_) => (event.text(), event.text(), String::new()),
    };
    let mut text = format!("{happened}\n\n");
    text.push_str(&format!("When:       {}\n", local(event.at(), event.zone)));
    if let Some(cycle) = cycle(&event.notice) {
        let what = if matches!(event.notice, Notice::CycleClosed { .. }) {
            "Cycle:      "
        } else {
            "Resets:     "
        };
        let when = match event.notice {
            Notice::CycleClosed { .. } => {
                format!(
                    "{} to {}",
                    local(cycle.start, event.zone),
                    local(cycle.end, event.zone)
                )
            }
            _ => format!("{}, {}", local(cycle.end, event.zone), days(event, cycle)),
        };
        text.push_str(&format!("{what}{when}\n"));
    }
    text.push_str(&format!(
        "What to do: {advice}\n\nEvent {} of quotad.\n",
        event.id
    ));
    Letter { subject, text }
}

fn named(account: &Account) -> String {
    match account {
        Account::User(name) => format!("user {name}"),
        Account::Environment(name) => format!("environment {name}"),
        Account::Pool => "the shared pool".to_owned(),
        Account::Organization => "the organization".to_owned(),
    }
}

fn advice(account: &Account, percent: u32) -> String {
    let more = match account {
        Account::User(_) => "raise the user's limit",
        Account::Environment(_) => "raise the environment's allocation",
        Account::Pool => "lower allocations or limits, request an extension, or buy add-ons",
        Account::Organization => "request an extension, or buy add-ons",
    };
    if percent < 100 {
        format!("Nothing has to be done yet. If what is left will not do until the reset, {more}.")
    } else {
        format!(
            "If work is to go on before the reset, {more}. What the overage policy does not allow is refused."
        )
    }
}

fn cycle(notice: &Notice) -> Option<&CycleSpan> {
    match notice {
        Notice::Threshold { cycle, .. }
        | Notice::Extension { cycle, .. }
        | Notice::CycleClosed { cycle, .. } => Some(cycle),
        Notice::Audit(_) => None,
    }
}

/// How many local days are left.
fn days(event: &Event, cycle: &CycleSpan) -> String {
    let calendar = Calendar {
        zone: event.zone,
        rule: Rule::Month { anchor_day: 1 },
    };
    match calendar.days_until(event.at(), cycle.end) {
        0 => "on the same day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    }
}

fn local(instant: Timestamp, zone: Tz) -> String {
    let local = instant.to_utc().with_timezone(&zone);
    format!("{} {}", local.format("%Y-%m-%d %H:%M"), zone.name())
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::events;
    use super::*;

    #[test]
    fn a_person_reads_which_account_how_much_of_how_much_when_it_resets_and_what_to_do() {
        let mut event = events()[0].clone();
        if let Notice::Threshold {
            used, limit, cycle, ..
        } = &mut event.notice
        {
            (*used, *limit) = (800_000, 1_000_000);
            cycle.end = Timestamp::from_nanos(1_790_805_600_000_000_000);
        }
        let letter = letter(&event);
        assert_eq!(
            letter.subject,
            "acme: user a+b@x.org has reached 80% (800 of 1,000 credits)"
        );
        let expected = format!(
            "800 of 1,000 credits used (80%) by user a+b@x.org of acme.\n\n\
             When:       2026-09-21 16:13 Europe/Paris\n\
             Resets:     2026-10-01 00:00 Europe/Paris, in 10 days\n\
             What to do: Nothing has to be done yet. If what is left will not do until the reset, raise the user's limit.\n\n\
             Event {} of quotad.\n",
            event.id
        );
        assert_eq!(letter.text, expected);
    }

    #[test]
    fn every_kind_has_a_letter_of_one_line_and_a_text() {
        for event in events() {
            let letter = letter(&event);
            assert!(
                letter.subject.starts_with("acme: ") || event.audit().is_some(),
                "{letter:?}"
            );
            assert!(
                !letter.subject.contains('\n') && letter.text.contains(&event.id.to_string()),
                "{letter:?}"
            );
        }
    }
}
