//! Answers with their headers: `ETag`, Location, what a repeated key means, and "not changed".

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use service_runtime::extract::{Etag, Json};

use crate::clients::process::Once;

/// An answer being put together.
pub(super) struct Reply<T> {
    status: StatusCode,
    headers: HeaderMap,
    body: T,
}

impl<T: Serialize> Reply<T> {
    pub(super) fn new(status: StatusCode, body: T) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body,
        }
    }

    pub(super) fn version(mut self, version: u64) -> Self {
        Etag::version(version).insert(&mut self.headers);
        self
    }

    pub(super) fn location(self, path: &str) -> Self {
        self.header(header::LOCATION, path)
    }

    /// Tells whether the answer is an earlier one.
    pub(super) fn once<U>(mut self, once: &Once<U>) -> Self {
        if once.replayed {
            self = self.header(HeaderName::from_static("idempotency-replayed"), "true");
        }
        if once.duplicate {
            self = self.header(HeaderName::from_static("orderway-duplicate"), "true");
        }
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        (self.status, self.headers, Json(self.body)).into_response()
    }
}

/// 304 when the caller has this version already (RFC 9110, 13.1.2: weak comparison).
pub(super) fn not_changed(request: &HeaderMap, version: u64) -> Option<Response> {
    let current = Etag::version(version);
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == current.as_str());
    known.then(|| {
        let mut headers = HeaderMap::new();
        current.insert(&mut headers);
        (StatusCode::NOT_MODIFIED, headers).into_response()
    })
}
