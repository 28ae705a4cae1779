//! The catalogue at my price.

use rstest::rstest;
use serde_json::{Value, json};
use service_runtime::problem::{ErrorCode, Problem};

use super::world::{NOW, acme, get, world};

fn product(item: &str) -> Value {
    json!({"company": "NWI", "item": item, "description": "Hex bolt", "base_unit": "EA", "sales_unit": "EA",
        "conversions": [{"unit": "XBX", "numerator": 12, "denominator": 1}], "orderable": true,
        "buyer_part_number": "BP-1", "as_of": NOW})
}

/// The second of a page, with price and stock.
fn priced() -> Value {
    json!({"product": product("SKU-2"),
        "price": {"item": "SKU-2", "as_of": NOW, "breaks": [{"from_quantity": "1", "level": "contract_sold_to",
            "unit_price": {"amount": "9.5000", "currency": "USD", "unit": "EA"}}]},
        "availability": {"item": "SKU-2", "unit": "EA", "available_now": "7", "as_of": NOW, "replenishment_days": 10,
            "sites": [{"site": "CHI", "available_now": "7", "later": [{"date": "2026-03-09", "available": "20"}]}]}})
}

#[tokio::test]
async fn a_page_comes_with_my_prices_and_what_is_available_for_one_call() {
    let world = world().await;
    let bare = json!({"product": product("SKU-1"), "price_on_request": true});
    let page = json!({"items": [bare, priced()], "next": "abc"});
    world.stub.answers("GET /v1/catalog", 200, &page);
    let call = get("/portal/v1/products?search=hex%20bolt&limit=2").by(&acme());
    let answer = world.send(call).await;
    let body = answer.body();
    assert_eq!(answer.status, 200, "{body}");
    assert_eq!(body["next"], "abc");
    let first = &body["items"][0];
    assert!(first.get("price").is_none(), "nobody knows it now");
    assert_eq!(first["price_on_request"], true);
    let priced = &body["items"][1];
    assert_eq!(
        priced["price"]["breaks"][0]["unit_price"]["amount"],
        "9.5000"
    );
    assert_eq!(priced["price"]["breaks"][0]["source"], "contract");
    assert_eq!(
        priced["availability"]["sites"][0]["later"][0]["available"],
        "20"
    );
    let seen = world.stub.seen();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!(seen[0].query, "account=ACME&search=hex%20bolt&limit=2");
}

#[tokio::test]
async fn one_product_is_found_whatever_its_number_looks_like() {
    let world = world().await;
    world
        .stub
        .answers("GET /v1/catalog/SKU%2F2", 200, &priced());
    let answer = world
        .send(get("/portal/v1/products/SKU%2F2").by(&acme()))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body()["availability"]["available_now"], "7");
}

#[rstest]
#[case("?limit=0", 422, "validation-failed", "?limit")]
#[case("?limit=201", 422, "validation-failed", "?limit")]
#[case("?limit=many", 400, "invalid-request", "?limit")]
#[case("?colour=red", 400, "invalid-request", "?colour")]
#[case("?search=a%00b", 422, "validation-failed", "?search")]
#[tokio::test]
async fn a_wrong_parameter_is_named(
    #[case] query: &str,
    #[case] status: u16,
    #[case] code: &str,
    #[case] pointer: &str,
) {
    let world = world().await;
    let answer = world
        .send(get(&format!("/portal/v1/products{query}")).by(&acme()))
        .await;
    assert_eq!(answer.problem(), (status, code.to_owned()));
    assert_eq!(answer.body()["errors"][0]["pointer"], pointer);
    assert!(world.stub.seen().is_empty());
}

#[tokio::test]
async fn a_backend_that_is_away_is_told_in_the_portal_s_words() {
    let world = world().await;
    let below = ErrorCode {
        code: "backend-throttled",
        status: 503,
        title: "Throttled",
        retryable: true,
    };
    let problem = Problem::new(below, "erp-us said 429").with_extension("backend", "erp-us");
    let problem = problem.with_retry_after(jiff::SignedDuration::from_secs(7));
    world.stub.answers_problem("GET /v1/catalog", &problem);
    let answer = world.send(get("/portal/v1/products").by(&acme())).await;
    assert_eq!(
        answer.problem(),
        (503, "temporarily-unavailable".to_owned())
    );
    assert_eq!(answer.header("retry-after"), "7");
    assert!(!answer.text.contains("erp-us"));
    assert_eq!(
        answer.body()["correlation_id"],
        answer.header("orderway-correlation-id")
    );
}
