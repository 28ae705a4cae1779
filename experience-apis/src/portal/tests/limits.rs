//! Rate limits and CORS.

use std::num::NonZeroU32;

use futures_util::FutureExt as _;
use serde_json::json;
use service_runtime::rate_limit::RateLimitConfig;

use super::world::{
    World, acme, both, claims, get, preflight, stalled, token, with, world, world_with,
};

fn limit(burst: u32) -> RateLimitConfig {
    let number = |value| NonZeroU32::new(value).unwrap();
    RateLimitConfig {
        per_second: number(1),
        burst: number(burst),
        max_keys: number(1_000),
    }
}

async fn list(world: &World, token: &str, account: &str) -> super::world::Answer {
    world
        .send(get("/portal/v1/orders").by(token).account(account))
        .await
}

#[tokio::test]
async fn a_credential_is_told_what_is_left_and_when_to_come_back() {
    let world = world_with(|config| config.limits.credential = limit(2)).await;
    world
        .stub
        .answers("GET /v1/orders", 200, &json!({"items": []}));
    let first = list(&world, &acme(), "ACME").await;
    assert_eq!(first.status, 200);
    assert!(
        first
            .all("ratelimit-policy")
            .contains("\"credential\";q=2;w=2"),
        "{first:?}"
    );
    assert!(first.all("ratelimit-policy").contains("\"account\";q=100"));
    assert!(first.all("ratelimit").contains("\"credential\";r=1"));
    // The bucket refills while the test runs: what cannot be is that it never ends.
    let mut refused = None;
    for _ in 0..50 {
        let answer = list(&world, &acme(), "ACME").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a limit of two in a row is reached");
    assert_eq!(refused.problem(), (429, "rate-limited".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.all("ratelimit").contains("\"credential\";r=0"));
    let other = token(&with(
        claims(&["ACME"], "orders:read"),
        "client_id",
        json!("other"),
    ));
    assert_eq!(
        list(&world, &other, "ACME").await.status,
        200,
        "another has its own"
    );
}

#[tokio::test]
async fn an_account_is_limited_over_all_its_credentials_and_by_nobody_else() {
    let world = world_with(|config| config.limits.account = limit(1)).await;
    world
        .stub
        .answers("GET /v1/orders", 200, &json!({"items": []}));
    let stranger = token(&with(
        claims(&["BOREALIS"], "orders:read"),
        "client_id",
        json!("stranger"),
    ));
    for _ in 0..5 {
        assert_eq!(list(&world, &stranger, "ACME").await.status, 404);
    }
    assert_eq!(list(&world, &acme(), "ACME").await.status, 200);
    let second = token(&with(
        claims(&["ACME"], "orders:read"),
        "client_id",
        json!("second"),
    ));
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(list(&world, &second, "ACME").await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(list(&world, &both(), "ACME-WEST").await.status, 200);
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out_unless_named() {
    let world = world().await;
    let answer = world
        .send(preflight("/portal/v1/orders", "https://evil.example"))
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_named_origin_may_call_and_read_the_headers_it_needs() {
    let shop = "https://shop.example";
    let world = world_with(|config| config.portal.cors_origins = vec![shop.to_owned()]).await;
    let answer = world.send(preflight("/portal/v1/orders", shop)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), shop);
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("idempotency-key")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let evil = world
        .send(preflight("/portal/v1/orders", "https://evil.example"))
        .await;
    assert_eq!(evil.header("access-control-allow-origin"), "");
    world
        .stub
        .answers("GET /v1/orders", 200, &json!({"items": []}));
    let call = get("/portal/v1/orders").by(&acme()).header("origin", shop);
    let answer = world.send(call).await;
    assert_eq!(answer.header("access-control-allow-origin"), shop);
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("location")
    );
    assert!(answer.all("vary").contains("origin") && answer.all("vary").contains("authorization"));
    let call = get("/portal/v1/orders").header("origin", shop);
    let refused = world.send(call).await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        shop,
        "a page can read why it was refused"
    );
}

#[tokio::test]
async fn a_credential_that_sends_slowly_shuts_nobody_out() {
    let world = world_with(|config| config.requests.in_flight_per_credential = 1).await;
    world
        .stub
        .answers("GET /v1/orders", 200, &json!({"items": []}));
    let slow = stalled("/portal/v1/orders").by(&acme()).key("k");
    let mut slow = std::pin::pin!(world.send(slow));
    let mut refused = None;
    for _ in 0..50 {
        assert!((&mut slow).now_or_never().is_none(), "its body never comes");
        let answer = list(&world, &acme(), "ACME").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the slow request holds the share");
    assert_eq!(refused.problem(), (429, "rate-limited".to_owned()));
    let other = token(&with(
        claims(&["ACME"], "orders:read"),
        "client_id",
        json!("other"),
    ));
    assert_eq!(list(&world, &other, "ACME").await.status, 200);
}
