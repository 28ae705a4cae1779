//! A call from layer to layer: what travels with it, and what its failures tell.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use service_runtime::clock::Clock;
use service_runtime::config::{ByteSize, Secret};
use service_runtime::context::{
    AccountScope, CallContext, Caller, ContextKeys, ContextSigner, ContextVerifier, Hop,
    LayerIdentity, require_context,
};
use service_runtime::extract::{IdempotencyKey, Json};
use service_runtime::http_client::{HopClient, HopConfig, HopError};
use service_runtime::layers::{LayerOptions, standard};
use service_runtime::problem::{Problem, codes};
use service_runtime::server::ServerOptions;
use service_runtime::trace::{DEADLINE_HEADER, Deadline, RequestScope, TraceContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::TestServer;

fn keys(text: &str) -> ContextKeys {
    ContextKeys::new(&Secret::from(text.repeat(40)), None).unwrap()
}

fn context() -> CallContext {
    CallContext {
        principal: "user-7".to_owned(),
        accounts: AccountScope::List(vec!["ACME".to_owned()]),
        company: None,
        channel: "portal".to_owned(),
        scopes: vec!["orders:read".to_owned()],
        correlation_id: "po-7".to_owned(),
        deadline: "2026-03-01T12:00:00Z".parse().unwrap(),
        remaining_ms: 0,
        layer: LayerIdentity::ExperienceApis,
    }
}

fn client(base_url: String, key: &str) -> HopClient {
    let hop = Hop {
        from: LayerIdentity::ExperienceApis,
        to: LayerIdentity::ProcessApis,
    };
    let signer = ContextSigner::new(hop, keys(key), Clock::system());
    let config = HopConfig {
        max_response: ByteSize::bytes(64 * 1024),
        ..HopConfig::new(base_url)
    };
    HopClient::new(config, signer)
}

async fn who(caller: Caller, headers: HeaderMap) -> Json<Value> {
    let scope = RequestScope::current().unwrap();
    let millis: u64 = headers[DEADLINE_HEADER].to_str().unwrap().parse().unwrap();
    Json(
        json!({"principal": caller.principal, "may": caller.may_see("ACME"), "trace": scope.trace.trace_id_hex(),
        "correlation": scope.correlation_id, "remaining": millis}),
    )
}

async fn process_apis() -> TestServer {
    let verifier = ContextVerifier::new(
        LayerIdentity::ProcessApis,
        vec![(LayerIdentity::ExperienceApis, keys("a"))],
        Clock::system(),
    );
    let routes = Router::new()
        .route("/who", get(who))
        .route(
            "/refuse",
            get(|| async {
                Problem::new(codes::CONTENTION, "again")
                    .with_retry_after(jiff::SignedDuration::from_secs(3))
            }),
        )
        .route(
            "/create",
            post(|key: IdempotencyKey, Json(body): Json<Value>| async move {
                Json(json!([key.as_str(), body]))
            }),
        )
        .route("/large", get(|| async { "x".repeat(64 * 1024 + 1) }))
        .route(
            "/text",
            get(|| async { (http::StatusCode::BAD_GATEWAY, "a proxy's page") }),
        )
        .route("/hang", get(|_: Request| std::future::pending::<()>()))
        .route_layer(from_fn_with_state(verifier, require_context));
    TestServer::start(
        standard(routes, LayerOptions::new("process-apis")),
        ServerOptions::default(),
    )
    .await
}

#[tokio::test]
async fn caller_trace_correlation_and_deadline_travel_with_a_call() {
    let server = process_apis().await;
    let client = client(format!("http://{}", server.address), "a");
    let deadline = Some(Deadline::after(Duration::from_secs(5)));
    let scope = RequestScope::new(
        "experience-apis",
        TraceContext::generate(),
        "po-7".to_owned(),
        deadline,
    );
    let trace = scope.trace.trace_id_hex();
    let seen: Value = std::sync::Arc::new(scope)
        .run(client.get("/who", &context()))
        .await
        .unwrap();
    assert_eq!(seen["principal"], "user-7");
    assert_eq!(seen["may"], true);
    assert_eq!(seen["trace"], trace);
    assert_eq!(seen["correlation"], "po-7");
    assert!(seen["remaining"].as_u64().unwrap() <= 5_000);
}

#[tokio::test]
async fn a_body_and_its_key_arrive() {
    let server = process_apis().await;
    let client = client(format!("http://{}/", server.address), "a");
    let call = client
        .request(Method::POST, "/create", &context())
        .idempotency_key("k-1")
        .json(&json!({"a": 1}));
    let answer: Value = call.send().await.unwrap().json().unwrap();
    assert_eq!(answer, json!(["k-1", {"a": 1}]));
}

#[tokio::test]
async fn another_layer_s_key_opens_nothing() {
    let server = process_apis().await;
    let client = client(format!("http://{}", server.address), "b");
    let error = client.get::<Value>("/who", &context()).await.unwrap_err();
    assert!(
        matches!(&error, HopError::Problem(problem) if problem.is(codes::UNAUTHENTICATED)),
        "{error:?}"
    );
    assert!(!error.may_have_been_processed());
    assert!(
        error.into_problem().is(codes::INTERNAL),
        "the caller's own token is not at fault"
    );
    let plain = server
        .exchange("GET /who HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert!(plain.starts_with("HTTP/1.1 401"), "{plain}");
}

#[tokio::test]
async fn a_problem_below_is_the_same_problem_above() {
    let server = process_apis().await;
    let error = client(format!("http://{}", server.address), "a")
        .get::<Value>("/refuse", &context())
        .await
        .unwrap_err();
    let problem = error.into_problem();
    assert!(problem.is(codes::CONTENTION));
    assert_eq!(
        problem.retry_after,
        Some(jiff::SignedDuration::from_secs(3))
    );
}

#[tokio::test]
async fn a_silent_layer_is_an_unknown_outcome() {
    let server = process_apis().await;
    let client = client(format!("http://{}", server.address), "a");
    let call = client
        .request(Method::GET, "/hang", &context())
        .timeout(Duration::from_millis(100));
    let error = call.send().await.unwrap_err();
    // Whoever is first: our own timer, or the answer of the layer that has the same deadline.
    assert!(error.may_have_been_processed(), "{error:?}");
    assert_eq!(error.into_problem().status, 504);
}

#[tokio::test]
async fn a_layer_that_is_not_there_has_certainly_done_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(format!("http://{address}"), "a")
        .get::<Value>("/who", &context())
        .await
        .unwrap_err();
    assert!(matches!(error, HopError::Connect(_)) && !error.may_have_been_processed());
    assert!(error.into_problem().is(codes::BACKEND_UNAVAILABLE));
}

#[tokio::test]
async fn an_answer_that_is_cut_is_an_unknown_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":")
            .await
            .unwrap();
    });
    let error = client(format!("http://{address}"), "a")
        .get::<Value>("/who", &context())
        .await
        .unwrap_err();
    assert!(matches!(error, HopError::Protocol(..)) && error.may_have_been_processed());
}

#[tokio::test]
async fn an_answer_too_large_or_not_ours_is_not_used() {
    let server = process_apis().await;
    let client = client(format!("http://{}", server.address), "a");
    for path in ["/large", "/text"] {
        let error = client.get::<Value>(path, &context()).await.unwrap_err();
        assert!(matches!(error, HopError::Protocol(..)), "{path}: {error:?}");
    }
}

#[tokio::test]
async fn past_the_deadline_nothing_is_sent() {
    let client = client("http://127.0.0.1:9".to_owned(), "a");
    let deadline = Some(Deadline::after(Duration::ZERO));
    let scope = RequestScope::new(
        "experience-apis",
        TraceContext::generate(),
        "po-7".to_owned(),
        deadline,
    );
    let error = std::sync::Arc::new(scope)
        .run(client.get::<Value>("/who", &context()))
        .await
        .unwrap_err();
    assert!(matches!(error, HopError::TooLate) && !error.may_have_been_processed());
}
