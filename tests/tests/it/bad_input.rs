//! What a storefront can get wrong, in every operation that reads something: each answered by a problem that says what
//! to do, and nothing ordered, claimed or caused.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::{Answer, PortalUser, World};
use uuid::Uuid;

use crate::findings::{Findings, answer_of, generous_world, shortened, trace_of};

pub(crate) const ITEMS: &[&str] = &["SKU-0001", "SKU-0002", "SKU-0003"];
/// The operations with a body.
pub(crate) const OPERATIONS: [&str; 4] = ["/basket-checks", "/quotes", "/reservations", "/orders"];

/// A body that every operation would take.
pub(crate) fn sound(operation: &str) -> Value {
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

pub(crate) async fn send(
    user: &PortalUser,
    operation: &str,
    body: impl Into<reqwest::Body>,
) -> Answer {
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
pub(crate) fn names_field(
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

/// place | what stands there | the place that is named | its code
const SHAPES: &str = r#"
/price | "1.00" | /price | unknown-field
/account | "BOREALIS" | /account | unknown-field
/lines/0/price | "0.01" | /lines/0/price | unknown-field
/lines/1/identifiers | [] | /lines/1/identifiers | unknown-field
/lines/0/quantity/uom | "EA" | /lines/0/quantity/uom | unknown-field
/lines | "SKU-0001" | /lines | wrong-type
/lines | null | /lines | wrong-type
/lines | {} | /lines | wrong-type
/lines/0 | "SKU-0001" | /lines/0 | wrong-type
/lines/0 | ["SKU-0001",null,null,{"value":"1"},null,null,null] | /lines/0 | wrong-type
/lines/0/item | 1 | /lines/0/item | wrong-type
/lines/0/quantity | "2" | /lines/0/quantity | wrong-type
/lines/0/quantity | ["2","EA"] | /lines/0/quantity | wrong-type
/lines/0/quantity/value | 2 | /lines/0/quantity/value | wrong-type
/lines/0/quantity/value | 2.5 | /lines/0/quantity/value | wrong-type
/lines/0/quantity/value | null | /lines/0/quantity/value | wrong-type
/lines/0/quantity/unit | ["EA"] | /lines/0/quantity/unit | wrong-type
/lines/1/requested_delivery_date | 20261201 | /lines/1/requested_delivery_date | wrong-type
/ship_to | {"id": "ACME-01"} | /ship_to | wrong-type
/lines/0/quantity | {"unit": "EA"} | /lines/0/quantity/value | missing-field
/lines/0 | {"item": "SKU-0001"} | /lines/0/quantity | missing-field"#;

/// place | a text that cannot be read there
const UNREADABLE: &str = r#"
/lines/0/item | ""
/lines/0/item | " SKU-0001"
/lines/0/item | "SKU\n0001"
/lines/0/item | "12345678901234567890123456789012345678901"
/lines/0/quantity/unit | ""
/lines/0/quantity/unit | "each"
/lines/0/quantity/unit | "ea"
/lines/0/quantity/unit | "E\u0000A"
/lines/0/quantity/value | ""
/lines/0/quantity/value | "a dozen"
/lines/0/quantity/value | "1e3"
/lines/0/quantity/value | "1,5"
/lines/0/quantity/value | "+1"
/lines/0/quantity/value | " 1"
/lines/0/quantity/value | "0x1"
/lines/0/quantity/value | "NaN"
/lines/0/quantity/value | "1.0000000001"
/lines/0/quantity/value | "1234567890123456789"
/lines/0/requested_delivery_date | "tomorrow"
/lines/0/requested_delivery_date | "2026-02-30"
/lines/0/requested_delivery_date | "01/12/2026"
/ship_to | ""
/ship_to | "ACME\u000701""#;

/// place | what stands there | the place that is named | its code
const RULED_OUT: &str = r#"
/lines/0/item | "SKU-9999" | /lines/0/item | unknown-item
/lines/1/item | "sku-0002" | /lines/1/item | unknown-item
/lines/0/item | "'; DROP TABLE orders; --" | /lines/0/item | unknown-item
/lines/0 | {"buyer_part_number": "ACM-0", "quantity": {"value": "1"}} | /lines/0/buyer_part_number | unknown-item
/lines/0 | {"gtin": "12345670", "quantity": {"value": "1"}} | /lines/0/gtin | unknown-item
/lines/0/item | "SKU-0099" | /lines/0/item | not-orderable
/lines/0/quantity/unit | "KGM" | /lines/0/quantity/unit | wrong-unit
/lines/0/quantity/unit | "XYZ" | /lines/0/quantity/unit | wrong-unit
/lines/0/quantity/value | "1.5" | /lines/0/quantity/value | wrong-unit
/lines/0/quantity/value | "0" | /lines/0/quantity/value | quantity-out-of-range
/lines/0/quantity/value | "0.000" | /lines/0/quantity/value | quantity-out-of-range
/lines/0/quantity/value | "-1" | /lines/0/quantity/value | quantity-out-of-range
/lines/0/quantity/value | "10000000" | /lines/0/quantity/value | quantity-out-of-range
/lines/0/quantity/value | "999999999999999999" | /lines/0/quantity/value | quantity-out-of-range
/lines/0/quantity | {"value": "9999999", "unit": "XCT"} | /lines/0/quantity/value | quantity-out-of-range
/lines/0/requested_delivery_date | "2020-01-01" | /lines/0/requested_delivery_date | date-out-of-range
/lines/0/requested_delivery_date | "9999-12-31" | /lines/0/requested_delivery_date | date-out-of-range
/ship_to | "BOREALIS-01" | /ship_to | unknown-ship-to
/ship_to | "NOWHERE" | /ship_to | unknown-ship-to"#;

/// The rows of a table, and what stands in the second column.
fn table(text: &str) -> impl Iterator<Item = (&str, Value, &str, &str)> {
    text.trim().lines().map(|line| {
        let mut cells = line.split(" | ");
        let mut cell = || cells.next().unwrap_or_default();
        let (place, value) = (cell(), serde_json::from_str(cell()).unwrap());
        (place, value, cell(), cell())
    })
}

/// Fields that are not known, not there, or of another type.
async fn wrong_shapes(findings: &mut Findings, user: &PortalUser, operation: &str) {
    for (place, value, pointer, code) in table(SHAPES) {
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
#[expect(clippy::too_many_lines, reason = "one case after another")]
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
    for (place, text, ..) in table(UNREADABLE) {
        let mut body = sound(operation);
        put(&mut body, place, text.clone());
        let answer = send(user, operation, body.to_string()).await;
        let case = format!("{operation} with {place} = {text}");
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
    for (place, wrong, pointer, code) in table(RULED_OUT) {
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
        wrong_reservations(findings, user).await;
    }
}

/// What only reservations have.
async fn wrong_reservations(findings: &mut Findings, user: &PortalUser) {
    let operation = "/reservations";

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

/// What only orders have.
#[expect(clippy::too_many_lines, reason = "one case after another")]
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
            "invalid-value",
        ),
        (
            "/currency",
            json!("DOLLAR"),
            400,
            "invalid-request",
            "invalid-value",
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
