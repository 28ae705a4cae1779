//! Path and query parameters whose refusals are problems.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{FieldError, Problem};

/// Parameters of the path. One that cannot be read names nothing we have: 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Control characters in a path are never an id of ours; they end here, before any log.
        if let Ok(raw) = RawPathParams::from_request_parts(parts, state).await
            && raw
                .iter()
                .any(|(_, value)| value.chars().any(char::is_control))
        {
            return Err(Problem::not_found());
        }
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(Problem::not_found()),
            Err(other) => Err(Problem::internal(&other)),
        }
    }
}

/// Parameters of the query.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(query_problem)
    }
}

fn query_problem(rejection: QueryRejection) -> Problem {
    let detail = std::error::Error::source(&rejection)
        .map_or_else(|| rejection.to_string(), ToString::to_string);
    let detail: String = detail.chars().take(300).collect();
    // The text is either "<parameter>: <fault>" or "unknown field `<parameter>`, …".
    let quoted = detail.split('`').nth(1);
    let name = match detail.split_once(": ") {
        Some((name, _))
            if name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
        {
            name
        }
        _ => quoted.unwrap_or(""),
    };
    let pointer = format!("?{name}");
    Problem::invalid_request("Correct the query parameter named in `errors` and send it again.")
        .with_error(FieldError::new(pointer, "invalid-parameter", detail))
}
