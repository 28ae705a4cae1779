//! What happens to orders, from outside: page by page, and as a stream.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tests::{PortalUser, World};

use crate::findings::generous_world;

/// Liveness only: far beyond what any of these should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event stream as its client reads it.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(user: &PortalUser) -> Self {
        let request = user
            .request(Method::GET, "/events/stream")
            .timeout(PATIENCE);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut stream = Self {
            response,
            text: String::new(),
        };
        stream
            .read(|text| text.contains(": events of your orders"))
            .await;
        stream
    }

    /// Reads until what was read is enough.
    async fn read(&mut self, enough: impl Fn(&str) -> bool) {
        let read = async {
            while !enough(&self.text) {
                let chunk = self.response.chunk().await.unwrap().expect("it goes on");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.unwrap_or_else(|_| panic!("it does not come: {}", self.text));
    }

    /// The events so far, whole ones only.
    fn events(&self) -> Vec<Value> {
        let whole = self.text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        let data = whole.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

async fn place(user: &PortalUser, number: usize) -> String {
    let order = json!({"purchase_order_number": format!("PO-EVENTS-{number}"),
        "lines": [{"item": "SKU-0001", "quantity": {"value": "1"}}]});
    let key = format!("events-{number}");
    let placed = user.post("/orders", &key, &order).await.unwrap();
    assert_eq!(placed.status, 202, "{}", placed.text);
    placed.at("/order_id")
}

/// All that the feed holds for a user, in small pages.
async fn feed(user: &PortalUser) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = user
            .get(&format!("/events?after={after}&limit=3"))
            .await
            .unwrap();
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            return all;
        }
        after = page["next"].as_u64().unwrap();
        all.extend(events.iter().cloned());
    }
}

async fn buyers(world: &World) -> (PortalUser, PortalUser) {
    (
        world.portal_user("acme-buyer", "ACME").unwrap(),
        world.portal_user("borealis-buyer", "BOREALIS").unwrap(),
    )
}

#[tokio::test]
async fn a_stream_sees_the_life_of_its_orders_and_nothing_of_another_account() {
    let world = generous_world().await;
    let (acme, borealis) = buyers(&world).await;
    let mut mine = Stream::open(&acme).await;
    let mut theirs = Stream::open(&borealis).await;
    let order = place(&acme, 1).await;
    let other = place(&borealis, 2).await;
    let released = |text: &str| text.contains("com.orderway.order.released.v1");
    mine.read(released).await;
    theirs.read(released).await;
    let types: Vec<String> = mine
        .events()
        .iter()
        .map(|event| {
            event["type"]
                .as_str()
                .unwrap()
                .replace("com.orderway.order.", "")
        })
        .collect();
    assert_eq!(types, ["received.v1", "accepted.v1", "released.v1"]);
    for (stream, own, foreign) in [(&mine, &order, &other), (&theirs, &other, &order)] {
        assert!(stream.text.contains(own.as_str()));
        assert!(!stream.text.contains(foreign.as_str()), "{}", stream.text);
    }
    assert!(!mine.text.contains("BOREALIS"));
    let last = mine.events().pop().unwrap();
    let read = acme.get(&format!("/orders/{order}")).await.unwrap();
    assert_eq!(last["data"]["version"], read.json()["version"]);
    assert_eq!(last["data"]["status"], "released");
    // The feed tells the same, event for event.
    assert_eq!(feed(&acme).await, mine.events());
    world.stop().await.unwrap();
}
