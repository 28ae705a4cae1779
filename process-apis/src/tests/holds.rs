//! What waits for a person, and what a person can do about it.

use canonical_model::{capabilities::CreateClass, erp_order::ErpOrderState};
use service_runtime::context::CallContext;

use serde_json::{Value, json};

use super::{
    erp::Fate,
    harness::{Layer, buyer, clerk, order},
};
use crate::{clients::SystemError, policy::UnknownCredit};

fn note() -> Value {
    json!({"note": "Payment arrived."})
}

#[tokio::test]
async fn a_credit_hold_is_listed_and_released_by_whoever_may_and_then_created_in_the_erp() {
    let layer = Layer::new(CreateClass::Staged);
    let placed = layer.place("k", &order("PO-1", "SKU-2", "9")).await;
    assert_eq!(
        (placed.status, placed.body["status"].as_str()),
        (202, Some("held")),
        "{placed:?}"
    );
    let id = placed.id();
    let listed = layer.get(&clerk(), "/v1/holds?kind=credit").await.body;
    assert_eq!(listed["items"][0]["order_id"], id);
    assert_eq!(
        layer.get(&clerk(), "/v1/holds?kind=warehouse").await.body["items"],
        json!([])
    );
    assert_eq!(layer.get(&buyer(&["A"]), "/v1/holds").await.status, 403);

    let path = format!("/v1/orders/{id}/holds/1/release");
    let key = ("idempotency-key", "r");
    assert_eq!(
        layer.post(&clerk(), &path, &[key], &note()).await.body["code"],
        "precondition-required"
    );
    let stale = [key, ("if-match", "\"v1\"")];
    assert_eq!(
        layer.post(&clerk(), &path, &stale, &note()).await.body["code"],
        "precondition-failed"
    );
    let scopes = vec!["holds:release".to_owned()];
    let warehouse_clerk = CallContext { scopes, ..clerk() };
    let refused = layer
        .command(&warehouse_clerk, &id, "holds/1/release", &note())
        .await;
    assert_eq!(refused.body["code"], "forbidden");
    let silent = layer
        .command(&clerk(), &id, "holds/1/release", &json!({"note": " "}))
        .await;
    assert_eq!(silent.body["errors"][0]["pointer"], "/note");
    assert_eq!(
        layer.erp.calls("create_order"),
        0,
        "nothing was sent while it was held"
    );

    let released = layer
        .command(&clerk(), &id, "holds/1/release", &note())
        .await;
    assert_eq!(
        (released.status, released.body["holds"].clone()),
        (200, json!([])),
        "{released:?}"
    );
    let seen = layer
        .until_order(&id, |order| order["status"] == "released")
        .await;
    assert_eq!(seen["sales_order_number"], "1");
    assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1);
}

