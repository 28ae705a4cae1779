//! Orders that wait for a person: seen by the buyer, released, retried or cancelled by whoever may.

use rust_decimal::Decimal;
use sandbox::{AccountChange, fault::FaultPlan};
use serde_json::{Value, json};
use tests::{Acknowledged, PurchaseOrder, Setup, World, texts, until};

use crate::support::{CREATE, decimal, expect, live, order, struck, the_live_one, throttled};

/// So much of SKU-0002 that BOREALIS goes over its limit.
async fn too_much(world: &World) -> anyhow::Result<String> {
    let buyer = world.portal_user("borealis-buyer", "BOREALIS")?;
    let shown = buyer.get("/products/SKU-0002").await?;
    let price = decimal(&shown.at("/price/breaks/0/unit_price/amount"));
    Ok((Decimal::from(2_000) / price).ceil().to_string())
}

#[tokio::test]
async fn credit_is_reviewed_by_a_person_and_then_the_erp_has_the_order() -> anyhow::Result<()> {
    let world = World::start().await?;
    let buyer = world.portal_user("borealis-buyer", "BOREALIS")?;
    let much = too_much(&world).await?;
    let placed = buyer
        .order("k", &order("PO-1", &[("SKU-0002", &much, "EA")]))
        .await?;
    expect(&placed, 202);
    assert_eq!(placed.at("/status"), "held");
    assert_eq!(placed.at("/holds/0/reason"), "credit_review");
    assert!(live(&world, "PO-1").is_empty());

    let operator = world.operator()?;
    let id = placed.at("/order_id");
    let listed = operator.holds("credit").await?;
    assert_eq!(listed[0]["order_id"], *id);
    expect(&operator.release(&id, 1).await?, 200);
    buyer.order_until(&id, "released").await?;
    the_live_one(&world, "PO-1").await?;
    assert!(operator.holds("credit").await?.is_empty());
    let line = buyer.get(&format!("/orders/{id}/timeline")).await?.json();
    let entries = texts(&line, "/entries");
    let what: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["event"].as_str())
        .collect();
    assert_eq!(
        what,
        ["received", "held", "hold_released", "accepted", "released"]
    );
    world.stop().await
}

#[tokio::test]
async fn a_partner_hears_of_the_review_and_of_its_end() -> anyhow::Result<()> {
    let setup = Setup::default().with_partner("borealis-edi", "BOREALIS", &[])?;
    let world = World::start_with(setup).await?;
    let partner = world.edi_partner("borealis-edi", "acme-edi-demo");
    let much = too_much(&world).await?;
    let order = PurchaseOrder::new("PO-1", 1, &[[&much, "EA", "", "VP", "SKU-0002"]]);
    expect(&partner.send(order.interchange(world.now())).await?, 200);
    let first = partner.order_acknowledgments(1).await?;
    let first = Acknowledged::read(&first[0])?;
    assert_eq!(first.kind, "AH");
    assert!(
        first.lines[0]
            .parts
            .iter()
            .all(|(status, _, _)| status == "IH"),
        "{first:?}"
    );

    let operator = world.operator()?;
    let held = operator.holds("credit").await?;
    let id = held[0]["order_id"].as_str().unwrap().to_owned();
    expect(&operator.release(&id, 1).await?, 200);
    let both = partner.order_acknowledgments(2).await?;
    let second = Acknowledged::read(&both[1])?;
    assert!(["AC", "AD"].contains(&second.kind.as_str()), "{second:?}");
    assert_eq!(
        second.sales_order_number,
        the_live_one(&world, "PO-1").await?.number
    );
    world.stop().await
}

/// An order of SKU-0003, of which there are 4, that waits because the buyer's price is another.
fn cheaper(number: &str, quantity: &str) -> Value {
    let mut body = order(number, &[("SKU-0003", quantity, "EA")]);
    body["lines"][0]["expected_unit_price"] =
        json!({"amount": "0.01", "currency": "USD", "unit": "EA"});
    body
}

#[tokio::test]
async fn a_price_that_differs_is_held_and_released_at_our_price() -> anyhow::Result<()> {
    let world = World::start().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let placed = buyer.order("k", &cheaper("PO-1", "2")).await?;
    assert_eq!(
        (placed.at("/status"), placed.at("/holds/0/reason")),
        ("held".to_owned(), "price_review".to_owned()),
        "{}",
        placed.text
    );
    let id = placed.at("/order_id");
    let operator = world.operator()?;
    assert_eq!(operator.holds("price_mismatch").await?[0]["order_id"], *id);
    expect(&operator.release(&id, 1).await?, 200);
    let seen = buyer.order_until(&id, "released").await?;
    let in_erp = the_live_one(&world, "PO-1").await?;
    let ours = decimal(&seen.at("/lines/0/price/unit_price/amount"));
    assert_eq!(in_erp.lines[0].net_price / in_erp.lines[0].price_unit, ours);
    assert_ne!(ours, decimal("0.01"));
    world.stop().await
}

#[tokio::test]
async fn cancelling_gives_back_the_stock_and_the_purchase_order_number() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (buyer, other) = (
        world.portal_user("acme-buyer", "ACME")?,
        world.portal_user("borealis-buyer", "BOREALIS")?,
    );
    let placed = buyer.order("k", &cheaper("PO-1", "4")).await?;
    assert_eq!(placed.at("/status"), "held", "{}", placed.text);
    let wish = json!({"lines": [{"item": "SKU-0003", "quantity": {"value": "4"}}]});
    let refused = other.post("/reservations", "r-1", &wish).await?;
    expect(&refused, 409);
    assert_eq!(refused.at("/code"), "insufficient-stock");

    let id = placed.at("/order_id");
    let cancelled = buyer.cancel(&id, "c").await?;
    expect(&cancelled, 200);
    assert_eq!(cancelled.at("/status"), "cancelled");
    expect(&other.post("/reservations", "r-2", &wish).await?, 201);
    let again = buyer
        .post("/orders", "k-2", &order("PO-1", &[("SKU-0002", "1", "EA")]))
        .await?;
    expect(&again, 202);
    assert_ne!(again.at("/order_id"), id);
    the_live_one(&world, "PO-1").await?;
    world.stop().await
}

#[tokio::test]
async fn what_the_erp_refuses_waits_for_a_person_and_is_tried_again() -> anyhow::Result<()> {
    let world = World::start().await?;
    let erp = &world.estate.sandbox.erp;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    world.estate.erp_proxy.set_plan(throttled(CREATE))?;
    let placed = buyer
        .post("/orders", "k", &order("PO-1", &[("SKU-0002", "1", "EA")]))
        .await?;
    expect(&placed, 202);
    until("an attempt", async || {
        Ok((struck(&world.estate.erp_proxy) > 0).then_some(()))
    })
    .await?;
    // Between the taking and the creating, somebody blocks the account.
    let block = |blocked| AccountChange {
        blocked: Some(blocked),
        ..AccountChange::default()
    };
    erp.set_account("ACME", block(true))?;
    world.estate.erp_proxy.set_plan(FaultPlan::default())?;
    let id = placed.at("/order_id");
    let held = buyer.order_until(&id, "held").await?;
    assert_eq!(held.at("/holds/0/reason"), "order_entry_review");
    let operator = world.operator()?;
    let listed = operator.holds("erp_rejected").await?;
    assert_eq!(listed[0]["order_id"], *id);

    erp.set_account("ACME", block(false))?;
    expect(&operator.retry(&id).await?, 200);
    buyer.order_until(&id, "released").await?;
    assert_eq!(live(&world, "PO-1").len(), 1);
    world.stop().await
}
