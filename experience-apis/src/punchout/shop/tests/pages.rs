//! What pages show, and the policy under which they do.

use jiff::SignedDuration;
use serde_json::json;

use super::{stub::HOSTILE, *};

#[tokio::test]
async fn the_catalogue_shows_my_price_with_breaks_and_what_is_there() {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    let page = world.get(&base).await;
    for text in [
        "Hex bolt M8 × 40",
        "SKU-0001 · yours: ACM-SKU-0001",
        "10.00 USD",
        "8.75 USD from 100",
        "120 EA in stock",
        "no longer sold",
        "for Acme Manufacturing",
        "(empty)",
    ] {
        page.says(text);
    }
    page.is_silent_of("as they were");
    page.is_silent_of("Test");
}

#[tokio::test]
async fn search_and_paging_keep_what_was_searched_for() {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    let all = world.get(&base).await;
    all.says("cursor=c%262%2F%3D");
    let next = world.get(&format!("{base}?q=&cursor=c%262%2F%3D")).await;
    next.says("First page");
    next.is_silent_of("Next page");
    let found = world.get(&format!("{base}?q=washer")).await;
    found.says("Washer M8");
    found.says("value=\"washer\"");
    found.is_silent_of("Hex bolt");
    world
        .get(&format!("{base}?q=zzz"))
        .await
        .says("Nothing was found");
}

#[tokio::test]
async fn a_product_page_tells_all_that_is_known() {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    let page = world.get(&format!("{base}product?item=SKU-0001")).await;
    for text in [
        "<h1>Hex bolt M8 × 40</h1>",
        "04012345678901",
        "31161500",
        "ACM-SKU-0001",
        "8.75 USD",
        "9 Mar 2026",
        "500 EA",
        "XBX (box) = 100 EA",
    ] {
        page.says(text);
    }
    let odd = world
        .get(&format!("{base}product?item=A%2FB%26C%20.."))
        .await;
    odd.says("Odd number");
    for item in ["SKU-9999", "", "%00"] {
        let none = world.get(&format!("{base}product?item={item}")).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND);
        none.says("No such product");
        none.says(&format!("<a href=\"{base}\">Go on in the catalogue</a>"));
    }
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let world = World::new().await;
    let cart = json!([{"item": "SKU-EVIL", "quantity": "1", "unit": "EA"}]);
    let base = world.enter(oci("edit", cart)).await;
    let asked = [
        base.clone(),
        format!("{base}product?item=SKU-EVIL"),
        format!("{base}cart"),
        format!("{base}?q=%22%3E%3Cscript%3Ealert('x')%3C%2Fscript%3E"),
        format!("{base}?added=%3Cscript%3Ealert('x')"),
    ];
    for path in asked {
        let page = world.get(&path).await;
        page.is_silent_of("<script");
        page.is_silent_of(HOSTILE);
        page.says("&#60;script&#62;");
    }
}

#[tokio::test]
async fn old_facts_tell_their_age_and_missing_ones_that_they_are_missing() {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    world.time.advance(SignedDuration::from_hours(3));
    let old = world.get(&base).await;
    old.says("Prices are as they were 3 hours ago");
    old.says("Stock is as it was 3 hours ago");
    *world.stub.down.lock().unwrap() = vec!["prices", "availability"];
    let missing = world.get(&base).await;
    missing.says("Prices are not available at the moment");
    missing.says("not known at the moment");
    missing.says("Hex bolt");
    *world.stub.down.lock().unwrap() = vec!["late prices"];
    let late = world.get(&base).await;
    late.says("Some prices are not available at the moment");
    late.says("not known");
    world.stub.down.lock().unwrap().push("products");
    let none = world.get(&base).await;
    assert_eq!(none.status, StatusCode::SERVICE_UNAVAILABLE);
    none.says("your cart is kept");
    assert_ne!(none.header("retry-after"), "");
}

#[tokio::test]
async fn every_page_forbids_all_that_it_does_not_need() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("1"))).await;
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; \
        form-action 'self'; frame-ancestors https://procure.example.com http://localhost:7009";
    let start = world.open(oci("create", json!([]))).await;
    let paths = [
        start,
        base.clone(),
        format!("{base}cart"),
        format!("{base}product?item=SKU-0001"),
        format!("{base}product?item=none"),
        "/punchout/shop/acme-punchout/wrong/".to_owned(),
    ];
    for path in paths {
        let page = world.get(&path).await;
        assert_eq!(page.header("content-security-policy"), policy, "{path}");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(
            page.header("x-frame-options"),
            "",
            "it knows nobody but everybody"
        );
        assert_eq!(page.header("set-cookie"), "");
    }
    let unknown = world.get("/punchout/shop/nobody/wrong/").await;
    assert!(
        unknown
            .header("content-security-policy")
            .ends_with("frame-ancestors 'none'")
    );
}

#[tokio::test]
async fn pages_hold_nothing_inline_and_nothing_from_elsewhere() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("1"))).await;
    for page in ["", "cart", "product?item=SKU-0001"] {
        let page = world.get(&format!("{base}{page}")).await;
        for inline in [
            " style=",
            "<style",
            "<script",
            " onclick",
            "javascript:",
            "http://",
            "https://",
        ] {
            page.is_silent_of(inline);
        }
        assert_eq!(page.html.matches("<h1>").count(), 1);
        page.says("<html lang=\"en\">");
        page.says("<main id=\"main\"");
    }
}

#[tokio::test]
async fn assets_are_kept_for_good_under_a_name_that_changes_with_them() {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    let page = world.get(&base).await.html;
    let style = page
        .split("href=\"")
        .find(|part| part.starts_with("/punchout/assets/"));
    let style = style.unwrap().split('"').next().unwrap();
    let asset = world.get(style).await;
    assert_eq!(asset.status, StatusCode::OK);
    assert_eq!(asset.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(
        asset.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    asset.is_silent_of("url(");
    let stale = world
        .get("/punchout/assets/shop-0000000000000000.css")
        .await;
    assert_eq!(stale.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_test_visit_says_so_on_every_page() {
    let world = World::new().await;
    let mut visit = oci("create", bolts("1"));
    visit["test"] = json!(true);
    let base = world.enter(visit).await;
    for page in ["", "cart", "product?item=SKU-0001"] {
        let page = world.get(&format!("{base}{page}")).await;
        page.says(">Test<");
        page.says("nothing that comes of it is ordered");
    }
}

#[tokio::test]
async fn too_many_requests_are_told_to_wait() {
    let one = std::num::NonZeroU32::MIN;
    let world = World::with(|config| {
        config.limits.credential.per_second = one;
        config.limits.credential.burst = one.saturating_add(2);
    });
    let world = world.await;
    let base = world.enter(oci("create", json!([]))).await;
    let cart = format!("{base}cart");
    // All are counted before the first is answered.
    let asked = futures_util::future::join_all((0..10).map(|_| world.get(&cart))).await;
    let last = asked.last().unwrap();
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert_ne!(last.header("retry-after"), "");
    last.says("Too many requests");
}
