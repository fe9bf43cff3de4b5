//! The log of calls, a line each, at the level debug under the target `quotad::calls`. While nobody reads it, a call costs one
//! look at the level: no header is looked at, and none is sent back.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::HeaderValue;
use http::{HeaderMap, Response};
use tonic::{Code, Status};

use crate::rpc::meter::Rpc;
use crate::rpc::pb;
use crate::rpc::status::failure::outcome_name;

/// What a caller names its request by; the answer repeats it.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// A longer name is not taken over.
pub(super) const REQUEST_ID_BYTES_MAX: usize = 128;

/// Numbers the requests of this process that have no name of their own.
static UNNAMED: AtomicU64 = AtomicU64::new(0);

/// Whether calls are logged.
#[inline]
pub(super) fn is_on() -> bool {
    tracing::enabled!(target: "quotad::calls", tracing::Level::DEBUG)
}

/// The name of a request: the caller's, if it is 1 to 128 visible ASCII characters, else one of ours. `start` is random for
/// each process.
pub(super) fn request_id(headers: &HeaderMap, start: u64) -> HeaderValue {
    let sent = headers.get(REQUEST_ID).filter(|value| is_name(value));
    let ours = || {
        let number = UNNAMED.fetch_add(1, Ordering::Relaxed);
        let text = format!("{start:016x}-{number:x}");
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
    };
    sent.cloned().unwrap_or_else(ours)
}

fn is_name(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// A call of the data plane that is logged.
pub(super) struct Logged {
    request_id: HeaderValue,
    organization: Box<str>,
}

impl Logged {
    /// Begins.
    pub(super) fn new(headers: &HeaderMap, start: u64, organization: &str) -> Self {
        Self {
            request_id: request_id(headers, start),
            organization: organization.into(),
        }
    }

    /// Writes the line, and puts the request's name on the answer. A denial is an answer like others: nothing is logged as an
    /// error here.
    pub(super) fn end<A>(
        self,
        rpc: Rpc,
        took_ns: u64,
        answer: &mut Result<tonic::Response<A>, Status>,
    ) {
        let outcome = match answer {
            Ok(_) => "OK".to_owned(),
            Err(status) => outcome_name(status),
        };
        let (rpc, duration_us) = (rpc.as_str(), took_ns / 1_000);
        // It is visible ASCII.
        let request_id = self.request_id.to_str().unwrap_or_default();
        let organization = match &*self.organization {
            "" => None,
            name => Some(name),
        };
        tracing::debug!(target: "quotad::calls", rpc, request_id, organization, outcome, duration_us, "call");
        let metadata = match answer {
            Ok(response) => response.metadata_mut(),
            Err(status) => status.metadata_mut(),
        };
        if let Ok(value) = tonic::metadata::AsciiMetadataValue::try_from(self.request_id.as_bytes())
        {
            metadata.insert(REQUEST_ID, value);
        }
    }
}

/// A call of an administrator that is logged.
pub(super) struct LoggedAct {
    rpc: Box<str>,
    request_id: HeaderValue,
    began_ns: i64,
}

impl LoggedAct {
    /// Begins, at an instant of steady time.
    pub(super) fn new(rpc: &str, headers: &HeaderMap, start: u64, began_ns: i64) -> Self {
        Self {
            rpc: rpc.into(),
            request_id: request_id(headers, start),
            began_ns,
        }
    }

    /// Writes the line once the answer begins, and puts the request's name on it.
    pub(super) fn end<B>(self, ended_ns: i64, answer: &mut Response<B>) {
        let headers = answer.headers_mut();
        let outcome = match Status::from_header_map(headers) {
            Some(status) if status.code() != Code::Ok => outcome_name(&status),
            _ => "OK".to_owned(),
        };
        let rpc = &*self.rpc;
        let request_id = self.request_id.to_str().unwrap_or_default();
        let took_ns = ended_ns.saturating_sub(self.began_ns);
        let duration_us = took_ns.max(0).unsigned_abs() / 1_000;
        tracing::debug!(target: "quotad::calls", rpc, request_id, outcome, duration_us, "administrator's call");
        headers.insert(REQUEST_ID, self.request_id);
    }
}

/// Whose credits a request is about, where it says so itself: what refers to a reservation does not.
pub(super) trait Asked {
    /// The organization's name as it was sent, unchecked; empty if there is none.
    fn organization(&self) -> &str {
        ""
    }
}

macro_rules! asked_by_subject {
    ($($request:ty),*) => {$(
        impl Asked for $request {
            fn organization(&self) -> &str {
                self.subject.as_ref().map_or("", |it| &it.organization)
            }
        }
    )*};
}

asked_by_subject!(
    pb::ReserveRequest,
    pb::ChargeRequest,
    pb::CheckRequest,
    pb::GetBalanceRequest
);

impl Asked for pb::CommitRequest {}
impl Asked for pb::ReleaseRequest {}
impl Asked for pb::ExtendRequest {}
impl Asked for pb::BatchRequest {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_over_if_a_log_can_hold_it() {
        let longest = "x".repeat(REQUEST_ID_BYTES_MAX);
        let longer = "x".repeat(REQUEST_ID_BYTES_MAX + 1);
        for (sent, is_taken) in [
            ("7f-A_b.c:9", true),
            (longest.as_str(), true),
            (longer.as_str(), false),
            ("", false),
            ("two words", false),
            ("tab\there", false),
            ("caf\u{e9}", false),
        ] {
            let value = HeaderValue::from_bytes(sent.as_bytes()).unwrap();
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static(REQUEST_ID), value)]);
            let name = request_id(&headers, 0xAB);
            assert_eq!(name.as_bytes() == sent.as_bytes(), is_taken, "{sent:?}");
            assert!(is_taken || name.to_str().unwrap().starts_with("00000000000000ab-"));
        }
        let (one, two) = (
            request_id(&HeaderMap::new(), 1),
            request_id(&HeaderMap::new(), 1),
        );
        assert_ne!(one, two);
    }
}
