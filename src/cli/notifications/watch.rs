//! `quotad notifications watch`: what happens, as it happens, without a gap.

use std::time::Duration;

use serde_json::Value;
use tonic::Code;

use crate::cli::client::{self, ClientError};
use crate::cli::management::{self, Admin, Management};
use crate::cli::output::{complain, print, shown};
use crate::cli::{Exit, Output};
use crate::rpc::pb;

use super::fields;

/// The first wait before a sidecar that went away is asked again; it doubles.
const WAIT_LEAST: Duration = Duration::from_millis(250);
/// The longest.
const WAIT_MOST: Duration = Duration::from_secs(10);

/// What is watched, and until when.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Begin after the event with this id; only with what comes from now on unless given.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// End after so many; never unless given.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// How far it has come.
struct Watch<'a> {
    args: &'a Args,
    organization: &'a str,
    output: Output,
    /// The last event that was seen, or that had happened when this began.
    last: Option<String>,
    seen: u64,
}

/// Watches until enough was seen, or the process is told to end.
pub(super) fn run(args: &Args, organization: &str, place: &Management, output: Output) -> Exit {
    let mut watch = Watch {
        args,
        organization,
        output,
        last: args.after.clone(),
        seen: 0,
    };
    match client::block_on(watch.whole(place)) {
        Ok(()) => Exit::Ok,
        Err(error) => client::failed(&error, output),
    }
}

impl Watch<'_> {
    /// A sidecar must be there at first; one that goes away later comes back.
    async fn whole(&mut self, place: &Management) -> Result<(), ClientError> {
        let mut is_first = true;
        let mut wait = WAIT_LEAST;
        loop {
            let seen_before = self.seen;
            let ended = match management::connect(&place.management, &place.credential).await {
                Ok(admin) => {
                    let ended = self.once(admin, is_first).await;
                    is_first = is_first && !matches!(ended, Ok(()) | Err(ClientError::Status(_)));
                    ended
                }
                Err(error) => Err(error),
            };
            if self.is_done() {
                return Ok(());
            }
            match ended {
                Err(error) if is_first || !is_away(&error) => return Err(error),
                Err(error) => complain(&format!("{error}; waiting for it to come back")),
                Ok(()) => complain(&"the sidecar ended the stream; waiting for it to come back"),
            }
            wait = if self.seen > seen_before {
                WAIT_LEAST
            } else {
                (2 * wait).min(WAIT_MOST)
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Until the stream ends.
    async fn once(&mut self, mut admin: Admin, is_first: bool) -> Result<(), ClientError> {
        if is_first && self.last.is_none() {
            let request = pb::ListNotificationsRequest {
                organization: self.organization.to_owned(),
                page_size: 1,
                page_token: String::new(),
            };
            let newest = admin.list_notifications(request).await?.into_inner();
            let newest = newest.notifications.into_iter().next();
            self.last = newest.map(|it| it.id);
        }
        let request = pb::WatchNotificationsRequest {
            organization: self.organization.to_owned(),
            after_id: self.last.clone().unwrap_or_default(),
        };
        let mut stream = admin.watch_notifications(request).await?.into_inner();
        while !self.is_done() {
            let Some(message) = stream.message().await? else {
                return Ok(());
            };
            let event = message
                .notification
                .ok_or(ClientError::Incomplete("the notification"))?;
            self.show(&event);
            self.seen += 1;
            self.last = Some(event.id);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.args.count.is_some_and(|count| self.seen >= count)
    }

    fn show(&self, event: &pb::Notification) {
        let fields = fields(event);
        if self.output == Output::Json {
            return print(&Value::Object(fields));
        }
        let text = |key: &str| fields.get(key).map_or_else(String::new, shown);
        let (time, whose, sentence) = (text("time"), text("organization"), text("text"));
        print(&format!("{time}  {whose}  {sentence}"));
    }
}

/// Whether it may come back by itself.
fn is_away(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Status(status) => matches!(
            status.code(),
            Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal
        ),
        _ => false,
    }
}
