//! Orders, quotes, baskets and reservations: what a buyer sends, what goes below, and what comes back.

use rstest::rstest;
use serde_json::{Value, json};
use service_runtime::problem::{ErrorCode, FieldError, Problem};

use super::world::{
    NOW, ORDER, accepted, acme, act, canonical_order, event, get, order_request, post, raw, world,
};

fn code(code: &'static str, status: u16) -> ErrorCode {
    ErrorCode {
        code,
        status,
        title: "Refused",
        retryable: false,
    }
}

#[tokio::test]
async fn an_order_goes_below_in_canonical_words_and_comes_back_with_its_place() {
    let world = world().await;
    let taken = [
        ("idempotency-replayed", "true"),
        ("orderway-duplicate", "true"),
    ];
    world
        .stub
        .answers_with("POST /v1/orders", 202, &taken, &accepted());
    let call = post("/portal/v1/orders", &order_request())
        .by(&acme())
        .key("\"k-1\"");
    let answer = world.send(call).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(
        answer.header("location"),
        format!("/portal/v1/orders/{ORDER}")
    );
    assert_eq!(answer.header("etag"), "\"v1\"");
    assert_eq!(answer.header("idempotency-replayed"), "true");
    assert_eq!(answer.header("orderway-duplicate"), "true");
    assert_eq!(answer.header("preference-applied"), "");
    assert_eq!(answer.body()["status"], "received");
    let seen = world.stub.seen_call("POST", "/v1/orders");
    assert_eq!(seen.headers["idempotency-key"], "k-1");
    assert_eq!(
        seen.body,
        json!({"account": "ACME", "purchase_order_number": "PO-4711", "ship_complete": false,
            "line_policy": "all_or_nothing", "lines": [
                {"identifiers": [{"scheme": "seller_part_number", "value": "SKU-0001"}], "quantity": "12",
                    "unit": "EA", "buyer_line": "10"},
                {"identifiers": [{"scheme": "gtin", "value": "00012345678905"}], "quantity": "2.5"}]})
    );
}

fn changed(path: &str, value: Value) -> Value {
    let mut request = order_request();
    match request.pointer_mut(path) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = path.rsplit_once('/').unwrap();
            request.pointer_mut(parent).unwrap()[name] = value;
        }
    }
    request
}

#[rstest]
#[case::unknown_field(changed("/price", json!("1")), 400, "/price", "unknown-field")]
#[case::smuggled_account(changed("/account", json!("BOREALIS")), 400, "/account", "unknown-field")]
#[case::smuggled_document(changed("/document", json!({})), 400, "/document", "unknown-field")]
#[case::unknown_line_field(changed("/lines/0/price", json!("1")), 400, "/lines/0/price", "unknown-field")]
#[case::float_quantity(changed("/lines/0/quantity/value", json!(1.5)), 400, "/lines/0/quantity/value", "wrong-type")]
#[case::exponent(changed("/lines/0/quantity/value", json!("1e9")), 400, "/lines/0/quantity/value", "invalid-value")]
#[case::lower_case_unit(changed("/lines/0/quantity/unit", json!("ea")), 400, "/lines/0/quantity/unit", "invalid-value")]
#[case::number_of_po(changed("/purchase_order_number", json!(7)), 400, "/purchase_order_number", "wrong-type")]
#[case::no_lines(changed("/lines", json!([])), 422, "/lines", "out-of-range")]
#[case::two_names(changed("/lines/1/item", json!("SKU-2")), 422, "/lines/1", "exactly-one-identifier")]
#[case::control_character(changed("/lines/1/gtin", json!("1\u{7}")), 422, "/lines/1/gtin", "invalid-value")]
#[case::long_buyer_line(changed("/lines/0/buyer_line", json!("x".repeat(21))), 422, "/lines/0/buyer_line", "invalid-value")]
#[case::long_release(changed("/release_number", json!("x".repeat(31))), 422, "/release_number", "invalid-value")]
#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_ordered(
    #[case] request: Value,
    #[case] status: u16,
    #[case] pointer: &str,
    #[case] fault: &str,
) {
    let world = world().await;
    let call = post("/portal/v1/orders", &request).by(&acme()).key("k-1");
    let answer = world.send(call).await;
    let error = &answer.body()["errors"][0];
    assert_eq!(
        (
            answer.status,
            error["pointer"].as_str(),
            error["code"].as_str()
        ),
        (status, Some(pointer), Some(fault)),
        "{answer:?}"
    );
    assert!(world.stub.seen().is_empty());
}

