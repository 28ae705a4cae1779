//! What happens to an account's orders, page by page and as a stream.

use std::time::Duration;

use futures_util::StreamExt;

use super::world::{
    ALL_SCOPES, Call, World, acme, both, claims, event_of, get, token, with, world, world_over,
    world_with,
};

/// Liveness only: far beyond what any of these should take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream as its client reads it.
struct Client {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Client {
    async fn open(world: &World, call: Call) -> Self {
        let response = world.open(call).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "private, no-store");
        let mut client = Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        };
        client.until(": events of your orders").await;
        client
    }

    /// Reads until something was said; false = the stream ended before.
    async fn read_until(&mut self, said: &str) -> bool {
        let read = async {
            while !self.text.contains(said) {
                match self.body.next().await {
                    Some(chunk) => {
                        let chunk = chunk.unwrap();
                        self.text.push_str(std::str::from_utf8(&chunk).unwrap());
                    }
                    None => return false,
                }
            }
            true
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("it comes")
    }

    async fn until(&mut self, said: &str) {
        assert!(self.read_until(said).await, "{said} in {}", self.text);
    }

    /// Reads to the end of the stream.
    async fn reach_the_end(&mut self) {
        assert!(!self.read_until("never said").await);
    }

    /// The ids of the events so far.
    fn ids(&self) -> Vec<u64> {
        let messages = self
            .text
            .split("\n\n")
            .filter(|text| text.contains("\ndata: "));
        let id = |message: &str| {
            message
                .lines()
                .find_map(|line| line.strip_prefix("id: ").map(str::to_owned))
        };
        messages
            .map(|message| id(message).unwrap().parse().unwrap())
            .collect()
    }
}

fn stream() -> Call {
    get("/portal/v1/events/stream")
}

async fn feed_begun(world: &World) {
    // The second poll comes after the first was handed on.
    world.stub.polled(2).await;
}

