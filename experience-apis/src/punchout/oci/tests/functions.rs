//! VALIDATE and `BACKGROUND_SEARCH`.

use http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};

use super::world::{World, call, problem, product, quote};

fn validate<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("FUNCTION", "VALIDATE"),
        ("PRODUCTID", "SKU-0001"),
        ("QUANTITY", "10"),
    ];
    fields.extend_from_slice(more);
    call(&fields)
}

#[tokio::test]
async fn an_item_is_validated_at_todays_price_with_a_lock_of_its_own() {
    let world = World::new().await;
    world.answers("POST /v1/quotes", 201, quote("10"));
    let answer = world.get(&validate(&[("returntarget", "_parent")])).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let page = answer.page();
    let form = &page.forms[0];
    assert_eq!(
        form.action, "https://procure.example.com/punchout/in",
        "without its query"
    );
    assert_eq!(
        (form.method.as_str(), form.target.as_str()),
        ("post", "_parent")
    );
    assert_eq!(form.charset, "ISO-8859-1");
    let told: Vec<String> = form
        .fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        told,
        [
            "sap-client=100",
            "sessid=ABC==",
            "~OkCode=ADDI",
            "~TARGET=_parent",
            "~CALLER=CTLG",
            "NEW_ITEM-DESCRIPTION[1]=Nitrile gloves <M>, \"blue\" & powder free",
            "NEW_ITEM-MATNR[1]=ACM-9001",
            "NEW_ITEM-QUANTITY[1]=10",
            "NEW_ITEM-UNIT[1]=EA",
            "NEW_ITEM-PRICE[1]=9.99",
            "NEW_ITEM-CURRENCY[1]=USD",
            "NEW_ITEM-PRICEUNIT[1]=1",
            "NEW_ITEM-LEADTIME[1]=4",
            "NEW_ITEM-VENDORMAT[1]=SKU-0001",
            "NEW_ITEM-EXT_QUOTE_ID[1]=0199e0a46c1f7d3a9a550c6f4f1d2b7e",
            "NEW_ITEM-EXT_QUOTE_ITEM[1]=1",
            "NEW_ITEM-EXT_PRODUCT_ID[1]=SKU-0001",
            "NEW_ITEM-EXT_SCHEMA_TYPE[1]=UNSPSC",
            "NEW_ITEM-EXT_CATEGORY_ID[1]=46181504",
            "NEW_ITEM-LONGTEXT_1:132[]=Nitrile gloves <M>, \"blue\" & powder free, 30 pairs",
        ]
    );
    let policy = answer.header("content-security-policy");
    assert!(
        policy.contains("form-action https://procure.example.com;"),
        "{policy}"
    );
    assert!(
        policy.contains("frame-ancestors https://procure.example.com http://localhost:7009"),
        "{policy}"
    );
    assert!(
        policy.contains("script-src 'sha256-") && policy.contains("default-src 'none'"),
        "{policy}"
    );
    let asked = world.seen("POST /v1/quotes");
    assert_eq!(asked[0].body["seconds"], 30 * 24 * 60 * 60);
    assert_eq!(asked[0].body["ship_to"], "ACME-01");
    assert_eq!(
        world.seen("POST /v1/sessions").len(),
        0,
        "no visit is opened"
    );
    world.get(&validate(&[])).await;
    let asked = world.seen("POST /v1/quotes");
    assert_ne!(asked[0].key, asked[1].key, "each lock is a fresh one");
}

#[tokio::test]
async fn an_item_that_cannot_be_had_is_not_posted() {
    let world = World::new().await;
    let mut refused = problem(422, "basket-rejected", "Correct what is named in `errors`.");
    refused["errors"] = json!([{"pointer": "/lines/0/quantity", "code": "wrong-unit", "detail": "Sold by the dozen only."}]);
    refused["detail"] = json!("Correct what `errors` names and send it again with a new key.");
    world.answers("POST /v1/quotes", 422, refused);
    let answer = world.get(&validate(&[])).await;
    assert!(!answer.text().contains("key"), "{}", answer.text());
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.page().forms.is_empty());
    assert!(
        answer.text().contains("Sold by the dozen only."),
        "{}",
        answer.text()
    );
}

#[rstest]
#[case("/lines/0/quantity", "QUANTITY")]
#[case("/lines/0/quantity/value", "QUANTITY")]
#[case("/lines/0/identifiers", "PRODUCTID")]
#[case("/account", "")]
#[tokio::test]
async fn a_program_is_told_which_field_of_oci_is_wrong(#[case] pointer: &str, #[case] field: &str) {
    let world = World::new().await;
    let mut refused = problem(422, "basket-rejected", "Send it again with a new key.");
    refused["errors"] =
        json!([{"pointer": pointer, "code": "wrong-unit", "detail": "Whole pieces only."}]);
    world.answers("POST /v1/quotes", 422, refused);
    let answer = world.ask(&validate(&[])).await;
    let told = answer.json();
    assert_eq!(told["code"], "basket-rejected");
    assert_eq!(told["errors"][0]["pointer"], field, "{told}");
    assert!(
        !told.to_string().contains("key") && !told.to_string().contains("/lines"),
        "{told}"
    );
}