#[tokio::test]
async fn what_a_channel_wants_looked_at_holds_the_order_until_a_person_has() {
    let layer = Layer::new(CreateClass::Staged);
    let mut body = order("PO-1", "SKU-1", "5");
    let wrong = order("", "NO-SUCH", "1")["lines"][0].clone();
    body["lines"].as_array_mut().unwrap().push(wrong);
    body["line_policy"] = json!("take_sound_lines");
    body["review"] = json!([
        {"detail": "The total was 51.00 and is 50.00: speak to the buyer."},
        {"line": 1, "detail": "Line 1 was quoted at 9.00 per EA and came at 8.00: agree on one."},
        {"line": 2, "detail": "Line 2 is not taken, and needs no look."},
    ]);
    let placed = layer.place("k", &body).await;
    assert_eq!(
        (placed.status, &placed.body["status"]),
        (202, &json!("held"))
    );
    let holds = placed.body["holds"].as_array().unwrap();
    let seen: Vec<_> = holds
        .iter()
        .map(|hold| (&hold["kind"], &hold["line"], &hold["released_by"]))
        .collect();
    let (kind, scope) = (&json!("review"), &json!("holds:release"));
    assert_eq!(
        seen,
        [(kind, &Value::Null, scope), (kind, &json!(1), scope)]
    );
    assert_eq!(holds[0]["detail"], body["review"][0]["detail"]);
    let id = placed.id();
    let listed = layer.get(&clerk(), "/v1/holds?kind=review").await.body;
    assert_eq!(listed["items"][0]["order_id"], id);
    let decision = layer.get(&clerk(), &format!("/v1/orders/{id}")).await.body["decision_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (_, record) = layer.state.store.decision(decision).await.unwrap().unwrap();
    assert_eq!(record.outcome["holds"].as_array().unwrap().len(), 2);

    // What is only looked at is the same order without.
    body["review"] = json!([]);
    let again = layer.place("k2", &body).await;
    assert_eq!((again.status, again.id()), (202, id.clone()));

    let by_buyer = layer
        .command(&buyer(&["A"]), &id, "holds/1/release", &note())
        .await;
    assert_eq!(by_buyer.status, 403);
    for hold in ["holds/1/release", "holds/2/release"] {
        assert_eq!(layer.erp.calls("create_order"), 0);
        let released = layer.command(&clerk(), &id, hold, &note()).await;
        assert_eq!(released.status, 200, "{released:?}");
    }
    layer.until(&id, "released").await;
}

#[tokio::test]
async fn what_is_to_be_looked_at_is_said_in_a_sentence_about_a_line_that_is_there() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let long = "x".repeat(501);
    let many = vec![json!({"detail": "Look."}); 101];
    for (review, pointer) in [
        (json!([{"detail": ""}]), "/review/0/detail"),
        (
            json!([{"detail": "Look."}, {"detail": long}]),
            "/review/1/detail",
        ),
        (json!([{"detail": "Look\u{7}."}]), "/review/0/detail"),
        (json!([{"line": 0, "detail": "Look."}]), "/review/0/line"),
        (json!([{"line": 2, "detail": "Look."}]), "/review/0/line"),
        (json!(many), "/review"),
    ] {
        let mut body = order("PO-1", "SKU-1", "5");
        body["review"] = review;
        let refused = layer.place("k", &body).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn released_credit_counts_against_the_limit() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let id = layer.place("k1", &order("PO-1", "SKU-2", "9")).await.id();
    let small = layer.place("k2", &order("PO-2", "SKU-1", "5")).await;
    assert_eq!(
        small.body["status"], "received",
        "a held order takes no credit"
    );
    layer
        .command(&clerk(), &id, "holds/1/release", &note())
        .await;
    let next = layer.place("k3", &order("PO-3", "SKU-1", "5")).await;
    assert_eq!(next.body["status"], "held", "a released one does");
}

#[tokio::test]
async fn a_held_order_that_is_cancelled_frees_its_purchase_order_and_its_stock() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let first = layer.place("k1", &order("PO-1", "SKU-2", "9")).await;
    let cancelled = layer
        .command(&buyer(&["A"]), &first.id(), "cancel", &Value::Null)
        .await;
    assert_eq!(
        (cancelled.status, cancelled.body["status"].as_str()),
        (200, Some("cancelled")),
        "{cancelled:?}"
    );
    let again = layer
        .command(&buyer(&["A"]), &first.id(), "cancel", &Value::Null)
        .await;
    assert_eq!(again.body["code"], "order-not-cancellable");
    let second = layer.place("k2", &order("PO-1", "SKU-2", "10")).await;
    assert_eq!(second.status, 202);
    assert_ne!(second.id(), first.id());
}

#[tokio::test]
async fn an_order_that_the_warehouse_has_is_not_cancelled() {
    let layer = Layer::new(CreateClass::Staged);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    layer.until(&id, "released").await;
    let refused = layer.command(&clerk(), &id, "cancel", &Value::Null).await;
    assert_eq!(
        (refused.status, refused.body["code"].as_str()),
        (409, Some("order-not-cancellable"))
    );
}

#[tokio::test]
async fn an_order_that_the_erp_has_is_cancelled_there_before_it_is_cancelled_here() {
    let layer = Layer::new(CreateClass::Staged);
    layer.erp.will("create_release", &[Fate::Refuses]);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    let held = layer.until(&id, "held").await;
    assert_eq!(held["holds"][0]["kind"], "warehouse");
    layer.erp.will("cancel_order", &[Fate::LosesTheAnswer]);
    let asked = layer.command(&clerk(), &id, "cancel", &Value::Null).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    layer.until(&id, "cancelled").await;
    assert_eq!(layer.erp.orders(ErpOrderState::Cancelled).len(), 1);
    assert_eq!(
        layer.erp.calls("create_release"),
        0,
        "a refused call never reached the warehouse"
    );
    assert_eq!(
        layer.place("k2", &order("PO-1", "SKU-1", "6")).await.status,
        202,
        "the number is free again"
    );
}

