//! The call, as browsers and others make it.

use axum::body::Body;
use http::{Request, StatusCode, header};
use rstest::rstest;
use serde_json::json;

use super::world::{HOOK, PASSWORD, World, basic, browser, call, problem};

/// As the profile names it.
const SELLER: &str = "Northwind Industrial";
/// 101 characters.
const LONG: &str = concat!(
    "01234567890123456789012345678901234567890123456789",
    "012345678901234567890123456789012345678901234567890"
);

#[tokio::test]
async fn a_call_opens_a_visit_and_sends_the_browser_to_its_link() {
    let world = World::new().await;
    let fields = call(&[
        ("~okcode", "ADDI"),
        ("~TARGET", "punch"),
        ("~caller", "CTLG"),
        ("OCI_VERSION", "4.0"),
        ("http_content_charset", "utf-8"),
    ]);
    let answer = world.get(&fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let link = answer.header("location");
    assert!(
        link.starts_with("https://orders.example.com/punchout/shop/acme-punchout/start/"),
        "{link}"
    );
    assert!(
        !link.contains(['?', '=']),
        "nothing of the call is in it: {link}"
    );
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(answer.header("cache-control").contains("no-store"));
    let opened = &world.seen("POST /v1/sessions")[0].body;
    let visit = &opened["content"];
    assert_eq!(opened["partner"], "acme-punchout");
    assert_eq!(visit["return_url"], HOOK);
    assert_eq!(
        visit["protocol"]["oci"],
        json!({"hook_fields": [["~OkCode", "ADDI"]], "target": "punch", "caller": "CTLG", "charset": "UTF-8", "version": "4.0"})
    );
    assert!(!opened.to_string().contains(PASSWORD), "{opened}");
}

#[tokio::test]
async fn a_call_may_be_a_form_with_its_login_by_basic_or_in_fields() {
    let world = World::new().await;
    let path = "/punchout/oci/acme-punchout";
    let in_body = format!(
        "hook_url={}&username=acme&password={PASSWORD}",
        "https%3A%2F%2Fprocure.example.com%2Fpunchout%2F"
    );
    let answer = world.post(path, &in_body).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let request = browser(
        "GET",
        &format!("{path}?HOOK_URL=https://procure.example.com/punchout/"),
    )
    .header(header::AUTHORIZATION, basic("acme", PASSWORD));
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(world.seen("POST /v1/sessions").len(), 2);
}

#[rstest]
#[case("acme", "wrong", "acme-punchout")]
#[case("nobody", PASSWORD, "acme-punchout")]
#[case("", PASSWORD, "acme-punchout")]
#[case("acme", PASSWORD, "other-partner")]
#[case("acme", PASSWORD, "ACME-PUNCHOUT")]
#[tokio::test]
async fn unknown_and_wrong_are_one_answer(
    #[case] user: &str,
    #[case] password: &str,
    #[case] partner: &str,
) {
    let world = World::new().await;
    // What was right once for a partner is not right for another.
    world.get(&call(&[])).await;
    let query = format!("?HOOK_URL=https://evil.example/&USERNAME={user}&PASSWORD={password}");
    let request = browser("GET", &format!("/punchout/oci/{partner}{query}"));
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("content-type"), "text/html; charset=UTF-8");
    assert!(
        !answer.header("www-authenticate").starts_with("Basic"),
        "no prompt"
    );
    let page = answer.text();
    assert!(
        page.contains("The partner, the user or the password is not known"),
        "{page}"
    );
    let (_, shown) = page.split_once("</style>").unwrap();
    for said in [password, "evil.example", "other-partner", SELLER] {
        assert!(!shown.contains(said), "{page}");
    }
    assert_eq!(world.seen("POST /v1/sessions").len(), 1);
}

#[tokio::test]
async fn a_program_is_told_a_problem() {
    let world = World::new().await;
    let request = Request::get("/punchout/oci/acme-punchout")
        .header(header::HOST, "orders.example.com")
        .body(Body::empty())
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["code"], "unauthenticated");
    assert!(answer.header("www-authenticate").starts_with("Basic "));
}