#[tokio::test]
async fn a_line_that_names_nothing_is_refused_with_all_other_faults_at_once() {
    let world = world().await;
    let lines = json!([{"quantity": {"value": "1"}}, {"item": "A", "gtin": "1", "quantity": {"value": "1"}}]);
    let request = json!({"lines": lines});
    for path in [
        "/portal/v1/basket-checks",
        "/portal/v1/quotes",
        "/portal/v1/reservations",
    ] {
        let answer = world
            .send(post(path, &request).by(&acme()).key("k-1"))
            .await;
        assert_eq!(
            answer.problem(),
            (422, "validation-failed".to_owned()),
            "{path}"
        );
        assert_eq!(answer.body()["errors"].as_array().unwrap().len(), 2);
    }
    assert!(world.stub.seen().is_empty());
}

#[tokio::test]
async fn five_thousand_lines_are_taken_and_one_more_is_not() {
    let world = world().await;
    world.stub.answers("POST /v1/orders", 202, &accepted());
    let line = json!({"item": "SKU-0001", "quantity": {"value": "1"}});
    for (count, status) in [(5_000, 202), (5_001, 422)] {
        let request = changed("/lines", Value::Array(vec![line.clone(); count]));
        let call = post("/portal/v1/orders", &request).by(&acme()).key("k-1");
        assert_eq!(world.send(call).await.status, status, "{count} lines");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_no_json_or_no_utf_8_are_refused() {
    let world = world().await;
    let limit = 2 * 1024 * 1024;
    let cases = [
        (
            raw("/portal/v1/orders", vec![b' '; limit + 1]),
            413,
            "payload-too-large",
        ),
        (
            raw("/portal/v1/orders", b"{\"lines\":".to_vec()),
            400,
            "invalid-request",
        ),
        (
            raw("/portal/v1/orders", b"{\"lines\":\"\xff\"}".to_vec()),
            400,
            "invalid-request",
        ),
        (act("/portal/v1/orders"), 415, "unsupported-media-type"),
    ];
    for (call, status, code) in cases {
        let answer = world.send(call.by(&acme()).key("k-1")).await;
        assert_eq!(answer.problem(), (status, code.to_owned()));
    }
    assert!(world.stub.seen().is_empty());
}

#[tokio::test]
async fn what_changes_something_needs_a_key_and_what_is_amended_needs_its_version() {
    let world = world().await;
    let orders = [
        post("/portal/v1/orders", &order_request()),
        post("/portal/v1/quotes", &json!({"lines": []})),
        post("/portal/v1/reservations", &json!({"lines": []})),
        act(&format!("/portal/v1/reservations/{ORDER}/release")),
        act(&format!("/portal/v1/orders/{ORDER}/cancel")).header("if-match", "\"v1\""),
    ];
    for call in orders {
        let answer = world.send(call.by(&acme())).await;
        assert_eq!(
            answer.problem(),
            (400, "idempotency-key-missing".to_owned())
        );
    }
    let cancel = act(&format!("/portal/v1/orders/{ORDER}/cancel"));
    let answer = world.send(cancel.by(&acme()).key("k-1")).await;
    assert_eq!(answer.problem(), (428, "precondition-required".to_owned()));
    assert!(world.stub.seen().is_empty());
}

#[tokio::test]
async fn a_refusal_points_into_the_body_that_the_buyer_sent() {
    let world = world().await;
    let problem = Problem::new(code("order-rejected", 422), "Two lines are wrong.")
        .with_error(FieldError::new(
            "/lines/1/identifiers",
            "unknown-item",
            "No such product.",
        ))
        .with_error(FieldError::new(
            "/lines/0/unit",
            "wrong-unit",
            "Not sold in it.",
        ))
        .with_error(FieldError::new("/ship_to", "unknown-ship-to", "Not yours."))
        .with_extension("backend", "erp-us");
    world.stub.answers_problem("POST /v1/orders", &problem);
    let call = post("/portal/v1/orders", &order_request())
        .by(&acme())
        .key("k-1");
    let answer = world.send(call).await;
    assert_eq!(answer.problem(), (422, "order-rejected".to_owned()));
    let body = answer.body();
    let pointers: Vec<&str> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        pointers,
        ["/lines/1/gtin", "/lines/0/quantity/unit", "/ship_to"]
    );
    assert!(!answer.text.contains("erp-us"));
}

#[tokio::test]
async fn another_order_under_the_same_number_is_named() {
    let world = world().await;
    let problem = Problem::new(code("duplicate-purchase-order", 409), "Taken.")
        .with_extension("order_id", ORDER);
    world.stub.answers_problem("POST /v1/orders", &problem);
    let call = post("/portal/v1/orders", &order_request())
        .by(&acme())
        .key("k-2");
    let answer = world.send(call).await;
    assert_eq!(
        answer.problem(),
        (409, "duplicate-purchase-order".to_owned())
    );
    assert_eq!(answer.body()["order_id"], ORDER);
}

fn held_order() -> Value {
    let mut order = canonical_order("held", 3);
    order["holds"] = json!([{"hold": 1, "kind": "credit", "released_by": "holds:release:credit", "placed_at": NOW,
        "detail": "Exposure 51,234.00 would go over the limit of 50,000.00 USD."}]);
    order
}

#[tokio::test]
async fn an_order_is_read_in_the_buyer_s_words() {
    let world = world().await;
    let path = format!("/v1/orders/{ORDER}");
    world
        .stub
        .answers(&format!("GET {path}"), 200, &held_order());
    let answer = world.send(get(&format!("/portal{path}")).by(&acme())).await;
    let body = answer.body();
    assert_eq!((answer.status, answer.header("etag")), (200, "\"v3\""));
    assert_eq!(body["holds"][0]["reason"], "credit_review");
    assert_eq!(body["lines"][0]["buyer_part_number"], "BP-1");
    assert_eq!(body["lines"][0]["quantities"]["open"], "12");
    assert_eq!(body["lines"][0]["price"]["contract"], "C-100");
    assert_eq!(
        body["lines"][0]["schedule"][0]["promised_delivery_date"],
        "2026-03-04"
    );
    for inside in [
        "50,000",
        "51,234",
        "holds:release",
        "COND-000815",
        "company",
    ] {
        assert!(
            !answer.text.contains(inside),
            "{inside} is not for a buyer: {}",
            answer.text
        );
    }
    let known = get(&format!("/portal{path}"))
        .by(&acme())
        .header("if-none-match", "\"v3\"");
    let known = world.send(known).await;
    assert_eq!(
        (known.status, known.text.as_str(), known.header("etag")),
        (304, "", "\"v3\"")
    );
    let old = get(&format!("/portal{path}"))
        .by(&acme())
        .header("if-none-match", "\"v2\"");
    assert_eq!(world.send(old).await.status, 200);
}

#[tokio::test]
async fn orders_are_found_by_the_buyer_s_number() {
    let world = world().await;
    let page = json!({"items": [held_order()], "next": "n-2"});
    world.stub.answers("GET /v1/orders", 200, &page);
    let path =
        "/portal/v1/orders?purchase_order_number=PO%2D4711%26&status=held&cursor=c%3D1&limit=1";
    let answer = world.send(get(path).by(&acme())).await;
    let body = answer.body();
    assert_eq!(answer.status, 200, "{body}");
    assert_eq!(body["next"], "n-2");
    assert_eq!(body["items"][0]["held"], true);
    assert_eq!(body["items"][0]["promised_delivery_date"], "2026-03-04");
    assert_eq!(
        world.stub.seen_call("GET", "/v1/orders").query,
        "account=ACME&purchase_order_number=PO-4711%26&status=held&cursor=c%3D1&limit=1"
    );
}

#[tokio::test]
async fn the_time_line_tells_what_a_buyer_should_know() {
    let world = world().await;
    let events = [
        event("order.received"),
        event("order.erp_order_chosen"),
        event("order.accepted"),
        event("order.invented_later"),
    ];
    let path = format!("/v1/orders/{ORDER}");
    let page = json!({"events": events, "next": 4});
    world
        .stub
        .answers(&format!("GET {path}/events"), 200, &page);
    let answer = world
        .send(get(&format!("/portal{path}/timeline")).by(&acme()))
        .await;
    let body = answer.body();
    let told: Vec<&str> = body["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["received", "accepted"]);
    assert!(!answer.text.contains("erp"), "{}", answer.text);
}

#[tokio::test]
async fn a_long_time_line_is_read_to_its_end() {
    let world = world().await;
    let path = format!("/v1/orders/{ORDER}");
    let first = json!({"events": vec![event("order.held"); 200], "next": 977});
    let second = json!({"events": [event("order.accepted")], "next": 978});
    world
        .stub
        .answers(&format!("GET {path}/events"), 200, &first);
    world
        .stub
        .answers(&format!("GET {path}/events"), 200, &second);
    let answer = world
        .send(get(&format!("/portal{path}/timeline")).by(&acme()))
        .await;
    let entries = answer.body()["entries"].as_array().unwrap().clone();
    assert_eq!(
        (entries.len(), &entries[200]["event"]),
        (201, &json!("accepted"))
    );
    assert!(world.stub.seen()[1].query.contains("after=977"));
}

#[tokio::test]
async fn stock_that_does_not_suffice_is_told_with_what_there_is() {
    let world = world().await;
    let available =
        json!([{"line": 1, "item": "SKU-0001", "available": {"value": "7", "unit": "EA"}}]);
    let problem = Problem::new(code("insufficient-stock", 409), "Nothing is held.")
        .with_error(FieldError::new(
            "/lines/0/quantity",
            "not-available",
            "7 EA can be held.",
        ))
        .with_extension("available", available.clone());
    world
        .stub
        .answers_problem("POST /v1/reservations", &problem);
    let request = json!({"lines": [{"item": "SKU-0001", "quantity": {"value": "12"}}]});
    let call = post("/portal/v1/reservations", &request)
        .by(&acme())
        .key("k-1");
    let answer = world.send(call).await;
    assert_eq!(answer.problem(), (409, "insufficient-stock".to_owned()));
    assert_eq!(answer.body()["available"], available);
    assert_eq!(
        answer.body()["errors"][0]["pointer"],
        "/lines/0/quantity/value"
    );
}

#[tokio::test]
async fn an_order_is_cancelled_at_the_version_that_was_read() {
    let world = world().await;
    let path = format!("/v1/orders/{ORDER}/cancel");
    let order = canonical_order("cancelled", 4);
    world.stub.answers(&format!("POST {path}"), 200, &order);
    let call = act(&format!("/portal{path}"))
        .by(&acme())
        .key("k-1")
        .header("if-match", "\"v3\"");
    let answer = world.send(call).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"v4\""));
    assert_eq!(answer.body()["status"], "cancelled");
    let seen = world.stub.seen_call("POST", &path);
    assert_eq!(seen.headers["if-match"], "\"v3\"");
    assert_eq!(seen.headers["idempotency-key"], "k-1");
}