#[tokio::test]
async fn one_cancelled_before_it_was_sent_is_never_sent() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    assert_eq!(
        layer
            .command(&buyer(&["A"]), &id, "cancel", &Value::Null)
            .await
            .status,
        200
    );
    let worker = crate::effects::worker::Worker::new(&layer.state);
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    layer.until(&id, "cancelled").await;
    assert_eq!(layer.erp.calls("create_order"), 0);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn what_the_erp_refuses_is_held_retried_and_in_the_end_rejected() {
    let layer = Layer::new(CreateClass::Staged);
    layer
        .erp
        .will("create_order", &[Fate::Refuses, Fate::Refuses]);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    let held = layer.until(&id, "held").await;
    assert_eq!(held["holds"][0]["kind"], "erp_rejected");
    assert!(
        held["holds"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("locked")
    );
    let release = layer
        .command(&clerk(), &id, "holds/1/release", &note())
        .await;
    assert_eq!(release.body["code"], "hold-not-releasable");
    assert_eq!(
        layer
            .command(&buyer(&["A"]), &id, "retry", &Value::Null)
            .await
            .status,
        403
    );
    assert_eq!(
        layer
            .command(&clerk(), &id, "retry", &Value::Null)
            .await
            .status,
        200
    );
    layer
        .until_order(&id, |order| order["holds"][0]["hold"] == 2)
        .await;
    assert_eq!(
        layer
            .command(&clerk(), &id, "cancel", &Value::Null)
            .await
            .status,
        200
    );
    layer.until(&id, "rejected").await;
    assert!(layer.erp.orders(ErpOrderState::Blocked).is_empty());
    let nothing = layer.command(&clerk(), &id, "retry", &Value::Null).await;
    assert_eq!(nothing.body["code"], "nothing-to-retry");
}

#[tokio::test]
async fn a_command_sent_twice_under_its_key_is_carried_out_once() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let id = layer.place("k", &order("PO-1", "SKU-2", "9")).await.id();
    let etag = layer
        .get(&clerk(), &format!("/v1/orders/{id}"))
        .await
        .etag();
    let path = format!("/v1/orders/{id}/holds/1/release");
    let headers = [("idempotency-key", "r"), ("if-match", etag.as_str())];
    let first = layer.post(&clerk(), &path, &headers, &note()).await;
    let again = layer.post(&clerk(), &path, &headers, &note()).await;
    assert_eq!(
        (first.status, again.status, &again.body),
        (200, 200, &first.body)
    );
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["etag"], first.headers["etag"]);
}

#[tokio::test]
async fn an_order_whose_credit_is_not_known_is_taken_where_the_policy_says_so() {
    let layer = Layer::by_policies(CreateClass::Unique, |policies| {
        policies.credit.when_unknown = UnknownCredit::Take;
    });
    let silent = SystemError::Unavailable { retry_after: None };
    layer.erp.inner.world().failing.insert("credit", silent);
    let taken = layer.place("k", &order("PO-1", "SKU-1", "5")).await;
    assert_eq!(
        (taken.status, &taken.body["status"]),
        (202, &json!("received")),
        "{taken:?}"
    );
    // It counts as soon as the credit is known again, while the ERP does not have the order.
    layer.erp.inner.world().failing.clear();
    layer.clock.advance(jiff::SignedDuration::from_secs(1));
    layer.place("k2", &order("PO-2", "SKU-1", "5")).await;
    let account = crate::store::CreditKey {
        company: "NWI".parse().unwrap(),
        account: "A".parse().unwrap(),
    };
    let level = layer
        .state
        .store
        .credit(&[account])
        .await
        .unwrap()
        .remove(0);
    let total: rust_decimal::Decimal = taken.body["total"]["amount"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(level.claimed, total + total);
}
