//! The routes of prices, promises, credit, quotes, reservations and catalogue, as a caller with a context meets them.

use axum::{
    Extension, Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use canonical_model::{
    ShipToId,
    catalog::{CatalogItem, CatalogPage},
    price::BrowsePrices,
    promise::Availabilities,
    quote::Quote,
};
use rstest::rstest;
use rust_decimal::dec;
use serde_json::{Value, json};
use service_runtime::context::Caller;
use tower::ServiceExt;

use crate::{
    baskets::testing::{Seller, call_for},
    credit, pricing, promise, quotes,
    state::AppState,
};

const SCOPES: [&str; 5] = [
    "accounts:read",
    "catalog:read",
    "prices:read",
    "quotes:write",
    "reservations:write",
];

fn routes(seller: &Seller, accounts: &[&str], scopes: &[&str]) -> Router {
    let key = "a key of a hop has at least 32 bytes";
    let config = serde_json::from_value(json!({
        "context": { "experience_key": key, "system_key": key },
        "webhooks": { "secret_key": key },
    }));
    let sources = seller.sources.clone();
    let state = AppState::new(
        sources.store,
        sources.system,
        sources.clock,
        crate::policy::Policies::clone(&sources.policies),
        config.unwrap(),
    )
    .unwrap();
    let mut context = call_for(accounts).context;
    context.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
    let (router, _) = super::router()
        .merge(pricing::router())
        .merge(promise::router())
        .merge(credit::router())
        .merge(crate::baskets::routes::router())
        .merge(quotes::router())
        .split_for_parts();
    router
        .with_state(state)
        .layer(Extension(Caller::authenticated(context)))
}

async fn call(
    router: &Router,
    (method, path): (&str, &str),
    body: Option<&Value>,
    key: Option<&str>,
) -> (StatusCode, axum::http::HeaderMap, Value) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let content = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request
        .header(header::CONTENT_TYPE, "application/json")
        .body(content)
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (
        parts.status,
        parts.headers,
        serde_json::from_slice(&bytes).unwrap_or_default(),
    )
}

fn lines() -> Value {
    json!([{ "identifiers": [{ "scheme": "seller_part_number", "value": "SKU-1" }], "quantity": "2" }])
}

