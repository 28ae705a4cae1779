//! Taking an order once: whatever is repeated, raced, hung up or wrong.

use canonical_model::{DocumentId, capabilities::CreateClass, erp_order::ErpOrderState};
use futures_util::{FutureExt, future::join_all};
use serde_json::json;
use service_runtime::context::CallContext;
use tower::ServiceExt;
use uuid::Uuid;

use super::harness::{Layer, buyer, clerk, order};
use crate::{
    baskets::testing::{account_id, company, noon},
    store::{Cause, Commit, DocumentChange, DocumentLease, EventFilter, NewDocument, StockKey},
};

fn stock_key() -> StockKey {
    StockKey::new(
        company(),
        canonical_model::ItemNumber::new("SKU-1").unwrap(),
        canonical_model::SiteId::new("EAST").unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_order_many_times_at_once_is_one_order_in_the_erp() {
    for (times, same_key) in [(20, true), (64, true), (64, false)] {
        let layer = Layer::new(CreateClass::Staged);
        let body = order("PO-1", "SKU-1", "5");
        let key = |no: usize| {
            if same_key {
                "key".to_owned()
            } else {
                format!("key-{no}")
            }
        };
        let keys: Vec<String> = (0..times).map(key).collect();
        let replies = join_all(keys.iter().map(|key| layer.place(key, &body))).await;
        let id = replies[0].id();
        for reply in &replies {
            assert_eq!((reply.status, reply.id()), (202, id.clone()), "{reply:?}");
        }
        let marked = if same_key {
            "idempotency-replayed"
        } else {
            "orderway-duplicate"
        };
        let repeated = replies
            .iter()
            .filter(|reply| reply.headers.contains_key(marked))
            .count();
        assert_eq!(repeated, times - 1, "all but one say that they repeat");
        layer.until(&id, "released").await;
        assert_eq!(layer.erp.orders(ErpOrderState::Open).len(), 1);
        assert_eq!(layer.erp.calls("create_order"), 1);
        let position = layer.state.store.stock(&[stock_key()], None).await.unwrap();
        assert_eq!(
            position[0].claimed.at(0),
            5.into(),
            "its stock is claimed once"
        );
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_right_after_sending_loses_nothing() {
    let layer = Layer::new(CreateClass::Staged);
    let body = order("PO-1", "SKU-1", "5");
    let request = Layer::request(
        &buyer(&["A"]),
        "POST",
        "/v1/orders",
        &[("idempotency-key", "k")],
        &body,
    );
    assert!(
        layer.app.clone().oneshot(request).now_or_never().is_none(),
        "it was answered before it hung up"
    );
    let again = layer.place("k", &body).await;
    assert_eq!(again.status, 202);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    layer.until(&again.id(), "released").await;
    assert_eq!(layer.erp.calls("create_order"), 1);
}

#[tokio::test]
async fn an_order_is_durable_found_and_traced() {
    let layer = Layer::new(CreateClass::Staged);
    let placed = layer.place("k", &order("PO-1", "SKU-1", "5")).await;
    assert_eq!(placed.status, 202);
    assert_eq!(placed.body["status"], "received");
    assert_eq!(
        placed.headers["location"],
        format!("/v1/orders/{}", placed.id())
    );
    let seen = layer.until(&placed.id(), "released").await;
    assert_eq!(seen["sales_order_number"], "1");
    assert_eq!(seen["lines"][0]["quantities"]["released"], "5");
    assert_eq!(seen["correlation_id"], "test");
    let events = layer
        .get(
            &buyer(&["A"]),
            &format!("/v1/orders/{}/events", placed.id()),
        )
        .await
        .body;
    let types: Vec<&str> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "com.orderway.order.received.v1",
            "com.orderway.order.erp_order_chosen.v1",
            "com.orderway.order.accepted.v1",
            "com.orderway.order.release_begun.v1",
            "com.orderway.order.released.v1",
        ]
    );
    let traces = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["traceparent"].as_str().unwrap());
    let trace_id = seen["trace_id"].as_str().unwrap();
    assert!(
        traces.clone().all(|trace| trace.contains(trace_id)),
        "one trace: {:?}",
        traces.collect::<Vec<_>>()
    );
    let list = layer
        .get(&buyer(&["A"]), "/v1/orders?purchase_order_number=PO-1")
        .await
        .body;
    assert_eq!(list["items"][0]["order_id"], seen["order_id"]);
    let decision = seen["decision_id"]
        .as_str()
        .unwrap()
        .parse::<Uuid>()
        .unwrap();
    let (_, record) = layer.state.store.decision(decision).await.unwrap().unwrap();
    assert_eq!(
        (record.kind.as_str(), record.subject),
        ("order", placed.id())
    );
}

#[tokio::test]
async fn a_purchase_order_is_one_order_until_it_is_freed() {
    let layer = Layer::new(CreateClass::Staged);
    let first = layer.place("k1", &order("PO-1", "SKU-1", "5")).await;
    let mut written_otherwise = order("PO-1", "MY-SKU-1", "5.00");
    written_otherwise["lines"][0]["identifiers"][0]["scheme"] = json!("buyer_part_number");
    let same = layer.place("k2", &written_otherwise).await;
    assert_eq!((same.status, same.id()), (202, first.id()));
    assert_eq!(same.headers["orderway-duplicate"], "true");
    let other = layer.place("k3", &order("PO-1", "SKU-1", "6")).await;
    assert_eq!(
        (other.status, other.body["code"].as_str()),
        (409, Some("duplicate-purchase-order"))
    );
    assert_eq!(other.body["order_id"], first.id());
    let mut foreign = order("PO-1", "SKU-1", "5");
    foreign["currency"] = json!("EUR");
    let foreign = layer.place("k5", &foreign).await;
    assert_eq!(
        (foreign.status, foreign.body["code"].as_str()),
        (422, Some("order-rejected")),
        "a foreign currency is no repetition"
    );
    assert_eq!(foreign.body["errors"][0]["pointer"], "/currency");
    let mut stated = order("PO-1", "SKU-1", "5");
    stated["currency"] = json!("USD");
    let stated = layer.place("k6", &stated).await;
    assert_eq!((stated.status, stated.id()), (202, first.id()));
    let mut release = order("PO-1", "SKU-1", "6");
    release["release_number"] = json!("2");
    assert_eq!(
        layer.place("k4", &release).await.status,
        202,
        "another release of a blanket order is another order"
    );
}

#[tokio::test]
async fn a_key_belongs_to_one_request_and_one_caller() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let first = layer.place("k", &order("PO-1", "SKU-1", "5")).await;
    let replayed = layer.place("k", &order("PO-1", "SKU-1", "5")).await;
    assert_eq!((replayed.status, &replayed.body), (202, &first.body));
    assert_eq!(replayed.headers["idempotency-replayed"], "true");
    let reused = layer.place("k", &order("PO-2", "SKU-1", "5")).await;
    assert_eq!(
        (reused.status, reused.body["code"].as_str()),
        (422, Some("idempotency-key-reused"))
    );
    let mut other = buyer(&["A"]);
    other.principal = "another".to_owned();
    let path = "/v1/orders";
    let theirs = layer
        .post(
            &other,
            path,
            &[("idempotency-key", "k")],
            &order("PO-3", "SKU-1", "5"),
        )
        .await;
    assert_eq!(theirs.status, 202, "keys of callers do not meet");
    let none = layer
        .post(&buyer(&["A"]), path, &[], &order("PO-4", "SKU-1", "5"))
        .await;
    assert_eq!(none.body["code"], "idempotency-key-missing");
}

