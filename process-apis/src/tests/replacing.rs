//! An order in the place of another: whatever breaks in between, one of them stands and both sides are told.

use canonical_model::{
    DocumentId, capabilities::CreateClass, document::Document, erp_order::ErpOrderState,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    erp::Fate,
    harness::{Layer, Reply, buyer, clerk, order},
};
use crate::{
    baskets::testing::{account_id, company, noon},
    clients::SystemError,
    effects::worker::Worker,
    store::{Cause, Commit, DocumentChange, DocumentLease, DocumentWork, NewDocument},
};

/// The order with this quantity, read from a document of its own.
pub(super) async fn from_document(layer: &Layer, quantity: &str) -> (Value, DocumentId) {
    let id = DocumentId::generate();
    let cause = Cause {
        company: company(),
        at: noon(),
        principal: "acme".to_owned(),
        channel: "portal".to_owned(),
        correlation_id: "c".to_owned(),
        traceparent: String::new(),
    };
    let stored = NewDocument {
        id,
        channel: "portal".to_owned(),
        partner: "acme".to_owned(),
        account: account_id("A"),
        content: b"<cXML/>".to_vec(),
        media_type: "text/xml".to_owned(),
        duplicate_keys: vec![id.to_string()],
        keys_expire_at: noon(),
        work: true,
        context: None,
        lease: None,
    };
    let commit = Commit {
        cause: Some(cause),
        documents: vec![DocumentChange::Store(stored)],
        ..Commit::default()
    };
    layer.state.store.commit(commit).await.unwrap();
    let mut body = order("PO-1", "SKU-1", quantity);
    body["document"] = json!({"document_id": id, "partner": "acme", "transaction": quantity});
    (body, id)
}

/// What is owed so far, oldest first: the order, the document answered, and what is said.
pub(super) async fn owed(layer: &Layer) -> Vec<(String, DocumentId, Value)> {
    let now = layer.state.clock.now();
    let due = DocumentLease {
        company: company(),
        accounts: None,
        answers: None,
        channel: "portal".to_owned(),
        work: DocumentWork::Render,
        limit: 10,
        now,
        until: now + SignedDuration::from_secs(1),
    };
    let owed = layer.state.store.lease_documents(due).await.unwrap();
    let said = |document: Document| {
        let order = document.order_id.unwrap().to_string();
        (order, document.answers.unwrap(), document.context.unwrap())
    };
    owed.into_iter().map(said).collect()
}

pub(super) async fn replace(layer: &Layer, id: &str, body: &Value) -> Reply {
    let etag = layer
        .get(&clerk(), &format!("/v1/orders/{id}"))
        .await
        .etag();
    let key = uuid::Uuid::now_v7().to_string();
    let headers = [
        ("idempotency-key", key.as_str()),
        ("if-match", etag.as_str()),
    ];
    let path = format!("/v1/orders/{id}/replace");
    layer.post(&buyer(&["A"]), &path, &headers, body).await
}

async fn events(layer: &Layer, id: &str) -> Vec<String> {
    let path = format!("/v1/orders/{id}/events");
    let page = layer.get(&clerk(), &path).await.body;
    let word = |event: &Value| {
        let word = event["type"].as_str().unwrap();
        word.replace("com.orderway.order.", "").replace(".v1", "")
    };
    page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(word)
        .collect()
}

/// An order that the ERP has and no warehouse: it waits for a person.
async fn accepted(layer: &Layer, body: &Value) -> String {
    layer.erp.will("create_release", &[Fate::Refuses]);
    let id = layer.place("first", body).await.id();
    layer.until(&id, "held").await;
    id
}

