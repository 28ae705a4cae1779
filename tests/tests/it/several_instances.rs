//! Several instances of process-apis and experience-apis on one `PostgreSQL`: no work is done twice, what a killed one had
//! begun is carried on by another, and who waits at one hears what the other did.

use std::collections::BTreeMap;

use sandbox::fault::FaultPlan;
use tests::{
    PortalUser, Setup, World,
    instance::{Instance, Role},
    needs,
    postgres::Database,
    until,
};

use crate::support::{CREATE, expect, live, order, outage, struck, the_live_one};

async fn world_on(database: &Database) -> anyhow::Result<World> {
    World::start_with(Setup::default().with("ORDERWAY_PROCESS__STORE__URL", &database.url())).await
}

/// Places orders at the instances in turn; answers their ids by purchase order.
async fn place(
    buyers: &[&PortalUser],
    numbers: std::ops::Range<u32>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut placed = BTreeMap::new();
    for (number, buyer) in numbers.zip(buyers.iter().cycle()) {
        let name = format!("PO-{number}");
        let body = order(&name, &[("SKU-0002", "12", "EA")]);
        let answer = buyer.post("/orders", &format!("k-{number}"), &body).await?;
        expect(&answer, 202);
        placed.insert(name, answer.at("/order_id"));
    }
    Ok(placed)
}

async fn each_is_released_once(
    world: &World,
    buyer: &PortalUser,
    placed: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    for (name, id) in placed {
        buyer.order_until(id, "released").await?;
        the_live_one(world, name).await?;
    }
    assert_eq!(world.estate.sandbox.erp.orders().len(), placed.len());
    assert_eq!(world.estate.sandbox.wms.pick_requests().len(), placed.len());
    Ok(())
}

#[tokio::test]
async fn two_instances_share_the_work_and_do_none_of_it_twice() -> anyhow::Result<()> {
    let Some(server) = needs::postgres() else {
        return Ok(());
    };
    let database = Database::make(&server).await?;
    let world = world_on(&database).await?;
    let second = Instance::start(&world, &database.url(), Role::Whole).await?;
    let here = world.portal_user("acme-buyer", "ACME")?;
    let there = second.portal_user(&world, "acme-buyer", "ACME")?;
    let placed = place(&[&here, &there], 0..16).await?;
    each_is_released_once(&world, &there, &placed).await?;
    // The same request at the other instance is the same order.
    let body = order("PO-0", &[("SKU-0002", "12", "EA")]);
    let again = there.post("/orders", "k-0", &body).await?;
    assert_eq!(
        (again.at("/order_id"), again.header("idempotency-replayed")),
        (placed["PO-0"].clone(), "true")
    );
    second.kill();
    world.stop().await
}

#[tokio::test]
async fn what_a_killed_instance_had_begun_is_carried_on_by_the_other() -> anyhow::Result<()> {
    let Some(server) = needs::postgres() else {
        return Ok(());
    };
    let database = Database::make(&server).await?;
    let world = world_on(&database).await?;
    let second = Instance::start(&world, &database.url(), Role::Whole).await?;
    let here = world.portal_user("acme-buyer", "ACME")?;
    let there = second.portal_user(&world, "acme-buyer", "ACME")?;
    world.estate.erp_proxy.set_plan(outage(CREATE))?;
    let placed = place(&[&here, &there], 0..12).await?;
    until("attempts at the ERP", async || {
        Ok((struck(&world.estate.erp_proxy) > 2).then_some(()))
    })
    .await?;
    second.kill();
    assert!(live(&world, "PO-0").is_empty());
    world.estate.erp_proxy.set_plan(FaultPlan::default())?;
    each_is_released_once(&world, &here, &placed).await?;
    world.stop().await
}

#[tokio::test]
async fn who_waits_at_one_instance_hears_what_the_other_did() -> anyhow::Result<()> {
    let Some(server) = needs::postgres() else {
        return Ok(());
    };
    let database = Database::make(&server).await?;
    let world = world_on(&database).await?;
    let second = Instance::start(&world, &database.url(), Role::RequestsOnly).await?;
    let there = second.portal_user(&world, "acme-buyer", "ACME")?;
    for number in 0..3 {
        let name = format!("PO-{number}");
        let body = order(&name, &[("SKU-0002", "12", "EA")]);
        let answer = there.order(&format!("k-{number}"), &body).await?;
        assert!(answer.status.is_success(), "{}", answer.text);
        assert_eq!(
            answer.at("/sales_order_number"),
            the_live_one(&world, &name).await?.number,
            "{}",
            answer.text
        );
    }
    second.kill();
    world.stop().await
}
