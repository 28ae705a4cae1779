//! The CRM's routes from outside, in front of a live sandbox.

use reqwest::StatusCode;
use sandbox::crm::{Lifecycle, TaskStatus};
use serde_json::{Value, json};

use crate::tests::Layer;

const CRM: &str = "/v1/companies/NWI/crm";

fn task(account: &str) -> Value {
    json!({
        "task_reference": "OW7K2M4Q9T1B-CREDIT", "account": account, "subject": "Call about the limit",
        "description": "The order waits.", "due_date": "2026-12-01",
    })
}

async fn body(response: reqwest::Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn standings_are_kept_and_told_with_their_age() {
    let layer = Layer::staged().await;
    let path = format!("{CRM}/accounts/query");
    let query = json!({ "accounts": ["BOREALIS", "NOBODY", "ACME", "BOREALIS"] });
    let response = layer.post(&path, &query).await;
    assert_eq!(response.headers()["cache-status"], "system-apis; fwd=miss");
    let (status, told) = body(response).await;
    assert_eq!(status, StatusCode::OK);
    let numbers: Vec<_> = told["standings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["account"].as_str().unwrap(),
                one["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(numbers, [("BOREALIS", "active"), ("ACME", "active")]);

    let crm = &layer.sandbox.crm;
    crm.set_lifecycle("ACME", Lifecycle::OnHold).unwrap();
    let one = json!({ "accounts": ["ACME"] });
    let response = layer.post(&path, &one).await;
    assert_eq!(response.headers()["cache-status"], "system-apis; hit");
    let (_, told) = body(response).await;
    assert_eq!(told["standings"][0]["status"], "active", "as it was read");
    let fresh = json!({ "accounts": ["ACME"], "max_age_seconds": 0 });
    let (_, told) = body(layer.post(&path, &fresh).await).await;
    assert_eq!(told["standings"][0]["status"], "blocked");
}

#[tokio::test]
async fn contacts_come_with_their_account() {
    let layer = Layer::staged().await;
    let query = json!({ "accounts": ["ACME", "ACME-WEST"] });
    let (status, told) = body(layer.post(&format!("{CRM}/contacts/query"), &query).await).await;
    assert_eq!(status, StatusCode::OK);
    let of_acme = &told["accounts"][0];
    assert_eq!(of_acme["account"], "ACME");
    assert_eq!(
        of_acme["contacts"][0]["email"],
        "dana.whitfield@acme.example"
    );
    assert_eq!(of_acme["contacts"][0]["roles"], json!(["purchasing"]));
    assert_eq!(told["accounts"][1]["contacts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_task_is_made_once_found_and_completed() {
    let layer = Layer::staged().await;
    let path = format!("{CRM}/tasks");
    let (status, made) = body(layer.post(&path, &task("ACME")).await).await;
    assert_eq!(
        (status, &made["state"]),
        (StatusCode::CREATED, &json!("open"))
    );
    let (status, again) = body(layer.post(&path, &task("ACME")).await).await;
    assert_eq!((status, &again), (StatusCode::OK, &made));
    let (status, other) = body(layer.post(&path, &task("BOREALIS")).await).await;
    assert_eq!(
        (status, &other["code"], &other["existing"]),
        (
            StatusCode::CONFLICT,
            &json!("backend-conflict"),
            &made["number"]
        )
    );

    let number = made["number"].as_str().unwrap();
    let found = layer
        .get(&format!("{path}?task_reference=OW7K2M4Q9T1B-CREDIT"))
        .await;
    assert_eq!(body(found).await.1, json!({ "tasks": [made] }));
    let done = layer
        .post(&format!("{path}/{number}/complete"), &json!({}))
        .await;
    assert_eq!(body(done).await.1["state"], "done");
    let (_, read) = body(layer.get(&format!("{path}/{number}")).await).await;
    assert_eq!(read["state"], "done");
    let kept = layer.sandbox.crm.tasks();
    let ours = kept.iter().filter(|one| one.id == number);
    assert!(ours.clone().all(|one| one.status == TaskStatus::Completed));
    assert_eq!(ours.count(), 1);
}

#[tokio::test]
async fn what_is_no_task_is_refused_before_the_crm_hears_of_it() {
    let layer = Layer::staged().await;
    let path = format!("{CRM}/tasks");
    for (field, value) in [
        ("subject", json!("  ")),
        ("subject", json!("two\nlines")),
        ("subject", json!("x".repeat(121))),
        ("description", json!("x".repeat(4_001))),
        ("task_reference", json!("x".repeat(41))),
        ("colour", json!("red")),
    ] {
        let mut task = task("ACME");
        task[field] = value;
        let (status, problem) = body(layer.post(&path, &task).await).await;
        assert!(status.is_client_error(), "{field}: {status} {problem}");
        assert_ne!(problem["code"], "backend-rejected", "{field}");
    }
    assert!(layer.sandbox.crm.calls().is_empty());
    let (status, problem) = body(layer.get(&format!("{path}/tsk_1")).await).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::NOT_FOUND, &json!("backend-not-found"))
    );
}

#[tokio::test]
async fn a_company_without_a_crm_is_told_so() {
    let layer = Layer::changed(|config| {
        for company in config.companies.values_mut() {
            company.crm = None;
        }
    })
    .await;
    for path in ["/capabilities", "/tasks/tsk_090001"] {
        let (status, problem) = body(layer.get(&format!("{CRM}{path}")).await).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::NOT_FOUND, &json!("backend-not-configured")),
            "{path}"
        );
    }
    let (status, problem) = body(layer.post(&format!("{CRM}/tasks"), &task("ACME")).await).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::NOT_FOUND, &json!("backend-not-configured"))
    );
}

#[tokio::test]
async fn the_guard_and_what_the_crm_can_do_are_shown() {
    let layer = Layer::staged().await;
    let (_, can) = body(layer.get(&format!("{CRM}/capabilities")).await).await;
    assert_eq!(
        (&can["crm"], &can["task_class"], &can["completes_tasks"]),
        (&json!("customers"), &json!("unique"), &json!(true))
    );
    let (_, systems) = body(layer.get("/v1/systems").await).await;
    let systems = systems["systems"].as_array().unwrap();
    let crm = systems.iter().find(|one| one["kind"] == "crm").unwrap();
    assert_eq!(crm["companies"], json!(["NWI"]));
    assert_eq!(crm["operations"].as_array().unwrap().len(), 6);
}
