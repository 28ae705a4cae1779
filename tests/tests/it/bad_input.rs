//! What a storefront can get wrong, in every operation that reads something: each answered by a problem that says what
//! to do, and nothing ordered, claimed or caused.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::{Answer, PortalUser, World};
use uuid::Uuid;

use crate::findings::{Findings, answer_of, generous_world, shortened, trace_of};

const ITEMS: &[&str] = &["SKU-0001", "SKU-0002", "SKU-0003"];
/// The operations with a body.
const OPERATIONS: [&str; 4] = ["/basket-checks", "/quotes", "/reservations", "/orders"];

/// A body that every operation would take.
fn sound(operation: &str) -> Value {
    let mut body = json!({"lines": [
        {"item": "SKU-0001", "quantity": {"value": "2", "unit": "EA"}, "buyer_line": "10"},
        {"item": "SKU-0002", "quantity": {"value": "1"}},
    ]});
    if operation == "/orders" {
        body["purchase_order_number"] = json!("PO-BAD");
    }
    body
}

fn posting(user: &PortalUser, operation: &str) -> RequestBuilder {
    let key = Uuid::now_v7().to_string();
    user.request(Method::POST, operation)
        .header("Idempotency-Key", key)
        .header("Content-Type", "application/json")
}

async fn send(user: &PortalUser, operation: &str, body: impl Into<reqwest::Body>) -> Answer {
    answer_of(posting(user, operation).body(body)).await
}

/// The fault that an answer names first, as (pointer, code), with its sentence checked.
fn first_fault(findings: &mut Findings, case: &str, fault: &Value) -> (String, String) {
    let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
    findings.check(
        case,
        text("detail").split(' ').count() >= 3,
        format!("its detail says nothing: {fault}"),
    );
    (text("pointer"), text("code"))
}

/// A problem that names one field.
fn names_field(
    findings: &mut Findings,
    case: &str,
    answer: &Answer,
    expected: (u16, &str),
    field: (&str, &str),
) {
    if findings.problem(case, answer, expected.0, expected.1) {
        let errors = answer.json()["errors"].clone();
        let found = first_fault(findings, case, &errors[0]);
        let same = (found.0.as_str(), found.1.as_str()) == field;
        findings.check(
            case,
            same,
            format!(
                "it should name {field:?}, not {}",
                shortened(&errors.to_string())
            ),
        );
    }
}

/// A refusal by the rules: a basket check tells it, the others answer it.
fn refused(
    findings: &mut Findings,
    case: &str,
    operation: &str,
    answer: &Answer,
    field: (&str, &str),
) {
    let code = match operation {
        "/basket-checks" => {
            let body = answer.json();
            findings.check(
                case,
                answer.status == 200 && body["verdict"] == "reject",
                format!("{} {}", answer.status, shortened(&answer.text)),
            );
            let lines = body["lines"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|line| line["problems"].as_array().into_iter().flatten());
            let all: Vec<_> = body["problems"]
                .as_array()
                .into_iter()
                .flatten()
                .chain(lines)
                .cloned()
                .collect();
            let found = first_fault(findings, case, all.first().unwrap_or(&Value::Null));
            let same = (found.0.as_str(), found.1.as_str()) == field;
            return findings.check(case, same, format!("it should name {field:?}, not {all:?}"));
        }
        "/orders" => "order-rejected",
        _ => "basket-rejected",
    };
    names_field(findings, case, answer, (422, code), field);
}

#[tokio::test]
async fn nothing_comes_of_bad_bodies() {
    let world = generous_world().await;
    let user = world.portal_user("acme-buyer", "ACME").unwrap();
    let before = trace_of(&world, &user, "ACME", ITEMS).await;
    let mut findings = Findings::default();
    for operation in OPERATIONS {
        wrong_shapes(&mut findings, &user, operation).await;
        wrong_texts(&mut findings, &user, operation).await;
        wrong_lines(&mut findings, &user, operation).await;
        against_the_rules(&mut findings, &user, operation).await;
    }
    wrong_order_fields(&mut findings, &user).await;
    findings.none();
    assert_eq!(
        trace_of(&world, &user, "ACME", ITEMS).await,
        before,
        "bad input did something"
    );
    assert_eq!(
        (before.erp_orders, before.erp_creates, before.pick_requests),
        (0, 0, 0)
    );
    assert_eq!(
        (&before.orders_listed, &before.events),
        (&json!([]), &json!([]))
    );
    can_change(&world, &user).await;
    world.stop().await.unwrap();
}

