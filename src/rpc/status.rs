//! Denials and errors as gRPC statuses, and as the same data in a batch. The only file that knows gRPC codes.

mod denied;
pub mod failure;
mod plan;

use std::collections::HashMap;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::domain::plan::edit::EditError;
use crate::engine::answer::{Denial, EngineError, Reason};
use crate::notify::NotifyError;
use crate::rpc::access::Stranger;
use crate::rpc::pb;
use crate::storage::UsageError;

/// The domain of every `google.rpc.ErrorInfo` of this service.
pub const DOMAIN: &str = "quotad";

/// What became of an order that was not granted.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// Refused by the rules.
    Denied(Box<Denial>),
    /// Could not be done.
    Failed(EngineError),
    /// A field is wrong: its path, and what to do.
    BadField {
        /// The path.
        field: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A change of the plan cannot be made.
    Edit(EditError),
    /// A file of usage cannot be read.
    Unreadable(String),
    /// The log of events cannot answer.
    Notify(NotifyError),
    /// `ABORTED`: the plan is not the one that the change was based on.
    StalePlan {
        /// The etag of the plan now.
        found: String,
    },
    /// A defect: the request ended in a panic. What it had booked until then stays booked.
    Broken,
}

impl From<UsageError> for Refusal {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Engine(error) => Self::Failed(error),
            UsageError::File(error) => Self::Unreadable(error.to_string()),
        }
    }
}

impl From<NotifyError> for Refusal {
    fn from(error: NotifyError) -> Self {
        Self::Notify(error)
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// As the status of a call.
pub fn status(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::Denied(denial) => denied::status(denial),
        Refusal::Failed(error) => failed(error),
        Refusal::BadField { field, problem } => invalid(field, problem),
        Refusal::Edit(error) => plan::edited(error),
        Refusal::Unreadable(problem) => Status::internal(problem),
        Refusal::Notify(error) => Status::new(log_code(error), error.to_string()),
        Refusal::StalePlan { found } => plan::stale(
            "plan",
            found,
            format!(
                "the plan has changed: its etag is {found}; read it again, and try again if the change is still right"
            ),
        ),
        Refusal::Broken => Status::internal(BROKEN),
    }
}

/// As data in a batch, where it is no denial; `path` is that of the operation, such as `operations[3].charge`.
pub fn failure(refusal: &Refusal, path: impl FnOnce() -> String) -> pb::Failure {
    match refusal {
        Refusal::Failed(EngineError::Invalid { field, problem }) => {
            bad_field(format!("{}.{field}", path()), problem)
        }
        Refusal::Failed(error) => pb::Failure {
            code: code(error).into(),
            message: error.to_string(),
            field: String::new(),
        },
        // The rest comes from administrators' calls only, which are never part of a batch.
        other => {
            let status = status(other);
            pb::Failure {
                code: status.code().into(),
                message: status.message().to_owned(),
                field: String::new(),
            }
        }
    }
}

/// A field that is wrong, as data.
pub fn bad_field(field: String, problem: &str) -> pb::Failure {
    pb::Failure {
        code: Code::InvalidArgument.into(),
        message: format!("{field}: {problem}"),
        field,
    }
}

/// A field that is wrong, as the status of a call.
pub fn invalid(field: &str, problem: &str) -> Status {
    let details = ErrorDetails::with_bad_request_violation(field, problem);
    Status::with_error_details(
        Code::InvalidArgument,
        format!("{field}: {problem}"),
        details,
    )
}

/// The head of an answer that has no message: the status, and what describes it.
#[derive(Debug, Default)]
pub struct Head(HeaderMap);

impl Head {
    /// That of a refusal.
    pub fn refusing(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Denied(denial) => denied::head(denial),
            _ => None,
        }
        .unwrap_or_else(|| Self::of(&status(refusal)))
    }

    /// That of a status.
    pub fn of(status: &Status) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        add(status, &mut headers);
        Self(headers)
    }

    /// As a response has it.
    pub fn into_map(self) -> HeaderMap {
        self.0
    }
}

/// A status behind the messages of an answer.
pub fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    add(status, &mut trailers);
    trailers
}

fn add(status: &Status, headers: &mut HeaderMap) {
    if let Err(unsayable) = status.add_header(headers) {
        // Every byte of a text is escaped where a header cannot carry it, so this does not happen.
        tracing::error!(%unsayable, "a status has no headers");
        headers.insert(Status::GRPC_STATUS, HeaderValue::from_static("13"));
    }
}

/// The request ended before its message was whole; most often nobody hears this.
pub fn cut_off() -> Status {
    Status::cancelled("the request was cut off before its message was whole; nothing was booked")
}

