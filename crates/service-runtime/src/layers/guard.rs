//! Refusals before and around a handler: ambiguous requests, too many at once, too late.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header};
use jiff::SignedDuration;
use tokio::sync::Semaphore;

use crate::health;
use crate::problem::{Problem, codes};
use crate::trace::{Deadline, RequestScope};

const MAX_URI: usize = 8 * 1024;

/// The server has seen a head on this connection that others could read differently.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AmbiguousHead;

/// Requests that this server and one before it could read differently (request smuggling): hyper
/// takes them, we do not.
pub(super) async fn refuse_ambiguous(request: Request, next: Next) -> Response {
    if request.extensions().get::<AmbiguousHead>().is_some() {
        let detail = "End each line of the head with CR LF, and send either Content-Length or Transfer-Encoding.";
        return Problem::invalid_request(detail).into_response();
    }
    match ambiguity(request.version(), request.uri(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn ambiguity(version: Version, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
    let length = uri
        .path()
        .len()
        .saturating_add(uri.query().map_or(0, str::len));
    if length > MAX_URI {
        return Some(Problem::new(
            codes::URI_TOO_LONG,
            format!("Send an address of at most {MAX_URI} bytes."),
        ));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let detail = match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => "Send a Host header.",
        (Some(_), Some(_)) => "Send one Host header, not several.",
        (Some(host), None)
            if uri
                .authority()
                .is_some_and(|authority| authority.as_str().as_bytes() != host.as_bytes()) =>
        {
            "The address and the Host header name different hosts."
        }
        _ if headers.contains_key(header::TRANSFER_ENCODING)
            && headers.contains_key(header::CONTENT_LENGTH) =>
        {
            "Send either Content-Length or Transfer-Encoding."
        }
        _ if headers.contains_key(header::CONTENT_ENCODING) => {
            return Some(Problem::new(
                codes::UNSUPPORTED_MEDIA_TYPE,
                "Send the body without Content-Encoding.",
            ));
        }
        _ => return None,
    };
    Some(Problem::invalid_request(detail))
}

/// Takes a slot or answers at once; probes need none.
pub(super) async fn shed(
    State(slots): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    if health::is_probe(request.uri().path()) {
        return next.run(request).await;
    }
    match slots.try_acquire() {
        Ok(_slot) => next.run(request).await,
        Err(_) => Problem::new(
            codes::OVERLOADED,
            "Come back after the time in Retry-After.",
        )
        .with_retry_after(SignedDuration::from_secs(1))
        .into_response(),
    }
}

/// Answers when the deadline passes. What must not be cut runs in a task of its own.
pub(super) async fn within_deadline(request: Request, next: Next) -> Response {
    let deadline = RequestScope::current().and_then(|scope| scope.deadline);
    let deadline = deadline.unwrap_or_else(|| Deadline::after(Duration::from_secs(30)));
    let timeout = || {
        let detail = "No answer in time; what was asked for may still happen. Repeat it with the same Idempotency-Key.";
        Problem::new(codes::TIMEOUT, detail).into_response()
    };
    // Nobody waits for the answer: do not start.
    if deadline.remaining().is_zero() {
        return timeout();
    }
    tokio::time::timeout_at(deadline.0, next.run(request))
        .await
        .unwrap_or_else(|_| timeout())
}

const HEADERS: &[(HeaderName, &str)] = &[
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    // Account data is nobody else's: no shared cache may keep it. A handler may say otherwise.
    (header::CACHE_CONTROL, "private, no-store"),
];

/// Adds what a handler has not set itself.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // A handler that says who may frame its page has said it in the policy; the older header knows only nobody.
    let framed = headers
        .get(header::CONTENT_SECURITY_POLICY)
        .and_then(|policy| policy.to_str().ok())
        .is_some_and(|policy| policy.contains("frame-ancestors"));
    for (name, value) in HEADERS {
        if !(framed && name == header::X_FRAME_OPTIONS) {
            headers
                .entry(name)
                .or_insert(HeaderValue::from_static(value));
        }
    }
    response
}
