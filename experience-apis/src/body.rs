//! Bodies of documents: read whole within the channel's own bound, which is another than that of a JSON request.

use axum::body::{Body, BodyDataStream};
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

/// Of a body that is too long, so many times the bound is read and dropped: who is still sending when the answer comes
/// sees a broken connection in its place, and sends again.
const DROPPED: usize = 3;

/// A body that is announced to be no longer is read whatever else is being read: however slowly it comes, it keeps
/// nobody waiting.
const SHORT: usize = 64 * 1024;

/// Whether a body needs no place among those that are read at once.
pub(crate) fn is_short(headers: &HeaderMap) -> bool {
    announced(headers).is_some_and(|length| length <= SHORT)
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Reads a body of at most so many bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Unread> {
    let mut chunks = body.into_data_stream();
    if let Some(length) = announced(headers).filter(|length| *length > limit) {
        // Who asks before sending is told before it sends.
        let asks = headers.contains_key(header::EXPECT);
        if !asks && length <= limit.saturating_mul(DROPPED) {
            drop_rest(&mut chunks, length).await;
        }
        return Err(Unread::TooLarge);
    }
    let mut whole = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Unread::Problem(unread(&error)))?;
        if whole.len().saturating_add(chunk.len()) > limit {
            drop(whole);
            drop_rest(&mut chunks, limit.saturating_mul(DROPPED)).await;
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Reads on without keeping anything, to the end or to so many bytes more.
async fn drop_rest(chunks: &mut BodyDataStream, most: usize) {
    let mut dropped = 0_usize;
    while let Some(Ok(chunk)) = chunks.next().await {
        dropped = dropped.saturating_add(chunk.len());
        if dropped > most {
            return;
        }
    }
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
