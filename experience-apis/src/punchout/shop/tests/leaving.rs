//! The way back: quoted once, and the same bytes ever after.

use rstest::rstest;
use serde_json::json;

use super::*;

async fn give_back(world: &World, base: &str) -> Shown {
    let path = format!("{base}return");
    let to = world.post(&path, &[]).await.location();
    assert_eq!(to, path);
    world.get(&to).await
}

#[rstest]
#[case(oci("create", bolts("3")), "NEW_ITEM-QUANTITY[1]")]
#[case(cxml("create", bolts("3")), "cxml-urlencoded")]
#[tokio::test]
async fn a_cart_goes_back_with_its_quote(#[case] visit: Value, #[case] field: &str) {
    let world = World::new().await;
    let base = world.enter(visit).await;
    let page = give_back(&world, &base).await;
    assert_eq!(page.status, StatusCode::OK);
    page.says(&format!("name=\"{field}\""));
    page.says("action=\"https://procure.example.com/punchout/in\"");
    page.says("<script src=\"/punchout/assets/return-");
    page.says("Go back</button>");
    page.is_silent_of("<ItemIn");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' https://procure.example.com;"),
        "{policy}"
    );
    let quotes = world.stub.quotes.lock().unwrap();
    let (key, quote) = &quotes[0];
    assert!(key.starts_with("return:") && key.contains(":2:"), "{key}");
    assert_eq!(quote.seconds, Some(30 * 86_400));
    assert_eq!(quote.ship_to.as_ref().unwrap().as_str(), "ACME-01");
}

