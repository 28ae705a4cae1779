//! News at the door, over `SQLite` and a source that answers as it is told: doubled, turned round, with gaps, before their
//! order, fitting none, and too many. What single news do to an order is in `orders/shipment_tests.rs`.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use canonical_model::{
    CompanyId, OrderId,
    intake::{News, UnreadableNews},
    shipment::ShipmentNews,
};
use jiff::SignedDuration;
use rstest::rstest;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use service_runtime::{
    clock::ClockHandle,
    config::{Environment, HumanDuration, load},
    context::{AccountScope, CallContext, Caller},
};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::{IntakeConfig, pull::Puller, quarantine_router, router};
use crate::{
    LAYER,
    baskets::testing::{Seller, call_for},
    clients::{SystemError, fake::FakeSystem},
    config::Config,
    orders::{
        OrderState, change,
        event::OrderEvent,
        testing::{around, begun_with, line, line_of_boxes, news, picks},
    },
    policy::Policies,
    state::AppState,
    store::Cause,
};

/// The door, and what stands behind it.
struct Door {
    app: Router,
    state: AppState,
    clock: ClockHandle,
    source: Arc<FakeSystem>,
}

/// How it stands with line 1, of which EAST ships six: released, picked, packed, shipped; and the order's version.
type Stands = ([i64; 4], u64);

const PULL_AFTER: SignedDuration = SignedDuration::from_secs(2);

impl Door {
    fn open() -> Self {
        Self::by(IntakeConfig::default())
    }

    fn by(intake: IntakeConfig) -> Self {
        let Seller {
            sources,
            system,
            clock,
        } = Seller::open();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let mut config: Config = load(LAYER, Some(&directory), &Environment::default()).unwrap();
        config.intake = intake;
        let policies = Policies::clone(&sources.policies);
        let (store, time) = (sources.store, sources.clock);
        let state = AppState::new(store, system.clone(), time, policies, config).unwrap();
        let routes = router().merge(quarantine_router());
        let (app, _contract) = routes.with_state(state.clone()).split_for_parts();
        Self {
            app,
            state,
            clock,
            source: system,
        }
    }

    /// The order that the news are about, as far as it has come.
    async fn has_order(&self, events: &[OrderEvent]) {
        let cause = Cause {
            company: CompanyId::new("US01").unwrap(),
            at: self.state.clock.now(),
            principal: "buyer".to_owned(),
            channel: "portal".to_owned(),
            correlation_id: "order".to_owned(),
            traceparent: String::new(),
        };
        let taken = change::commit(None, events, cause, around()).unwrap();
        let (mut commit, _state) = taken.unwrap();
        // Ledgers and documents are not what is looked at here.
        commit.stock.clear();
        commit.credit.clear();
        commit.documents.clear();
        self.state.store.commit(commit).await.unwrap();
    }

    /// The same, with its warehouses.
    async fn has_released_order(&self) {
        self.has_order(&begun_with(vec![line(1), line_of_boxes(2)], true))
            .await;
    }

    async fn order(&self) -> OrderState {
        let id = OrderId(Uuid::from_u128(7));
        let found = change::load(self.state.store.as_ref(), id).await;
        found.unwrap().unwrap()
    }

    async fn stands(&self) -> Stands {
        let order = self.order().await;
        let line = &order.quantities[0];
        let parts = [line.released, line.picked, line.packed, line.shipped];
        let whole = |part: Decimal| i64::try_from(part).unwrap();
        // Three more are released at WEST, of which nothing is told.
        let [released, picked, packed, shipped] = parts.map(whole);
        ([released - 3, picked, packed, shipped], order.version)
    }