#[tokio::test]
async fn an_answer_that_did_not_come_in_time_speaks_of_no_key() {
    let world = World::new().await;
    world.answers("POST /v1/quotes", 504, problem(504, "timeout", "Too late."));
    let answer = world.ask(&validate(&[])).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(!answer.text().contains("Key"), "{}", answer.text());
    assert!(answer.text().contains("Send the same again"));
}

#[tokio::test]
async fn a_program_is_not_asked_to_log_in_where_no_login_helps() {
    let world = World::new().await;
    let answer = world
        .ask(&call(&[("HOOK_URL", "https://evil.example/")]))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.header("www-authenticate"), "");
}

#[tokio::test]
async fn a_product_that_is_gone_is_not_found() {
    let world = World::new().await;
    let answer = world.get(&validate(&[("PRODUCTID", "SKU-404")])).await;
    // The first PRODUCTID is another: two values are none.
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let fields = call(&[
        ("FUNCTION", "VALIDATE"),
        ("PRODUCTID", "SKU-404"),
        ("QUANTITY", "1"),
    ]);
    let answer = world.get(&fields).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text().contains("PRODUCTID"), "{}", answer.text());
}

fn found(items: &[Value]) -> Value {
    json!({"items": items})
}

fn price(item: &str, from: &str, amount: &str) -> Value {
    json!({"item": item, "as_of": super::world::NOW, "breaks": [
        {"from_quantity": from, "unit_price": {"amount": amount, "currency": "USD", "unit": "EA"}, "level": "list"},
        {"from_quantity": "100", "unit_price": {"amount": "1", "currency": "USD", "unit": "EA"}, "level": "list"}]})
}

fn search<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("FUNCTION", "BACKGROUND_SEARCH")];
    fields.extend_from_slice(more);
    call(&fields)
}

#[tokio::test]
async fn a_search_posts_what_can_be_ordered_and_has_a_price() {
    let world = World::new().await;
    let mut gone = product("SKU-0003");
    gone["orderable"] = json!(false);
    world.answers(
        "GET /v1/products",
        200,
        found(&[
            product("SKU-0001"),
            product("SKU-0002"),
            gone,
            product("SKU-0004"),
        ]),
    );
    let prices = [
        price("SKU-0004", "5", "0.0125"),
        price("SKU-0001", "0", "9.99"),
    ];
    world.answers("POST /v1/prices/query", 200, json!({"prices": prices}));
    let answer = world
        .get(&search(&[("SEARCHSTRING", "gl\u{f6}ves &c")]))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let numbers = |name: &str| answer.field(name);
    assert_eq!(
        numbers("NEW_ITEM-VENDORMAT[1]").as_deref(),
        Some("SKU-0001")
    );
    assert_eq!(numbers("NEW_ITEM-QUANTITY[1]").as_deref(), Some("1"));
    assert_eq!(
        numbers("NEW_ITEM-VENDORMAT[2]").as_deref(),
        Some("SKU-0004")
    );
    assert_eq!(numbers("NEW_ITEM-QUANTITY[2]").as_deref(), Some("5"));
    assert_eq!(numbers("NEW_ITEM-PRICE[2]").as_deref(), Some("0.125"));
    assert_eq!(numbers("NEW_ITEM-PRICEUNIT[2]").as_deref(), Some("10"));
    assert_eq!(numbers("NEW_ITEM-VENDORMAT[3]"), None);
    assert_eq!(
        numbers("NEW_ITEM-EXT_QUOTE_ID[1]"),
        None,
        "a search locks nothing"
    );
    let asked = &world.seen("GET /v1/products")[0].query;
    assert!(
        asked.contains("search=gl%C3%B6ves%20%26c") && asked.contains("limit=100"),
        "{asked}"
    );
    assert_eq!(
        world.seen("POST /v1/sessions").len(),
        0,
        "no visit is opened"
    );
}

#[tokio::test]
async fn a_search_that_finds_nothing_posts_no_items() {
    let world = World::new().await;
    world.answers("GET /v1/products", 200, found(&[]));
    let answer = world.get(&search(&[("SEARCHSTRING", "unobtainium")])).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("sessid").as_deref(), Some("ABC=="));
    assert!(!answer.text().contains("NEW_ITEM"));
    assert!(world.seen("POST /v1/prices/query").is_empty());
}

#[tokio::test]
async fn a_page_is_written_in_the_charset_it_names() {
    let world = World::new().await;
    let mut gloves = product("SKU-0001");
    gloves["description"] = json!("Größe – M");
    world.answers("GET /v1/products", 200, found(&[gloves]));
    let prices = json!({"prices": [price("SKU-0001", "1", "9.99")]});
    world.answers("POST /v1/prices/query", 200, prices);
    let answer = world.get(&search(&[("SEARCHSTRING", "x")])).await;
    assert_eq!(
        answer.header("content-type"),
        "text/html; charset=ISO-8859-1"
    );
    assert!(
        answer
            .body
            .windows(7)
            .any(|seven| seven == b"Gr\xF6\xDFe &"),
        "{}",
        answer.text()
    );
    let utf8 = [("SEARCHSTRING", "x"), ("http_content_charset", "UTF-8")];
    let answer = world.get(&search(&utf8)).await;
    assert_eq!(answer.header("content-type"), "text/html; charset=UTF-8");
    assert_eq!(
        answer.field("NEW_ITEM-DESCRIPTION[1]").as_deref(),
        Some("Größe – M")
    );
}
