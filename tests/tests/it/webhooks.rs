//! Webhooks from outside: subscribed at the portal, received by a system of the buyer's.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Answer, PortalUser, Setup, WebhookReceiver, World, until};

use crate::support::{expect, order};

/// Nothing waits for a look that comes once a second.
fn quick(setup: Setup) -> Setup {
    setup.with("ORDERWAY_PROCESS__WEBHOOKS__POLL", "20ms")
}

async fn subscribe(user: &PortalUser, receiver: &WebhookReceiver) -> anyhow::Result<Answer> {
    let body = json!({"url": receiver.url, "description": "the buyer's own system"});
    let made = user.post("/webhooks", &receiver.url, &body).await?;
    expect(&made, 201);
    Ok(made)
}

async fn place(user: &PortalUser, number: &str) -> anyhow::Result<String> {
    let placed = user
        .post(
            "/orders",
            number,
            &order(number, &[("SKU-0002", "1", "EA")]),
        )
        .await?;
    expect(&placed, 202);
    Ok(placed.at("/order_id"))
}

fn one(webhook: &Answer, what: &str) -> String {
    format!("/webhooks/{}{what}", webhook.at("/webhook_id"))
}

async fn list(user: &PortalUser, path: &str) -> anyhow::Result<Vec<Value>> {
    let listed = user.get(path).await?;
    expect(&listed, 200);
    Ok(listed.json()["items"]
        .as_array()
        .cloned()
        .unwrap_or_default())
}

#[tokio::test]
async fn events_arrive_signed_in_order_and_as_the_feed_has_them() -> anyhow::Result<()> {
    let world = World::start_with(quick(Setup::default())).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let receiver = WebhookReceiver::start().await?;
    let webhook = subscribe(&buyer, &receiver).await?;
    let secret = webhook.at("/secret");
    let mut orders = Vec::new();
    for number in ["PO-1", "PO-2", "PO-3"] {
        orders.push(place(&buyer, number).await?);
    }
    for order in &orders {
        receiver.until_it_has(order, "order.released").await?;
    }
    let feed = buyer.get("/events?limit=200").await?.json();
    for order in &orders {
        let got = receiver.got_of(order);
        let sequences: Vec<u64> = got
            .iter()
            .filter_map(|one| one.event()["sequence"].as_u64())
            .collect();
        assert!(sequences.is_sorted(), "{order}: {sequences:?}");
        for delivered in got {
            assert!(delivered.is_signed_by(&secret), "{delivered:?}");
            assert_eq!(delivered.header("webhook-id"), delivered.at("/id"));
            assert_eq!(
                delivered.header("content-type"),
                "application/cloudevents+json"
            );
            let events = feed["events"].as_array().into_iter().flatten();
            let same = events.filter(|event| **event == delivered.event()).count();
            assert_eq!(
                same,
                1,
                "the feed has it too, in the same words: {}",
                delivered.event()
            );
        }
    }
    let read = buyer.get(&one(&webhook, "")).await?;
    assert_eq!(read.at("/secret"), "", "it is shown once");
    let repeated = subscribe(&buyer, &receiver).await?;
    assert_eq!(
        (repeated.at("/webhook_id"), repeated.at("/secret")),
        (webhook.at("/webhook_id"), String::new())
    );
    let tested = buyer
        .post(&one(&webhook, "/test"), "t", &Value::Null)
        .await?;
    assert_eq!(tested.at("/delivered"), "true", "{}", tested.text);
    world.stop().await
}

