//! What a channel meets: stored once, owed once, leased to one, and nobody else's documents.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use service_runtime::{
    config::ByteSize,
    context::{AccountScope, CallContext},
};
use uuid::Uuid;

use super::{DocumentsConfig, router};
use crate::events::harness::{Harness, buyer, caller};

const SCOPE: &[&str] = &["documents:write"];

fn channel() -> CallContext {
    caller(SCOPE, AccountScope::All)
}

/// "ISA" and a number, in base64.
fn interchange(key: &str, content: &str) -> Value {
    json!({"partner": "ACME", "account": "A-1", "content_base64": content, "media_type": "application/edi-x12",
        "duplicate_keys": [key], "work": true,
        "owed": [{"kind": "functional_acknowledgment", "context": {"group": 1}}]})
}

async fn store(harness: &Harness, key: &str, content: &str) -> (StatusCode, Value) {
    harness
        .post(&channel(), "/v1/documents", interchange(key, content))
        .await
}

#[tokio::test]
async fn what_is_stored_again_is_answered_with_the_first_and_what_it_owes() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let (status, first) = store(&harness, "isa/1", "SVNBMQ==").await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    assert_eq!(
        (&first["repeated"], &first["document"]["state"]),
        (&json!(false), &json!("received"))
    );
    assert!(
        first["document"]["lease"].is_string() && first["document"]["content_base64"].is_null()
    );
    let owed = &first["owed"][0];
    assert_eq!(
        (
            &owed["control_number"],
            &owed["state"],
            &owed["context"]["group"]
        ),
        (&json!(1), &json!("due"), &json!(1))
    );
    assert_eq!(owed["answers"], first["document"]["document_id"]);

    let (status, again) = store(&harness, "isa/1", "SVNBMQ==").await;
    assert_eq!((status, &again["repeated"]), (StatusCode::OK, &json!(true)));
    assert_eq!(
        again["document"]["document_id"],
        first["document"]["document_id"]
    );
    assert_eq!(
        (
            again["owed"].as_array().map(Vec::len),
            &again["owed"][0]["lease"]
        ),
        (Some(1), &Value::Null)
    );

    harness.time.advance(SignedDuration::from_secs(31));
    let (_, later) = store(&harness, "isa/1", "SVNBMQ==").await;
    let now_owed = &later["owed"][0];
    assert_eq!(
        (&now_owed["document_id"], &now_owed["control_number"]),
        (&owed["document_id"], &json!(1))
    );
    assert!(
        now_owed["lease"].is_string(),
        "the first lease has ended: {later}"
    );

    let (status, other) = store(&harness, "isa/1", "SVNBMg==").await;
    assert_eq!(
        (status, &other["code"]),
        (StatusCode::CONFLICT, &json!("duplicate-control-number"))
    );
}

#[tokio::test]
async fn an_acknowledgment_is_rendered_waits_in_the_mailbox_and_is_confirmed() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let (_, stored) = store(&harness, "isa/1", "SVNBMQ==").await;
    let id = stored["owed"][0]["document_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/documents/{id}");
    let confirm = format!("{path}/confirm");
    let (status, early) = harness.post(&channel(), &confirm, Value::Null).await;
    assert_eq!(
        (status, &early["code"]),
        (StatusCode::CONFLICT, &json!("document-not-ready"))
    );

    let content = |lease: &Value| json!({"lease": lease, "content_base64": "OTk3", "media_type": "application/edi-x12"});
    let foreign = content(&json!(Uuid::new_v4()));
    let (status, lost) = harness
        .send("PUT", &channel(), &format!("{path}/content"), foreign)
        .await;
    assert_eq!(
        (status, &lost["code"]),
        (StatusCode::CONFLICT, &json!("lease-lost"))
    );
    let own = content(&stored["owed"][0]["lease"]);
    let (status, ready) = harness
        .send("PUT", &channel(), &format!("{path}/content"), own)
        .await;
    assert_eq!((status, &ready["state"]), (StatusCode::OK, &json!("ready")));

    let mailbox = "/v1/documents?partner=ACME&direction=outbound&state=ready";
    let (_, waiting) = harness.get(&channel(), mailbox).await;
    assert_eq!(waiting["items"][0]["document_id"], json!(id));
    for _ in 0..2 {
        let (status, delivered) = harness.post(&channel(), &confirm, Value::Null).await;
        assert_eq!(
            (status, &delivered["state"]),
            (StatusCode::OK, &json!("delivered"))
        );
    }
    assert_eq!(harness.get(&channel(), mailbox).await.1["items"], json!([]));
    assert_eq!(
        harness.get(&channel(), &path).await.1["content_base64"],
        json!("OTk3")
    );

    let (_, again) = store(&harness, "isa/1", "SVNBMQ==").await;
    assert_eq!(
        again["owed"][0]["content_base64"],
        json!("OTk3"),
        "a repetition gets the bytes that were sent"
    );
}

