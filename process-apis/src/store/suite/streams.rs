//! Streams, their feed, and what a commit writes beside them.

use std::time::Duration;

use canonical_model::{
    OrderId,
    decision::{DecisionRecord, DecisionStep},
    order::{HoldKind, OrderStatus},
};
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};
use uuid::Uuid;

use super::{
    super::{
        Commit, EventFilter, NewDecision, OrderFilter, StoreError, StreamKind, set_back_position,
    },
    Shared, account, answer, at, audit, company, empty, event, held, order, order_change,
    reservation,
    retention::{decided, only},
    with_row,
};

pub(in super::super) async fn a_stream_moves_by_its_expected_version(store: Shared) {
    let id = Uuid::now_v7();
    assert!(store.state(StreamKind::Order, id).await.unwrap().is_none());
    store.commit(order(id, 0, "PO-1")).await.unwrap();
    let twice = store.commit(order(id, 0, "PO-1")).await.unwrap_err();
    assert!(
        matches!(twice, StoreError::VersionConflict { kind: StreamKind::Order, id: named } if named == id)
    );

    let mut change = order_change(id, 1, "PO-1");
    change.events.push(event("order.accepted"));
    store
        .commit(Commit {
            changes: vec![change],
            ..empty(1)
        })
        .await
        .unwrap();
    let found = store.state(StreamKind::Order, id).await.unwrap().unwrap();
    let state: serde_json::Value = found.state.read().unwrap();
    assert_eq!((found.version, &state["after"]), (3, &json!(2)));
    for (known, is_read) in [(2, true), (3, false)] {
        let found = store.changed_state(StreamKind::Order, id, known).await;
        let found = found.unwrap().unwrap();
        assert_eq!((found.version, found.state.is_some()), (3, is_read));
    }
    assert!(
        store.state(StreamKind::Quote, id).await.unwrap().is_none(),
        "an order's id is no quote"
    );
}

pub(in super::super) async fn an_idempotency_key_has_one_answer(store: Shared) {
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let store = store.clone();
        let purchase_order = format!("PO-{number}");
        tasks.spawn(async move {
            let mut stored = answer("key", at(100));
            stored.body = json!({"number": number});
            let commit = Commit {
                idempotency: Some(stored),
                ..order(Uuid::now_v7(), 0, &purchase_order)
            };
            store.commit(commit).await.map(|_| number)
        });
    }
    let outcomes = tasks.join_all().await;
    let winners: Vec<i32> = outcomes.iter().flatten().copied().collect();
    assert_eq!(winners.len(), 1);
    for loser in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(loser, StoreError::KeyUsed(first) if first.body["number"] == winners[0]));
    }
    let stored = store
        .idempotency("US01/buyer/create_order", "key")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.status, stored.subject),
        (202, Some(Uuid::from_u128(1)))
    );
    let orders = store
        .orders(
            &company(),
            OrderFilter {
                limit: 100,
                ..OrderFilter::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(orders.len(), 1, "the losers wrote nothing");
    let later = Commit {
        idempotency: Some(answer("key", at(300))),
        ..empty(200)
    };
    store
        .commit(later)
        .await
        .expect("an expired answer makes room");
}

pub(in super::super) async fn of_racing_orders_one_has_the_purchase_order(store: Shared) {
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let store = store.clone();
        tasks.spawn(async move {
            let id = Uuid::now_v7();
            store.commit(order(id, 0, "PO-1")).await.map(|_| id)
        });
    }
    let outcomes = tasks.join_all().await;
    let winners: Vec<Uuid> = outcomes.iter().flatten().copied().collect();
    assert_eq!(winners.len(), 1);
    let first = OrderId(winners[0]);
    for loser in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(loser, StoreError::PurchaseOrderTaken(order) if *order == first));
    }
    let number = "PO-1".parse().unwrap();
    let found = store
        .order_of_purchase_order(&company(), &account("A-1"), &number, None)
        .await
        .unwrap();
    assert_eq!(found, Some(first));
    let release = store
        .order_of_purchase_order(&company(), &account("A-1"), &number, Some("2"))
        .await
        .unwrap();
    assert_eq!(release, None, "a release of it is an order of its own");
}

