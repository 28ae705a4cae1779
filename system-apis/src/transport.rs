//! How connectors send: the answer's body bounded, and every way a call can break sorted by what is certain about it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::fmt::rfc2822;
use reqwest::{RequestBuilder, Response, StatusCode, header};
use service_runtime::http_client;

use crate::{
    connector::{Cause, ConnectorError},
    guard::turn,
};

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
    pub fn broken(self, cause: impl Into<Cause>) -> ConnectorError {
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

/// An answer of the backend: what its status and body mean is for its dialect to explain.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
    /// How long the backend wants to be left alone, if it said so.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Sorts out the statuses that mean the same to every dialect but few; what is left is below 500.
    pub fn usual(self, effect: Effect) -> Result<Self, ConnectorError> {
        let status = self.status;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(ConnectorError::Throttled {
                retry_after: self.retry_after,
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
            let sentence = format!("the backend answered {status}: check its address");
            return Err(effect.nonsense(sentence));
        }
        Ok(self)
    }
}

/// Sends one request when the budget has a slot for it, and reads its answer, whose status is below 500 and none of those
/// that mean the same everywhere.
pub async fn send(request: RequestBuilder, effect: Effect) -> Result<Answer, ConnectorError> {
    let _slot = turn::slot().await?;
    send_now(request, effect).await?.usual(effect)
}

/// Sends one request for which the caller holds a slot, and reads its answer of whatever status.
pub(crate) async fn send_now(
    request: RequestBuilder,
    effect: Effect,
) -> Result<Answer, ConnectorError> {
    let mut response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            ConnectorError::Unavailable(error.into())
        } else {
            effect.broken(error)
        }
    })?;
    let status = response.status();
    let retry_after = retry_after(&response);
    let body = match read(&mut response, effect).await {
        // The status has said it all.
        Err(_cut) if status.is_client_error() || status.is_server_error() => Bytes::new(),
        body => body?,
    };
    Ok(Answer {
        status,
        body,
        retry_after,
    })
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

/// Seconds, or an instant. That is one of the backend's own clock, which its answer tells: whether it goes right does not
/// matter.
fn retry_after(response: &Response) -> Option<Duration> {
    let headers = response.headers();
    let date = headers
        .get(header::DATE)
        .and_then(|date| date.to_str().ok());
    let now = date.and_then(|date| rfc2822::parse(date).ok());
    let wait = http_client::retry_after(headers, now.map(|now| now.timestamp()))?;
    Duration::try_from(wait).ok()
}

#[cfg(test)]
mod tests {
    use axum::{Router, extract::Path, routing::get};
    use rstest::rstest;
    use service_runtime::http_client::{BackendClientConfig, backend_client};

    use super::*;

    const NOON: &str = "Thu, 02 Apr 2020 12:00:00 GMT";

    async fn server() -> String {
        let later = |Path((said, date)): Path<(String, String)>| async move {
            let headers = [(header::RETRY_AFTER, said), (header::DATE, date)];
            (StatusCode::TOO_MANY_REQUESTS, headers)
        };
        let router = Router::new()
            .route(
                "/small",
                get(|| async { (StatusCode::CONFLICT, "there already") }),
            )
            .route("/huge", get(|| async { vec![b'x'; MOST_BYTES + 1] }))
            .route("/moved", get(|| async { (StatusCode::FOUND, "elsewhere") }))
            .route("/later/{said}/{date}", get(later));
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

    /// The clock of this backend is years behind: what counts is how long it asks for by it.
    #[rstest]
    #[case("7", NOON, Some(7))]
    #[case("Thu, 02 Apr 2020 12:00:30 GMT", NOON, Some(30))]
    #[case("Thu, 02 Apr 2020 11:00:00 GMT", NOON, Some(0))]
    #[case("Thu, 02 Apr 2020 12:00:30 GMT", "noon", None)]
    #[case("soon", NOON, None)]
    #[tokio::test]
    async fn a_wish_for_fewer_calls_is_read_in_seconds_and_as_an_instant(
        #[case] said: &str,
        #[case] date: &str,
        #[case] seconds: Option<u64>,
    ) {
        let path = format!("/later/{said}/{date}").replace(' ', "%20");
        let later = get_of(&path, Effect::Changes).await.unwrap_err();
        let ConnectorError::Throttled { retry_after } = later else {
            panic!("{later:?}");
        };
        assert_eq!(retry_after, seconds.map(Duration::from_secs));
    }
}
