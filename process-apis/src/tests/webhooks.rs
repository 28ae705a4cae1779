//! Webhooks against receivers that listen on this machine: what arrives, in which order, under which signature, and what
//! becomes of what is not taken.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use canonical_model::capabilities::CreateClass;
use jiff::SignedDuration;
use serde_json::{Value, json};
use service_runtime::context::CallContext;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;

use super::harness::{Layer, Reply, buyer, order};
use crate::events::webhooks::{Sender, WebhookWorker};

#[path = "webhook_routes.rs"]
mod routes;

const SUBSCRIPTIONS: &str = "/v1/subscriptions";

/// What a receiver got.
#[derive(Debug, Clone)]
struct Got {
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// How many of its signatures are by this secret.
    fn signed_by(&self, secret: &str) -> usize {
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let head = format!(
            "{}.{}.",
            self.text("webhook-id"),
            self.text("webhook-timestamp")
        );
        let signed = [head.as_bytes(), &self.body].concat();
        let good = self.text("webhook-signature").split(' ').filter(|one| {
            let signature = STANDARD.decode(one.strip_prefix("v1,").unwrap()).unwrap();
            hmac::verify(&key, &signed, &signature).is_ok()
        });
        good.count()
    }
}

/// What a receiver does with an event.
#[derive(Debug, Clone, Copy)]
enum Answers {
    With(u16),
    LeaveAlone(u16),
    Never,
}

type Script = dyn Fn(&Value) -> Answers + Send + Sync;

/// A subscriber's system.
struct Receiver {
    url: String,
    got: Mutex<Vec<Got>>,
    script: Mutex<Box<Script>>,
    news: Notify,
}

