//! A problem as its caller, the layer above and the log see it.

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("the store refused")]
struct Outer(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("disk full")]
struct Inner;

async fn body_of(response: Response) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), 64 * 1024)
        .await
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_problem_is_sent_as_problem_json_with_its_headers() {
    let problem = Problem::new(codes::RATE_LIMITED, "Slow down.")
        .with_retry_after(SignedDuration::from_millis(1_200));
    let response = problem.into_response();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    let body = body_of(response).await;
    assert_eq!(body["type"], "/errors/rate-limited");
    assert_eq!(body["retryable"], true);
    assert_eq!(body["retry_after_seconds"], 2);
}

#[tokio::test]
async fn a_refused_caller_is_told_how_to_authenticate() {
    let response = Problem::unauthenticated("Send a token.").into_response();
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    let response = Problem::forbidden("Ask for the scope.").into_response();
    let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str();
    assert!(challenge.unwrap().contains("insufficient_scope"));
}

#[tokio::test]
async fn causes_reach_the_log_and_never_the_caller() {
    let response = Problem::internal(&Outer(Inner)).into_response();
    let report = response
        .extensions()
        .get::<ProblemReport>()
        .unwrap()
        .clone();
    assert_eq!(report.causes, ["the store refused", "disk full"]);
    assert!(!body_of(response).await.to_string().contains("disk"));
}

#[test]
fn the_layer_above_reads_what_the_layer_below_wrote() {
    let problem = Problem::validation(vec![FieldError::new(
        "/lines/0/sku",
        "unknown",
        "No such item.",
    )])
    .with_retry_after(SignedDuration::from_secs(3))
    .with_extension("available", "4");
    let read: Problem = serde_json::from_str(&serde_json::to_string(&problem).unwrap()).unwrap();
    assert_eq!(read, problem);
}

#[test]
fn every_generic_code_is_unique_and_has_its_page() {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
    let mut seen = std::collections::BTreeSet::new();
    for code in codes::ALL {
        assert!(seen.insert(code.code), "{} is declared twice", code.code);
        let page = std::fs::read_to_string(format!("{pages}/{}.md", code.code));
        let page = page.unwrap_or_else(|error| panic!("docs/errors/{}.md: {error}", code.code));
        assert!(
            page.starts_with(&format!("# {}", code.code)),
            "{}.md opens with its code",
            code.code
        );
        assert!(
            page.contains(&code.status.to_string()),
            "{}.md names its status",
            code.code
        );
    }
}