#[tokio::test]
async fn what_is_on_its_way_when_the_layers_stop_arrives_after_they_start() -> anyhow::Result<()> {
    let setup = quick(Setup::default()).with("ORDERWAY_PROCESS__WEBHOOKS__TIMEOUT", "1s");
    let setup = setup.with("ORDERWAY_PROCESS__WEBHOOKS__CONNECT_TIMEOUT", "1s");
    let world = World::start_with(setup).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let receiver = WebhookReceiver::start().await?;
    subscribe(&buyer, &receiver).await?;
    receiver.answers(|_delivered| None);
    let mut orders = Vec::new();
    for number in 0..6 {
        orders.push(place(&buyer, &format!("PO-{number}")).await?);
    }
    until("a first delivery", async || {
        Ok((!receiver.got().is_empty()).then_some(()))
    })
    .await?;
    let world = world.restart_layers().await?;
    receiver.answers(|_delivered| Some(StatusCode::OK));
    for order in &orders {
        receiver.until_it_has(order, "order.released").await?;
        let mut ids: Vec<_> = receiver
            .got_of(order)
            .iter()
            .map(|one| (one.at("/sequence"), one.header("webhook-id").to_owned()))
            .collect();
        ids.sort();
        ids.dedup();
        let mut sequences: Vec<_> = ids.iter().map(|(sequence, _)| sequence).collect();
        sequences.dedup();
        assert_eq!(sequences.len(), ids.len(), "an event has one id: {ids:?}");
    }
    world.stop().await
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one life of an event from its order to its replay"
)]
async fn a_poison_event_holds_its_own_order_until_it_is_a_dead_letter() -> anyhow::Result<()> {
    let noon: Timestamp = "2026-03-02T12:00:00Z".parse()?;
    let (setup, time) = Setup::at(noon);
    let world = World::start_with(quick(setup)).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let (receiver, other) = (
        WebhookReceiver::start().await?,
        WebhookReceiver::start().await?,
    );
    let webhook = subscribe(&buyer, &receiver).await?;
    subscribe(&buyer, &other).await?;
    let poison = |one: &tests::Delivered| {
        let is_poison = one.at("/data/purchase_order_number") == "PO-POISON";
        Some(if is_poison {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        })
    };
    receiver.answers(poison);
    let held = place(&buyer, "PO-POISON").await?;
    let free = place(&buyer, "PO-FREE").await?;
    other.until_it_has(&held, "order.released").await?;
    receiver.until_it_has(&free, "order.released").await?;
    let kinds: Vec<_> = receiver
        .got_of(&held)
        .iter()
        .map(|one| one.kind())
        .collect();
    assert!(
        kinds.iter().all(|kind| kind == "order.received"),
        "{kinds:?}"
    );
    let waiting = until("the order that waits", async || {
        let mut waiting = list(&buyer, &one(&webhook, "/deliveries")).await?;
        Ok(waiting.pop())
    })
    .await?;
    assert_eq!(
        (&waiting["subject"], &waiting["last_failure"]["status"]),
        (&json!(held), &json!(500))
    );

    // Three days on, in steps that no pause outlasts, each once the attempt before is written down; the token is a new
    // one each time.
    let (mut dead, mut tried) = (Vec::new(), waiting["attempts"].clone());
    for _ in 0..20 {
        time.advance(SignedDuration::from_hours(6));
        let buyer = world.portal_user("acme-buyer", "ACME")?;
        until("the next attempt, or its end", async || {
            dead = list(&buyer, &one(&webhook, "/dead-letters")).await?;
            let waiting = list(&buyer, &one(&webhook, "/deliveries")).await?;
            let attempts = waiting.first().map(|waiting| waiting["attempts"].clone());
            let moved = attempts.filter(|attempts| *attempts != tried);
            tried = moved.clone().unwrap_or_else(|| tried.clone());
            Ok((moved.is_some() || !dead.is_empty()).then_some(()))
        })
        .await?;
        if !dead.is_empty() {
            break;
        }
    }
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    assert!(!dead.is_empty(), "its first event is given up");
    assert_eq!(dead[0]["event_id"], waiting["event_id"]);
    receiver.answers(|_delivered| Some(StatusCode::OK));
    let event = dead[0]["event_id"].as_str().unwrap_or_default().to_owned();
    let before = receiver.got_of(&held).len();
    let path = one(&webhook, &format!("/dead-letters/{event}/replay"));
    let stranger = world.portal_user("borealis-buyer", "BOREALIS")?;
    expect(&stranger.post(&path, "replay", &Value::Null).await?, 404);
    expect(&stranger.get(&one(&webhook, "/dead-letters")).await?, 404);
    expect(&buyer.post(&path, "replay", &Value::Null).await?, 202);
    until("the replayed event", async || {
        let got = receiver.got_of(&held);
        let again = got
            .iter()
            .skip(before)
            .any(|one| one.header("webhook-id") == event);
        Ok(again.then_some(()))
    })
    .await?;
    until("the end of the dead letter", async || {
        let dead = list(&buyer, &one(&webhook, "/dead-letters")).await?;
        Ok(dead
            .iter()
            .all(|dead| dead["event_id"] != event.as_str())
            .then_some(()))
    })
    .await?;
    world.stop().await
}

