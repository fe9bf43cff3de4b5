//! A denial as a gRPC status. Once quota is gone most answers are denials, so this is laid out by hand: no map, no message
//! of protobuf in between, and the head of a denial that was sent lately is sent again.
//!
//! What it lays out are `google.rpc.Status`, `ErrorInfo` and `QuotaFailure`; the tests read it back with their own types.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::SecondsFormat;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};

use super::{DOMAIN, Head};
use crate::engine::answer::{Account, Denial};
use crate::rpc::convert::write::{nested, number, text};
use crate::rpc::sentence;

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const QUOTA_FAILURE: &str = "type.googleapis.com/google.rpc.QuotaFailure";

/// Most details fit, in bytes.
const DETAILS_BYTES: usize = 512;

/// Heads that each thread keeps, of about 1 KiB each. Where more accounts than that are exhausted at once, a head may have to
/// be laid out anew.
const HEADS_KEPT: usize = 128;

/// What describes a denial, as headers have it.
#[derive(Clone)]
struct Described {
    message: HeaderValue,
    details: HeaderValue,
}

thread_local! {
    /// By a hash of the denial.
    static KEPT: RefCell<Vec<Option<(Denial, Described)>>> = const { RefCell::new(Vec::new()) };
}

/// As the status of a call.
pub(super) fn status(denial: &Denial) -> Status {
    let message = sentence::denial(denial);
    let details = details(denial, &message);
    Status::with_details(Code::ResourceExhausted, message, details.into())
}

/// As the head of an answer; `None` if a header cannot carry it, which no denial is known to be.
pub(super) fn head(denial: &Denial) -> Option<Head> {
    let Described { message, details } = described(denial)?;
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(Status::GRPC_STATUS, HeaderValue::from_static("8"));
    headers.insert(Status::GRPC_MESSAGE, message);
    headers.insert(Status::GRPC_STATUS_DETAILS, details);
    Some(Head(headers))
}

fn described(denial: &Denial) -> Option<Described> {
    KEPT.with_borrow_mut(|kept| {
        if kept.is_empty() {
            kept.resize_with(HEADS_KEPT, || None);
        }
        let place = &mut kept[place(denial)];
        if let Some((same, described)) = place
            && same == denial
        {
            return Some(described.clone());
        }
        let message = sentence::denial(denial);
        let details = STANDARD_NO_PAD.encode(details(denial, &message));
        let described = Described {
            message: HeaderValue::try_from(escaped(message)).ok()?,
            details: HeaderValue::try_from(details).ok()?,
        };
        *place = Some((denial.clone(), described.clone()));
        Some(described)
    })
}

/// Denials of one account differ in what was asked.
fn place(denial: &Denial) -> usize {
    let mut hasher = DefaultHasher::new();
    (&denial.account, denial.requested).hash(&mut hasher);
    usize::try_from(hasher.finish() % HEADS_KEPT as u64).unwrap_or(0)
}

/// A message as gRPC sends it: bytes that a header does not carry, and `%`, as `%XX`.
fn escaped(message: String) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    if message.bytes().all(is_plain) {
        return message;
    }
    let hex =
        |digit: u8| char::from_digit(digit.into(), 16).map_or('0', |it| it.to_ascii_uppercase());
    let mut escaped = String::with_capacity(message.len() * 3);
    for byte in message.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.extend(['%', hex(byte >> 4), hex(byte & 0xf)]);
        }
    }
    escaped
}

/// `google.rpc.Status` with its two details.
fn details(denial: &Denial, message: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(DETAILS_BYTES);
    let code = i32::from(Code::ResourceExhausted).unsigned_abs();
    number(1, code.into(), &mut out);
    text(2, &[message], &mut out);
    let (kind, name) = match &denial.account {
        Account::User(name) => ("users/", &**name),
        Account::Environment(name) => ("environments/", &**name),
        Account::Pool => ("pool", ""),
        Account::Organization => ("organization", ""),
    };
    detail(ERROR_INFO, &mut out, |info| {
        text(1, &[denial.reason.as_str()], info);
        text(2, &[DOMAIN], info);
        entry("account", &[kind, name], info);
        for (key, amount) in [
            ("limit", denial.limit),
            ("used", denial.used),
            ("held", denial.held),
            ("available", denial.available),
            ("requested", denial.requested),
        ] {
            entry(key, &[Digits::of(amount).as_str()], info);
        }
        let reset = denial.reset.to_utc();
        let reset = reset.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        entry("reset", &[&reset], info);
    });
    detail(QUOTA_FAILURE, &mut out, |failure| {
        nested(1, failure, |violation| {
            text(1, &[kind, name], violation);
            // The whole sentence stands above; twice it would cost more to send than the denial to decide.
            text(2, &[&sentence::figures(denial)], violation);
        });
    });
    out
}

