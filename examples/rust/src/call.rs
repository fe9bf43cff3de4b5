//! One call: tried again where that is safe, and its errors turned into those of this package.

use std::error::Error as _;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::error::{Denied, Error};
use crate::pb::quota_service_client::QuotaServiceClient;
use crate::{OnUnavailable, Quota};

/// Four attempts in all, up to a second apart.
fn retries() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(1))
        .with_factor(2.0)
        .with_max_times(3)
        .with_jitter()
}

impl Quota {
    /// The answer, or `None` where the work may go on without one.
    pub(crate) async fn call<Q: Clone, A>(
        &self,
        message: Q,
        method: impl AsyncFn(
            QuotaServiceClient<Channel>,
            tonic::Request<Q>,
        ) -> Result<tonic::Response<A>, Status>,
    ) -> Result<Option<A>, Error> {
        let attempt = async || {
            let mut request = tonic::Request::new(message.clone());
            request.set_timeout(self.timeout);
            method(self.stub.clone(), request).await
        };
        // Only UNAVAILABLE is worth retrying, and only because every request carries an id of its own: the sidecar answers
        // a repeated one without booking it again.
        let retried = attempt.retry(retries()).when(unavailable);
        let status = match tokio::time::timeout(self.timeout, retried).await {
            Ok(Ok(answer)) => return Ok(Some(answer.into_inner())),
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("no answer came in time"),
        };
        if let Some(denied) = Denied::of(&status) {
            return Err(Error::Denied(Box::new(denied)));
        }
        if !unavailable(&status) && status.code() != Code::DeadlineExceeded {
            return Err(Error::Failed(Box::new(status)));
        }
        match self.on_unavailable {
            OnUnavailable::Allow => Ok(None),
            OnUnavailable::Deny => Err(Error::Unavailable(status.message().to_owned())),
        }
    }
}

/// Whether no sidecar answered. A connection that breaks is UNKNOWN or CANCELLED to tonic; what tells it from the
/// sidecar's own word is that an error of the transport is its source.
fn unavailable(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}
