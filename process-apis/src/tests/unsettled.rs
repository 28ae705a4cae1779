//! Unknown outcomes, for each class of ERP: none lost, none created twice.

use canonical_model::{OrderId, capabilities::CreateClass, erp_order::ErpOrderState};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    erp::Fate,
    harness::{Layer, clerk, order},
};
use crate::{
    effects::{EffectKind, worker::Worker},
    store::{Cause, Commit, EffectChange, NewEffect},
};

#[tokio::test]
async fn staged_with_a_lost_answer_releases_exactly_one_and_cancels_the_rest() {
    for fates in [
        vec![Fate::LosesTheAnswer],
        vec![Fate::LosesTheRequest],
        vec![Fate::Throttles, Fate::LosesTheAnswer],
        vec![
            Fate::LosesTheRequest,
            Fate::LosesTheRequest,
            Fate::LosesTheAnswer,
        ],
    ] {
        let layer = Layer::new(CreateClass::Staged);
        layer.erp.will("create_order", &fates);
        layer.erp.will("orders_by_reference", &[Fate::Throttles]);
        layer.erp.will("release_order", &[Fate::LosesTheAnswer]);
        let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
        layer.until(&id, "released").await;
        assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1, "{fates:?}");
        assert_eq!(layer.erp.inner.world().releases.len(), 1);
    }
}

#[tokio::test]
async fn staged_cancels_a_second_draft() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    // A worker whose call was done and never answered dies; the next takes over when its lease has ended.
    layer.erp.will("create_order", &[Fate::Hangs]);
    let dying = take_one(&layer).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(Worker::new(&layer.state).run(stop.clone()));
    while layer.erp.calls("create_order") == 0 {
        tokio::task::yield_now().await;
    }
    dying.abort();
    // A ghost of the same order, from before.
    let mut ghost = layer.erp.orders(ErpOrderState::Blocked).remove(0);
    ghost.number = canonical_model::ErpOrderNumber::new("2").unwrap();
    layer.erp.inner.world().orders.push(ghost);
    layer.clock.advance(SignedDuration::from_secs(16));
    layer.until(&id, "released").await;
    assert_eq!(
        layer.erp.calls("create_order"),
        1,
        "the one that was done is found"
    );
    let open = layer.erp.orders(ErpOrderState::Open);
    assert_eq!((open.len(), open[0].number.as_str()), (1, "1"));
    layer
        .until_order(&id, |_| {
            layer.erp.orders(ErpOrderState::Cancelled).len() == 1
        })
        .await;
    stop.cancel();
    running.await.unwrap();
}

/// Leases the effect that is due, and does it in a task that can be killed.
pub(super) async fn take_one(layer: &Layer) -> tokio::task::JoinHandle<()> {
    let now = layer.state.clock.now();
    let until = now + SignedDuration::from_secs(15);
    let effect = layer
        .state
        .store
        .lease_effects(now, until, 1)
        .await
        .unwrap()
        .remove(0);
    let worker = Worker::new(&layer.state);
    tokio::spawn(async move { worker.perform(effect).await })
}

#[tokio::test]
async fn unique_repeats_and_takes_what_is_there_already() {
    let layer = Layer::new(CreateClass::Unique);
    layer.erp.will(
        "create_order",
        &[Fate::LosesTheRequest, Fate::LosesTheAnswer],
    );
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    layer.until(&id, "released").await;
    assert_eq!(layer.erp.inner.world().orders.len(), 1);
}

#[tokio::test]
async fn unique_with_other_content_under_our_reference_is_left_to_a_person() {
    let layer = Layer::new(CreateClass::Unique);
    layer.erp.will("create_order", &[Fate::LosesTheAnswer]);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    while layer.erp.inner.world().orders.is_empty() {
        tokio::task::yield_now().await;
    }
    layer.erp.inner.world().orders[0].lines[0].quantity.value = 50.into();
    let held = layer.until(&id, "held").await;
    assert_eq!(held["holds"][0]["kind"], "erp_unknown");
    let detail = held["holds"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains(held["order_reference"].as_str().unwrap()) && detail.contains("PO-1"),
        "{detail}"
    );
    // The person corrects it in the ERP and has it tried again.
    layer.erp.inner.world().orders[0].lines[0].quantity.value = 5.into();
    assert_eq!(
        layer
            .command(&clerk(), &id, "retry", &Value::Null)
            .await
            .status,
        200
    );
    layer.until(&id, "released").await;
    assert_eq!(layer.erp.inner.world().orders.len(), 1);
}