pub(super) fn replacement_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 202, "{reply:?}");
    reply.body["replaced_by"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_order_that_the_erp_has_is_cancelled_there_and_then_the_other_is_taken() {
    let layer = Layer::new(CreateClass::Staged);
    let (first, first_document) = from_document(&layer, "5").await;
    let old = accepted(&layer, &first).await;
    layer
        .erp
        .will("cancel_order", &[Fate::Throttles, Fate::LosesTheAnswer]);
    let (second, second_document) = from_document(&layer, "8").await;
    let asked = replace(&layer, &old, &second).await;
    let new = replacement_of(&asked);
    assert_eq!(asked.body["order_id"], old);
    assert_ne!(asked.body["status"], "cancelled", "that is not settled yet");
    layer.until(&old, "cancelled").await;
    layer.erp.ages.lock().unwrap().clear();
    let seen = layer.until(&new, "released").await;
    assert_eq!(
        *layer.erp.ages.lock().unwrap(),
        [Some(0); 2],
        "figures of before its end still count the old order"
    );
    assert_eq!(
        (&seen["replaces"], &seen["lines"][0]["ordered"]["value"]),
        (&json!(old), &json!("8"))
    );
    assert_eq!(
        (&seen["purchase_order_number"], &seen["correlation_id"]),
        (&json!("PO-1"), &json!("test"))
    );
    let left = layer.get(&clerk(), &format!("/v1/orders/{old}")).await;
    assert_eq!(left.body["replaced_by"], new);
    let path = format!("/v1/orders/{old}/events");
    let told = layer.get(&clerk(), &path).await.body["events"].clone();
    let at = |back: usize| -> jiff::Timestamp {
        let told = told.as_array().unwrap();
        let time = told[told.len() - back]["time"].as_str().unwrap();
        time.parse().unwrap()
    };
    assert!(
        at(1).duration_since(at(2)) >= SignedDuration::from_secs(2),
        "the ERP's figures may count the old order for so long"
    );
    let told = events(&layer, &old).await;
    let end = [
        "replacement_requested",
        "cancel_requested",
        "cancelled",
        "replaced",
    ];
    assert!(told.ends_with(&end.map(str::to_owned)), "{told:?}");
    assert_eq!(
        (
            layer.erp.orders(ErpOrderState::Open).len(),
            layer.erp.orders(ErpOrderState::Cancelled).len()
        ),
        (1, 1)
    );
    let owed = owed(&layer).await;
    let said: Vec<_> = owed
        .iter()
        .map(|(order, answers, context)| (order, *answers, &context["purpose"]))
        .collect();
    let word = &json!("accepted");
    assert_eq!(
        said,
        [(&old, first_document, word), (&new, second_document, word)],
        "the new order speaks for the old one"
    );
    assert_eq!(owed[1].2["previous"], Value::Null, "its chain starts anew");
    let decision = seen["decision_id"].as_str().unwrap().parse().unwrap();
    let (_, record) = layer.state.store.decision(decision).await.unwrap().unwrap();
    assert_eq!((record.kind.as_str(), &record.subject), ("order", &new));
}

#[tokio::test]
async fn a_crash_between_the_cancellation_and_the_other_order_loses_neither() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let old = layer.place("k", &order("PO-1", "SKU-2", "9")).await;
    assert_eq!(old.body["status"], "held", "credit");
    let asked = replace(&layer, &old.id(), &order("PO-1", "SKU-1", "8")).await;
    let new = replacement_of(&asked);
    assert_eq!(asked.body["status"], "cancelled", "the ERP never had it");
    let path = format!("/v1/orders/{new}");
    assert_eq!(layer.get(&clerk(), &path).await.status, 404);

    // A worker takes it up and is gone; another one takes over, and then the first comes back.
    let lease = async || {
        let now = layer.state.clock.now();
        let until = now + SignedDuration::from_secs(15);
        let leased = layer.state.store.lease_effects(now, until, 1).await;
        leased.unwrap().remove(0)
    };
    let gone = lease().await;
    layer.clock.advance(SignedDuration::from_secs(16));
    let taken_over = lease().await;
    assert_eq!(taken_over.effect, gone.effect);
    let worker = Worker::new(&layer.state);
    worker.perform(taken_over).await;
    let taken = layer.get(&clerk(), &path).await.body;
    assert_eq!(
        (&taken["status"], &taken["version"]),
        (&json!("received"), &json!(1))
    );
    worker.perform(gone).await;
    layer.clock.advance(SignedDuration::from_secs(16));
    assert_eq!(lease().await.kind, "create_erp_order", "all that is left");
    layer.start_worker();
    layer.until(&new, "released").await;
    assert_eq!(layer.erp.calls("create_order"), 1);
    assert_eq!(events(&layer, &old.id()).await.pop().unwrap(), "replaced");
    let list = "/v1/orders?purchase_order_number=PO-1";
    let list = layer.get(&clerk(), list).await.body;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn facts_that_cannot_be_had_put_it_off_and_refuse_nothing() {
    for (silent, orderable) in [("accounts", true), ("stock", false)] {
        let layer = Layer::without_worker(CreateClass::Staged);
        let old = layer.place("k", &order("PO-1", "SKU-2", "9")).await.id();
        let body = order("PO-1", "SKU-1", "8");
        let new = replacement_of(&replace(&layer, &old, &body).await);
        let unavailable = SystemError::Unavailable { retry_after: None };
        layer.erp.inner.world().products[0].orderable = orderable;
        layer.erp.inner.world().failing.insert(silent, unavailable);
        let asked = layer.erp.calls(silent);
        layer.start_worker();
        let waits = layer
            .until_order(&old, |_| layer.erp.calls(silent) > asked + 2)
            .await;
        assert_eq!(waits["replaced_by"], new, "without {silent}");
        layer.erp.inner.world().failing.clear();
        let settled = layer
            .until_order(&old, |order| order["version"] != waits["version"])
            .await;
        assert_eq!(settled["replaced_by"].is_null(), !orderable);
    }
}

#[tokio::test]
async fn an_order_that_the_erp_goes_on_with_stands_and_whoever_asked_is_told() {
    let layer = Layer::new(CreateClass::Staged);
    let (first, _) = from_document(&layer, "5").await;
    let old = accepted(&layer, &first).await;
    layer.erp.will("cancel_order", &[Fate::Refuses]);
    let (second, second_document) = from_document(&layer, "8").await;
    let new = replacement_of(&replace(&layer, &old, &second).await);
    let stands = layer.until(&old, "released").await;
    assert_eq!(stands["replaced_by"], Value::Null);
    assert_eq!(stands["lines"][0]["ordered"]["value"], "5");
    let none = layer.get(&clerk(), &format!("/v1/orders/{new}")).await;
    assert_eq!(none.status, 404);
    let owed = owed(&layer).await;
    let (order, answers, context) = &owed[1];
    assert_eq!((order, *answers), (&old, second_document));
    assert_eq!(context["purpose"], "change_refused");
    let detail = context["detail"].as_str().unwrap();
    assert!(detail.contains("The material is locked."), "{detail}");
    assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1);
}