    async fn call(
        &self,
        caller: CallContext,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("idempotency-key", Uuid::now_v7().to_string())
            .extension(Caller::authenticated(caller))
            .body(body)
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn delivery(&self, body: &Value) -> (u16, Value) {
        let warehouse = CallContext {
            principal: "intake:warehouse".to_owned(),
            company: Some("US01".to_owned()),
            channel: "intake".to_owned(),
            ..call_for(&[]).context
        };
        self.call(warehouse, "POST", "/v1/intake/events", body)
            .await
    }

    /// What becomes of news that are delivered together: `applied`, or `parked: gap`.
    async fn take(&self, news: &[News]) -> Vec<String> {
        let body = json!({"source": "warehouse", "news": news});
        let (status, receipt) = self.delivery(&body).await;
        assert_eq!(status, 200, "{receipt:#}");
        let outcomes = receipt["outcomes"].as_array().unwrap().iter();
        outcomes
            .map(|outcome| match outcome["reason"].as_str() {
                None => outcome["outcome"].as_str().unwrap().to_owned(),
                Some(reason) => format!("{}: {reason}", outcome["outcome"].as_str().unwrap()),
            })
            .collect()
    }

    async fn operator(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let clerk = CallContext {
            principal: "clerk".to_owned(),
            accounts: AccountScope::All,
            company: Some("US01".to_owned()),
            scopes: vec!["news:read".to_owned(), "news:dismiss".to_owned()],
            ..call_for(&[]).context
        };
        self.call(clerk, method, path, body).await
    }

    /// What waits for a person, and why.
    async fn quarantined(&self) -> Vec<(String, u64, String)> {
        let (_, page) = self.operator("GET", "/v1/news", &Value::Null).await;
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                let text = |name: &str| item[name].as_str().unwrap().to_owned();
                (
                    text("key"),
                    item["version"].as_u64().unwrap(),
                    text("reason"),
                )
            })
            .collect()
    }

    async fn decide(&self, what: &str, body: &Value) -> (u16, Value) {
        let (_, page) = self.operator("GET", "/v1/news", &Value::Null).await;
        let id = page["items"][0]["id"].as_str().unwrap().to_owned();
        self.operator("POST", &format!("/v1/news/{id}/{what}"), body)
            .await
    }

    /// The source says this from now on, when it is asked.
    fn source_says(&self, news: ShipmentNews) {
        let mut world = self.source.world();
        world
            .shipments
            .retain(|known| known.shipment != news.shipment);
        world.shipments.push(news);
    }

    /// Time passes, and who is due is asked; answers how many were.
    async fn pull_after(&self, time: SignedDuration) -> usize {
        self.clock.advance(time);
        Puller::new(&self.state).settle_due().await.unwrap()
    }

    async fn nothing_waits(&self) -> bool {
        let due = self.state.store.next_parked_due().await.unwrap();
        due.is_none() && self.quarantined().await.is_empty()
    }
}

fn shipment(name: &str, version: u64, (picked, packed, shipped): (i64, i64, i64)) -> ShipmentNews {
    news(name, version, &[picks(1, picked, packed, shipped)])
}

/// A shipment of four pieces as it is picked, packed and shipped: versions 1 to 3.
fn life(version: u64) -> ShipmentNews {
    let so_far = |least: u64| if version < least { 0 } else { 4 };
    shipment("SH-1", version, (4, so_far(2), so_far(3)))
}

fn told(news: ShipmentNews) -> News {
    News::Shipment(Box::new(news))
}

fn unreadable(key: &str) -> News {
    News::Unreadable(UnreadableNews {
        key: key.to_owned(),
        detail: "It is no JSON.".to_owned(),
        raw: "{".to_owned(),
        received_at: "2026-11-20T12:00:00Z".parse().unwrap(),
    })
}

const SHIPPED: [i64; 4] = [2, 0, 0, 4];

#[tokio::test]
async fn what_comes_twice_or_late_changes_nothing() {
    let door = Door::open();
    door.has_released_order().await;
    let ([6, 0, 0, 0], version) = door.stands().await else {
        panic!("{:?}", door.stands().await)
    };
    // In one delivery and in another.
    let twice = [told(life(1)), told(life(1))];
    assert_eq!(door.take(&twice).await, ["applied", "known"]);
    assert_eq!(door.take(&twice).await, ["known", "known"]);
    assert_eq!(door.stands().await, ([2, 4, 0, 0], version + 1));
    let on = [told(life(2)), told(life(1)), told(life(3)), told(life(2))];
    assert_eq!(
        door.take(&on).await,
        ["applied", "known", "applied", "known"]
    );
    assert_eq!(door.take(&on).await, ["known"; 4]);
    assert_eq!(door.stands().await, (SHIPPED, version + 3));
    assert!(door.nothing_waits().await);
}

