//! A ConfirmationRequest is sent until the buyer's system answers: the same bytes each time, and not before their time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tests::{
    Setup, World,
    punchout::{CartItem, Confirmation, Dtds, Order, Site},
    until,
};

use crate::support::{expect, the_live_one};

const MONDAY: &str = "2026-11-23T10:00:00Z";
/// What has reached the demonstration's partner.
const DELIVERED: &str = "/v1/documents?partner=acme-punchout&direction=outbound&state=delivered";

/// A line that never left a shop: at the price of today.
async fn unlocked(world: &World, item: &str, quantity: &str) -> anyhow::Result<CartItem> {
    let portal = world.portal_user("acme-buyer", "ACME")?;
    let line = json!({"item": item, "quantity": {"value": quantity}});
    let checked = portal
        .post("/basket-checks", "price", &json!({"lines": [line]}))
        .await?;
    expect(&checked, 200);
    Ok(CartItem {
        quantity: quantity.to_owned(),
        part: item.to_owned(),
        unit_price: checked.at("/lines/0/price/unit_price/amount"),
        currency: "USD".to_owned(),
        description: "A bearing".to_owned(),
        unit: "EA".to_owned(),
        class: "31000000".to_owned(),
        class_domain: "UNSPSC".to_owned(),
        ..CartItem::default()
    })
}

#[tokio::test]
async fn a_confirmation_is_sent_until_it_is_answered() -> anyhow::Result<()> {
    let site = Arc::new(Site::start().await?);
    let (setup, time) = Setup::at(MONDAY.parse::<Timestamp>()?);
    let world = World::start_with(setup.with_punchout_partner(&site, &[])?).await?;
    let buyer = world.cxml_buyer(&site);
    // An error, a page that is no cXML, and then an answer.
    site.refuse_confirmations(&[500, 200]);
    let order_lines = [unlocked(&world, "SKU-0001", "2").await?];
    let order = Order::of("4700001", &order_lines);
    let status = buyer.order("unlocked", &order).await?;
    assert_eq!(status.code, 200, "{status:?}");
    let kept = the_live_one(&world, "4700001").await?;

    let mut moved = 0;
    let came = until("the third confirmation", async || {
        let came = site.confirmations();
        if came.len() > moved {
            moved = came.len();
        } else if moved > 0 {
            // Nothing is sent again before its time has come.
            time.advance(SignedDuration::from_secs(30));
        }
        Ok((came.len() == 3).then_some(came))
    })
    .await?;
    assert!(came.iter().all(|one| *one == came[0]), "they differ");
    let confirmation = Confirmation::read(&came[0])?;
    assert_eq!(confirmation.kind, "accept");
    assert_eq!(confirmation.order_payload_id, "unlocked");
    assert_eq!(kept.lines.len(), 1);
    if let Some(dtds) = Dtds::find() {
        dtds.judge(&came[0])?;
    }

    // What was answered is over, once that is written down, however late it is: the next one that comes is another
    // order's.
    let clerk = world.operator()?.in_channel("punchout");
    until("the answer in the books", async || {
        let delivered = clerk.get(DELIVERED).await?;
        expect(&delivered, 200);
        Ok((!delivered.at("/items/0/document_id").is_empty()).then_some(()))
    })
    .await?;
    time.advance(SignedDuration::from_hours(2));
    let next = Order::of("4700002", &order_lines);
    assert_eq!(buyer.order("next", &next).await?.code, 200);
    let came = until("the next confirmation", async || {
        let came = site.confirmations();
        Ok((came.len() > 3).then_some(came))
    })
    .await?;
    assert_eq!(Confirmation::read(&came[3])?.order_payload_id, "next");
    world.stop().await
}
