//! Changes of the plan that cannot be made, as gRPC statuses.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::domain::plan::edit::EditError;
use crate::domain::plan::{Entry, Part};

use super::DOMAIN;

/// As the status of a call.
pub(super) fn edited(error: &EditError) -> Status {
    let message = error.to_string();
    let mut details = ErrorDetails::new();
    let code = match error {
        EditError::Owned(entries) => {
            for entry in entries.iter().take(VIOLATIONS_MAX) {
                details.add_precondition_failure_violation(
                    "OWNED_BY_PLAN_FILE",
                    entry.to_string(),
                    "change it in the plan file, or take it out of the file first",
                );
            }
            Code::FailedPrecondition
        }
        EditError::NotFound(entry) => {
            let kind = resource(entry);
            details.set_resource_info(kind, entry.to_string(), "", message.as_str());
            Code::NotFound
        }
        EditError::Stale { entry, found, .. } => return stale(&entry.to_string(), found, message),
        EditError::Invalid(errors) => {
            for error in errors.iter().take(VIOLATIONS_MAX) {
                details.add_bad_request_violation(error.path.as_str(), error.problem.as_str());
            }
            Code::InvalidArgument
        }
    };
    Status::with_error_details(code, message, details)
}

/// Somebody has changed it meanwhile.
pub(super) fn stale(entry: &str, found: &str, message: String) -> Status {
    let metadata = HashMap::from([
        ("entry".to_owned(), entry.to_owned()),
        ("etag".to_owned(), found.to_owned()),
    ]);
    let details = ErrorDetails::with_error_info("STALE_ETAG", DOMAIN, metadata);
    Status::with_error_details(Code::Aborted, message, details)
}

/// Of a long list of violations so many are told of: trailers are bounded.
const VIOLATIONS_MAX: usize = 10;

fn resource(entry: &Entry) -> &'static str {
    match entry {
        Entry::Organization(_, Part::Itself | Part::Setting(_)) => "quotad.v1.Organization",
        Entry::Organization(_, Part::Grants) => "quotad.v1.Grants",
        Entry::Organization(_, Part::Environment(_)) => "quotad.v1.Allocation",
        Entry::Organization(_, Part::User(_)) => "quotad.v1.Limit",
        Entry::Rate(_) => "quotad.v1.Rate",
        Entry::AddOnCredits | Entry::License(_) => "quotad.v1.Catalogue",
    }
}
