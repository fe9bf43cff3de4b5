//! Credits that are kept until commit or drop.

use std::time::Duration;

use crate::error::Error;
use crate::{Quota, duration, new_id, pb};

/// Credits that are kept. Dropping it without a commit gives them back.
#[derive(Debug)]
#[must_use = "dropping it gives the credits back"]
pub struct Hold {
    quota: Quota,
    id: Vec<u8>,
    granted: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// A commit got no answer: it may be booked or not.
    Unsure,
    Over,
}

impl Hold {
    /// `None` where the work goes on without a sidecar.
    pub(crate) fn new(quota: Quota, reservation: Option<pb::Reservation>) -> Self {
        let state = if reservation.is_some() {
            State::Open
        } else {
            State::Over
        };
        let reservation = reservation.unwrap_or_default();
        Self {
            quota,
            id: reservation.id,
            granted: reservation.granted,
            state,
        }
    }

    /// Names the reservation, 16 bytes. Empty where the work goes on without a sidecar.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// How many credits are held.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// Books the credits that were really used.
    ///
    /// If no sidecar answers, the work may be booked or not: dropping does not release then, and the same commit may be
    /// made again.
    pub async fn commit(&mut self, amount: u64) -> Result<Option<pb::CommitResponse>, Error> {
        self.settle(pb::commit_request::Actual::Amount(amount))
            .await
    }

    /// Books so much of the operation that was reserved, at the rate of the reservation.
    pub async fn commit_quantity(
        &mut self,
        quantity: u64,
    ) -> Result<Option<pb::CommitResponse>, Error> {
        self.settle(pb::commit_request::Actual::Quantity(quantity))
            .await
    }

    async fn settle(
        &mut self,
        actual: pb::commit_request::Actual,
    ) -> Result<Option<pb::CommitResponse>, Error> {
        if self.state == State::Over {
            return Ok(None);
        }
        let message = pb::CommitRequest {
            reservation_id: self.id.clone(),
            actual: Some(actual),
            excess: pb::Excess::Unspecified.into(),
        };
        // Also where the caller stops waiting here.
        self.state = State::Unsure;
        let answer = self
            .quota
            .call(message, async |mut stub, message| {
                stub.commit(message).await
            })
            .await;
        match &answer {
            Ok(Some(_)) => self.state = State::Over,
            Ok(None) | Err(Error::Unavailable(_)) => {}
            // What was refused is not booked.
            Err(_) => self.state = State::Open,
        }
        answer
    }

    /// Holds so many credits more, or holds them longer: `ttl` from now on.
    pub async fn extend(
        &mut self,
        additional: u64,
        ttl: Option<Duration>,
    ) -> Result<Option<pb::ExtendResponse>, Error> {
        if self.state == State::Over {
            return Ok(None);
        }
        let message = pb::ExtendRequest {
            reservation_id: self.id.clone(),
            additional,
            ttl: ttl.map(duration),
            request_id: new_id(),
        };
        let answer = self
            .quota
            .call(message, async |mut stub, message| {
                stub.extend(message).await
            })
            .await?;
        if let Some(reservation) = answer.as_ref().and_then(|it| it.reservation.as_ref()) {
            self.granted = reservation.granted;
        }
        Ok(answer)
    }

    /// Gives the credits back now, and tells whether that worked; dropping does it in the background.
    pub async fn release(mut self) -> Result<Option<pb::ReleaseResponse>, Error> {
        match self.releasing() {
            Some(releasing) => releasing.await,
            None => Ok(None),
        }
    }

    /// The release that is due, once.
    fn releasing(
        &mut self,
    ) -> Option<impl Future<Output = Result<Option<pb::ReleaseResponse>, Error>> + use<>> {
        if self.state != State::Open {
            return None;
        }
        self.state = State::Over;
        let quota = self.quota.clone();
        let message = pb::ReleaseRequest {
            reservation_id: std::mem::take(&mut self.id),
        };
        Some(async move {
            quota
                .call(message, async |mut stub, message| {
                    stub.release(message).await
                })
                .await
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Without a runtime, or without a sidecar that answers, the reservation ends by itself.
        if let (Some(releasing), Ok(runtime)) =
            (self.releasing(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(releasing);
        }
    }
}
