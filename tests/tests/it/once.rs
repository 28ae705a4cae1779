//! One order stays one order: whoever repeats it, hangs up, or does not hear the answer.

use std::collections::BTreeSet;

use futures_util::future::{join_all, try_join_all};
use sandbox::{
    CreateClass,
    fault::{Fault, FaultPlan, FaultRule},
    wms::PickStatus,
};
use serde_json::Value;
use tests::{PortalUser, Setup, World, until};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{CREATE, expect, live, order, struck, the_live_one};

#[tokio::test]
async fn twenty_at_once_under_one_key_are_one_order() -> anyhow::Result<()> {
    let world = World::start().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let body = order("PO-1", &[("SKU-0002", "24", "EA")]);
    let answers = try_join_all((0..20).map(|_| buyer.post("/orders", "k", &body))).await?;
    let mut ids = BTreeSet::new();
    for answer in &answers {
        expect(answer, 202);
        ids.insert(answer.at("/order_id"));
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    buyer.order_until(ids.first().unwrap(), "released").await?;
    assert_eq!(world.estate.sandbox.erp.orders().len(), 1);
    assert_eq!(world.estate.sandbox.wms.pick_requests().len(), 1);
    world.stop().await
}

#[tokio::test]
async fn twenty_at_once_under_their_own_keys_are_one_purchase_order() -> anyhow::Result<()> {
    let world = World::start().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let body = order("PO-1", &[("SKU-0002", "24", "EA")]);
    let keys: Vec<String> = (0..20).map(|n| format!("k-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| buyer.post("/orders", key, &body))).await;
    let (mut ids, mut first) = (BTreeSet::new(), 0);
    for answer in answers {
        let answer = answer?;
        expect(&answer, 202);
        ids.insert(answer.at("/order_id"));
        if answer.header("orderway-duplicate") != "true" {
            first += 1;
        }
    }
    assert_eq!((ids.len(), first), (1, 1), "{ids:?}");
    let other = order("PO-1", &[("SKU-0002", "25", "EA")]);
    let refused = buyer.post("/orders", "k-other", &other).await?;
    expect(&refused, 409);
    assert_eq!(refused.at("/code"), "duplicate-purchase-order");
    assert_eq!(refused.at("/order_id"), *ids.first().unwrap());
    buyer.order_until(ids.first().unwrap(), "released").await?;
    assert_eq!(world.estate.sandbox.erp.orders().len(), 1);
    world.stop().await
}

/// Sends a whole request and closes the connection without waiting for a byte.
async fn send_and_hang_up(
    world: &World,
    buyer: &PortalUser,
    key: &str,
    body: &Value,
) -> anyhow::Result<()> {
    let address = world.estate.experience_url.trim_start_matches("http://");
    let body = body.to_string();
    let request = format!(
        "POST /portal/v1/orders HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         orderway-account: ACME\r\nidempotency-key: {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        buyer.token(),
        body.len()
    );
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(request.as_bytes()).await?;
    connection.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn who_hangs_up_right_after_sending_loses_nothing() -> anyhow::Result<()> {
    let world = World::start().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let numbers: Vec<String> = (0..40).map(|n| format!("PO-{n}")).collect();
    let sendings = numbers.iter().map(|number| {
        let body = order(number, &[("SKU-0005", "1", "EA")]);
        let (world, buyer) = (&world, &buyer);
        async move { send_and_hang_up(world, buyer, number, &body).await }
    });
    try_join_all(sendings).await?;
    for number in &numbers {
        the_live_one(&world, number).await?;
    }
    assert_eq!(world.estate.sandbox.erp.orders().len(), numbers.len());
    world.stop().await
}

async fn after_a_lost_answer(class: CreateClass) -> anyhow::Result<(World, PortalUser, String)> {
    let world = World::start_with(Setup::default().with_create_class(class)).await?;
    let lost = FaultRule::new(CREATE, Fault::DropAfterCommit).times(1);
    world
        .estate
        .erp_proxy
        .set_plan(FaultPlan::of_rules(vec![lost]))?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let body = order("PO-1", &[("SKU-0002", "24", "EA")]);
    let placed = buyer.post("/orders", "k", &body).await?;
    expect(&placed, 202);
    Ok((world, buyer, placed.at("/order_id")))
}

#[tokio::test]
async fn a_lost_answer_of_the_erp_is_one_order_wherever_it_can_be_found_out() -> anyhow::Result<()>
{
    for class in [
        CreateClass::Staged,
        CreateClass::Unique,
        CreateClass::Searchable,
    ] {
        let (world, buyer, id) = after_a_lost_answer(class).await?;
        buyer.order_until(&id, "released").await?;
        assert_eq!(struck(&world.estate.erp_proxy), 1, "{class:?}");
        assert_eq!(live(&world, "PO-1").len(), 1, "{class:?}");
        let blocked = world.estate.sandbox.erp.orders();
        let blocked = blocked
            .iter()
            .filter(|order| order.blocked && order.status == sandbox::erp::OrderStatus::Open);
        assert_eq!(blocked.count(), 0, "{class:?}: no draft is left behind");
        assert_eq!(
            world.estate.sandbox.wms.pick_requests().len(),
            1,
            "{class:?}"
        );
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_of_a_blind_erp_is_left_to_a_person() -> anyhow::Result<()> {
    let (world, buyer, id) = after_a_lost_answer(CreateClass::Blind).await?;
    let held = buyer.order_until(&id, "held").await?;
    assert_eq!(held.at("/holds/0/reason"), "order_entry_review");
    let listed = world.operator()?.holds("erp_unknown").await?;
    assert_eq!(listed[0]["order_id"], *id);
    assert_eq!(
        world.estate.sandbox.erp.calls_of("SALESORDER_CREATE"),
        1,
        "never tried again"
    );
    world.stop().await
}

#[tokio::test]
async fn a_lost_answer_of_the_warehouse_is_one_pick_request() -> anyhow::Result<()> {
    for unique in [true, false] {
        let class = if unique { "unique" } else { "searchable" };
        let connector = "ORDERWAY_SYSTEM__WMS__WAREHOUSE__CONNECTOR__";
        let setup = Setup::default()
            .with(&format!("{connector}QUIET_PERIOD"), "200ms")
            .with(&format!("{connector}RELEASE_CLASS"), class)
            .with_sandbox(|sandbox| sandbox.unique_client_ref = unique);
        let world = World::start_with(setup).await?;
        let lost = FaultRule {
            method: Some("POST".to_owned()),
            ..FaultRule::new("/wms/v2/pickRequests", Fault::DropAfterCommit).times(1)
        };
        world
            .estate
            .wms_proxy
            .set_plan(FaultPlan::of_rules(vec![lost]))?;
        let buyer = world.portal_user("acme-buyer", "ACME")?;
        let placed = buyer
            .post("/orders", "k", &order("PO-1", &[("SKU-0002", "24", "EA")]))
            .await?;
        buyer
            .order_until(&placed.at("/order_id"), "released")
            .await?;
        assert_eq!(struck(&world.estate.wms_proxy), 1);
        let requests = world.estate.sandbox.wms.pick_requests();
        let waiting = requests
            .iter()
            .filter(|request| request.status == PickStatus::New);
        assert_eq!(waiting.count(), 1, "{unique}: {requests:?}");
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_interchange_sent_twenty_times_at_once_is_one_order() -> anyhow::Result<()> {
    let world = World::start().await?;
    let partner = world.edi_partner("acme-edi", "acme-edi-demo");
    let lines = [["24", "EA", "", "VP", "SKU-0002"]];
    let text = tests::PurchaseOrder::new("PO-1", 7, &lines).interchange(world.now());
    let answers = try_join_all((0..20).map(|_| partner.send(text.clone()))).await?;
    let acknowledgments: BTreeSet<&str> =
        answers.iter().map(|answer| answer.text.as_str()).collect();
    for answer in &answers {
        expect(answer, 200);
    }
    assert_eq!(
        acknowledgments.len(),
        1,
        "the same bytes for everyone: {acknowledgments:?}"
    );
    the_live_one(&world, "PO-1").await?;
    partner.order_acknowledgments(1).await?;
    until("the effects to come to rest", async || {
        let picks = world.estate.sandbox.wms.pick_requests();
        Ok((!picks.is_empty()).then_some(()))
    })
    .await?;
    assert_eq!(world.estate.sandbox.erp.orders().len(), 1);
    world.stop().await
}