#[tokio::test]
async fn a_stream_tells_of_the_callers_orders_and_of_no_other_account() {
    let world = world().await;
    feed_begun(&world).await;
    let mut client = Client::open(&world, stream().by(&acme())).await;
    for account in ["BOREALIS", "ACME", "ACME-WEST", "ACME"] {
        world.stub.publish(event_of(account, "order.received"));
    }
    client.until("id: 4").await;
    assert_eq!(client.ids(), [2, 4]);
    assert!(!client.text.contains("BOREALIS") && !client.text.contains("WEST"));
    assert!(
        client
            .text
            .contains(r#""type":"com.orderway.order.received.v1""#)
    );
}

#[tokio::test]
async fn a_stream_that_was_cut_goes_on_without_gap_or_repetition() {
    let world = world().await;
    feed_begun(&world).await;
    for _ in 0..3 {
        world.stub.publish(event_of("ACME", "order.received"));
    }
    let again = stream().by(&acme()).header("last-event-id", "1");
    let mut client = Client::open(&world, again).await;
    client.until("id: 3").await;
    world.stub.publish(event_of("BOREALIS", "order.received"));
    world.stub.publish(event_of("ACME", "order.accepted"));
    client.until("id: 5").await;
    assert_eq!(client.ids(), [2, 3, 5]);
}

#[tokio::test]
async fn a_stream_of_some_types_tells_no_others() {
    let world = world().await;
    feed_begun(&world).await;
    world.stub.publish(event_of("ACME", "order.accepted"));
    world.stub.publish(event_of("ACME", "order.received"));
    let call = get("/portal/v1/events/stream?types=order.accepted,order.shipped&after=0");
    let mut client = Client::open(&world, call.by(&acme())).await;
    for word in ["order.received", "order.shipped"] {
        world.stub.publish(event_of("ACME", word));
    }
    client.until("id: 4").await;
    assert_eq!(client.ids(), [1, 4]);
}

#[tokio::test]
async fn a_caller_of_several_accounts_hears_all_or_the_one_it_names() {
    let world = world().await;
    feed_begun(&world).await;
    let mut all = Client::open(&world, stream().by(&both())).await;
    let mut west = Client::open(&world, stream().by(&both()).account("ACME-WEST")).await;
    for account in ["ACME", "ACME-WEST"] {
        world.stub.publish(event_of(account, "order.received"));
    }
    all.until("id: 2").await;
    west.until("id: 2").await;
    assert_eq!((all.ids(), west.ids()), (vec![1, 2], vec![2]));
    let foreign = world.send(stream().by(&both()).account("BOREALIS")).await;
    assert_eq!(foreign.problem(), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn a_slow_client_is_told_to_come_back_and_no_other_is_hurt() {
    let world = world().await;
    feed_begun(&world).await;
    let mut slow = Client::open(&world, stream().by(&acme())).await;
    let mut quick = Client::open(&world, stream().by(&acme())).await;
    // More than a client may be behind; the quick one reads as they come.
    for position in 1..=300 {
        world.stub.publish(event_of("ACME", "order.received"));
        if position % 50 == 0 {
            quick.until(&format!("id: {position}\n")).await;
        }
    }
    assert_eq!(quick.ids().len(), 300);
    slow.reach_the_end().await;
    assert!(
        slow.text.ends_with("reconnect with Last-Event-ID\n\n"),
        "{}",
        slow.text
    );
    let last = *slow.ids().last().unwrap();
    assert!(last < 300, "it has missed some");
    let again = stream()
        .by(&acme())
        .header("last-event-id", &last.to_string());
    let mut again = Client::open(&world, again).await;
    again.until("id: 300\n").await;
    let whole: Vec<u64> = slow.ids().into_iter().chain(again.ids()).collect();
    assert_eq!(whole, (1..=300).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_the_instance() {
    let world = world().await;
    feed_begun(&world).await;
    // Within what clocks may differ, so that it is still accepted.
    let now = claims(&["ACME"], ALL_SCOPES)["iat"].as_i64().unwrap();
    let ended = token(&with(
        claims(&["ACME"], ALL_SCOPES),
        "exp",
        (now - 10).into(),
    ));
    let mut expired = Client::open(&world, stream().by(&ended)).await;
    expired.reach_the_end().await;
    assert!(
        expired.text.contains("the token has ended"),
        "{}",
        expired.text
    );
    let mut client = Client::open(&world, stream().by(&acme())).await;
    world.stop_server();
    client.reach_the_end().await;
    assert!(
        client.text.contains("this instance ends"),
        "{}",
        client.text
    );
}

#[tokio::test]
async fn streams_are_bounded_by_account_and_a_closed_one_makes_room() {
    let world = world_with(|config| {
        config.portal.max_streams = 3;
        config.portal.max_streams_per_account = 2;
    })
    .await;
    feed_begun(&world).await;
    let borealis = token(&claims(&["BOREALIS"], ALL_SCOPES));
    let first = Client::open(&world, stream().by(&acme())).await;
    let _second = Client::open(&world, stream().by(&acme())).await;
    let refused = world.send(stream().by(&acme())).await;
    assert_eq!(refused.problem(), (429, "rate-limited".to_owned()));
    assert_eq!(refused.body()["policy"], "streams-per-account");
    let _other = Client::open(&world, stream().by(&borealis)).await;
    assert_eq!(
        world.send(stream().by(&borealis)).await.body()["policy"],
        "streams"
    );
    drop(first);
    Client::open(&world, stream().by(&acme())).await;
}

#[tokio::test]
async fn a_page_holds_the_events_of_the_callers_accounts_as_they_were_written() {
    let world = world().await;
    for account in ["ACME", "BOREALIS", "ACME"] {
        world.stub.publish(event_of(account, "order.received"));
    }
    let page = world.send(get("/portal/v1/events").by(&acme())).await;
    assert_eq!(page.status, 200);
    let body = page.body();
    assert_eq!(body["next"], 3);
    assert_eq!(body["events"].as_array().map(Vec::len), Some(2));
    assert!(!page.text.contains("BOREALIS"));
    assert_eq!(
        body["events"][0]["traceparent"].as_str().map(str::len),
        Some(55)
    );
    let rest = world
        .send(get("/portal/v1/events?after=1&limit=2").by(&acme()))
        .await;
    assert_eq!(rest.body()["events"][0]["position"], 3);
}

#[tokio::test]
async fn who_waits_for_a_page_is_answered_by_what_happens() {
    let world = world().await;
    feed_begun(&world).await;
    let call = get("/portal/v1/events?after=0&wait=20").by(&acme());
    let (answer, ()) = tokio::join!(world.send(call), async {
        world.stub.publish(event_of("BOREALIS", "order.received"));
        world.stub.publish(event_of("ACME", "order.received"));
    });
    assert_eq!(answer.body()["events"][0]["position"], 2);
    let nothing = world
        .send(get("/portal/v1/events?after=2&wait=1").by(&acme()))
        .await;
    assert_eq!(
        (nothing.status, nothing.body()["next"].as_u64()),
        (200, Some(2))
    );
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_and_said() {
    let world = world().await;
    feed_begun(&world).await;
    for wrong in [
        "?wait=31",
        "?limit=201",
        "?types=order.erp_order_chosen",
        "?after=soon",
    ] {
        let answer = world
            .send(get(&format!("/portal/v1/events{wrong}")).by(&acme()))
            .await;
        assert_eq!(
            answer.problem(),
            (422, "validation-failed".to_owned()),
            "{wrong}"
        );
    }
    let answer = world
        .send(stream().by(&acme()).header("last-event-id", "x"))
        .await;
    assert_eq!(answer.problem(), (422, "validation-failed".to_owned()));
    let catalog = token(&claims(&["ACME"], "catalog:read"));
    for path in ["/portal/v1/events", "/portal/v1/events/stream"] {
        assert_eq!(world.send(get(path).by(&catalog)).await.status, 403);
        assert_eq!(world.send(get(path)).await.status, 401);
    }
}

#[tokio::test]
async fn a_stream_waits_for_the_feed_that_has_not_begun() {
    let world = world_over(|_config| {}, |stub| stub.break_feed(2)).await;
    let mut client = Client::open(&world, stream().by(&acme())).await;
    world.stub.publish(event_of("ACME", "order.received"));
    client.until("id: 1\n").await;
    assert_eq!(client.ids(), [1]);
}
