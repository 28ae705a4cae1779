//! How connectors send: the answer's body bounded, and every way a call can break sorted by what is certain about it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{RequestBuilder, Response, StatusCode, header};

use crate::connector::{Cause, ConnectorError};

/// The largest answer that is read.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What the request does at the backend, which decides what a broken connection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only looks.
    Reads,
    /// It changes something: once sent, it may have been done.
    Changes,
}

impl Effect {
    /// The request was sent and no answer came.
    fn broken(self, cause: impl Into<Cause>) -> ConnectorError {
        match self {
            Self::Reads => ConnectorError::Unavailable(cause.into()),
            Self::Changes => ConnectorError::OutcomeUnknown(cause.into()),
        }
    }

    /// An answer came that cannot be understood.
    pub fn nonsense(self, cause: impl Into<Cause>) -> ConnectorError {
        match self {
            Self::Reads => ConnectorError::Protocol(cause.into()),
            Self::Changes => ConnectorError::OutcomeUnknown(cause.into()),
        }
    }
}

/// An answer of the backend that its dialect has to explain: any status below 500 but the few handled here.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

/// Sends one request and reads its answer.
pub async fn send(request: RequestBuilder, effect: Effect) -> Result<Answer, ConnectorError> {
    let mut response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            ConnectorError::Unavailable(error.into())
        } else {
            effect.broken(error)
        }
    })?;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ConnectorError::Throttled {
            retry_after: retry_after(&response),
        });
    }
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        let sentence = format!(
            "the backend refuses our credentials ({status}): check its key in the configuration"
        );
        return Err(ConnectorError::Unavailable(sentence.into()));
    }
    if status.is_server_error() {
        return Err(effect.broken(format!("the backend answered {status}")));
    }
    if status.is_redirection() {
        return Err(effect.nonsense(format!("the backend answered {status}: check its base_url")));
    }
    let body = read(&mut response, effect).await?;
    Ok(Answer { status, body })
}

async fn read(response: &mut Response, effect: Effect) -> Result<Bytes, ConnectorError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| effect.broken(error))?
    {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(effect.nonsense(format!("the answer is larger than {MOST_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// In seconds only: a backend that sends a date gets the usual pause.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::HeaderMap, routing::get};
    use rstest::rstest;
    use service_runtime::http_client::{BackendClientConfig, backend_client};

    use super::*;

    async fn server() -> String {
        let date = HeaderMap::from_iter([(
            header::RETRY_AFTER,
            "Fri, 20 Nov 2026 12:00:00 GMT".parse().unwrap(),
        )]);
        let router = Router::new()
            .route(
                "/small",
                get(|| async { (StatusCode::CONFLICT, "there already") }),
            )
            .route("/huge", get(|| async { vec![b'x'; MOST_BYTES + 1] }))
            .route("/moved", get(|| async { (StatusCode::FOUND, "elsewhere") }))
            .route(
                "/later",
                get(|| async { (StatusCode::TOO_MANY_REQUESTS, date) }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    async fn get_of(path: &str, effect: Effect) -> Result<Answer, ConnectorError> {
        let client = backend_client(&BackendClientConfig::default()).unwrap();
        send(client.get(format!("{}{path}", server().await)), effect).await
    }

    #[tokio::test]
    async fn an_answer_below_500_is_for_the_dialect_to_explain() {
        let answer = get_of("/small", Effect::Changes).await.unwrap();
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::CONFLICT, &b"there already"[..])
        );
    }

    #[rstest]
    #[tokio::test]
    async fn a_huge_or_misdirected_answer_is_nonsense(#[values("/huge", "/moved")] path: &str) {
        let read = get_of(path, Effect::Reads).await.unwrap_err();
        assert!(matches!(read, ConnectorError::Protocol(_)), "{read:?}");
        let change = get_of(path, Effect::Changes).await.unwrap_err();
        assert!(
            matches!(change, ConnectorError::OutcomeUnknown(_)),
            "{change:?}"
        );
    }

    #[tokio::test]
    async fn a_wish_for_fewer_calls_without_a_number_of_seconds_is_still_one() {
        let later = get_of("/later", Effect::Changes).await.unwrap_err();
        assert!(
            matches!(later, ConnectorError::Throttled { retry_after: None }),
            "{later:?}"
        );
    }
}
