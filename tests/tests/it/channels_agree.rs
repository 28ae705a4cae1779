//! Whoever orders by whichever channel gets the same price, dates and verdict.

use jiff::Timestamp;
use serde_json::{Value, json};
use tests::{Acknowledged, PurchaseOrder, Setup, Terms, World, differences, texts};

use crate::support::expect;

/// A line: item, quantity, unit by UN/ECE, unit by X12.
type Line = (&'static str, &'static str, &'static str, &'static str);

/// Who orders, by either channel.
struct Buyer {
    client: &'static str,
    account: &'static str,
}

const ACME: Buyer = Buyer {
    client: "acme-buyer",
    account: "ACME",
};
const BOREALIS: Buyer = Buyer {
    client: "borealis-buyer",
    account: "BOREALIS",
};

/// A world of its own for each channel: the same time, the same backends, nothing taken yet.
async fn world(buyer: &Buyer) -> anyhow::Result<World> {
    let noon: Timestamp = "2026-12-02T15:00:00Z".parse()?;
    let (setup, _time) = Setup::at(noon);
    World::start_with(setup.with_partner("partner", buyer.account, &[])?).await
}

fn portal_order(lines: &[Line]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(item, value, unit, _)| json!({"item": item, "quantity": {"value": value, "unit": unit}}))
        .collect();
    json!({"purchase_order_number": "PO-1", "line_policy": "take_sound_lines", "lines": lines})
}

/// What the portal tells before the order and in it.
async fn by_portal(buyer: &Buyer, lines: &[Line]) -> anyhow::Result<[Terms; 2]> {
    let world = world(buyer).await?;
    let user = world.portal_user(buyer.client, buyer.account)?;
    let body = portal_order(lines);
    let checked = user
        .post("/basket-checks", "none", &json!({"lines": body["lines"]}))
        .await?;
    expect(&checked, 200);
    let placed = user.order("k", &body).await?;
    expect(&placed, 202);
    let seen = user
        .get(&format!("/orders/{}", placed.at("/order_id")))
        .await?;
    world.stop().await?;
    Ok([
        Terms::of_portal(&checked.json()),
        Terms::of_portal(&seen.json()),
    ])
}

/// What the 855 tells, and the order behind it.
async fn by_edi(buyer: &Buyer, lines: &[Line]) -> anyhow::Result<[Terms; 2]> {
    let world = world(buyer).await?;
    let partner = world.edi_partner("partner", "acme-edi-demo");
    let lines: Vec<[&str; 5]> = lines
        .iter()
        .map(|(item, value, _, unit)| [*value, *unit, "", "VP", *item])
        .collect();
    let sent = partner
        .send(PurchaseOrder::new("PO-1", 1, &lines).interchange(world.now()))
        .await?;
    expect(&sent, 200);
    let answers = partner.order_acknowledgments(1).await?;
    let told = Terms::of_acknowledgment(&Acknowledged::read(&answers[0])?);
    let user = world.portal_user(buyer.client, buyer.account)?;
    let found = user.get("/orders?purchase_order_number=PO-1").await?;
    let orders = texts(&found.json(), "/items");
    assert_eq!(orders.len(), 1, "{}", found.text);
    let seen = user
        .get(&format!("/orders/{}", found.at("/items/0/order_id")))
        .await?;
    world.stop().await?;
    Ok([told, Terms::of_portal(&seen.json())])
}

/// Sends the basket both ways and holds the answers to each other.
async fn agreed(buyer: &Buyer, lines: &[Line]) -> anyhow::Result<Terms> {
    let [checked, portal] = by_portal(buyer, lines).await?;
    let [told, edi] = by_edi(buyer, lines).await?;
    assert_eq!(
        differences(&portal, &edi),
        Vec::<String>::new(),
        "the orders"
    );
    assert_eq!(
        differences(&portal.as_acknowledged(), &told),
        Vec::<String>::new(),
        "the portal's order and the 855"
    );
    let shown = Terms {
        ship_to: portal.ship_to.clone(),
        ..checked
    };
    assert_eq!(
        differences(&shown, &portal),
        Vec::<String>::new(),
        "the basket check and the order"
    );
    Ok(portal)
}

