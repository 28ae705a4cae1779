//! What went wrong with a backend, as the layer above reads it: the code says what is certain.

use std::time::Duration;

use service_runtime::problem::{Problem, codes};

use crate::{
    connector::ConnectorError,
    guard::{GuardError, operation::signed},
};

service_runtime::error_codes! {
    /// The backend refused, for a reason of business.
    pub BACKEND_REJECTED = ("backend-rejected", 422, "The backend refused this", false);
    /// The backend knows nothing by this number.
    pub BACKEND_NOT_FOUND = ("backend-not-found", 404, "The backend knows nothing by this number", false);
    /// The company has no backend of the kind that this needs.
    pub BACKEND_NOT_CONFIGURED = ("backend-not-configured", 404, "This company has no such backend", false);
    /// The backend has this reference already.
    pub BACKEND_CONFLICT = ("backend-conflict", 409, "The backend has this reference already", false);
    /// The backend wants fewer calls.
    pub BACKEND_THROTTLED = ("backend-throttled", 503, "The backend wants fewer calls", true);
    /// A change whose outcome is not known.
    pub BACKEND_OUTCOME_UNKNOWN = ("backend-outcome-unknown", 504, "It is not known whether the backend did this", false);
    /// An answer that makes no sense.
    pub BACKEND_PROTOCOL = ("backend-protocol", 502, "The backend's answer makes no sense", true);
    /// There was no time left to ask.
    pub DEADLINE_EXCEEDED = ("deadline-exceeded", 504, "There was no time left to ask the backend", true);
}

/// For those who are told to come back and not when.
const SOON: Duration = Duration::from_secs(1);

impl From<GuardError> for Problem {
    fn from(error: GuardError) -> Self {
        let detail = error.to_string();
        match &error {
            GuardError::DeadlineExceeded => Self::new(DEADLINE_EXCEEDED, detail),
            GuardError::Busy => later(codes::BACKEND_UNAVAILABLE, detail, SOON),
            GuardError::CircuitOpen { retry_after } => {
                later(codes::BACKEND_UNAVAILABLE, detail, *retry_after)
            }
            GuardError::Paused { retry_after } => later(BACKEND_THROTTLED, detail, *retry_after),
            GuardError::Broken => Self::internal(&error),
            GuardError::Connector(cause) => of_connector(cause),
        }
    }
}

fn later(code: service_runtime::problem::ErrorCode, detail: String, after: Duration) -> Problem {
    Problem::new(code, detail).with_retry_after(signed(after))
}

fn of_connector(error: &ConnectorError) -> Problem {
    let detail = error.to_string();
    let problem = match error {
        ConnectorError::Rejected { .. } => Problem::new(BACKEND_REJECTED, detail),
        ConnectorError::NotFound => Problem::new(BACKEND_NOT_FOUND, detail),
        ConnectorError::Conflict { existing } => {
            Problem::new(BACKEND_CONFLICT, detail).with_extension("existing", existing.as_str())
        }
        ConnectorError::Throttled { retry_after } => {
            later(BACKEND_THROTTLED, detail, retry_after.unwrap_or(SOON))
        }
        ConnectorError::NoSlot | ConnectorError::Unavailable(_) => {
            later(codes::BACKEND_UNAVAILABLE, detail, SOON)
        }
        ConnectorError::OutcomeUnknown(_) => Problem::new(BACKEND_OUTCOME_UNKNOWN, detail),
        ConnectorError::Protocol(_) => Problem::new(BACKEND_PROTOCOL, detail),
    };
    problem.caused_by(error)
}
