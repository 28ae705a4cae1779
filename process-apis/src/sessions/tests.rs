//! What a channel meets: a session opened once, changed by who has read it, and nobody else's sessions.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use jiff::SignedDuration;
use serde_json::{Value, json};
use service_runtime::context::{AccountScope, CallContext};
use uuid::Uuid;

use super::{SessionsConfig, router};
use crate::events::harness::{Harness, buyer, caller};

const SCOPE: &[&str] = &["sessions:write"];
const PATH: &str = "/v1/sessions";
const EIGHT: &str = "2026-03-02T20:00:00Z";

fn harness() -> Harness {
    Harness::new(router(SessionsConfig::default()))
}

fn channel() -> CallContext {
    caller(SCOPE, AccountScope::All)
}

fn opening(id: Uuid) -> Value {
    json!({"session_id": id, "partner": "acme", "account": "A-1", "keys": ["cookie/1"],
        "content": {"cart": []}, "expires_at": EIGHT})
}

fn change(content: &Value) -> Value {
    json!({"content": content, "expires_at": EIGHT})
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers[name].to_str().unwrap()
}

/// The request with another value at a place.
fn with(mut request: Value, name: &str, value: Value) -> Value {
    request[name] = value;
    request
}

#[tokio::test]
async fn a_session_is_opened_read_changed_and_found() {
    let harness = harness();
    let id = Uuid::new_v4();
    let (status, headers, opened) = harness
        .send_if("POST", &channel(), PATH, None, opening(id))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{opened}");
    let path = format!("{PATH}/{id}");
    assert_eq!(
        (
            text(&headers, header::LOCATION),
            text(&headers, header::ETAG)
        ),
        (&*path, "\"v1\"")
    );
    assert_eq!(
        (
            &opened["channel"],
            &opened["version"],
            &opened["created_at"]
        ),
        (&json!("edi"), &json!(1), &json!("2026-03-02T12:00:00Z"))
    );
    let (_, headers, read) = harness
        .send_if("GET", &channel(), &path, None, Value::Null)
        .await;
    assert_eq!((&read, text(&headers, header::ETAG)), (&opened, "\"v1\""));
    let cart = json!({"cart": ["SKU-1"]});
    let (status, headers, changed) = harness
        .send_if("PUT", &channel(), &path, Some("\"v1\""), change(&cart))
        .await;
    assert_eq!(
        (
            status,
            text(&headers, header::ETAG),
            &changed["version"],
            &changed["content"]
        ),
        (StatusCode::OK, "\"v2\"", &json!(2), &cart)
    );
    let (_, found) = harness
        .get(&channel(), &format!("{PATH}?partner=acme&key=cookie%2F1"))
        .await;
    assert_eq!(found["sessions"], json!([changed]));
    let (status, none) = harness
        .get(&channel(), &format!("{PATH}?partner=acme&key=cookie%2F2"))
        .await;
    assert_eq!((status, &none["sessions"]), (StatusCode::OK, &json!([])));
}

#[tokio::test]
async fn the_same_opening_once_more_is_the_same_session_and_another_is_refused() {
    let harness = harness();
    let id = Uuid::new_v4();
    let (_, first) = harness.post(&channel(), PATH, opening(id)).await;
    harness.time.advance(SignedDuration::from_mins(1));
    let later = with(opening(id), "expires_at", json!("2026-03-02T20:01:00Z"));
    let (status, again) = harness.post(&channel(), PATH, later).await;
    assert_eq!((status, &again), (StatusCode::OK, &first));
    for (name, value) in [
        ("partner", json!("beta")),
        ("account", json!("A-2")),
        ("content", json!({"cart": ["SKU-1"]})),
    ] {
        let other = with(opening(id), name, value);
        let (status, problem) = harness.post(&channel(), PATH, other).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::CONFLICT, &json!("session-exists")),
            "{name}"
        );
    }
    let path = format!("{PATH}/{id}");
    let (_, _, changed) = harness
        .send_if("PUT", &channel(), &path, Some("\"v1\""), change(&json!({})))
        .await;
    let (status, headers, again) = harness
        .send_if("POST", &channel(), PATH, None, opening(id))
        .await;
    assert_eq!(
        (status, text(&headers, header::ETAG), &again),
        (StatusCode::OK, "\"v2\"", &changed),
        "it is compared with what opened it, and answered as it is"
    );
}

#[tokio::test]
async fn only_who_has_read_the_newest_version_changes_it() {
    let harness = harness();
    let id = Uuid::new_v4();
    harness.post(&channel(), PATH, opening(id)).await;
    let path = format!("{PATH}/{id}");
    let put = async |if_match: Option<&str>| {
        let (status, _, body) = harness
            .send_if("PUT", &channel(), &path, if_match, change(&json!({})))
            .await;
        (status, body["code"].clone())
    };
    assert_eq!(
        put(None).await,
        (
            StatusCode::PRECONDITION_REQUIRED,
            json!("precondition-required")
        )
    );
    assert_eq!(put(Some("\"v1\"")).await.0, StatusCode::OK);
    assert_eq!(
        put(Some("\"v1\"")).await,
        (
            StatusCode::PRECONDITION_FAILED,
            json!("precondition-failed")
        )
    );
    assert_eq!(harness.get(&channel(), &path).await.1["version"], json!(2));
}