impl Receiver {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?token=t", listener.local_addr().unwrap());
        let receiver = Arc::new(Self {
            url,
            got: Mutex::default(),
            script: Mutex::new(Box::new(|_event| Answers::With(204))),
            news: Notify::new(),
        });
        let app = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&receiver));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        receiver
    }

    fn answers(&self, script: impl Fn(&Value) -> Answers + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Purchase order and type of what came since the last look.
    fn take(&self) -> Vec<(String, String)> {
        let got = std::mem::take(&mut *self.got.lock().unwrap());
        let told = got.iter().map(|got| {
            let event = got.event();
            let number = event["data"]["purchase_order_number"]
                .as_str()
                .unwrap()
                .to_owned();
            let kind = event["type"].as_str().unwrap();
            (
                number,
                kind.replace("com.orderway.order.", "").replace(".v1", ""),
            )
        });
        told.collect()
    }

    async fn until_it_has(&self, count: usize) {
        let enough = async {
            while self.got().len() < count {
                self.news.notified().await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(60), enough).await;
        assert!(came.is_ok(), "only {} came", self.got().len());
    }
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let event = serde_json::from_slice(&body).unwrap();
    let answer = (receiver.script.lock().unwrap())(&event);
    receiver.got.lock().unwrap().push(Got { headers, body });
    receiver.news.notify_one();
    match answer {
        Answers::With(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answers::LeaveAlone(seconds) => {
            let seconds = HeaderValue::from(seconds);
            (
                StatusCode::TOO_MANY_REQUESTS,
                [(header::RETRY_AFTER, seconds)],
            )
                .into_response()
        }
        Answers::Never => std::future::pending().await,
    }
}

fn subscriber(accounts: &[&str]) -> CallContext {
    CallContext {
        scopes: vec!["webhooks:write".to_owned()],
        ..buyer(accounts)
    }
}

/// A layer whose effects nobody does: each order is one event.
struct World {
    layer: Layer,
    worker: WebhookWorker,
}

impl World {
    fn new() -> Self {
        let layer = Layer::without_worker(CreateClass::Staged);
        let worker = WebhookWorker::new(&layer.state);
        Self { layer, worker }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Reply {
        let request = Layer::request(&subscriber(&["A"]), method, path, headers, body);
        self.layer.send(request).await
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Reply {
        self.send("POST", path, &[("idempotency-key", key)], body)
            .await
    }

    async fn subscribe(&self, receiver: &Receiver) -> Value {
        self.subscribe_to(receiver, &[]).await
    }

    async fn subscribe_to(&self, receiver: &Receiver, types: &[&str]) -> Value {
        let body = json!({"account": "A", "url": receiver.url, "types": types});
        let made = self.post(SUBSCRIPTIONS, &receiver.url, &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body
    }

    async fn read(&self, subscription: &Value) -> Value {
        let read = self
            .send("GET", &path(subscription, ""), &[], &Value::Null)
            .await;
        assert_eq!(read.status, 200, "{read:?}");
        read.body
    }

    async fn list(&self, subscription: &Value, what: &str) -> Vec<Value> {
        let listed = self
            .send("GET", &path(subscription, what), &[], &Value::Null)
            .await;
        listed.body["items"].as_array().unwrap().clone()
    }

    async fn place(&self, number: &str) -> String {
        let placed = self.layer.place(number, &order(number, "SKU-1", "1")).await;
        assert_eq!(placed.status, 202, "{placed:?}");
        placed.id()
    }

    async fn cancel(&self, id: &str) {
        let cancelled = self
            .layer
            .command(&buyer(&["A"]), id, "cancel", &Value::Null)
            .await;
        assert_eq!(cancelled.status, 200, "{cancelled:?}");
    }

    fn pass(&self, time: SignedDuration) {
        self.layer.clock.advance(time);
    }

    /// Serves what is due now until nothing is.
    async fn serve(&self) {
        while self.worker.once().await > 0 {}
    }
}

fn path(subscription: &Value, what: &str) -> String {
    let id = subscription["subscription_id"].as_str().unwrap();
    format!("{SUBSCRIPTIONS}/{id}{what}")
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn pairs(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter()
        .map(|(number, kind)| (&**number, &**kind))
        .collect()
}

fn poison(number: &'static str) -> impl Fn(&Value) -> Answers {
    move |event: &Value| {
        let is_poison = event["data"]["purchase_order_number"] == number;
        Answers::With(if is_poison { 500 } else { 200 })
    }
}

#[tokio::test]
async fn an_event_arrives_signed_and_can_be_verified() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    let secret = subscription["secret"].as_str().unwrap();
    let id = world.place("PO-1").await;
    world.serve().await;
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    let (got, event) = (&got[0], got[0].event());
    assert_eq!(got.signed_by(secret), 1);
    assert_eq!(got.text("content-type"), "application/cloudevents+json");
    assert_eq!(event["id"], got.text("webhook-id"));
    let now = world.layer.state.clock.now().as_second().to_string();
    assert_eq!(got.text("webhook-timestamp"), now);
    assert_eq!(
        (
            &event["type"],
            &event["subject"],
            &event["sequence"],
            &event["account"]
        ),
        (
            &json!("com.orderway.order.received.v1"),
            &json!(id),
            &json!(1),
            &json!("A")
        )
    );
    let read = world.read(&subscription).await;
    assert_eq!(read["secret"], Value::Null, "it is shown once");
    assert_eq!(read["delivery"]["position"], event["position"]);
    assert!(read["delivery"]["last_success_at"].is_string());
    world.serve().await;
    assert_eq!(
        receiver.got().len(),
        1,
        "what is delivered is not sent again"
    );
}

#[tokio::test]
async fn a_failed_event_is_sent_again_under_its_id_and_its_order_waits() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    receiver.answers(poison("PO-1"));
    let first = world.place("PO-1").await;
    world.place("PO-2").await;
    world.serve().await;
    world.cancel(&first).await;
    world.place("PO-3").await;
    world.serve().await;
    let before = receiver.got();
    let told = receiver.take();
    let expected = [
        ("PO-1", "received"),
        ("PO-2", "received"),
        ("PO-3", "received"),
    ];
    assert_eq!(
        pairs(&told),
        expected,
        "the poison event holds its own order only"
    );
    let waiting = world.list(&subscription, "/deliveries").await;
    assert_eq!(
        (
            waiting.len(),
            &waiting[0]["subject"],
            &waiting[0]["last_failure"]["status"]
        ),
        (1, &json!(first), &json!(500))
    );
    assert_eq!(
        world.read(&subscription).await["delivery"]["waiting_orders"],
        1
    );
    world.serve().await;
    assert!(receiver.take().is_empty(), "it is not due yet");
    receiver.answers(|_event| Answers::With(200));
    world.pass(seconds(5));
    world.serve().await;
    let again = receiver.got();
    assert_eq!(again[0].text("webhook-id"), before[0].text("webhook-id"));
    assert_eq!(
        again[0].body, before[0].body,
        "the same event has the same bytes"
    );
    let told = receiver.take();
    assert_eq!(told[0], ("PO-1".to_owned(), "received".to_owned()));
    assert_eq!(
        told.last().unwrap(),
        &("PO-1".to_owned(), "cancel_requested".to_owned())
    );
    assert!(world.list(&subscription, "/deliveries").await.is_empty());
}

#[tokio::test]
async fn after_72_hours_an_event_is_a_dead_letter_that_can_be_replayed() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    receiver.answers(poison("PO-1"));
    world.place("PO-1").await;
    world.serve().await;
    let mut attempts = 1;
    for _ in 0..72 * 4 {
        world.pass(SignedDuration::from_mins(15));
        world.serve().await;
        attempts = receiver.got().len();
    }
    assert!((15..=30).contains(&attempts), "{attempts}");
    assert!(world.list(&subscription, "/deliveries").await.is_empty());
    let dead = world.list(&subscription, "/dead-letters").await;
    assert_eq!((dead.len(), &dead[0]["attempts"]), (1, &json!(attempts)));
    let state = world.read(&subscription).await;
    assert_eq!(
        (&state["state"], &state["delivery"]["dead_letters"]),
        (&json!("active"), &json!(1))
    );
    receiver.take();
    world.place("PO-2").await;
    world.serve().await;
    assert_eq!(
        receiver.take()[0],
        ("PO-2".to_owned(), "received".to_owned())
    );

    let event = dead[0]["event_id"].as_str().unwrap();
    let replay = path(&subscription, &format!("/dead-letters/{event}/replay"));
    let asked = world.post(&replay, "r-1", &Value::Null).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    world.serve().await;
    assert_eq!(receiver.got().len(), 1);
    assert_eq!(
        world.list(&subscription, "/dead-letters").await.len(),
        1,
        "it failed again"
    );
    receiver.answers(|_event| Answers::With(200));
    world.post(&replay, "r-2", &Value::Null).await;
    world.serve().await;
    assert_eq!(receiver.got().last().unwrap().text("webhook-id"), event);
    assert!(world.list(&subscription, "/dead-letters").await.is_empty());
    let gone = world.post(&replay, "r-3", &Value::Null).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_for_72_hours_is_disabled_and_loses_nothing() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    receiver.answers(|_event| Answers::With(503));
    for number in 0..12 {
        world.place(&format!("PO-{number}")).await;
    }
    world.serve().await;
    let state = world.read(&subscription).await;
    assert!(
        state["delivery"]["waiting_orders"].as_u64().unwrap() <= 8,
        "not every order waits by itself"
    );
    assert!(
        state["delivery"]["paused_until"].is_string()
            && state["delivery"]["failing_since"].is_string()
    );
    for _ in 0..73 * 2 {
        world.pass(SignedDuration::from_mins(30));
        world.serve().await;
    }
    let state = world.read(&subscription).await;
    assert_eq!(
        (
            &state["state"],
            &state["disabled_reason"],
            &state["delivery"]["dead_letters"]
        ),
        (&json!("disabled"), &json!("failing"), &json!(0))
    );
    let calls = receiver.got().len();
    world.pass(SignedDuration::from_hours(24));
    world.serve().await;
    assert_eq!(receiver.got().len(), calls);

    receiver.take();
    receiver.answers(|_event| Answers::With(200));
    let etag = format!("\"v{}\"", state["version"]);
    let body = json!({"url": receiver.url, "active": true});
    let changed = world
        .send(
            "PUT",
            &path(&subscription, ""),
            &[("if-match", &etag)],
            &body,
        )
        .await;
    assert_eq!(
        (changed.status, &changed.body["state"]),
        (200, &json!("active"))
    );
    world.serve().await;
    let mut numbers: Vec<_> = receiver
        .take()
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 12, "all of it arrives: {numbers:?}");
}

#[tokio::test]
async fn a_receiver_that_refuses_some_orders_in_a_row_is_told_of_the_others() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    receiver.answers(|event| {
        let number = event["data"]["purchase_order_number"].as_str().unwrap();
        Answers::With(if number.starts_with("BAD") { 400 } else { 200 })
    });
    for number in 0..12 {
        world.place(&format!("BAD-{number}")).await;
    }
    world.place("GOOD").await;
    for _ in 0..180 {
        world.pass(SignedDuration::from_mins(1));
        world.serve().await;
    }
    let told = receiver.take();
    assert!(pairs(&told).contains(&("GOOD", "received")));
    let state = world.read(&subscription).await;
    let delivery = &state["delivery"];
    assert_eq!(
        (
            &state["state"],
            &delivery["waiting_orders"],
            &delivery["paused_until"]
        ),
        (&json!("active"), &json!(12), &Value::Null),
        "what it refuses waits by itself"
    );
}

#[tokio::test]
async fn a_dead_letter_is_sent_again_although_its_type_is_not_chosen_any_more() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    receiver.answers(poison("PO-1"));
    world.place("PO-1").await;
    for _ in 0..74 {
        world.serve().await;
        world.pass(SignedDuration::from_hours(1));
    }
    let dead = world.list(&subscription, "/dead-letters").await;
    assert_eq!(dead.len(), 1);
    let narrowed = json!({"url": receiver.url, "types": ["order.shipped"], "active": true});
    let one = path(&subscription, "");
    let changed = world.send("PUT", &one, &[("if-match", "\"v1\"")], &narrowed);
    assert_eq!(changed.await.status, 200);
    receiver.take();
    receiver.answers(|_event| Answers::With(200));
    let event = dead[0]["event_id"].as_str().unwrap();
    let replay = path(&subscription, &format!("/dead-letters/{event}/replay"));
    assert_eq!(world.post(&replay, "r-1", &Value::Null).await.status, 202);
    world.serve().await;
    assert_eq!(pairs(&receiver.take()), [("PO-1", "received")]);
    assert!(world.list(&subscription, "/dead-letters").await.is_empty());
}