fn checked_line() -> Value {
    let order = canonical_order("received", 1);
    json!({"line": 1, "item": "SKU-0001", "quantity": {"value": "12", "unit": "EA"},
        "price": order["lines"][0]["price"], "schedule": order["lines"][0]["schedule"], "problems": []})
}

#[tokio::test]
async fn a_basket_check_tells_prices_dates_and_verdict_but_no_credit() {
    let world = world().await;
    let money = json!({"amount": "50000.00", "currency": "USD"});
    let mut wrong = checked_line();
    wrong["problems"] =
        json!([{"code": "unknown-item", "pointer": "/lines/0/identifiers/0", "detail": "No."}]);
    let check = json!({"verdict": "reject", "problems": [], "lines": [wrong], "total": {"amount": "120.00", "currency": "USD"},
        "holds": [{"kind": "price_mismatch", "detail": "cost 4.00", "released_by": "holds:release", "line": 1}],
        "credit": {"account": "ACME", "limit": money, "used": money, "blocked": false, "as_of": NOW}});
    world.stub.answers("POST /v1/basket-checks", 200, &check);
    let request = json!({"lines": [{"buyer_part_number": "BP-1", "quantity": {"value": "12"}}]});
    let answer = world
        .send(post("/portal/v1/basket-checks", &request).by(&acme()))
        .await;
    let body = answer.body();
    assert_eq!(answer.status, 200, "{body}");
    assert_eq!(body["verdict"], "reject");
    assert_eq!(body["holds"][0]["reason"], "price_review");
    assert_eq!(
        body["lines"][0]["problems"][0]["pointer"],
        "/lines/0/buyer_part_number"
    );
    assert_eq!(body["lines"][0]["price"]["total"]["amount"], "120.00");
    assert!(!answer.text.contains("50000") && !answer.text.contains("cost 4.00"));
}

