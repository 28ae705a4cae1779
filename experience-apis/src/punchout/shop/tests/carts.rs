//! The cart: filled, changed, and read only.

use rstest::rstest;
use serde_json::json;

use super::*;

async fn add(world: &World, base: &str, quantity: &str, unit: &str) -> Shown {
    let fields = [("item", "SKU-0001"), ("quantity", quantity), ("unit", unit)];
    world.post(&format!("{base}add"), &fields).await
}

#[tokio::test]
async fn a_product_goes_into_the_cart_in_its_unit() {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    let back = add(&world, &base, "2", "XBX").await.location();
    world.get(&back).await.says("SKU-0001 is in your cart");
    add(&world, &base, "12.5", "EA").await.location();
    add(&world, &base, "0.5", "EA").await.location();
    let cart = json!([{"item": "SKU-0001", "quantity": "2", "unit": "XBX"}, {"item": "SKU-0001", "quantity": "13.0", "unit": "EA"}]);
    assert_eq!(world.stub.visit()["cart"], cart);
    let page = world.get(&format!("{base}cart")).await;
    for text in [
        "value=\"13\"",
        "130.00 USD",
        "150.00 USD",
        "5 Mar 2026",
        "(2 lines)",
    ] {
        page.says(text);
    }
}

#[tokio::test]
async fn from_the_list_the_way_leads_back_to_the_list() {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    let fields = [
        ("item", "SKU-0001"),
        ("quantity", "1"),
        ("unit", "EA"),
        ("list", "1"),
        ("q", "bolt & nut"),
        ("cursor", "c&2"),
    ];
    let back = world.post(&format!("{base}add"), &fields).await.location();
    assert_eq!(
        back,
        format!("{base}?q=bolt%20%26%20nut&cursor=c%262&added=SKU%2D0001")
    );
}

#[rstest]
#[case("1,5", "EA", "two ways")]
#[case("0", "EA", "greater than zero")]
#[case("", "EA", "Enter a quantity")]
#[case("1", "KGM", "not sold in that unit")]
#[case("1", "<b>", "not sold in that unit")]
#[case("1000000001", "EA", "smaller quantity")]
#[tokio::test]
async fn what_cannot_be_taken_is_named_beside_what_was_typed(
    #[case] quantity: &str,
    #[case] unit: &str,
    #[case] said: &str,
) {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    let page = add(&world, &base, quantity, unit).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says(said);
    page.says(&format!("value=\"{quantity}\""));
    page.says("href=\"#quantity\"");
    page.says("aria-invalid=\"true\"");
    assert_eq!(world.stub.visit()["cart"], json!([]));
}

#[tokio::test]
async fn quantities_are_changed_and_lines_taken_out() {
    let world = World::new().await;
    let cart = json!([{"item": "SKU-0001", "quantity": "1", "unit": "EA"}, {"item": "SKU-0002", "quantity": "2", "unit": "EA"},
        {"item": "SKU-0001", "quantity": "3", "unit": "XBX"}]);
    let base = world.enter(oci("edit", cart)).await;
    let cart = format!("{base}cart");
    let fields = [
        ("EA:SKU-0001", "5"),
        ("EA:SKU-0002", "0"),
        ("XBX:SKU-0001", "3"),
    ];
    assert_eq!(world.post(&cart, &fields).await.location(), cart);
    let changed = json!([{"item": "SKU-0001", "quantity": "5", "unit": "EA"}, {"item": "SKU-0001", "quantity": "3", "unit": "XBX"}]);
    assert_eq!(world.stub.visit()["cart"], changed);
    let fields = [
        ("EA:SKU-0001", "5"),
        ("XBX:SKU-0001", "nonsense"),
        ("remove", "XBX:SKU-0001"),
    ];
    world.post(&cart, &fields).await.location();
    assert_eq!(world.stub.visit()["cart"], bolts("5"));
}