#[tokio::test]
async fn an_inbound_document_is_carried_on_by_another_when_its_lease_ends() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let (_, stored) = store(&harness, "isa/1", "SVNBMQ==").await;
    let ask = json!({"direction": "inbound", "limit": 10, "seconds": 30});
    let path = "/v1/documents/leases";
    assert_eq!(
        harness.post(&channel(), path, ask.clone()).await.1["documents"],
        json!([])
    );
    harness.time.advance(SignedDuration::from_secs(31));
    let (_, taken) = harness.post(&channel(), path, ask).await;
    let document = &taken["documents"][0];
    assert_eq!(
        (&document["document_id"], &document["content_base64"]),
        (&stored["document"]["document_id"], &json!("SVNBMQ=="))
    );

    let path = format!(
        "/v1/documents/{}/answer",
        document["document_id"].as_str().unwrap()
    );
    let owed = json!([{"kind": "order_acknowledgment", "context": {"rejected": "PO-1"}}]);
    let stale = json!({"lease": stored["document"]["lease"], "owed": owed});
    assert_eq!(
        harness.post(&channel(), &path, stale).await.1["code"],
        json!("lease-lost")
    );
    let own = json!({"lease": document["lease"], "owed": owed});
    for _ in 0..2 {
        let (status, answered) = harness.post(&channel(), &path, own.clone()).await;
        assert_eq!(
            (status, &answered["state"]),
            (StatusCode::OK, &json!("answered"))
        );
    }
    let (_, outbound) = harness
        .get(&channel(), "/v1/documents?partner=ACME&direction=outbound")
        .await;
    let numbers: Vec<&Value> = outbound["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["control_number"])
        .collect();
    assert_eq!(
        numbers,
        [&json!(1), &json!(2)],
        "owed once, however often it is said"
    );
}

