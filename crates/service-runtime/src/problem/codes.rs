//! The generic error codes, and the macro by which a layer declares its own. Every code has a page
//! `docs/errors/<code>.md`; a test demands it.

/// What can go wrong, under a name that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// Whether the same request can succeed later without being changed.
    pub retryable: bool,
}

/// Declares error codes as constants and lists them in `ALL`.
///
/// ```
/// service_runtime::error_codes! {
///     pub INSUFFICIENT_STOCK = ("insufficient-stock", 409, "Not enough stock", false);
/// }
/// assert_eq!(ALL[0], INSUFFICIENT_STOCK);
/// ```
#[macro_export]
macro_rules! error_codes {
    ($($(#[$doc:meta])* pub $name:ident = ($code:literal, $status:literal, $title:literal, $retryable:literal);)*) => {
        $($(#[$doc])* pub const $name: $crate::problem::ErrorCode = $crate::problem::ErrorCode {
            code: $code, status: $status, title: $title, retryable: $retryable,
        };)*
        /// Every code declared here.
        pub const ALL: &[$crate::problem::ErrorCode] = &[$($name),*];
    };
}

error_codes! {
    pub INVALID_REQUEST = ("invalid-request", 400, "The request cannot be read", false);
    pub IDEMPOTENCY_KEY_MISSING = ("idempotency-key-missing", 400, "An Idempotency-Key is needed", false);
    pub UNAUTHENTICATED = ("unauthenticated", 401, "The caller is not known", false);
    pub FORBIDDEN = ("forbidden", 403, "The caller may not do this", false);
    pub NOT_FOUND = ("not-found", 404, "There is no such object", false);
    pub METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "The method is not offered here", false);
    pub NOT_ACCEPTABLE = ("not-acceptable", 406, "No such representation", false);
    pub REQUEST_TIMEOUT = ("request-timeout", 408, "The request came too slowly", true);
    pub REQUEST_IN_PROGRESS = ("request-in-progress", 409, "The first request is still running", true);
    pub PRECONDITION_FAILED = ("precondition-failed", 412, "The object has changed", false);
    pub PAYLOAD_TOO_LARGE = ("payload-too-large", 413, "The body is too large", false);
    pub URI_TOO_LONG = ("uri-too-long", 414, "The address is too long", false);
    pub UNSUPPORTED_MEDIA_TYPE = ("unsupported-media-type", 415, "The media type is not taken here", false);
    pub VALIDATION_FAILED = ("validation-failed", 422, "The request is not acceptable", false);
    pub IDEMPOTENCY_KEY_REUSED = ("idempotency-key-reused", 422, "The Idempotency-Key belongs to another request", false);
    pub PRECONDITION_REQUIRED = ("precondition-required", 428, "If-Match is needed", false);
    pub RATE_LIMITED = ("rate-limited", 429, "Too many requests", true);
    pub INTERNAL = ("internal", 500, "Something failed on our side", true);
    pub BACKEND_UNAVAILABLE = ("backend-unavailable", 503, "A system behind this one does not answer", true);
    pub CONTENTION = ("contention", 503, "Too many at once want the same thing", true);
    pub OVERLOADED = ("overloaded", 503, "Too many requests are running", true);
    pub TIMEOUT = ("timeout", 504, "The answer took too long", true);
}
