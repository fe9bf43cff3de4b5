//! Failures as metrics name them: by their gRPC code.

use tonic::{Code, Status};

use super::{Refusal, code};

/// Codes that calls fail with. The last stands for all others, which are defects, or belong to administrators.
const FAILURES: [(Code, &str); 8] = [
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unknown, "OTHER"),
];

/// The code of a failure, as a place among their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(usize);

impl Failure {
    /// How many there are.
    pub const COUNT: usize = FAILURES.len();

    /// What became of an order; `None` if it was denied, which is an answer.
    pub fn of(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::Denied(_) => None,
            Refusal::Failed(error) => Some(Self::with(code(error))),
            Refusal::BadField { .. } => Some(Self::with(Code::InvalidArgument)),
            Refusal::Broken => Some(Self::with(Code::Internal)),
            other => Some(Self::of_status(&super::status(other))),
        }
    }

    /// A status that is no denial.
    pub fn of_status(status: &Status) -> Self {
        Self::with(status.code())
    }

    /// All names, each at its place.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FAILURES.iter().map(|&(_, name)| name)
    }

    /// Its place among the names.
    pub fn place(self) -> usize {
        self.0
    }

    fn with(code: Code) -> Self {
        let place = FAILURES.iter().position(|&(known, _)| known == code);
        Self(place.unwrap_or(FAILURES.len() - 1))
    }
}

/// How a call ended, for people who read logs: the reason of a denial, else the name of the code.
pub fn outcome_name(status: &Status) -> String {
    use tonic_types::StatusExt;
    match status.get_error_details().error_info() {
        Some(info) if status.code() == Code::ResourceExhausted => info.reason.clone(),
        _ => {
            let place = Failure::of_status(status).place();
            let known = FAILURES
                .get(place)
                .filter(|(known, _)| *known == status.code());
            known.map_or_else(
                || format!("{:?}", status.code()),
                |(_, name)| (*name).to_owned(),
            )
        }
    }
}