#[tokio::test]
async fn a_black_hole_delays_no_other_subscriber() -> anyhow::Result<()> {
    let world = World::start_with(quick(Setup::default())).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let (hole, receiver) = (
        WebhookReceiver::start().await?,
        WebhookReceiver::start().await?,
    );
    hole.answers(|_delivered| None);
    subscribe(&buyer, &hole).await?;
    subscribe(&buyer, &receiver).await?;
    let first = place(&buyer, "PO-1").await?;
    until("a delivery into the hole", async || {
        Ok((!hole.got().is_empty()).then_some(()))
    })
    .await?;
    let second = place(&buyer, "PO-2").await?;
    receiver.until_it_has(&first, "order.released").await?;
    receiver.until_it_has(&second, "order.released").await?;
    assert!(
        hole.got_of(&first).len() <= 1,
        "it has not even answered the first"
    );
    world.stop().await
}

#[tokio::test]
async fn a_secret_rotates_without_a_gap_and_a_deleted_webhook_is_told_nothing() -> anyhow::Result<()>
{
    let world = World::start_with(quick(Setup::default())).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let (receiver, other) = (
        WebhookReceiver::start().await?,
        WebhookReceiver::start().await?,
    );
    let webhook = subscribe(&buyer, &receiver).await?;
    subscribe(&buyer, &other).await?;
    let old = webhook.at("/secret");
    let rotated = buyer
        .post(&one(&webhook, "/rotate-secret"), "r-1", &json!({}))
        .await?;
    expect(&rotated, 200);
    let new = rotated.at("/secret");
    let order = place(&buyer, "PO-1").await?;
    let both = receiver.until_it_has(&order, "order.released").await?;
    assert!(both.is_signed_by(&old) && both.is_signed_by(&new) && old != new);
    let ended = buyer
        .post(
            &one(&webhook, "/rotate-secret"),
            "r-2",
            &json!({"overlap_seconds": 0}),
        )
        .await?;
    let newest = ended.at("/secret");
    let order = place(&buyer, "PO-2").await?;
    let got = receiver.until_it_has(&order, "order.released").await?;
    assert!(got.is_signed_by(&newest) && !got.is_signed_by(&new) && !got.is_signed_by(&old));

    let delete = |tag: String| {
        let request = buyer.request(Method::DELETE, &one(&webhook, ""));
        buyer.send(request.header("If-Match", tag))
    };
    expect(&delete("\"v1\"".to_owned()).await?, 412);
    let read = buyer.get(&one(&webhook, "")).await?;
    expect(&delete(read.header("etag").to_owned()).await?, 204);
    expect(&buyer.get(&one(&webhook, "")).await?, 404);
    let order = place(&buyer, "PO-3").await?;
    other.until_it_has(&order, "order.released").await?;
    assert!(receiver.got_of(&order).is_empty());
    world.stop().await
}

#[tokio::test]
async fn addresses_inside_are_refused_whichever_way_they_are_written() -> anyhow::Result<()> {
    let world = World::start().await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    for (index, url) in [
        "http://example.com/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[64:ff9b::a00:1]/",
        "https://user:secret@example.com/",
        "https://example.com@10.0.0.1/",
        "https://metadata.google.internal/",
        "https://intranet/",
        "https://93.184.215.14:22/",
        "file:///etc/passwd",
        "//example.com/",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let refused = buyer
            .post("/webhooks", &format!("k-{index}"), &json!({"url": url}))
            .await?;
        expect(&refused, 422);
        assert_eq!(
            (
                refused.at("/errors/0/pointer"),
                refused.at("/errors/0/code")
            ),
            ("/url".to_owned(), "address-refused".to_owned()),
            "{url}"
        );
    }
    let without = world.portal_user("ops", "ACME")?;
    let refused = without.get("/webhooks").await?;
    assert!(
        matches!(refused.status.as_u16(), 403 | 404),
        "{}",
        refused.text
    );
    world.stop().await
}
