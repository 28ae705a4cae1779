//! An approved cart that comes back as an order.

use http::{Request, StatusCode, header};
use rstest::rstest;
use serde_json::{Value, json};

use super::world::{Answer, NOW, PASSWORD, World, basic, problem, quote};

const DOCUMENT: &str = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d0001";
const ORDER: &str = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d0002";
const LEASE: &str = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d0003";
const QUOTE: &str = "0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e";
const PATH: &str = "/punchout/oci/acme-punchout/orders";

/// The cart of ten gloves as it left, and a number.
fn cart<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let left = [
        ("PO_NUMBER", "4500017"),
        ("NEW_ITEM-DESCRIPTION[1]", "Nitrile gloves"),
        ("NEW_ITEM-MATNR[1]", "ACM-9001"),
        ("NEW_ITEM-QUANTITY[1]", "10.000"),
        ("NEW_ITEM-UNIT[1]", "EA"),
        ("NEW_ITEM-PRICE[1]", "9.99"),
        ("NEW_ITEM-PRICEUNIT[1]", "1"),
        ("NEW_ITEM-CURRENCY[1]", "USD"),
        ("NEW_ITEM-VENDORMAT[1]", "SKU-0001"),
        ("NEW_ITEM-EXT_PRODUCT_ID[1]", "SKU-0001"),
        (
            "NEW_ITEM-EXT_QUOTE_ID[1]",
            "0199E0A46C1F7D3A9A550C6F4F1D2B7E",
        ),
        ("NEW_ITEM-EXT_QUOTE_ITEM[1]", "0000000001"),
    ];
    let replaced = |name: &str| more.iter().any(|field| field.0 == name);
    let kept = left.into_iter().filter(|field| !replaced(field.0));
    kept.chain(more.iter().copied()).collect()
}

async fn send(world: &World, fields: &[(&str, &str)], authorization: Option<String>) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let mut request = Request::post(PATH)
        .header(header::HOST, "orders.example.com")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    world.send(request.body(form.into()).unwrap()).await
}

async fn order(world: &World, more: &[(&str, &str)]) -> Answer {
    send(world, &cart(more), Some(basic("acme", PASSWORD))).await
}

fn document(lease: bool) -> Value {
    let mut document = json!({"document_id": DOCUMENT, "channel": "punchout", "partner": "acme-punchout",
        "account": "ACME", "direction": "inbound", "kind": "interchange", "state": "received", "created_at": NOW,
        "context": {"test": false}});
    if lease {
        document["lease"] = json!(LEASE);
    }
    document
}

fn taken(status: &str, holds: &Value) -> Value {
    json!({"order_id": ORDER, "order_reference": "OW0123456789ABCDEF", "purchase_order_number": "4500017",
        "company": "NWI", "account": "ACME", "ship_to": "ACME-01", "channel": "punchout",
        "document": {"document_id": DOCUMENT, "partner": "acme-punchout", "transaction": "OrderRequest"},
        "status": status, "version": 1, "holds": holds, "lines": [],
        "total": {"amount": "99.90", "currency": "USD"}, "received_at": NOW,
        "decision_id": DOCUMENT, "correlation_id": "c", "trace_id": "t"})
}

/// A world in which an order is taken.
async fn world() -> World {
    prepared(World::new().await)
}

fn prepared(world: World) -> World {
    let place = json!({"ship_to": "ACME-01", "name": "Plant", "identifiers": [],
        "address": {"lines": ["1 Main St"], "city": "Springfield", "country": "US"}});
    let account = json!({"company": "NWI", "account": "ACME", "name": "Acme", "status": "active", "ancestors": [],
        "currency": "USD", "ship_tos": [place], "as_of": NOW});
    world.answers("GET /v1/accounts/ACME", 200, account);
    world.answers(&format!("GET /v1/quotes/{QUOTE}"), 200, quote("10"));
    let stored = json!({"document": document(true), "repeated": false, "owed": []});
    world.answers("POST /v1/documents", 201, stored);
    world.answers(
        &format!("POST /v1/documents/{DOCUMENT}/answer"),
        200,
        document(false),
    );
    let accepted = json!({"order_id": ORDER, "order_reference": "OW0123456789ABCDEF", "status": "received",
        "version": 1, "holds": [], "total": {"amount": "99.90", "currency": "USD"}});
    world.answers("POST /v1/orders", 202, accepted);
    world.answers(
        "GET /v1/orders",
        200,
        json!({"items": [taken("received", &json!([]))]}),
    );
    world
}