#[tokio::test]
async fn one_wrong_quantity_changes_nothing_and_stays_on_the_page() {
    let world = World::new().await;
    let cart = json!([{"item": "SKU-0001", "quantity": "1", "unit": "EA"}, {"item": "SKU-0002", "quantity": "2", "unit": "EA"}]);
    let base = world.enter(oci("edit", cart.clone())).await;
    let fields = [("EA:SKU-0001", "7"), ("EA:SKU-0002", "two")];
    let page = world.post(&format!("{base}cart"), &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for text in [
        "value=\"7\"",
        "value=\"two\"",
        "href=\"#quantity-2\"",
        "aria-describedby=\"fault-2\"",
        "“two” is not a quantity",
    ] {
        page.says(text);
    }
    assert_eq!(world.stub.visit()["cart"], cart);
}

#[tokio::test]
async fn a_problem_of_a_line_is_named_at_the_line() {
    let world = World::new().await;
    let cart = json!([{"item": "SKU-0001", "quantity": "1", "unit": "EA"}, {"item": "SKU-GONE", "quantity": "2", "unit": "EA"}]);
    let base = world.enter(oci("edit", cart)).await;
    let page = world.get(&format!("{base}cart")).await;
    page.says("id=\"fault-2\">SKU-GONE is no longer sold: remove it.");
    page.says("href=\"#quantity-2\"");
    page.is_silent_of("fault-1");
}

#[tokio::test]
async fn a_change_is_made_again_on_what_somebody_else_has_changed() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("1"))).await;
    let mut rival = world.stub.visit();
    rival["cart"] = json!([{"item": "SKU-0002", "quantity": "9", "unit": "EA"}]);
    world.stub.rivals.lock().unwrap().push_back(rival);
    add(&world, &base, "2", "EA").await.location();
    let both = json!([{"item": "SKU-0002", "quantity": "9", "unit": "EA"}, {"item": "SKU-0001", "quantity": "2", "unit": "EA"}]);
    assert_eq!(world.stub.visit()["cart"], both);
}

#[tokio::test]
async fn a_change_is_not_made_again_without_end() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("1"))).await;
    let rival = world.stub.visit();
    world.stub.rivals.lock().unwrap().extend(vec![rival; 5]);
    let page = add(&world, &base, "2", "EA").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.stub.rivals.lock().unwrap().len(), 2, "three attempts");
    assert_eq!(world.stub.visit()["cart"], bolts("1"));
}

#[tokio::test]
async fn a_cart_that_is_inspected_cannot_be_changed() {
    let world = World::new().await;
    let base = world.enter(cxml("inspect", bolts("4"))).await;
    let page = world.get(&format!("{base}cart")).await;
    page.says("4 EA");
    page.says("cannot be changed here");
    for gone in ["Update quantities", "Return the cart", "Remove"] {
        page.is_silent_of(gone);
    }
    world.get(&base).await.is_silent_of("name=\"quantity\"");
    let attempts = [
        add(&world, &base, "1", "EA").await,
        world
            .post(&format!("{base}cart"), &[("EA:SKU-0001", "9")])
            .await,
        world.post(&format!("{base}return"), &[]).await,
    ];
    for refused in attempts {
        assert_eq!(refused.status, StatusCode::CONFLICT);
    }
    assert_eq!(world.stub.visit()["cart"], bolts("4"));
}

#[tokio::test]
async fn a_cart_holds_five_hundred_lines_and_no_more() {
    let world = World::new().await;
    let line = |number| json!({"item": format!("N-{number}"), "quantity": "1", "unit": "EA"});
    let cart: Vec<Value> = (0..500).map(line).collect();
    let base = world.enter(oci("edit", json!(cart))).await;
    let page = add(&world, &base, "1", "EA").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("at most 500 lines");
    let fields: Vec<(String, String)> = (0..500)
        .map(|number| (format!("EA:N-{number}"), "12.5".to_owned()))
        .collect();
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    world.post(&format!("{base}cart"), &fields).await.location();
    assert_eq!(world.stub.visit()["cart"][499]["quantity"], "12.5");
}

#[tokio::test]
async fn a_form_of_more_than_64_kib_is_refused_with_a_page() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("1"))).await;
    let much = "9".repeat(70_000);
    let page = world
        .post(&format!("{base}cart"), &[("EA:SKU-0001", &much)])
        .await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    page.says("too large");
    let none = world.post(&format!("{base}cart"), &[("colour", "3")]).await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_prices_the_cart_is_shown_all_the_same() {
    let world = World::new().await;
    let base = world.enter(oci("create", bolts("3"))).await;
    world.stub.down.lock().unwrap().push("check");
    let page = world.get(&format!("{base}cart")).await;
    assert_eq!(page.status, StatusCode::OK);
    page.says("Prices and dates are not available at the moment");
    page.says("value=\"3\"");
}

#[tokio::test]
async fn lines_of_one_product_and_unit_become_one_when_a_visit_is_opened() {
    let world = World::new().await;
    let mut cart = bolts("3");
    cart.as_array_mut().unwrap().push(bolts("4")[0].clone());
    world.enter(oci("edit", cart)).await;
    assert_eq!(world.stub.visit()["cart"], bolts("7"));
}
