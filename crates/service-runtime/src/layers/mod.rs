//! The one order of middleware, the same in every binary. docs/layers.md explains it.

mod body;
mod guard;
mod record;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

pub use body::BodyTimedOut;
pub(crate) use guard::AmbiguousHead;

use crate::problem::{Problem, codes};

/// The limits of a layer.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    /// `experience-apis`, `process-apis` or `system-apis`: in every log line and metric.
    pub layer: &'static str,
    /// For the whole request until the answer begins; a caller may ask for less.
    pub request_timeout: Duration,
    /// For the body to arrive.
    pub body_timeout: Duration,
    /// In bytes.
    pub body_limit: usize,
    /// Requests at work; more are told to come back.
    pub in_flight: usize,
}

impl LayerOptions {
    pub fn new(layer: &'static str) -> Self {
        Self {
            layer,
            request_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            body_limit: 2 * 1024 * 1024,
            in_flight: 1_000,
        }
    }
}

/// Puts the standard middleware around all routes.
///
/// Authentication and rate limits depend on the
/// routes and stand inside, added by the layer itself with `route_layer`. A route with a greater
/// body sets its own `DefaultBodyLimit`.
pub fn standard(router: Router, options: LayerOptions) -> Router {
    let slots = Arc::new(Semaphore::new(options.in_flight));
    let options = Arc::new(options);
    let stack = ServiceBuilder::new()
        // First, so that every answer below, whoever gives it, has its ids, its log line and its metrics.
        .layer(from_fn_with_state(Arc::clone(&options), record::record))
        // Above everything that answers, because refusals need these headers too.
        .layer(from_fn(guard::security_headers))
        // Inside the log, so that a panic is answered, logged and counted as any other failure.
        .layer(CatchPanicLayer::custom(panicked))
        // Before any work: what two servers could read differently is read by none.
        .layer(from_fn(guard::refuse_ambiguous))
        // Before anything is waited for: the excess costs nothing but its answer.
        .layer(from_fn_with_state(slots, guard::shed))
        // Around everything that waits.
        .layer(from_fn(guard::within_deadline))
        // A body that drips is cut, for raw readers too.
        .layer(from_fn_with_state(Arc::clone(&options), body::within_time))
        // Innermost, so that a route can set its own.
        .layer(DefaultBodyLimit::max(options.body_limit));
    router
        .method_not_allowed_fallback(|| async {
            Problem::new(
                codes::METHOD_NOT_ALLOWED,
                "See `Allow` for the methods offered here.",
            )
        })
        .fallback(|| async { Problem::not_found() })
        .layer(stack)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that tower-http asks for"
)]
fn panicked(payload: Box<dyn std::any::Any + Send + 'static>) -> axum::response::Response {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Problem::internal(&Panicked(text)).into_response()
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

#[cfg(test)]
mod tests;
