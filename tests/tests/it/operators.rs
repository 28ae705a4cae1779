//! What process-apis ask of whoever calls them, operation by operation, as their contract says: a scope that an operation
//! names opens it and no other does; and what somebody who delivers news, or works on those that fit no order, gets wrong.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use sandbox::{SandboxConfig, wms::SIGNATURE_HEADER};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    context::{AccountScope, CONTEXT_HEADER, Hop, LayerIdentity},
};
use tests::{Source, World};
use uuid::Uuid;

use crate::{
    bad_input::names_field,
    contracts::{Operation, committed, filled, operations},
    findings::{EXPERIENCE_TO_PROCESS, Findings, answer_of, generous_world, signed_for},
};

const FROM_ABOVE: Hop = Hop {
    from: LayerIdentity::ExperienceApis,
    to: LayerIdentity::ProcessApis,
};

/// The operations that name a scope, and which.
fn scoped() -> Vec<(Operation, Vec<String>)> {
    let contract: Value = serde_json::from_str(&committed("process-apis")).unwrap();
    let scopes = |operation: &Operation| {
        let named = operation.spec["security"].as_array().into_iter().flatten();
        let named = named.flat_map(|one| one["call_context"].as_array().into_iter().flatten());
        named
            .filter_map(|scope| scope.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let all = operations(&contract).into_iter();
    all.map(|operation| {
        let scopes = scopes(&operation);
        (operation, scopes)
    })
    .filter(|(_, scopes)| !scopes.is_empty())
    .collect()
}

/// A sound body, by the name of its schema.
fn body_of(operation: &Operation) -> Option<Value> {
    let schema = &operation.spec["requestBody"]["content"]["application/json"]["schema"];
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    let soon = Clock::system().now() + jiff::SignedDuration::from_hours(1);
    let url = "http://127.0.0.1:9/hook";
    Some(match name {
        "SalesOrderRequest" => {
            json!({"account": "ACME", "purchase_order_number": "PO-SCOPES", "lines": [
                {"identifiers": [{"scheme": "seller_part_number", "value": "SKU-0001"}], "quantity": "1"}]})
        }
        "HoldRelease" | "NewsDismissal" => json!({"note": "Looked at."}),
        "NewSubscription" => json!({"account": "ACME", "url": url}),
        "ChangeSubscription" => json!({"url": url, "active": true}),
        "HoldBreaker" => json!({"held": "open", "until": soon, "reason": "A change window."}),
        "ReplaySubscription" => json!({"after": 0}),
        "RotateSecret" => json!({}),
        "OpenSession" => {
            json!({"session_id": Uuid::now_v7(), "partner": "p", "account": "ACME", "keys": [], "content": {},
                "expires_at": soon})
        }
        "ChangeSession" => json!({"content": {}, "expires_at": soon}),
        other => panic!("{other} has no body in this test: add one"),
    })
}

fn called(
    world: &World,
    operation: &Operation,
    accounts: AccountScope,
    scopes: &[String],
) -> RequestBuilder {
    let context = signed_for(
        FROM_ABOVE,
        EXPERIENCE_TO_PROCESS,
        Clock::system(),
        (accounts, scopes.to_vec()),
    );
    let path = filled(&operation.path.replace("{hold}", "1"));
    let url = format!("{}{path}", world.estate.process_url);
    let request = world
        .http
        .request(operation.method.clone(), url)
        .header(CONTEXT_HEADER, context)
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .header("If-Match", "\"v1\"");
    let request = match operation.id.as_str() {
        "find_sessions" => request.query(&[("partner", "p"), ("key", "k")]),
        _ => request,
    };
    match body_of(operation) {
        Some(body) => request.json(&body),
        None => request,
    }
}

#[tokio::test]
async fn an_operation_is_open_to_the_scope_that_it_names_and_to_no_other() {
    let world = generous_world().await;
    let mut findings = Findings::default();
    let operations = scoped();
    let all: BTreeSet<String> = operations
        .iter()
        .flat_map(|(_, scopes)| scopes.clone())
        .collect();
    for (operation, scopes) in &operations {
        let case = format!("{} without {scopes:?}", operation.id);
        // The seller's people may cancel too; and who may release credit may release.
        let others: Vec<String> = all
            .iter()
            .filter(|scope| !scopes.contains(scope))
            .filter(|scope| operation.id != "cancel_order" || *scope != "holds:release")
            .cloned()
            .collect();
        let answer = answer_of(called(&world, operation, AccountScope::All, &others)).await;
        findings.problem(&case, &answer, 403, "forbidden");
        findings.check(
            &case,
            scopes
                .iter()
                .all(|scope| answer.at("/detail").contains(scope)),
            format!("the scope that is needed is not named: {}", answer.text),
        );
        let answer = answer_of(called(&world, operation, AccountScope::All, scopes)).await;
        let names_nobody = operation.path.contains('{');
        if names_nobody {
            let case = format!("{} of what is not there", operation.id);
            findings.problem(&case, &answer, 404, "not-found");
        } else {
            findings.check(
                &operation.id,
                answer.status.is_success(),
                format!(
                    "with {scopes:?} it answers {} {}",
                    answer.status, answer.text
                ),
            );
        }
    }
    findings.check(
        "all",
        operations.len() >= 25,
        format!("only {} name a scope", operations.len()),
    );
    findings.none();
    world.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_of_all_accounts_is_not_for_who_sees_some() {
    let world = generous_world().await;
    let mut findings = Findings::default();
    let some = || AccountScope::List(vec!["ACME".to_owned()]);
    let mut cases = 0;
    for (operation, scopes) in scoped() {
        if !operation.path.starts_with("/v1/news") && operation.id != "get_outage" {
            continue;
        }
        cases += 1;
        let answer = answer_of(called(&world, &operation, some(), &scopes)).await;
        findings.problem(&operation.id, &answer, 403, "forbidden");
    }
    assert_eq!(cases, 4);
    findings.none();
    world.stop().await.unwrap();
}

#[tokio::test]
async fn news_that_are_put_aside_wrongly_stay_where_they_are() {
    let world = generous_world().await;
    let operator = world.operator().unwrap();
    let source = warehouse(&world);
    let unreadable = json!({"kind": "unreadable", "key": "k", "detail": "d", "raw": "r",
        "received_at": "2026-11-21T10:00:00Z"});
    let delivered = json!({"source": "warehouse", "news": [unreadable]});
    let taken = source
        .call(Method::POST, "/v1/intake/events", &delivered)
        .await
        .unwrap();
    assert_eq!(taken.status, 200, "{}", taken.text);
    let before = operator.get("/v1/news").await.unwrap();
    let id = before.at("/items/0/id");
    let mut findings = Findings::default();
    let dismiss = format!("/v1/news/{id}/dismiss");
    for (body, status, place, code) in [
        (json!({}), 400, "/note", "missing-field"),
        (json!({"note": 7}), 400, "/note", "wrong-type"),
        (
            json!({"note": "n", "by": "me"}),
            400,
            "/by",
            "unknown-field",
        ),
        (json!({"note": " "}), 422, "/note", "out-of-range"),
        (
            json!({"note": "n".repeat(501)}),
            422,
            "/note",
            "out-of-range",
        ),
        (json!({"note": "a\u{1b}[31m"}), 422, "/note", "out-of-range"),
    ] {
        let answer = operator.post(&dismiss, &body).await.unwrap();
        let problem = if status == 400 {
            (400, "invalid-request")
        } else {
            (422, "validation-failed")
        };
        let case: String = format!("dismiss with {body}").chars().take(60).collect();
        names_field(&mut findings, &case, &answer, problem, (place, code));
    }
    for path in ["/v1/news/4711/dismiss", "/v1/news/4711/retry"] {
        let note = json!({"note": "Looked at."});
        let answer = operator.post(path, &note).await.unwrap();
        findings.problem(path, &answer, 404, "not-found");
    }
    for (query, status, place, code) in [
        ("limit=0", 422, "?limit", "out-of-range"),
        ("limit=201", 422, "?limit", "out-of-range"),
        ("cursor=garbage!", 400, "?cursor", "invalid-cursor"),
        ("stage=waiting", 400, "?stage", "invalid-parameter"),
    ] {
        let answer = operator.get(&format!("/v1/news?{query}")).await.unwrap();
        let problem = if status == 400 {
            (400, "invalid-request")
        } else {
            (422, "validation-failed")
        };
        names_field(&mut findings, query, &answer, problem, (place, code));
    }
    let after = operator.get("/v1/news").await.unwrap();
    findings.check("the news", after.text == before.text, after.text);
    findings.none();
    world.stop().await.unwrap();
}

fn warehouse(world: &World) -> Source {
    let (http, url) = (world.http.clone(), &world.estate.process_url);
    Source::new(http, url, "warehouse", Clock::system()).unwrap()
}

/// News of a shipment that nobody knows, but for one member.
fn shipment(name: &str, value: Value) -> Value {
    let mut news = json!({"kind": "shipment", "shipment": "SH-1", "version": 1, "order_reference": "OW0000000000000000",
        "site": "EAST", "occurred_at": "2026-11-21T10:00:00Z",
        "lines": [{"line": 1, "item": "SKU-0001", "unit": "EA", "picked": "1", "packed": "0", "shipped": "0"}]});
    news[name] = value;
    news
}

fn unreadable(name: &str, value: Value) -> Value {
    let mut news = json!({"kind": "unreadable", "key": "k", "detail": "d", "raw": "r",
        "received_at": "2026-11-21T10:00:00Z"});
    news[name] = value;
    news
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
#[tokio::test]
async fn a_delivery_without_the_shape_of_the_contract_leaves_nothing() {
    let world = generous_world().await;
    let source = warehouse(&world);
    let mut findings = Findings::default();
    let good = shipment("version", json!(1));
    let bodies = [
        (
            "no news",
            json!({"source": "warehouse", "news": []}),
            "/news",
        ),
        (
            "501 news",
            json!({"source": "warehouse", "news": vec![good.clone(); 501]}),
            "/news",
        ),
        (
            "a step to nowhere",
            json!({"source": "warehouse", "cursor": {"to": ""}, "news": [good]}),
            "/cursor",
        ),
        (
            "a step of 501 bytes",
            json!({"source": "warehouse", "cursor": {"to": "c".repeat(501)}, "news": [good]}),
            "/cursor",
        ),
        (
            "version 0",
            json!({"source": "warehouse", "news": [good, shipment("version", json!(0))]}),
            "/news/1",
        ),
        (
            "a version beyond all",
            json!({"source": "warehouse", "news": [shipment("version", json!(u64::MAX))]}),
            "/news/0",
        ),
        (
            "501 tracking numbers and more",
            json!({"source": "warehouse", "news": [shipment("tracking_numbers", json!(vec!["T"; 5_001]))]}),
            "/news/0",
        ),
        (
            "no key",
            json!({"source": "warehouse", "news": [unreadable("key", json!(""))]}),
            "/news/0",
        ),
        (
            "a long detail",
            json!({"source": "warehouse", "news": [unreadable("detail", json!("d".repeat(501)))]}),
            "/news/0",
        ),
        (
            "more than came",
            json!({"source": "warehouse", "news": [unreadable("raw", json!("r".repeat(262_145)))]}),
            "/news/0",
        ),
    ];
    for (case, body, place) in bodies {
        let answer = source.call(Method::POST, "/v1/intake/events", &body).await;
        names_field(
            &mut findings,
            case,
            &answer.unwrap(),
            (422, "validation-failed"),
            (place, "out-of-range"),
        );
    }
    for (case, news) in [
        ("gossip", json!({"kind": "gossip"})),
        ("another member", shipment("account", json!("ACME"))),
        ("a word for a version", shipment("version", json!("one"))),
        (
            "no such unit",
            shipment(
                "lines",
                json!([{"line": 1, "item": "SKU-0001", "unit": "each",
            "picked": "1", "packed": "0", "shipped": "0"}]),
            ),
        ),
        (
            "no number",
            shipment(
                "lines",
                json!([{"line": 1, "item": "SKU-0001", "unit": "EA",
            "picked": "a lot", "packed": "0", "shipped": "0"}]),
            ),
        ),
        (
            "a wrong check digit",
            shipment("ssccs", json!(["106141411234567890"])),
        ),
        ("no site", shipment("site", json!(""))),
    ] {
        let body = json!({"source": "warehouse", "news": [news]});
        let answer = source.call(Method::POST, "/v1/intake/events", &body).await;
        findings.problem(case, &answer.unwrap(), 400, "invalid-request");
    }
    let body = json!({"news": [good]});
    let answer = source.call(Method::POST, "/v1/intake/events", &body).await;
    names_field(
        &mut findings,
        "nobody's news",
        &answer.unwrap(),
        (400, "invalid-request"),
        ("/source", "missing-field"),
    );

    // From the backend's side: signed or not, too much is too much.
    let large = " ".repeat(256 * 1024 + 1);
    let now = Clock::system().now();
    let signed = sandbox::wms::signature(SandboxConfig::WMS_NEWS_SECRET, now, large.as_bytes());
    let url = format!("{}/v1/webhooks/warehouse", world.estate.system_url);
    let posted = world.http.post(url).header(SIGNATURE_HEADER, signed);
    let answer = answer_of(posted.body(large)).await;
    findings.problem("256 KiB and a byte", &answer, 413, "payload-too-large");

    let cursor = source
        .call(Method::GET, "/v1/intake/warehouse/cursor", &Value::Null)
        .await
        .unwrap();
    findings.check(
        "the cursor",
        cursor.at("/cursor") != "c",
        cursor.text.clone(),
    );
    findings.check("the cursor", cursor.json()["cursor"].is_null(), cursor.text);
    let kept = world.operator().unwrap().get("/v1/news").await.unwrap();
    findings.check("the news", kept.json()["items"] == json!([]), kept.text);
    findings.none();
    world.stop().await.unwrap();
}
