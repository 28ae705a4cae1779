//! What ended long ago is removed; what stands, or waits, or was touched since is not.

use canonical_model::{
    OrderId,
    decision::DecisionRecord,
    order::{HoldKind, OrderStatus},
};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{
    Commit, Shared, StreamKind, account, company, empty, order, order_change, reservation, with_row,
};
use crate::store::{EffectChange, EventFilter, Kept, NewDecision, NewEffect, retention::least_id};

/// An id that was given out at `second`.
fn id(second: i64, number: u128) -> Uuid {
    Uuid::from_u128(least_id(super::at(second)).as_u128() | number)
}

fn kept(at: Timestamp) -> Kept {
    Kept {
        orders: at,
        quotes: at,
        reservations: at,
        documents: at,
    }
}

async fn forget_all(store: &Shared, kept: Kept) {
    while store.forget(kept, 1).await.unwrap() > 0 {}
}

fn ended(id: Uuid, second: i64, number: &str) -> Commit {
    let change = with_row(order_change(id, 0, number), |row| {
        row.status = OrderStatus::Shipped;
    });
    Commit {
        changes: vec![change],
        ..empty(second)
    }
}

pub(in crate::store) async fn what_ended_is_removed_and_what_stands_is_not(store: Shared) {
    let (old, open, waiting, touched, new) = (id(0, 1), id(0, 2), id(0, 3), id(0, 4), id(900, 5));
    store.commit(ended(old, 0, "PO-1")).await.unwrap();
    store.commit(order(open, 0, "PO-2")).await.unwrap();
    let effect = EffectChange::New(NewEffect {
        kind: "create_erp_order",
        order_id: OrderId(waiting),
        payload: json!({}),
        due_at: super::at(0),
        serial_key: None,
    });
    let held_up = Commit {
        effects: vec![effect],
        ..ended(waiting, 0, "PO-3")
    };
    store.commit(held_up).await.unwrap();
    store.commit(ended(touched, 0, "PO-4")).await.unwrap();
    let later = with_row(order_change(touched, 1, "PO-4"), |row| {
        row.status = OrderStatus::Shipped
    });
    let later = Commit {
        changes: vec![later],
        ..empty(900)
    };
    store.commit(later).await.unwrap();
    store.commit(ended(new, 900, "PO-5")).await.unwrap();
    // What is to be removed has its place in the feed: it is long over.
    let mut position = store.position();
    position.wait_for(|position| *position >= 6).await.unwrap();

    let kept = kept(super::at(600));
    let outdated = store.outdated(kept).await.unwrap();
    let counts: Vec<_> = outdated
        .iter()
        .map(|of| (of.company.clone(), of.orders))
        .collect();
    assert_eq!(counts, [(company(), 1)]);

    forget_all(&store, kept).await;
    assert!(store.outdated(kept).await.unwrap().is_empty());
    let left = store.stream_ids(StreamKind::Order, None, 10).await.unwrap();
    assert_eq!(left, [open, waiting, touched, new]);
    assert!(
        store
            .stream(StreamKind::Order, old, 0, 10)
            .await
            .unwrap()
            .is_empty()
    );
    // Its number is free, and the feed goes on after it.
    store.commit(order(id(901, 6), 0, "PO-1")).await.unwrap();
    let all = EventFilter {
        limit: 100,
        ..EventFilter::default()
    };
    position.wait_for(|position| *position >= 7).await.unwrap();
    let subjects: Vec<String> = store
        .events(all)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.subject)
        .collect();
    assert!(
        !subjects.contains(&old.to_string()) && subjects.len() == 6,
        "{subjects:?}"
    );
}

pub(in crate::store) async fn what_waits_for_a_person_is_not_removed(store: Shared) {
    let (over, waits) = (id(0, 1), id(0, 2));
    for (id, holds) in [(over, vec![]), (waits, vec![HoldKind::ErpDuplicate])] {
        let change = with_row(order_change(id, 0, &id.to_string()), |row| {
            row.status = OrderStatus::Cancelled;
            row.holds = holds;
        });
        let cancelled = Commit {
            changes: vec![change],
            ..empty(0)
        };
        store.commit(cancelled).await.unwrap();
    }
    let kept = kept(super::at(600));
    assert_eq!(store.outdated(kept).await.unwrap()[0].orders, 1);
    forget_all(&store, kept).await;
    let left = store.stream_ids(StreamKind::Order, None, 10).await.unwrap();
    assert_eq!(left, [waits]);
}

/// What was decided about something at `second`, from a fact that all decisions share and one of its own.
pub(in crate::store) fn decided(subject: Uuid, second: i64) -> DecisionRecord {
    DecisionRecord {
        decision_id: id(second, subject.as_u128() & 0xFFFF),
        kind: "order".to_owned(),
        account: account("A-1"),
        subject: subject.to_string(),
        decided_at: super::at(second),
        request: json!({}),
        facts: json!({"shared": {"price": "1.00"}, "own": {"subject": subject}}),
        steps: Vec::new(),
        outcome: json!({}),
    }
}

/// An order that ended, with what was decided about it.
pub(in crate::store) fn ended_with(order: Uuid, decision: &DecisionRecord) -> Commit {
    Commit {
        decision: Some(NewDecision::of(decision.clone()).unwrap()),
        ..ended(order, 0, &format!("PO-{}", order.as_u128() & 0xFFFF))
    }
}

/// A decision on its own.
pub(in crate::store) fn only(decision: &DecisionRecord) -> Commit {
    Commit {
        decision: Some(NewDecision::of(decision.clone()).unwrap()),
        ..empty(0)
    }
}

pub(in crate::store) fn kept_since(second: i64) -> Kept {
    kept(super::at(second))
}

pub(in crate::store) async fn decisions_go_with_what_they_are_about(store: Shared) {
    let (old, open, over) = (id(0, 1), id(0, 2), id(0, 3));
    let decisions = [old, open, over].map(|subject| decided(subject, 0));
    store.commit(ended_with(old, &decisions[0])).await.unwrap();
    let standing = Commit {
        decision: Some(NewDecision::of(decisions[1].clone()).unwrap()),
        ..order(open, 0, "PO-2")
    };
    store.commit(standing).await.unwrap();
    let reserved = Commit {
        decision: Some(NewDecision::of(decisions[2].clone()).unwrap()),
        ..reservation(over, None)
    };
    store.commit(reserved).await.unwrap();

    let kept = kept(super::at(600));
    let outdated = store.outdated(kept).await.unwrap();
    assert_eq!((outdated[0].orders, outdated[0].reservations), (1, 1));
    assert_eq!(outdated[0].decisions, 2);
    forget_all(&store, kept).await;
    let left = async |record: &DecisionRecord| {
        let found = store.decision(record.decision_id).await.unwrap();
        found.map(|(_, record)| record)
    };
    assert_eq!(left(&decisions[0]).await, None);
    assert_eq!(
        left(&decisions[1]).await.as_ref(),
        Some(&decisions[1]),
        "an order that stands keeps its evidence, whole, whatever its age"
    );
    assert_eq!(left(&decisions[2]).await, None);
    assert!(store.outdated(kept).await.unwrap().is_empty());
}