#[tokio::test]
async fn a_receiver_says_to_come_later_or_never_again() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    receiver.answers(|_event| Answers::LeaveAlone(600));
    world.place("PO-1").await;
    world.serve().await;
    world.place("PO-2").await;
    world.pass(seconds(590));
    world.serve().await;
    assert_eq!(receiver.got().len(), 1, "it asked for ten minutes");
    receiver.answers(|_event| Answers::With(410));
    world.pass(seconds(10));
    world.serve().await;
    let state = world.read(&subscription).await;
    assert_eq!(
        (&state["state"], &state["disabled_reason"]),
        (&json!("disabled"), &json!("gone"))
    );
    let calls = receiver.got().len();
    world.pass(SignedDuration::from_hours(1));
    world.serve().await;
    assert_eq!(receiver.got().len(), calls);
}

#[tokio::test]
async fn a_black_hole_delays_no_other_receiver() {
    let (world, hole, receiver) = (
        World::new(),
        Receiver::start().await,
        Receiver::start().await,
    );
    hole.answers(|_event| Answers::Never);
    world.subscribe(&hole).await;
    world.subscribe(&receiver).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(world.worker.clone().run(stop.clone()));
    for number in 0..20 {
        world.place(&format!("PO-{number}")).await;
    }
    receiver.until_it_has(20).await;
    assert!(
        hole.got().len() <= 8,
        "it keeps what it got and gets nothing more"
    );
    stop.cancel();
    running.abort();
}