#[tokio::test]
async fn searchable_finds_what_was_done_and_tries_once_more_what_was_not() {
    for (fate, creates) in [(Fate::LosesTheAnswer, 1), (Fate::LosesTheRequest, 1)] {
        let layer = Layer::new(CreateClass::Searchable);
        layer.erp.will("create_order", std::slice::from_ref(&fate));
        let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
        layer.until(&id, "released").await;
        assert_eq!(layer.erp.inner.world().orders.len(), creates, "{fate:?}");
    }
    let layer = Layer::new(CreateClass::Searchable);
    layer.erp.will(
        "create_order",
        &[Fate::LosesTheRequest, Fate::LosesTheRequest],
    );
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    let held = layer.until(&id, "held").await;
    assert_eq!(
        held["holds"][0]["kind"], "erp_unknown",
        "a third attempt is a person's"
    );
    assert!(layer.erp.inner.world().orders.is_empty());
}

#[tokio::test]
async fn blind_is_left_to_a_person_at_once() {
    let layer = Layer::new(CreateClass::Blind);
    layer.erp.will("create_order", &[Fate::LosesTheAnswer]);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    let held = layer.until(&id, "held").await;
    assert_eq!(held["holds"][0]["kind"], "erp_unknown");
    assert_eq!(layer.erp.inner.world().orders.len(), 1);
    assert_eq!(layer.erp.calls("orders_by_reference"), 0);
}

#[tokio::test]
async fn an_erp_that_is_down_for_long_loses_no_order_and_burns_no_attempt() {
    let layer = Layer::new(CreateClass::Blind);
    layer.erp.will("create_order", &vec![Fate::Throttles; 9]);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    layer.until(&id, "released").await;
    assert_eq!(layer.erp.inner.world().orders.len(), 1);
}

#[tokio::test]
async fn a_warehouse_is_searched_before_it_is_told_again() {
    for fate in [Fate::LosesTheAnswer, Fate::LosesTheRequest] {
        let layer = Layer::new(CreateClass::Staged);
        layer
            .erp
            .will("create_release", std::slice::from_ref(&fate));
        let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
        let seen = layer.until(&id, "released").await;
        assert_eq!(layer.erp.inner.world().releases.len(), 1, "{fate:?}");
        let reference = format!("{}-EAST", seen["order_reference"].as_str().unwrap());
        assert_eq!(
            layer.erp.inner.world().releases[0].release_reference,
            reference
        );
    }
}

#[tokio::test]
async fn of_two_effects_for_one_site_one_tells_the_warehouse() {
    for _ in 0..10 {
        let layer = Layer::without_worker(CreateClass::Unique);
        let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
        take_one(&layer).await.await.unwrap();
        add_release(&layer, id.parse().unwrap()).await;
        // Both have read that the warehouse is still to be told before either writes that it is.
        let (first, second) = (take_one(&layer).await, take_one(&layer).await);
        first.await.unwrap();
        second.await.unwrap();
        assert_eq!(layer.erp.calls("create_release"), 1);
        let seen = layer.get(&clerk(), &format!("/v1/orders/{id}")).await;
        assert_eq!(seen.body["status"], "released");
    }
}

/// One more effect for EAST, as a refused cancellation writes it.
async fn add_release(layer: &Layer, order_id: OrderId) {
    let at = layer.state.clock.now();
    let effect = NewEffect {
        kind: EffectKind::ReleaseToWarehouse.word(),
        order_id,
        payload: json!({"site": "EAST"}),
        due_at: at,
        serial_key: None,
    };
    let cause = Cause {
        company: "NWI".parse().unwrap(),
        at,
        principal: "process-apis".to_owned(),
        channel: "portal".to_owned(),
        correlation_id: "c-1".to_owned(),
        traceparent: String::new(),
    };
    let commit = Commit {
        cause: Some(cause),
        effects: vec![EffectChange::New(effect)],
        ..Commit::default()
    };
    layer.state.store.commit(commit).await.unwrap();
}