#[tokio::test]
async fn a_cart_that_comes_back_is_an_order_at_the_locked_price() {
    let world = world().await;
    let answer = order(
        &world,
        &[("REQUESTED_DATE", "20260309"), ("SHIP_TO", "21444")],
    )
    .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["order_id"], ORDER);
    assert_eq!(told["purchase_order_number"], "4500017");
    assert_eq!(told["status"], "received");
    assert_eq!(told["holds"], json!([]));
    assert_eq!(told["message"], "Received as OW0123456789ABCDEF.");
    assert_eq!(told["test"], false);
    let placed = &world.seen("POST /v1/orders")[0].body;
    assert_eq!(placed["purchase_order_number"], "4500017");
    assert_eq!(placed["requested_delivery_date"], "2026-03-09");
    assert_eq!(placed["ship_to"], "ACME-01");
    let line = &placed["lines"][0];
    assert_eq!(line["quote_id"], QUOTE);
    assert_eq!(line["buyer_line"], "1");
    assert_eq!(
        line["identifiers"][0],
        json!({"scheme": "seller_part_number", "value": "SKU-0001"})
    );
}

#[tokio::test]
async fn the_login_may_stand_in_the_form_and_is_not_stored() {
    let world = world().await;
    let fields = cart(&[
        ("USERNAME", "acme"),
        ("PASSWORD", PASSWORD),
        ("~OkCode", "ADDI"),
    ]);
    let answer = send(&world, &fields, None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let stored = &world.seen("POST /v1/documents")[0].body;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let content = STANDARD
        .decode(stored["content_base64"].as_str().unwrap())
        .unwrap();
    let content = String::from_utf8(content).unwrap();
    assert!(content.contains("PO_NUMBER=4500017"), "{content}");
    assert!(
        !content.contains("PASSWORD") && !content.contains(PASSWORD),
        "{content}"
    );
    assert_eq!(stored["media_type"], "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn the_same_order_has_the_same_key_however_it_is_spelled() {
    let world = world().await;
    order(&world, &[]).await;
    let mut other = cart(&[("new_item-longtext_2:132[]", "")]);
    other.reverse();
    send(&world, &other, Some(basic("acme", PASSWORD))).await;
    order(&world, &[("NEW_ITEM-QUANTITY[1]", "11")]).await;
    let keys: Vec<Value> = world
        .seen("POST /v1/documents")
        .into_iter()
        .map(|seen| seen.body["duplicate_keys"].clone())
        .collect();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[0], keys[2]);
}

#[tokio::test]
async fn a_repetition_is_answered_as_the_first() {
    let world = world().await;
    let mut first = document(false);
    first["state"] = json!("answered");
    first["outcome"] = json!({"code": 200, "detail": "Received as OW0123456789ABCDEF."});
    let stored = json!({"document": first, "repeated": true, "owed": []});
    world.answers("POST /v1/documents", 200, stored);
    let answer = order(&world, &[]).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!(answer.json()["order_id"], ORDER);
    assert!(
        world.seen("POST /v1/orders").is_empty(),
        "nothing is taken a second time"
    );
}

#[rstest]
#[case(&[("PO_NUMBER", "")], "PO_NUMBER")]
#[case(&[("PO_NUMBER", "  ")], "PO_NUMBER")]
#[case(&[("REQUESTED_DATE", "09.03.2026")], "REQUESTED_DATE")]
#[case(&[("REQUESTED_DATE", "20260230")], "REQUESTED_DATE")]
#[case(&[("NEW_ITEM-QUANTITY[1]", "-1")], "NEW_ITEM-QUANTITY[1]")]
#[case(&[("NEW_ITEM-QUANTITY[1]", "1,000")], "NEW_ITEM-QUANTITY[1]")]
#[case(&[("NEW_ITEM-UNIT[1]", "PIECES")], "NEW_ITEM-UNIT[1]")]
#[case(&[("NEW_ITEM-VENDORMAT[1]", ""), ("NEW_ITEM-EXT_PRODUCT_ID[1]", "")], "NEW_ITEM-VENDORMAT[1]")]
#[case(&[("NEW_ITEM-VENDORMAT[1]", "SKU-0002")], "NEW_ITEM-VENDORMAT[1]")]
#[tokio::test]
async fn a_fault_is_told_by_field_and_index_and_nothing_is_stored(
    #[case] more: &[(&str, &str)],
    #[case] field: &str,
) {
    let world = world().await;
    let answer = order(&world, more).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text()
    );
    let told = answer.json();
    assert_eq!(told["code"], "validation-failed");
    let fields: Vec<_> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["pointer"])
        .collect();
    assert_eq!(fields, [field], "{told}");
    assert!(world.seen("POST /v1/documents").is_empty());
}

