//! What the ERP has of an order besides the right one is found later, and cancelled or told.

use canonical_model::{
    ErpOrderNumber,
    capabilities::CreateClass,
    erp_order::{ErpOrder, ErpOrderState},
};
use jiff::SignedDuration;
use serde_json::json;

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

#[tokio::test]
async fn where_a_person_lets_one_stand_what_comes_later_is_cancelled_all_the_same() {
    let layer = Layer::new(CreateClass::Searchable);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    layer.until(&id, "released").await;
    let kept = ghost(&layer, "900", ErpOrderState::Completed);
    layer.clock.advance(SignedDuration::from_mins(2));
    let held = layer.until(&id, "held").await;
    assert_eq!(held["holds"][0]["kind"], "erp_duplicate");
    let looks = layer.erp.calls("orders_by_reference");
    let note = json!({"note": "Both are right."});
    let released = layer.command(&clerk(), &id, "holds/1/release", &note).await;
    assert_eq!(released.status, 200, "{released:?}");
    layer
        .until_order(&id, |_| layer.erp.calls("orders_by_reference") > looks)
        .await;
    let late = ghost(&layer, "901", ErpOrderState::Open);
    layer.clock.advance(SignedDuration::from_mins(2));
    layer
        .until_order(&id, |_| state_of(&layer, &late) == ErpOrderState::Cancelled)
        .await;
    assert_eq!(state_of(&layer, &kept), ErpOrderState::Completed);
    let seen = layer.until(&id, "released").await;
    assert_eq!(seen["holds"], json!([]), "it is told once");
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
