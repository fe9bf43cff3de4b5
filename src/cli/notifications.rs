//! `quotad notifications`.

mod watch;

use serde_json::{Map, Value, json};

use crate::rpc::pb;

use super::client::{self, ClientError};
use super::management::{self, Admin, Management, Tenant, Why, pages};
use super::output::{Answer, Rows};
use super::{Exit, Output};

/// Shows what administrators were notified of, and how that goes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  quotad notifications list --last 20
  quotad notifications watch -o json | while read -r event; do ...; done
  quotad notifications sinks
  quotad notifications dead
  quotad notifications replay ops-webhook --why 'it is back'

Exit codes: 0 done, 2 wrong usage, 4 unavailable, 5 refused.")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    place: Management,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists notifications, the newest first; of one organization with --organization.
    List {
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 100)]
        last: usize,
    },
    /// Prints notifications as they happen, a line each; goes on where it was when the sidecar was away.
    Watch(watch::Args),
    /// Shows where notifications are sent to.
    Sinks,
    /// Lists events that a sink could not be told within a day; the oldest first.
    Dead {
        /// Only of this sink.
        #[arg(
            long,
            value_name = "NAME",
            default_value = "",
            hide_default_value = true
        )]
        sink: String,
    },
    /// Tells a sink once more what was given up.
    Replay {
        /// The sink.
        sink: String,
        /// Only these events, by their ids; all of them unless given.
        #[arg(long = "id", value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
}

impl Args {
    /// Whether it prints as things happen.
    pub(super) fn is_endless(&self) -> bool {
        matches!(self.action, Action::Watch(_))
    }
}

/// Runs the command.
pub(super) fn run(args: Args, output: Output) -> Exit {
    let Args {
        action,
        tenant,
        place,
    } = args;
    let organization = tenant.organization;
    if let Action::Watch(args) = action {
        return watch::run(&args, &organization, &place, output);
    }
    management::run(&place, output, async |admin| {
        act(admin, organization, action).await
    })
}

async fn act(
    mut admin: Admin,
    organization: String,
    action: Action,
) -> Result<Answer, ClientError> {
    match action {
        Action::List { last } => {
            let notifications = pages(last, async |page_size, page_token| {
                let request = pb::ListNotificationsRequest {
                    organization: organization.clone(),
                    page_size,
                    page_token,
                };
                let answer = admin.list_notifications(request).await?.into_inner();
                Ok((answer.notifications, answer.next_page_token))
            });
            Ok(Answer::Rows(Rows {
                name: "notifications",
                columns: vec!["time", "organization", "event", "text"],
                more: &["account", "percent", "sequence", "id"],
                rows: notifications.await?.iter().map(fields).collect(),
                ..Rows::default()
            }))
        }
        Action::Sinks => sinks(admin).await,
        Action::Dead { sink } => dead(admin, sink).await,
        Action::Replay { sink, ids, why } => {
            let request = pb::ReplayDeadLettersRequest {
                sink,
                ids,
                why: why.why,
            };
            let answer = admin.replay_dead_letters(request).await?.into_inner();
            Ok(Answer::Fields(client::fields([(
                "replayed",
                json!(answer.replayed),
            )])))
        }
        // Watching prints as it goes, and has a runtime of its own.
        Action::Watch(_) => Ok(Answer::Printed),
    }
}

async fn sinks(mut admin: Admin) -> Result<Answer, ClientError> {
    let request = pb::ListSinksRequest {};
    let sinks = admin.list_sinks(request).await?.into_inner().sinks;
    let fields = |it: &pb::Sink| {
        client::fields([
            ("name", json!(it.name)),
            ("kind", json!(it.kind)),
            ("delivered", json!(it.delivered)),
            ("waiting", json!(it.waiting)),
            ("attempts_failed", json!(it.attempts_failed)),
            ("dead", json!(it.dead)),
            ("last_error", json!(it.last_error)),
        ])
    };
    Ok(Answer::Rows(Rows {
        name: "sinks",
        columns: vec![
            "name",
            "kind",
            "delivered",
            "waiting",
            "attempts_failed",
            "dead",
            "last_error",
        ],
        rows: sinks.iter().map(fields).collect(),
        ..Rows::default()
    }))
}

async fn dead(mut admin: Admin, sink: String) -> Result<Answer, ClientError> {
    let letters = pages(usize::MAX, async |page_size, page_token| {
        let request = pb::ListDeadLettersRequest {
            sink: sink.clone(),
            page_size,
            page_token,
        };
        let answer = admin.list_dead_letters(request).await?.into_inner();
        Ok((answer.dead_letters, answer.next_page_token))
    });
    let row = |it: &pb::DeadLetter| {
        let event = it.notification.clone().unwrap_or_default();
        client::fields([
            ("sink", json!(it.sink)),
            ("given_up", client::instant(it.time)),
            ("attempts", json!(it.attempts)),
            ("error", json!(it.error)),
            ("text", json!(event.text)),
            ("id", json!(event.id)),
            ("organization", json!(event.organization)),
            ("event", json!(kind(&event))),
            ("time", client::instant(event.time)),
        ])
    };
    Ok(Answer::Rows(Rows {
        name: "dead_letters",
        columns: vec!["sink", "given_up", "attempts", "error", "text", "id"],
        more: &["organization", "event", "time"],
        rows: letters.await?.iter().map(row).collect(),
        ..Rows::default()
    }))
}

/// What happened, in a word.
fn kind(it: &pb::Notification) -> &'static str {
    use pb::notification::Event;
    match &it.event {
        Some(Event::ThresholdReached(_)) => "threshold",
        Some(Event::ExtensionRequested(_)) => "extension",
        Some(Event::CycleClosed(_)) => "cycle closed",
        None => "unknown",
    }
}

/// A notification with its figures.
fn fields(it: &pb::Notification) -> Map<String, Value> {
    use pb::notification::Event;
    let mut fields = client::fields([
        ("time", client::instant(it.time)),
        ("organization", json!(it.organization)),
        ("event", json!(kind(it))),
        ("text", json!(it.text)),
        ("sequence", json!(it.sequence)),
        ("id", json!(it.id)),
    ]);
    fields.extend(match &it.event {
        None => Map::new(),
        Some(Event::ThresholdReached(it)) => client::fields([
            ("account", json!(it.account)),
            ("percent", json!(it.percent)),
            ("used", json!(it.used)),
            ("limit", json!(it.limit)),
            ("cycle_start", client::instant(it.cycle_start_time)),
            ("cycle_end", client::instant(it.cycle_end_time)),
        ]),
        Some(Event::ExtensionRequested(it)) => client::fields([
            ("requested_by", json!(it.requested_by)),
            ("credits", json!(it.credits)),
            ("usable", client::instant(it.usable_time)),
            ("cycle_end", client::instant(it.cycle_end_time)),
        ]),
        Some(Event::CycleClosed(it)) => client::fields([
            ("cycle_start", client::instant(it.cycle_start_time)),
            ("cycle_end", client::instant(it.cycle_end_time)),
            ("used", json!(it.used)),
            ("trial_used", json!(it.trial_used)),
            ("entitlement", json!(it.entitlement)),
            ("rolled_over", json!(it.rolled_over)),
        ]),
    });
    fields
}
