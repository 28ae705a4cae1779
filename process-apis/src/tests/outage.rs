//! While the ERP does not answer: what is taken within the policy and what is not, what becomes of it on the return, and
//! that what is outstanding comes to nothing again.

use std::sync::Arc;

use canonical_model::{capabilities::CreateClass, erp_order::ErpOrderState};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, dec};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::harness::{Layer, Reply, buyer, clerk, order};
use crate::{
    baskets::testing::company,
    clients::SystemError,
    config::Config,
    policy::Policies,
    store::{BoundFilter, BoundSum, EventFilter},
};

const CREATES: [&str; 4] = [
    "create_order",
    "orders_by_reference",
    "release_order",
    "cancel_order",
];

/// The ERP goes away, and the figures that are known of it are as old as this.
pub(super) fn goes_away(layer: &Layer, minutes: i64) {
    layer.clock.advance(SignedDuration::from_mins(minutes));
    let mut world = layer.erp.inner.world();
    world.degraded = true;
    for operation in CREATES {
        let away = SystemError::Unavailable { retry_after: None };
        world.failing.insert(operation, away);
    }
}

/// It answers again, with figures of now, of which some are others.
pub(super) fn comes_back(layer: &Layer, changed: impl FnOnce(&mut crate::clients::fake::World)) {
    let now = layer.state.clock.now();
    let mut world = layer.erp.inner.world();
    world.degraded = false;
    world.failing.clear();
    world.prices.iter_mut().for_each(|fact| fact.as_of = now);
    world.stock.iter_mut().for_each(|fact| fact.as_of = now);
    world.credit.iter_mut().for_each(|fact| fact.as_of = now);
    changed(&mut world);
}

async fn outstanding(layer: &Layer) -> Vec<(String, Decimal)> {
    let filter = BoundFilter {
        limit: 100,
        ..BoundFilter::default()
    };
    let sums = layer.state.store.bounds(&company(), filter).await.unwrap();
    let sum = |sum: BoundSum| (sum.key.bound, sum.claimed.normalize());
    sums.into_iter().map(sum).collect()
}

fn bound(reply: &Reply) -> (u16, &str, &str) {
    let word = |member: &str| reply.body[member].as_str().unwrap_or_default();
    (reply.status, word("code"), word("bound"))
}

#[tokio::test]
async fn an_order_within_the_policy_is_taken_provisionally_and_goes_on_when_the_erp_is_back() {
    let layer = Layer::new(CreateClass::Staged);
    goes_away(&layer, 10);
    let placed = layer.place("k", &order("PO-1", "SKU-1", "5")).await;
    assert_eq!(placed.status, 202, "{placed:?}");
    assert_eq!(placed.body["provisional"], true);
    let id = placed.id();
    let seen = layer
        .get(&buyer(&["A"]), &format!("/v1/orders/{id}"))
        .await
        .body;
    let noon = json!({"as_of": "2026-11-20T12:00:00Z", "degraded": true});
    assert_eq!(seen["status"], "received");
    assert_eq!(
        seen["taken_on"],
        json!({"erp_away": false, "price": noon, "stock": noon, "credit": noon})
    );
    let line = &seen["lines"][0];
    assert_eq!(
        (&line["price"]["as_of"], &line["schedule"][0]["degraded"]),
        (&noon["as_of"], &json!(true))
    );
    let taken = [
        ("quantity/SKU-1".to_owned(), dec!(5)),
        ("value/A".to_owned(), dec!(50)),
    ];
    assert_eq!(outstanding(&layer).await, taken);
    let decision = seen["decision_id"].as_str().unwrap();
    comes_back(&layer, |_world| {});
    let seen = layer.until(&id, "released").await;
    assert_eq!(seen.get("provisional"), None, "{seen:#}");
    assert_eq!(outstanding(&layer).await, []);
    assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1);
    let record = layer
        .state
        .store
        .decision(decision.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(record.unwrap().1.outcome["provisional"], true);
    let filter = EventFilter {
        subject: Some(id.parse().unwrap()),
        limit: 100,
        ..EventFilter::default()
    };
    let told = layer.state.store.events(filter).await.unwrap();
    let types: Vec<&str> = told.iter().map(|event| event.event_type.as_str()).collect();
    assert!(
        types.iter().any(|kind| kind.contains("provisionally"))
            && types.iter().any(|kind| kind.contains("revalidated")),
        "{types:?}"
    );
}

