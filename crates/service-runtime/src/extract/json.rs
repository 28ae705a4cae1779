//! JSON bodies: media type, size, encoding and depth are checked before serde reads them, and a
//! fault is reported with the JSON Pointer of the field.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::strict::Strict;
use crate::layers::BodyTimedOut;
use crate::problem::{FieldError, Problem, chain, codes};

const MAX_DEPTH: usize = 64;
const MAX_MESSAGE: usize = 300;

/// A JSON body in, a JSON body out. Request types are `deny_unknown_fields`.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let bytes = read_body(request, state).await?;
        parse_json(&bytes).map(Json)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// The whole body, within the size and time limits of the layer.
pub async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(body_problem)
}

fn body_problem(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(
            codes::PAYLOAD_TOO_LARGE,
            "Send less in one request; the limit is in the documentation.",
        );
    }
    if chain(&rejection).any(|error| error.is::<BodyTimedOut>()) {
        return Problem::new(
            codes::REQUEST_TIMEOUT,
            "The body did not arrive in time; send it again.",
        );
    }
    Problem::invalid_request("The body could not be read to its end; send it again.")
        .caused_by(&rejection)
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let text = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or("").to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    let foreign_charset = |part: &str| {
        let part = part.to_ascii_lowercase();
        part.strip_prefix("charset=")
            .is_some_and(|charset| charset.trim_matches('"') != "utf-8")
    };
    if !json || parts.any(foreign_charset) {
        let detail = "Send `Content-Type: application/json`, in UTF-8.";
        return Err(Problem::new(codes::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(())
}

/// Reads a value from JSON bytes with all checks of the extractor.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::invalid_request(format!(
            "The body is not UTF-8: byte {} is out of place.",
            error.valid_up_to()
        ))
    })?;
    check_depth(text)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(Strict(&mut reader)).map_err(|error| {
        let pointer = pointer_of(error.path());
        fault(pointer, error.inner())
    })?;
    reader.end().map_err(|error| fault(String::new(), &error))?;
    Ok(value)
}

/// Counts brackets outside strings: deep nesting is refused before anything is built from it.
fn check_depth(text: &str) -> Result<(), Problem> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth = depth.saturating_add(1),
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Problem::invalid_request(format!(
                "The JSON is nested deeper than {MAX_DEPTH} levels."
            )));
        }
    }
    Ok(())
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .fold(String::new(), |pointer, segment| match segment {
            Segment::Seq { index } => format!("{pointer}/{index}"),
            Segment::Map { key } => format!("{pointer}/{}", escape(key)),
            Segment::Enum { .. } | Segment::Unknown => pointer,
        })
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn fault(pointer: String, error: &serde_json::Error) -> Problem {
    let message: String = error.to_string().chars().take(MAX_MESSAGE).collect();
    if error.is_syntax() || error.is_eof() || error.is_io() {
        let detail = format!("The body is not well-formed JSON: {message}.");
        return Problem::invalid_request(detail);
    }
    // The pointer says where; the place in the bytes would tell nobody more.
    let message = message
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    let (code, pointer) = classify(&message, pointer);
    let problem =
        Problem::invalid_request("Correct the field named in `errors` and send it again.");
    problem.with_error(FieldError::new(pointer, code, message))
}

/// serde tells kinds of data faults apart only in its text; the texts are held by a test.
fn classify(message: &str, pointer: String) -> (&'static str, String) {
    let named = message.split('`').nth(1).map(escape);
    let ends_with = |name: &str| pointer.rsplit('/').next() == Some(name);
    let below = |name: &str| {
        if ends_with(name) {
            pointer.clone()
        } else {
            format!("{pointer}/{name}")
        }
    };
    match named {
        Some(name) if message.starts_with("unknown field") => ("unknown-field", below(&name)),
        Some(name) if message.starts_with("missing field") => {
            ("missing-field", format!("{pointer}/{name}"))
        }
        Some(name) if message.starts_with("duplicate field") => ("duplicate-field", below(&name)),
        Some(_) if message.starts_with("unknown variant") => ("unknown-value", pointer),
        _ if message.starts_with("invalid type") => ("wrong-type", pointer),
        _ => ("invalid-value", pointer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Order {
        number: String,
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Line {
        sku: String,
        unit: Unit,
    }

    #[derive(Debug, Deserialize)]
    enum Unit {
        EA,
    }

    #[rstest]
    #[case(r#"{"number":1,"lines":[]}"#, "/number", "wrong-type")]
    #[case(
        r#"{"number":"1","lines":[{"sku":"a","unit":"EA","price":1}]}"#,
        "/lines/0/price",
        "unknown-field"
    )]
    #[case(
        r#"{"number":"1","lines":[{"unit":"EA"}]}"#,
        "/lines/0/sku",
        "missing-field"
    )]
    #[case(
        r#"{"number":"1","number":"2","lines":[]}"#,
        "/number",
        "duplicate-field"
    )]
    #[case(
        r#"{"number":"1","lines":[{"sku":"a","unit":"KG"}]}"#,
        "/lines/0/unit",
        "unknown-value"
    )]
    #[case(r#"{"number":"1","lines":[],"a/b":1}"#, "/a~1b", "unknown-field")]
    #[case(r#"["1",[]]"#, "", "wrong-type")]
    #[case(r#"{"number":"1","lines":[["a","EA"]]}"#, "/lines/0", "wrong-type")]
    fn a_wrong_field_is_named(#[case] body: &str, #[case] pointer: &str, #[case] code: &str) {
        let problem = parse_json::<Order>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.status, 400);
        assert_eq!(
            (
                problem.errors[0].pointer.as_str(),
                problem.errors[0].code.as_str()
            ),
            (pointer, code)
        );
    }

    #[rstest]
    #[case(b"{\"number\":")]
    #[case(b"")]
    #[case(b"{\"number\":\"1\",\"lines\":[]} x")]
    #[case(b"{\"number\":\"\xff\",\"lines\":[]}")]
    fn what_is_no_json_is_refused(#[case] body: &[u8]) {
        let problem = parse_json::<Order>(body).unwrap_err();
        assert!(problem.is(codes::INVALID_REQUEST));
    }

    #[test]
    fn depth_is_held_at_the_limit_and_not_fooled_by_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_json::<serde_json::Value>(nested(64).as_bytes()).is_ok());
        assert!(parse_json::<serde_json::Value>(nested(65).as_bytes()).is_err());
        let quoted = format!("\"\\\"{}\"", "[".repeat(100));
        assert!(parse_json::<serde_json::Value>(quoted.as_bytes()).is_ok());
    }

    #[rstest]
    #[case("application/json", true)]
    #[case("application/json; charset=UTF-8", true)]
    #[case("application/merge-patch+json", true)]
    #[case("application/json; charset=latin1", false)]
    #[case("text/plain", false)]
    fn only_json_is_read(#[case] media_type: &str, #[case] taken: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        assert_eq!(check_media_type(&headers).is_ok(), taken);
        assert!(check_media_type(&HeaderMap::new()).is_err());
    }
}