#[tokio::test]
async fn an_order_that_cannot_be_taken_in_the_end_is_refused_with_its_reasons() {
    for taken_by_another in [true, false] {
        let layer = Layer::without_worker(CreateClass::Staged);
        let (mut first, _) = from_document(&layer, "5").await;
        first["review"] = json!([{"detail": "Look."}]);
        let old = layer.place("k", &first).await.id();
        let (second, second_document) = from_document(&layer, "8").await;
        let new = replacement_of(&replace(&layer, &old, &second).await);
        let (pointer, code) = if taken_by_another {
            let other = layer.place("other", &order("PO-1", "SKU-1", "3")).await;
            assert_eq!(other.status, 202, "the number is free: {other:?}");
            ("/purchase_order_number", "duplicate-purchase-order")
        } else {
            layer.erp.inner.world().products[0].orderable = false;
            ("/lines/0/identifiers", "not-orderable")
        };
        layer.start_worker();
        let told = layer
            .until_order(&old, |order| order["replaced_by"].is_null())
            .await;
        assert_eq!(told["status"], "cancelled");
        assert_eq!(
            events(&layer, &old).await.pop().unwrap(),
            "replacement_refused"
        );
        let none = layer.get(&clerk(), &format!("/v1/orders/{new}")).await;
        assert_eq!(none.status, 404);
        let owed = owed(&layer).await;
        let mut of_old = owed.iter().filter(|(order, ..)| *order == old);
        let (_, _, held) = of_old.next().unwrap();
        assert_eq!(held["purpose"], "held");
        let (_, answers, context) = of_old.next().unwrap();
        assert_eq!(
            (*answers, &context["purpose"]),
            (second_document, &json!("replacement_refused"))
        );
        let reason = &context["reasons"][0];
        assert_eq!(
            (&reason["pointer"], &reason["code"]),
            (&json!(pointer), &json!(code))
        );
        assert!(of_old.next().is_none());
    }
}

#[tokio::test]
async fn nothing_is_cancelled_for_what_cannot_be_taken() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let old = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    let mut release = order("PO-1", "SKU-1", "8");
    release["release_number"] = json!("2");
    let (mut document, _) = from_document(&layer, "8").await;
    document["document"]["partner"] = json!("other");
    let mut account = order("PO-1", "SKU-1", "8");
    account["account"] = json!("B");
    for (body, code, pointer) in [
        (
            order("PO-2", "SKU-1", "8"),
            "validation-failed",
            "/purchase_order_number",
        ),
        (release, "validation-failed", "/release_number"),
        (account, "validation-failed", "/account"),
        (document, "validation-failed", "/document/document_id"),
        (
            order("PO-1", "NO-SUCH", "8"),
            "order-rejected",
            "/lines/0/identifiers",
        ),
    ] {
        let both = buyer(&["A", "B"]);
        let refused = layer.command(&both, &old, "replace", &body).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (422, &json!(code)),
            "{refused:?}"
        );
        assert_eq!(refused.body["errors"][0]["pointer"], pointer);
    }
    let path = format!("/v1/orders/{old}/replace");
    let body = order("PO-1", "SKU-1", "8");
    let key = ("idempotency-key", "r");
    let post = async |caller: &[&str], headers: &[(&str, &str)]| {
        let reply = layer.post(&buyer(caller), &path, headers, &body).await;
        (reply.status, reply.body["code"].clone())
    };
    assert_eq!(
        post(&["A"], &[key]).await,
        (428, json!("precondition-required"))
    );
    assert_eq!(
        post(&["A"], &[key, ("if-match", "\"v7\"")]).await,
        (412, json!("precondition-failed"))
    );
    assert_eq!(
        post(&["B"], &[key, ("if-match", "\"v1\"")]).await.0,
        404,
        "another account's order looks like none"
    );
    assert_eq!(events(&layer, &old).await, ["received"]);
    layer.start_worker();
    layer.until(&old, "released").await;
    let late = replace(&layer, &old, &body).await;
    assert_eq!(
        (late.status, &late.body["code"]),
        (409, &json!("order-not-cancellable"))
    );
}