pub(in super::super) async fn a_freed_purchase_order_can_be_used_again(store: Shared) {
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    store.commit(order(first, 0, "PO-1")).await.unwrap();
    let cancelled = with_row(order_change(first, 1, "PO-1"), |row| {
        row.holds_purchase_order = false;
        row.status = OrderStatus::Cancelled;
    });
    store
        .commit(Commit {
            changes: vec![cancelled],
            ..empty(1)
        })
        .await
        .unwrap();
    store.commit(order(second, 0, "PO-1")).await.unwrap();
    let back = store.commit(order(first, 2, "PO-1")).await.unwrap_err();
    assert!(matches!(back, StoreError::PurchaseOrderTaken(order) if order.0 == second));
}

/// What each filter finds of the four orders of the test, by their index.
fn filters(ids: &[Uuid]) -> Vec<(OrderFilter, Vec<usize>)> {
    let all = || OrderFilter {
        limit: 10,
        ..OrderFilter::default()
    };
    let with = |edit: &dyn Fn(&mut OrderFilter)| {
        let mut filter = all();
        edit(&mut filter);
        filter
    };
    vec![
        (all(), vec![3, 2, 1, 0]),
        (with(&|filter| filter.limit = 2), vec![3, 2]),
        (
            with(&|filter| filter.before = Some(OrderId(ids[2]))),
            vec![1, 0],
        ),
        (
            with(&|filter| filter.accounts = Some(vec![account("A-1")])),
            vec![2, 1, 0],
        ),
        (with(&|filter| filter.accounts = Some(Vec::new())), vec![]),
        (
            with(&|filter| filter.purchase_order_number = "PO-0".parse().ok()),
            vec![3, 0],
        ),
        (
            with(&|filter| filter.status = Some(OrderStatus::Held)),
            vec![2, 1],
        ),
        (with(&|filter| filter.held = Some(None)), vec![2, 1]),
        (
            with(&|filter| filter.held = Some(Some(HoldKind::PriceMismatch))),
            vec![1],
        ),
    ]
}

pub(in super::super) async fn orders_are_listed_newest_first_within_their_filters(store: Shared) {
    let ids: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    let mut foreign = order_change(ids[3], 0, "PO-0");
    foreign.account = account("A-2");
    for change in [
        order_change(ids[0], 0, "PO-0"),
        held(
            order_change(ids[1], 0, "PO-1"),
            &[HoldKind::Credit, HoldKind::PriceMismatch],
        ),
        held(order_change(ids[2], 0, "PO-2"), &[HoldKind::Warehouse]),
        foreign,
    ] {
        store
            .commit(Commit {
                changes: vec![change],
                ..empty(0)
            })
            .await
            .unwrap();
    }
    for (filter, expected) in filters(&ids) {
        let found = store.orders(&company(), filter.clone()).await.unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|order| order.state.read::<serde_json::Value>().unwrap()["order"].clone())
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|index| json!(ids[index]))
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let elsewhere = "DE01".parse().unwrap();
    let all = OrderFilter {
        limit: 10,
        ..OrderFilter::default()
    };
    assert!(
        store.orders(&elsewhere, all).await.unwrap().is_empty(),
        "another company sees none"
    );
}

/// An order's three events with one of another account's between them, in the feed; answers the order and, where the
/// store knows it at once, its last position.
async fn feed(store: &Shared) -> (Uuid, Option<u64>) {
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    store.commit(order(first, 0, "PO-1")).await.unwrap();
    let mut other = order_change(second, 0, "PO-2");
    other.account = account("A-2");
    store
        .commit(Commit {
            changes: vec![other],
            ..empty(1)
        })
        .await
        .unwrap();
    let mut accepted = order_change(first, 1, "PO-1");
    accepted.events = vec![event("order.accepted"), event("order.released")];
    let committed = store
        .commit(Commit {
            changes: vec![accepted],
            ..empty(2)
        })
        .await
        .unwrap();
    in_the_feed(store, 4).await;
    (first, committed.position)
}

/// Waits until the feed has so many events.
async fn in_the_feed(store: &Shared, count: u64) {
    let mut position = store.position();
    timeout(
        Duration::from_secs(30),
        position.wait_for(|newest| *newest >= count),
    )
    .await
    .expect("in the feed")
    .unwrap();
}