#[tokio::test]
async fn what_has_changed_meanwhile_becomes_a_hold_in_words_and_a_person_lets_it_go_on() {
    let layer = Layer::new(CreateClass::Staged);
    goes_away(&layer, 10);
    let repriced = layer.place("1", &order("PO-1", "SKU-1", "5")).await.id();
    comes_back(&layer, |world| {
        for schedule in &mut world.prices {
            schedule.records[0].unit_price = dec!(11);
        }
    });
    let held = layer.until(&repriced, "held").await;
    let hold = &held["holds"][0];
    assert_eq!(
        (&hold["kind"], &hold["line"]),
        (&json!("price_mismatch"), &json!(1))
    );
    let detail = hold["detail"].as_str().unwrap();
    assert!(
        detail.contains("taken at 10.00 USD per EA")
            && detail.contains("its price is 11.00 USD per EA now"),
        "{detail}"
    );
    assert_eq!(held["lines"][0]["price"]["total"]["amount"], "50.00");
    assert_eq!(layer.erp.calls("create_order"), 0);
    let note = json!({"note": "The buyer was told 10."});
    let released = layer
        .command(&clerk(), &repriced, "holds/1/release", &note)
        .await;
    assert_eq!(released.status, 200, "{released:?}");
    layer.until(&repriced, "released").await;
    let open = layer.erp.orders(ErpOrderState::Open);
    assert_eq!(open[0].lines[0].unit_price.amount, dec!(10.00));
    assert_eq!(outstanding(&layer).await, []);
}

#[tokio::test]
async fn stock_that_went_and_credit_that_was_used_meanwhile_hold_it_too() {
    let layer = Layer::new(CreateClass::Staged);
    goes_away(&layer, 10);
    let id = layer.place("1", &order("PO-1", "SKU-1", "90")).await.id();
    comes_back(&layer, |world| {
        for fact in &mut world.stock {
            fact.on_hand = dec!(30);
        }
        for fact in &mut world.credit {
            fact.open_orders = dec!(7500);
        }
    });
    let held = layer.until(&id, "held").await;
    let kinds: Vec<&str> = held["holds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hold| hold["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["credit", "allocation"], "{held:#}");
    let detail = held["holds"][1]["detail"].as_str().unwrap();
    assert!(
        detail.contains("90 of SKU-1 were promised from EAST") && detail.contains("30 are free"),
        "{detail}"
    );
    // A credit hold claims nothing until it is released, and a cancelled order gives all of it back.
    let levels = layer
        .state
        .store
        .credit(&[crate::store::CreditKey {
            company: company(),
            account: "A".parse().unwrap(),
        }])
        .await
        .unwrap();
    assert_eq!(levels[0].claimed, Decimal::ZERO);
    layer
        .command(&clerk(), &id, "cancel", &json!({"note": "No stock."}))
        .await;
    layer.until(&id, "cancelled").await;
    assert_eq!(outstanding(&layer).await, []);
    assert_eq!(layer.erp.calls("create_order"), 0);
}

fn small(policies: &mut Policies) {
    policies.outage.max_order_value = dec!(100);
    policies.outage.max_account_value = dec!(200);
    policies.outage.max_item_quantity = dec!(25);
}