#[tokio::test]
async fn a_form_without_items_is_no_order() {
    let world = world().await;
    let answer = send(&world, &[("PO_NUMBER", "1")], Some(basic("acme", PASSWORD))).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn another_price_than_left_is_held_and_named() {
    let world = world().await;
    let holds = json!([{"hold": 1, "kind": "price_mismatch", "detail": "limit 5 % of erp-us", "released_by": "holds:price",
        "line": 1, "placed_at": NOW}]);
    world.answers(
        "GET /v1/orders",
        200,
        json!({"items": [taken("held", &holds)]}),
    );
    let answer = order(
        &world,
        &[
            ("NEW_ITEM-PRICE[1]", "99.00"),
            ("NEW_ITEM-PRICEUNIT[1]", "10"),
        ],
    )
    .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["status"], "held");
    assert_eq!(told["holds"][0]["reason"], "price_review");
    assert!(!told.to_string().contains("erp-us"), "{told}");
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains("9.99 USD per EA left, 9.9 USD came"),
        "{message}"
    );
    let line = &world.seen("POST /v1/orders")[0].body["lines"][0];
    assert_eq!(line["expected_unit_price"]["amount"], "9.9");
}

#[tokio::test]
async fn another_unit_than_left_is_refused_and_named() {
    let world = world().await;
    let answer = order(&world, &[("NEW_ITEM-UNIT[1]", "BX")]).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text()
    );
    let told = answer.json();
    assert_eq!(told["code"], "order-differs");
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .contains("10 EA left, 10 XBX came"),
        "{told}"
    );
    assert!(world.seen("POST /v1/orders").is_empty());
}

#[tokio::test]
async fn a_number_with_other_content_is_a_conflict() {
    let world = world().await;
    world.answers(
        "POST /v1/orders",
        409,
        problem(409, "duplicate-purchase-order", "Taken."),
    );
    let answer = order(&world, &[]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text());
    assert_eq!(answer.json()["code"], "duplicate-purchase-order");
}

#[tokio::test]
async fn a_partner_that_is_being_set_up_books_nothing() {
    let changed = |profile: &str| profile.replace("test_mode = false", "test_mode = true");
    let world = prepared(World::agreed(changed).await);
    let answer = order(&world, &[]).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let told = answer.json();
    assert_eq!(
        (&told["test"], &told["order_id"]),
        (&json!(true), &Value::Null)
    );
    assert!(world.seen("POST /v1/orders").is_empty());
    assert_eq!(world.seen("POST /v1/documents")[0].body["work"], false);
}

#[tokio::test]
async fn nobody_orders_for_another_partner() {
    let world = world().await;
    for authorization in [
        None,
        Some(basic("acme", "wrong")),
        Some("Basic ???".to_owned()),
    ] {
        let answer = send(&world, &cart(&[]), authorization).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["code"], "unauthenticated");
    }
    assert!(world.seen("POST /v1/documents").is_empty());
}

#[tokio::test]
async fn a_failure_below_is_told_to_be_tried_again() {
    let world = world().await;
    world.answers(
        "POST /v1/documents",
        503,
        problem(503, "store-unavailable", "disk"),
    );
    let answer = order(&world, &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["code"], "temporarily-unavailable");
}