#[tokio::test]
async fn what_is_refused_writes_nothing_and_says_where_it_is_wrong() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let mut currency = order("PO-1", "SKU-1", "5");
    currency["currency"] = json!("EUR");
    let mut foreign = order("PO-1", "SKU-1", "5");
    foreign["document"] =
        json!({"document_id": Uuid::nil(), "partner": "rival", "transaction": "1"});
    for (body, status, pointer) in [
        (order("PO-1", "NO-SUCH", "5"), 422, "/lines/0/identifiers"),
        (order("PO-1", "SKU-1", "-5"), 422, "/lines/0/quantity"),
        (
            order("PO-1", "SKU-1", "99999999999"),
            422,
            "/lines/0/quantity",
        ),
        (currency, 422, "/currency"),
        (
            order(&"P".repeat(36), "SKU-1", "5"),
            422,
            "/purchase_order_number",
        ),
        (foreign, 422, "/document/document_id"),
        (order("PO-1", "SKU-1", "lots"), 400, "/lines/0/quantity"),
    ] {
        let reply = layer.place("k", &body).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{reply:?}");
    }
    let events = layer
        .state
        .store
        .events(EventFilter {
            limit: 10,
            ..EventFilter::default()
        })
        .await
        .unwrap();
    assert!(events.is_empty());
    let stock = layer.state.store.stock(&[stock_key()], None).await.unwrap();
    assert!(stock.iter().all(|row| {
        row.claimed
            .by_day()
            .iter()
            .all(rust_decimal::Decimal::is_zero)
    }));
    assert_eq!(
        layer.place("k", &order("PO-1", "SKU-1", "5")).await.status,
        202,
        "the key was not used up"
    );
}

