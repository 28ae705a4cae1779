//! `PunchOutSetupRequest`s: the link to the shop, and when there is none.

use super::{Ask, World, quote};

fn setup(operation: &str, inside: &str) -> Ask {
    Ask::new(format!(
        r#"<PunchOutSetupRequest operation="{operation}"><BuyerCookie>c-1</BuyerCookie><Extrinsic name="User">jo</Extrinsic>
<BrowserFormPost><URL>https://procure.example.com/punchout/return?id=1</URL></BrowserFormPost>{inside}</PunchOutSetupRequest>"#
    ))
}

fn item(part: &str, lock: &str) -> String {
    format!(
        r#"<ItemOut quantity="12" lineNumber="1"><ItemID><SupplierPartID>{part}</SupplierPartID><SupplierPartAuxiliaryID>{lock}</SupplierPartAuxiliaryID></ItemID></ItemOut>"#
    )
}

fn lock() -> String {
    format!("{}-1", quote().quote_id.0.simple())
}

#[tokio::test]
async fn a_setup_is_answered_by_a_link_and_again_by_the_same() {
    let world = World::new().await;
    let first = world.post(setup("create", "").text()).await;
    assert_eq!(first.code(), 200, "{}", first.body);
    let link = "<URL>https://orders.example.com/punchout/shop/acme-punchout/start/";
    assert!(first.body.contains(link), "{}", first.body);
    let again = world.post(setup("create", "").text()).await;
    assert_eq!(first.body, again.body);
    let other = world
        .post(setup("create", "").text().replace("c-1", "c-2"))
        .await;
    assert_eq!(other.code(), 409);
    let next = world
        .post(setup("create", "").named("p-2@buyer").text())
        .await;
    assert_eq!(next.code(), 200);
    assert_ne!(first.body, next.body);
}

#[tokio::test]
async fn a_cart_goes_only_where_it_was_agreed() {
    let world = World::new().await;
    for hostile in [
        "https://evil.example/punchout/",
        "javascript:alert(1)",
        "https://procure.example.com.evil.example/punchout/",
    ] {
        let ask = setup("create", "")
            .text()
            .replace("https://procure.example.com/punchout/return?id=1", hostile);
        let answer = world.post(ask).await;
        assert_eq!(answer.code(), 403, "{hostile}");
        assert!(answer.body.contains("return_urls"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_cart_that_left_here_is_brought_back() {
    let world = World::quoted(|profile| profile.to_owned()).await;
    for (operation, payload) in [("edit", "p-1@buyer"), ("inspect", "p-2@buyer")] {
        let ask = setup(operation, &item("SKU-0001", &lock())).named(payload);
        assert_eq!(world.post(ask.text()).await.code(), 200);
        let visit = &world.stub.visits()[usize::from(operation == "inspect")];
        assert_eq!(visit["mode"], operation);
        assert_eq!(
            visit["cart"],
            serde_json::json!([{"item": "SKU-0001", "quantity": "12", "unit": "EA"}])
        );
    }
}

#[tokio::test]
async fn a_cart_that_did_not_leave_here_is_not_edited() {
    let world = World::quoted(|profile| profile.to_owned()).await;
    let unknown = "0199e0a46c1f7d3a9a550c6f4f1d2b7f-1";
    let nine = lock().replace("-1", "-9");
    for item in [
        item("SKU-0001", "something"),
        item("SKU-0001", unknown),
        item("SKU-0002", &lock()),
        item("SKU-0001", &nine),
    ] {
        let answer = world.post(setup("edit", &item).text()).await;
        assert_eq!(answer.code(), 412, "{item}");
        assert!(answer.body.contains("ItemOut[1]"), "{}", answer.body);
    }
    assert!(world.stub.visits().is_empty());
}

#[tokio::test]
async fn another_account_s_lock_is_as_unknown_as_any() {
    let world = World::new().await;
    let mut foreign = quote();
    foreign.account = "BOREALIS".parse().unwrap();
    world
        .stub
        .quotes
        .lock()
        .unwrap()
        .insert(foreign.quote_id, foreign);
    assert_eq!(
        world
            .post(setup("edit", &item("SKU-0001", &lock())).text())
            .await
            .code(),
        412
    );
}

#[tokio::test]
async fn without_lines_the_cookie_names_the_cart() {
    let world = World::quoted(|profile| profile.to_owned()).await;
    let unknown = world.post(setup("edit", "").text()).await;
    assert_eq!(unknown.code(), 412);
    assert!(unknown.body.contains("BuyerCookie"), "{}", unknown.body);
    let first = setup("edit", &item("SKU-0001", &lock())).named("p-2@buyer");
    assert_eq!(world.post(first.text()).await.code(), 200);
    let again = setup("edit", "").named("p-3@buyer");
    assert_eq!(world.post(again.text()).await.code(), 200);
    assert_eq!(
        world.stub.visits()[1]["cart"],
        world.stub.visits()[0]["cart"]
    );
}

#[tokio::test]
async fn the_shop_is_for_the_delivery_place_that_is_named() {
    let world = World::new().await;
    let place = |id: &str| {
        format!(
            r#"<ShipTo><Address addressID="{id}"><Name xml:lang="en">Plant</Name></Address></ShipTo>"#
        )
    };
    let asked = [
        ("p-1@buyer", String::new(), "ACME-01"),
        ("p-2@buyer", place("21444"), "ACME-01"),
        ("p-3@buyer", place("PLANT2"), "ACME-02"),
    ];
    for (payload, inside, ship_to) in &asked {
        let answer = world
            .post(setup("create", inside).named(payload).text())
            .await;
        assert_eq!(answer.code(), 200, "{}", answer.body);
        let visit = world.stub.visits().pop().unwrap();
        assert_eq!(visit["ship_to"], *ship_to, "{payload}");
    }
    let ask = setup("create", &place("NOWHERE")).named("p-4@buyer");
    let answer = world.post(ask.text()).await;
    assert_eq!(answer.code(), 400);
    assert!(answer.body.contains("ShipTo"), "{}", answer.body);
    assert_eq!(world.stub.visits().len(), asked.len());
}
