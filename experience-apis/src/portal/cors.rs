//! Which web pages may call the portal, and which headers they may send and read.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The origins as configured; none = no page of another origin. Tokens travel in a header, so credentials (cookies)
/// are never allowed.
pub fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    let name = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            name("idempotency-key"),
            name("last-event-id"),
            name("orderway-account"),
            name("orderway-correlation-id"),
            name("prefer"),
            name("traceparent"),
            name("tracestate"),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            name("idempotency-replayed"),
            name("orderway-correlation-id"),
            name("orderway-duplicate"),
            name("preference-applied"),
            name("ratelimit"),
            name("ratelimit-policy"),
        ])
        .max_age(Duration::from_secs(600))
}
