//! An order has ended, and what is to take its place is not taken yet: what is asked for then counts.

use std::{sync::Arc, time::Duration};

use canonical_model::{DocumentId, capabilities::CreateClass};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::{
    erp::Fate,
    harness::{Layer, Reply, buyer, clerk, order},
    outage::comes_back,
    replacing::{from_document, owed, replace, replacement_of},
};
use crate::clients::SystemError;

/// An order that has ended, with one from a document to take its place: both, and the documents that they came in.
async fn ended(layer: &Layer) -> ([String; 2], [DocumentId; 2]) {
    let (mut first, first_document) = from_document(layer, "5").await;
    first["review"] = json!([{"detail": "Look."}]);
    let old = layer.place("k", &first).await.id();
    let (second, second_document) = from_document(layer, "8").await;
    let asked = replace(layer, &old, &second).await;
    assert_eq!(asked.body["status"], "cancelled");
    (
        [old, replacement_of(&asked)],
        [first_document, second_document],
    )
}

async fn cancel(layer: &Layer, id: &str) -> Reply {
    layer
        .command(&buyer(&["A"]), id, "cancel", &Value::Null)
        .await
}

async fn status_of(layer: &Layer, id: &str) -> u16 {
    layer
        .get(&clerk(), &format!("/v1/orders/{id}"))
        .await
        .status
}

/// What was said last about an order: which document it answers, and in which words.
async fn last_said(layer: &Layer, id: &str) -> (DocumentId, Value) {
    let owed = owed(layer).await;
    let (_, answers, context) = owed.iter().rfind(|(order, ..)| order == id).unwrap();
    (*answers, context["purpose"].clone())
}

#[tokio::test]
async fn a_cancellation_comes_in_time_and_the_buyer_is_told() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let ([old, new], [document, _]) = ended(&layer).await;
    let dropped = cancel(&layer, &old).await;
    assert_eq!(
        (dropped.status, &dropped.body["replaced_by"]),
        (200, &Value::Null),
        "{dropped:?}"
    );
    assert_eq!(
        last_said(&layer, &old).await,
        (document, json!("cancelled"))
    );
    let again = cancel(&layer, &old).await;
    assert_eq!(again.body["code"], "order-not-cancellable");
    layer.start_worker();
    // Whatever was due before it is done once this one is.
    let other = layer.place("k2", &order("PO-2", "SKU-1", "1")).await.id();
    layer.until(&other, "released").await;
    assert_eq!(status_of(&layer, &new).await, 404);
    assert_eq!(layer.erp.calls("create_order"), 1);
}

/// Time passes in which what is to take an order's place can be neither taken nor refused; the order as it then is.
async fn unsettled(layer: &Layer, old: &str) -> Value {
    let away = SystemError::Unavailable { retry_after: None };
    layer.erp.inner.world().failing.insert("accounts", away);
    let before = layer.erp.calls("accounts");
    layer.start_worker();
    let tried = async {
        while layer.erp.calls("accounts") == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), tried).await;
    waited.expect("it is tried");
    layer.clock.advance(SignedDuration::from_hours(73));
    let held = |order: &Value| order["holds"][0]["kind"] == "erp_unknown";
    layer.until_order(old, held).await
}

#[tokio::test]
async fn one_that_can_be_neither_taken_nor_refused_is_left_to_a_person_who_has_it_tried_again() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let ([old, new], _) = ended(&layer).await;
    let held = unsettled(&layer, &old).await;
    let detail = held["holds"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains(&new) && detail.contains("Tried ") && detail.contains("retry the order"),
        "{detail}"
    );
    assert_eq!(held["status"], "cancelled");
    comes_back(&layer, |_world| {});
    let again = layer
        .command(&clerk(), &old, "retry", &json!({"note": ""}))
        .await;
    assert_eq!(again.status, 200, "{again:?}");
    layer.until(&new, "released").await;
    let seen = layer.get(&clerk(), &format!("/v1/orders/{old}")).await;
    assert_eq!(
        (&seen.body["holds"], &seen.body["replaced_by"]),
        (&json!([]), &json!(new))
    );
}

#[tokio::test]
async fn one_that_can_be_neither_taken_nor_refused_is_dropped_with_a_cancellation() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let ([old, new], [document, _]) = ended(&layer).await;
    let said = owed(&layer).await.len();
    unsettled(&layer, &old).await;
    assert_eq!(
        owed(&layer).await.len(),
        said,
        "the partner hears of its end alone"
    );
    let dropped = cancel(&layer, &old).await;
    assert_eq!(
        (
            dropped.status,
            &dropped.body["holds"],
            &dropped.body["replaced_by"]
        ),
        (200, &json!([]), &Value::Null),
        "{dropped:?}"
    );
    assert_eq!(
        last_said(&layer, &old).await,
        (document, json!("cancelled"))
    );
    comes_back(&layer, |_world| {});
    let other = layer.place("k2", &order("PO-2", "SKU-1", "1")).await.id();
    layer.until(&other, "released").await;
    assert_eq!(status_of(&layer, &new).await, 404);
}

#[tokio::test]
async fn the_last_request_is_taken() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let ([old, second], _) = ended(&layer).await;
    let same = replace(&layer, &old, &order("PO-1", "SKU-1", "8")).await;
    assert_eq!(
        (same.status, &same.body["replaced_by"]),
        (200, &json!(second))
    );
    // The first content once more: that order has ended, so one with it takes its place.
    let third = replacement_of(&replace(&layer, &old, &order("PO-1", "SKU-1", "5")).await);
    layer.start_worker();
    layer.until(&third, "released").await;
    assert_eq!(status_of(&layer, &second).await, 404);
    assert_eq!(layer.erp.calls("create_order"), 1);
}

#[tokio::test]
async fn what_is_asked_for_while_the_other_is_being_taken_or_refused_counts() {
    for (orderable, dropped) in [(true, false), (false, false), (true, true), (false, true)] {
        let layer = Layer::without_worker(CreateClass::Staged);
        let ([old, second], [document, _]) = ended(&layer).await;
        layer.erp.inner.world().products[0].orderable = orderable;
        let gate = Arc::new(Barrier::new(2));
        layer
            .erp
            .will("accounts", &[Fate::Waits(Arc::clone(&gate))]);
        layer.start_worker();
        gate.wait().await;
        let third = if dropped {
            let reply = cancel(&layer, &old).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            None
        } else {
            let body = order("PO-1", "SKU-2", "1");
            Some(replacement_of(&replace(&layer, &old, &body).await))
        };
        gate.wait().await;
        match third {
            Some(third) => drop(layer.until(&third, "released").await),
            None => {
                let other = layer.place("k2", &order("PO-2", "SKU-2", "1")).await.id();
                layer.until(&other, "released").await;
            }
        }
        assert_eq!(status_of(&layer, &second).await, 404);
        assert_eq!(layer.erp.calls("create_order"), 1);
        assert_eq!(
            last_said(&layer, &old).await,
            (document, json!("cancelled")),
            "what speaks for it has no document: orderable {orderable}, dropped {dropped}"
        );
    }
}