#[tokio::test]
async fn a_sender_that_dies_before_it_writes_down_sends_again_under_the_same_id() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    world.subscribe(&receiver).await;
    receiver.answers(|_event| Answers::Never);
    world.place("PO-1").await;
    let worker = world.worker.clone();
    let dying = tokio::spawn(async move { worker.once().await });
    receiver.until_it_has(1).await;
    dying.abort();
    drop(dying.await);
    receiver.answers(|_event| Answers::With(200));
    world.serve().await;
    assert_eq!(
        receiver.got().len(),
        1,
        "until its lease ends nobody else sends"
    );
    world.pass(seconds(15));
    world.serve().await;
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].text("webhook-id"), got[1].text("webhook-id"));
}

#[tokio::test]
async fn while_secrets_rotate_both_sign_and_then_the_new_one_alone() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    let old = subscription["secret"].as_str().unwrap();
    let rotate = path(&subscription, "/rotate-secret");
    let body = json!({"overlap_seconds": 60});
    let rotated = world.post(&rotate, "rotate", &body).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    let new = rotated.body["secret"].as_str().unwrap();
    let again = world.post(&rotate, "rotate", &body).await;
    assert_eq!(
        (again.status, &again.body["secret"]),
        (200, &Value::Null),
        "it is shown once"
    );
    world.place("PO-1").await;
    world.serve().await;
    world.pass(seconds(60));
    world.place("PO-2").await;
    world.serve().await;
    let got = receiver.got();
    assert_eq!((got[0].signed_by(old), got[0].signed_by(new)), (1, 1));
    assert_eq!((got[1].signed_by(old), got[1].signed_by(new)), (0, 1));
    assert!(!got[1].text("webhook-signature").contains(' '));
}

