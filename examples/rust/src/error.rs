//! What can come instead of an answer.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules refuse the credits.
    #[error(transparent)]
    Denied(Box<Denied>),
    /// No sidecar answered, and the client was told to deny then.
    #[error("no sidecar answers: {0}")]
    Unavailable(String),
    /// The request is wrong, or comes too late.
    #[error("{}", .0.message())]
    Failed(Box<Status>),
    /// The address is none.
    #[error(transparent)]
    Address(#[from] tonic::transport::Error),
}

/// A denial with the figures it rests on. Displayed, it is a sentence for people; programs read the fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// QUOTA_EXCEEDED, OVERAGE_BLOCKED, ...
    pub reason: String,
    /// The account with the least headroom: organization, pool, environments/E or users/U.
    pub account: String,
    /// Its limit in credits. A RESOURCE_LIMIT, which is the sidecar's own bound, has no figures: they are 0.
    pub limit: u64,
    /// Its committed credits.
    pub used: u64,
    /// Its credits in open reservations.
    pub held: u64,
    /// Exactly so many credits would have been granted.
    pub available: u64,
    /// So many credits were asked for.
    pub requested: u64,
    /// When the cycle ends and counters start at zero.
    pub reset: Option<prost_types::Timestamp>,
    /// The sentence.
    pub message: String,
}

impl Denied {
    /// The denial that a status carries.
    pub(crate) fn of(status: &Status) -> Option<Self> {
        if status.code() != Code::ResourceExhausted {
            return None;
        }
        let info = status.get_details_error_info()?;
        (info.domain == "quotad").then(|| Self::read(info.reason, &info.metadata, status.message()))
    }

    fn read(reason: String, figures: &HashMap<String, String>, message: &str) -> Self {
        let text = |name| figures.get(name).map(String::as_str).unwrap_or_default();
        // What is absent or no figure stays zero: the denial itself must not be lost.
        let credits = |name| text(name).parse().unwrap_or_default();
        Self {
            reason,
            account: text("account").to_owned(),
            limit: credits("limit"),
            used: credits("used"),
            held: credits("held"),
            available: credits("available"),
            requested: credits("requested"),
            reset: text("reset").parse().ok(),
            message: message.to_owned(),
        }
    }
}