#[rstest]
#[case(&[("HOOK_URL", "")], 400, "HOOK_URL is missing")]
#[case(&[("http_content_charset", "UTF-16")], 400, "http_content_charset")]
#[case(&[("~TARGET", "a\"b")], 400, "~TARGET")]
#[case(&[("~OkCode", LONG)], 400, "~OkCode")]
#[case(&[("FUNCTION", "SOURCING")], 400, "SOURCING is not offered")]
#[case(&[("FUNCTION", "DROP TABLE")], 400, "not offered")]
#[case(&[("FUNCTION", "DETAIL")], 400, "PRODUCTID is missing")]
#[case(&[("FUNCTION", "VALIDATE"), ("PRODUCTID", "SKU-0001")], 400, "QUANTITY is missing")]
#[case(&[("FUNCTION", "VALIDATE"), ("PRODUCTID", "SKU-0001"), ("QUANTITY", "1,000")], 400, "could be two numbers")]
#[case(&[("FUNCTION", "VALIDATE"), ("PRODUCTID", "SKU-0001"), ("QUANTITY", "-1")], 400, "more than zero")]
#[case(&[("FUNCTION", "BACKGROUND_SEARCH")], 400, "SEARCHSTRING is missing")]
#[case(&[("FUNCTION", "DETAIL"), ("PRODUCTID", "SKU-404")], 404, "PRODUCTID names no product")]
#[case(&[("HOOK_URL", "https://procure.example.com/punchout/?NEW_ITEM-PRICE[1]=0")], 400, "NEW_ITEM")]
#[tokio::test]
async fn what_is_wrong_is_said_on_a_page(
    #[case] fields: &[(&str, &str)],
    #[case] status: u16,
    #[case] said: &str,
) {
    let world = World::new().await;
    let answer = world.get(&call(fields)).await;
    assert_eq!(answer.status.as_u16(), status);
    let page = answer.text();
    assert!(page.contains(said), "{page}");
    assert!(
        !page.contains(PASSWORD) && !page.contains("DROP TABLE"),
        "{page}"
    );
    assert!(page.contains(SELLER), "{page}");
    let number = answer.header("orderway-correlation-id");
    assert!(!number.is_empty(), "no number is given");
    assert!(
        page.contains(&format!("Number for your contact: {number}")),
        "{page}"
    );
    let policy = answer.header("content-security-policy");
    assert!(
        page.contains("<style>") && policy.contains("style-src 'sha256-"),
        "{policy}"
    );
    assert_eq!(world.seen("POST /v1/sessions").len(), 0);
}

#[tokio::test]
async fn a_field_that_says_two_things_is_refused() {
    let world = World::new().await;
    let path = format!(
        "/punchout/oci/acme-punchout?HOOK_URL=https://procure.example.com/punchout/a&USERNAME=acme&PASSWORD={PASSWORD}"
    );
    let answer = world
        .post(
            &path,
            "hook_url=https%3A%2F%2Fprocure.example.com%2Fpunchout%2Fb",
        )
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.text().contains("HOOK_URL came twice"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_body_that_is_no_form_is_told_to_those_who_may_come_in() {
    let world = World::new().await;
    let send = |authorization: String| {
        browser("POST", "/punchout/oci/acme-punchout")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, authorization)
            .body(Body::from("{}"))
            .unwrap()
    };
    let answer = world.send(send(basic("acme", PASSWORD))).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let answer = world.send(send(basic("acme", "wrong"))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_product_in_view_is_one_that_there_is() {
    let world = World::new().await;
    for function in ["DETAIL", "detailadd"] {
        let answer = world
            .get(&call(&[("FUNCTION", function), ("PRODUCTID", "SKU-0001")]))
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    }
    let opened = world.seen("POST /v1/sessions");
    assert_eq!(opened.len(), 2);
    assert_eq!(opened[1].body["content"]["selected"], "SKU-0001");
}

#[tokio::test]
async fn a_partner_without_oci_is_as_unknown_as_any() {
    let world = World::agreed(|profile| {
        let (before, _) = profile.split_once("\n[oci]\n").unwrap();
        before.to_owned()
    })
    .await;
    assert_eq!(world.get(&call(&[])).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_failure_below_is_a_page_that_says_try_again() {
    let world = World::new().await;
    world.answers(
        "POST /v1/sessions",
        503,
        problem(503, "store-unavailable", "SQLITE_BUSY at /var/db"),
    );
    let answer = world.get(&call(&[])).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().contains("try again"), "{}", answer.text());
    assert!(!answer.text().contains("SQLITE"), "{}", answer.text());
    assert_ne!(answer.header("retry-after"), "");
}