#[tokio::test]
async fn a_document_that_is_put_off_is_given_to_nobody_until_then() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let (_, stored) = store(&harness, "isa/1", "SVNBMQ==").await;
    let document = &stored["document"];
    let path = format!(
        "/v1/documents/{}/postpone",
        document["document_id"].as_str().unwrap()
    );
    let lease = &document["lease"];
    let (status, _) = harness
        .post(&channel(), &path, json!({"lease": lease, "seconds": 3601}))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let other = json!({"lease": Uuid::nil(), "seconds": 60});
    assert_eq!(
        harness.post(&channel(), &path, other).await.1["code"],
        json!("lease-lost")
    );
    let (status, kept) = harness
        .post(&channel(), &path, json!({"lease": lease, "seconds": 600}))
        .await;
    assert_eq!(
        (status, &kept["state"]),
        (StatusCode::OK, &json!("received"))
    );
    let ask = json!({"direction": "inbound", "limit": 10, "seconds": 30});
    let path = "/v1/documents/leases";
    harness.time.advance(SignedDuration::from_secs(599));
    assert_eq!(
        harness.post(&channel(), path, ask.clone()).await.1["documents"],
        json!([])
    );
    harness.time.advance(SignedDuration::from_secs(2));
    let (_, taken) = harness.post(&channel(), path, ask).await;
    assert_eq!(taken["documents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_waits_for_work_is_woken_by_it() {
    let harness = Arc::new(Harness::new(router(DocumentsConfig::default())));
    let waiting = tokio::spawn({
        let harness = Arc::clone(&harness);
        let ask = json!({"direction": "inbound", "limit": 10, "seconds": 30, "wait_seconds": 30});
        async move {
            harness
                .post(&channel(), "/v1/documents/leases", ask)
                .await
                .1
        }
    });
    tokio::task::yield_now().await;
    store(&harness, "isa/1", "SVNBMQ==").await;
    harness.time.advance(SignedDuration::from_secs(31));
    let leased = tokio::time::timeout(Duration::from_secs(25), waiting)
        .await
        .expect("woken")
        .unwrap();
    assert_eq!(leased["documents"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_foreign_document_is_not_there() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let (_, stored) = store(&harness, "isa/1", "SVNBMQ==").await;
    let path = format!(
        "/v1/documents/{}",
        stored["document"]["document_id"].as_str().unwrap()
    );
    let absent = harness
        .get(&channel(), &format!("/v1/documents/{}", Uuid::now_v7()))
        .await;
    assert_eq!(absent.0, StatusCode::NOT_FOUND);
    let foreigners = [
        buyer(SCOPE, &["A-2"]),
        CallContext {
            channel: "cxml".to_owned(),
            ..channel()
        },
        CallContext {
            company: Some("DE01".to_owned()),
            ..channel()
        },
    ];
    let answer = json!({"lease": stored["document"]["lease"], "owed": []});
    let content = json!({"lease": stored["document"]["lease"], "content_base64": "MQ==", "media_type": "text/plain"});
    for foreigner in &foreigners {
        assert_eq!(harness.get(foreigner, &path).await, absent);
        assert_eq!(
            harness
                .post(foreigner, &format!("{path}/answer"), answer.clone())
                .await,
            absent
        );
        assert_eq!(
            harness
                .post(foreigner, &format!("{path}/confirm"), Value::Null)
                .await,
            absent
        );
        assert_eq!(
            harness
                .send(
                    "PUT",
                    foreigner,
                    &format!("{path}/content"),
                    content.clone()
                )
                .await,
            absent
        );
        let (_, listed) = harness
            .get(foreigner, "/v1/documents?partner=ACME&direction=inbound")
            .await;
        assert_eq!(listed["items"], json!([]));
    }
    let (status, _) = harness
        .post(
            &foreigners[0],
            "/v1/documents",
            interchange("isa/2", "MQ=="),
        )
        .await;
    assert_eq!(
        status,
        StatusCode::NOT_FOUND,
        "nobody stores for an account of another"
    );
    assert_eq!(
        harness
            .get(&buyer(&["orders:read"], &["A-1"]), &path)
            .await
            .0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn all_faults_are_told_at_once_and_pages_follow_each_other() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let wrong = json!({"partner": "", "account": "A-1", "content_base64": "", "media_type": "x\u{7}",
        "duplicate_keys": ["ok", ""], "work": true, "owed": []});
    let (status, problem) = harness.post(&channel(), "/v1/documents", wrong).await;
    let pointers: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|fault| fault["pointer"].as_str())
        .collect();
    assert_eq!(
        (status, pointers),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            vec![
                "/partner",
                "/media_type",
                "/content_base64",
                "/duplicate_keys/1"
            ]
        )
    );
    let (status, problem) = store(&harness, "isa/1", "no base64").await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/content_base64"))
    );

    for number in 0..3 {
        assert_eq!(
            store(&harness, &format!("isa/{number}"), "MQ==").await.0,
            StatusCode::CREATED
        );
    }
    let list = "/v1/documents?partner=ACME&direction=inbound&limit=2";
    let (_, first) = harness.get(&channel(), list).await;
    let (_, second) = harness
        .get(
            &channel(),
            &format!("{list}&cursor={}", first["next"].as_str().unwrap()),
        )
        .await;
    assert_eq!(
        (
            first["items"].as_array().map(Vec::len),
            second["items"].as_array().map(Vec::len)
        ),
        (Some(2), Some(1))
    );
    assert!(second["next"].is_null());
}

#[tokio::test]
async fn a_body_may_be_as_large_as_configured_and_no_larger() {
    let limit = 1_000;
    let config = DocumentsConfig {
        body_limit: ByteSize::bytes(limit),
        ..DocumentsConfig::default()
    };
    let harness = Harness::new(router(config));
    let empty = interchange("isa/1", "").to_string().len();
    let room = usize::try_from(limit).unwrap() - empty;
    let (status, _) = store(&harness, "isa/1", &"A".repeat(room / 4 * 4)).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, _) = store(&harness, "isa/2", &"A".repeat(room / 4 * 4 + 4)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

/// Stores an interchange, renders the acknowledgement it owes, and answers the address of that.
async fn rendered(harness: &Harness, key: &str) -> String {
    let (_, stored) = store(harness, key, "SVNBMQ==").await;
    let owed = &stored["owed"][0];
    let path = format!("/v1/documents/{}", owed["document_id"].as_str().unwrap());
    let content =
        json!({"lease": owed["lease"], "content_base64": "OTk3", "media_type": "text/xml"});
    let (status, ready) = harness
        .send("PUT", &channel(), &format!("{path}/content"), content)
        .await;
    assert_eq!(status, StatusCode::OK, "{ready}");
    path
}

fn ready() -> Value {
    json!({"direction": "outbound", "state": "ready", "limit": 10, "seconds": 30})
}

#[tokio::test]
async fn a_document_is_sent_put_off_and_confirmed_under_its_lease() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let path = rendered(&harness, "isa/1").await;
    let leases = "/v1/documents/leases";
    let (_, leased) = harness.post(&channel(), leases, ready()).await;
    let document = &leased["documents"][0];
    assert_eq!(document["content_base64"], json!("OTk3"), "{leased}");
    let postpone = json!({"lease": document["lease"], "seconds": 60});
    let (status, kept) = harness
        .post(&channel(), &format!("{path}/postpone"), postpone)
        .await;
    assert_eq!((status, &kept["state"]), (StatusCode::OK, &json!("ready")));
    harness.time.advance(SignedDuration::from_secs(59));
    let (_, none) = harness.post(&channel(), leases, ready()).await;
    assert_eq!(none["documents"], json!([]));
    harness.time.advance(SignedDuration::from_secs(1));
    let (_, again) = harness.post(&channel(), leases, ready()).await;
    assert_eq!(again["documents"].as_array().map(Vec::len), Some(1));
    let (status, delivered) = harness
        .post(&channel(), &format!("{path}/confirm"), Value::Null)
        .await;
    assert_eq!(
        (status, &delivered["state"], &delivered["lease"]),
        (StatusCode::OK, &json!("delivered"), &Value::Null)
    );
    let refuse = json!({"lease": again["documents"][0]["lease"], "reason": "too late"});
    let (status, problem) = harness
        .post(&channel(), &format!("{path}/refuse"), refuse)
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("document-not-ready"))
    );
}

