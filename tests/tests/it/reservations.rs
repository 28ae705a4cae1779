//! Stock and prices that are held for a buyer: one wins the last of it, and a lock outlives a change.

use futures_util::future::try_join;
use jiff::SignedDuration;
use sandbox::{PriceChange, seed::PriceKind};
use serde_json::{Value, json};
use tests::{Setup, World, texts, until};

use crate::support::{decimal, expect, order, the_live_one};

/// SKU-0003 is kept at EAST alone, and there are 4.
fn last_four() -> Value {
    json!({"lines": [{"item": "SKU-0003", "quantity": {"value": "4"}}]})
}

#[tokio::test]
async fn of_two_who_want_the_last_units_one_wins() -> anyhow::Result<()> {
    let world = World::start().await?;
    let acme = world.portal_user("acme-buyer", "ACME")?;
    let borealis = world.portal_user("borealis-buyer", "BOREALIS")?;
    let (wish, mut winner) = (last_four(), None);
    let (left, right) = try_join(
        acme.post("/reservations", "r", &wish),
        borealis.post("/reservations", "r", &wish),
    )
    .await?;
    for (user, answer) in [(&acme, &left), (&borealis, &right)] {
        if answer.status == 201 {
            assert!(winner.is_none(), "both won: {} {}", left.text, right.text);
            winner = Some((user, answer.at("/reservation_id")));
        } else {
            expect(answer, 409);
            assert_eq!(answer.at("/code"), "insufficient-stock");
        }
    }
    let (winner, reservation) =
        winner.unwrap_or_else(|| panic!("nobody won: {} {}", left.text, right.text));
    let mut body = order("PO-1", &[("SKU-0003", "4", "EA")]);
    body["reservation_id"] = json!(reservation);
    let placed = winner.order("k", &body).await?;
    expect(&placed, 202);
    let seen = winner
        .get(&format!("/orders/{}", placed.at("/order_id")))
        .await?;
    assert_eq!(
        seen.at("/lines/0/schedule/0/cover"),
        "stock",
        "{}",
        seen.text
    );
    the_live_one(&world, "PO-1").await?;
    world.stop().await
}

#[tokio::test]
async fn two_orders_for_the_last_units_are_not_both_promised_them() -> anyhow::Result<()> {
    let world = World::start().await?;
    let acme = world.portal_user("acme-buyer", "ACME")?;
    let west = world.portal_user("acme-west-buyer", "ACME-WEST")?;
    let (one, two) = (
        order("PO-1", &[("SKU-0003", "4", "EA")]),
        order("PO-2", &[("SKU-0003", "4", "EA")]),
    );
    let (one, two) = try_join(acme.order("k", &one), west.order("k", &two)).await?;
    let mut covers = Vec::new();
    for (user, placed) in [(&acme, one), (&west, two)] {
        expect(&placed, 202);
        let seen = user
            .get(&format!("/orders/{}", placed.at("/order_id")))
            .await?
            .json();
        let parts = texts(&seen, "/lines/0/schedule");
        covers.extend(
            parts
                .iter()
                .map(|part| part["cover"].as_str().unwrap().to_owned()),
        );
    }
    covers.sort();
    assert_eq!(covers, ["lead_time", "stock"]);
    world.stop().await
}

#[tokio::test]
async fn a_reservation_that_runs_out_gives_its_stock_back() -> anyhow::Result<()> {
    let (setup, time) = Setup::at("2026-12-02T15:00:00Z".parse()?);
    let world = World::start_with(setup).await?;
    let acme = world.portal_user("acme-buyer", "ACME")?;
    expect(&acme.post("/reservations", "r", &last_four()).await?, 201);
    let borealis = world.portal_user("borealis-buyer", "BOREALIS")?;
    expect(
        &borealis.post("/reservations", "r", &last_four()).await?,
        409,
    );
    time.advance(SignedDuration::from_mins(16));
    let borealis = world.portal_user("borealis-buyer", "BOREALIS")?;
    until("the stock", async || {
        let key = uuid::Uuid::new_v4().to_string();
        let held = borealis.post("/reservations", &key, &last_four()).await?;
        Ok((held.status == 201).then_some(()))
    })
    .await?;
    world.stop().await
}

/// The price of one SKU-0004, which no contract has.
async fn checked_price(world: &World, lines: &Value) -> anyhow::Result<String> {
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let checked = buyer
        .post("/basket-checks", "none", &json!({"lines": lines}))
        .await?;
    expect(&checked, 200);
    Ok(checked.at("/lines/0/price/unit_price/amount"))
}

#[tokio::test]
async fn a_quote_locks_its_price_until_it_expires() -> anyhow::Result<()> {
    let (setup, time) = Setup::at("2026-12-02T15:00:00Z".parse()?);
    // The cache keeps time by the machine's clock, which no test moves: it keeps no price.
    let uncached = "{ fresh = \"1ms\", stale_if_error = \"1ms\", entries = 1 }";
    let setup = setup.with("ORDERWAY_SYSTEM__ERP__MAIN__CACHE__PRICES", uncached);
    let world = World::start_with(setup).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let lines = json!([{"item": "SKU-0004", "quantity": {"value": "10", "unit": "EA"}}]);
    let quote = buyer.post("/quotes", "q", &json!({"lines": lines})).await?;
    expect(&quote, 201);
    let locked = quote.at("/lines/0/price/unit_price/amount");
    let changed = world.estate.sandbox.erp.set_price(PriceChange {
        item: "SKU-0004".to_owned(),
        kind: PriceKind::List,
        holder: String::new(),
        break_quantity: None,
        price: decimal("999.99"),
    })?;
    assert_eq!(changed, 1);
    assert_eq!(
        decimal(&checked_price(&world, &lines).await?),
        decimal("999.99")
    );

    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let with_quote = |number: &str| json!({"purchase_order_number": number, "quote_id": quote.at("/quote_id"), "lines": lines});
    let placed = buyer.order("k-1", &with_quote("PO-1")).await?;
    expect(&placed, 202);
    let in_erp = the_live_one(&world, "PO-1").await?;
    assert_eq!(
        in_erp.lines[0].net_price / in_erp.lines[0].price_unit,
        decimal(&locked)
    );

    time.advance(SignedDuration::from_hours(24));
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let seen = buyer
        .get(&format!("/quotes/{}", quote.at("/quote_id")))
        .await?;
    assert_eq!(seen.at("/state"), "expired", "{}", seen.text);
    let late = buyer.order("k-2", &with_quote("PO-2")).await?;
    expect(&late, 422);
    assert!(late.text.contains("quote-not-usable"), "{}", late.text);
    world.stop().await
}