#[rstest]
#[case([1, 2, 3])]
#[case([1, 3, 2])]
#[case([2, 1, 3])]
#[case([2, 3, 1])]
#[case([3, 1, 2])]
#[case([3, 2, 1])]
#[tokio::test]
async fn in_whatever_order_they_come_they_come_to_the_same(
    #[case] order: [u64; 3],
    #[values(true, false)] together: bool,
) {
    let door = Door::open();
    door.has_released_order().await;
    door.source_says(life(3));
    let news: Vec<News> = order.map(life).map(told).into();
    if together {
        door.take(&news).await;
    } else {
        for one in news {
            door.take(&[one]).await;
        }
    }
    door.pull_after(PULL_AFTER).await;
    assert_eq!(door.stands().await.0, SHIPPED);
    assert_eq!(door.order().await.shipments[0].version, 3);
    assert!(door.nothing_waits().await);
}

#[tokio::test]
async fn what_waited_for_exactly_these_news_follows_them_at_once() {
    let door = Door::open();
    door.has_released_order().await;
    assert_eq!(door.take(&[told(life(2))]).await, ["parked: gap"]);
    assert_eq!(door.take(&[told(life(1))]).await, ["applied"]);
    assert_eq!(door.stands().await.0, [2, 0, 4, 0]);
    assert!(door.nothing_waits().await);
    assert_eq!(door.pull_after(PULL_AFTER).await, 0, "nobody is asked");
}

#[tokio::test]
async fn a_gap_is_asked_for_and_one_event_says_it_all() {
    let door = Door::open();
    door.has_released_order().await;
    let (_, version) = door.stands().await;
    door.source_says(life(3));
    assert_eq!(door.take(&[told(life(3))]).await, ["parked: gap"]);
    assert_eq!(door.stands().await.0, [6, 0, 0, 0]);
    assert_eq!(door.pull_after(SignedDuration::from_secs(1)).await, 0);
    assert_eq!(door.pull_after(SignedDuration::from_secs(1)).await, 1);
    assert_eq!(door.stands().await, (SHIPPED, version + 1));
    assert!(door.nothing_waits().await);
    assert_eq!(door.take(&[told(life(2))]).await, ["known"]);
}

