//! The stack as a whole: what its answers have in common.

use super::*;
use crate::extract::{Json, read_body};
use crate::trace::{CORRELATION_HEADER, DEADLINE_HEADER, RequestScope, TRACEPARENT};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post};
use http::{StatusCode, header};
use rstest::rstest;
use serde_json::Value;
use tower::ServiceExt;

fn app(change: impl FnOnce(&mut LayerOptions)) -> Router {
    let mut options = LayerOptions::new("process-apis");
    change(&mut options);
    let routes = Router::new()
        .route("/v1/orders/{id}", get(|| async { "an order" }))
        .route(
            "/echo",
            post(|Json(body): Json<Value>| async move { Json(body) }),
        )
        .route(
            "/raw",
            post(|request: Request| async {
                read_body(request, &())
                    .await
                    .map(|body| body.len().to_string())
            }),
        )
        .route(
            "/trace",
            get(|| async { RequestScope::current().unwrap().trace.trace_id_hex() }),
        )
        .route(
            "/framed",
            get(|| async {
                [(
                    header::CONTENT_SECURITY_POLICY,
                    "frame-ancestors https://a.example",
                )]
            }),
        )
        .merge(crate::health::router(crate::health::Readiness::new()))
        .route("/panic", get(panics))
        .route("/hang", get(std::future::pending::<()>));
    standard(routes, options)
}

async fn panics() -> StatusCode {
    panic!("the secret plan")
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
}

async fn send(app: Router, request: Request) -> (Response<()>, String) {
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, 8 * 1024 * 1024).await.unwrap();
    (
        Response::from_parts(parts, ()),
        String::from_utf8(bytes.to_vec()).unwrap(),
    )
}

async fn problem(app: Router, request: Request) -> Problem {
    let (response, body) = send(app, request).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        crate::problem::MEDIA_TYPE,
        "{body}"
    );
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(problem.status, response.status().as_u16());
    assert_eq!(
        problem.correlation_id.as_deref(),
        response.headers()[CORRELATION_HEADER].to_str().ok()
    );
    assert_eq!(
        response.headers()[header::X_CONTENT_TYPE_OPTIONS],
        "nosniff"
    );
    problem
}

#[rstest]
#[case(
    "/v1/orders/7",
    Some("DENY"),
    "default-src 'none'; frame-ancestors 'none'"
)]
#[case("/framed", None, "frame-ancestors https://a.example")]
#[tokio::test]
async fn nobody_frames_a_page_unless_its_policy_says_who(
    #[case] path: &str,
    #[case] options: Option<&str>,
    #[case] policy: &str,
) {
    let request = request("GET", path).body(Body::empty()).unwrap();
    let (response, _) = send(app(|_| ()), request).await;
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    };
    assert_eq!(header(header::X_FRAME_OPTIONS), options);
    assert_eq!(header(header::CONTENT_SECURITY_POLICY), Some(policy));
}

#[rstest]
#[case("GET", "/nowhere", "not-found")]
#[case("DELETE", "/v1/orders/7", "method-not-allowed")]
#[case("GET", "/panic", "internal")]
#[tokio::test]
async fn whoever_answers_it_is_a_problem_with_its_ids(
    #[case] method: &str,
    #[case] path: &str,
    #[case] code: &str,
) {
    let problem = problem(
        app(|_| ()),
        request(method, path).body(Body::empty()).unwrap(),
    )
    .await;
    assert_eq!(problem.code, code);
    assert!(!format!("{problem:?}").contains("secret plan"));
}

#[tokio::test]
async fn the_caller_s_ids_are_kept() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = request("GET", "/trace")
        .header(TRACEPARENT, trace)
        .header(CORRELATION_HEADER, "po-7");
    let (response, body) = send(app(|_| ()), request.body(Body::empty()).unwrap()).await;
    assert_eq!(body, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(response.headers()[CORRELATION_HEADER], "po-7");
    assert_eq!(
        response.headers()[header::CACHE_CONTROL],
        "private, no-store"
    );
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    for (size, status) in [(1_000, 200), (1_001, 413)] {
        for path in ["/echo", "/raw"] {
            let body = format!("\"{}\"", "x".repeat(size - 2));
            let request = request("POST", path)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body));
            let (response, _) =
                send(app(|options| options.body_limit = 1_000), request.unwrap()).await;
            assert_eq!(response.status().as_u16(), status, "{size} bytes to {path}");
        }
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut() {
    let endless =
        Body::from_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
    let request = request("POST", "/raw").body(endless).unwrap();
    let app = app(|options| options.body_timeout = Duration::from_millis(10));
    assert_eq!(problem(app, request).await.code, "request-timeout");
}

