//! The CRM from outside.

use std::num::NonZeroU32;

use sandbox::{RunningSandbox, SandboxConfig, TaskRule, crm::TaskStatus};
use serde_json::{Value, json};

use crate::support::{config, http, start, start_with};

fn url(sandbox: &RunningSandbox, path: &str) -> String {
    format!("{}/crm/v3/{path}", sandbox.crm_url())
}

async fn send(request: reqwest::RequestBuilder) -> (u16, Value) {
    let request = request.bearer_auth(SandboxConfig::CRM_TOKEN);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

async fn post(sandbox: &RunningSandbox, path: &str, body: &Value) -> (u16, Value) {
    send(http().post(url(sandbox, path)).json(body)).await
}

fn task(reference: &str) -> Value {
    json!({ "externalReference": reference, "accountId": "acc_070001", "title": "Call", "dueOn": "2026-12-01" })
}

#[tokio::test]
async fn without_the_token_nothing_is_answered() {
    let sandbox = start().await;
    let before = sandbox.crm.tasks();
    let request = http().post(url(&sandbox, "tasks")).json(&task("T1"));
    assert_eq!(request.send().await.expect("an answer").status(), 401);
    assert_eq!(sandbox.crm.tasks(), before);
}

#[tokio::test]
async fn accounts_are_found_by_their_number_and_contacts_by_the_account_s_id() {
    let sandbox = start().await;
    let search = json!({ "accountNumbers": ["BOREALIS", "NOBODY"] });
    let (status, found) = post(&sandbox, "accounts/search", &search).await;
    assert_eq!((status, &found["nextCursor"]), (200, &Value::Null));
    let records = found["records"].as_array().expect("records");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["lifecycle"], "customer");

    let mut search = json!({ "accountIds": [records[0]["id"]], "limit": 2 });
    let mut contacts = Vec::new();
    loop {
        let (status, page) = post(&sandbox, "contacts/search", &search).await;
        assert_eq!(status, 200, "{page}");
        contacts.extend(page["records"].as_array().expect("records").clone());
        if page["nextCursor"].is_null() {
            break;
        }
        search["cursor"] = page["nextCursor"].clone();
    }
    assert_eq!(contacts.len(), 3, "the third account has three people");
    assert!(
        contacts
            .iter()
            .all(|one| one["accountId"] == records[0]["id"])
    );

    search["cursor"] = json!("mine");
    let (status, refused) = post(&sandbox, "contacts/search", &search).await;
    assert_eq!(status, 400);
    assert_eq!(refused["errors"][0]["errorCode"], "INVALID_CURSOR");
}

#[tokio::test]
async fn a_second_task_of_one_reference_is_what_is_configured() {
    for (rule, status, found) in [
        (TaskRule::Unique, 409, 1),
        (TaskRule::Searchable, 201, 2),
        (TaskRule::Blind, 201, 0),
    ] {
        let sandbox = start_with(SandboxConfig {
            crm_tasks: rule,
            ..config()
        })
        .await;
        let (made, first) = post(&sandbox, "tasks", &task("T1")).await;
        assert_eq!((made, &first["status"]), (201, &json!("notStarted")));
        let (second, answer) = post(&sandbox, "tasks", &task("T1")).await;
        assert_eq!(second, status, "{rule:?}");
        if rule == TaskRule::Unique {
            assert_eq!(answer["errors"][0]["existingId"], first["id"]);
        }
        let (_, page) = send(http().get(url(&sandbox, "tasks?externalReference=T1"))).await;
        assert_eq!(page["records"].as_array().expect("records").len(), found);
    }
}

#[tokio::test]
async fn a_closed_task_stays_as_it_is() {
    let sandbox = start().await;
    let (_, made) = post(&sandbox, "tasks", &task("T1")).await;
    let id = made["id"].as_str().expect("an id");
    let path = url(&sandbox, &format!("tasks/{id}"));
    for _twice in 0..2 {
        let (status, done) = send(http().patch(&path).json(&json!({"status": "completed"}))).await;
        assert_eq!((status, &done["status"]), (200, &json!("completed")));
    }
    let refused = sandbox.crm.set_status(id, TaskStatus::Dropped);
    assert!(refused.is_err(), "{refused:?}");
    let (status, refused) = send(http().patch(&path).json(&json!({"status": "dropped"}))).await;
    assert_eq!(
        (status, &refused["errors"][0]["errorCode"]),
        (409, &json!("TASK_CLOSED"))
    );
}

#[tokio::test]
async fn every_answer_tells_the_limit_and_above_it_none_is_taken() {
    let sandbox = start_with(SandboxConfig {
        crm_calls_per_second: NonZeroU32::MIN,
        ..config()
    })
    .await;
    let call = async || {
        let request = http().get(url(&sandbox, "tasks/tsk_000000"));
        let request = request.bearer_auth(SandboxConfig::CRM_TOKEN);
        request.send().await.expect("an answer")
    };
    let first = call().await;
    assert_eq!(first.status(), 404);
    assert_eq!(first.headers()["x-ratelimit-limit"], "1");
    // The second of a second is refused; a slow machine may need some more.
    let mut refused = call().await;
    for _again in 0..100 {
        if refused.status() == 429 {
            break;
        }
        refused = call().await;
    }
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["x-ratelimit-remaining"], "0");
}
