//! The public feed over a store: what a caller reads of it, and where reading goes on.

use std::sync::Arc;

use axum::http::StatusCode;
use canonical_model::{
    AccountId, ErpOrderNumber, OrderId, OrderReference,
    order::{HoldKind, HoldReason, OrderHold},
};
use jiff::SignedDuration;
use serde_json::Value;
use service_runtime::context::{AccountScope, CallContext};
use uuid::Uuid;

use super::{
    harness::{Harness, buyer, caller, commit as empty},
    published::Teller,
    router,
};
use crate::{
    orders::{
        OrderEvent, OrderState, change,
        event::{Accepted, ErpOrderChosen, Held, Received},
        testing::{around, line, now, received},
    },
    store::{Commit, EventFilter, NewEvent, StateRow, StreamChange, StreamKind, Written},
};

pub(crate) fn of_account(account: &str) -> Received {
    let order_id = OrderId::generate();
    Received {
        order_id,
        reference: OrderReference::of(order_id),
        account: account.parse().unwrap(),
        purchase_order_number: order_id.0.as_u64_pair().1.to_string().parse().unwrap(),
        stock: Vec::new(),
        credit: crate::orders::event::CreditNeed {
            levels: Vec::new(),
            claimed: false,
            ..received(vec![line(1)]).credit
        },
        document: None,
        ..received(vec![line(1)])
    }
}

/// Writes some events of an order.
pub(crate) async fn write(
    harness: &Harness,
    before: Option<&OrderState>,
    events: &[OrderEvent],
) -> OrderState {
    let cause = empty("US01").cause.unwrap();
    let (commit, after) = change::commit(before, events, cause, around())
        .unwrap()
        .unwrap();
    // What it owes and has done is not the matter here.
    let commit = Commit {
        cause: commit.cause,
        changes: commit.changes,
        ..Commit::default()
    };
    harness.store.commit(commit).await.unwrap();
    after
}

pub(crate) async fn taken(harness: &Harness, account: &str) -> OrderState {
    let events = [OrderEvent::Received(Box::new(of_account(account)))];
    write(harness, None, &events).await
}

pub(crate) async fn accepted(harness: &Harness, order: &OrderState) -> OrderState {
    let number = ErpOrderNumber::new("SO-1").unwrap();
    let events = [
        OrderEvent::ErpOrderChosen(ErpOrderChosen {
            sales_order_number: number.clone(),
        }),
        OrderEvent::Accepted(Accepted {
            sales_order_number: number,
            accepted_at: now(),
            erp_totals: None,
        }),
    ];
    write(harness, Some(order), &events).await
}

/// What a later release wrote on an order.
pub(crate) async fn write_unknown(harness: &Harness, order: &OrderState) {
    let row = crate::orders::projection::row(order).unwrap();
    let event = NewEvent {
        event_type: "order.painted",
        type_version: 1,
        data: Written::of(&serde_json::json!({})).unwrap(),
    };
    let changes = vec![StreamChange {
        kind: StreamKind::Order,
        id: order.order_id().0,
        expected_version: order.version,
        account: AccountId::clone(&order.order.account),
        events: vec![event],
        row: StateRow::Order(row),
    }];
    let commit = Commit {
        changes,
        ..empty("US01")
    };
    harness.store.commit(commit).await.unwrap();
}

async fn page(harness: &Harness, who: &CallContext, query: &str) -> (Vec<String>, u64) {
    let (status, page) = harness.get(who, &format!("/v1/events/public{query}")).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let say = |event: &Value| {
        format!(
            "{} {} {}",
            event["position"],
            event["account"].as_str().unwrap(),
            event["type"].as_str().unwrap()
        )
    };
    let events = page["events"].as_array().unwrap();
    (
        events.iter().map(say).collect(),
        page["next"].as_u64().unwrap(),
    )
}