#[tokio::test]
async fn a_document_that_the_partner_does_not_take_is_refused_with_the_reason() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let path = rendered(&harness, "isa/1").await;
    let (_, leased) = harness
        .post(&channel(), "/v1/documents/leases", ready())
        .await;
    let refuse_path = format!("{path}/refuse");
    let refuse = |lease: &Value, reason: &str| json!({"lease": lease, "reason": reason});
    let lease = &leased["documents"][0]["lease"];
    let (status, blank) = harness
        .post(&channel(), &refuse_path, refuse(lease, " "))
        .await;
    assert_eq!(
        (status, &blank["errors"][0]["pointer"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/reason"))
    );
    let (_, lost) = harness
        .post(
            &channel(),
            &refuse_path,
            refuse(&json!(Uuid::new_v4()), "x"),
        )
        .await;
    assert_eq!(lost["code"], json!("lease-lost"));
    let cxml = CallContext {
        channel: "cxml".to_owned(),
        ..channel()
    };
    let foreign = harness.post(&cxml, &refuse_path, refuse(lease, "x")).await;
    assert_eq!(foreign.0, StatusCode::NOT_FOUND);
    for _ in 0..2 {
        let (status, refused) = harness
            .post(&channel(), &refuse_path, refuse(lease, "status 475"))
            .await;
        assert_eq!(
            (status, &refused["state"], &refused["outcome"]),
            (
                StatusCode::OK,
                &json!("refused"),
                &json!({"reason": "status 475"})
            )
        );
    }
    let list = "/v1/documents?partner=ACME&direction=outbound&state=refused";
    let (_, listed) = harness.get(&channel(), list).await;
    assert_eq!(
        listed["items"][0]["outcome"],
        json!({"reason": "status 475"})
    );
    // A person of the seller sees it, and changes nothing.
    let person = caller(&["documents:read"], AccountScope::All);
    assert_eq!(harness.get(&person, list).await.1, listed);
    assert_eq!(harness.get(&person, &path).await.0, StatusCode::OK);
    let confirm = format!("{path}/confirm");
    let (status, _) = harness.post(&person, &confirm, Value::Null).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (_, confirm) = harness.post(&channel(), &confirm, Value::Null).await;
    assert_eq!(confirm["code"], json!("document-not-ready"));
}

#[tokio::test]
async fn what_became_of_a_document_is_told_to_who_stores_it_again() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    let (_, stored) = store(&harness, "payload/1", "SVNBMQ==").await;
    let document = &stored["document"];
    assert!(document["outcome"].is_null(), "{document}");
    let path = format!(
        "/v1/documents/{}",
        document["document_id"].as_str().unwrap()
    );
    let outcome = json!({"status": 417, "text": "The price is not the one of the cart."});
    let answer = json!({"lease": document["lease"], "owed": [], "outcome": outcome});
    let (_, answered) = harness
        .post(&channel(), &format!("{path}/answer"), answer)
        .await;
    assert_eq!(answered["outcome"], outcome);
    assert_eq!(harness.get(&channel(), &path).await.1["outcome"], outcome);
    let (status, again) = store(&harness, "payload/1", "SVNBMQ==").await;
    assert_eq!(
        (status, &again["document"]["outcome"]),
        (StatusCode::OK, &outcome)
    );
}

#[tokio::test]
async fn only_what_can_be_worked_on_is_leased() {
    let harness = Harness::new(router(DocumentsConfig::default()));
    for (direction, state, allowed) in [
        ("inbound", "received", true),
        ("outbound", "due", true),
        ("outbound", "ready", true),
        ("inbound", "ready", false),
        ("inbound", "due", false),
        ("inbound", "answered", false),
        ("outbound", "received", false),
        ("outbound", "delivered", false),
        ("outbound", "refused", false),
    ] {
        let ask = json!({"direction": direction, "state": state, "limit": 1, "seconds": 30});
        let (status, answer) = harness.post(&channel(), "/v1/documents/leases", ask).await;
        if allowed {
            assert_eq!(status, StatusCode::OK, "{direction} {state}: {answer}");
        } else {
            assert_eq!(
                (status, &answer["errors"][0]["pointer"]),
                (StatusCode::UNPROCESSABLE_ENTITY, &json!("/state")),
                "{direction} {state}"
            );
        }
    }
}