#[tokio::test]
async fn sound_lines_are_taken_where_that_is_asked() {
    let layer = Layer::new(CreateClass::Staged);
    let mut body = order("PO-1", "SKU-1", "5");
    let wrong = order("", "NO-SUCH", "1")["lines"][0].clone();
    body["lines"].as_array_mut().unwrap().push(wrong);
    assert_eq!(
        layer.place("k1", &body).await.body["code"],
        "order-rejected"
    );
    body["line_policy"] = json!("take_sound_lines");
    let taken = layer.place("k2", &body).await;
    let seen = layer.until(&taken.id(), "released").await;
    assert_eq!(seen["lines"][1]["quantities"]["rejected"], "1");
    assert_eq!(layer.erp.orders(ErpOrderState::Open)[0].lines.len(), 1);
}

#[tokio::test]
async fn another_account_s_order_looks_exactly_like_none() {
    let layer = Layer::without_worker(CreateClass::Staged);
    let id = layer.place("k", &order("PO-1", "SKU-1", "5")).await.id();
    let rival = buyer(&["B"]);
    let absent = Uuid::from_u128(9).to_string();
    for path in ["", "/events"] {
        let theirs = layer.get(&rival, &format!("/v1/orders/{id}{path}")).await;
        let none = layer
            .get(&rival, &format!("/v1/orders/{absent}{path}"))
            .await;
        assert_eq!((theirs.status, theirs.body), (404, none.body));
    }
    let headers = [("idempotency-key", "x"), ("if-match", "\"v1\"")];
    let theirs = layer
        .post(
            &rival,
            &format!("/v1/orders/{id}/cancel"),
            &headers,
            &json!(null),
        )
        .await;
    let none = layer
        .post(
            &rival,
            &format!("/v1/orders/{absent}/cancel"),
            &headers,
            &json!(null),
        )
        .await;
    assert_eq!((theirs.status, theirs.body), (404, none.body));
    assert_eq!(
        layer.get(&rival, "/v1/orders").await.body["items"],
        json!([])
    );
    assert_eq!(
        layer.get(&rival, "/v1/orders?account=A").await.body["items"],
        json!([])
    );
    let placed = layer
        .post(
            &rival,
            "/v1/orders",
            &[("idempotency-key", "y")],
            &order("PO-2", "SKU-1", "5"),
        )
        .await;
    assert_eq!(placed.status, 404);
    let elsewhere = service_runtime::context::CallContext {
        company: Some("XXX".to_owned()),
        ..clerk()
    };
    assert_eq!(
        layer
            .get(&elsewhere, &format!("/v1/orders/{id}"))
            .await
            .status,
        404,
        "a company sees its own only"
    );
}