#[tokio::test]
async fn a_handler_that_hangs_is_answered_for() {
    let slow = app(|options| options.request_timeout = Duration::from_millis(10));
    let hanging = || request("GET", "/hang");
    assert_eq!(
        problem(slow, hanging().body(Body::empty()).unwrap())
            .await
            .code,
        "timeout"
    );
    let hurried = hanging()
        .header(DEADLINE_HEADER, "5")
        .body(Body::empty())
        .unwrap();
    assert_eq!(problem(app(|_| ()), hurried).await.code, "timeout");
    let too_late = request("GET", "/trace")
        .header(DEADLINE_HEADER, "0")
        .body(Body::empty())
        .unwrap();
    assert_eq!(problem(app(|_| ()), too_late).await.code, "timeout");
}

#[tokio::test]
async fn the_excess_is_told_to_come_back() {
    let app = app(|options| options.in_flight = 1);
    let hanging = tokio::spawn(
        app.clone()
            .oneshot(request("GET", "/hang").body(Body::empty()).unwrap()),
    );
    let probe = || {
        problem(
            app.clone(),
            request("GET", "/nowhere").body(Body::empty()).unwrap(),
        )
    };
    let refused = async {
        while probe().await.code != "overloaded" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused)
        .await
        .unwrap();
    let alive = request("GET", "/livez").body(Body::empty()).unwrap();
    let (response, _) = send(app, alive).await;
    assert_eq!(response.status(), 200, "a busy instance is not a dead one");
    hanging.abort();
}

#[rstest]
#[case::no_host(Request::builder().uri("/trace"), "invalid-request")]
#[case::two_hosts(request("GET", "/trace").header(header::HOST, "other"), "invalid-request")]
#[case::other_host(request("GET", "http://other/trace"), "invalid-request")]
#[case::two_lengths(request("POST", "/raw").header(header::CONTENT_LENGTH, "1").header(header::TRANSFER_ENCODING, "chunked"), "invalid-request")]
#[case::compressed(request("POST", "/raw").header(header::CONTENT_ENCODING, "gzip"), "unsupported-media-type")]
#[case::long(request("GET", &format!("/{}", "a".repeat(8 * 1024))), "uri-too-long")]
#[tokio::test]
async fn what_could_be_read_differently_is_refused(
    #[case] request: http::request::Builder,
    #[case] code: &str,
) {
    assert_eq!(
        problem(app(|_| ()), request.body(Body::empty()).unwrap())
            .await
            .code,
        code
    );
}

#[tokio::test]
async fn a_request_leaves_one_line_that_tells_no_secret() {
    // With a subscriber for the other tests' threads, none of them can switch the events off for all.
    crate::telemetry::init("experience-apis", &crate::telemetry::LogConfig::default());
    let out = crate::telemetry::tests::Captured::default();
    let lines = crate::telemetry::Lines {
        format: crate::telemetry::LogFormat::Json,
        out: std::sync::Mutex::new(out.clone()),
    };
    let subscriber = tracing_subscriber::layer::SubscriberExt::with(
        tracing_subscriber::Registry::default(),
        lines,
    );
    let logging = tracing::subscriber::set_default(subscriber);
    let secret = request("GET", "/v1/orders/7?password=hunter2")
        .header(header::AUTHORIZATION, "Bearer hunter2");
    send(app(|_| ()), secret.body(Body::empty()).unwrap()).await;
    send(
        app(|_| ()),
        request("GET", "/panic").body(Body::empty()).unwrap(),
    )
    .await;
    drop(logging);
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_requests: Vec<&Value> = lines
        .iter()
        .filter(|line| line["target"] == "orderway::request")
        .collect();
    assert_eq!(of_requests.len(), 2, "{text}");
    assert_eq!(of_requests[0]["route"], "/v1/orders/{id}");
    assert_eq!(of_requests[0]["layer"], "process-apis");
    assert_eq!(of_requests[1]["code"], "internal");
    assert_eq!(of_requests[1]["level"], "ERROR");
    assert!(
        of_requests[1]["causes"]
            .as_str()
            .unwrap()
            .contains("the secret plan"),
        "the log has the cause"
    );
}
