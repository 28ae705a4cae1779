//! An order's way from a buyer into the ERP and the warehouse, and the answers on the way back.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use sandbox::fault::FaultPlan;
use serde_json::Value;
use tests::{Acknowledged, Medium, PurchaseOrder, Terms, World, segments, texts, until};

use crate::support::{CREATE, decimal, expect, live, order, outage, struck, the_live_one};

#[tokio::test]
async fn a_portal_order_reaches_the_erp_and_each_warehouse_as_it_was_shown() -> anyhow::Result<()> {
    let world = World::start().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let shown = buyer.get("/products/SKU-0002").await?;
    expect(&shown, 200);
    let breaks = texts(&shown.json(), "/price/breaks");
    let from_24 = breaks
        .iter()
        .find(|step| step["from_quantity"] == "24")
        .unwrap_or_else(|| panic!("no break at 24: {}", shown.text));
    assert_eq!(from_24["source"], "contract");

    // SKU-0025 is kept at WEST alone, so that two sites ship.
    let body = order(
        "PO-1",
        &[
            ("SKU-0002", "24", "EA"),
            ("SKU-0001", "2", "XCT"),
            ("SKU-0025", "5", "EA"),
        ],
    );
    let placed = buyer.order("k-1", &body).await?;
    expect(&placed, 202);
    let seen = buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;
    assert_eq!(
        seen.at("/lines/0/price/unit_price/amount"),
        from_24["unit_price"]["amount"].as_str().unwrap()
    );

    let reference = seen.at("/order_reference");
    let in_erp = world.estate.sandbox.erp.orders_by_reference(&reference);
    let [in_erp] = in_erp.as_slice() else {
        panic!("not one order: {in_erp:?}")
    };
    assert!(!in_erp.blocked);
    assert_eq!(in_erp.number, seen.at("/sales_order_number"));
    assert_eq!(
        (in_erp.account.as_str(), in_erp.ship_to.as_str()),
        ("ACME", "ACME-01")
    );
    assert_eq!(in_erp.purchase_order_number, "PO-1");
    assert_eq!(in_erp.net_value, decimal(&seen.at("/total/amount")));
    for line in texts(&seen.json(), "/lines") {
        let of_line = in_erp.lines.iter();
        let of_line = of_line.filter(|erp| erp.item == line["item"].as_str().unwrap());
        let mut ordered = Decimal::ZERO;
        for erp in of_line {
            ordered += erp.quantity;
            let price = decimal(line["price"]["unit_price"]["amount"].as_str().unwrap());
            assert_eq!(erp.net_price / erp.price_unit, price, "{line}");
        }
        let quantity = decimal(line["ordered"]["value"].as_str().unwrap());
        assert_eq!(ordered, quantity, "{line}");
    }
    picked_as_planned(&world, &in_erp.number, &seen.json()).await?;
    world.stop().await
}

/// An order is released with its first site; the others follow.
async fn picked_as_planned(world: &World, number: &str, order: &Value) -> anyhow::Result<()> {
    let planned = planned_at(order);
    until(&format!("the pick requests {planned:?}"), async || {
        Ok((requested_at(world, number) == planned).then_some(()))
    })
    .await
}

/// Pieces by site and item, as the WMS is to pick them.
fn requested_at(world: &World, number: &str) -> BTreeMap<(String, String), Decimal> {
    let requests = world.estate.sandbox.wms.pick_requests();
    let mut found = BTreeMap::new();
    let mut sites = Vec::new();
    for request in requests
        .iter()
        .filter(|request| request.order_ref == number)
    {
        sites.push(request.site_code.clone());
        for line in &request.lines {
            let key = (request.site_code.clone(), line.sku_code.clone());
            *found.entry(key).or_insert(Decimal::ZERO) += line.qty;
        }
    }
    let all = sites.len();
    sites.sort();
    sites.dedup();
    assert_eq!(sites.len(), all, "one pick request for each site");
    found
}

/// The same, as the buyer was promised it; a carton is twelve pieces.
fn planned_at(order: &Value) -> BTreeMap<(String, String), Decimal> {
    let mut found = BTreeMap::new();
    for line in texts(order, "/lines") {
        for part in texts(&line, "/schedule") {
            let pieces = if part["quantity"]["unit"] == "XCT" {
                12
            } else {
                1
            };
            let pieces =
                decimal(part["quantity"]["value"].as_str().unwrap()) * Decimal::from(pieces);
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            *found
                .entry((text(&part["site"]), text(&line["item"])))
                .or_insert(Decimal::ZERO) += pieces;
        }
    }
    found
}

