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