#[tokio::test]
async fn quotes_and_reservations_are_made_and_read() {
    let world = world().await;
    let request = json!({"lines": [{"item": "SKU-0001", "quantity": {"value": "12"}}]});
    let common = json!({"account": "ACME", "ship_to": "ACME-01", "lines": [checked_line()], "created_at": NOW,
        "expires_at": "2026-03-01T12:30:00Z", "decision_id": ORDER});
    for (what, id, state) in [
        ("quotes", "quote_id", "open"),
        ("reservations", "reservation_id", "held"),
    ] {
        let mut made = common.clone();
        made[id] = json!(ORDER);
        made["state"] = json!(state);
        made["total"] = json!({"amount": "120.00", "currency": "USD"});
        world.stub.answers(&format!("POST /v1/{what}"), 201, &made);
        world
            .stub
            .answers(&format!("GET /v1/{what}/{ORDER}"), 200, &made);
        let path = format!("/portal/v1/{what}");
        let created = world
            .send(post(&path, &request).by(&acme()).key("k-1"))
            .await;
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(created.header("location"), format!("{path}/{ORDER}"));
        let read = world
            .send(get(created.header("location")).by(&acme()))
            .await;
        assert_eq!((read.status, read.body()), (200, created.body()));
        assert_eq!(read.body()["state"], state);
        assert_eq!(read.body()["lines"][0]["price"]["source"], "contract");
    }
    let release = format!("/v1/reservations/{ORDER}/release");
    let mut released = common;
    released["reservation_id"] = json!(ORDER);
    released["state"] = json!("released");
    world
        .stub
        .answers(&format!("POST {release}"), 200, &released);
    let answer = world
        .send(act(&format!("/portal{release}")).by(&acme()).key("k-2"))
        .await;
    assert_eq!(
        (answer.status, &answer.body()["state"]),
        (200, &json!("released"))
    );
}