#[tokio::test]
async fn a_caller_reads_what_is_told_of_its_accounts_and_goes_on_where_it_ended() {
    let harness = Harness::new(router());
    let first = taken(&harness, "A-1").await;
    taken(&harness, "A-2").await;
    accepted(&harness, &first).await;
    let own = buyer(&["events:read"], &["A-1"]);
    let (received, accepted) = (
        "1 A-1 com.orderway.order.received.v1",
        "4 A-1 com.orderway.order.accepted.v1",
    );
    let said = |events: &[&str]| {
        events
            .iter()
            .map(|event| (*event).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        page(&harness, &own, "").await,
        (said(&[received, accepted]), 4)
    );
    assert_eq!(
        page(&harness, &own, "?limit=1").await,
        (said(&[received]), 1)
    );
    assert_eq!(
        page(&harness, &own, "?after=1").await,
        (said(&[accepted]), 4)
    );
    assert_eq!(page(&harness, &own, "?after=latest").await, (vec![], 4));
    for types in ["order.accepted", "com.orderway.order.accepted.v1"] {
        let query = format!("?types={types}");
        assert_eq!(page(&harness, &own, &query).await, (said(&[accepted]), 4));
    }
    let everyone = caller(&["feed:all"], AccountScope::All);
    assert_eq!(page(&harness, &everyone, "").await.0.len(), 3);
    for refused in [
        caller(&["events:read"], AccountScope::All),
        buyer(&["orders:read"], &["A-1"]),
    ] {
        let answer = harness.get(&refused, "/v1/events/public").await;
        assert_eq!(answer.0, StatusCode::FORBIDDEN);
    }
    for wrong in [
        "?types=order.erp_order_chosen",
        "?types=",
        "?limit=501",
        "?wait=31",
    ] {
        let answer = harness
            .get(&own, &format!("/v1/events/public{wrong}"))
            .await;
        assert_eq!(answer.0, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

#[tokio::test]
async fn what_is_told_needs_no_later_event_and_no_earlier_page() {
    let harness = Harness::new(router());
    let order = taken(&harness, "A-1").await;
    let own = buyer(&["events:read"], &["A-1"]);
    let (_, before) = harness.get(&own, "/v1/events/public").await;
    let order = accepted(&harness, &order).await;
    let (_, whole) = harness.get(&own, "/v1/events/public").await;
    assert_eq!(before["events"][0], whole["events"][0]);
    let (_, rest) = harness.get(&own, "/v1/events/public?after=1").await;
    assert_eq!(rest["events"][0], whole["events"][1]);
    assert_eq!(rest["events"][0]["data"]["status"], "accepted");
    assert_eq!(rest["events"][0]["subject"], order.order_id().to_string());
    assert_eq!(
        rest["events"][0]["sequence"],
        rest["events"][0]["data"]["version"]
    );
}

fn held() -> OrderEvent {
    let reason = HoldReason {
        kind: HoldKind::Review,
        detail: "Somebody looks.".to_owned(),
        released_by: "holds:release".to_owned(),
        line: None,
    };
    OrderEvent::Held(Held {
        holds: vec![OrderHold {
            hold: 1,
            reason,
            erp_orders: Vec::new(),
            placed_at: now(),
        }],
        not_released: None,
    })
}

/// Readers come to an event by all sorts of pages, before and after each other.
#[tokio::test]
async fn what_is_remembered_of_an_order_changes_nothing_that_is_told() {
    let harness = Harness::new(router());
    for round in 0..3 {
        let order = taken(&harness, "A-1").await;
        // It follows without a gap: nothing lies between it and what was told before.
        let mut order = write(&harness, Some(&order), &[held()]).await;
        if round == 1 {
            write_unknown(&harness, &order).await;
            order.version += 1;
        }
        accepted(&harness, &order).await;
    }
    let newest = *harness.store.position().borrow();
    let page = |after, limit| EventFilter {
        after,
        limit,
        ..EventFilter::default()
    };
    let remembers = Teller::new(Arc::clone(&harness.store));
    for limit in 1..=4 {
        for after in (0..newest).rev().chain(0..newest) {
            let anew = Teller::new(Arc::clone(&harness.store));
            let anew = anew.read(page(after, limit), &[]).await.unwrap();
            let told = remembers.read(page(after, limit), &[]).await.unwrap();
            assert_eq!(told, anew, "{limit} after {after}");
        }
    }
    let all = remembers.read(page(0, 100), &[]).await.unwrap();
    assert_eq!((all.events.len(), all.parked.len()), (8, 1));
}

#[tokio::test]
async fn what_a_later_release_wrote_is_left_to_it_for_a_while_and_then_holds_up_no_other() {
    let harness = Harness::new(router());
    let order = taken(&harness, "A-1").await;
    write_unknown(&harness, &order).await;
    let order = OrderState {
        version: order.version + 1,
        ..order
    };
    accepted(&harness, &order).await;
    let other = taken(&harness, "A-1").await;
    let own = buyer(&["events:read"], &["A-1"]);
    // The unknown event has position 2 and is told nowhere; the acceptance after it cannot be told here, and its time has
    // not come to be passed over.
    let (told, next) = page(&harness, &own, "").await;
    assert_eq!((told.len(), next), (1, 3));
    assert_eq!(page(&harness, &own, "?after=3").await, (vec![], 3));

    harness.time.advance(SignedDuration::from_mins(11));
    let (_, page) = harness.get(&own, "/v1/events/public").await;
    let subjects: Vec<&str> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["subject"].as_str().unwrap())
        .collect();
    let ids: [Uuid; 2] = [order.order_id().0, other.order_id().0];
    assert_eq!(subjects, ids.map(|id| id.to_string()));
}

#[tokio::test]
async fn more_types_than_there_may_be_are_refused_rather_than_left_out() {
    let harness = Harness::new(router());
    let own = buyer(&["events:read"], &["A-1"]);
    let types = vec!["order.accepted"; 51].join(",");
    let (status, problem) = harness
        .get(&own, &format!("/v1/events/public?types={types}"))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], "?types");
}