/// Not ready yet, or not any more.
pub fn unavailable(problem: &str) -> Status {
    Status::unavailable(problem)
}

/// The caller's time was over before anything was booked.
pub fn too_late() -> Status {
    Status::deadline_exceeded(
        "the deadline had passed before the request was looked at; nothing was booked",
    )
}

/// The caller's time was over while its message, or its answer, was on the way.
pub fn out_of_time() -> Status {
    Status::deadline_exceeded(
        "the deadline passed before the answer could leave; send the same request with the same id to hear what became of it",
    )
}

/// A reader of a stream takes nothing.
pub fn too_slow() -> Status {
    Status::resource_exhausted(
        "nothing was taken for a minute, so this stream ends; ask again from the last one that was taken",
    )
}

/// What happened is not safe, and never will be: it must not be acknowledged.
pub fn not_safe() -> Status {
    unavailable(
        "what was asked could not be made safe, so it is not acknowledged; quotad is about to end: send the same request \
         with the same id once it is back",
    )
}

const BROKEN: &str = "a defect in quotad ended this request; see its log, and report it";

fn failed(error: &EngineError) -> Status {
    let message = error.to_string();
    let details = match error {
        EngineError::Invalid { field, problem } => return invalid(field, problem),
        EngineError::UnknownOrganization(name) => ErrorDetails::with_resource_info(
            "quotad.v1.Organization",
            name.as_ref(),
            "",
            message.as_str(),
        ),
        EngineError::UnknownReservation(id) => ErrorDetails::with_resource_info(
            "quotad.v1.Reservation",
            id.as_str(),
            "",
            message.as_str(),
        ),
        EngineError::Precondition(_) => ErrorDetails::with_precondition_failure_violation(
            "STATE",
            "reservation",
            message.as_str(),
        ),
        EngineError::Refused(refused) => ErrorDetails::with_precondition_failure_violation(
            "PLAN",
            refused.path.as_str(),
            message.as_str(),
        ),
        EngineError::NoRoom => ErrorDetails::with_error_info(
            Reason::ResourceLimit.as_str(),
            DOMAIN,
            HashMap::<String, String>::new(),
        ),
        EngineError::Unrecorded => return Status::new(code(error), message),
    };
    Status::with_error_details(code(error), message, details)
}

fn log_code(error: &NotifyError) -> Code {
    match error {
        NotifyError::UnknownEvent(_) | NotifyError::UnknownSink(_) => Code::NotFound,
        NotifyError::Ended => Code::Unavailable,
        NotifyError::Read { .. } => Code::Internal,
    }
}

/// A caller who may not do what the call does.
pub fn stranger(stranger: &Stranger) -> Status {
    let code = match stranger {
        Stranger::NoToken | Stranger::WrongToken | Stranger::NoTokens => Code::Unauthenticated,
        Stranger::RoleTooLow { .. } => Code::PermissionDenied,
    };
    Status::new(code, stranger.to_string())
}

