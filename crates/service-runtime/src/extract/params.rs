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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PageQuery;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::Request;
    use rstest::rstest;
    use tower::ServiceExt;

    async fn send(path: &str) -> (u16, String) {
        let router = Router::new()
            .route(
                "/things/{id}",
                get(|Path(id): Path<u32>| async move { id.to_string() }),
            )
            .route(
                "/named/{name}",
                get(|Path(name): Path<String>| async move { name }),
            )
            .route(
                "/things",
                get(|Query(page): Query<PageQuery>| async move { format!("{:?}", page.limit) }),
            );
        let response = router
            .oneshot(Request::get(path).body(Body::empty()).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 64 * 1024)
            .await
            .unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[rstest]
    #[case("/things/7", 200)]
    #[case("/things/seven", 404)]
    #[case("/named/caf%C3%A9", 200)]
    #[case("/named/a%0Ab", 404)]
    #[case("/named/%FF", 404)]
    #[tokio::test]
    async fn a_path_that_names_nothing_is_not_found(#[case] path: &str, #[case] status: u16) {
        assert_eq!(send(path).await.0, status);
    }

    #[rstest]
    #[case("/things?limit=many", "?limit")]
    #[case("/things?limit=5&limti=6", "?limti")]
    #[case("/things?limit=5&limit=6", "?limit")]
    #[tokio::test]
    async fn a_wrong_parameter_is_named(#[case] path: &str, #[case] pointer: &str) {
        let (status, body) = send(path).await;
        assert_eq!(status, 400, "{body}");
        let problem: Problem = serde_json::from_str(&body).unwrap();
        assert_eq!(problem.errors[0].pointer, pointer, "{body}");
    }
}
