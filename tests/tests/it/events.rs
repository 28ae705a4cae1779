//! What happens to orders, from outside: page by page, and as a stream.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, RequestBuilder, Response};
use sandbox::AccountChange;
use serde_json::{Value, json};
use tests::{PortalUser, Setup, World, until};

use crate::findings::{generous, generous_world};

/// Liveness only: far beyond what any of these should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event stream as its client reads it.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(user: &PortalUser) -> Self {
        let request = user.request(Method::GET, "/events/stream");
        let mut stream = Self::ask(request).await.expect("a stream");
        stream
            .read(|text| text.contains(": events of your orders"))
            .await;
        stream
    }

    /// None: there is none now.
    async fn ask(request: RequestBuilder) -> Option<Self> {
        let response = request.timeout(PATIENCE).send().await.ok()?;
        let begun = response.status() == 200;
        begun.then(|| Self {
            response,
            text: String::new(),
        })
    }

    /// The next message, whole: its id and its event, where it has one. None: the stream has ended or was cut off.
    async fn message(&mut self) -> Option<(String, Option<Value>)> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let mut lines = message.lines();
                    lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                if let Some(id) = field("id: ") {
                    let event = field("data: ").map(|data| serde_json::from_str(&data).unwrap());
                    return Some((id, event));
                }
                continue;
            }
            let chunk = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
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

/// What a shop of an account goes through while its events are read.
const ORDERS: usize = 24;
/// So long after an order, or after a reader was turned away, comes the next.
const PACE: Duration = Duration::from_millis(50);

/// Places orders one after the other, each until it is taken; answers their ids.
async fn order_on_and_on(user: PortalUser, taken: Arc<AtomicUsize>) -> BTreeSet<String> {
    let mut orders = BTreeSet::new();
    for number in 0..ORDERS {
        let body = json!({"purchase_order_number": format!("PO-ON-{number}"),
            "lines": [{"item": format!("SKU-{:04}", 1 + number % 2), "quantity": {"value": "1"}}]});
        let key = format!("on-{number}");
        let placed = loop {
            match user.post("/orders", &key, &body).await {
                Ok(answer) if answer.status == 202 => break answer,
                Ok(answer) => assert!(answer.status.as_u16() >= 500, "{}", answer.text),
                Err(_unanswered) => {}
            }
            tokio::time::sleep(PACE).await;
        };
        orders.insert(placed.at("/order_id"));
        taken.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PACE).await;
    }
    orders
}

/// Whether a reader has come to the end: every order is released.
fn are_all(events: &[Value]) -> bool {
    let released = |event: &&Value| event["type"] == "com.orderway.order.released.v1";
    let subjects: BTreeSet<_> = events.iter().filter(released).map(subject).collect();
    subjects.len() == ORDERS
}

fn subject(event: &Value) -> String {
    event["subject"].as_str().unwrap().to_owned()
}

/// Reads the stream, is cut off every few messages, and comes back with the last id it has.
async fn by_stream(user: PortalUser) -> Vec<Value> {
    let (mut events, mut last, mut cuts) = (Vec::new(), "0".to_owned(), 0_usize);
    while !are_all(&events) {
        let request = user.request(Method::GET, "/events/stream");
        let Some(mut stream) = Stream::ask(request.header("Last-Event-ID", &last)).await else {
            tokio::time::sleep(PACE).await;
            continue;
        };
        cuts += 1;
        for _ in 0..2 + cuts % 5 {
            let Some((id, event)) = stream.message().await else {
                break;
            };
            last = id;
            events.extend(event);
            if are_all(&events) {
                break;
            }
        }
        // What happens while it is away is told when it is back.
        drop(stream);
        tokio::time::sleep(PACE).await;
    }
    assert!(cuts > 4, "it was cut off {cuts} times");
    events
}