#[rstest]
#[case("GET", "/v1/accounts/{}", None)]
#[case("GET", "/v1/accounts/{}/credit", None)]
#[case("GET", "/v1/products?account={}", None)]
#[case("GET", "/v1/products/SKU-1?account={}", None)]
#[case("GET", "/v1/catalog?account={}", None)]
#[case("GET", "/v1/catalog/SKU-1?account={}", None)]
#[case("POST", "/v1/products/query", Some(json!({ "items": ["SKU-1"] })))]
#[case("POST", "/v1/prices/query", Some(json!({ "items": ["SKU-1"] })))]
#[case("POST", "/v1/availability/query", Some(json!({ "items": ["SKU-1"] })))]
#[case("POST", "/v1/basket-checks", Some(json!({ "lines": lines() })))]
#[case("POST", "/v1/quotes", Some(json!({ "lines": lines() })))]
#[case("POST", "/v1/reservations", Some(json!({ "lines": lines() })))]
#[tokio::test]
async fn a_foreign_account_is_as_one_that_does_not_exist(
    #[case] method: &str,
    #[case] path: &str,
    #[case] body: Option<Value>,
) {
    let seller = Seller::open();
    let router = routes(&seller, &["A"], &SCOPES);
    let mut answers = Vec::new();
    for account in ["B", "NOPE"] {
        let mut body = body.clone();
        if let Some(body) = &mut body {
            body["account"] = account.into();
        }
        let path = path.replace("{}", account);
        let (status, _, answer) = call(&router, (method, &path), body.as_ref(), Some("key")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(*seller.sources.store.position().borrow(), 0);
}

#[rstest]
#[case("GET", "/v1/accounts")]
#[case("GET", "/v1/accounts/A/credit")]
#[case("GET", "/v1/products")]
#[case("GET", "/v1/catalog")]
#[case("GET", "/v1/catalog/SKU-1")]
#[case("GET", "/v1/systems")]
#[case("DELETE", "/v1/systems/main/operations/prices/breaker")]
#[tokio::test]
async fn without_its_scope_nothing_is_told(#[case] method: &str, #[case] path: &str) {
    let seller = Seller::open();
    let router = routes(&seller, &["A"], &[]);
    assert_eq!(
        call(&router, (method, path), None, None).await.0,
        StatusCode::FORBIDDEN
    );
    assert!(seller.system.world().calls.is_empty());
}

#[tokio::test]
async fn only_who_sees_all_accounts_may_hold_a_breaker() {
    let seller = Seller::open();
    let path = "/v1/systems/main/operations/prices/breaker";
    let order = json!({ "held": "open", "until": "2026-11-20T12:00:00Z", "reason": "it is moved" });
    let buyer = routes(&seller, &["A"], &["systems:write"]);
    let refused = call(&buyer, ("PUT", path), Some(&order), None).await;
    assert_eq!(refused.0, StatusCode::FORBIDDEN);
    assert!(seller.system.world().calls.is_empty());
}

/// The same as prices and stock asked for by themselves, for one question to the source each.
#[tokio::test]
async fn a_page_of_the_catalog_has_what_prices_and_availability_say() {
    let seller = Seller::open();
    let router = routes(&seller, &["A"], &SCOPES);
    let get = async |path: &str| call(&router, ("GET", path), None, None).await;
    let (status, _, page) = get("/v1/catalog").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let calls = seller.system.world().calls.clone();
    let mut asked = calls.clone();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(
        asked.len(),
        calls.len(),
        "nothing is asked twice: {calls:?}"
    );
    let page: CatalogPage = serde_json::from_value(page).unwrap();
    let items: Vec<&str> = page
        .items
        .iter()
        .map(|item| item.product.item.as_str())
        .collect();
    let query = json!({ "account": "A", "items": items });
    let ask = async |path: &str| call(&router, ("POST", path), Some(&query), None).await.2;
    let prices: BrowsePrices = serde_json::from_value(ask("/v1/prices/query").await).unwrap();
    let stock = ask("/v1/availability/query").await;
    let stock: Availabilities = serde_json::from_value(stock).unwrap();
    let shown = page.items.iter();
    assert_eq!(
        shown
            .clone()
            .filter_map(|item| item.price.clone())
            .collect::<Vec<_>>(),
        prices.prices
    );
    assert_eq!(
        shown
            .filter_map(|item| item.availability.clone())
            .collect::<Vec<_>>(),
        stock.items
    );
    assert_eq!(stock.items[2].as_of, None, "no site knows it");
    let (_, _, one) = get("/v1/catalog/SKU-2").await;
    let one: CatalogItem = serde_json::from_value(one).unwrap();
    let same = page
        .items
        .iter()
        .find(|item| item.product.item.as_str() == "SKU-2");
    assert_eq!(Some(&one), same);
    assert_eq!(get("/v1/catalog/NOPE").await.0, StatusCode::NOT_FOUND);
}

/// What a page showed last is asked for together with it, and is what is shown only as long as it is what the page shows.
#[tokio::test]
async fn a_page_that_has_changed_is_shown_as_it_is_now() {
    let seller = Seller::open();
    let (again, anew) = (
        routes(&seller, &["A"], &SCOPES),
        routes(&seller, &["A"], &SCOPES),
    );
    let asked = || seller.system.world().calls.clone();
    let page = async |router: &Router| {
        seller.system.world().calls.clear();
        let (status, _, page) = call(router, ("GET", "/v1/catalog"), None, None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page
    };
    let first = page(&again).await;
    assert_eq!(asked()[..2], ["accounts", "products_search"]);
    assert_eq!(page(&again).await, first);
    let known = asked();
    assert_eq!(known.len(), 5, "all of it once: {known:?}");

    seller.system.world().products.remove(0);
    let fewer = page(&again).await;
    assert_eq!(fewer, page(&anew).await);
    assert_ne!(fewer, first);

    let moved = ShipToId::new("ELSEWHERE").unwrap();
    for account in &mut seller.system.world().accounts {
        account.ship_tos[0].ship_to = moved.clone();
    }
    page(&again).await;
    let asked = asked();
    let prices = asked.iter().filter(|method| **method == "prices");
    assert_eq!(prices.count(), 2, "those of the address of now: {asked:?}");
}

#[tokio::test]
async fn of_a_product_that_is_withdrawn_nothing_more_is_asked() {
    let seller = Seller::open();
    let router = routes(&seller, &["A"], &SCOPES);
    let look = async || {
        seller.system.world().calls.clear();
        let (status, _, shown) = call(&router, ("GET", "/v1/catalog/SKU-1"), None, None).await;
        let asked = seller.system.world().calls.clone();
        let prices = asked.iter().filter(|method| **method == "prices").count();
        (status, shown, prices)
    };
    let (status, first, _) = look().await;
    assert_eq!(status, StatusCode::OK, "{first}");
    assert_eq!(look().await, (status, first.clone(), 1));

    let products = std::mem::take(&mut seller.system.world().products);
    assert_eq!(look().await.0, StatusCode::NOT_FOUND);
    let (status, _, prices) = look().await;
    assert_eq!((status, prices), (StatusCode::NOT_FOUND, 0));

    seller.system.world().products = products;
    assert_eq!(look().await, (StatusCode::OK, first, 1));
}

/// A backend that fails at such a text would be left alone by everybody.
#[tokio::test]
async fn a_search_for_what_cannot_be_written_reaches_no_backend() {
    let seller = Seller::open();
    let router = routes(&seller, &["A"], &SCOPES);
    for path in [
        "/v1/catalog?search=a%00b",
        "/v1/products?account=A&search=%1b",
    ] {
        let (status, _, problem) = call(&router, ("GET", path), None, None).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("?search")),
            "{path}"
        );
    }
    assert!(seller.system.world().calls.is_empty());
}

#[tokio::test]
async fn a_buyer_browses_its_accounts_prices_and_stock() {
    let seller = Seller::open();
    let router = routes(&seller, &["A", "P"], &SCOPES);
    let (_, _, accounts) = call(&router, ("GET", "/v1/accounts"), None, None).await;
    let numbers: Vec<&Value> = accounts["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|known| &known["account"])
        .collect();
    assert_eq!(numbers, ["A", "P"]);

    let items = json!({ "account": "A", "items": ["SKU-2", "NOPE", "SKU-1"] });
    let (_, _, found) = call(&router, ("POST", "/v1/products/query"), Some(&items), None).await;
    let found = found["matches"].as_array().unwrap();
    let found: Vec<&Value> = found.iter().map(|product| &product["item"]).collect();
    assert_eq!(found, [&json!("SKU-2"), &Value::Null, &json!("SKU-1")]);

    let (_, _, prices) = call(&router, ("POST", "/v1/prices/query"), Some(&items), None).await;
    let prices: BrowsePrices = serde_json::from_value(prices).unwrap();
    let shown: Vec<&str> = prices
        .prices
        .iter()
        .map(|price| price.item.as_str())
        .collect();
    assert_eq!(shown, ["SKU-2", "SKU-1"]);

    let (_, _, stock) = call(
        &router,
        ("POST", "/v1/availability/query"),
        Some(&items),
        None,
    )
    .await;
    let stock: Availabilities = serde_json::from_value(stock).unwrap();
    assert_eq!(
        (
            stock.items[0].available_now,
            stock.items[0].sites[0].later[0].available
        ),
        (dec!(10), dec!(60))
    );
    assert_eq!(stock.items[1].available_now, dec!(140));

    let (_, _, credit) = call(&router, ("GET", "/v1/accounts/A/credit"), None, None).await;
    assert_eq!(
        (&credit["account"], &credit["available"]["amount"]),
        (&json!("A"), &json!("8000"))
    );
}

#[tokio::test]
async fn stock_that_nobody_can_tell_is_unknown_and_not_zero() {
    let seller = Seller::open();
    let down = crate::clients::SystemError::Unavailable { retry_after: None };
    seller.system.world().failing.insert("stock", down);
    let router = routes(&seller, &["A"], &SCOPES);
    let items = json!({ "account": "A", "items": ["SKU-1"] });
    let (status, _, stock) = call(
        &router,
        ("POST", "/v1/availability/query"),
        Some(&items),
        None,
    )
    .await;
    assert_eq!(
        (status, stock["items"][0].get("as_of")),
        (StatusCode::OK, None)
    );
    let (status, _, shown) = call(&router, ("GET", "/v1/catalog/SKU-1"), None, None).await;
    assert_eq!(
        (status, shown.get("availability")),
        (StatusCode::OK, None),
        "{shown}"
    );
}

#[tokio::test]
async fn a_quote_is_made_once_under_its_key() {
    let seller = Seller::open();
    let router = routes(&seller, &["A"], &SCOPES);
    let body = json!({ "account": "A", "lines": lines() });
    let (status, headers, first) =
        call(&router, ("POST", "/v1/quotes"), Some(&body), Some("k")).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    let quote: Quote = serde_json::from_value(first.clone()).unwrap();
    assert_eq!(
        headers[header::LOCATION],
        format!("/v1/quotes/{}", quote.quote_id)
    );

    let (status, headers, again) =
        call(&router, ("POST", "/v1/quotes"), Some(&body), Some("k")).await;
    assert_eq!((status, &again), (StatusCode::CREATED, &first));
    assert_eq!(headers["idempotency-replayed"], "true");

    let other = json!({ "account": "A", "lines": [lines()[0], lines()[0]] });
    let (status, _, refused) = call(&router, ("POST", "/v1/quotes"), Some(&other), Some("k")).await;
    assert_eq!(
        (status, &refused["code"]),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!("idempotency-key-reused")
        )
    );
    assert_eq!(
        call(&router, ("POST", "/v1/quotes"), Some(&body), None)
            .await
            .0,
        StatusCode::BAD_REQUEST
    );

    let path = format!("/v1/quotes/{}", quote.quote_id);
    assert_eq!(call(&router, ("GET", &path), None, None).await.2, first);
    let foreign = routes(&seller, &["B"], &SCOPES);
    assert_eq!(
        call(&foreign, ("GET", &path), None, None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_reservation_is_held_read_and_released() {
    let seller = Seller::open();
    let router = routes(&seller, &["A"], &SCOPES);
    let body = json!({ "account": "A", "lines": lines() });
    let (status, headers, held) = call(
        &router,
        ("POST", "/v1/reservations"),
        Some(&body),
        Some("k"),
    )
    .await;
    assert_eq!(
        (status, &held["state"]),
        (StatusCode::CREATED, &json!("held"))
    );
    let path = headers[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(call(&router, ("GET", &path), None, None).await.2, held);
    let release = format!("{path}/release");
    let (status, _, released) = call(&router, ("POST", &release), None, Some("r")).await;
    assert_eq!(
        (status, &released["state"]),
        (StatusCode::OK, &json!("released"))
    );
    let foreign = routes(&seller, &["B"], &SCOPES);
    assert_eq!(
        call(&foreign, ("GET", &path), None, None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn malformed_baskets_are_named_and_never_sent_down() {
    let seller = Seller::open();
    let router = routes(&seller, &["A"], &SCOPES);
    for (body, pointer) in [
        (json!({ "account": "A", "lines": [] }), "/lines"),
        (
            json!({ "account": "A", "lines": [{ "identifiers": [], "quantity": "1" }] }),
            "/lines/0/identifiers",
        ),
    ] {
        let (status, _, problem) =
            call(&router, ("POST", "/v1/basket-checks"), Some(&body), None).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer))
        );
    }
    assert!(seller.system.world().calls.is_empty());
}