/// That the comparison above can fail: one sound order, and everything it looks at has changed.
async fn can_change(world: &World, user: &PortalUser) {
    let before = trace_of(world, user, "ACME", ITEMS).await;
    let taken = user.order("sound", &sound("/orders")).await.unwrap();
    assert_eq!(
        (taken.status.as_u16(), taken.at("/status").as_str()),
        (202, "accepted"),
        "{}",
        taken.text
    );
    let after = trace_of(world, user, "ACME", ITEMS).await;
    assert_eq!((after.erp_orders, after.erp_creates), (1, 1));
    assert_ne!(after.orders_listed, before.orders_listed);
    assert_ne!(after.events, before.events);
    assert_ne!(after.available, before.available);
    assert_ne!(after.credit_used, before.credit_used);
}

/// Fields that are not known, not there, or of another type.
async fn wrong_shapes(findings: &mut Findings, user: &PortalUser, operation: &str) {
    let wrong: Vec<(&str, Value, &str, &str)> = vec![
        ("/price", json!("1.00"), "/price", "unknown-field"),
        ("/account", json!("BOREALIS"), "/account", "unknown-field"),
        (
            "/lines/0/price",
            json!("0.01"),
            "/lines/0/price",
            "unknown-field",
        ),
        (
            "/lines/1/identifiers",
            json!([]),
            "/lines/1/identifiers",
            "unknown-field",
        ),
        (
            "/lines/0/quantity/uom",
            json!("EA"),
            "/lines/0/quantity/uom",
            "unknown-field",
        ),
        ("/lines", json!("SKU-0001"), "/lines", "wrong-type"),
        ("/lines", Value::Null, "/lines", "wrong-type"),
        ("/lines", json!({}), "/lines", "wrong-type"),
        ("/lines/0", json!("SKU-0001"), "/lines/0", "wrong-type"),
        ("/lines/0/item", json!(1), "/lines/0/item", "wrong-type"),
        (
            "/lines/0/quantity",
            json!("2"),
            "/lines/0/quantity",
            "wrong-type",
        ),
        (
            "/lines/0/quantity/value",
            json!(2),
            "/lines/0/quantity/value",
            "wrong-type",
        ),
        (
            "/lines/0/quantity/value",
            json!(2.5),
            "/lines/0/quantity/value",
            "wrong-type",
        ),
        (
            "/lines/0/quantity/value",
            Value::Null,
            "/lines/0/quantity/value",
            "wrong-type",
        ),
        (
            "/lines/0/quantity/unit",
            json!(["EA"]),
            "/lines/0/quantity/unit",
            "wrong-type",
        ),
        (
            "/lines/1/requested_delivery_date",
            json!(20_261_201),
            "/lines/1/requested_delivery_date",
            "wrong-type",
        ),
        (
            "/ship_to",
            json!({"id": "ACME-01"}),
            "/ship_to",
            "wrong-type",
        ),
        (
            "/lines/0/quantity",
            json!({"unit": "EA"}),
            "/lines/0/quantity/value",
            "missing-field",
        ),
        (
            "/lines/0",
            json!({"item": "SKU-0001"}),
            "/lines/0/quantity",
            "missing-field",
        ),
    ];
    for (place, value, pointer, code) in wrong {
        let case = format!("{operation} with {place} = {value}");
        let mut body = sound(operation);
        put(&mut body, place, value);
        let answer = send(user, operation, body.to_string()).await;
        names_field(
            findings,
            &case,
            &answer,
            (400, "invalid-request"),
            (pointer, code),
        );
    }
    let mut body = sound(operation);
    body.as_object_mut().unwrap().remove("lines");
    let answer = send(user, operation, body.to_string()).await;
    names_field(
        findings,
        &format!("{operation} without lines"),
        &answer,
        (400, "invalid-request"),
        ("/lines", "missing-field"),
    );
    for text in ["[]", "\"order\"", "7", "null"] {
        let answer = send(user, operation, text).await;
        names_field(
            findings,
            &format!("{operation} of {text}"),
            &answer,
            (400, "invalid-request"),
            ("", "wrong-type"),
        );
    }
}

fn put(body: &mut Value, place: &str, value: Value) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
}