/// Reads page by page; of every third the reader dies before it has kept anything of it.
async fn by_pages(user: PortalUser) -> Vec<Value> {
    let (mut events, mut after, mut pages) = (Vec::new(), 0, 0_usize);
    while !are_all(&events) {
        let path = format!("/events?after={after}&limit=4&wait=2");
        let page = match user.get(&path).await {
            Ok(page) if page.status == 200 => page.json(),
            Ok(page) => {
                assert!(page.status.as_u16() >= 500, "{}", page.text);
                tokio::time::sleep(PACE).await;
                continue;
            }
            Err(_unanswered) => continue,
        };
        pages += 1;
        if pages.is_multiple_of(3) {
            continue;
        }
        events.extend(page["events"].as_array().unwrap().iter().cloned());
        after = page["next"].as_u64().unwrap();
    }
    events
}

/// Every event of these orders, each once and in order, and no other.
fn assert_whole(events: &[Value], orders: &BTreeSet<String>, account: &str) {
    let positions: Vec<u64> = events
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    assert!(
        positions.is_sorted_by(|one, next| one < next),
        "{account}: {positions:?}"
    );
    let mut lives: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events {
        assert_eq!(event["account"], account, "{event}");
        let kind = event["type"].as_str().unwrap();
        let kind = kind.strip_prefix("com.orderway.order.").unwrap();
        lives
            .entry(subject(event))
            .or_default()
            .push(kind.to_owned());
    }
    assert_eq!(lives.keys().cloned().collect::<BTreeSet<_>>(), *orders);
    for (order, life) in lives {
        assert_eq!(
            life,
            ["received.v1", "accepted.v1", "released.v1"],
            "{account}: {order}"
        );
    }
}

#[tokio::test]
async fn readers_that_are_cut_off_hear_every_event_once_and_in_order() {
    let setup = generous(Setup::default()).with(
        "ORDERWAY_SYSTEM__ERP__MAIN__BUDGET__CALLS_PER_SECOND",
        "200",
    );
    let world = World::start_with(setup).await.unwrap();
    let (acme, borealis) = buyers(&world).await;
    // Orders that the ERP has just counted weigh twice until its lag is over: no hold may end this here.
    let limitless = AccountChange {
        credit_limit: Some(None),
        ..AccountChange::default()
    };
    let erp = &world.estate.sandbox.erp;
    erp.set_account("BOREALIS", limitless).unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let placing =
        [&acme, &borealis].map(|user| tokio::spawn(order_on_and_on(user.clone(), taken.clone())));
    let streaming = [&acme, &borealis].map(|user| tokio::spawn(by_stream(user.clone())));
    let paging = tokio::spawn(by_pages(acme.clone()));

    let so_many = async |orders: usize| {
        let come = async || Ok((taken.load(Ordering::SeqCst) >= orders).then_some(()));
        until(&format!("{orders} orders"), come).await.unwrap();
    };
    so_many(ORDERS / 2).await;
    // Whoever streams or waits here goes on, and hears what comes when they are back.
    let world = Box::pin(world.restart_process()).await.unwrap();
    so_many(ORDERS + ORDERS / 2).await;
    // And once more, with those that streams are open at.
    let world = Box::pin(world.restart_layers()).await.unwrap();

    let come = async {
        let [acmes, borealises] = placing;
        let [of_acme, of_borealis] = streaming;
        let orders = (acmes.await.unwrap(), borealises.await.unwrap());
        let pages = paging.await.unwrap();
        (
            orders,
            of_acme.await.unwrap(),
            of_borealis.await.unwrap(),
            pages,
        )
    };
    let come = tokio::time::timeout(2 * PATIENCE, come).await;
    let Ok(((acmes, borealises), streamed, theirs, paged)) = come else {
        let [acmes, borealises] = [&acme, &borealis].map(|user| user.get("/orders?limit=50"));
        let (acmes, borealises) = (acmes.await.unwrap().text, borealises.await.unwrap().text);
        panic!("not all orders came to their end: {acmes} {borealises}");
    };
    assert_whole(&streamed, &acmes, "ACME");
    assert_whole(&theirs, &borealises, "BOREALIS");
    assert_eq!(paged, streamed, "page by page it is the same");
    assert_eq!(feed(&acme).await, streamed, "and afterwards too");
    world.stop().await.unwrap();
}
