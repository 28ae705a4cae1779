//! What is in flight when the layers stop is carried on when they start again.

use sandbox::fault::FaultPlan;
use tests::{Acknowledged, PurchaseOrder, World, until};

use crate::support::{CREATE, expect, live, order, outage, struck, the_live_one};

#[tokio::test]
async fn orders_in_flight_reach_the_erp_once_after_a_restart() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.estate.erp_proxy.set_plan(outage(CREATE))?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let placed = buyer
        .post("/orders", "k", &order("PO-1", &[("SKU-0002", "24", "EA")]))
        .await?;
    expect(&placed, 202);
    let partner = world.edi_partner("acme-edi", "acme-edi-demo");
    let sent = PurchaseOrder::new("PO-2", 1, &[["5", "EA", "", "VP", "SKU-0002"]]);
    expect(&partner.send(sent.interchange(world.now())).await?, 200);
    until("an attempt at the ERP", async || {
        Ok((struck(&world.estate.erp_proxy) > 0).then_some(()))
    })
    .await?;

    let world = world.restart_layers().await?;
    assert!(live(&world, "PO-1").is_empty());
    world.estate.erp_proxy.set_plan(FaultPlan::default())?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let seen = buyer
        .order_until(&placed.at("/order_id"), "released")
        .await?;
    assert_eq!(
        seen.at("/sales_order_number"),
        the_live_one(&world, "PO-1").await?.number
    );
    let partner = world.edi_partner("acme-edi", "acme-edi-demo");
    let answers = partner.order_acknowledgments(1).await?;
    let answer = Acknowledged::read(&answers[0])?;
    assert_eq!(
        answer.sales_order_number,
        the_live_one(&world, "PO-2").await?.number
    );
    assert_eq!(
        world.estate.sandbox.erp.orders().len(),
        2,
        "no draft is left behind"
    );

    let again = buyer
        .post("/orders", "k", &order("PO-1", &[("SKU-0002", "24", "EA")]))
        .await?;
    assert_eq!(
        (again.at("/order_id"), again.header("idempotency-replayed")),
        (placed.at("/order_id"), "true")
    );
    world.stop().await
}
