//! Warehouse news, from the floor to what a buyer reads: doubled, turned round, lost, forged, and fitting no order.

use jiff::{SignedDuration, Timestamp};
use sandbox::{
    SandboxConfig,
    wms::{FloorStep, NewsFaults, NewsState, Quantities, Release, SIGNATURE_HEADER, signature},
};
use serde_json::{Value, json};
use tests::{Answer, PortalUser, Setup, Source, World, texts, until};

use crate::{
    contracts::{committed, operations},
    support::{expect, order},
};

/// Asks soon, and leaves to a person soon what nobody can settle.
fn impatient() -> Setup {
    Setup::default()
        .with("ORDERWAY_PROCESS__INTAKE__PULL_AFTER", "20ms")
        .with("ORDERWAY_PROCESS__INTAKE__POLL", "10ms")
        .with("ORDERWAY_PROCESS__INTAKE__PATIENCE", "200ms")
}

/// An order of 24 pieces that its warehouse has.
struct Released {
    world: World,
    buyer: PortalUser,
    order: String,
    pick_request: String,
}

impl Released {
    async fn start(setup: Setup) -> anyhow::Result<Self> {
        let world = World::start_with(setup).await?;
        let buyer = world.portal_user("acme-buyer", "ACME")?;
        let placed = buyer
            .order("k-1", &order("PO-1", &[("SKU-0002", "24", "EA")]))
            .await?;
        expect(&placed, 202);
        let order = placed.at("/order_id");
        buyer.order_until(&order, "released").await?;
        let mut requests = world.estate.sandbox.wms.pick_requests();
        let request = requests.pop().unwrap();
        assert!(requests.is_empty(), "it ships from one site");
        Ok(Self {
            pick_request: request.pick_request_id,
            world,
            buyer,
            order,
        })
    }

    fn work(&self, step: FloorStep, pieces: Option<i64>) -> sandbox::wms::Shipment {
        let quantities = pieces.map(|pieces| Quantities::from([("1".to_owned(), pieces.into())]));
        let wms = &self.world.estate.sandbox.wms;
        wms.work(&self.pick_request, step, quantities.as_ref())
            .unwrap()
    }

    fn upset(&self, faults: NewsFaults) {
        self.world.estate.sandbox.wms.upset_news(faults);
    }

    async fn seen(&self) -> anyhow::Result<Value> {
        Ok(self
            .buyer
            .get(&format!("/orders/{}", self.order))
            .await?
            .json())
    }

    /// The order, once so many pieces of its line are picked, packed and shipped.
    async fn until(&self, picked: &str, packed: &str, shipped: &str) -> anyhow::Result<Value> {
        let wanted = [picked, packed, shipped];
        let parts = ["picked", "packed", "shipped"];
        until(&format!("{wanted:?} of the line"), async || {
            let seen = self.seen().await?;
            let quantities = &seen["lines"][0]["quantities"];
            let is = parts.map(|part| quantities[part].as_str().unwrap_or_default());
            Ok((is == wanted).then_some(seen.clone()))
        })
        .await
    }

    async fn all_delivered(&self) -> anyhow::Result<()> {
        until("the WMS's news", async || {
            let news = self.world.estate.sandbox.wms.news();
            let waits = news.iter().any(|news| news.state == NewsState::Waiting);
            Ok((!waits).then_some(()))
        })
        .await
    }

    /// Posts in the WMS's name, or in somebody's who would like to be it.
    async fn post(&self, signed: &str, body: &str) -> anyhow::Result<Answer> {
        post(&self.world, signed, body).await
    }
}

async fn post(world: &World, signed: &str, body: &str) -> anyhow::Result<Answer> {
    let url = format!("{}/v1/webhooks/warehouse", world.estate.system_url);
    let request = world.http.post(url).body(body.to_owned());
    let request = if signed.is_empty() {
        request
    } else {
        request.header(SIGNATURE_HEADER, signed)
    };
    let response = request.send().await?;
    Ok(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        text: response.text().await?,
    })
}

fn signed(body: &str) -> String {
    signature(
        SandboxConfig::WMS_NEWS_SECRET,
        service_runtime::clock::Clock::system().now(),
        body.as_bytes(),
    )
}

/// What waits for a person, once there is something.
async fn quarantined(world: &World) -> anyhow::Result<Value> {
    let operator = world.operator()?;
    until("news for a person", async || {
        let listed = operator.get("/v1/news").await?;
        expect(&listed, 200);
        Ok(texts(&listed.json(), "/items").into_iter().next())
    })
    .await
}

