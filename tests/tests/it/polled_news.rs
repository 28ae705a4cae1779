//! A warehouse that sends no news: its changes are read, by one instance of system-apis or two, and by the next where one
//! ends.

use sandbox::wms::{FloorStep, NewsFaults};
use serde_json::json;
use service_runtime::config::{Environment, load};
use tests::{PortalUser, Setup, World, root, texts, until};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::support::{expect, order};

const READ: [(&str, &str); 3] = [
    (
        "ORDERWAY_SYSTEM__WMS__WAREHOUSE__CONNECTOR__CHANGE_FEED",
        "true",
    ),
    ("ORDERWAY_SYSTEM__WMS__WAREHOUSE__POLL__INTERVAL", "20ms"),
    ("ORDERWAY_SYSTEM__WMS__WAREHOUSE__POLL__OVERLAP", "1s"),
];

/// A world whose warehouse sends nothing.
async fn world() -> anyhow::Result<World> {
    let setup = Setup::default();
    let setup = READ
        .iter()
        .fold(setup, |setup, (name, value)| setup.with(name, value));
    let world = World::start_with(setup).await?;
    world.estate.sandbox.wms.upset_news(NewsFaults {
        lose: u32::MAX,
        ..NewsFaults::default()
    });
    Ok(world)
}

async fn released(buyer: &PortalUser, count: usize) -> anyhow::Result<Vec<String>> {
    let mut orders = Vec::new();
    for number in 0..count {
        let body = order(&format!("PO-{number}"), &[("SKU-0002", "12", "EA")]);
        let placed = buyer.order(&format!("k-{number}"), &body).await?;
        expect(&placed, 202);
        let id = placed.at("/order_id");
        buyer.order_until(&id, "released").await?;
        orders.push(id);
    }
    Ok(orders)
}

/// Everything is picked, packed and shipped at once.
fn ship_all(world: &World) -> anyhow::Result<()> {
    let wms = &world.estate.sandbox.wms;
    for request in wms.pick_requests() {
        for step in [FloorStep::Pick, FloorStep::Pack, FloorStep::Ship] {
            wms.work(&request.pick_request_id, step, None)?;
        }
    }
    Ok(())
}

async fn all_are_shipped_once(
    world: &World,
    buyer: &PortalUser,
    orders: &[String],
) -> anyhow::Result<()> {
    for id in orders {
        let seen = buyer.order_until(id, "shipped").await?.json();
        assert_eq!(seen["lines"][0]["quantities"]["shipped"], "12", "{seen:#}");
        assert_eq!(seen["shipments"][0]["version"], 3);
    }
    let operator = world.operator()?;
    assert_eq!(operator.events("order.shipped").await?.len(), orders.len());
    let waiting = operator.get("/v1/news").await?;
    assert_eq!(texts(&waiting.json(), "/items"), [json!(null); 0]);
    Ok(())
}

#[tokio::test]
async fn what_a_silent_warehouse_ships_reaches_the_buyer() -> anyhow::Result<()> {
    let world = world().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let orders = released(&buyer, 1).await?;
    let wms = &world.estate.sandbox.wms;
    let request = wms.pick_requests().remove(0).pick_request_id;
    wms.work(&request, FloorStep::Pick, None)?;
    until("the pick", async || {
        let seen = buyer.get(&format!("/orders/{}", orders[0])).await?.json();
        let picked = &seen["lines"][0]["quantities"]["picked"];
        Ok((picked == "12").then_some(()))
    })
    .await?;
    wms.work(&request, FloorStep::Pack, None)?;
    wms.work(&request, FloorStep::Ship, None)?;
    all_are_shipped_once(&world, &buyer, &orders).await?;
    world.stop().await
}

#[tokio::test]
async fn what_happened_while_nobody_read_is_read_afterwards() -> anyhow::Result<()> {
    let world = world().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let orders = released(&buyer, 3).await?;
    // Either on the way when the layers end, or after.
    ship_all(&world)?;
    let world = world.restart_layers().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    all_are_shipped_once(&world, &buyer, &orders).await?;
    world.stop().await
}

/// A second instance of system-apis that reads the same warehouse, in a runtime of its own.
fn second_reader(world: &World) -> anyhow::Result<Runtime> {
    let runtime = Runtime::new()?;
    let wms_url = world.estate.sandbox.wms_url();
    let quiet = ("ORDERWAY_SYSTEM__LOG__LEVEL", "off");
    let process = (
        "ORDERWAY_SYSTEM__PROCESS__BASE_URL",
        world.estate.process_url.as_str(),
    );
    let warehouse = (
        "ORDERWAY_SYSTEM__WMS__WAREHOUSE__CONNECTOR__BASE_URL",
        wms_url.as_str(),
    );
    let settings = READ.into_iter().chain([quiet, process, warehouse]);
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment: Environment = settings.collect();
    let config_dir = root().join("config");
    let config = load(system_apis::LAYER, Some(&config_dir), &environment)?;
    let (_router, background) = system_apis::build(config, system_apis::Deps::default())?;
    runtime.spawn(background.run(CancellationToken::new()));
    Ok(runtime)
}

#[tokio::test]
async fn two_instances_that_read_at_once_tell_everything_once_and_one_goes_on_alone()
-> anyhow::Result<()> {
    let world = world().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let second = second_reader(&world)?;
    let mut orders = released(&buyer, 3).await?;
    ship_all(&world)?;
    all_are_shipped_once(&world, &buyer, &orders).await?;
    let body = order("PO-LATER", &[("SKU-0002", "12", "EA")]);
    let placed = buyer.order("k-later", &body).await?;
    orders.push(placed.at("/order_id"));
    buyer.order_until(&orders[3], "released").await?;
    // As if the machine had gone.
    second.shutdown_background();
    let wms = &world.estate.sandbox.wms;
    let last = wms
        .pick_requests()
        .pop()
        .map(|request| request.pick_request_id);
    for step in [FloorStep::Pick, FloorStep::Pack, FloorStep::Ship] {
        wms.work(last.as_deref().unwrap_or_default(), step, None)?;
    }
    all_are_shipped_once(&world, &buyer, &orders).await?;
    world.stop().await
}
