//! What the ERP has of an order besides the right one is found later, and cancelled or told.

use canonical_model::{
    ErpOrderNumber,
    capabilities::CreateClass,
    erp_order::{ErpOrder, ErpOrderState},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    erp::Fate,
    harness::{Layer, clerk, order},
};

/// A create that the ERP does long after it was given up: the same order once more.
fn ghost(layer: &Layer, number: &str, state: ErpOrderState) -> ErpOrderNumber {
    let mut world = layer.erp.inner.world();
    let number = ErpOrderNumber::new(number).unwrap();
    let ghost = ErpOrder {
        number: number.clone(),
        state,
        ..world.orders[0].clone()
    };
    world.orders.push(ghost);
    number
}

fn state_of(layer: &Layer, number: &ErpOrderNumber) -> ErpOrderState {
    let world = layer.erp.inner.world();
    let found = world.orders.iter().find(|order| order.number == *number);
    found.unwrap().state
}

#[tokio::test]
async fn a_ghost_that_comes_after_acceptance_is_cancelled_and_the_right_one_stands() {
    for (class, state) in [
        (CreateClass::Staged, ErpOrderState::Blocked),
        (CreateClass::Searchable, ErpOrderState::Open),
    ] {
        let layer = Layer::new(class);
        let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
        layer.until(&id, "released").await;
        let late = ghost(&layer, "900", state);
        layer.clock.advance(SignedDuration::from_mins(2));
        layer
            .until_order(&id, |_| state_of(&layer, &late) == ErpOrderState::Cancelled)
            .await;
        assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1, "{class:?}");
    }
}

/// The hold that tells a person of others, if there is one.
fn told(order: &Value) -> Option<&Value> {
    let mut holds = order["holds"].as_array().unwrap().iter();
    holds.find(|hold| hold["kind"] == "erp_duplicate")
}

/// A person is told of others, and lets them stand; something comes in between.
async fn let_stand(layer: &Layer, id: &str, meanwhile: impl FnOnce(&Layer)) {
    let held = layer.until_order(id, |order| told(order).is_some()).await;
    meanwhile(layer);
    let hold = &told(&held).unwrap()["hold"];
    let note = json!({"note": "Both are right."});
    let released = layer
        .command(&clerk(), id, &format!("holds/{hold}/release"), &note)
        .await;
    assert_eq!(released.status, 200, "{released:?}");
}

#[tokio::test]
async fn where_a_person_lets_one_stand_what_comes_before_or_after_that_is_cancelled_all_the_same() {
    let layer = Layer::new(CreateClass::Searchable);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    layer.until(&id, "released").await;
    let kept = ghost(&layer, "900", ErpOrderState::Completed);
    layer.clock.advance(SignedDuration::from_mins(2));
    let_stand(&layer, &id, |layer| {
        ghost(layer, "901", ErpOrderState::Open);
    })
    .await;
    let after = ghost(&layer, "902", ErpOrderState::Open);
    layer.clock.advance(SignedDuration::from_mins(2));
    let before = ErpOrderNumber::new("901").unwrap();
    for late in [before, after] {
        layer
            .until_order(&id, |_| state_of(&layer, &late) == ErpOrderState::Cancelled)
            .await;
    }
    assert_eq!(state_of(&layer, &kept), ErpOrderState::Completed);
    let seen = layer.until(&id, "released").await;
    assert_eq!(seen["holds"], json!([]), "it is told once");
}

#[tokio::test]
async fn of_several_each_is_cancelled_that_can_be_and_a_person_is_told_of_the_rest() {
    let layer = Layer::new(CreateClass::Searchable);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    layer.until(&id, "released").await;
    layer.erp.will("cancel_order", &[Fate::Refuses]);
    let refused = ghost(&layer, "900", ErpOrderState::Open);
    let other = ghost(&layer, "901", ErpOrderState::Open);
    let delivered = ghost(&layer, "902", ErpOrderState::Completed);
    layer.clock.advance(SignedDuration::from_mins(2));
    let held = layer.until(&id, "held").await;
    assert_eq!(state_of(&layer, &other), ErpOrderState::Cancelled);
    assert_eq!(state_of(&layer, &refused), ErpOrderState::Open);
    let hold = told(&held).unwrap();
    assert_eq!(hold["erp_orders"], json!([refused, delivered]));
    assert_eq!(held["holds"], json!([hold]), "it is told once");
}

#[tokio::test]
async fn what_a_person_let_stand_beside_an_order_is_cancelled_with_it() {
    let layer = Layer::new(CreateClass::Searchable);
    layer.erp.will("create_release", &[Fate::Refuses]);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    layer
        .until_order(&id, |order| order["holds"][0]["kind"] == "warehouse")
        .await;
    layer.erp.will("cancel_order", &[Fate::Refuses]);
    let kept = ghost(&layer, "900", ErpOrderState::Open);
    layer.clock.advance(SignedDuration::from_mins(2));
    let_stand(&layer, &id, |_layer| {}).await;
    let cancelled = layer.command(&clerk(), &id, "cancel", &Value::Null).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    layer.until(&id, "cancelled").await;
    layer
        .until_order(&id, |_| state_of(&layer, &kept) == ErpOrderState::Cancelled)
        .await;
}

#[tokio::test]
async fn the_reader_of_an_order_sees_since_when_its_outcome_is_not_known() {
    let layer = Layer::new(CreateClass::Searchable);
    layer.erp.will("create_order", &[Fate::LosesTheRequest]);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    layer
        .until_order(&id, |order| order["erp_unknown_since"].is_string())
        .await;
    let order = layer.until(&id, "released").await;
    assert!(order["erp_unknown_since"].is_null(), "{order:#}");
}