#[rstest]
#[case(oci("create", bolts("3")))]
#[case(cxml("create", bolts("3")))]
#[tokio::test]
async fn a_second_return_is_the_same_bytes_whatever_prices_do(#[case] visit: Value) {
    let world = World::new().await;
    let base = world.enter(visit).await;
    let first = give_back(&world, &base).await.html;
    *world.stub.price.lock().unwrap() = 99;
    world.time.advance(jiff::SignedDuration::from_mins(5));
    assert_eq!(give_back(&world, &base).await.html, first);
    let path = format!("{base}leave");
    assert_eq!(
        world.post(&path, &[]).await.location(),
        format!("{base}return")
    );
    assert_eq!(world.get(&format!("{base}return")).await.html, first);
    assert_eq!(world.stub.quotes.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cart_that_has_left_is_not_changed() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    give_back(&world, &base).await;
    let add = [("item", "SKU-0001"), ("quantity", "1"), ("unit", "EA")];
    let attempts = [
        world.post(&format!("{base}add"), &add).await,
        world
            .post(&format!("{base}cart"), &[("EA:SKU-0001", "9")])
            .await,
    ];
    for refused in attempts {
        assert_eq!(refused.status, StatusCode::CONFLICT);
        refused.says("has been returned");
        refused.says(&format!("<a href=\"{base}return\">"));
    }
    let page = world.get(&format!("{base}cart")).await;
    page.is_silent_of("Update quantities");
    page.says("3 EA");
}

#[tokio::test]
async fn what_was_typed_and_not_saved_goes_with_the_cart() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    let path = format!("{base}return");
    let wrong = world.post(&path, &[("EA:SKU-0001", "4,0")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.says("value=\"4,0\"");
    world.post(&path, &[("EA:SKU-0001", "4")]).await.location();
    assert_eq!(
        world.stub.quotes.lock().unwrap()[0].1.lines[0].quantity,
        4.into()
    );
    assert_eq!(world.stub.visit()["cart"], bolts("4"));
}

#[tokio::test]
async fn a_cart_that_cannot_be_quoted_stays_with_its_problems() {
    let world = World::new().await;
    let cart = json!([{"item": "SKU-GONE", "quantity": "2", "unit": "EA"}]);
    let base = world.enter(oci("edit", cart)).await;
    let page = world.post(&format!("{base}return"), &[]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("The cart cannot be returned as it is");
    page.says("id=\"fault-1\">SKU-GONE is no longer sold: remove it.");
    assert_eq!(world.stub.visit()["stage"], "shopping");
}

#[tokio::test]
async fn a_product_that_is_gone_is_named_at_its_line() {
    let world = World::new().await;
    let cart = json!([{"item": "SKU-0001", "quantity": "2", "unit": "EA"}, {"item": "SKU-9999", "quantity": "2", "unit": "EA"}]);
    let base = world.enter(oci("edit", cart)).await;
    let page = world.post(&format!("{base}return"), &[]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("id=\"fault-2\">This product is no longer in the catalogue: remove it.");
    assert!(world.stub.quotes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_cart_that_somebody_else_changes_is_quoted_anew() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    let mut rival = world.stub.visit();
    rival["cart"] = bolts("8");
    world.stub.rivals.lock().unwrap().push_back(rival);
    give_back(&world, &base)
        .await
        .says("name=\"NEW_ITEM-QUANTITY[1]\" value=\"8");
    let quotes = world.stub.quotes.lock().unwrap();
    assert_ne!(quotes[0].0, quotes[1].0, "another cart, another key");
}

#[tokio::test]
async fn of_two_returns_at_once_one_leaves_and_both_show_it() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    let shopping = world.stub.visit();
    let first = give_back(&world, &base).await.html;
    let returned = world.stub.visit();
    world.stub.touch(|session| session.content = shopping);
    world.stub.rivals.lock().unwrap().push_back(returned);
    assert_eq!(give_back(&world, &base).await.html, first);
}

#[tokio::test]
async fn leaving_without_changes_is_not_an_empty_cart() {
    let world = World::new().await;
    let base = world.enter(cxml("edit", json!([]))).await;
    let page = world.get(&format!("{base}cart")).await;
    page.says("takes all of its lines out of your requisition");
    page.says("Return the empty cart");
    let left = world.post(&format!("{base}leave"), &[]).await.location();
    let left = world.get(&left).await;
    left.says("code=&#34;204&#34;");
    let base = world.enter(cxml("edit", json!([]))).await;
    let empty = give_back(&world, &base).await;
    empty.says("PunchOutOrderMessage");
    empty.is_silent_of("code=&#34;204&#34;");
    assert!(world.stub.quotes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_empty_new_cart_does_not_leave() {
    let world = World::new().await;
    let base = world.enter(cxml("create", json!([]))).await;
    let path = format!("{base}return");
    assert_eq!(
        world.post(&path, &[]).await.location(),
        format!("{base}cart")
    );
    world
        .get(&format!("{base}cart"))
        .await
        .is_silent_of("Return the");
    assert_eq!(world.get(&path).await.location(), format!("{base}cart"));
}

#[tokio::test]
async fn an_address_that_is_no_longer_agreed_gets_no_cart() {
    let world = World::new().await;
    let mut visit = oci("create", bolts("3"));
    visit["return_url"] = json!("https://evil.example/in");
    let base = world.enter(visit).await;
    let page = world.post(&format!("{base}return"), &[]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("no longer agreed");
    page.is_silent_of("evil.example");
    let page = world.post(&format!("{base}leave"), &[]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("no longer agreed");
}

/// The total that the page of the cart tells the form.
fn seen(page: &Shown) -> String {
    let after = page.html.split_once("name=\"total\" value=\"").unwrap().1;
    after.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_price_that_changes_is_seen_before_the_cart_leaves() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    let (cart, back) = (format!("{base}cart"), format!("{base}return"));
    let total = seen(&world.get(&cart).await);
    let form = [("total", &*total), ("EA:SKU-0001", "3")];
    *world.stub.price.lock().unwrap() = 12;
    let page = world.post(&back, &form).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.says("Prices have changed since this cart was shown: it comes to 36.00 USD now.");
    page.says("12.00 USD");
    page.is_silent_of("has to be put right");
    assert_eq!(world.stub.visit()["stage"], "shopping");
    let total = seen(&page);
    let form = [("total", &*total), ("EA:SKU-0001", "3")];
    assert_eq!(world.post(&back, &form).await.location(), back);
}

#[tokio::test]
async fn prices_that_were_missing_are_seen_before_the_cart_leaves() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    world.stub.down.lock().unwrap().push("check");
    let page = world.get(&format!("{base}cart")).await;
    page.says("Prices and dates are not available at the moment");
    let back = format!("{base}return");
    assert_eq!(seen(&page), "");
    let form = [("total", ""), ("EA:SKU-0001", "3")];
    let page = world.post(&back, &form).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.says("The cart comes to 30.00 USD");
    let total = seen(&page);
    let form = [("total", &*total), ("EA:SKU-0001", "3")];
    assert_eq!(world.post(&back, &form).await.location(), back);
}

#[tokio::test]
async fn lines_of_another_window_are_seen_before_the_cart_leaves() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    let total = seen(&world.get(&format!("{base}cart")).await);
    let other = [("item", "SKU-0002"), ("quantity", "5"), ("unit", "EA")];
    world.post(&format!("{base}add"), &other).await.location();
    let form = [("total", &*total), ("EA:SKU-0001", "4")];
    let page = world.post(&format!("{base}return"), &form).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.says("Lines were put into this cart elsewhere");
    page.says("name=\"EA:SKU-0002\"");
    assert!(world.stub.quotes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_cart_that_was_quoted_and_did_not_leave_can_still_be_changed() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    let back = format!("{base}return");
    let wrong = [("total", "1 USD"), ("EA:SKU-0001", "3")];
    assert_eq!(world.post(&back, &wrong).await.status, StatusCode::CONFLICT);
    let less = [("total", "30 USD"), ("EA:SKU-0001", "2")];
    assert_eq!(world.post(&back, &less).await.location(), back);
    world
        .get(&back)
        .await
        .says("name=\"NEW_ITEM-QUANTITY[1]\" value=\"2");
}

#[tokio::test]
async fn the_same_form_once_more_is_the_same_quote() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    let shopping = world.stub.visit();
    give_back(&world, &base).await;
    // As if what became of it had not been kept.
    world.stub.touch(|session| {
        session.content = shopping;
        session.version -= 1;
    });
    give_back(&world, &base).await;
    let quotes = world.stub.quotes.lock().unwrap();
    assert_eq!(quotes[0].0, quotes[1].0);
}

#[rstest]
#[case(oci("edit", json!([])), "")]
#[case(cxml("edit", json!([])), "return_encoding = \"base64\"")]
#[tokio::test]
async fn the_largest_cart_fits_into_what_is_kept(#[case] mut visit: Value, #[case] encoding: &str) {
    let world =
        World::over(|profile| profile.replace("return_encoding = \"urlencoded\"", encoding)).await;
    let line =
        |number: usize| json!({"item": format!("N-{number}"), "quantity": "123.5", "unit": "EA"});
    visit["cart"] = (0..500).map(line).collect();
    let base = world.enter(visit).await;
    world.post(&format!("{base}return"), &[]).await.location();
    assert!(world.stub.visit()["stage"]["returned"].is_object());
}