#[tokio::test]
async fn a_basket_of_every_kind_is_the_same_by_either_channel() -> anyhow::Result<()> {
    let lines = [
        ("SKU-0001", "24", "EA", "EA"),  // the second break of the contract
        ("SKU-0011", "2", "XCT", "CT"),  // by the carton
        ("SKU-0010", "30", "EA", "EA"),  // none in stock, a receipt comes
        ("SKU-0020", "3", "EA", "EA"),   // nothing in stock, nothing on order
        ("SKU-0003", "10", "EA", "EA"),  // 4 at one site, the rest later
        ("SKU-0025", "7", "EA", "EA"),   // at WEST alone
        ("SKU-0016", "150", "EA", "EA"), // priced per 100, by the list
    ];
    let terms = agreed(&ACME, &lines).await?;
    assert_eq!(
        (terms.verdict.as_str(), terms.ship_to.as_deref()),
        ("accept", Some("ACME-01"))
    );
    let covered: Vec<Vec<bool>> = terms
        .lines
        .iter()
        .map(|line| line.parts.iter().map(|part| part.covered).collect())
        .collect();
    assert_eq!(
        covered,
        [
            vec![true],
            vec![true],
            vec![true],
            vec![false],
            vec![true, false],
            vec![true],
            vec![true]
        ],
        "{terms:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_basket_over_the_limit_is_held_by_either_channel() -> anyhow::Result<()> {
    let terms = agreed(
        &BOREALIS,
        &[
            ("SKU-0001", "60", "EA", "EA"),
            ("SKU-0002", "60", "EA", "EA"),
        ],
    )
    .await?;
    assert_eq!(terms.verdict, "hold", "{terms:?}");
    Ok(())
}

#[tokio::test]
async fn a_basket_with_an_unknown_item_is_judged_alike() -> anyhow::Result<()> {
    let lines = [
        ("SKU-0001", "24", "EA", "EA"),
        ("SKU-9999", "1", "EA", "EA"),
    ];
    let [_, portal] = by_portal(&ACME, &lines).await?;
    let [told, edi] = by_edi(&ACME, &lines).await?;
    assert_eq!(differences(&portal, &edi), Vec::<String>::new());
    assert_eq!(
        portal
            .lines
            .iter()
            .map(|line| line.refused)
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(
        told.lines
            .iter()
            .map(|line| line.refused)
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(told.lines[0], portal.as_acknowledged().lines[0]);
    Ok(())
}

#[tokio::test]
async fn a_difference_between_the_channels_is_found_wherever_it_is() -> anyhow::Result<()> {
    let [_, portal] = by_portal(&ACME, &[("SKU-0003", "10", "EA", "EA")]).await?;
    let planted: [fn(&mut Terms); 8] = [
        |terms| terms.verdict = "hold".to_owned(),
        |terms| terms.ship_to = Some("ACME-02".to_owned()),
        |terms| terms.total = Some("0.01 USD".to_owned()),
        |terms| terms.lines[0].unit_price = "0.01".to_owned(),
        |terms| terms.lines[0].parts[0].arrives = Some("2026-12-31".to_owned()),
        |terms| terms.lines[0].parts[0].ships = "2026-12-31".to_owned(),
        |terms| terms.lines[0].refused = true,
        |terms| terms.lines.clear(),
    ];
    for plant in planted {
        let mut other = portal.clone();
        plant(&mut other);
        assert_eq!(differences(&portal, &other).len(), 1, "{other:?}");
    }
    assert!(differences(&portal, &portal.clone()).is_empty());
    // And by the world: a partner whose goods go elsewhere is not told the same.
    let (setup, _time) = Setup::at("2026-12-02T15:00:00Z".parse()?);
    let elsewhere = [("ship_to = \"ACME-01\"", "ship_to = \"ACME-02\"")];
    let world = World::start_with(setup.with_partner("partner", "ACME", &elsewhere)?).await?;
    let partner = world.edi_partner("partner", "acme-edi-demo");
    let sent = PurchaseOrder::new("PO-1", 1, &[["10", "EA", "", "VP", "SKU-0003"]]);
    expect(&partner.send(sent.interchange(world.now())).await?, 200);
    partner.order_acknowledgments(1).await?;
    let user = world.portal_user("acme-buyer", "ACME")?;
    let found = user.get("/orders?purchase_order_number=PO-1").await?;
    let seen = user
        .get(&format!("/orders/{}", found.at("/items/0/order_id")))
        .await?;
    let found = differences(&portal, &Terms::of_portal(&seen.json()));
    assert!(
        found
            .iter()
            .any(|difference| difference.starts_with("ship-to")),
        "{found:?}"
    );
    world.stop().await
}