/// Events of the order of these types.
async fn told(world: &World, types: &str) -> anyhow::Result<usize> {
    Ok(world.operator()?.events(types).await?.len())
}

#[tokio::test]
async fn what_the_floor_picks_packs_and_ships_is_what_the_buyer_reads() -> anyhow::Result<()> {
    let released = Released::start(Setup::default()).await?;
    released.work(FloorStep::Pick, None);
    let seen = released.until("24", "0", "0").await?;
    assert_eq!(seen["status"], "released");
    released.work(FloorStep::Pack, None);
    released.until("0", "24", "0").await?;
    let left = released.work(FloorStep::Ship, None);
    let seen = released.until("0", "0", "24").await?;
    assert_eq!(seen["status"], "shipped");
    let shipment = &seen["shipments"][0];
    assert_eq!(
        (&shipment["shipment"], &shipment["status"]),
        (&json!(left.shipment_id), &json!("shipped"))
    );
    assert_eq!(shipment["tracking_numbers"], json!([left.tracking_no]));
    assert_eq!(shipment["ssccs"], json!(left.ssccs));
    assert_eq!(shipment["lines"][0]["shipped"], "24");

    let timeline = released
        .buyer
        .get(&format!("/orders/{}/timeline", released.order))
        .await?;
    let events: Vec<_> = texts(&timeline.json(), "/entries")
        .iter()
        .map(|entry| entry["event"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(
        events.ends_with(&["picked", "packed", "shipped"].map(str::to_owned)),
        "{events:?}"
    );
    released.world.stop().await
}

#[tokio::test]
async fn an_order_leaves_in_several_shipments() -> anyhow::Result<()> {
    let released = Released::start(Setup::default()).await?;
    released.work(FloorStep::Pick, Some(10));
    released.work(FloorStep::Pack, None);
    released.work(FloorStep::Ship, None);
    let seen = released.until("0", "0", "10").await?;
    assert_eq!(seen["status"], "partially_shipped");
    assert_eq!(seen["lines"][0]["quantities"]["released"], "14");
    released.work(FloorStep::Pick, None);
    released.work(FloorStep::Pack, None);
    released.work(FloorStep::Ship, None);
    let seen = released.until("0", "0", "24").await?;
    assert_eq!(seen["status"], "shipped");
    assert_eq!(texts(&seen, "/shipments").len(), 2);
    released.world.stop().await
}

#[tokio::test]
async fn doubled_and_turned_round_they_come_to_the_same() -> anyhow::Result<()> {
    let released = Released::start(impatient()).await?;
    released.upset(NewsFaults {
        duplicate: 2,
        hold: true,
        ..NewsFaults::default()
    });
    for step in [FloorStep::Pick, FloorStep::Pack, FloorStep::Ship] {
        released.work(step, None);
    }
    let wms = &released.world.estate.sandbox.wms;
    wms.release_news(Release::Reversed);
    let seen = released.until("0", "0", "24").await?;
    released.all_delivered().await?;
    let later = released.seen().await?;
    assert_eq!(
        (&later["version"], &later["status"]),
        (&seen["version"], &json!("shipped"))
    );
    assert_eq!(told(&released.world, "order.shipped").await?, 1);
    assert_eq!(seen["shipments"][0]["version"], 3);
    released.world.stop().await
}

#[tokio::test]
async fn what_was_lost_on_the_way_is_asked_for() -> anyhow::Result<()> {
    let released = Released::start(impatient()).await?;
    released.upset(NewsFaults {
        lose: 2,
        ..NewsFaults::default()
    });
    for step in [FloorStep::Pick, FloorStep::Pack, FloorStep::Ship] {
        released.work(step, None);
    }
    let seen = released.until("0", "0", "24").await?;
    assert_eq!(seen["status"], "shipped");
    let asked = released.world.estate.sandbox.wms.calls();
    assert!(
        asked.get("getShipment").is_some_and(|calls| *calls > 0),
        "{asked:?}"
    );
    let items = released.world.operator()?.get("/v1/news").await?;
    assert_eq!(items.json()["items"], json!([]));
    released.world.stop().await
}

#[tokio::test]
async fn what_the_warehouse_has_not_signed_now_is_not_looked_at() -> anyhow::Result<()> {
    let released = Released::start(Setup::default()).await?;
    let before = released.seen().await?;
    released.upset(NewsFaults {
        lose: 1,
        ..NewsFaults::default()
    });
    let shipment = released.work(FloorStep::Pick, None);
    let body = json!({"deliveryId": "WN-1", "event": "shipment.changed", "shipment": shipment});
    let body = body.to_string();
    let now = service_runtime::clock::Clock::system().now();
    let under = |secret: &str, at: Timestamp| signature(secret, at, body.as_bytes());
    let secret = SandboxConfig::WMS_NEWS_SECRET;
    let long_ago = now - SignedDuration::from_mins(6);
    let good = under(secret, now);
    for forged in [
        String::new(),
        "nonsense".to_owned(),
        under("another-secret-of-somebody", now),
        under(secret, long_ago),
        under(secret, now + SignedDuration::from_mins(6)),
        good.replace("v1=", "v1=00"),
        good.replace("t=", "t=1"),
    ] {
        let refused = released.post(&forged, &body).await?;
        expect(&refused, 401);
        assert_eq!(refused.at("/code"), "unauthenticated");
    }
    let tampered = body.replace("\"24\"", "\"1\"");
    expect(&released.post(&good, &tampered).await?, 401);
    let url = format!("{}/v1/webhooks/nobody", released.world.estate.system_url);
    let elsewhere = released
        .world
        .http
        .post(url)
        .header(SIGNATURE_HEADER, &good);
    assert_eq!(elsewhere.body(body.clone()).send().await?.status(), 404);
    assert_eq!(released.seen().await?["version"], before["version"]);
    // The same, signed by the warehouse: once, and once more within its time.
    for _ in 0..2 {
        expect(&released.post(&good, &body).await?, 204);
        let seen = released.until("24", "0", "0").await?;
        assert_eq!(
            seen["version"].as_u64(),
            before["version"].as_u64().map(|before| before + 1)
        );
    }
    released.world.stop().await
}

/// Its sender would send it for ever, and nobody would see it.
#[tokio::test]
async fn what_is_too_much_for_an_order_is_put_before_a_person_and_not_asked_for_again()
-> anyhow::Result<()> {
    let released = Released::start(Setup::default()).await?;
    let before = released.seen().await?;
    released.upset(NewsFaults {
        lose: 1,
        ..NewsFaults::default()
    });
    let mut shipment = serde_json::to_value(released.work(FloorStep::Pick, None))?;
    shipment["ssccs"] = json!(vec!["106141411234567897"; 5_001]);
    let body = json!({"deliveryId": "WN-1", "event": "shipment.changed", "shipment": shipment});
    let body = body.to_string();
    expect(&released.post(&signed(&body), &body).await?, 204);
    let news = quarantined(&released.world).await?;
    assert_eq!(news["reason"], "unreadable", "{news}");
    assert!(
        news["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("5000")),
        "{news}"
    );
    assert_eq!(released.seen().await?["version"], before["version"]);
    released.world.stop().await
}

#[tokio::test]
async fn what_fits_no_order_changes_none_and_waits_for_a_person() -> anyhow::Result<()> {
    let released = Released::start(impatient()).await?;
    let world = &released.world;
    let before = released.seen().await?;
    // More than was asked for.
    released.work(FloorStep::Pick, Some(30));
    released.all_delivered().await?;
    let news = quarantined(world).await?;
    assert_eq!(news["reason"], "over_shipped", "{news}");
    assert_eq!(released.seen().await?["version"], before["version"]);
    // Put right on the floor, it is the warehouse's newest word that counts.
    released.work(FloorStep::Pick, Some(-6));
    released.until("24", "0", "0").await?;
    let operator = world.operator()?;
    let listed = operator.get("/v1/news").await?;
    assert_eq!(listed.json()["items"], json!([]));

    // Of nobody's order: looked for a while, then left to a person, and never refused.
    let unknown = json!({"deliveryId": "WN-9", "event": "shipment.changed", "shipment": {
        "shipmentId": "SH-9", "pickRequestId": "PR-9", "clientRef": "OW0000000000000000-EAST", "orderRef": "0000000009",
        "siteCode": "EAST", "version": 1, "status": "SHIPPED", "lines": [], "ssccs": [],
        "updatedAt": "2026-11-21T10:00:00Z"}});
    let body = unknown.to_string();
    expect(&released.post(&signed(&body), &body).await?, 204);
    let news = quarantined(world).await?;
    assert_eq!(
        (&news["reason"], &news["key"]),
        (&json!("unknown_order"), &json!("shipment/SH-9"))
    );
    let id = news["id"].as_str().unwrap().to_owned();
    let note = json!({"note": "A delivery of the warehouse's own."});
    let dismissed = operator
        .post(&format!("/v1/news/{id}/dismiss"), &note)
        .await?;
    expect(&dismissed, 200);
    assert_eq!(dismissed.at("/stage"), "dismissed");
    // The same once more is not news.
    expect(&released.post(&signed(&body), &body).await?, 204);
    let again = operator
        .post(&format!("/v1/news/{id}/dismiss"), &note)
        .await?;
    expect(&again, 404);

    // Signed, and nothing that anybody understands.
    expect(&released.post(&signed("{\"a\":"), "{\"a\":").await?, 204);
    let news = quarantined(world).await?;
    assert_eq!(news["reason"], "unreadable");
    assert_eq!(news["news"]["raw"], "{\"a\":");
    released.world.stop().await
}

#[tokio::test]
async fn a_backend_whose_news_cannot_be_stored_is_told_to_send_them_again() -> anyhow::Result<()> {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = nobody.local_addr()?;
    drop(nobody);
    let setup = Setup::default().with(
        "ORDERWAY_SYSTEM__PROCESS__BASE_URL",
        &format!("http://{address}"),
    );
    let released = Released::start(setup).await?;
    released.upset(NewsFaults {
        lose: 1,
        ..NewsFaults::default()
    });
    let shipment = released.work(FloorStep::Pick, None);
    let body = json!({"deliveryId": "WN-1", "event": "shipment.changed", "shipment": shipment});
    let body = body.to_string();
    let answer = released.post(&signed(&body), &body).await?;
    expect(&answer, 503);
    assert!(!answer.header("retry-after").is_empty());
    released.world.stop().await
}

#[tokio::test]
async fn a_source_may_deliver_its_own_news_and_nothing_else() -> anyhow::Result<()> {
    let world = World::start().await?;
    let clock = service_runtime::clock::Clock::system();
    let source = Source::new(
        world.http.clone(),
        &world.estate.process_url,
        "warehouse",
        clock,
    )?;
    let contract = serde_json::from_str(&committed("process-apis"))?;
    let mut closed = 0;
    for operation in operations(&contract) {
        if operation.path.starts_with("/v1/intake/") {
            continue;
        }
        let path = operation.path.replace(['{', '}'], "");
        let answer = source
            .call(operation.method.clone(), &path, &json!({}))
            .await?;
        assert_eq!(answer.status, 401, "{}: {}", operation.id, answer.text);
        closed += 1;
    }
    assert!(closed > 20, "{closed}");

    let get = reqwest::Method::GET;
    let own = source
        .call(get.clone(), "/v1/intake/warehouse/cursor", &Value::Null)
        .await?;
    expect(&own, 200);
    let other = source
        .call(get, "/v1/intake/main/cursor", &Value::Null)
        .await?;
    expect(&other, 403);
    let news = json!({"source": "main", "news": [{"kind": "unreadable", "key": "k", "detail": "d", "raw": "r",
        "received_at": "2026-11-21T10:00:00Z"}]});
    let post = reqwest::Method::POST;
    let foreign = source
        .call(post.clone(), "/v1/intake/events", &news)
        .await?;
    expect(&foreign, 403);

    // Nor may those above deliver news.
    let operator = world.operator()?;
    let from_above = operator.post("/v1/intake/events", &news).await?;
    expect(&from_above, 401);

    // The cursor moves with what was read, from where it stands.
    let step = |from: Value, to: &str, key: &str| {
        json!({"source": "warehouse", "cursor": {"from": from, "to": to}, "news": [{"kind": "unreadable", "key": key,
            "detail": "d", "raw": "r", "received_at": "2026-11-21T10:00:00Z"}]})
    };
    let first = step(Value::Null, "10", "one");
    expect(
        &source
            .call(post.clone(), "/v1/intake/events", &first)
            .await?,
        200,
    );
    let late = source
        .call(
            post.clone(),
            "/v1/intake/events",
            &step(Value::Null, "11", "two"),
        )
        .await?;
    expect(&late, 409);
    assert_eq!(late.at("/code"), "cursor-moved");
    let next = step(json!("10"), "11", "two");
    expect(&source.call(post, "/v1/intake/events", &next).await?, 200);
    world.stop().await
}