/// Bodies that are no JSON, or not the JSON that is taken.
async fn wrong_texts(findings: &mut Findings, user: &PortalUser, operation: &str) {
    let good = sound(operation).to_string();
    let doubled = |name: &str, again: &str| {
        good.replacen(
            &format!("\"{name}\":"),
            &format!("\"{name}\":{again},\"{name}\":"),
            1,
        )
    };
    let doubles = [
        ("lines", "[]", "/lines"),
        ("item", "\"SKU-0002\"", "/lines/0/item"),
        ("value", "\"1\"", "/lines/0/quantity/value"),
    ];
    for (name, again, pointer) in doubles {
        let answer = send(user, operation, doubled(name, again)).await;
        let case = format!("{operation} with two {name}");
        names_field(
            findings,
            &case,
            &answer,
            (400, "invalid-request"),
            (pointer, "duplicate-field"),
        );
    }
    let nested =
        |depth: usize| format!("{{\"lines\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let mut invalid = good.clone().into_bytes();
    let at = good.find("SKU").unwrap();
    invalid[at] = 0xff;
    let unreadable: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("half of it", good.as_bytes()[..good.len() / 2].to_vec()),
        ("something behind it", format!("{good}{good}").into_bytes()),
        ("a comma too many", good.replace("}]", "},]").into_bytes()),
        ("single quotes", good.replace('"', "'").into_bytes()),
        ("a byte that is no UTF-8", invalid),
        (
            "UTF-16",
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("65 levels", nested(64).into_bytes()),
        ("100,000 levels", nested(100_000).into_bytes()),
        (
            "a raw control character",
            good.replace("SKU-0001", "SKU\u{1}0001").into_bytes(),
        ),
    ];
    for (what, body) in unreadable {
        let case = format!("{operation} of {what}");
        findings.problem(
            &case,
            &send(user, operation, body).await,
            400,
            "invalid-request",
        );
    }
    let limit = 2 * 1024 * 1024;
    let large = format!("{good}{}", " ".repeat(limit - good.len() + 1));
    findings.problem(
        &format!("{operation} one byte too large"),
        &send(user, operation, large).await,
        413,
        "payload-too-large",
    );
    for media in [
        "text/plain",
        "application/xml",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
        "",
    ] {
        let request = user
            .request(Method::POST, operation)
            .header("Idempotency-Key", Uuid::now_v7().to_string());
        let answer = answer_of(request.header("Content-Type", media).body(good.clone())).await;
        findings.problem(
            &format!("{operation} as {media:?}"),
            &answer,
            415,
            "unsupported-media-type",
        );
    }
    let packed = posting(user, operation)
        .header("Content-Encoding", "gzip")
        .body(good.clone());
    findings.problem(
        &format!("{operation} packed"),
        &answer_of(packed).await,
        415,
        "unsupported-media-type",
    );
}

/// Lines that can be read and are still none.
async fn wrong_lines(findings: &mut Findings, user: &PortalUser, operation: &str) {
    let line = json!({"item": "SKU-0001", "quantity": {"value": "1"}});
    for lines in [json!([]), json!(vec![line; 5_001])] {
        let mut body = sound(operation);
        let case = format!("{operation} of {} lines", lines.as_array().unwrap().len());
        body["lines"] = lines;
        let answer = send(user, operation, body.to_string()).await;
        names_field(
            findings,
            &case,
            &answer,
            (422, "validation-failed"),
            ("/lines", "out-of-range"),
        );
    }
    let unreadable: Vec<(&str, &str)> = vec![
        ("/lines/0/item", ""),
        ("/lines/0/item", " SKU-0001"),
        ("/lines/0/item", "SKU\n0001"),
        ("/lines/0/item", "12345678901234567890123456789012345678901"),
        ("/lines/0/quantity/unit", ""),
        ("/lines/0/quantity/unit", "each"),
        ("/lines/0/quantity/unit", "ea"),
        ("/lines/0/quantity/unit", "E\u{0}A"),
        ("/lines/0/quantity/value", ""),
        ("/lines/0/quantity/value", "a dozen"),
        ("/lines/0/quantity/value", "1e3"),
        ("/lines/0/quantity/value", "1,5"),
        ("/lines/0/quantity/value", "+1"),
        ("/lines/0/quantity/value", " 1"),
        ("/lines/0/quantity/value", "0x1"),
        ("/lines/0/quantity/value", "NaN"),
        ("/lines/0/quantity/value", "1.0000000001"),
        ("/lines/0/quantity/value", "1234567890123456789"),
        ("/lines/0/requested_delivery_date", "tomorrow"),
        ("/lines/0/requested_delivery_date", "2026-02-30"),
        ("/lines/0/requested_delivery_date", "01/12/2026"),
        ("/ship_to", ""),
        ("/ship_to", "ACME\u{7}01"),
    ];
    for (place, text) in unreadable {
        let mut body = sound(operation);
        put(&mut body, place, json!(text));
        let answer = send(user, operation, body.to_string()).await;
        let case = format!("{operation} with {place} = {text:?}");
        names_field(
            findings,
            &case,
            &answer,
            (400, "invalid-request"),
            (place, "invalid-value"),
        );
    }
    let unsound: Vec<(Value, &str, &str)> = vec![
        (
            json!({"quantity": {"value": "1"}}),
            "/lines/0",
            "exactly-one-identifier",
        ),
        (
            json!({"item": "SKU-0001", "gtin": "00614141000012", "quantity": {"value": "1"}}),
            "/lines/0",
            "exactly-one-identifier",
        ),
        (
            json!({"buyer_part_number": "", "quantity": {"value": "1"}}),
            "/lines/0/buyer_part_number",
            "invalid-value",
        ),
        (
            json!({"gtin": "x".repeat(41), "quantity": {"value": "1"}}),
            "/lines/0/gtin",
            "invalid-value",
        ),
        (
            json!({"item": "SKU-0001", "quantity": {"value": "1"}, "buyer_line": "x".repeat(21)}),
            "/lines/0/buyer_line",
            "invalid-value",
        ),
    ];
    for (line, pointer, code) in unsound {
        let mut body = sound(operation);
        let case = format!("{operation} with the line {line}");
        body["lines"][0] = line;
        let answer = send(user, operation, body.to_string()).await;
        names_field(
            findings,
            &case,
            &answer,
            (422, "validation-failed"),
            (pointer, code),
        );
    }
}

/// Well-formed, and not to be had.
async fn against_the_rules(findings: &mut Findings, user: &PortalUser, operation: &str) {
    let value = "/lines/0/quantity/value";
    let ruled_out: Vec<(&str, Value, &str, &str)> = vec![
        (
            "/lines/0/item",
            json!("SKU-9999"),
            "/lines/0/item",
            "unknown-item",
        ),
        (
            "/lines/1/item",
            json!("sku-0002"),
            "/lines/1/item",
            "unknown-item",
        ),
        (
            "/lines/0/item",
            json!("'; DROP TABLE orders; --"),
            "/lines/0/item",
            "unknown-item",
        ),
        (
            "/lines/0",
            json!({"buyer_part_number": "ACM-0", "quantity": {"value": "1"}}),
            "/lines/0/buyer_part_number",
            "unknown-item",
        ),
        (
            "/lines/0",
            json!({"gtin": "12345670", "quantity": {"value": "1"}}),
            "/lines/0/gtin",
            "unknown-item",
        ),
        (
            "/lines/0/item",
            json!("SKU-0099"),
            "/lines/0/item",
            "not-orderable",
        ),
        (
            "/lines/0/quantity/unit",
            json!("KGM"),
            "/lines/0/quantity/unit",
            "wrong-unit",
        ),
        (
            "/lines/0/quantity/unit",
            json!("XYZ"),
            "/lines/0/quantity/unit",
            "wrong-unit",
        ),
        (value, json!("1.5"), value, "wrong-unit"),
        (value, json!("0"), value, "quantity-out-of-range"),
        (value, json!("0.000"), value, "quantity-out-of-range"),
        (value, json!("-1"), value, "quantity-out-of-range"),
        (value, json!("10000000"), value, "quantity-out-of-range"),
        (
            value,
            json!("999999999999999999"),
            value,
            "quantity-out-of-range",
        ),
        (
            "/lines/0/quantity",
            json!({"value": "9999999", "unit": "XCT"}),
            value,
            "quantity-out-of-range",
        ),
        (
            "/lines/0/requested_delivery_date",
            json!("2020-01-01"),
            "/lines/0/requested_delivery_date",
            "date-out-of-range",
        ),
        (
            "/lines/0/requested_delivery_date",
            json!("9999-12-31"),
            "/lines/0/requested_delivery_date",
            "date-out-of-range",
        ),
        (
            "/ship_to",
            json!("BOREALIS-01"),
            "/ship_to",
            "unknown-ship-to",
        ),
        ("/ship_to", json!("NOWHERE"), "/ship_to", "unknown-ship-to"),
    ];
    for (place, wrong, pointer, code) in ruled_out {
        let case = format!("{operation} with {place} = {wrong}");
        let mut body = sound(operation);
        put(&mut body, place, wrong);
        let answer = send(user, operation, body.to_string()).await;
        refused(findings, &case, operation, &answer, (pointer, code));
    }
    if operation == "/basket-checks" || operation == "/orders" {
        let unusable = [
            ("/quote_id", json!(Uuid::now_v7()), "quote-not-usable"),
            (
                "/reservation_id",
                json!(Uuid::now_v7()),
                "reservation-not-usable",
            ),
            (
                "/requested_delivery_date",
                json!("2020-01-01"),
                "date-out-of-range",
            ),
        ];
        for (place, wrong, code) in unusable {
            let mut body = sound(operation);
            put(&mut body, place, wrong);
            let answer = send(user, operation, body.to_string()).await;
            refused(
                findings,
                &format!("{operation} with {place}"),
                operation,
                &answer,
                (place, code),
            );
        }
        for place in ["/quote_id", "/reservation_id"] {
            let mut body = sound(operation);
            put(&mut body, place, json!("4711"));
            let answer = send(user, operation, body.to_string()).await;
            names_field(
                findings,
                &format!("{operation} with a {place} that is none"),
                &answer,
                (400, "invalid-request"),
                (place, "invalid-value"),
            );
        }
    }
    if operation == "/reservations" {
        for (seconds, code) in [
            (json!(-1), "wrong-type"),
            (json!("900"), "wrong-type"),
            (json!(1.5), "wrong-type"),
        ] {
            let mut body = sound(operation);
            body["seconds"] = seconds.clone();
            let answer = send(user, operation, body.to_string()).await;
            let named = if seconds == json!(-1) {
                "invalid-value"
            } else {
                code
            };
            names_field(
                findings,
                &format!("{operation} for {seconds} seconds"),
                &answer,
                (400, "invalid-request"),
                ("/seconds", named),
            );
        }
        let mut body = sound(operation);
        body["seconds"] = json!(0);
        let answer = send(user, operation, body.to_string()).await;
        names_field(
            findings,
            "a reservation for no time",
            &answer,
            (422, "validation-failed"),
            ("/seconds", "out-of-range"),
        );
        let mut body = sound(operation);
        body["lines"][0]["quantity"]["value"] = json!("9000000");
        let answer = send(user, operation, body.to_string()).await;
        findings.problem("more than there is", &answer, 409, "insufficient-stock");
    }
}

/// What only orders have.
async fn wrong_order_fields(findings: &mut Findings, user: &PortalUser) {
    let long = "P".repeat(51);
    let wrong: Vec<(&str, Value, u16, &str, &str)> = vec![
        (
            "/purchase_order_number",
            json!(""),
            400,
            "invalid-request",
            "invalid-value",
        ),
        (
            "/purchase_order_number",
            json!(" PO-1 "),
            400,
            "invalid-request",
            "invalid-value",
        ),
        (
            "/purchase_order_number",
            json!("PO\u{1b}[31m"),
            400,
            "invalid-request",
            "invalid-value",
        ),
        (
            "/purchase_order_number",
            json!(long),
            400,
            "invalid-request",
            "invalid-value",
        ),
        (
            "/purchase_order_number",
            json!(4711),
            400,
            "invalid-request",
            "wrong-type",
        ),
        (
            "/release_number",
            json!(""),
            422,
            "validation-failed",
            "invalid-value",
        ),
        (
            "/release_number",
            json!("R".repeat(31)),
            422,
            "validation-failed",
            "invalid-value",
        ),
        (
            "/currency",
            json!("usd"),
            400,
            "invalid-request",
            "unknown-value",
        ),
        (
            "/currency",
            json!("DOLLAR"),
            400,
            "invalid-request",
            "unknown-value",
        ),
        (
            "/currency",
            json!("EUR"),
            422,
            "order-rejected",
            "wrong-currency",
        ),
        (
            "/line_policy",
            json!("whatever"),
            400,
            "invalid-request",
            "unknown-value",
        ),
        (
            "/ship_complete",
            json!("yes"),
            400,
            "invalid-request",
            "wrong-type",
        ),
        (
            "/requested_delivery_date",
            json!("soon"),
            400,
            "invalid-request",
            "invalid-value",
        ),
        (
            "/status",
            json!("accepted"),
            400,
            "invalid-request",
            "unknown-field",
        ),
        (
            "/document",
            json!({}),
            400,
            "invalid-request",
            "unknown-field",
        ),
        (
            "/lines/0/expected_unit_price",
            json!("9.10"),
            400,
            "invalid-request",
            "wrong-type",
        ),
    ];
    for (place, value, status, problem, code) in wrong {
        let case = format!("an order with {place} = {value}");
        let mut body = sound("/orders");
        put(&mut body, place, value);
        let answer = send(user, "/orders", body.to_string()).await;
        names_field(findings, &case, &answer, (status, problem), (place, code));
    }
    let mut body = sound("/orders");
    body.as_object_mut()
        .unwrap()
        .remove("purchase_order_number");
    let answer = send(user, "/orders", body.to_string()).await;
    names_field(
        findings,
        "an order without a number",
        &answer,
        (400, "invalid-request"),
        ("/purchase_order_number", "missing-field"),
    );
    let mut body = sound("/orders");
    body["line_policy"] = json!("take_sound_lines");
    body["lines"][0]["item"] = json!("SKU-9998");
    body["lines"][1]["item"] = json!("SKU-9999");
    let answer = send(user, "/orders", body.to_string()).await;
    names_field(
        findings,
        "sound lines of which there are none",
        &answer,
        (422, "order-rejected"),
        ("/lines/0/item", "unknown-item"),
    );
}

#[tokio::test]
async fn nothing_comes_of_bad_headers_and_parameters() {
    let world = generous_world().await;
    let user = world.portal_user("acme-buyer", "ACME").unwrap();
    let before = trace_of(&world, &user, "ACME", ITEMS).await;
    let mut findings = Findings::default();
    bad_keys(&mut findings, &user).await;
    bad_accounts(&mut findings, &world).await;
    bad_parameters(&mut findings, &user).await;
    bad_addresses(&mut findings, &user).await;
    assert_eq!(
        trace_of(&world, &user, "ACME", ITEMS).await,
        before,
        "bad input did something"
    );
    keys_for_another_intent(&mut findings, &user).await;
    bad_changes(&mut findings, &user).await;
    assert_eq!(
        world.estate.sandbox.erp.orders().len(),
        1,
        "bad input became an order"
    );
    findings.none();
    world.stop().await.unwrap();
}

/// Every operation that takes an Idempotency-Key.
async fn bad_keys(findings: &mut Findings, user: &PortalUser) {
    let id = Uuid::now_v7();
    let (release, cancel) = (
        format!("/reservations/{id}/release"),
        format!("/orders/{id}/cancel"),
    );
    for operation in ["/quotes", "/reservations", "/orders", &release, &cancel] {
        let request = || {
            let request = user
                .request(Method::POST, operation)
                .header("If-Match", "\"v1\"");
            if operation.contains(&id.to_string()) {
                request
            } else {
                request.json(&sound(operation))
            }
        };
        findings.problem(
            &format!("{operation} without a key"),
            &answer_of(request()).await,
            400,
            "idempotency-key-missing",
        );
        let long = "k".repeat(256);
        for key in ["", "\"\"", "two words", "tab\there", &long] {
            let answer = answer_of(request().header("Idempotency-Key", key)).await;
            let case = format!("{operation} with the key {key:?}");
            names_field(
                findings,
                &case,
                &answer,
                (400, "invalid-request"),
                ("Idempotency-Key", "invalid-value"),
            );
        }
        let answer = answer_of(request().header("Idempotency-Key", "ké".as_bytes())).await;
        names_field(
            findings,
            &format!("{operation} with a key beyond ASCII"),
            &answer,
            (400, "invalid-request"),
            ("Idempotency-Key", "invalid-value"),
        );
        let answer = answer_of(
            request()
                .header("Idempotency-Key", "one")
                .header("Idempotency-Key", "two"),
        )
        .await;
        findings.problem(
            &format!("{operation} with two keys"),
            &answer,
            400,
            "invalid-request",
        );
    }
}

/// Every operation that acts for one account.
async fn bad_accounts(findings: &mut Findings, world: &World) {
    let token = world
        .estate
        .sandbox
        .issuer
        .forge()
        .token("acme-buyer")
        .unwrap();
    let base = format!("{}/portal/v1", world.estate.experience_url);
    let id = Uuid::now_v7();
    let mut operations: Vec<(Method, String)> = OPERATIONS
        .iter()
        .map(|path| (Method::POST, (*path).to_owned()))
        .collect();
    for path in ["/products", "/products/SKU-0001", "/orders"] {
        operations.push((Method::GET, path.to_owned()));
    }
    for path in [
        format!("/orders/{id}"),
        format!("/orders/{id}/timeline"),
        format!("/quotes/{id}"),
        format!("/reservations/{id}"),
    ] {
        operations.push((Method::GET, path));
    }
    for path in [
        format!("/orders/{id}/cancel"),
        format!("/reservations/{id}/release"),
    ] {
        operations.push((Method::POST, path));
    }
    for (method, path) in operations {
        let request = |accounts: &[&str]| {
            let request = world
                .http
                .request(method.clone(), format!("{base}{path}"))
                .bearer_auth(&token);
            let request = request
                .header("Idempotency-Key", Uuid::now_v7().to_string())
                .header("If-Match", "\"v1\"");
            let request = accounts.iter().fold(request, |request, account| {
                request.header("Orderway-Account", account.as_bytes())
            });
            if OPERATIONS.contains(&path.as_str()) && method == Method::POST {
                request.json(&sound(&path))
            } else {
                request
            }
        };
        let case = |what: &str| format!("{method} {path} {what}");
        let answer = answer_of(request(&[])).await;
        names_field(
            findings,
            &case("for no account"),
            &answer,
            (400, "account-required"),
            ("Orderway-Account", "missing-header"),
        );
        let mut bodies = Vec::new();
        for account in ["BOREALIS", "NOBODY", "acme", "", "ACMÉ", "ACME,BOREALIS"] {
            let answer = answer_of(request(&[account])).await;
            findings.problem(
                &case(&format!("for {account:?}")),
                &answer,
                404,
                "not-found",
            );
            bodies.push(
                answer
                    .text
                    .replace(answer.header("orderway-correlation-id"), ""),
            );
        }
        bodies.dedup();
        findings.check(
            &case("for accounts of others"),
            bodies.len() == 1,
            format!("the answers differ: {bodies:?}"),
        );
        findings.problem(
            &case("for two accounts"),
            &answer_of(request(&["ACME", "ACME-WEST"])).await,
            400,
            "invalid-request",
        );
    }
}

async fn bad_parameters(findings: &mut Findings, user: &PortalUser) {
    for list in ["/products", "/orders"] {
        for limit in ["0", "201", "65535"] {
            let answer = user.get(&format!("{list}?limit={limit}")).await.unwrap();
            names_field(
                findings,
                &format!("{list} limit {limit}"),
                &answer,
                (422, "validation-failed"),
                ("?limit", "out-of-range"),
            );
        }
        for limit in ["-1", "many", "", "99999999999999999999", "1.5"] {
            let answer = user.get(&format!("{list}?limit={limit}")).await.unwrap();
            names_field(
                findings,
                &format!("{list} limit {limit:?}"),
                &answer,
                (400, "invalid-request"),
                ("?limit", "invalid-parameter"),
            );
        }
        let long = "A".repeat(2_000);
        for cursor in ["garbage!", "e30", "bnVsbA", "LTE", &long, "%00"] {
            let answer = user.get(&format!("{list}?cursor={cursor}")).await.unwrap();
            let case = format!("{list} cursor {}", &cursor[..cursor.len().min(12)]);
            names_field(
                findings,
                &case,
                &answer,
                (400, "invalid-request"),
                ("?cursor", "invalid-cursor"),
            );
        }
        let answer = user.get(&format!("{list}?account=BOREALIS")).await.unwrap();
        names_field(
            findings,
            &format!("{list} of an account"),
            &answer,
            (400, "invalid-request"),
            ("?account", "invalid-parameter"),
        );
        let answer = user.get(&format!("{list}?limit=5&limit=6")).await.unwrap();
        names_field(
            findings,
            &format!("{list} with two limits"),
            &answer,
            (400, "invalid-request"),
            ("?limit", "invalid-parameter"),
        );
    }
    for status in ["open", "ACCEPTED", "", "accepted,held"] {
        let answer = user.get(&format!("/orders?status={status}")).await.unwrap();
        names_field(
            findings,
            &format!("orders in status {status:?}"),
            &answer,
            (400, "invalid-request"),
            ("?status", "invalid-parameter"),
        );
    }
    for number in ["", "%20", "PO%0A1", &"P".repeat(51)] {
        let answer = user
            .get(&format!("/orders?purchase_order_number={number}"))
            .await
            .unwrap();
        let case = format!("orders of the number {number:?}");
        names_field(
            findings,
            &case,
            &answer,
            (400, "invalid-request"),
            ("?purchase_order_number", "invalid-parameter"),
        );
    }
    for search in [&"x".repeat(201), "a%00b", "%1b%5B31m"] {
        let answer = user
            .get(&format!("/products?search={search}"))
            .await
            .unwrap();
        let case = format!("products by {}", &search[..search.len().min(12)]);
        names_field(
            findings,
            &case,
            &answer,
            (422, "validation-failed"),
            ("?search", "out-of-range"),
        );
    }
    let answer = user.get("/products?search=%FF").await.unwrap();
    findings.check(
        "products by bytes that are no UTF-8",
        answer.status.as_u16() < 500,
        format!("{} {}", answer.status, answer.text),
    );
}

async fn bad_addresses(findings: &mut Findings, user: &PortalUser) {
    for path in [
        "/orders/4711",
        "/orders/PO-4711",
        "/orders/%00",
        "/orders/..%2F..%2Fv1%2Forders",
        "/orders/00000000-0000-0000-0000-000000000000/timeline",
        "/quotes/nil",
        "/reservations/%FF",
        "/products/%0A",
        "/products/SKU-9999",
        "/products/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "/accounts/%1b",
        "/accounts/acme/credit",
        "/accounts/BOREALIS",
        "/holds",
        "/decisions/0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e",
        "/orders/",
    ] {
        findings.problem(path, &user.get(path).await.unwrap(), 404, "not-found");
    }
    let far = user
        .get(&format!("/products?search={}", "x".repeat(9_000)))
        .await
        .unwrap();
    findings.problem("an address of 9,000 characters", &far, 414, "uri-too-long");
    for (method, path) in [
        (Method::DELETE, "/orders"),
        (Method::PUT, "/quotes"),
        (Method::PATCH, "/products"),
        (Method::GET, "/basket-checks"),
    ] {
        let answer = answer_of(user.request(method.clone(), path)).await;
        findings.problem(
            &format!("{method} {path}"),
            &answer,
            405,
            "method-not-allowed",
        );
        findings.check(
            path,
            !answer.header("allow").is_empty(),
            "Allow does not say what is offered",
        );
    }
}

/// A key that was used for something else.
async fn keys_for_another_intent(findings: &mut Findings, user: &PortalUser) {
    for (operation, status) in [("/quotes", 201), ("/reservations", 201), ("/orders", 202)] {
        let body = sound(operation);
        let first = user.post(operation, "the-same-key", &body).await.unwrap();
        findings.check(
            operation,
            first.status == status,
            format!("{} {}", first.status, first.text),
        );
        let again = user.post(operation, "the-same-key", &body).await.unwrap();
        findings.check(
            operation,
            again.header("idempotency-replayed") == "true" && again.text == first.text,
            format!("not the first answer: {}", again.text),
        );
        let mut other = body.clone();
        other["lines"][0]["quantity"]["value"] = json!("3");
        let reused = user.post(operation, "the-same-key", &other).await.unwrap();
        findings.problem(
            &format!("{operation} under a used key"),
            &reused,
            422,
            "idempotency-key-reused",
        );
    }
    let listed = user.get("/orders").await.unwrap();
    findings.check(
        "the orders",
        listed.json()["items"]
            .as_array()
            .is_some_and(|items| items.len() == 1),
        listed.text,
    );
    let mut other = sound("/orders");
    other["lines"][0]["quantity"]["value"] = json!("3");
    let doubled = user.post("/orders", "another-key", &other).await.unwrap();
    findings.problem(
        "the number with other content",
        &doubled,
        409,
        "duplicate-purchase-order",
    );
    findings.check(
        "the number with other content",
        !doubled.at("/order_id").is_empty(),
        "the first order is not named",
    );
}

/// Changes of an order that is there, without knowing how it stands.
async fn bad_changes(findings: &mut Findings, user: &PortalUser) {
    let list = user.get("/orders").await.unwrap();
    let order = list.at("/items/0/order_id");
    let cancel = || {
        user.request(Method::POST, &format!("/orders/{order}/cancel"))
            .header("Idempotency-Key", Uuid::now_v7().to_string())
    };
    findings.problem(
        "a cancellation without If-Match",
        &answer_of(cancel()).await,
        428,
        "precondition-required",
    );
    for tag in [
        "\"v0\"", "\"v99\"", "v1", "W/\"v1\"", "", "\"\"", "\"vx\"", "garbage",
    ] {
        let answer = answer_of(cancel().header("If-Match", tag)).await;
        findings.problem(
            &format!("a cancellation of the version {tag:?}"),
            &answer,
            412,
            "precondition-failed",
        );
    }
    let still = user.get(&format!("/orders/{order}")).await.unwrap();
    findings.check(
        "the order",
        still.at("/status") != "cancelled",
        "a bad cancellation cancelled it",
    );
}

/// At the limits, and not beyond.
#[tokio::test]
async fn what_is_just_within_the_limits_is_taken() {
    let world = generous_world().await;
    let user = world.portal_user("acme-buyer", "ACME").unwrap();
    let good = sound("/basket-checks").to_string();
    let full = format!("{good}{}", " ".repeat(2 * 1024 * 1024 - good.len()));
    assert_eq!(
        send(&user, "/basket-checks", full).await.status,
        200,
        "2 MiB"
    );
    let line = json!({"item": "SKU-0001", "quantity": {"value": "1"}});
    let most = json!({"lines": vec![line; 5_000]});
    let answer = send(&user, "/basket-checks", most.to_string()).await;
    assert_eq!(
        answer.status,
        200,
        "5,000 lines: {}",
        shortened(&answer.text)
    );
    let words = user
        .get(&format!("/products?search={}", "w".repeat(200)))
        .await
        .unwrap();
    assert_eq!(
        words.status, 200,
        "200 characters to search for: {}",
        words.text
    );
    let key = "k".repeat(255);
    let quoted = user.post("/quotes", &key, &sound("/quotes")).await.unwrap();
    assert_eq!(
        quoted.status, 201,
        "a key of 255 characters: {}",
        quoted.text
    );
    for limit in [1, 200] {
        let page = user.get(&format!("/products?limit={limit}")).await.unwrap();
        assert_eq!(
            page.status,
            200,
            "a page of {limit}: {}",
            shortened(&page.text)
        );
    }
    world.stop().await.unwrap();
}