#[tokio::test]
async fn an_order_leaves_its_time_line_its_decision_and_one_word_in_the_feed() -> anyhow::Result<()>
{
    let world = World::start().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let operator = world.operator()?;
    world.estate.erp_proxy.set_plan(outage(CREATE))?;
    let body = order("PO-1", &[("SKU-0002", "24", "EA")]);
    let placed = buyer.post("/orders", "k-1", &body).await?;
    expect(&placed, 202);
    assert_eq!(
        placed.at("/status"),
        "received",
        "durable before the ERP has it"
    );
    let id = placed.at("/order_id");
    until("a second attempt at the ERP", async || {
        Ok((struck(&world.estate.erp_proxy) >= 2).then_some(()))
    })
    .await?;
    assert!(live(&world, "PO-1").is_empty());
    assert!(operator.events("order.accepted").await?.is_empty());

    world.estate.erp_proxy.set_plan(FaultPlan::default())?;
    let seen = buyer.order_until(&id, "released").await?;
    let in_erp = the_live_one(&world, "PO-1").await?;
    let accepted = operator.events("order.accepted").await?;
    let [accepted] = accepted.as_slice() else {
        panic!("not once: {accepted:?}")
    };
    assert_eq!(accepted["subject"], *id);
    let told_at = accepted["time"].as_str().unwrap().parse()?;
    assert!(
        in_erp.created_at <= told_at,
        "{} and {told_at}",
        in_erp.created_at
    );

    let line = buyer.get(&format!("/orders/{id}/timeline")).await?.json();
    let entries = texts(&line, "/entries");
    let what: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["event"].as_str())
        .collect();
    assert_eq!(what, ["received", "accepted", "released"]);
    let times: Vec<jiff::Timestamp> = entries
        .iter()
        .map(|entry| entry["at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(times.is_sorted(), "{entries:?}");

    let path = format!("/v1/decisions/{}", seen.at("/decision_id"));
    let decision = operator.get(&path).await?;
    expect(&decision, 200);
    assert_eq!(
        [
            decision.at("/kind"),
            decision.at("/subject"),
            decision.at("/account")
        ],
        ["order".to_owned(), id, "ACME".to_owned()]
    );
    let about: Vec<String> = texts(&decision.json(), "/steps")
        .iter()
        .filter_map(|step| step["about"].as_str().map(str::to_owned))
        .collect();
    assert!(about.iter().any(|about| about == "price"), "{about:?}");
    world.stop().await
}

#[tokio::test]
async fn an_x12_850_is_acknowledged_taken_and_answered_with_the_same_facts() -> anyhow::Result<()> {
    let world = World::start().await?;
    let partner = world.edi_partner("acme-edi", "acme-edi-demo");
    let order = PurchaseOrder::new(
        "PO-EDI-1",
        7,
        &[
            ["24", "EA", "", "VP", "SKU-0002"],
            ["2", "CT", "", "BP", "ACM-9001"],
        ],
    );
    let sent = partner.send(order.interchange(world.now())).await?;
    expect(&sent, 200);
    let acknowledged = segments(&sent.text);
    let has = |wanted: &[&str]| {
        acknowledged.iter().any(|segment| {
            segment.starts_with(
                &wanted
                    .iter()
                    .map(|text| (*text).to_owned())
                    .collect::<Vec<_>>(),
            )
        })
    };
    assert!(
        has(&["ST", "997"]) && has(&["AK5", "A"]) && has(&["AK9", "A", "1", "1", "1"]),
        "{}",
        sent.text
    );

    let answers = partner.order_acknowledgments(1).await?;
    let [answer] = answers.as_slice() else {
        panic!("not one 855: {answers:?}")
    };
    let answer = Acknowledged::read(answer)?;
    let in_erp = the_live_one(&world, "PO-EDI-1").await?;
    assert_eq!(answer.purchase_order_number, "PO-EDI-1");
    assert_eq!(answer.sales_order_number, in_erp.number);
    assert_eq!(
        (in_erp.account.as_str(), in_erp.ship_to.as_str()),
        ("ACME", "ACME-01")
    );

    // The account's own users see it in the portal, and it says the same there.
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let found = buyer.get("/orders?purchase_order_number=PO-EDI-1").await?;
    assert_eq!(found.at("/items/0/channel"), "edi");
    let seen = buyer
        .order_until(&found.at("/items/0/order_id"), "released")
        .await?;
    let told = Terms::of_acknowledgment(&answer);
    let mut expected = Terms::of_portal(&seen.json()).as_told_by(Medium::Acknowledgment);
    expected.lines[1].item = "ACM-9001".to_owned();
    assert_eq!(told, expected, "the buyer's own numbers come back");
    picked_as_planned(&world, &in_erp.number, &seen.json()).await?;

    let ready = texts(&partner.get("/mailbox").await?.json(), "/items");
    let document = ready.iter().find(|entry| entry["transaction_set"] == "855");
    let document = document.unwrap_or_else(|| panic!("no 855 is ready: {ready:?}"));
    let id = document["document_id"].as_str().unwrap().to_owned();
    let path = format!("/mailbox/{id}/confirm");
    expect(&partner.send_to(reqwest::Method::POST, &path).await?, 200);
    let ready = texts(&partner.get("/mailbox").await?.json(), "/items");
    assert!(
        ready.iter().all(|entry| entry["document_id"] != *id),
        "{ready:?}"
    );
    expect(&partner.get(&format!("/mailbox/{id}")).await?, 200);
    world.stop().await
}
