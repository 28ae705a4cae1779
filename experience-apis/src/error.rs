//! The layer's own error codes, and what a caller is told of a failure further down: backends, layers and their words
//! stay behind this door.

use jiff::SignedDuration;
use service_runtime::{
    http_client::HopError,
    problem::{Problem, codes as generic},
};

use crate::clients::process::CallError;

/// The codes that only this layer answers.
pub mod codes {
    service_runtime::error_codes! {
        /// The token acts for several accounts and the request names none.
        pub ACCOUNT_REQUIRED = ("account-required", 400, "Name the account", false);
        /// A system behind the portal refused it, with a sentence that says why.
        pub REFUSED = ("refused", 422, "The seller's system refused it", false);
        /// A system behind the portal does not answer at the moment.
        pub TEMPORARILY_UNAVAILABLE = ("temporarily-unavailable", 503, "Not available at the moment", true);
    }
}

/// Members of a problem that a buyer may read besides the standard ones; everything else stays inside.
const PUBLIC_EXTENSIONS: &[&str] = &["order_id", "available", "lines", "policy", "bound"];

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error.0 {
            HopError::Problem(problem) => relay(problem),
            other @ (HopError::Timeout | HopError::TooLate) => timeout().caused_by(&other),
            other @ (HopError::Connect(_) | HopError::Protocol(..)) => {
                unavailable(None).caused_by(&other)
            }
            other @ HopError::Build(_) => Self::internal(&other),
        }
    }
}

/// A problem of the layer below in this layer's words. The correlation id is the request's own, so it stays the same.
fn relay(problem: Problem) -> Problem {
    let public = match problem.code.as_str() {
        // Absent and foreign are one answer here too, whatever was asked of whom below.
        "not-found" | "backend-not-found" => Problem::not_found(),
        "backend-rejected" => {
            let detail = problem.detail.clone().unwrap_or_default();
            return Problem::new(codes::REFUSED, detail).caused_by(&problem);
        }
        "contention" | "overloaded" | "outage-limit" => return stripped(problem),
        // Our own credential was refused, or our own call was wrong: nothing the caller can mend.
        "unauthenticated" | "backend-conflict" | "method-not-allowed" => {
            Problem::internal(&problem)
        }
        _ => match problem.status {
            400..500 => return stripped(problem),
            502 | 503 => unavailable(problem.retry_after),
            504 => timeout(),
            _ => Problem::internal(&problem),
        },
    };
    public.caused_by(&problem)
}

fn stripped(mut problem: Problem) -> Problem {
    problem.correlation_id = None;
    problem.instance = None;
    problem
        .extensions
        .retain(|name, _| PUBLIC_EXTENSIONS.contains(&name.as_str()));
    problem
}

/// The seller's systems cannot say it now.
pub(crate) fn unavailable(after: Option<SignedDuration>) -> Problem {
    let detail = "The seller's systems do not answer at the moment; try again after the time in Retry-After.";
    Problem::new(codes::TEMPORARILY_UNAVAILABLE, detail)
        .with_retry_after(after.unwrap_or(SignedDuration::from_secs(2)))
}

fn timeout() -> Problem {
    Problem::new(
        generic::TIMEOUT,
        "No answer in time; what was asked for may still happen. Repeat it with the same Idempotency-Key.",
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use service_runtime::problem::ErrorCode;

    use super::*;

    fn below(code: &'static str, status: u16) -> Problem {
        let title = "Below";
        let mut problem = Problem::new(
            ErrorCode {
                code,
                status,
                title,
                retryable: false,
            },
            "BAPI said V1/042 in system erp-us.",
        );
        problem.correlation_id = Some("below".to_owned());
        problem
    }

    fn above(problem: Problem) -> Problem {
        CallError(HopError::Problem(problem)).into()
    }

    #[rstest]
    #[case("backend-unavailable", 503, "temporarily-unavailable", 503)]
    #[case("backend-throttled", 503, "temporarily-unavailable", 503)]
    #[case("backend-protocol", 502, "temporarily-unavailable", 503)]
    #[case("store-unavailable", 503, "temporarily-unavailable", 503)]
    #[case("backend-outcome-unknown", 504, "timeout", 504)]
    #[case("deadline-exceeded", 504, "timeout", 504)]
    #[case("backend-not-found", 404, "not-found", 404)]
    #[case("backend-conflict", 409, "internal", 500)]
    #[case("unauthenticated", 401, "internal", 500)]
    #[case("something-new", 500, "internal", 500)]
    fn words_from_below_stay_below(
        #[case] code: &'static str,
        #[case] status: u16,
        #[case] public: &str,
        #[case] public_status: u16,
    ) {
        let problem = above(below(code, status));
        assert_eq!(
            (problem.code.as_str(), problem.status),
            (public, public_status)
        );
        let body = serde_json::to_string(&problem).unwrap();
        assert!(!body.contains("BAPI") && !body.contains("erp-us"), "{body}");
        assert!(
            problem.causes.iter().any(|cause| cause.contains("BAPI")),
            "the log still learns the cause"
        );
    }

    #[test]
    fn a_business_problem_passes_without_its_internals() {
        let problem = below("duplicate-purchase-order", 409)
            .with_extension("order_id", "0198")
            .with_extension("backend", "erp-us");
        let problem = above(problem);
        assert_eq!(problem.code, "duplicate-purchase-order");
        assert_eq!(problem.extensions["order_id"], "0198");
        assert!(!problem.extensions.contains_key("backend"));
        assert_eq!(
            problem.correlation_id, None,
            "the request's own is put on it"
        );
    }

    #[test]
    fn absent_and_foreign_are_the_same_answer() {
        let problem = below("not-found", 404).with_instance("/v1/orders/7");
        assert_eq!(
            serde_json::to_string(&above(problem)).unwrap(),
            serde_json::to_string(&Problem::not_found()).unwrap()
        );
    }
}
