//! Who is let in: good tokens with the scope; nothing else reaches the layer below.

use rstest::rstest;
use serde_json::{Value, json};

use super::world::{
    ALL_SCOPES, acme, claims, foreign_key_token, get, token, unsigned_token, with, world,
};

#[tokio::test]
async fn without_a_token_nobody_is_let_in() {
    let world = world().await;
    let answer = world.send(get("/portal/v1/accounts")).await;
    assert_eq!(answer.problem(), (401, "unauthenticated".to_owned()));
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    assert!(world.stub.seen().is_empty());
}

fn buyer() -> Value {
    claims(&["ACME"], ALL_SCOPES)
}

#[rstest]
#[case::expired(token(&with(with(buyer(), "exp", json!(1_000)), "iat", json!(900))))]
#[case::foreign_issuer(token(&with(buyer(), "iss", json!("https://evil.example"))))]
#[case::foreign_audience(token(&with(buyer(), "aud", json!("payroll"))))]
#[case::foreign_key(foreign_key_token(&buyer()))]
#[case::unsigned(unsigned_token(&buyer()))]
#[case::no_token("null".to_owned())]
#[case::giant("a".repeat(20_000))]
#[tokio::test]
async fn a_bad_token_is_refused_and_nothing_happens(#[case] token: String) {
    let world = world().await;
    let answer = world.send(get("/portal/v1/accounts").by(&token)).await;
    assert_eq!(answer.problem(), (401, "unauthenticated".to_owned()));
    assert!(world.stub.seen().is_empty());
}

#[rstest]
#[case("/portal/v1/orders", "orders:write")]
#[case("/portal/v1/products", "orders:read")]
#[case("/portal/v1/accounts", "orders:write")]
#[tokio::test]
async fn a_token_without_the_scope_is_told_which_it_needs(#[case] path: &str, #[case] scope: &str) {
    let world = world().await;
    let token = token(&claims(&["ACME"], scope));
    let answer = world.send(get(path).by(&token)).await;
    assert_eq!(answer.problem(), (403, "forbidden".to_owned()));
    assert!(answer.body()["detail"].as_str().unwrap().contains(":read"));
    assert!(world.stub.seen().is_empty());
}

#[tokio::test]
async fn the_layer_below_learns_who_calls_and_under_which_correlation() {
    let world = world().await;
    world
        .stub
        .answers("GET /v1/accounts", 200, &json!({"accounts": []}));
    let call = get("/portal/v1/accounts")
        .by(&acme())
        .header("orderway-correlation-id", "shop-77")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        );
    let answer = world.send(call).await;
    assert_eq!(
        (answer.status, answer.header("orderway-correlation-id")),
        (200, "shop-77")
    );
    let seen = world.stub.seen_call("GET", "/v1/accounts");
    assert_eq!(seen.context.correlation_id, "shop-77");
    assert_eq!(seen.context.channel, "portal");
    assert_eq!(seen.context.company.as_deref(), Some("NWI"));
    assert!(seen.context.may_see("ACME") && !seen.context.may_see("BOREALIS"));
    assert!(seen.context.has_scope("accounts:read") && !seen.context.has_scope("feed:all"));
    let trace = seen.headers["traceparent"].to_str().unwrap();
    assert!(
        trace.contains("4bf92f3577b34da6a3ce929d0e0e4736"),
        "{trace}"
    );
    assert!(
        !seen.headers.contains_key("authorization"),
        "the token stays at the edge"
    );
}

#[tokio::test]
async fn account_data_is_kept_by_no_cache() {
    let world = world().await;
    for call in [
        get("/portal/v1/orders"),
        get("/portal/v1/orders").by(&acme()),
    ] {
        let answer = world.send(call).await;
        assert_eq!(answer.header("cache-control"), "private, no-store");
        assert!(answer.all("vary").contains("authorization"), "{answer:?}");
        assert!(answer.all("vary").contains("orderway-account"));
    }
}
