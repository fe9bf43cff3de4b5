//! A stream that says why it ends: nobody takes a part of something for the whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

use crate::rpc::status::unavailable;

/// What is told, and why it ends.
pub struct Told<T> {
    parts: mpsc::Receiver<T>,
    end: Arc<Mutex<Option<Status>>>,
}

/// Who tells. Dropped without a word, the stream ends with `UNAVAILABLE`.
pub(super) struct Teller<T> {
    pub(super) parts: mpsc::Sender<T>,
    end: Arc<Mutex<Option<Status>>>,
}

/// Both ends; so many parts are on their way at most.
pub(super) fn told<T>(on_the_way_max: usize) -> (Teller<T>, Told<T>) {
    let (sender, receiver) = mpsc::channel(on_the_way_max);
    let cut_off = unavailable("quotad is about to end; connect again");
    let end = Arc::new(Mutex::new(Some(cut_off)));
    let teller = Teller {
        parts: sender,
        end: Arc::clone(&end),
    };
    let told = Told {
        parts: receiver,
        end,
    };
    (teller, told)
}

impl<T> Teller<T> {
    /// This was all, or this is why not.
    pub(super) fn end(self, why: Option<Status>) {
        // The sender goes after this, and only then is the reason looked at.
        *self.end.lock() = why;
    }
}

impl<T> Stream for Told<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.parts.poll_recv(context));
        Poll::Ready(match next {
            Some(part) => Some(Ok(part)),
            None => self.end.lock().take().map(Err),
        })
    }
}
