//! A small client for quotad, over the code that `build.rs` makes from the .proto files.
//!
//! ```no_run
//! # use quotad_client::{OnUnavailable, Quota, Request, Error};
//! # async fn work() -> u64 { 420 }
//! # async fn example() -> Result<(), Error> {
//! let quota = Quota::new("http://127.0.0.1:7450", OnUnavailable::Deny)?;
//! let mut hold = quota.reserve(Request::credits(500).user("ana")).await?;
//! let used = work().await;
//! hold.commit(used).await?; // dropping the hold without a commit releases
//! # Ok(())
//! # }
//! ```

mod call;
mod error;
mod hold;
mod request;

/// What `build.rs` generates; the comments in `proto/` are its reference.
#[allow(missing_docs)]
pub mod pb {
    tonic::include_proto!("quotad.v1");
}

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

pub use error::{Denied, Error};
pub use hold::Hold;
pub use request::Request;

use pb::quota_service_client::QuotaServiceClient;

/// What happens when no sidecar answers. There is no default: it is the application's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnavailable {
    /// The work goes on without credits: answers are `None` then, and nothing is booked.
    Allow,
    /// The call fails with [`Error::Unavailable`].
    Deny,
}

/// A channel to the sidecar beside this process. Clones share it.
#[derive(Clone, Debug)]
pub struct Quota {
    /// Makes the calls that have no helper here, such as `batch` and `stream`. It knows neither retries nor
    /// [`OnUnavailable`] nor [`Denied`].
    pub stub: QuotaServiceClient<Channel>,
    on_unavailable: OnUnavailable,
    timeout: Duration,
}

impl Quota {
    /// A client for `http://HOST:PORT` or `unix:PATH`, inside a tokio runtime. It connects when the first call is made.
    pub fn new(address: &str, on_unavailable: OnUnavailable) -> Result<Self, Error> {
        let endpoint =
            Endpoint::from_shared(address.to_owned())?.connect_timeout(Duration::from_secs(1));
        Ok(Self {
            stub: QuotaServiceClient::new(endpoint.connect_lazy()),
            on_unavailable,
            timeout: Duration::from_secs(2),
        })
    }

    /// The same with another limit for each call, retries included; 2 s unless told otherwise.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Keeps credits for work that begins now, until commit or drop.
    pub async fn reserve(&self, request: Request) -> Result<Hold, Error> {
        let message = pb::ReserveRequest {
            subject: Some(request.subject),
            cost: Some(request.cost),
            min_amount: request.min_amount,
            ttl: request.ttl.map(duration),
            reservation_id: new_id(),
        };
        let answer = self.call(message, async |mut stub, message| {
            stub.reserve(message).await
        });
        Ok(Hold::new(
            self.clone(),
            answer.await?.and_then(|it| it.reservation),
        ))
    }

    /// Reserves and commits in one step.
    pub async fn charge(&self, request: Request) -> Result<Option<pb::ChargeResponse>, Error> {
        let message = pb::ChargeRequest {
            subject: Some(request.subject),
            cost: Some(request.cost),
            request_id: new_id(),
        };
        self.call(message, async |mut stub, message| {
            stub.charge(message).await
        })
        .await
    }

    /// Tells what [`Quota::reserve`] would answer. It changes nothing, and a denial is no error.
    pub async fn check(&self, request: Request) -> Result<Option<pb::CheckResponse>, Error> {
        let message = pb::CheckRequest {
            subject: Some(request.subject),
            cost: Some(request.cost),
            min_amount: request.min_amount,
        };
        self.call(message, async |mut stub, message| stub.check(message).await)
            .await
    }

    /// Tells how the user, the environment and the organization stand.
    pub async fn balance(
        &self,
        subject: pb::Subject,
    ) -> Result<Option<pb::GetBalanceResponse>, Error> {
        let message = pb::GetBalanceRequest {
            subject: Some(subject),
        };
        self.call(message, async |mut stub, message| {
            stub.get_balance(message).await
        })
        .await
    }
}

/// A UUIDv7. By the time in it the sidecar knows an id that is too old to be remembered, and refuses it.
fn new_id() -> Vec<u8> {
    uuid::Uuid::now_v7().as_bytes().to_vec()
}

/// On the wire. Nobody asks for more than an hour; what is too long for the wire is refused like it.
fn duration(time: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        nanos: time.subsec_nanos().cast_signed(),
    }
}