#[tokio::test]
async fn a_source_that_lags_behind_is_heard_and_asked_again() {
    let door = Door::open();
    door.has_released_order().await;
    door.source_says(life(1));
    door.take(&[told(life(3))]).await;
    assert_eq!(door.pull_after(PULL_AFTER).await, 1);
    assert_eq!(door.stands().await.0, [2, 4, 0, 0], "what it said counts");
    assert!(!door.nothing_waits().await);
    door.source_says(life(2));
    assert_eq!(door.pull_after(PULL_AFTER).await, 1);
    // With the second known, what waited is the very next.
    assert_eq!(door.stands().await.0, SHIPPED);
    assert!(door.nothing_waits().await);
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_asked_ever_later_and_then_a_person_looks() {
    let door = Door::open();
    door.has_released_order().await;
    let came = door.state.clock.now();
    door.take(&[told(life(2))]).await;
    let down = SystemError::Unavailable { retry_after: None };
    door.source.world().failing.insert("shipment", down);
    let mut asked = Vec::new();
    while let Some(due) = door.state.store.next_parked_due().await.unwrap() {
        let wait = due.duration_since(door.state.clock.now());
        assert_eq!(door.pull_after(wait).await, 1);
        asked.push(due.duration_since(came).as_secs());
    }
    assert_eq!(asked[..7], [2, 4, 8, 16, 32, 64, 124], "{asked:?}");
    assert_eq!(asked.last(), Some(&604), "patience is ten minutes");
    let waits = [("shipment/SH-1".to_owned(), 2, "gap".to_owned())];
    assert_eq!(door.quarantined().await, waits);
    // Once more is not news; a retry is.
    assert_eq!(door.take(&[told(life(2))]).await, ["quarantined: gap"]);
    door.source.world().failing.clear();
    door.source_says(life(3));
    let (status, news) = door.decide("retry", &Value::Null).await;
    assert_eq!((status, &news["stage"]), (200, &json!("waiting")));
    assert_eq!(door.pull_after(SignedDuration::ZERO).await, 1);
    assert_eq!(door.stands().await.0, SHIPPED);
    assert!(door.nothing_waits().await);
}

#[tokio::test]
async fn news_that_come_before_their_order_wait_for_it() {
    let door = Door::open();
    assert_eq!(door.take(&[told(life(1))]).await, ["parked: unknown_order"]);
    door.source_says(life(2));
    assert_eq!(door.pull_after(PULL_AFTER).await, 1);
    assert!(!door.nothing_waits().await, "nobody knows the order yet");
    door.has_released_order().await;
    assert_eq!(door.pull_after(PULL_AFTER).await, 1);
    assert_eq!(door.stands().await.0, [2, 0, 4, 0]);
    assert!(door.nothing_waits().await);
}

#[tokio::test]
async fn news_that_came_before_their_order_are_taken_when_they_come_again() {
    let door = Door::open();
    door.take(&[told(life(1))]).await;
    door.has_released_order().await;
    assert_eq!(door.take(&[told(life(1))]).await, ["applied"]);
    assert!(door.nothing_waits().await);
}

#[tokio::test]
async fn that_a_warehouse_picks_is_its_answer_to_a_release_that_was_not_heard() {
    let door = Door::open();
    door.has_order(&begun_with(vec![line(1), line_of_boxes(2)], false))
        .await;
    assert_eq!(door.take(&[told(life(1))]).await, ["parked: not_released"]);
    door.source_says(ShipmentNews {
        release_number: Some("PR-9".to_owned()),
        ..life(1)
    });
    door.pull_after(PULL_AFTER).await;
    let order = door.order().await;
    let east = order.releases.iter().find(|one| one.site == life(1).site);
    let numbers = east.map(|release| format!("{:?}", release.stage));
    assert_eq!(numbers.as_deref(), Some("Released"));
    assert_eq!(order.shipments[0].version, 1);
    assert!(door.nothing_waits().await);
}

#[tokio::test]
async fn news_of_nobody_are_left_to_a_person_and_stay_aside_once_they_are_put_there() {
    let patience = HumanDuration::from_secs(10);
    let door = Door::by(IntakeConfig {
        patience,
        ..IntakeConfig::default()
    });
    door.take(&[told(life(1))]).await;
    for _ in 0..4 {
        door.pull_after(SignedDuration::from_secs(4)).await;
    }
    let nobodys = [("shipment/SH-1".to_owned(), 1, "unknown_order".to_owned())];
    assert_eq!(door.quarantined().await, nobodys);
    let note = json!({"note": "A delivery of the warehouse's own."});
    let (status, news) = door.decide("dismiss", &note).await;
    assert_eq!((status, &news["stage"]), (200, &json!("dismissed")));
    assert_eq!(
        door.take(&[told(life(1))]).await,
        ["quarantined: unknown_order"]
    );
    assert!(door.nothing_waits().await, "the same are not news");
    assert_eq!(door.take(&[told(life(2))]).await, ["parked: unknown_order"]);
    assert!(!door.nothing_waits().await, "newer ones are");
}

#[tokio::test]
async fn what_does_not_fit_waits_for_a_person_until_newer_news_fit() {
    let door = Door::open();
    door.has_released_order().await;
    let (_, version) = door.stands().await;
    let seven = shipment("SH-1", 1, (7, 0, 0));
    let outcome = door.take(&[told(seven.clone()), told(seven.clone())]).await;
    assert_eq!(outcome, ["quarantined: over_shipped"; 2]);
    assert_eq!(door.stands().await, ([6, 0, 0, 0], version));
    assert_eq!(door.quarantined().await.len(), 1);
    // What is wrong with one of a delivery keeps no other.
    let other = shipment("SH-2", 1, (1, 0, 0));
    let outcome = door.take(&[told(seven), told(other)]).await;
    assert_eq!(outcome, ["quarantined: over_shipped", "applied"]);
    // Put right in the warehouse: version 1 was never applied, so it is asked.
    let right = shipment("SH-1", 2, (5, 0, 0));
    door.source_says(right.clone());
    assert_eq!(door.take(&[told(right)]).await, ["parked: gap"]);
    assert_eq!(door.pull_after(PULL_AFTER).await, 1);
    assert_eq!(door.stands().await, ([0, 6, 0, 0], version + 2));
    assert!(door.nothing_waits().await);
}

#[tokio::test]
async fn what_nobody_understands_is_kept_once() {
    let door = Door::open();
    let news = [unreadable("one"), unreadable("one"), unreadable("two")];
    assert_eq!(door.take(&news).await, ["quarantined: unreadable"; 3]);
    assert_eq!(door.take(&news).await, ["quarantined: unreadable"; 3]);
    let kept = door.quarantined().await;
    let keys: Vec<&str> = kept.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(keys, ["unreadable/one", "unreadable/two"]);
    assert_eq!(door.pull_after(PULL_AFTER).await, 0, "nobody is asked");
}

#[tokio::test]
async fn as_many_wait_as_may_and_a_delivery_beyond_is_refused_whole() {
    let door = Door::by(IntakeConfig {
        parked: 2,
        ..IntakeConfig::default()
    });
    door.has_released_order().await;
    let nobodys = |name: &str| {
        let mut news = shipment(name, 1, (1, 0, 0));
        news.order_reference = "OW0000000000000000".parse().unwrap();
        told(news)
    };
    door.take(&[nobodys("SH-8"), nobodys("SH-9")]).await;
    let beyond = [told(life(1)), nobodys("SH-10")];
    let body = json!({"source": "warehouse", "news": beyond});
    let (status, refused) = door.delivery(&body).await;
    assert_eq!((status, &refused["code"]), (503, &json!("news-limit")));
    assert!(refused["retry_after_seconds"].is_u64(), "{refused:#}");
    assert_eq!(door.stands().await.0, [6, 0, 0, 0], "whole or not at all");
    // What is known to wait may come again, in newer words too; and what fits needs no room.
    assert_eq!(
        door.take(&[nobodys("SH-8"), told(life(1))]).await,
        ["parked: unknown_order", "applied"]
    );
}

#[tokio::test]
async fn a_cursor_moves_with_its_news_or_not_at_all() {
    let door = Door::open();
    door.has_released_order().await;
    let step = |from: Value, to: &str, news: News| json!({"source": "warehouse", "cursor": {"from": from, "to": to}, "news": [news]});
    let first = step(Value::Null, "10", told(life(1)));
    assert_eq!(door.delivery(&first).await.0, 200);
    // Its answer was lost, or another instance reads from there too.
    let (status, refused) = door.delivery(&first).await;
    assert_eq!((status, &refused["code"]), (409, &json!("cursor-moved")));
    let wrong = step(json!("9"), "11", told(life(2)));
    assert_eq!(door.delivery(&wrong).await.0, 409);
    assert_eq!(
        door.stands().await.0,
        [2, 4, 0, 0],
        "nothing of it is written"
    );
    // A step over what changes nothing is a step.
    let nothing_new = step(json!("10"), "11", told(life(1)));
    assert_eq!(door.delivery(&nothing_new).await.0, 200);
    let next = step(json!("11"), "12", told(life(2)));
    assert_eq!(door.delivery(&next).await.0, 200);
    assert_eq!(door.stands().await.0, [2, 0, 4, 0]);
    // A step over what concerns nobody comes alone; no news at all is no delivery.
    let alone = json!({"source": "warehouse", "cursor": {"from": "12", "to": "13"}, "news": []});
    assert_eq!(door.delivery(&alone).await.0, 200);
    assert_eq!(door.delivery(&alone).await.0, 409);
    let nothing = json!({"source": "warehouse", "news": []});
    assert_eq!(door.delivery(&nothing).await.0, 422);
    let reader = super::take::reader("warehouse");
    let stands = door.state.store.cursor(&reader).await.unwrap();
    assert_eq!(stands.as_deref(), Some("13"));
}

#[tokio::test]
async fn what_a_source_answered_when_it_was_asked_waits_for_no_version_before_it() {
    let door = Door::open();
    door.has_released_order().await;
    let mut news = life(3);
    news.version = 1_795_213_530_229_163;
    let mut body = json!({"source": "warehouse", "news": [told(news)]});
    let (_, sent) = door.delivery(&body).await;
    assert_eq!(
        sent["outcomes"][0]["reason"], "gap",
        "by itself it may have lost some"
    );
    body["asked"] = json!(true);
    let (_, asked) = door.delivery(&body).await;
    assert_eq!(asked["outcomes"][0]["outcome"], "applied", "{asked:#}");
    assert_eq!(door.stands().await.0[3], 4);
    let (_, again) = door.delivery(&body).await;
    assert_eq!(again["outcomes"][0]["outcome"], "known");
}
