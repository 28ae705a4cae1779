//! The one shape of every error that leaves a binary: RFC 9457 problem+json.

pub mod codes;

use std::borrow::Cow;
use std::error::Error;
use std::ops::{Deref, DerefMut};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use codes::ErrorCode;

use crate::trace::RequestScope;

pub const MEDIA_TYPE: &str = "application/problem+json";
const MAX_CHAIN: usize = 8;

/// A problem: what the caller reads, and (apart) the cause that only the log sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problem(Box<ProblemBody>);

/// The members of a problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(example = "/errors/validation-failed")]
    pub type_uri: String,
    /// What the code means, in a few words; the same for each of its problems.
    #[schema(example = "The request is not acceptable")]
    pub title: String,
    /// The status of the answer.
    #[schema(example = 422)]
    pub status: u16,
    /// What happened here, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// This occurrence, where it has an address of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The stable name of what went wrong.
    #[schema(example = "validation-failed")]
    pub code: String,
    /// Whether the same request can succeed later without being changed.
    pub retryable: bool,
    /// Quote this to support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The fields that are wrong, all at once; empty where it is not a matter of fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// When to try again, in seconds; also the Retry-After header.
    #[serde(
        default,
        rename = "retry_after_seconds",
        with = "whole_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u64>)]
    pub retry_after: Option<SignedDuration>,
    #[serde(flatten)]
    pub extensions: Map<String, Value>,
    /// The chain of causes; logged once, never sent.
    #[serde(skip)]
    #[schema(ignore)]
    pub causes: Vec<String>,
}

/// One fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the request body; empty for the whole body. Faults of a query
    /// parameter or header name it as `?limit` or `If-Match`.
    #[schema(example = "/lines/0/quantity")]
    pub pointer: String,
    /// The stable name of the fault.
    #[schema(example = "wrong-type")]
    pub code: String,
    /// What is wrong, and what to send instead.
    pub detail: String,
}

impl FieldError {
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        }
    }
}

/// What the request log needs of a problem; travels as a response extension, also of an answer in other words.
#[derive(Clone, Debug)]
pub struct ProblemReport {
    pub(crate) code: String,
    pub(crate) detail: Option<String>,
    pub(crate) causes: Vec<String>,
}

impl Problem {
    /// `detail` says what happened here and what the caller can do about it.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemBody {
            type_uri: format!("/errors/{}", code.code),
            title: code.title.to_owned(),
            status: code.status,
            detail: Some(detail.into()),
            instance: None,
            code: code.code.to_owned(),
            retryable: code.retryable,
            correlation_id: None,
            errors: Vec::new(),
            retry_after: None,
            extensions: Map::new(),
            causes: Vec::new(),
        }))
    }

    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(codes::INVALID_REQUEST, detail)
    }

    pub fn validation(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(
            codes::VALIDATION_FAILED,
            "Correct the fields named in `errors` and send it again.",
        );
        problem.errors = errors;
        problem
    }

    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(codes::UNAUTHENTICATED, detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(codes::FORBIDDEN, detail)
    }

    /// The one answer for an absent object and for one of another account: they cannot be told apart.
    pub fn not_found() -> Self {
        Self::new(
            codes::NOT_FOUND,
            "Nothing is known under this address, or it belongs to another account.",
        )
    }

    /// A fault of ours: the caller learns nothing but the correlation id, the log learns all.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        Self::new(
            codes::INTERNAL,
            "Try again; if it stays, give the correlation id to support.",
        )
        .caused_by(cause)
    }

    pub fn with_error(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    pub fn with_retry_after(mut self, after: SignedDuration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub fn with_instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    pub fn with_extension(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Keeps the error and its sources for the log.
    pub fn caused_by(mut self, cause: &(dyn Error + 'static)) -> Self {
        self.causes = chain(cause).map(ToString::to_string).collect();
        self
    }

    /// For the log of an answer that says it in other words: insert it into the extensions of the response.
    pub fn into_report(self) -> ProblemReport {
        let body = *self.0;
        ProblemReport {
            code: body.code,
            detail: body.detail,
            causes: body.causes,
        }
    }

    /// Whether this is that code.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code == code.code
    }
}

impl Deref for Problem {
    type Target = ProblemBody;

    fn deref(&self) -> &ProblemBody {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut ProblemBody {
        &mut self.0
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(out, "{} ({}): {detail}", self.code, self.status),
            None => write!(out, "{} ({}): {}", self.code, self.status, self.title),
        }
    }
}

impl Error for Problem {}

impl utoipa::PartialSchema for Problem {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        ProblemBody::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }

    fn schemas(
        schemas: &mut Vec<(
            String,
            utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>,
        )>,
    ) {
        ProblemBody::schemas(schemas);
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        if self.correlation_id.is_none() {
            self.correlation_id = RequestScope::current().map(|scope| scope.correlation_id.clone());
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self)
            .unwrap_or_else(|_| b"{\"code\":\"internal\",\"status\":500}".to_vec());
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_seconds(after)));
        }
        if let Some(challenge) = challenge(status) {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        response.extensions_mut().insert(self.into_report());
        response
    }
}

/// How to come back with a credential that is enough (RFC 6750, 3).
fn challenge(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("Bearer realm=\"orderway\", error=\"invalid_token\""),
        StatusCode::FORBIDDEN => Some("Bearer realm=\"orderway\", error=\"insufficient_scope\""),
        _ => None,
    }
}

/// The error and what caused it, outermost first.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let first: Option<&'a (dyn Error + 'static)> = Some(error);
    std::iter::successors(first, |error| (*error).source()).take(MAX_CHAIN)
}

/// Whole seconds, rounded up: a caller that waits this long is never early.
fn retry_seconds(after: SignedDuration) -> u64 {
    let seconds = u64::try_from(after.as_secs()).unwrap_or(0);
    let rest = u64::from(after.subsec_nanos() > 0);
    seconds.saturating_add(rest)
}

mod whole_seconds {
    use jiff::SignedDuration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<SignedDuration>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(super::retry_seconds).serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<SignedDuration>, D::Error> {
        let seconds = Option::<u32>::deserialize(input)?;
        Ok(seconds.map(|value| SignedDuration::from_secs(i64::from(value))))
    }
}

#[cfg(test)]
mod tests;
