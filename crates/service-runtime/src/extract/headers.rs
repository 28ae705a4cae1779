//! Request headers with a meaning of their own: Idempotency-Key, If-Match, Prefer.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::problem::{FieldError, Problem, codes};

const MAX_KEY: usize = 255;

/// The client's own name for one intent; the same key never has two effects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    pub const HEADER: &'static str = "idempotency-key";

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For channels that derive the key from their documents.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        // The draft sends a quoted structured-field string, most clients send it bare: one key.
        let bare = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        let visible = bare.bytes().all(|byte| byte.is_ascii_graphic());
        if bare.is_empty() || bare.len() > MAX_KEY || !visible {
            let detail = format!("Send 1 to {MAX_KEY} visible ASCII characters, such as a UUID.");
            let fault = FieldError::new("Idempotency-Key", "invalid-value", detail);
            return Err(
                Problem::invalid_request("The Idempotency-Key cannot be used.").with_error(fault),
            );
        }
        Ok(Self(bare.to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(Self::HEADER).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.to_str().unwrap_or("")),
            (Some(_), Some(_)) => Err(Problem::invalid_request(
                "Send one Idempotency-Key, not several.",
            )),
            (None, _) => Err(Problem::new(
                codes::IDEMPOTENCY_KEY_MISSING,
                "Send an Idempotency-Key header with a value of your own (such as a UUID), and the same one when you repeat the request.",
            )),
        }
    }
}

/// A strong entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(String);

impl Etag {
    /// The tag of a version of an object.
    pub fn version(version: u64) -> Self {
        Self(format!("\"v{version}\""))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts the tag on an answer.
    pub fn insert(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(header::ETAG, value);
        }
    }
}

/// The version the caller has seen; without it nothing is amended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(String);

impl IfMatch {
    /// 412 when the object is no longer what the caller saw. Weak tags never match (RFC 9110, 13.1.1).
    pub fn check(&self, current: &Etag) -> Result<(), Problem> {
        let mut tags = self.0.split(',').map(str::trim);
        if tags.any(|tag| tag == "*" || tag == current.0) {
            return Ok(());
        }
        let detail = "The object has changed since you read it; read it again and decide anew.";
        Err(Problem::new(codes::PRECONDITION_FAILED, detail))
    }

    /// The version in a tag of ours, for conditional writes further down.
    pub fn version(&self) -> Option<u64> {
        self.0.strip_prefix("\"v")?.strip_suffix('"')?.parse().ok()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let value = parts
            .headers
            .get(header::IF_MATCH)
            .and_then(|value| value.to_str().ok());
        value.map(|text| Self(text.to_owned())).ok_or_else(|| {
            let detail =
                "Send If-Match with the ETag you last read, so that no change of others is lost.";
            Problem::new(codes::PRECONDITION_REQUIRED, detail)
        })
    }
}

/// RFC 7240 preferences; what is not understood is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefer {
    pub wait: Option<Duration>,
    pub respond_async: bool,
}

impl Prefer {
    pub fn parse(headers: &HeaderMap) -> Self {
        let values = headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut prefer = Self::default();
        for part in values
            .flat_map(|value| value.split([',', ';']))
            .map(str::trim)
        {
            if part.eq_ignore_ascii_case("respond-async") {
                prefer.respond_async = true;
            } else if let Some((name, value)) = part.split_once('=')
                && name.trim().eq_ignore_ascii_case("wait")
                && let Ok(seconds) = value.trim().trim_matches('"').parse::<u32>()
            {
                // The first one counts (RFC 7240, 2).
                let wait = Duration::from_secs(u64::from(seconds));
                prefer.wait.get_or_insert(wait);
            }
        }
        prefer
    }

    /// How long to wait, never longer than the server allows.
    pub fn wait_at_most(&self, most: Duration) -> Duration {
        self.wait.unwrap_or_default().min(most)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_quoted_key_and_a_bare_one_are_the_same() {
        let bare = IdempotencyKey::parse("8e03978e").unwrap();
        assert_eq!(IdempotencyKey::parse("\"8e03978e\"").unwrap(), bare);
    }

    #[test]
    fn a_key_holds_255_characters_and_no_more() {
        assert!(IdempotencyKey::parse(&"k".repeat(255)).is_ok());
        assert!(IdempotencyKey::parse(&"k".repeat(256)).is_err());
        assert!(IdempotencyKey::parse("").is_err());
        assert!(IdempotencyKey::parse("with space").is_err());
    }

    #[rstest]
    #[case("\"v3\"", true)]
    #[case("\"v2\", \"v3\"", true)]
    #[case("*", true)]
    #[case("W/\"v3\"", false)]
    #[case("\"v2\"", false)]
    fn if_match_compares_strongly(#[case] sent: &str, #[case] matches: bool) {
        assert_eq!(
            IfMatch(sent.to_owned()).check(&Etag::version(3)).is_ok(),
            matches
        );
    }

    #[test]
    fn prefer_is_read_and_bounded() {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", "respond-async, wait=90; foo=bar".parse().unwrap());
        let prefer = Prefer::parse(&headers);
        assert!(prefer.respond_async);
        assert_eq!(
            prefer.wait_at_most(Duration::from_secs(10)),
            Duration::from_secs(10)
        );
        assert_eq!(
            Prefer::default().wait_at_most(Duration::from_secs(10)),
            Duration::ZERO
        );
    }
}