#[tokio::test]
async fn the_same_content_changes_nothing() {
    let layer = Layer::new(CreateClass::Staged);
    let old = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    let before = layer.until(&old, "released").await;
    let mut written_otherwise = order("PO-1", "MY-SKU-1", "5.0");
    written_otherwise["lines"][0]["identifiers"][0]["scheme"] = json!("buyer_part_number");
    let same = replace(&layer, &old, &written_otherwise).await;
    assert_eq!((same.status, &same.body), (200, &before));
    assert_eq!(same.headers["orderway-duplicate"], "true");
}

#[tokio::test]
async fn the_last_request_counts_and_a_cancellation_drops_them_all() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let (first, first_document) = from_document(&layer, "5").await;
    let old = layer.place("k", &first).await.id();
    let etag = layer
        .get(&clerk(), &format!("/v1/orders/{old}"))
        .await
        .etag();
    let (second, _) = from_document(&layer, "6").await;
    let headers = [("idempotency-key", "r"), ("if-match", etag.as_str())];
    let path = format!("/v1/orders/{old}/replace");
    let asked = layer.post(&buyer(&["A"]), &path, &headers, &second).await;
    let again = layer.post(&buyer(&["A"]), &path, &headers, &second).await;
    assert_eq!((again.status, &again.body), (202, &asked.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let second_order = replacement_of(&asked);

    let same = replace(&layer, &old, &second).await;
    assert_eq!(
        (same.status, &same.body["replaced_by"]),
        (200, &json!(second_order)),
        "that is under way already"
    );
    // The first content is wanted again: it is being cancelled, so an order with it takes its place.
    let (third, _) = from_document(&layer, "5").await;
    let third_order = replacement_of(&replace(&layer, &old, &third).await);
    assert_ne!(third_order, second_order);
    let dropped = layer
        .command(&buyer(&["A"]), &old, "cancel", &Value::Null)
        .await;
    assert_eq!(
        (dropped.status, &dropped.body["replaced_by"]),
        (200, &Value::Null)
    );
    layer.start_worker();
    layer.until(&old, "cancelled").await;
    let owed = owed(&layer).await;
    let said: Vec<_> = owed
        .iter()
        .map(|(order, answers, context)| (order, *answers, &context["purpose"]))
        .collect();
    assert_eq!(said, [(&old, first_document, &json!("cancelled"))]);
    for none in [second_order, third_order] {
        let none = layer.get(&clerk(), &format!("/v1/orders/{none}")).await;
        assert_eq!(none.status, 404);
    }
    let late = replace(&layer, &old, &second).await;
    assert_eq!(late.status, 409, "it has ended");
}

#[tokio::test]
async fn a_document_that_a_later_one_has_overtaken_changes_nothing() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let (first, _) = from_document(&layer, "5").await;
    let (early, _) = from_document(&layer, "6").await;
    let (late, _) = from_document(&layer, "8").await;
    let old = layer.place("k", &first).await.id();
    let wanted = replacement_of(&replace(&layer, &old, &late).await);
    let overtaken = |reply: Reply, replaced_by: Value| {
        assert_eq!(reply.headers["orderway-duplicate"], "true");
        assert_eq!(
            (reply.status, &reply.body["replaced_by"]),
            (200, &replaced_by)
        );
    };
    overtaken(replace(&layer, &old, &early).await, json!(wanted));
    layer.start_worker();
    let seen = layer.until(&wanted, "released").await;
    assert_eq!(seen["lines"][0]["ordered"]["value"], "8");
    overtaken(replace(&layer, &wanted, &early).await, Value::Null);
}