/// As HTTP says it.
pub fn http(status: &Status) -> http::StatusCode {
    use http::StatusCode;
    match status.code() {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable | Code::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn code(error: &EngineError) -> Code {
    match error {
        EngineError::Invalid { .. } => Code::InvalidArgument,
        EngineError::UnknownOrganization(_) | EngineError::UnknownReservation(_) => Code::NotFound,
        EngineError::Precondition(_) | EngineError::Refused(_) => Code::FailedPrecondition,
        EngineError::NoRoom => Code::ResourceExhausted,
        EngineError::Unrecorded => Code::Unavailable,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::domain::standing::State;
    use crate::domain::time::Timestamp;
    use crate::engine::answer::Account;
    use crate::rpc::sentence;

    fn denial(reason: Reason, account: Account) -> Denial {
        Denial {
            reason,
            account,
            requested: 1,
            limit: 120_000,
            used: 120_000,
            held: 0,
            available: 0,
            reset: Timestamp::from_millis(1_796_083_200_000),
            days_until_reset: 21,
            scale: 1,
            state: State::Blocked,
        }
    }

    fn prod() -> Account {
        Account::Environment("prod".into())
    }

    #[test]
    fn a_denial_is_resource_exhausted_with_one_error_info_and_a_quota_failure() {
        let denied = status(&Refusal::Denied(Box::new(denial(
            Reason::QuotaExceeded,
            prod(),
        ))));
        assert_eq!(denied.code(), Code::ResourceExhausted);
        assert_eq!(
            denied.message(),
            "All credits of environment prod have been consumed: 120,000 of 120,000; resets in 21 days. \
             Ask an administrator for more or request an extension."
        );
        let details = denied.get_error_details_vec();
        assert_eq!(details.len(), 2, "{details:?}");
        let details = denied.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("QUOTA_EXCEEDED", DOMAIN)
        );
        let mut metadata: Vec<_> = info.metadata.iter().collect();
        metadata.sort();
        let text = metadata.iter().map(|(key, value)| format!("{key}={value}"));
        assert_eq!(
            text.collect::<Vec<_>>().join(" "),
            "account=environments/prod available=0 held=0 limit=120000 requested=1 reset=2026-12-01T00:00:00Z used=120000"
        );
        let quota = details.quota_failure().unwrap();
        assert_eq!(quota.violations[0].subject, "environments/prod");
        assert!(details.retry_info().is_none());
    }

    #[test]
    fn a_denial_survives_the_wire_whatever_the_name() {
        for name in [
            "Zoë 漢字 🙂".to_owned(),
            "漢".repeat(42),
            "x\"\\%".repeat(32),
        ] {
            let denial = denial(Reason::QuotaExceeded, Account::User(name.clone().into()));
            let sent = status(&Refusal::Denied(Box::new(denial)));
            let mut headers = HeaderMap::new();
            sent.add_header(&mut headers).unwrap();
            let bytes: usize = headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len())
                .sum();
            assert!(bytes < 4_096, "{bytes} bytes of trailers");
            let read = Status::from_header_map(&headers).unwrap();
            assert_eq!(read.message(), sent.message());
            let details = read.get_error_details();
            let account = &details.error_info().unwrap().metadata["account"];
            assert_eq!(*account, format!("users/{name}"));
        }
    }

    #[test]
    fn sentences_say_what_is_left_what_is_held_and_what_to_do() {
        let scaled = Denial {
            scale: 1_000,
            ..denial(Reason::QuotaExceeded, prod())
        };
        let held = Denial {
            used: 80_000,
            held: 40_000,
            days_until_reset: 1,
            ..denial(Reason::QuotaExceeded, Account::Pool)
        };
        let left = Denial {
            used: 600,
            limit: 1_000,
            available: 400,
            requested: 401,
            days_until_reset: 0,
            ..denial(Reason::QuotaExceeded, Account::User("ana".into()))
        };
        for (denial, expected) in [
            (
                scaled,
                "All credits of environment prod have been consumed: 120 of 120; resets in 21 days. Ask an administrator for more or request an extension.",
            ),
            (
                held,
                "All credits of the pool have been consumed or are held: 80,000 used and 40,000 held of 120,000; resets in 1 day. Ask an administrator for more or request an extension.",
            ),
            (
                left,
                "401 credits were asked for, but user ana has 400 left: 600 of 1,000; resets today. Ask an administrator for a higher limit.",
            ),
            (
                denial(Reason::TrialExpired, Account::User("ana".into())),
                "The trial of user ana has ended. Ask an administrator to buy credits or to renew the trial.",
            ),
        ] {
            assert_eq!(sentence::denial(&denial), expected);
        }
    }

    #[test]
    fn every_error_has_the_code_that_the_interface_promises() {
        for (error, code) in [
            (
                EngineError::Invalid {
                    field: "ttl",
                    problem: "is 0 s".into(),
                },
                Code::InvalidArgument,
            ),
            (
                EngineError::UnknownOrganization("nowhere".into()),
                Code::NotFound,
            ),
            (EngineError::UnknownReservation("ab".into()), Code::NotFound),
            (
                EngineError::Precondition("released before".into()),
                Code::FailedPrecondition,
            ),
            (EngineError::Unrecorded, Code::Unavailable),
        ] {
            let refusal = Refusal::Failed(error);
            assert_eq!(status(&refusal).code(), code);
            let failure = failure(&refusal, || "operations[3].charge".to_owned());
            assert_eq!(failure.code, i32::from(code));
        }
    }

    #[test]
    fn a_bad_field_is_named_by_its_path_also_within_a_batch() {
        let refusal = Refusal::Failed(EngineError::Invalid {
            field: "cost.credits",
            problem: "is too much".into(),
        });
        let details = status(&refusal).get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(
            (violation.field.as_str(), violation.description.as_str()),
            ("cost.credits", "is too much")
        );
        let failure = failure(&refusal, || "operations[3].charge".to_owned());
        assert_eq!(failure.field, "operations[3].charge.cost.credits");
        assert_eq!(
            failure.message,
            "operations[3].charge.cost.credits: is too much"
        );
    }
}
