//! Several instances of process-apis and experience-apis on one `PostgreSQL`: no work is done twice, what a killed one had
//! begun is carried on by another, who waits at one hears what the other did, and news count once whoever takes them.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};
use reqwest::Method;
use sandbox::{
    fault::FaultPlan,
    wms::{FloorStep, NewsFaults},
};
use serde_json::{Value, json};
use tests::{
    PortalUser, Setup, Source, World,
    instance::{Instance, Role},
    needs,
    postgres::Database,
    until,
};

use crate::support::{CREATE, expect, live, order, outage, struck, the_live_one};

async fn world_on(database: &Database) -> anyhow::Result<World> {
    World::start_with(Setup::default().with("ORDERWAY_PROCESS__STORE__URL", &database.url())).await
}

/// A database that goes last, a world on it, and another instance beside it.
async fn two_instances(second: Role) -> anyhow::Result<Option<(Database, World, Instance)>> {
    let Some(server) = needs::postgres() else {
        return Ok(None);
    };
    let database = Database::make(&server).await?;
    let world = world_on(&database).await?;
    let second = Instance::start(&world, &database.url(), second).await?;
    Ok(Some((database, world, second)))
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
    let Some((_database, world, second)) = two_instances(Role::Whole).await? else {
        return Ok(());
    };
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
    let Some((_database, world, second)) = two_instances(Role::Whole).await? else {
        return Ok(());
    };
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
    let Some((_database, world, second)) = two_instances(Role::RequestsOnly).await? else {
        return Ok(());
    };
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

/// Both doors for news of the warehouse.
fn doors(world: &World, second: &Instance) -> anyhow::Result<[Source; 2]> {
    let door = |url: &str| {
        let clock = service_runtime::clock::Clock::system();
        Source::new(world.http.clone(), url, "warehouse", clock)
    };
    Ok([
        door(&world.estate.process_url)?,
        door(second.process_url())?,
    ])
}

/// What a warehouse says of the one shipment of each order: picked, packed, shipped, as versions 1 to 3.
fn lives_of_shipments(world: &World) -> Vec<[Value; 3]> {
    let requests = world.estate.sandbox.wms.pick_requests();
    let life = |(number, request): (usize, &sandbox::PickRequest)| {
        let reference = request.client_ref.split('-').next().unwrap_or_default();
        let as_of = |version: u8| {
            let so_far = |least| if version < least { "0" } else { "12" };
            json!({"kind": "shipment", "shipment": format!("SH-{number}"), "version": version,
                "order_reference": reference, "site": request.site_code, "occurred_at": "2026-11-21T10:00:00Z",
                "lines": [{"line": 1, "item": "SKU-0002", "unit": "EA", "picked": "12", "packed": so_far(2),
                    "shipped": so_far(3)}]})
        };
        [1, 2, 3].map(as_of)
    };
    requests.iter().enumerate().map(life).collect()
}

/// Each order is shipped, whole and no more, in one shipment.
async fn each_is_shipped_once(
    buyer: &PortalUser,
    placed: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    for id in placed.values() {
        let seen = buyer.order_until(id, "shipped").await?.json();
        let quantities = &seen["lines"][0]["quantities"];
        for (part, quantity) in [("shipped", "12"), ("released", "0"), ("picked", "0")] {
            assert_eq!(quantities[part], quantity, "{seen:#}");
        }
        assert_eq!(seen["shipments"].as_array().map(Vec::len), Some(1));
        assert_eq!(seen["shipments"][0]["version"], 3);
    }
    Ok(())
}

async fn told(world: &World, kind: &str) -> anyhow::Result<usize> {
    Ok(world.operator()?.events(kind).await?.len())
}

/// What an order shows may be in the feed a moment later: its place is given after the commit.
async fn each_is_told_once(
    world: &World,
    kind: &str,
    placed: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let what = format!("{kind} of every order");
    let all = tests::until(&what, async || {
        let count = told(world, kind).await?;
        Ok((count >= placed.len()).then_some(count))
    });
    assert_eq!(all.await?, placed.len(), "{kind}");
    Ok(())
}

#[tokio::test]
async fn news_told_to_both_instances_at_once_are_applied_once() -> anyhow::Result<()> {
    let Some((_database, world, second)) = two_instances(Role::Whole).await? else {
        return Ok(());
    };
    let here = world.portal_user("acme-buyer", "ACME")?;
    let there = second.portal_user(&world, "acme-buyer", "ACME")?;
    let placed = place(&[&here, &there], 0..6).await?;
    each_is_released_once(&world, &there, &placed).await?;
    let doors = doors(&world, &second)?;
    let lives = lives_of_shipments(&world);
    assert_eq!(lives.len(), placed.len());
    for step in 0..3 {
        // Of every order at once, by each door twice.
        let postings = lives.iter().flat_map(|life| {
            let body = json!({"source": "warehouse", "news": [life[step]]});
            doors.iter().chain(&doors).map(move |door| {
                let body = body.clone();
                async move { door.call(Method::POST, "/v1/intake/events", &body).await }
            })
        });
        let mut fates: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for answer in try_join_all(postings).await? {
            expect(&answer, 200);
            let fate = answer.at("/outcomes/0/outcome");
            fates
                .entry(answer.at("/outcomes/0/key"))
                .or_default()
                .push(fate);
        }
        assert_eq!(fates.len(), placed.len());
        for (key, mut fates) in fates {
            fates.sort();
            assert_eq!(fates, ["applied", "known", "known", "known"], "{key}");
        }
    }
    each_is_shipped_once(&here, &placed).await?;
    for kind in ["order.picked", "order.packed", "order.shipped"] {
        each_is_told_once(&world, kind, &placed).await?;
    }
    second.kill();
    world.stop().await
}

/// Reads a source's changes on from its cursor until there are none, and delivers each with its step; answers which it
/// was first with.
async fn read_on(door: &Source, changes: &[Value]) -> anyhow::Result<Vec<usize>> {
    let mut first_with = Vec::new();
    loop {
        let path = "/v1/intake/warehouse/cursor";
        let cursor = door.call(Method::GET, path, &Value::Null).await?;
        expect(&cursor, 200);
        let from = cursor.json()["cursor"].clone();
        let at: usize = from.as_str().map_or(Ok(0), str::parse)?;
        let Some(change) = changes.get(at) else {
            return Ok(first_with);
        };
        let step = json!({"from": from, "to": (at + 1).to_string()});
        let body = json!({"source": "warehouse", "cursor": step, "news": [change]});
        let answer = door.call(Method::POST, "/v1/intake/events", &body).await?;
        if answer.status == 409 {
            assert_eq!(answer.at("/code"), "cursor-moved", "{}", answer.text);
            continue;
        }
        expect(&answer, 200);
        assert_eq!(answer.at("/outcomes/0/outcome"), "applied");
        first_with.push(at);
    }
}

#[tokio::test]
async fn a_cursor_that_both_instances_move_moves_once_over_each_change() -> anyhow::Result<()> {
    let Some((_database, world, second)) = two_instances(Role::Whole).await? else {
        return Ok(());
    };
    let here = world.portal_user("acme-buyer", "ACME")?;
    let placed = place(&[&here], 0..6).await?;
    each_is_released_once(&world, &here, &placed).await?;
    let lives = lives_of_shipments(&world);
    let step = |version: usize| lives.iter().map(move |life| life[version].clone());
    let changes: Vec<Value> = (0..3).flat_map(step).collect();

    let [one, other] = doors(&world, &second)?;
    let (mut all, others) = try_join(read_on(&one, &changes), read_on(&other, &changes)).await?;
    all.extend(others);
    all.sort_unstable();
    assert_eq!(all, (0..changes.len()).collect::<Vec<_>>(), "each once");
    each_is_shipped_once(&here, &placed).await?;
    each_is_told_once(&world, "order.shipped", &placed).await?;
    second.kill();
    world.stop().await
}

#[tokio::test]
async fn what_was_lost_on_the_way_is_asked_for_by_one_of_them() -> anyhow::Result<()> {
    let Some((_database, world, second)) = two_instances(Role::Whole).await? else {
        return Ok(());
    };
    let here = world.portal_user("acme-buyer", "ACME")?;
    let placed = place(&[&here], 0..6).await?;
    each_is_released_once(&world, &here, &placed).await?;
    let wms = &world.estate.sandbox.wms;
    let requests = wms.pick_requests();
    wms.upset_news(NewsFaults {
        lose: 2 * u32::try_from(requests.len())?,
        ..NewsFaults::default()
    });
    for step in [FloorStep::Pick, FloorStep::Pack, FloorStep::Ship] {
        for request in &requests {
            wms.work(&request.pick_request_id, step, None)?;
        }
    }
    each_is_shipped_once(&here, &placed).await?;
    each_is_told_once(&world, "order.shipped", &placed).await?;
    // What was lost is in what was asked for, and is not told by itself.
    assert_eq!(told(&world, "order.picked").await?, 0);
    let waiting = world.operator()?.get("/v1/news").await?;
    assert_eq!(waiting.json()["items"], json!([]));
    second.kill();
    world.stop().await
}
