//! Who reads which events, where reading goes on, and what waiting waits for.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;
use service_runtime::context::{AccountScope, CallContext};
use uuid::Uuid;

use super::{
    harness::{Harness, buyer, caller, commit, order_event},
    router,
};
use crate::store::Commit;

async fn add(harness: &Harness, company: &str, account: &str, event_type: &'static str) -> Uuid {
    let order = Uuid::now_v7();
    let changes = vec![order_event(account, order, event_type)];
    harness
        .store
        .commit(Commit {
            changes,
            ..commit(company)
        })
        .await
        .unwrap();
    order
}

async fn filled() -> Harness {
    let harness = Harness::new(router());
    for (company, account, event_type) in [
        ("US01", "A-1", "order.received"),
        ("US01", "A-2", "order.held"),
        ("DE01", "A-1", "order.received"),
        ("US01", "A-1", "order.accepted"),
    ] {
        add(&harness, company, account, event_type).await;
    }
    harness
}

async fn positions(harness: &Harness, who: &CallContext, query: &str) -> (Vec<u64>, u64) {
    let (status, page) = harness.get(who, &format!("/v1/events{query}")).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let events = page["events"].as_array().unwrap();
    (
        events
            .iter()
            .map(|event| event["position"].as_u64().unwrap())
            .collect(),
        page["next"].as_u64().unwrap(),
    )
}

#[tokio::test]
async fn a_caller_reads_the_events_of_its_accounts() {
    let harness = filled().await;
    let everyone = caller(&["feed:all"], AccountScope::All);
    assert_eq!(positions(&harness, &everyone, "").await, (vec![1, 2, 4], 4));
    let layer = CallContext {
        company: None,
        ..everyone.clone()
    };
    assert_eq!(positions(&harness, &layer, "").await, (vec![1, 2, 3, 4], 4));
    let own = buyer(&["events:read"], &["A-2"]);
    assert_eq!(
        positions(&harness, &own, "").await,
        (vec![2], 4),
        "the cursor moves over what is not for it"
    );
    let none = buyer(&["events:read"], &[]);
    assert_eq!(positions(&harness, &none, "").await, (vec![], 4));
    for refused in [
        caller(&["events:read"], AccountScope::All),
        buyer(&["orders:read"], &["A-1"]),
    ] {
        assert_eq!(
            harness.get(&refused, "/v1/events").await.0,
            StatusCode::FORBIDDEN
        );
    }
}

#[tokio::test]
async fn reading_goes_on_where_it_ended() {
    let harness = filled().await;
    let own = buyer(&["events:read"], &["A-1", "A-2"]);
    assert_eq!(positions(&harness, &own, "?limit=1").await, (vec![1], 1));
    assert_eq!(
        positions(&harness, &own, "?after=1&limit=2").await,
        (vec![2, 4], 4)
    );
    assert_eq!(positions(&harness, &own, "?after=4").await, (vec![], 4));
    assert_eq!(positions(&harness, &own, "?after=99").await, (vec![], 99));
    assert_eq!(
        positions(&harness, &own, "?after=latest").await,
        (vec![], 4)
    );
    let types = "?types=order.held,com.orderway.order.accepted.v1";
    assert_eq!(positions(&harness, &own, types).await, (vec![2, 4], 4));
    for wrong in ["?limit=0", "?limit=501", "?wait=31", "?types=,"] {
        let (status, problem) = harness.get(&own, &format!("/v1/events{wrong}")).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{wrong}: {problem}"
        );
    }
    for unreadable in ["?after=newest", "?after=-1"] {
        let (status, problem) = harness.get(&own, &format!("/v1/events{unreadable}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{unreadable}: {problem}");
        assert!(problem.to_string().contains("latest"), "{problem}");
    }
}

#[tokio::test]
async fn who_waits_is_woken_by_a_commit_of_its_own_and_by_no_other() {
    let harness = std::sync::Arc::new(filled().await);
    let reader = tokio::spawn({
        let harness = std::sync::Arc::clone(&harness);
        async move {
            positions(
                &harness,
                &buyer(&["events:read"], &["A-2"]),
                "?after=4&wait=30",
            )
            .await
        }
    });
    tokio::task::yield_now().await;
    add(&harness, "US01", "A-1", "order.received").await;
    add(&harness, "US01", "A-2", "order.received").await;
    let woken = tokio::time::timeout(Duration::from_secs(20), reader)
        .await
        .expect("woken before its time is over");
    assert_eq!(woken.unwrap(), (vec![6], 6));
}

#[tokio::test]
async fn a_time_line_is_of_one_order_and_a_foreign_one_is_not_there() {
    let harness = filled().await;
    let order = add(&harness, "US01", "A-1", "order.received").await;
    let path = format!("/v1/orders/{order}/events");
    let own = buyer(&["orders:read"], &["A-1"]);
    let (status, page) = harness.get(&own, &path).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["events"][0]["subject"], Value::from(order.to_string()));
    let (status, page) = harness
        .get(&own, &format!("{path}?after={}", page["next"]))
        .await;
    assert_eq!(
        (status, page["events"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(0))
    );

    let (absent, theirs) = (
        format!("/v1/orders/{}/events", Uuid::now_v7()),
        buyer(&["orders:read"], &["A-2"]),
    );
    let elsewhere = CallContext {
        company: Some("DE01".to_owned()),
        ..own.clone()
    };
    let expected = harness.get(&own, &absent).await;
    assert_eq!(expected.0, StatusCode::NOT_FOUND);
    for (who, path) in [(&theirs, &path), (&elsewhere, &path)] {
        assert_eq!(harness.get(who, path).await, expected);
    }
    assert_eq!(
        harness
            .get(&buyer(&["events:read"], &["A-1"]), &path)
            .await
            .0,
        StatusCode::FORBIDDEN
    );
}