pub(in super::super) async fn the_feed_is_in_order(store: Shared) {
    let (order, position) = feed(&store).await;
    let events = store
        .events(EventFilter {
            limit: 100,
            ..EventFilter::default()
        })
        .await
        .unwrap();
    assert!(events.is_sorted_by(|one, next| one.position < next.position));
    assert_eq!(
        events
            .iter()
            .map(|event| event.sequence)
            .collect::<Vec<_>>(),
        [1, 1, 2, 3]
    );
    let newest = &events[3];
    assert!(position.is_none_or(|told| told == newest.position));
    assert_eq!(newest.event_type, "com.orderway.order.released.v1");
    assert_eq!(
        (newest.subject.as_str(), newest.time),
        (order.to_string().as_str(), at(2))
    );
    assert_eq!(
        (newest.account.clone(), &newest.data),
        (Some(account("A-1")), &json!({"what": "order.released"}))
    );
}

pub(in super::super) async fn no_position_is_given_again_after_the_store_was_set_back(
    store: Shared,
) {
    let behind = |at| u64::try_from(set_back_position(at)).unwrap();
    let after = |after| EventFilter {
        after,
        limit: 100,
        ..EventFilter::default()
    };
    let first = behind(at(1));
    store.set_back(at(1)).await.unwrap();
    feed(&store).await;
    in_the_feed(&store, first + 4).await;
    let events = store.events(after(first)).await.unwrap();
    assert_eq!(events.len(), 4, "also where there was no event before");
    let second = behind(at(9));
    assert!(events.iter().all(|event| event.position < second));
    store.set_back(at(9)).await.unwrap();
    // Of a clock that is behind; what was given stays behind.
    store.set_back(at(2)).await.unwrap();
    store
        .commit(order(Uuid::now_v7(), 0, "PO-9"))
        .await
        .unwrap();
    in_the_feed(&store, second + 1).await;
    let later = store.events(after(events[3].position)).await.unwrap();
    assert!(!later.is_empty() && later.iter().all(|event| event.position > second));
}

pub(in super::super) async fn the_feed_is_filtered(store: Shared) {
    let (order, _position) = feed(&store).await;
    let count = async |edit: &dyn Fn(&mut EventFilter)| {
        let mut filter = EventFilter {
            limit: 100,
            ..EventFilter::default()
        };
        edit(&mut filter);
        store.events(filter).await.unwrap().len()
    };
    let second = store
        .events(EventFilter {
            limit: 2,
            ..EventFilter::default()
        })
        .await
        .unwrap()[1]
        .position;
    assert_eq!(count(&|filter| filter.after = second).await, 2);
    assert_eq!(count(&|filter| filter.limit = 3).await, 3);
    assert_eq!(
        count(&|filter| filter.accounts = Some(vec![account("A-2")])).await,
        1
    );
    assert_eq!(
        count(&|filter| filter.company = "DE01".parse().ok()).await,
        0
    );
    assert_eq!(count(&|filter| filter.subject = Some(order)).await, 3);
    assert_eq!(
        count(&|filter| filter.types = vec!["order.accepted".to_owned()]).await,
        1
    );
}

pub(in super::super) async fn the_feed_wakes_who_waits(store: Shared) {
    let mut position = store.position();
    let before = *position.borrow_and_update();
    let committed = store
        .commit(order(Uuid::now_v7(), 0, "PO-1"))
        .await
        .unwrap();
    timeout(Duration::from_secs(30), position.changed())
        .await
        .expect("woken")
        .unwrap();
    let newest = *position.borrow();
    assert!(newest > before && committed.position.is_none_or(|told| told == newest));
}