#[tokio::test]
async fn what_has_ended_is_not_there() {
    let harness = harness();
    let id = Uuid::new_v4();
    let (_, opened) = harness.post(&channel(), PATH, opening(id)).await;
    let path = format!("{PATH}/{id}");
    harness.time.advance(SignedDuration::from_hours(8));
    assert_eq!(
        harness.get(&channel(), &path).await.0,
        StatusCode::NOT_FOUND
    );
    let body = json!({"content": {}, "expires_at": "2026-03-02T21:00:00Z"});
    let (status, _, _) = harness
        .send_if("PUT", &channel(), &path, Some("\"v1\""), body)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, found) = harness
        .get(&channel(), &format!("{PATH}?partner=acme&key=cookie%2F1"))
        .await;
    assert_eq!(found["sessions"], json!([]));
    let replayed = with(opening(id), "expires_at", json!("2026-03-02T21:00:00Z"));
    let (status, ended) = harness.post(&channel(), PATH, replayed).await;
    assert_eq!(
        (status, &ended),
        (StatusCode::OK, &opened),
        "what opened it does not open another"
    );
}

#[tokio::test]
async fn a_foreign_session_is_not_there() {
    let harness = harness();
    let id = Uuid::new_v4();
    harness.post(&channel(), PATH, opening(id)).await;
    let path = format!("{PATH}/{id}");
    let absent = harness
        .get(&channel(), &format!("{PATH}/{}", Uuid::new_v4()))
        .await;
    assert_eq!(absent.0, StatusCode::NOT_FOUND);
    for foreigner in [
        buyer(SCOPE, &["A-2"]),
        CallContext {
            channel: "punchout".to_owned(),
            ..channel()
        },
        CallContext {
            company: Some("DE01".to_owned()),
            ..channel()
        },
    ] {
        assert_eq!(harness.get(&foreigner, &path).await, absent);
        let (status, _, body) = harness
            .send_if("PUT", &foreigner, &path, Some("*"), change(&json!({})))
            .await;
        assert_eq!((status, body), absent);
        let (_, found) = harness
            .get(&foreigner, &format!("{PATH}?partner=acme&key=cookie%2F1"))
            .await;
        assert_eq!(found["sessions"], json!([]));
    }
    let own = harness.get(&buyer(SCOPE, &["A-1"]), &path).await;
    assert_eq!(own.0, StatusCode::OK);
    let foreign = harness
        .post(&buyer(SCOPE, &["A-2"]), PATH, opening(Uuid::new_v4()))
        .await;
    assert_eq!(
        foreign.0,
        StatusCode::NOT_FOUND,
        "nobody opens one for an account of another"
    );
    let unscoped = harness.get(&buyer(&["orders:read"], &["A-1"]), &path).await;
    assert_eq!(unscoped.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_all_of_it_is_told_at_once() {
    let harness = harness();
    let letters = |count: usize| "x".repeat(count);
    let keys: Vec<String> = (0..11).map(|_| letters(201)).collect();
    let wrong = json!({"session_id": Uuid::new_v4(), "partner": letters(41), "account": "A-1", "keys": keys,
        "content": letters(1024 * 1024 - 1), "expires_at": "2026-03-03T12:00:01Z"});
    let (status, problem) = harness.post(&channel(), PATH, wrong).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let pointers: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|fault| fault["pointer"].as_str())
        .collect();
    assert_eq!(pointers[..3], ["/partner", "/keys", "/keys/0"]);
    assert_eq!(pointers[pointers.len() - 2..], ["/content", "/expires_at"]);
    let id = Uuid::new_v4();
    let keys: Vec<String> = (0..10).map(|_| letters(200)).collect();
    let just = json!({"session_id": id, "partner": letters(40), "account": "A-1", "keys": keys,
        "content": letters(1024 * 1024 - 2), "expires_at": "2026-03-03T12:00:00Z"});
    let (status, _) = harness.post(&channel(), PATH, just).await;
    assert_eq!(status, StatusCode::CREATED);
    let path = format!("{PATH}/{id}");
    for (content, expires_at, pointer) in [
        (letters(1024 * 1024 - 1), EIGHT, "/content"),
        (String::new(), "2026-03-02T12:00:00Z", "/expires_at"),
        (String::new(), "2026-03-03T12:00:01Z", "/expires_at"),
    ] {
        let body = json!({"content": content, "expires_at": expires_at});
        let (status, _, problem) = harness
            .send_if("PUT", &channel(), &path, Some("\"v1\""), body)
            .await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer))
        );
    }
}

#[tokio::test]
async fn a_partner_with_too_many_sessions_is_told_to_come_back() {
    let config = SessionsConfig { max_per_partner: 1 };
    let harness = Harness::new(router(config));
    let first = Uuid::new_v4();
    harness.post(&channel(), PATH, opening(first)).await;
    let (status, problem) = harness
        .post(&channel(), PATH, opening(Uuid::new_v4()))
        .await;
    assert_eq!(
        (status, &problem["code"], &problem["retry_after_seconds"]),
        (
            StatusCode::TOO_MANY_REQUESTS,
            &json!("session-limit"),
            &json!(60)
        )
    );
    let (status, _) = harness.post(&channel(), PATH, opening(first)).await;
    assert_eq!(status, StatusCode::OK);
}