/// A `google.protobuf.Any` among the details.
fn detail(url: &str, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    nested(3, out, |any| {
        text(1, &[url], any);
        nested(2, any, fill);
    });
}

/// An entry of `ErrorInfo.metadata`.
fn entry(key: &str, value: &[&str], out: &mut Vec<u8>) {
    nested(3, out, |entry| {
        text(1, &[key], entry);
        text(2, value, entry);
    });
}

/// A number in decimal.
struct Digits {
    bytes: [u8; 20],
    begin: usize,
}

impl Digits {
    fn of(number: u64) -> Self {
        let mut digits = Self {
            bytes: [b'0'; 20],
            begin: 20,
        };
        let mut rest = number;
        loop {
            digits.begin -= 1;
            // Below ten.
            digits.bytes[digits.begin] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                return digits;
            }
        }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.begin..]).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::charge::Reason;
    use crate::domain::standing::State;
    use crate::domain::time::Timestamp;
    use proptest::prelude::*;
    use tonic_types::StatusExt;

    fn account() -> impl Strategy<Value = Account> {
        let name = || prop_oneof!["[a-z]{1,8}", "\\PC{1,42}"].prop_map(String::into_boxed_str);
        prop_oneof![
            name().prop_map(Account::User),
            name().prop_map(Account::Environment),
            Just(Account::Pool),
            Just(Account::Organization),
        ]
    }

    prop_compose! {
        fn denial()(
            account in account(),
            figures in (any::<u64>(), 0..1_000_u64, any::<u64>(), 0..3_u64, any::<u64>()),
            reset in any::<i64>(),
            days_until_reset in 0..400_u32,
            scale in prop::sample::select(vec![1, 1_000]),
        ) -> Denial {
            let (requested, limit, used, held, available) = figures;
            Denial {
                reason: Reason::QuotaExceeded,
                account,
                requested,
                limit,
                used,
                held,
                available,
                reset: Timestamp::from_nanos(reset),
                days_until_reset,
                scale,
                state: State::Blocked,
            }
        }
    }

    proptest! {
        #[test]
        fn a_denial_laid_out_by_hand_is_read_by_everybody(denials in prop::collection::vec(denial(), 1..4)) {
            // Twice: the second time from what was kept.
            for denial in denials.iter().chain(&denials) {
                let sent = head(denial).unwrap().into_map();
                let bytes: usize = sent.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
                prop_assert!(bytes < 4_096, "{} bytes of headers", bytes);
                let read = Status::from_header_map(&sent).unwrap();
                let message = sentence::denial(denial);
                prop_assert_eq!((read.code(), read.message()), (Code::ResourceExhausted, message.as_str()));
                let other_way = status(denial);
                prop_assert_eq!(read.details(), other_way.details());
                prop_assert_eq!(read.get_error_details_vec().len(), 2);
                let details = read.get_error_details();
                let info = details.error_info().unwrap();
                prop_assert_eq!((info.reason.as_str(), info.domain.as_str()), ("QUOTA_EXCEEDED", DOMAIN));
                prop_assert_eq!(info.metadata.len(), 7);
                let reset = denial.reset.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true);
                for (key, value) in [
                    ("account", denial.account.to_string()),
                    ("limit", denial.limit.to_string()),
                    ("used", denial.used.to_string()),
                    ("held", denial.held.to_string()),
                    ("available", denial.available.to_string()),
                    ("requested", denial.requested.to_string()),
                    ("reset", reset),
                ] {
                    prop_assert_eq!(&info.metadata[key], &value);
                }
                let violations = &details.quota_failure().unwrap().violations;
                prop_assert_eq!(violations.len(), 1);
                prop_assert_eq!(&violations[0].subject, &denial.account.to_string());
            }
        }
    }
}