#[tokio::test]
async fn beyond_a_bound_it_is_refused_with_the_bound_and_when_to_come_again() {
    let layer = Layer::by_policies(CreateClass::Staged, small);
    goes_away(&layer, 10);
    let place = async |key: &str, quantity: &str| {
        let number = format!("PO-{key}");
        layer.place(key, &order(&number, "SKU-1", quantity)).await
    };
    let refused = place("1", "11").await;
    assert_eq!(bound(&refused), (503, "outage-limit", "order_value"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(
        refused.body["detail"],
        "An order of at most 100 can be taken while the seller's system does not answer. Nothing was taken: order less \
         now, or send it again later, with the same key."
    );
    for key in ["2", "3"] {
        assert_eq!(place(key, "10").await.status, 202);
    }
    assert_eq!(
        bound(&place("4", "1").await),
        (503, "outage-limit", "account_value")
    );
    let other = json!({"account": "B", "purchase_order_number": "PO-5",
        "lines": [{"identifiers": [{"scheme": "seller_part_number", "value": "SKU-1"}], "quantity": "6"}]});
    let key = [("idempotency-key", "5")];
    let refused = layer.post(&buyer(&["B"]), "/v1/orders", &key, &other).await;
    assert_eq!(bound(&refused), (503, "outage-limit", "item_quantity"));
    // The same request is taken once there is room again.
    comes_back(&layer, |_world| {});
    layer.start_worker();
    assert_eq!(place("1", "11").await.status, 202);
    assert_eq!(place("4", "1").await.status, 202);
}

#[tokio::test]
async fn concurrent_orders_never_pass_a_bound() {
    let layer = std::sync::Arc::new(Layer::by_policies(CreateClass::Staged, small));
    goes_away(&layer, 10);
    let mut placing = JoinSet::new();
    for number in 0..32 {
        let layer = layer.clone();
        placing.spawn(async move {
            let key = number.to_string();
            let wanted = order(&format!("PO-{number}"), "SKU-1", "3");
            layer.place(&key, &wanted).await.status
        });
    }
    let statuses = placing.join_all().await;
    let taken = statuses.iter().filter(|status| **status == 202).count();
    assert_eq!(taken, 6, "200 at 30 each: {statuses:?}");
    assert!(
        statuses
            .iter()
            .all(|status| *status == 202 || *status == 503)
    );
}

#[tokio::test]
async fn facts_that_are_too_old_or_not_known_take_no_order() {
    for (operation, word) in [
        ("prices", "price_age"),
        ("stock", "stock_age"),
        ("credit", "credit_age"),
    ] {
        let layer = Layer::without_worker(CreateClass::Staged);
        goes_away(&layer, 10);
        let away = SystemError::Unavailable { retry_after: None };
        layer.erp.inner.world().failing.insert(operation, away);
        let refused = layer.place("k", &order("PO-1", "SKU-1", "1")).await;
        assert_eq!(bound(&refused), (503, "outage-limit", word));
        layer.erp.inner.world().failing.remove(operation);
        let placed = layer.place("k", &order("PO-1", "SKU-1", "1")).await;
        assert_eq!(placed.status, 202, "nothing was kept of the refusal");
    }
    let layer = Layer::without_worker(CreateClass::Staged);
    goes_away(&layer, 10);
    // An hour is as old as stock may be.
    layer.clock.advance(SignedDuration::from_mins(51));
    let refused = layer.place("old", &order("PO-1", "SKU-1", "1")).await;
    assert_eq!(bound(&refused), (503, "outage-limit", "stock_age"));
}

#[tokio::test]
async fn with_the_mode_off_nothing_is_taken_and_nothing_is_lost() {
    let layer = Layer::by_policies(CreateClass::Staged, |policies| {
        policies.outage.enabled = false;
    });
    goes_away(&layer, 10);
    let refused = layer.place("k", &order("PO-1", "SKU-1", "1")).await;
    assert_eq!(bound(&refused), (503, "outage-limit", "disabled"));
    comes_back(&layer, |_world| {});
    let placed = layer.place("k", &order("PO-1", "SKU-1", "1")).await;
    assert_eq!((placed.status, placed.body.get("provisional")), (202, None));
}

#[tokio::test]
async fn an_order_on_fresh_facts_is_not_bounded_and_is_read_again_once_the_erp_takes_orders() {
    let layer = Layer::by_policies(CreateClass::Staged, small);
    layer.erp.inner.world().capabilities.taking_orders = false;
    let placed = layer.place("k", &order("PO-1", "SKU-1", "60")).await;
    assert_eq!(
        (placed.status, &placed.body["provisional"]),
        (202, &json!(true)),
        "{placed:?}"
    );
    assert_eq!(outstanding(&layer).await, []);
    layer.erp.inner.world().capabilities.taking_orders = true;
    comes_back(&layer, |world| {
        world.prices[0].records[0].unit_price = dec!(11)
    });
    layer.start_worker();
    let held = layer.until(&placed.id(), "held").await;
    assert_eq!(held["holds"][0]["kind"], "price_mismatch", "{held:#}");
}

#[tokio::test]
async fn with_the_mode_off_an_erp_that_takes_no_orders_gets_none() {
    let layer = Layer::by_policies(CreateClass::Staged, |policies| {
        policies.outage.enabled = false;
    });
    layer.erp.inner.world().capabilities.taking_orders = false;
    let refused = layer.place("k", &order("PO-1", "SKU-1", "1")).await;
    assert_eq!(bound(&refused), (503, "outage-limit", "disabled"));
}

#[tokio::test]
async fn what_waits_is_created_oldest_first_and_burns_nothing_meanwhile() {
    let mut layer = Layer::without_worker(CreateClass::Staged);
    let mut config = Config::clone(&layer.state.config);
    // One after the other, so that the ERP's record says in which order they came.
    config.effects.concurrency = 1;
    layer.state.config = Arc::new(config);
    layer.start_worker();
    goes_away(&layer, 10);
    let mut ids = Vec::new();
    for number in 0..12 {
        let wanted = order(&format!("PO-{number}"), "SKU-1", "1");
        ids.push(layer.place(&number.to_string(), &wanted).await.id());
        layer.clock.advance(SignedDuration::from_millis(10));
    }
    // Three minutes, from look to look: one looks a second.
    let begun = layer.state.clock.now();
    let mut next = all_wait(&layer).await;
    while next.duration_since(begun) < SignedDuration::from_mins(3) {
        layer.clock.set(next);
        next = all_wait(&layer).await;
    }
    assert_eq!(layer.erp.calls("create_order"), 0, "facts are asked first");
    let looks = layer.erp.calls("accounts") - ids.len();
    assert!(looks <= 180 + ids.len(), "one looks: {looks}");
    comes_back(&layer, |_world| {});
    for id in &ids {
        layer.until(id, "released").await;
    }
    let numbers: Vec<String> = {
        let world = layer.erp.inner.world();
        let orders = world.orders.iter();
        orders
            .map(|order| order.purchase_order_number.to_string())
            .collect()
    };
    // The one that looked when the ERP was back, and then the oldest first.
    let others = (0..12).map(|number| format!("PO-{number}"));
    let others: Vec<String> = others.filter(|number| *number != numbers[0]).collect();
    assert_eq!(numbers[1..], others);
    assert_eq!(outstanding(&layer).await, []);
}

/// Lets the worker come to its rest, and tells when the one that looks looks next; until then the clock stands, and nothing
/// is looked at.
async fn all_wait(layer: &Layer) -> Timestamp {
    let now = layer.state.clock.now();
    // What is at work is due when its lease ends, which is later.
    let soon = now + SignedDuration::from_secs(5);
    for _ in 0..60_000 {
        let due = layer.state.store.next_effect_due().await.unwrap();
        if let Some(next) = due.filter(|due| *due > now && *due <= soon) {
            return next;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("nobody looks");
}

#[tokio::test]
async fn figures_that_cannot_be_had_hold_up_no_order_that_waits_for_none() {
    let layer = Layer::new(CreateClass::Staged);
    layer.clock.advance(SignedDuration::from_mins(10));
    layer.erp.inner.world().degraded = true;
    let waits = layer.place("1", &order("PO-1", "SKU-1", "1")).await;
    assert_eq!(waits.body["provisional"], true, "{waits:?}");
    all_wait(&layer).await;
    comes_back(&layer, |_world| {});
    let firm = layer.place("2", &order("PO-2", "SKU-1", "1")).await;
    layer.erp.inner.world().degraded = true;
    assert_eq!(firm.body.get("provisional"), None, "{firm:?}");
    layer.until(&firm.id(), "released").await;
    let path = format!("/v1/orders/{}", waits.id());
    let seen = layer.get(&clerk(), &path).await.body;
    assert_eq!(seen["status"], "received", "{seen:#}");
    comes_back(&layer, |_world| {});
    layer.until(&waits.id(), "released").await;
}

#[tokio::test]
async fn what_cannot_be_assessed_any_more_is_a_person_s_with_the_reason() {
    let layer = Layer::without_worker(CreateClass::Staged);
    goes_away(&layer, 10);
    let placed = layer.place("1", &order("PO-1", "SKU-1", "5")).await;
    comes_back(&layer, |world| {
        world
            .accounts
            .retain(|account| account.account.as_str() != "A");
    });
    layer.start_worker();
    let held = layer.until(&placed.id(), "held").await;
    let hold = &held["holds"][0];
    let detail = hold["detail"].as_str().unwrap();
    assert_eq!(hold["kind"], "review");
    assert!(
        detail.contains("account A is not known any more"),
        "{detail}"
    );
    assert_eq!(layer.erp.calls("create_order"), 0);
    let note = json!({"note": "It is account A still."});
    let released = layer
        .command(&clerk(), &placed.id(), "holds/1/release", &note)
        .await;
    assert_eq!(released.status, 200, "{released:?}");
    layer.until(&placed.id(), "released").await;
    assert_eq!(outstanding(&layer).await, []);

    let mut layer = Layer::without_worker(CreateClass::Staged);
    goes_away(&layer, 10);
    let placed = layer.place("1", &order("PO-1", "SKU-1", "5")).await;
    comes_back(&layer, |_world| {});
    let mut stricter = Policies::clone(&layer.state.policies);
    stricter.basket.max_lines = 0;
    layer.state.policies = Arc::new(stricter);
    layer.start_worker();
    let held = layer.until(&placed.id(), "held").await;
    let detail = held["holds"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("Send 1 to 0 lines."), "{detail}");
}

#[tokio::test]
async fn an_order_that_waits_for_the_erp_can_be_cancelled_without_it() {
    let layer = Layer::new(CreateClass::Staged);
    goes_away(&layer, 10);
    let ids = [
        layer.place("1", &order("PO-1", "SKU-1", "1")).await.id(),
        layer.place("2", &order("PO-2", "SKU-1", "1")).await.id(),
    ];
    for id in &ids {
        let cancel: Value = json!({"note": "Not needed any more."});
        layer.command(&buyer(&["A"]), id, "cancel", &cancel).await;
        layer.until(id, "cancelled").await;
    }
    assert_eq!(outstanding(&layer).await, []);
    assert!(layer.erp.inner.world().orders.is_empty());
}
