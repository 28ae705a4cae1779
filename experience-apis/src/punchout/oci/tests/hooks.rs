//! Addresses to which no cart may go, and texts that must not become part of a page.

use http::StatusCode;
use rstest::rstest;

use super::world::{World, call};

#[rstest]
#[case("https://evil.example/punchout/")]
#[case("http://procure.example.com/punchout/")]
#[case("https://procure.example.com.evil.example/punchout/")]
#[case("https://procure.example.com.evil/punchout/")]
#[case("https://procure.example.com@evil.example/punchout/")]
#[case("https://user:pass@procure.example.com/punchout/")]
#[case("https://user@procure.example.com/punchout/")]
#[case("//procure.example.com/punchout/")]
#[case("/punchout/in")]
#[case("procure.example.com/punchout/")]
#[case("https:procure.example.com")]
#[case("https:///evil.example/punchout/")]
#[case("https://evil.example\\@procure.example.com/punchout/")]
#[case("https:\\\\procure.example.com\\punchout\\")]
#[case("https://procure.example.com\\.evil.example/punchout/")]
#[case("javascript:alert(1)//https://procure.example.com/punchout/")]
#[case("JaVaScRiPt:alert(1)")]
#[case("java\tscript:alert(1)")]
#[case("data:text/html,<script>alert(1)</script>")]
#[case("vbscript:msgbox(1)")]
#[case("file:///etc/passwd")]
#[case("blob:https://procure.example.com/punchout/")]
#[case("https://procure.example.com./punchout/")]
#[case("https://procure.example.com:8443/punchout/")]
#[case("https://procure.example.com:0443@evil.example/punchout/")]
#[case("https://procure.example.com:99999/punchout/")]
#[case("https://procure.example.com/punchout")]
#[case("https://procure.example.com/punchoutevil/")]
#[case("https://procure.example.com/other/")]
#[case("https://procure.example.com/punchout/../admin")]
#[case("https://procure.example.com/punchout/%2e%2e/admin")]
#[case("https://procure.example.com/punchout/..%2f..;/../../admin")]
#[case("https://procure.example.com/punchout/#top")]
#[case("https://proc\u{440}re.example.com/punchout/")]
#[case("https://procure\u{3002}example.com\u{3002}evil.example/punchout/")]
#[case("https://evil.example/https://procure.example.com/punchout/")]
#[case("https://procure.example.com/punchout/\r\nSet-Cookie: a=b")]
#[case("https://procure.example.com /punchout/")]
#[case("https://[::1]/punchout/")]
#[case("https://localhost:7009/punchout/")]
#[tokio::test]
async fn a_cart_goes_nowhere_else(#[case] hook: &str) {
    let world = World::new().await;
    let answer = world.get(&call(&[("HOOK_URL", hook)])).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{hook}");
    assert_eq!(answer.header("www-authenticate"), "", "no login helps");
    let page = answer.page();
    assert!(page.forms.is_empty(), "{hook}");
    assert!(!answer.text().contains("evil"), "{hook}");
    assert_eq!(world.seen("POST /v1/sessions").len(), 0, "{hook}");
}

#[rstest]
#[case("https://procure.example.com/punchout/")]
#[case("https://PROCURE.example.com:443/punchout/sap(bD1lbg==)/in?x=y")]
#[case("http://localhost:7009/punchout/in")]
#[tokio::test]
async fn an_agreed_address_is_taken(#[case] hook: &str) {
    let world = World::new().await;
    let answer = world.get(&call(&[("HOOK_URL", hook)])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
}

#[tokio::test]
async fn hostile_texts_stay_texts() {
    let world = World::new().await;
    world.answers("POST /v1/quotes", 201, super::world::quote("10"));
    let hostile = "\"><script>alert('x')</script>&#34;";
    let hook = format!(
        "https://procure.example.com/punchout/in?state={}&submit=1",
        form_urlencoded::byte_serialize(hostile.as_bytes()).collect::<String>()
    );
    let fields = call(&[
        ("HOOK_URL", &hook),
        ("~CALLER", hostile),
        ("~OkCode", hostile),
        ("FUNCTION", "VALIDATE"),
        ("PRODUCTID", "SKU-0001"),
        ("QUANTITY", "10"),
    ]);
    let answer = world.get(&fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    for name in ["state", "~CALLER", "~OkCode"] {
        assert_eq!(answer.field(name).as_deref(), Some(hostile), "{name}");
    }
    assert_eq!(
        answer.field("NEW_ITEM-LONGTEXT_1:132[]").as_deref(),
        Some("Nitrile gloves <M>, \"blue\" & powder free, 30 pairs")
    );
    let text = answer.text();
    assert_eq!(
        text.matches("<script>").count(),
        1,
        "the page's own alone: {text}"
    );
    assert!(
        answer.page().mended.is_empty(),
        "{:?}",
        answer.page().mended
    );
}
