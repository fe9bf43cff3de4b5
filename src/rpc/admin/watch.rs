//! Notifications as they happen.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::notify::{After, Subscription};
use crate::rpc::convert::notice::answered_event;
use crate::rpc::pb;
use crate::rpc::status::{Refusal, status, too_slow, unavailable};
use crate::world::vitals::{Phase, Vitals};

use super::notices::{event_id, filter};
use super::{Admin, By, Parts};

/// Notifications on their way to one watcher. The rest waits in the log, where it takes no memory.
const ON_THE_WAY_MAX: usize = 64;

/// A watcher that takes nothing for so long is cut off; with the id of the last one that it saw it can go on.
const TAKES_NOTHING_MAX: Duration = Duration::from_secs(60);

/// What one watcher hears, and why it ends.
pub(super) struct Watched {
    told: mpsc::Receiver<pb::WatchNotificationsResponse>,
    end: Arc<Mutex<Option<Status>>>,
}

impl Stream for Watched {
    type Item = Result<pb::WatchNotificationsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.told.poll_recv(context));
        Poll::Ready(match next {
            Some(notification) => Some(Ok(notification)),
            None => self.end.lock().take().map(Err),
        })
    }
}

/// Answers the stream; what it tells comes from a task that ends with it.
pub(super) async fn watch_notifications(
    admin: &Admin,
    request: Request<pb::WatchNotificationsRequest>,
) -> Result<Response<Watched>, Status> {
    let subscription = admin.on_a_thread(request, "", subscribe).await?;
    let (tell, told) = mpsc::channel(ON_THE_WAY_MAX);
    let end = Arc::new(Mutex::new(None));
    let (vitals, told_why) = (Arc::clone(&admin.parts.vitals), Arc::clone(&end));
    tokio::spawn(async move {
        // Nobody is left to be told why where the watcher has gone.
        if let Some(why) = follow(subscription, &tell, &vitals).await {
            *told_why.lock() = Some(why);
        }
        // The sender goes after the reason is there, for the watcher looks at it then.
        drop(tell);
    });
    Ok(Response::new(Watched { told, end }))
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
