//! Notifications as they happen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use crate::notify::{After, Subscription};
use crate::rpc::convert::notice::answered_event;
use crate::rpc::pb;
use crate::rpc::status::{Refusal, status, too_slow, unavailable};
use crate::world::vitals::{Phase, Vitals};

use super::notices::{event_id, filter};
use super::told::{Told, told};
use super::{Admin, By, Parts};

/// Notifications on their way to one watcher. The rest waits in the log, where it takes no memory.
const ON_THE_WAY_MAX: usize = 64;

/// A watcher that takes nothing for so long is cut off; with the id of the last one that it saw it can go on.
const TAKES_NOTHING_MAX: Duration = Duration::from_secs(60);

/// What one watcher hears.
pub(super) type Watched = Told<pb::WatchNotificationsResponse>;

/// Answers the stream; what it tells comes from a task that ends with it.
pub(super) async fn watch_notifications(
    admin: &Admin,
    request: Request<pb::WatchNotificationsRequest>,
) -> Result<Response<Watched>, Status> {
    let subscription = admin.on_a_thread(request, "", subscribe).await?;
    let (teller, watched) = told(ON_THE_WAY_MAX);
    let vitals = Arc::clone(&admin.parts.vitals);
    tokio::spawn(async move {
        let why = follow(subscription, &teller.parts, &vitals).await;
        teller.end(why);
    });
    Ok(Response::new(watched))
}

fn subscribe(
    parts: &Parts,
    _: By<'_>,
    wire: &pb::WatchNotificationsRequest,
) -> Result<Subscription, Refusal> {
    let filter = filter(&wire.organization)?;
    let after = match wire.after_id.as_str() {
        "" => After::Now,
        id => After::Event(event_id("after_id", id)?),
    };
    Ok(parts.notifications.subscribe(filter, after)?)
}

/// Tells one after the other until the watcher goes, is too slow, or this process ends.
async fn follow(
    mut subscription: Subscription,
    tell: &mpsc::Sender<pb::WatchNotificationsResponse>,
    vitals: &Vitals,
) -> Option<Status> {
    let mut phase = vitals.watch();
    loop {
        let event = tokio::select! {
            event = subscription.next() => event,
            () = tell.closed() => return None,
            // An error would say that the vitals are gone, and so is the process.
            _ended = phase.wait_for(|phase| *phase > Phase::Ready) => {
                return Some(unavailable("quotad is draining; connect again, with the id of the last notification"));
            }
        };
        let notification = match event {
            Ok(event) => Some(answered_event(&event)),
            Err(error) => return Some(status(&error.into())),
        };
        let message = pb::WatchNotificationsResponse { notification };
        match tell.send_timeout(message, TAKES_NOTHING_MAX).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return None,
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Some(too_slow()),
        }
    }
}