pub(in super::super) async fn one_failing_commit_does_not_spoil_others(store: Shared) {
    let taken = Uuid::now_v7();
    store.commit(order(taken, 0, "PO-taken")).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..64_u32 {
        let store = store.clone();
        let purchase_order = if number % 2 == 0 {
            format!("PO-{number}")
        } else {
            "PO-taken".to_owned()
        };
        tasks.spawn(async move {
            let commit = Commit {
                audit: vec![audit("order.received")],
                ..order(Uuid::now_v7(), 0, &purchase_order)
            };
            (number, store.commit(commit).await)
        });
    }
    for (number, outcome) in tasks.join_all().await {
        assert_eq!(outcome.is_ok(), number % 2 == 0, "{number}: {outcome:?}");
    }
    let orders = store
        .orders(
            &company(),
            OrderFilter {
                limit: 100,
                ..OrderFilter::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(orders.len(), 33);
    in_the_feed(&store, 33).await;
    let events = store
        .events(EventFilter {
            limit: 100,
            ..EventFilter::default()
        })
        .await
        .unwrap();
    assert_eq!(events.len(), 33);
}

pub(in super::super) async fn facts_of_decisions_come_back_as_they_were(store: Shared) {
    let record = |facts| DecisionRecord {
        decision_id: Uuid::now_v7(),
        kind: "order".to_owned(),
        account: account("A-1"),
        subject: "order".to_owned(),
        decided_at: at(0),
        request: json!({"lines": [1]}),
        facts,
        steps: vec![DecisionStep {
            about: "price".to_owned(),
            line: Some(1),
            rule: "contract".to_owned(),
            chosen: "12.50".to_owned(),
            rejected: Vec::new(),
        }],
        outcome: json!({"accepted": true}),
    };
    for facts in [
        json!({"account": {"id": "A-1"}, "stock": [{"item": "1"}, {"item": "2"}], "none": [], "credit": null}),
        json!({"account": {"id": "A-1"}, "stock": [{"item": "2"}], "degraded": false}),
        json!("one"),
        json!({}),
    ] {
        let written = record(facts);
        store
            .commit(Commit {
                decision: Some(NewDecision::of(written.clone()).unwrap()),
                ..empty(0)
            })
            .await
            .unwrap();
        let found = store.decision(written.decision_id).await.unwrap();
        assert_eq!(found, Some((company(), written)));
    }
    assert!(store.decision(Uuid::now_v7()).await.unwrap().is_none());
}

/// Nobody else is at it, and it would never succeed: who is told of contention would send it again for ever.
pub(in super::super) async fn a_decision_that_is_there_already_is_no_contention(store: Shared) {
    let again = only(&decided(Uuid::from_u128(1), 0));
    store.commit(again.clone()).await.unwrap();
    let refused = store.commit(again).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
}

pub(in super::super) async fn expired_reservations_are_found_oldest_first(store: Shared) {
    let ids: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    for (id, expires_at) in ids
        .iter()
        .zip([Some(at(20)), Some(at(10)), Some(at(40)), None])
    {
        store.commit(reservation(*id, expires_at)).await.unwrap();
    }
    assert_eq!(
        store.expired_reservations(at(30), 10).await.unwrap(),
        [ids[1], ids[0]]
    );
    assert_eq!(
        store.expired_reservations(at(30), 1).await.unwrap(),
        [ids[1]]
    );
    assert!(
        store
            .expired_reservations(at(9), 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(in super::super) async fn what_has_expired_is_swept(store: Shared) {
    for (key, expires_at) in [("old", at(10)), ("new", at(20))] {
        store
            .commit(Commit {
                idempotency: Some(answer(key, expires_at)),
                ..empty(0)
            })
            .await
            .unwrap();
    }
    assert_eq!(store.sweep(at(15)).await.unwrap(), 1);
    assert_eq!(store.sweep(at(15)).await.unwrap(), 0);
    let scope = "US01/buyer/create_order";
    assert!(store.idempotency(scope, "old").await.unwrap().is_none());
    assert!(store.idempotency(scope, "new").await.unwrap().is_some());
    store.check().await.unwrap();
}

pub(in super::super) async fn held_reservations_are_of_one_account(store: Shared) {
    let (held, ended) = (Uuid::now_v7(), Uuid::now_v7());
    for (id, expires_at) in [(held, Some(at(20))), (ended, None)] {
        store.commit(reservation(id, expires_at)).await.unwrap();
    }
    let of = async |company: &str, number: &str, limit| {
        let company = company.parse().unwrap();
        let found = store
            .held_reservations(&company, &account(number), limit)
            .await;
        found.unwrap().len()
    };
    assert_eq!(
        of("US01", "A-1", 10).await,
        1,
        "one that has ended holds nothing"
    );
    assert_eq!(of("US01", "A-1", 0).await, 0);
    assert_eq!(of("US01", "A-2", 10).await, 0);
    assert_eq!(of("DE01", "A-1", 10).await, 0);
}