#[tokio::test]
async fn after_a_subscription_is_deleted_or_paused_nothing_is_sent() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    let paused = json!({"url": receiver.url, "active": false});
    let one = path(&subscription, "");
    let without = world.send("PUT", &one, &[], &paused).await;
    assert_eq!(without.status, 428);
    let changed = world
        .send("PUT", &one, &[("if-match", "\"v1\"")], &paused)
        .await;
    assert_eq!(
        (changed.status, &changed.body["state"]),
        (200, &json!("paused"))
    );
    world.place("PO-1").await;
    world.serve().await;
    assert!(receiver.got().is_empty());
    let active = json!({"url": receiver.url, "active": true});
    world
        .send("PUT", &one, &[("if-match", "\"v2\"")], &active)
        .await;
    world.serve().await;
    assert_eq!(
        pairs(&receiver.take()),
        [("PO-1", "received")],
        "it goes on where it stopped"
    );
    let stale = world
        .send("DELETE", &one, &[("if-match", "\"v2\"")], &Value::Null)
        .await;
    assert_eq!(stale.status, 412);
    let deleted = world
        .send("DELETE", &one, &[("if-match", "\"v3\"")], &Value::Null)
        .await;
    assert_eq!(deleted.status, 204);
    world.place("PO-2").await;
    world.serve().await;
    assert!(receiver.got().is_empty());
    assert_eq!(world.send("GET", &one, &[], &Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_replay_is_the_cursor_moved_back() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    world.place("PO-1").await;
    world.pass(SignedDuration::from_mins(2));
    let since = world.layer.state.clock.now();
    world.place("PO-2").await;
    world.place("PO-3").await;
    world.serve().await;
    let first = receiver.got();
    receiver.take();
    let replay = path(&subscription, "/replay");
    let asked = world.post(&replay, "r-1", &json!({"since": since})).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    world.serve().await;
    let again = receiver.got();
    assert_eq!(
        pairs(&receiver.take()),
        [("PO-2", "received"), ("PO-3", "received")]
    );
    assert_eq!(again[0].body, first[1].body);
    world.post(&replay, "r-2", &json!({"after": 0})).await;
    world.serve().await;
    assert_eq!(receiver.take().len(), 3);
    for body in [json!({}), json!({"after": 0, "since": since})] {
        let refused = world.post(&replay, "r-3", &body).await;
        assert_eq!(refused.status, 422, "{refused:?}");
    }
}

#[tokio::test]
async fn only_the_types_asked_for_are_sent() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    world
        .subscribe_to(&receiver, &["order.cancel_requested"])
        .await;
    let first = world.place("PO-1").await;
    world.place("PO-2").await;
    world.cancel(&first).await;
    world.serve().await;
    assert_eq!(pairs(&receiver.take()), [("PO-1", "cancel_requested")]);
}
