//! `Prefer: wait`: the answer comes when the order is decided, or when the time is over.

use std::time::Duration;

use serde_json::json;

use super::world::{
    ORDER, World, accepted, acme, canonical_order, event, get, order_request, post, world,
    world_over,
};

async fn place(world: &World, prefer: &str) -> super::world::Answer {
    let call = post("/portal/v1/orders", &order_request())
        .by(&acme())
        .key("k-1")
        .header("prefer", prefer);
    // Liveness only: far beyond what any of these should take.
    tokio::time::timeout(Duration::from_secs(25), world.send(call))
        .await
        .expect("the answer comes")
}

/// Taken; received at the first read; accepted from the second on.
fn decided_at_the_second_read(world: &World) {
    world.stub.answers("POST /v1/orders", 202, &accepted());
    let read = format!("GET /v1/orders/{ORDER}");
    world
        .stub
        .answers(&read, 200, &canonical_order("received", 1));
    let mut order = canonical_order("accepted", 2);
    order["sales_order_number"] = json!("0000004711");
    world.stub.answers(&read, 200, &order);
}

fn reads(world: &World) -> usize {
    let path = format!("/v1/orders/{ORDER}");
    world
        .stub
        .seen()
        .iter()
        .filter(|seen| seen.path == path)
        .count()
}

/// Waits until the order was read once, so that its caller waits for the feed.
async fn first_read(world: &World) {
    let read = async {
        while reads(world) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("it is read");
}

#[tokio::test]
async fn news_from_the_feed_ends_the_wait() {
    let world = world().await;
    decided_at_the_second_read(&world);
    world.stub.polled(1).await;
    let (answer, ()) = tokio::join!(place(&world, "wait=20"), async {
        first_read(&world).await;
        world.stub.publish(event("order.accepted"));
    });
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body()["status"], "accepted");
    assert_eq!(answer.body()["sales_order_number"], "0000004711");
    assert_eq!(answer.header("etag"), "\"v2\"");
    assert_eq!(answer.header("preference-applied"), "wait=20");
    assert_eq!(reads(&world), 2);
}

#[tokio::test]
async fn without_news_the_answer_comes_when_the_time_is_over() {
    let world = world().await;
    world.stub.answers("POST /v1/orders", 202, &accepted());
    let read = format!("GET /v1/orders/{ORDER}");
    world
        .stub
        .answers(&read, 200, &canonical_order("received", 1));
    let answer = place(&world, "wait=1").await;
    assert_eq!(
        (answer.status, &answer.body()["status"]),
        (202, &json!("received"))
    );
    assert_eq!(answer.header("preference-applied"), "wait=1");
    assert_eq!(
        reads(&world),
        2,
        "once after it was taken, once before the answer"
    );
}

#[tokio::test]
async fn an_order_that_is_decided_already_is_not_waited_for() {
    let world = world().await;
    world.stub.answers("POST /v1/orders", 202, &accepted());
    let read = format!("GET /v1/orders/{ORDER}");
    world.stub.answers(&read, 200, &canonical_order("held", 1));
    let answer = place(&world, "wait=30").await;
    assert_eq!(answer.body()["status"], "held");
    assert_eq!(reads(&world), 1);
}

#[tokio::test]
async fn a_wait_that_cannot_be_held_is_not_claimed_and_the_order_stands() {
    let world = world().await;
    world.stub.answers("POST /v1/orders", 202, &accepted());
    // The order cannot be read: 404 from the stand-in.
    let answer = place(&world, "wait=5").await;
    assert_eq!(
        (answer.status, &answer.body()["status"]),
        (202, &json!("received"))
    );
    assert_eq!(answer.header("preference-applied"), "");
}

#[tokio::test]
async fn the_longest_wait_is_the_configured_one() {
    let world = super::world::world_with(|config| {
        config.portal.max_wait = service_runtime::config::HumanDuration::from_secs(1);
    })
    .await;
    world.stub.answers("POST /v1/orders", 202, &accepted());
    let read = format!("GET /v1/orders/{ORDER}");
    world
        .stub
        .answers(&read, 200, &canonical_order("received", 1));
    let answer = place(&world, "wait=3600").await;
    assert_eq!(answer.header("preference-applied"), "wait=1");
}

#[tokio::test]
async fn a_feed_that_was_away_is_taken_up_again() {
    let world = world_over(|_config| {}, |stub| stub.break_feed(2)).await;
    decided_at_the_second_read(&world);
    world.stub.polled(1).await;
    let report = async {
        while !world.send(get("/readyz")).await.text.contains("degraded") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), report)
        .await
        .expect("operators are told");
    world.stub.polled(3).await;
    let (answer, ()) = tokio::join!(place(&world, "wait=20"), async {
        first_read(&world).await;
        world.stub.publish(event("order.accepted"));
    });
    assert_eq!(answer.body()["status"], "accepted");
}

#[tokio::test]
async fn a_client_that_hangs_up_after_sending_loses_nothing() {
    let world = world().await;
    world.stub.answers("POST /v1/orders", 202, &accepted());
    let call = post("/portal/v1/orders", &order_request())
        .by(&acme())
        .key("k-1");
    let mut answer = Box::pin(world.send(call));
    // The request is read and admitted, then its client is gone before any answer.
    for _ in 0..3 {
        drop(futures_util::poll!(&mut answer));
        tokio::task::yield_now().await;
    }
    drop(answer);
    let arrived = async {
        while world.stub.seen().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrived)
        .await
        .expect("the order goes below all the same");
}
