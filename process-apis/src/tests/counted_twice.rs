//! A provisional order that is read again while the ERP counts an order that still is a claim of ours: a scarce item looks
//! short, and is not.

use canonical_model::{capabilities::CreateClass, erp_order::ErpOrderState};
use jiff::SignedDuration;
use rust_decimal::{Decimal, dec};
use serde_json::Value;

use super::{
    erp::Fate,
    harness::{Layer, clerk, order},
    outage::{comes_back, goes_away},
    unsettled::take_one,
};
use crate::store::{Commit, EffectChange, EffectOutcome};

/// Of the hundred at EAST sixty go to a firm order and forty to a provisional one. The ERP has the first, and its answer
/// is lost; then it shows `on_hand`, of which the first takes its sixty. Nothing is done by itself yet.
async fn first_is_in_doubt(class: CreateClass, on_hand: Decimal) -> (Layer, String, String) {
    let layer = Layer::without_worker(class);
    layer.erp.will("create_order", &[Fate::LosesTheAnswer]);
    let first = layer.place("1", &order("PO-1", "SKU-1", "60")).await.id();
    goes_away(&layer, 10);
    let second = layer.place("2", &order("PO-2", "SKU-1", "40")).await;
    assert_eq!(second.body["provisional"], true, "{second:?}");
    layer.clock.advance(SignedDuration::from_secs(20));
    comes_back(&layer, |_world| {});
    take_one(&layer).await.await.unwrap();
    assert_eq!(layer.erp.inner.world().orders.len(), 1);
    layer.clock.advance(SignedDuration::from_millis(1));
    comes_back(&layer, |world| {
        (world.stock[0].on_hand, world.stock[0].allocated) = (on_hand, dec!(60));
    });
    (layer, first, second.id())
}

async fn seen(layer: &Layer, id: &str) -> Value {
    layer.get(&clerk(), &format!("/v1/orders/{id}")).await.body
}

/// Takes up the provisional one; the first waits for its next try.
async fn read_again(layer: &Layer) {
    let asked = layer.erp.calls("stock");
    take_one(layer).await.await.unwrap();
    assert_eq!(layer.erp.calls("stock"), asked + 1, "its figures are read");
}

#[tokio::test]
async fn stock_that_is_only_counted_twice_holds_no_order() {
    let (layer, first, second) = first_is_in_doubt(CreateClass::Unique, dec!(100)).await;
    read_again(&layer).await;
    let waits = seen(&layer, &second).await;
    assert_eq!(
        (&waits["status"], &waits["provisional"]),
        (&Value::from("received"), &Value::from(true)),
        "{waits:#}"
    );
    // The first is settled, and no figure that is newer counts it yet.
    layer.erp.ages.lock().unwrap().clear();
    layer.start_worker();
    layer.until(&first, "released").await;
    let looked = layer.erp.calls("stock") + 2;
    let look_again = |_: &Value| layer.erp.calls("stock") >= looked;
    let waits = layer.until_order(&second, look_again).await;
    assert_eq!(waits["status"], "received", "{waits:#}");
    let youngest = layer
        .erp
        .ages
        .lock()
        .unwrap()
        .iter()
        .flatten()
        .min()
        .copied();
    assert!(
        youngest.is_some_and(|age| age < 20),
        "{youngest:?}: none of before"
    );
    // It is newer than the confirmation and the lag of two seconds.
    layer.clock.advance(SignedDuration::from_secs(3));
    comes_back(&layer, |_world| {});
    let released = layer.until(&second, "released").await;
    assert_eq!(released.get("provisional"), None, "{released:#}");
    assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 2);
}

#[tokio::test]
async fn what_is_short_whatever_counts_twice_is_held_at_once() {
    let (layer, first, second) = first_is_in_doubt(CreateClass::Unique, dec!(99)).await;
    read_again(&layer).await;
    let held = seen(&layer, &second).await;
    assert_eq!(held["status"], "held", "{held:#}");
    assert_eq!(held["holds"][0]["kind"], "allocation");
    assert_eq!(seen(&layer, &first).await["status"], "received");
}

#[tokio::test]
async fn what_differs_besides_is_told_while_stock_is_in_doubt() {
    let (layer, _first, second) = first_is_in_doubt(CreateClass::Unique, dec!(100)).await;
    comes_back(&layer, |world| {
        for fact in &mut world.credit {
            fact.open_orders = dec!(9_999_999);
        }
    });
    read_again(&layer).await;
    let held = seen(&layer, &second).await;
    assert_eq!(held["status"], "held", "{held:#}");
    assert_eq!(held["holds"][0]["kind"], "credit", "{held:#}");
}

#[tokio::test]
async fn what_turns_out_to_be_short_is_held() {
    let (layer, first, second) = first_is_in_doubt(CreateClass::Unique, dec!(100)).await;
    read_again(&layer).await;
    layer.start_worker();
    layer.until(&first, "released").await;
    layer.clock.advance(SignedDuration::from_secs(3));
    comes_back(&layer, |world| world.stock[0].on_hand = dec!(70));
    let held = layer.until(&second, "held").await;
    let detail = held["holds"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("40 of SKU-1 were promised from EAST") && detail.contains("10 are free"),
        "{detail}"
    );
}

#[tokio::test]
async fn where_a_person_was_asked_about_the_other_one_is_asked_about_this_too() {
    let (layer, first, second) = first_is_in_doubt(CreateClass::Blind, dec!(100)).await;
    assert_eq!(
        seen(&layer, &first).await["holds"][0]["kind"],
        "erp_unknown"
    );
    read_again(&layer).await;
    let held = seen(&layer, &second).await;
    assert_eq!(held["holds"][0]["kind"], "allocation", "{held:#}");
}

#[tokio::test]
async fn it_waits_for_another_as_long_as_anything_may_take_and_no_longer() {
    let (layer, _first, second) = first_is_in_doubt(CreateClass::Unique, dec!(100)).await;
    // The first is never settled.
    layer.clock.advance(SignedDuration::from_secs(1));
    let now = layer.state.clock.now();
    let until = now + SignedDuration::from_secs(15);
    let store = &layer.state.store;
    for held in store.lease_effects(now, until, 2).await.unwrap() {
        let is_second = held.order_id.to_string() == second;
        let hours = SignedDuration::from_hours(if is_second { 0 } else { 1_000 });
        let outcome = EffectOutcome::Later {
            effect: held.effect,
            lease: held.lease,
            due_at: now + hours,
            progress: None,
            keep_lease: false,
        };
        let commit = Commit {
            effects: vec![EffectChange::Outcome(outcome)],
            ..Commit::default()
        };
        store.commit(commit).await.unwrap();
    }
    layer.start_worker();
    let looked = layer.erp.calls("stock") + 3;
    let look_again = |_: &Value| layer.erp.calls("stock") >= looked;
    let waits = layer.until_order(&second, look_again).await;
    assert_eq!(waits["status"], "received", "{waits:#}");
    layer
        .clock
        .advance(layer.state.config.effects.settle_within.signed());
    comes_back(&layer, |_world| {});
    let held = layer.until(&second, "held").await;
    assert_eq!(held["holds"][0]["kind"], "allocation", "{held:#}");
}