#[tokio::test]
async fn an_order_from_a_document_owes_its_partner_an_acknowledgment() {
    let layer = Layer::new(CreateClass::Staged);
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
        content: b"850".to_vec(),
        media_type: "application/edi-x12".to_owned(),
        duplicate_keys: vec!["1".to_owned()],
        keys_expire_at: noon(),
        work: true,
        context: None,
        lease: None,
    };
    let documents = vec![DocumentChange::Store(stored)];
    layer
        .state
        .store
        .commit(Commit {
            cause: Some(cause),
            documents,
            ..Commit::default()
        })
        .await
        .unwrap();
    let mut body = order("PO-1", "SKU-1", "5");
    body["document"] = json!({"document_id": id, "partner": "acme", "transaction": "0001"});
    let placed = layer.place("k", &body).await;
    layer.until(&placed.id(), "released").await;
    let now = layer.state.clock.now();
    let due = DocumentLease {
        company: company(),
        accounts: None,
        answers: None,
        channel: "portal".to_owned(),
        work: crate::store::DocumentWork::Render,
        limit: 10,
        now,
        until: now + jiff::SignedDuration::from_secs(10),
    };
    let mut owed = layer.state.store.lease_documents(due).await.unwrap();
    assert_eq!(owed.len(), 1, "{owed:?}");
    let owed = owed.remove(0);
    let context = owed.context.unwrap();
    assert_eq!(
        (&context["purpose"], &context["transaction"]),
        (&json!("accepted"), &json!("0001"))
    );
    assert_eq!(context["order"]["sales_order_number"], "1");
    assert_eq!(owed.answers, Some(id));
}

/// The source counts the order of 60 before it may be left out of our claims: what is reserved is not less for it.
#[tokio::test]
async fn an_order_has_what_was_reserved_for_it_while_another_counts_twice() {
    let layer = Layer::new(CreateClass::Staged);
    // Longer than the test takes, whatever becomes of the clock.
    layer.erp.inner.world().capabilities.stock_lag_ms = 3_600_000;
    layer
        .erp
        .inner
        .world()
        .stock
        .retain(|row| row.item.as_str() != "SKU-1" || row.site == stock_key().site);
    let reserves = CallContext {
        scopes: vec!["reservations:write".to_owned()],
        ..buyer(&["A"])
    };
    let reserved = layer
        .post(
            &reserves,
            "/v1/reservations",
            &[("idempotency-key", "r")],
            &json!({"account": "A", "lines": order("", "SKU-1", "40")["lines"]}),
        )
        .await;
    assert_eq!(reserved.status, 201, "{reserved:?}");
    let other = layer.place("k1", &order("PO-1", "SKU-1", "60")).await;
    layer.until(&other.id(), "released").await;
    for row in &mut layer.erp.inner.world().stock {
        row.on_hand -= rust_decimal::Decimal::from(60);
        row.as_of = layer.state.clock.now();
    }
    let mut body = order("PO-2", "SKU-1", "40");
    body["reservation_id"] = reserved.body["reservation_id"].clone();
    let placed = layer.place("k2", &body).await;
    assert_eq!(placed.status, 202, "{placed:?}");
    let schedule = async |placed: &super::harness::Reply| {
        let path = format!("/v1/orders/{}", placed.id());
        layer.get(&clerk(), &path).await.body["lines"][0]["schedule"].clone()
    };
    let parts = schedule(&placed).await;
    assert_eq!(parts.as_array().map(Vec::len), Some(1), "{parts}");
    assert_eq!(
        (&parts[0]["cover"], &parts[0]["quantity"]["value"]),
        (&json!("stock"), &json!("40"))
    );
    let position = layer.state.store.stock(&[stock_key()], None).await.unwrap();
    assert_eq!(
        (position[0].available.at(0), position[0].claimed.at(0)),
        (40.into(), 100.into())
    );
    let more = layer.place("k3", &order("PO-3", "SKU-1", "1")).await;
    let cover = schedule(&more).await[0]["cover"].clone();
    assert_eq!(cover, "lead_time", "nobody else has of it: {more:?}");
}
