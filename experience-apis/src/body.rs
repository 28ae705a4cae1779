//! Bodies of documents: read whole within the channel's own bound, which is another than that of a JSON request.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, header};
use service_runtime::{
    layers::BodyTimedOut,
    problem::{Problem, codes},
};

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is longer than the bound; the rest was not read.
    TooLarge,
    /// It did not come to its end, or not in time.
    Problem(Problem),
}

/// Reads a body of at most so many bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Unread> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Unread::TooLarge);
    }
    let mut whole = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Unread::Problem(unread(&error)))?;
        if whole.len().saturating_add(chunk.len()) > limit {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn unread(error: &(dyn std::error::Error + 'static)) -> Problem {
    let mut chain = std::iter::successors(Some(error), |error| (*error).source());
    if chain.any(|error| error.is::<BodyTimedOut>()) {
        return Problem::new(
            codes::REQUEST_TIMEOUT,
            "The body did not arrive in time; send it again.",
        );
    }
    Problem::invalid_request("The body could not be read to its end; send it again.")
        .caused_by(error)
}
