//! Who reads which decision.

use axum::http::StatusCode;
use canonical_model::decision::DecisionRecord;
use serde_json::json;
use service_runtime::context::{AccountScope, CallContext};
use uuid::Uuid;

use super::router;
use crate::{
    events::harness::{Harness, buyer, caller, commit, noon},
    store::{Commit, NewDecision},
};

#[tokio::test]
async fn a_decision_is_read_by_its_account_and_a_foreign_one_is_not_there() {
    let harness = Harness::new(router());
    let record = DecisionRecord {
        decision_id: Uuid::now_v7(),
        kind: "quote".to_owned(),
        account: "A-1".parse().unwrap(),
        subject: "q".to_owned(),
        decided_at: noon(),
        request: json!({"lines": []}),
        facts: json!({"prices": [{"item": "SKU-1", "amount": "12.50"}]}),
        steps: Vec::new(),
        outcome: json!({"total": "12.50"}),
    };
    harness
        .store
        .commit(Commit {
            decision: Some(NewDecision::of(record.clone()).unwrap()),
            ..commit("US01")
        })
        .await
        .unwrap();
    let path = format!("/v1/decisions/{}", record.decision_id);
    for reader in [
        buyer(&["decisions:read"], &["A-1"]),
        caller(&["decisions:read"], AccountScope::All),
    ] {
        let (status, read) = harness.get(&reader, &path).await;
        assert_eq!(
            (status, read),
            (StatusCode::OK, serde_json::to_value(&record).unwrap())
        );
    }
    let own = buyer(&["decisions:read"], &["A-1"]);
    let absent = harness
        .get(&own, &format!("/v1/decisions/{}", Uuid::now_v7()))
        .await;
    assert_eq!(absent.0, StatusCode::NOT_FOUND);
    let elsewhere = CallContext {
        company: Some("DE01".to_owned()),
        ..own
    };
    for reader in [buyer(&["decisions:read"], &["A-2"]), elsewhere] {
        assert_eq!(harness.get(&reader, &path).await, absent);
    }
    assert_eq!(
        harness
            .get(&buyer(&["orders:read"], &["A-1"]), &path)
            .await
            .0,
        StatusCode::FORBIDDEN
    );
}
